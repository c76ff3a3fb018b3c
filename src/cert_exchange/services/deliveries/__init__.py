"""Signed delivery and receipts: what is said beside the objects, so that both sides can show it later."""

from cert_exchange.services.deliveries.answering import (
    answer_delivery,
    answer_receipt,
    answer_statement,
)
from cert_exchange.services.deliveries.checking import (
    Expected,
    Opened,
    Taken,
    keep_broken,
    needs_keys,
    take_statement,
)
from cert_exchange.services.deliveries.receipting import take_receipt, wrong_of
from cert_exchange.services.deliveries.settling import (
    OTHER_CONTENT,
    handed_over,
    note_received,
    settle,
)
from cert_exchange.services.deliveries.showing import (
    Origin,
    Served,
    Shown,
    Trouble,
    count_open,
    listing,
    origins,
    served,
    texts,
    troubles,
)
from cert_exchange.services.deliveries.stating import (
    Span,
    Told,
    make_ahead,
    tell_again,
    tell_long,
    tell_next,
)

__all__ = [
    "OTHER_CONTENT",
    "Expected",
    "Opened",
    "Origin",
    "Served",
    "Shown",
    "Span",
    "Taken",
    "Told",
    "Trouble",
    "answer_delivery",
    "answer_receipt",
    "answer_statement",
    "count_open",
    "handed_over",
    "keep_broken",
    "listing",
    "make_ahead",
    "needs_keys",
    "note_received",
    "origins",
    "served",
    "settle",
    "take_receipt",
    "take_statement",
    "tell_again",
    "tell_long",
    "tell_next",
    "texts",
    "troubles",
    "wrong_of",
]
