"""The way outwards: options of one remote, its session, and the door at which foreign errors stop."""

from __future__ import annotations

from cert_exchange.remote.connection.answers import Answer, cleaned
from cert_exchange.remote.connection.exchanged import Exchanged
from cert_exchange.remote.connection.failures import TRANSLATED, AnswerTooLarge, Moved
from cert_exchange.remote.connection.options import (
    Options,
    check_url,
    decode_options,
    make_options,
)
from cert_exchange.remote.connection.session import PEER, Connection

__all__ = [
    "PEER",
    "TRANSLATED",
    "Answer",
    "AnswerTooLarge",
    "Connection",
    "Exchanged",
    "Moved",
    "Options",
    "check_url",
    "cleaned",
    "decode_options",
    "make_options",
]
