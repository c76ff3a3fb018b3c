"""How much may come in within a window of whole hours, and whether a limit was passed. Pure: counts in, counts out.

1. Four things are counted, each by its own limit; a limit that is not set limits nothing.
2. What is counted stands in a document of JSON, `{hours: {hour: [a number for each of COUNTED]}, shut: ..., ...}`; what
   else stands in it is left as it is.
3. An hour of the future, in which only a clock that was set back can lie, counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

HOUR: Final = 3_600_000_000
COUNTED: Final = ("objects", "revocations", "proposals", "rejects")
"""`revocations`: objects that counted and are taken out of use, by a revoked version or by a notice."""
_WORDS: Final = {
    "objects": "new objects",
    "revocations": "objects taken out of use that count here",
    "proposals": "proposals",
    "rejects": "objects refused or not to be read",
}


@dataclass(frozen=True, slots=True)
class Shut:
    """Why and since when nothing more comes in. Instants in micros."""

    at: int
    what: str
    """one of COUNTED"""
    number: int
    most: int
    hours: int
    words: str

    @classmethod
    def of(cls, gate: Mapping[str, Any]) -> Shut | None:
        """What stands in the document; None: it is open."""
        found = gate.get("shut")
        return cls(**found) if isinstance(found, dict) else None

    def document(self) -> dict[str, Any]:
        """As it stands in the document."""
        return asdict(self)


def in_window(gate: Mapping[str, Any], *, now: int, window_hours: int) -> dict[str, int]:
    """How much of each of COUNTED came in the last whole hours."""
    hours = _kept(gate, now, window_hours)
    return {name: sum(row[place] for row in hours.values()) for place, name in enumerate(COUNTED)}


def added(
    gate: Mapping[str, Any], more: Mapping[str, int], *, now: int, window_hours: int
) -> dict[str, Any]:
    """The document with what came now; hours outside the window are left out."""
    hours = _kept(gate, now, window_hours)
    this = hours.setdefault(str(now // HOUR), [0] * len(COUNTED))
    for place, name in enumerate(COUNTED):
        this[place] += more[name]
    return {**gate, "hours": hours}


def passed(
    gate: Mapping[str, Any],
    more: Mapping[str, int],
    limits: Mapping[str, int],
    *,
    now: int,
    window_hours: int,
) -> Shut | None:
    """The first limit that what came now has passed, `gate` counting it already; None: it may come in."""
    sums = in_window(gate, now=now, window_hours=window_hours)
    for name in COUNTED:
        most = limits.get(name)
        if most is not None and more[name] and sums[name] > most:
            words = f"{sums[name]:,} {_WORDS[name]} within {window_hours} hours, more than {most:,}"
            return Shut(now, name, sums[name], most, window_hours, words)
    return None


def _kept(gate: Mapping[str, Any], now: int, window_hours: int) -> dict[str, list[int]]:
    this = now // HOUR
    hours = gate.get("hours") or {}
    return {
        hour: list(row) for hour, row in hours.items() if this - window_hours < int(hour) <= this
    }
