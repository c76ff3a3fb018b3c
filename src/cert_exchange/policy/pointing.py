"""Which indicators point at a cyber-observable, and whether any of them still counts (CASES M13).

1. An observable has no state of its own: it is what its indicators say. Revoked, taken back or past its valid_until, an
   indicator has ended.
2. What points at it is given by who reads the store, and only when a rule asks; for any other type there is no answer,
   and no rule's key matches.
3. When a rule asks about what is released already, a revocation counts at once and an end by time as time keys do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

ENDED: Final = "ended"
IN_FORCE: Final = "in force"
NOBODY: Final = "none"
STATES: Final = (ENDED, IN_FORCE, NOBODY)
"""Words of `indicators:`."""

State = Literal["ended", "in force", "none"]


@dataclass(frozen=True, slots=True)
class Pointing:
    """One indicator that points at an observable. `valid_until` in micros."""

    gone: bool  # revoked or taken back
    valid_until: int | None = None

    def has_ended(self, at: int) -> bool:
        """Whether it counts no more at this instant (micros)."""
        return self.gone or (self.valid_until is not None and self.valid_until <= at)


Pointers = Callable[[], Sequence[Pointing]]


def no_pointers() -> Sequence[Pointing]:
    """Nothing points at it, as far as anybody told."""
    return ()


def state_of(pointing: Sequence[Pointing], at: int) -> State:
    """What the indicators together say at this instant: one that counts is enough."""
    if not pointing:
        return "none"
    return "ended" if all(one.has_ended(at) for one in pointing) else "in force"


def next_end(pointing: Sequence[Pointing], now: int) -> int | None:
    """When the next of them ends by itself, in micros."""
    ends = [
        one.valid_until
        for one in pointing
        if not one.gone and one.valid_until is not None and one.valid_until > now
    ]
    return min(ends, default=None)
