"""What goes in of each object, and of all of them together: entries, whole bodies, and what does not with its reason.

1. What is taken of one object depends on it alone, so that it can be kept (`keeping`); `fold` joins what was taken.
2. The order is that of the sources. What is left out is counted by its reason, each object with its id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from cert_exchange.outputs.entries import Entry, Level
from cert_exchange.outputs.expressing import Unsaid


class Source(NamedTuple):
    """One stored version that may go in. `stored_at` in micros, None where its retention was looked at."""

    stix_id: str
    type: str
    origin: int
    body: str
    stored_at: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """What goes in of one object, and what does not. `due`: when a date next changes that, in micros."""

    entries: tuple[Entry, ...] = ()
    body: str | None = None
    unsaid: tuple[Unsaid, ...] = ()
    due: int | None = None
    level: tuple[str, Level] | None = None
    """of a whole object: its id and what counts of it"""
    hangs: bool = False
    """a partner's cyber-observable, which carries no terms of its own: it goes in beside what names it"""
    helper: str | None = None
    """the body of what goes in only beside what names it"""


NOTHING: Final = Taken()


@dataclass(frozen=True, slots=True)
class Gathered:
    """What goes in, in the order of storing, and what does not."""

    entries: list[Entry] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """reason -> ids"""
    levels: dict[str, Level] = field(default_factory=dict)
    """what counts of whole objects, by id"""
    hanging: set[str] = field(default_factory=set)
    """ids of what hangs on what names it"""
    helpers: list[str] = field(default_factory=list)
    """bodies of what goes in only beside what names it; counted as left out until then"""
    due: int | None = None
    """when a date of an object next changes what goes in, in micros"""

    def leave(self, unsaid: Unsaid) -> None:
        """Count an object that is not there, in whole or in part."""
        reason = f"in part: {unsaid.reason}" if unsaid.in_part else unsaid.reason
        self.left_out.setdefault(reason, []).append(unsaid.stix_id)


def fold(taken: Iterable[Taken]) -> Gathered:
    """What was taken of each object, as one."""
    found = Gathered()
    due: int | None = None
    for one in taken:
        found.entries.extend(one.entries)
        if one.body is not None:
            found.bodies.append(one.body)
        if one.level is not None:
            found.levels.update((one.level,))
        if one.hangs and one.level is not None:
            found.hanging.add(one.level[0])
        if one.helper is not None:
            found.helpers.append(one.helper)
        for unsaid in one.unsaid:
            found.leave(unsaid)
        if one.due is not None:
            due = one.due if due is None else min(due, one.due)
    return replace(found, due=due)
