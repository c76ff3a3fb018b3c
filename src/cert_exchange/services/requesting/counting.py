"""Which of the words that were said to a request is the last one.

1. A word counts as its writer dated it, and at the latest when it came here: a clock that is ahead silences nobody after it.
2. What came while our own clock was ahead, and was set back since, counts right after what had come before it.
3. Words of one instant are in the order of their versions, which is the same on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cert_exchange.stix.instants import EARLIEST


class Word(NamedTuple):
    """What is to be known of a note to place it. Instants in micros."""

    number: int
    """objects.id: the order in which notes came"""
    version_key: str
    stix_id: str
    at: int
    """as its writer dated it"""
    came_at: int


def counting_from(words: Iterable[Word], now: int) -> dict[int, int]:
    """Number of each word -> the instant from which it counts."""
    found: dict[int, int] = {}
    latest = EARLIEST
    for one in sorted(words):
        counts = min(one.at, one.came_at)
        if counts > now:
            counts = latest
        found[one.number] = counts
        latest = max(latest, counts)
    return found


def last_of(words: Sequence[Word], now: int) -> Word:
    """The word that counts last; there is one at least."""
    counts = counting_from(words, now)
    return max(words, key=lambda one: (counts[one.number], one.version_key, one.stix_id))
