"""Requests between desks: what we ask partners for and they us, and what both sides said to it (docs/requests.md)."""

from cert_exchange.services.requesting.delivering import Sent
from cert_exchange.services.requesting.granting import settle
from cert_exchange.services.requesting.lateness import Overdue, Waiting, overdue, remind, waiting
from cert_exchange.services.requesting.reading import find, threads
from cert_exchange.services.requesting.sending import answer, send
from cert_exchange.services.requesting.time_lines import Line, Thread

__all__ = [
    "Line",
    "Overdue",
    "Sent",
    "Thread",
    "Waiting",
    "answer",
    "find",
    "overdue",
    "remind",
    "send",
    "settle",
    "threads",
    "waiting",
]
