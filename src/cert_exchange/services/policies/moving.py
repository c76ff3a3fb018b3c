"""A partner that changes from one policy to another: what it would see is compared with what it sees now.

1. Its new audience begins with nothing, so that all of it is a gain of that audience; for the partner only that is new
   which it does not see by the policy before.
2. Of several members that come from elsewhere, something is kept only if every one of them sees it now, and lost if any does.
3. What is seen as a derivative now counts as new in whatever shape it comes: the other audience's says something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cert_exchange.node import Node
from cert_exchange.services.policies.fates import Fate, Kind
from cert_exchange.services.policies.onlooking import Names
from cert_exchange.services.policies.outlook import Shown
from cert_exchange.services.releasing.evaluating import Plan
from cert_exchange.store import in_force
from cert_exchange.store.releases import Audience, Sharing

MOVED: Final = "moved"
"""Stands in a rule's place for what the policy before showed and this one does not."""
_NOTHING: Final = frozenset[int]()


@dataclass(frozen=True, slots=True)
class Before:
    """What the members of an audience see by the policies that govern them now, by the place of a view in its plan."""

    moved: tuple[tuple[str, str], ...]
    """(partner, policy)"""
    whole: Sequence[frozenset[int]]
    """ids that every member sees as they are"""
    any_of: Sequence[frozenset[int]]
    """ids that any member sees, as they are or as derivatives"""
    gone: Sequence[tuple[str, frozenset[int]]]
    """the same in collections that the policy does not name: (label, ids)"""

    def compared(self, told: Iterator[Fate], rules: Names) -> Iterator[Fate]:
        """The fates as the members know them, and of what they lose."""
        seen: list[set[int]] = [set() for _ in self.any_of]
        for fate in told:
            seen[fate.view].add(fate.ident)
            if fate.kind is Kind.GAINED and fate.ident in self.whole[fate.view]:
                yield fate._replace(kind=Kind.KEPT if fate.shown is Shown.WHOLE else Kind.CHANGED)
            else:
                yield fate
        rule = rules.number(MOVED)
        for view, those in enumerate(self.any_of):
            for ident in sorted(those - seen[view]):
                yield Fate(ident, view, Kind.LOST, rule, Shown.WHOLE, uncovers=False)


def before_the_move(node: Node, present: Sharing, plan: Plan) -> Before | None:
    """What the members of an audience see elsewhere now; None where no member comes from another policy."""
    homes = {number: one for one in present.audiences for number in one.members}
    members = {number: homes.get(number) for number in plan.audience.members}
    moved = tuple(
        (plan.audience.members[number], home.policy)
        for number, home in sorted(members.items())
        if home is not None and home.policy != plan.audience.policy
    )
    if not moved:
        return None
    views = {(head.audience, head.collection): head.view for head in present.heads}
    whole, any_of, gone = [], [], []
    with node.database.reading() as conn:
        for collection in (*plan.views, *sorted(present.collections.keys() - plan.views.keys())):
            found = [
                _NOTHING_SEEN if view is None else in_force.seen_in(conn, view)
                for view in _views(members, views, collection)
            ]
            seen = _NOTHING.union(*(one | other for one, other in found))
            if collection in plan.views:
                whole.append(frozenset.intersection(*(one for one, _ in found)))
                any_of.append(seen)
            elif seen:
                uuid, alias = present.collections[collection]
                gone.append((alias or uuid, seen))
    return Before(moved, whole, any_of, gone)


_NOTHING_SEEN: Final = (_NOTHING, _NOTHING)


def _views(
    members: Mapping[int, Audience | None], views: Mapping[tuple[int, int], int], collection: int
) -> list[int | None]:
    """The view of each member in a collection now, each once; None for a member that has none there."""
    found = {
        None if home is None else views.get((home.id, collection)) for home in members.values()
    }
    return sorted(found, key=lambda view: -1 if view is None else view)
