"""What of an audience's outlook is shown as a derivative: the same end as `releasing.deriving`, over numbers only.

1. Derived is what a rule redacts, and what refers to an id that the audience sees only as a derivative (fan-out): the
   least fixed point, so that a circle of originals is not derived for its own sake.
2. An audience sees an id whole or derived, as a reader of all its views does: whole in one view is whole.
3. Beside a derivative that is the last of its id no older version is shown whole, and none of an observable at all;
   beside a last version that is shown whole, no derivative.
4. What is never redacted is not rewritten for the sake of its maker's id.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from cert_exchange.stix.references import Role

if TYPE_CHECKING:
    from cert_exchange.services.policies.outlook import Outlook

_REDACTED, _REWRITTEN = 1, 2  # outlook.Shown
_IS_REDACTED = 64  # outlook.Standing


def fan_out(outlook: Outlook) -> bool:
    """Mark what is shown as a derivative (`outlook.shown`); whether anything came to it that was not marked before."""
    return _Fanning(outlook).run()


class _Fanning:
    """One round over an outlook whose `after` says what is seen."""

    __slots__ = ("changed", "derived", "outlook", "queue", "whole")

    def __init__(self, outlook: Outlook) -> None:
        self.outlook = outlook
        self.whole = array("I", bytes(4 * len(outlook.catalogue.about)))
        """by number of the id: how many rows are seen and shown whole"""
        self.derived: set[int] = set()
        """ids that are seen only as derivatives"""
        self.queue: list[int] = []
        self.changed = False

    def run(self) -> bool:
        outlook, idents = self.outlook, self.outlook.catalogue.idents
        started: set[int] = set()
        for row, seen in enumerate(outlook.after):
            if not seen:
                continue
            ident = idents[outlook.version[row]]
            if outlook.standing[row] & _IS_REDACTED:
                self._show(row, _REDACTED)
            if outlook.shown[row]:
                started.add(ident)
            else:
                self.whole[ident] += 1
        for ident in sorted(started):
            self._tidy(ident)
        while self.queue:
            self._rewrite_what_refers_to(self.queue.pop())
        if not self.changed:
            for ident in sorted(started):
                self._clear_beside_whole(ident)
        return self.changed

    def _show(self, row: int, how: int) -> None:
        if self.outlook.shown[row] != how:
            self.outlook.shown[row] = how
            self.changed = True

    def _tidy(self, ident: int) -> None:
        """Drop what may not stand beside a derivative, and see whether the id is seen only as one."""
        outlook = self.outlook
        seen = False
        for rows in outlook.by_view(ident).values():
            here = [row for row in rows if outlook.after[row]]
            seen = seen or bool(here)
            newest = outlook.last(here) if here else -1
            if newest < 0 or not outlook.shown[newest]:
                continue
            alone = outlook.catalogue.is_observable(outlook.version[newest])
            for row in here:
                if row != newest and (alone or not outlook.shown[row]):
                    if not outlook.shown[row]:
                        self.whole[ident] -= 1
                    outlook.drop(row)
                    self.changed = True
        if seen and not self.whole[ident] and ident not in self.derived:
            self.derived.add(ident)
            self.queue.append(ident)

    def _clear_beside_whole(self, ident: int) -> None:
        """Beside a newest version that is shown whole no derivative of an older one stays."""
        outlook = self.outlook
        for rows in outlook.by_view(ident).values():
            here = [row for row in rows if outlook.after[row]]
            if here and not outlook.shown[outlook.last(here)]:
                for row in here:
                    if outlook.shown[row]:
                        outlook.drop(row)
                        self.changed = True

    def _rewrite_what_refers_to(self, ident: int) -> None:
        outlook, catalogue = self.outlook, self.outlook.catalogue
        if ident in outlook.sent:
            return
        for place in catalogue.needing(ident):
            if catalogue.is_never_redacted(place) and self._only_as_maker(place):
                continue
            other = catalogue.idents[place]
            for row in range(outlook.rows[place], outlook.rows[place + 1]):
                if outlook.after[row] and not outlook.shown[row]:
                    self._show(row, _REWRITTEN)
                    self.whole[other] -= 1
                    self._tidy(other)

    def _only_as_maker(self, place: int) -> bool:
        """Whether a version refers to what is seen as a derivative only by naming its maker."""
        catalogue = self.outlook.catalogue
        return all(
            catalogue.roles[at] == Role.CREATOR
            for at in range(catalogue.refs[place], catalogue.refs[place + 1])
            if catalogue.targets[at] in self.derived
            and catalogue.targets[at] not in self.outlook.sent
        )
