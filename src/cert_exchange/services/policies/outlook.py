"""What one audience would see when all is settled, as numbers and flags: a million objects fit into memory.

1. One row for each (view, version) that policy allows, that is in force, or that could be carried along; what is the
   same for all audiences is in the catalogue.
2. The end is the one that `releasing.closing` reaches part by part: the greatest fixed point of "all allowed, less those
   with a required reference outside", then the identities and marking definitions that the rest needs.
3. It knows numbers only: who fills it judges, who reads it gives names.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

from cert_exchange.services.policies.catalogue import About, Catalogue
from cert_exchange.stix.references import Role
from cert_exchange.store.tables import OWN


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
_HELD, _TYPE, _OBSERVABLE = int(About.HELD), int(About.CARRIED_TYPE), int(About.OBSERVABLE)


class Outlook:
    """One audience's rows over a catalogue. `add` them, `settle`, then read `fates`."""

    __slots__ = (
        "_after", "_alive", "_by_need", "_by_reference", "_catalogue", "_dangling", "_rows",
        "_rule", "_sent", "_standing", "_support", "_version", "_view",
    )  # fmt: skip

    def __init__(
        self, catalogue: Catalogue, *, dangling: bool, by_reference: int, by_need: int
    ) -> None:
        """`dangling`: the policy lets references dangle (`unresolved: allow`).

        The numbers are of what stands in a rule's place where a reference is hidden, and where a carried object is not
        needed any more.
        """
        self._catalogue = catalogue
        self._dangling = dangling
        self._by_reference = by_reference
        self._by_need = by_need
        self._sent: set[int] = set()
        self._rows = array("I", [0])
        """where the rows of a place in the catalogue begin"""
        self._version = array("I")
        self._view = array("H")
        self._standing = bytearray()
        self._rule = array("H")
        self._support = array("I")
        """by number of the id: how many rows make it visible"""
        self._alive = bytearray()
        self._after = bytearray()

    def note_sent(self, ident: int) -> None:
        """A member of the audience sent us the id: it sees it already."""
        self._sent.add(ident)

    def add(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """How the version that the catalogue got last stands in each view that it may have to do with.

        A row is the view's place in the plan, Standing, and the number of the rule that answers.
        """
        place = len(self._rows) - 1
        for view, standing, rule in rows:
            self._version.append(place)
            self._view.append(view)
            self._standing.append(standing)
            self._rule.append(rule)
        self._rows.append(len(self._version))

    def join(self, later: Outlook, rules: Sequence[int]) -> None:
        """Append the rows of an outlook on the ids that come next; `rules` gives its rules' numbers here."""
        places, rows = len(self._rows) - 1, len(self._version)
        self._version.extend(place + places for place in later._version)
        self._view.extend(later._view)
        self._standing.extend(later._standing)
        self._rule.extend(rules[rule] for rule in later._rule)
        self._rows.extend(row + rows for row in later._rows[1:])
        self._sent |= later._sent

    def settle(self) -> None:
        """Find what stays when every reference has been followed; the catalogue is closed by then."""
        idents = self._catalogue.idents
        self._support = array("I", bytes(4 * len(self._catalogue.about)))
        self._alive = bytearray(len(self._standing))
        for row, standing in enumerate(self._standing):
            if standing & _COUNTS:
                self._alive[row] = 1
                if standing & _SUPPORTS:
                    self._support[idents[self._version[row]]] += 1
        self._shrink()
        self._carry()

    def fates(self) -> Iterator[Fate]:
        """What happens to each id in each view, in the order of ids."""
        idents = self._catalogue.idents
        start = 0
        while start < len(idents):
            ident = idents[start]
            end = start + 1
            while end < len(idents) and idents[end] == ident:
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
                yield self._catalogue.idents[self._version[row]], self._view[row]

    # -- following references --------------------------------------------------------------------------------------

    def _shrink(self) -> None:
        queue = [row for row, alive in enumerate(self._alive) if alive and self._lacks(row)]
        catalogue = self._catalogue
        while queue:
            row = queue.pop()
            if not self._alive[row]:
                continue
            self._alive[row] = 0
            ident = catalogue.idents[self._version[row]]
            gone = False
            if self._standing[row] & _SUPPORTS:
                self._support[ident] -= 1
                gone = not self._support[ident]
            if not gone and not self._standing[row] & _NEWEST:
                continue
            for place in catalogue.needing(ident):
                queue += [
                    other
                    for other in range(self._rows[place], self._rows[place + 1])
                    if self._alive[other] and self._lacks(other)
                ]

    def _lacks(self, row: int) -> bool:
        """Whether something that the version requires is hidden from the audience (`Closing._missing`)."""
        catalogue, place = self._catalogue, self._version[row]
        for at in range(catalogue.refs[place], catalogue.refs[place + 1]):
            target = catalogue.targets[at]
            if self._support[target] or target in self._sent:
                continue
            known = catalogue.about[target]
            if known & _HELD:
                if known & _TYPE and self._can_carry(target, self._view[row]):
                    continue
                return True
            if catalogue.roles[at] != Role.CREATOR and not (
                self._dangling and not known & _OBSERVABLE
            ):
                return True
        return False

    def _can_carry(self, target: int, view: int) -> bool:
        return any(
            self._alive[row] and self._standing[row] & _NEWEST for row in self._of(target, view)
        )

    def _of(self, ident: int, view: int) -> Iterator[int]:
        """The rows of an id in a view."""
        for place in self._catalogue.places(ident):
            for row in range(self._rows[place], self._rows[place + 1]):
                if self._view[row] == view:
                    yield row

    def _carry(self) -> None:
        """What is allowed is seen; identities and marking definitions join each view that needs them."""
        self._after = bytearray(
            int(bool(alive and standing & _ALLOWED))
            for alive, standing in zip(self._alive, self._standing, strict=True)
        )
        catalogue = self._catalogue
        done: dict[int, bytearray] = {}
        for start, seen in enumerate(bytes(self._after)):
            if not seen:
                continue
            stack = [start]
            while stack:
                row = stack.pop()
                place, view = self._version[row], self._view[row]
                looked = done.setdefault(view, bytearray(len(catalogue.about)))
                for at in range(catalogue.refs[place], catalogue.refs[place + 1]):
                    target = catalogue.targets[at]
                    if looked[target]:
                        continue
                    looked[target] = 1
                    if catalogue.about[target] & _TYPE and catalogue.about[target] & _HELD:
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
        rule = self._rule[last] if self._standing[last] & _ALLOWED else self._by_need
        if not before:
            return Kind.GAINED, rule
        same = before == after and self._standing[last] & _LAST
        return (Kind.KEPT if same else Kind.CHANGED), rule

    def _loser(self, before: Sequence[int]) -> int:
        last = next((row for row in before if self._standing[row] & _LAST), before[-1])
        standing = self._standing[last]
        if not standing & _COUNTS:
            return self._rule[last]
        return self._by_need if self._alive[last] else self._by_reference

    def _last(self, rows: Sequence[int]) -> int:
        """Which of an id's rows in a view will be the last one (`arranging.ends`)."""
        catalogue = self._catalogue
        places = [self._version[row] for row in rows]
        if catalogue.is_observable(places[0]):
            origins = [catalogue.origins[place] for place in places]
            whose = OWN
            if OWN not in origins:
                oldest = min(range(len(rows)), key=lambda at: catalogue.numbers[places[at]])
                whose = origins[oldest]
            return [row for row, origin in zip(rows, origins, strict=True) if origin == whose][-1]
        # Of two origins' copies of the newest version the one that was stored first.
        index = len(rows) - 1
        while index and catalogue.is_same_version(places[index - 1], places[index]):
            index -= 1
        return rows[index]
