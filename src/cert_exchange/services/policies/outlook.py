"""What one audience would see when all is settled, as numbers and flags: a million objects fit into memory.

1. One row for each (view, version) that policy allows, that is in force, or that could be carried along; contents are
   never kept.
2. The end is the one that `releasing.closing` reaches part by part: the greatest fixed point of "all allowed, less those
   with a required reference outside", then the identities and marking definitions that the rest needs.
3. Rows come in the order of their ids, an id's versions from the oldest to the newest, as `Pool` has them.
4. It knows numbers only, in four bytes each: who fills it judges, who reads it gives names.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from itertools import accumulate
from typing import Final, NamedTuple

from cert_exchange.stix.references import Role
from cert_exchange.store.objects import Version
from cert_exchange.store.tables import OWN


class About(IntFlag):
    """What is known of an id, as `releasing.settlement.Sight` would say it."""

    HELD = 1
    SENT = 2
    """a member of the audience sent it to us: it sees it already"""
    CARRIED_TYPE = 4
    OBSERVABLE = 8
    """in the cyber-observable namespace: it never may dangle"""


class Standing(IntFlag):
    """How a version stands in a view."""

    ALLOWED = 1
    LIVE = 2
    """in force now"""
    LAST = 4
    """in force now as the last one of its id"""
    NEWEST = 8
    """the newest of an identity or marking definition, and it may be carried into this view"""
    STAYS = 16
    """an older version that is carried now and stays beside the newest while that is needed"""
    SUPPORTS = 32
    """while it is not lost, what refers to its id finds it visible"""


class Kind(IntEnum):
    """What happens to an id in a view."""

    KEPT = 0
    GAINED = 1
    LOST = 2
    CHANGED = 3


class Fate(NamedTuple):
    """What happens to an id in a view, and the number of the rule that does it."""

    ident: int
    view: int
    kind: Kind
    rule: int


_COUNTS: Final = int(Standing.ALLOWED | Standing.NEWEST | Standing.STAYS)
_ALLOWED, _LIVE, _LAST = int(Standing.ALLOWED), int(Standing.LIVE), int(Standing.LAST)
_NEWEST, _STAYS, _SUPPORTS = int(Standing.NEWEST), int(Standing.STAYS), int(Standing.SUPPORTS)
_HELD, _SENT, _TYPE = int(About.HELD), int(About.SENT), int(About.CARRIED_TYPE)
_OBSERVABLE = int(About.OBSERVABLE)


@dataclass(slots=True)
class Outlook:
    """Rows of one audience. `add` them, `settle`, then read `fates`.

    `by_reference` and `by_need` are the numbers of what stands in a rule's place where a reference is hidden, and where a
    carried object is not needed any more.
    """

    dangling: bool
    """whether the policy lets references dangle (`unresolved: allow`)"""
    by_reference: int
    by_need: int
    about: bytearray = field(default_factory=bytearray)
    """by number of the id: About"""
    _idents: array[int] = field(default_factory=lambda: array("I"))
    _numbers: array[int] = field(default_factory=lambda: array("I"))
    _origins: array[int] = field(default_factory=lambda: array("I"))
    _traits: bytearray = field(default_factory=bytearray)
    """of a version: 1 a cyber-observable, 2 the same version as the one before, of another origin"""
    _refs: array[int] = field(default_factory=lambda: array("I", [0]))
    _rows: array[int] = field(default_factory=lambda: array("I", [0]))
    """where a version's references and rows begin; the next one's beginning is their end"""
    _targets: array[int] = field(default_factory=lambda: array("I"))
    _roles: bytearray = field(default_factory=bytearray)
    _version: array[int] = field(default_factory=lambda: array("I"))
    _view: array[int] = field(default_factory=lambda: array("H"))
    _standing: bytearray = field(default_factory=bytearray)
    _rule: array[int] = field(default_factory=lambda: array("H"))
    _first: array[int] = field(default_factory=lambda: array("I"))
    """by number of the id: its first version's place + 1, 0 where there is none"""
    _support: array[int] = field(default_factory=lambda: array("I"))
    """by number of the id: how many rows make it visible"""
    _alive: bytearray = field(default_factory=bytearray)
    _after: bytearray = field(default_factory=bytearray)
    _key: str = ""
    """of the version that was added last"""

    def tell(self, ident: int, about: int) -> None:
        """Say what is known of an id (About): of every one that a row or a reference names."""
        if ident >= len(self.about):
            self.about.extend(bytes(ident + 1 - len(self.about)))
        self.about[ident] = about

    def add(
        self,
        version: Version,
        references: Iterable[tuple[int, int]],
        rows: Iterable[tuple[int, int, int]],
    ) -> None:
        """A version with what it refers to, and how it stands in each view that it may have to do with.

        A row is the view's place in the plan, Standing, and the number of the rule that answers.
        """
        place = len(self._idents)
        again = 0
        if place and self._idents[-1] == version.ident and self._key == version.version_key:
            again = 2
        self._key = version.version_key
        self._idents.append(version.ident)
        self._numbers.append(version.id)
        self._origins.append(version.origin)
        self._traits.append(int(version.observable) | again)
        for target, role in references:
            if role != Role.EXTENSION and target != version.ident:
                self._targets.append(target)
                self._roles.append(role)
        self._refs.append(len(self._targets))
        for view, standing, rule in rows:
            self._version.append(place)
            self._view.append(view)
            self._standing.append(standing)
            self._rule.append(rule)
        self._rows.append(len(self._version))

    def settle(self) -> None:
        """Find what stays when every reference has been followed."""
        size = max(len(self.about), max(self._targets, default=0) + 1)
        self.about.extend(bytes(size - len(self.about)))
        self._first = array("I", bytes(4 * size))
        for place in range(len(self._idents) - 1, -1, -1):
            self._first[self._idents[place]] = place + 1
        self._support = array("I", bytes(4 * size))
        self._alive = bytearray(len(self._standing))
        for row, standing in enumerate(self._standing):
            if standing & _COUNTS:
                self._alive[row] = 1
                if standing & _SUPPORTS:
                    self._support[self._idents[self._version[row]]] += 1
        self._shrink()
        self._carry()

    def fates(self) -> Iterator[Fate]:
        """What happens to each id in each view, in the order of ids."""
        start, count = 0, len(self._idents)
        while start < count:
            ident = self._idents[start]
            end = start + 1
            while end < count and self._idents[end] == ident:
                end += 1
            by_view: dict[int, list[int]] = {}
            for row in range(self._rows[start], self._rows[end]):
                by_view.setdefault(self._view[row], []).append(row)
            for view, rows in by_view.items():
                fate = self._fate(rows)
                if fate is not None:
                    yield Fate(ident, view, *fate)
            start = end

    def waiting(self) -> Iterator[tuple[int, int]]:
        """(id, view) of what policy allows and a reference keeps out."""
        for row, standing in enumerate(self._standing):
            if standing & _ALLOWED and not self._alive[row]:
                yield self._idents[self._version[row]], self._view[row]

    # -- following references --------------------------------------------------------------------------------------

    def _shrink(self) -> None:
        queue = [row for row, alive in enumerate(self._alive) if alive and self._lacks(row)]
        if not queue:
            return
        heads, sources = self._turned()
        while queue:
            row = queue.pop()
            if not self._alive[row]:
                continue
            self._alive[row] = 0
            ident = self._idents[self._version[row]]
            gone = False
            if self._standing[row] & _SUPPORTS:
                self._support[ident] -= 1
                gone = not self._support[ident]
            if not gone and not self._standing[row] & _NEWEST:
                continue
            for at in range(heads[ident], heads[ident + 1]):
                place = sources[at]
                queue += [
                    other
                    for other in range(self._rows[place], self._rows[place + 1])
                    if self._alive[other] and self._lacks(other)
                ]

    def _turned(self) -> tuple[array[int], array[int]]:
        """By target: the versions that refer to it, and where each target's begin."""
        counts = array("I", bytes(4 * (len(self.about) + 1)))
        for target in self._targets:
            counts[target + 1] += 1
        heads = array("I", accumulate(counts))
        places = array("I", heads)
        sources = array("I", bytes(4 * len(self._targets)))
        for place in range(len(self._idents)):
            for at in range(self._refs[place], self._refs[place + 1]):
                target = self._targets[at]
                sources[places[target]] = place
                places[target] += 1
        return heads, sources

    def _lacks(self, row: int) -> bool:
        """Whether something that the version requires is hidden from the audience (`Closing._missing`)."""
        place = self._version[row]
        about, support = self.about, self._support
        for at in range(self._refs[place], self._refs[place + 1]):
            target = self._targets[at]
            known = about[target]
            if support[target] or known & _SENT:
                continue
            if known & _HELD:
                if known & _TYPE and self._can_carry(target, self._view[row]):
                    continue
                return True
            if self._roles[at] != Role.CREATOR and not (self.dangling and not known & _OBSERVABLE):
                return True
        return False

    def _can_carry(self, target: int, view: int) -> bool:
        return any(
            self._alive[row] and self._standing[row] & _NEWEST for row in self._of(target, view)
        )

    def _of(self, ident: int, view: int) -> Iterator[int]:
        """The rows of an id in a view."""
        place = self._first[ident] - 1
        if place < 0:
            return
        while place < len(self._idents) and self._idents[place] == ident:
            for row in range(self._rows[place], self._rows[place + 1]):
                if self._view[row] == view:
                    yield row
            place += 1

    def _carry(self) -> None:
        """What is allowed is seen; identities and marking definitions join each view that needs them."""
        self._after = bytearray(
            int(bool(alive and standing & _ALLOWED))
            for alive, standing in zip(self._alive, self._standing, strict=True)
        )
        done: dict[int, bytearray] = {}
        for start, seen in enumerate(bytes(self._after)):
            if not seen:
                continue
            stack = [start]
            while stack:
                row = stack.pop()
                place, view = self._version[row], self._view[row]
                looked = done.setdefault(view, bytearray(len(self.about)))
                for at in range(self._refs[place], self._refs[place + 1]):
                    target = self._targets[at]
                    if looked[target]:
                        continue
                    looked[target] = 1
                    if self.about[target] & _TYPE and self.about[target] & _HELD:
                        stack += self._joining(target, view)

    def _joining(self, ident: int, view: int) -> list[int]:
        rows = [row for row in self._of(ident, view) if self._alive[row]]
        by_rule = any(self._standing[row] & _ALLOWED for row in rows)
        joining = [
            row
            for row in rows
            if not self._after[row]
            and (self._standing[row] & _STAYS or (self._standing[row] & _NEWEST and not by_rule))
        ]
        for row in joining:
            self._after[row] = 1
        return joining

    # -- reading the end -------------------------------------------------------------------------------------------

    def _fate(self, rows: Sequence[int]) -> tuple[Kind, int] | None:
        before = [row for row in rows if self._standing[row] & _LIVE]
        after = [row for row in rows if self._after[row]]
        if not after:
            return (Kind.LOST, self._loser(before)) if before else None
        last = self._last(after)
        rule = self._rule[last] if self._standing[last] & _ALLOWED else self.by_need
        if not before:
            return Kind.GAINED, rule
        same = before == after and self._standing[last] & _LAST
        return (Kind.KEPT if same else Kind.CHANGED), rule

    def _loser(self, before: Sequence[int]) -> int:
        last = next((row for row in before if self._standing[row] & _LAST), before[-1])
        standing = self._standing[last]
        if not standing & _COUNTS:
            return self._rule[last]
        return self.by_need if self._alive[last] else self.by_reference

    def _last(self, rows: Sequence[int]) -> int:
        """Which of an id's rows in a view will be the last one (`arranging.ends`)."""
        places = [self._version[row] for row in rows]
        if self._traits[places[0]] & 1:
            own = [row for row in rows if self._origins[self._version[row]] == OWN]
            if not own:
                oldest = min(places, key=lambda place: self._numbers[place])
                origin = self._origins[oldest]
                own = [row for row in rows if self._origins[self._version[row]] == origin]
            return own[-1]
        # Of two origins' copies of the newest version the one that was stored first.
        index = len(rows) - 1
        while index and self._same_version(places[index - 1], places[index]):
            index -= 1
        return rows[index]

    def _same_version(self, one: int, other: int) -> bool:
        return all(self._traits[place] & 2 for place in range(one + 1, other + 1))
