"""What one audience would see when all is settled, as numbers and flags: a million objects fit into memory.

1. One row for each (view, version) that policy allows, that is in force, or that could be carried along; what is the
   same for all audiences is in the catalogue.
2. The end is the one that `releasing.closing` reaches part by part: the greatest fixed point of "all allowed, less those
   with a required reference outside", then the identities and marking definitions that the rest needs.
3. What is shown as a derivative is found then (`fanning`); that may carry more, and drops older versions.
4. It knows numbers only: who fills it judges, `fates` reads it, and who asks those gives names.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum, IntFlag
from typing import Final

from cert_exchange.policy.redaction import Need
from cert_exchange.services.policies.catalogue import About, Catalogue
from cert_exchange.services.policies.fanning import fan_out
from cert_exchange.services.policies.leavings import Leavings
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
    REDACTED = 64
    """a derivative is shown in its place, because a rule redacts it"""
    DERIVED = 128
    """in force now, and what is in force is a derivative"""


class Shown(IntEnum):
    """How what is seen is shown."""

    WHOLE = 0
    REDACTED = 1
    """a derivative, because a rule redacts it"""
    REWRITTEN = 2
    """a derivative, only because it refers to what is shown as one (fan-out)"""


Leaves = tuple[list[tuple[int, int]], Mapping[int, Need]]
"""what a version refers to once it is redacted, (target, role), and how badly it needs that, by target"""


_COUNTS: Final = int(Standing.ALLOWED | Standing.NEWEST | Standing.STAYS)
_ALLOWED, _REDACTED = int(Standing.ALLOWED), int(Standing.REDACTED)
_NEWEST, _STAYS, _SUPPORTS = int(Standing.NEWEST), int(Standing.STAYS), int(Standing.SUPPORTS)
_REQUIRED, _ONE_OF = int(Need.REQUIRED), int(Need.ONE_OF)
_HELD, _TYPE, _OBSERVABLE = int(About.HELD), int(About.CARRIED_TYPE), int(About.OBSERVABLE)


class Outlook:
    """One audience's rows over a catalogue. `add` them, `settle`, then read `fates`."""

    __slots__ = (
        "_dangling", "_dropped", "_left", "_support", "after", "alive", "by_need", "by_reference",
        "catalogue", "new_content", "own", "rows", "rule", "says_more", "sent", "shown", "standing",
        "version", "view",
    )  # fmt: skip

    def __init__(
        self, catalogue: Catalogue, *, dangling: bool, by_reference: int, by_need: int
    ) -> None:
        """`dangling`: the policy lets references dangle (`unresolved: allow`).

        The numbers are of what stands in a rule's place where a reference is hidden, and where a carried object is not
        needed any more.
        """
        self.catalogue = catalogue
        self.by_reference = by_reference
        self.by_need = by_need
        self.own: int | None = None
        """the number of our own identity, which makes derivatives"""
        self.sent: set[int] = set()
        self.rows = array("I", [0])
        """where the rows of a place in the catalogue begin"""
        self.version = array("I")
        self.view = array("H")
        self.standing = bytearray()
        self.rule = array("H")
        self.alive = bytearray()
        """by row: whether all that it requires is there"""
        self.after = bytearray()
        """by row: whether it is seen in the end"""
        self.shown = bytearray()
        """by row: how what is seen is shown (Shown)"""
        self.new_content: set[int] = set()
        """rows of derivatives that stay ones and say something else"""
        self.says_more: set[int] = set()
        """those of them that say something that is not said now"""
        self._dangling = dangling
        self._left = Leavings()
        self._dropped: set[int] = set()
        self._support = array("I")
        """by number of the id: how many rows make it visible"""

    @property
    def redacts(self) -> bool:
        """Whether a rule redacts any version."""
        return bool(self._left)

    def note_sent(self, ident: int) -> None:
        """A member of the audience sent us the id: it sees it already."""
        self.sent.add(ident)

    def add(self, rows: Iterable[tuple[int, int, int]], leaves: Leaves | None = None) -> None:
        """How the version that the catalogue got last stands in each view that it may have to do with.

        A row is the view's place in the plan, Standing, and the number of the rule that answers; `leaves` is what the
        version refers to where it is redacted.
        """
        place = len(self.rows) - 1
        for view, standing, rule in rows:
            self.version.append(place)
            self.view.append(view)
            self.standing.append(standing)
            self.rule.append(rule)
        self.rows.append(len(self.version))
        if leaves is not None:
            self._left.add(place, *leaves, own=self.catalogue.idents[place])

    def join(self, later: Outlook, rules: Sequence[int]) -> None:
        """Append the rows of an outlook on the ids that come next; `rules` gives its rules' numbers here."""
        places, rows = len(self.rows) - 1, len(self.version)
        self.version.extend(place + places for place in later.version)
        self.view.extend(later.view)
        self.standing.extend(later.standing)
        self.rule.extend(rules[rule] for rule in later.rule)
        self.rows.extend(row + rows for row in later.rows[1:])
        self._left.join(later._left, places)
        self.sent |= later.sent

    def restate(self, place: int, rows: Mapping[int, tuple[int, int]]) -> None:
        """A version stands otherwise than was said: by the view's place Standing and rule, nothing where none is given."""
        for row in range(self.rows[place], self.rows[place + 1]):
            self.standing[row], self.rule[row] = rows.get(self.view[row], (0, self.rule[row]))

    def drop(self, row: int) -> None:
        """It is not seen after all: an older version beside a derivative."""
        self._dropped.add(row)
        self.after[row] = 0

    def settle(self) -> None:
        """Find what stays when every reference has been followed; the catalogue is closed by then."""
        idents = self.catalogue.idents
        self._support = array("I", bytes(4 * len(self.catalogue.about)))
        self.alive = bytearray(len(self.standing))
        for row, standing in enumerate(self.standing):
            if standing & _COUNTS:
                self.alive[row] = 1
                if standing & _SUPPORTS:
                    self._support[idents[self.version[row]]] += 1
        self._shrink()
        self._dropped.clear()
        self.new_content.clear()
        self.says_more.clear()
        self.shown = bytearray(len(self.standing))
        self._carry()
        while self.redacts and fan_out(self):  # what is rewritten may need our own identity carried
            self._carry()

    def waiting(self) -> Iterator[tuple[int, int]]:
        """(id, view) of what policy allows and a reference keeps out."""
        for row, standing in enumerate(self.standing):
            if standing & _ALLOWED and not self.alive[row]:
                yield self.catalogue.idents[self.version[row]], self.view[row]

    # -- following references --------------------------------------------------------------------------------------

    def _shrink(self) -> None:
        queue = [row for row, alive in enumerate(self.alive) if alive and self._lacks(row)]
        catalogue = self.catalogue
        while queue:
            row = queue.pop()
            if not self.alive[row]:
                continue
            self.alive[row] = 0
            ident = catalogue.idents[self.version[row]]
            gone = False
            if self.standing[row] & _SUPPORTS:
                self._support[ident] -= 1
                gone = not self._support[ident]
            if not gone and not self.standing[row] & _NEWEST:
                continue
            for place in catalogue.needing(ident):
                queue += [
                    other
                    for other in range(self.rows[place], self.rows[place + 1])
                    if self.alive[other] and self._lacks(other)
                ]

    def _lacks(self, row: int) -> bool:
        """Whether something that the version requires is hidden from the audience (`Closing._missing`)."""
        catalogue, place, view = self.catalogue, self.version[row], self.view[row]
        if self.standing[row] & _REDACTED:
            return self._cannot_do_without(place, view)
        for at in range(catalogue.refs[place], catalogue.refs[place + 1]):
            target = catalogue.targets[at]
            if not (self._support[target] or target in self.sent) and self._is_hidden(
                target, catalogue.roles[at], view
            ):
                return True
        return False

    def _is_hidden(self, target: int, role: int, view: int) -> bool:
        """Whether what is neither seen nor sent by the audience can be neither carried nor missing."""
        known = self.catalogue.about[target]
        if known & _HELD:
            return not (known & _TYPE and self._can_carry(target, view))
        return not self.may_dangle(target, role)

    def may_dangle(self, target: int, role: int) -> bool:
        """Whether a reference to what nobody shows the audience may stay: we do not hold it, and policy lets it."""
        known = self.catalogue.about[target]
        if known & _HELD:
            return False
        return role == Role.CREATOR or (self._dangling and not known & _OBSERVABLE)

    def _cannot_do_without(self, place: int, view: int) -> bool:
        """The same of a derivative, which can do without some references, and of others needs one."""
        choices = missing = 0
        for target, role, need in self._left.of(place):
            hidden = not (self._support[target] or target in self.sent) and self._is_hidden(
                target, role, view
            )
            if hidden and need == _REQUIRED:
                return True
            if need == _ONE_OF:
                choices += 1
                missing += hidden
        return bool(choices) and choices == missing

    def _can_carry(self, target: int, view: int) -> bool:
        return any(
            self.alive[row] and self.standing[row] & _NEWEST for row in self._of(target, view)
        )

    def _of(self, ident: int, view: int) -> Iterator[int]:
        """The rows of an id in a view."""
        for place in self.catalogue.places(ident):
            for row in range(self.rows[place], self.rows[place + 1]):
                if self.view[row] == view:
                    yield row

    def _carry(self) -> None:
        """What is allowed is seen; identities and marking definitions join each view that needs them."""
        self.after = bytearray(
            int(bool(alive and standing & _ALLOWED))
            for alive, standing in zip(self.alive, self.standing, strict=True)
        )
        for row in self._dropped:
            self.after[row] = 0
        catalogue = self.catalogue
        done = {view: bytearray(len(catalogue.about)) for view in set(self.view)}
        for start, seen in enumerate(bytes(self.after)):
            if not seen:
                continue
            stack = [start]
            while stack:
                row = stack.pop()
                place, view = self.version[row], self.view[row]
                looked = done[view]
                for target in self._targets(row, place):
                    if looked[target]:
                        continue
                    looked[target] = 1
                    if catalogue.about[target] & _TYPE and catalogue.about[target] & _HELD:
                        stack += self._joining(target, view)

    def _targets(self, row: int, place: int) -> Iterable[int]:
        """What the version refers to as it is shown in the row's view."""
        if self.standing[row] & _REDACTED:
            return [one.target for one in self._left.of(place)]
        catalogue = self.catalogue
        targets = catalogue.targets[catalogue.refs[place] : catalogue.refs[place + 1]]
        if self.own is not None and self.shown[row] and not catalogue.is_observable(place):
            targets.append(self.own)
        return targets

    def _joining(self, ident: int, view: int) -> list[int]:
        rows = [row for row in self._of(ident, view) if self.alive[row]]
        by_rule = any(self.standing[row] & _ALLOWED for row in rows)
        joining = [
            row
            for row in rows
            if not self.after[row]
            and row not in self._dropped
            and (self.standing[row] & _STAYS or (self.standing[row] & _NEWEST and not by_rule))
        ]
        for row in joining:
            self.after[row] = 1
        return joining

    # -- reading the end -------------------------------------------------------------------------------------------

    def last(self, rows: Sequence[int]) -> int:
        """Which of an id's rows in a view, in their order, will be the last one (`arranging.ends`)."""
        catalogue = self.catalogue
        places = [self.version[row] for row in rows]
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

    def by_view(self, ident: int) -> dict[int, list[int]]:
        """The rows of an id by view, in the order of versions."""
        found: dict[int, list[int]] = {}
        for place in self.catalogue.places(ident):
            for row in range(self.rows[place], self.rows[place + 1]):
                found.setdefault(self.view[row], []).append(row)
        return found
