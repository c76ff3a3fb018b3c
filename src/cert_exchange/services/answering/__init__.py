"""Answers to partners' objects: what our desk says, and what partners said to ours (docs/answers.md)."""

from cert_exchange.services.answering.giving import RETURN, Given, Manner, Reached
from cert_exchange.services.answering.listing import Heard, heard
from cert_exchange.services.answering.proposing import propose
from cert_exchange.services.answering.saying import ask, note, opine, reply, sight

__all__ = [
    "RETURN",
    "Given",
    "Heard",
    "Manner",
    "Reached",
    "ask",
    "heard",
    "note",
    "opine",
    "propose",
    "reply",
    "sight",
]
