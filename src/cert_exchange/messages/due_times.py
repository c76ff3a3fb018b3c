"""When an answer that another desk asked for counts as overdue: no partner's pen, or clock, makes us late at once.

1. A time before the asking itself cannot be meant: it is shown as said, and counts as if none was set.
2. Another's time counts at the earliest LEAST after its words came to us, whatever they say and however long they took.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from cert_exchange.stix.instants import LATEST

LEAST: Final = timedelta(hours=1)
_MICROSECOND: Final = timedelta(microseconds=1)


def owed_by(due: int | None, *, asked_at: int, came_at: int | None) -> int | None:
    """From when on an answer is overdue here; None: never. All in micros.

    `due` as it was said, `asked_at` as its writer dated the words that say it, `came_at` when they came here; None for ours.
    """
    if due is None or due < asked_at:
        return None
    if came_at is None:
        return due
    return max(due, min(came_at + LEAST // _MICROSECOND, LATEST))
