"""How far a source or target is behind, in objects and in seconds, as far as this node can know.

1. Of a target it is known: the object versions in force that were not sent yet, and how long the oldest of them has waited.
2. Of a source only its server knows. What is kept is what it showed at the end of the last run: nothing more, or so many
   entries of its manifest beyond our cursor. It counts as of then, and seconds count from the begin of the last run that
   brought everything: what was added there since may be missing here.
3. Counting ends at MOST.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.stix.instants import parse_micros
from cert_exchange.store import channels, outgoing
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction

MICROS: Final = 1_000_000
MOST: Final = 10_000
"""Where counting what somebody is behind ends: more is as bad."""


@dataclass(frozen=True, slots=True)
class Lag:
    """What has not come, or not gone, so far. None: it cannot be known."""

    objects: int | None
    seconds: float | None
    at_least: bool = False
    """there may be more objects than these"""
    as_of: int | None = None
    """when the remote showed it (micros); None: it is so now"""

    @property
    def words(self) -> str:
        """`nothing waits`, `12 objects, the oldest for 3 min` ..."""
        if self.objects is None and self.seconds is None:
            return "not known"
        if self.objects is None:
            return f"not known since {_lasting(self.seconds or 0)}"
        if not self.objects and not self.at_least:
            return "nothing"
        number = f"{self.objects:,}{' or more' if self.at_least else ''}"
        return (
            f"{number} object{'' if self.objects == 1 and not self.at_least else 's'}"
            f"{'' if self.seconds is None else f', {_lasting(self.seconds)}'}"
        )


def lag_of(tx: Transaction, channel: Channel, *, now: int) -> Lag:
    """How far a channel is behind at `now` (micros)."""
    if channel.direction == "pull":
        return _of_source(channel, now)
    view = outgoing.view_kept(tx, partner=channel.partner, collection=channel.collection)
    if view is None:
        return Lag(0, 0.0)  # nothing is to be sent
    after = channel.position if channel.view == view else 0
    number, oldest = outgoing.waiting(tx, view, after=after, partner=channel.partner, most=MOST)
    age = 0.0 if oldest is None else max(now - oldest, 0) / MICROS
    return Lag(number, age, at_least=number >= MOST)


def every_lag(tx: Transaction, *, now: int) -> dict[tuple[str, str], Lag]:
    """How far each channel is behind, by direction and name."""
    return {(one.direction, one.name): lag_of(tx, one, now=now) for one in channels.channels(tx)}


def _of_source(channel: Channel, now: int) -> Lag:
    counters = channel.counters
    complete = counters.get(channels.COMPLETE)
    seconds = None if complete is None else max(now - int(complete), 0) / MICROS
    there = counters.get(channels.THERE)
    if not isinstance(there, dict) or channel.attempts or channel.paused:
        return Lag(None, seconds)  # what it showed before says nothing of now
    oldest = _micros(there.get("oldest"))
    if oldest is not None:
        # What waits there is older than our last look at everything, or as old.
        seconds = max(now - oldest, 0) / MICROS if seconds is None else seconds
    return Lag(
        there.get("objects"),
        seconds,
        at_least=bool(there.get("more")),
        as_of=there.get("at"),
    )


def _micros(text: Any) -> int | None:
    try:
        return parse_micros(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _lasting(seconds: float) -> str:
    """Seconds as a person says them."""
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {word}"
    return f"{int(seconds)} s"
