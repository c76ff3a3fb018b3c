"""Proposals: what partners sent of objects that they may not bring; our people accept, decline or answer them."""

from cert_exchange.services.proposals.accepting import Accepted, Draft, accept, draft
from cert_exchange.services.proposals.answering import Answered, Declined, answer, decline
from cert_exchange.services.proposals.listing import (
    Change,
    Proposal,
    Standing,
    compared,
    find,
    proposals,
)
from cert_exchange.store.proposals import Said

__all__ = [
    "Accepted",
    "Answered",
    "Change",
    "Declined",
    "Draft",
    "Proposal",
    "Said",
    "Standing",
    "accept",
    "answer",
    "compared",
    "decline",
    "draft",
    "find",
    "proposals",
]
