"""Identities and marking definitions that are carried along with what needs them (DECISIONS 4).

1. They join each view that needs them, need no rule that allows, and leave with their last dependant (`appending`).
2. One that is held and denied denies what depends on it; what needs one that cannot be carried cannot be carried either.
3. What a derivative could do without is carried where it can be, and is cut where it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cert_exchange.policy.decide import Allow, Redact
from cert_exchange.policy.redaction import Need
from cert_exchange.services.releasing.evaluating import Plan, Pool
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.services.releasing.settlement import Gain, Key, Sight
from cert_exchange.stix.references import Role
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live

Stands = Callable[[int, int, Mapping[int, int]], bool]
"""whether a reference (target ident, role) needs nothing carried, by how many gains each id has"""


@dataclass(slots=True)
class Carrying:
    """What can be carried into one audience's views, asked once."""

    plan: Plan
    pool: Pool
    judge: Judge
    sight: Sight
    stands: Stands
    carriable: dict[Key, Version | None] = field(default_factory=dict)
    """(ident, view) -> what may be carried into the view"""
    answers: dict[Key, bool] = field(default_factory=dict)
    """(ident, view) -> whether it and all it needs can be carried, in this round of `closing`"""

    def may_stay(self, line: Live) -> bool:
        """Whether what is carried now may go on standing, as an older version."""
        version = self.pool.by_id(line.object)
        return self.may_be_carried(version, line.view) and self.pool.in_use(version)

    def may_be_carried(self, version: Version, view: int) -> bool:
        """Whether policy lets the version be carried into the view, whole or redacted."""
        collection = next(c for c, v in self.plan.views.items() if v == view)
        decision = self.judge.decided(version, collection, carried=True)
        if isinstance(decision, Redact):
            self.sight.redact(view, version, decision)
        return isinstance(decision, Allow | Redact)

    def newest(self, ident: int, view: int) -> Version | None:
        """The newest version of an identity or marking definition, if it may be carried into the view."""
        key = (ident, view)
        if key not in self.carriable:
            self.carriable[key] = self._look(ident, view)
        return self.carriable[key]

    def _look(self, ident: int, view: int) -> Version | None:
        self.pool.load((ident,))
        members = self.plan.audience.members
        versions = [
            version
            for version in self.pool.by_ident[ident]
            if version.origin not in members and self.pool.in_use(version)
        ]
        return versions[-1] if versions and self.may_be_carried(versions[-1], view) else None

    def can_carry(self, target: int, view: int, gaining: Mapping[int, int]) -> bool:
        """Whether an identity or marking definition, and all that it needs in turn, can be carried into the view."""
        # Level by level and remembered for the round: a sender chooses how long such a chain is and how it branches.
        if not self.pool.held[target] or not self.pool.is_carried_type(target):
            return False
        if (answer := self.answers.get((target, view))) is not None:
            return answer
        needed_by: dict[int, list[int]] = {}
        refused: list[int] = []
        seen = {target}
        level = [target]
        while level:
            self.pool.load(level)
            newest = {one: self.newest(one, view) for one in level}
            refused += [one for one, version in newest.items() if version is None]
            refs = {
                one: self.sight.required(v.id, view) for one, v in newest.items() if v is not None
            }
            self.sight.learn({t for those in refs.values() for t, _ in those})
            level = []
            for one, those in refs.items():
                for needed, role in those:
                    if self.stands(needed, role, gaining):
                        continue
                    if not self.pool.held[needed] or not self.pool.is_carried_type(needed):
                        refused.append(one)
                        continue
                    needed_by.setdefault(needed, []).append(one)
                    if needed not in seen:
                        seen.add(needed)
                        level.append(needed)
        bad: set[int] = set()
        while refused:  # what needs something that cannot be carried cannot be carried either
            one = refused.pop()
            if one not in bad:
                bad.add(one)
                refused += needed_by.get(one, ())
        self.answers.update(((one, view), one not in bad) for one in seen)
        return target not in bad

    def carry(self, start: Iterable[tuple[int, int]], gaining: Mapping[int, int]) -> None:
        """Add what these (version, view) need carried into their views, and what that needs in turn, to the gains."""
        gains = self.sight.result.gains
        queue = list(start)
        done: set[Key] = set()
        while queue:
            number, view = queue.pop()
            needs = self.sight.needs(number, view)
            for target, role in self.sight.refs(number, view):
                key = (target, view)
                if key in done or role == Role.EXTENSION:
                    continue
                done.add(key)
                if not self.pool.is_carried_type(target) or not self.pool.held[target]:
                    continue
                if self.sight.in_view(target, view):
                    continue
                if needs.get(target, Need.REQUIRED) is not Need.REQUIRED and not self.can_carry(
                    target, view, gaining
                ):
                    continue
                newest = self.newest(target, view)
                if newest is not None:
                    self.sight.learn({t for t, _ in self.sight.refs(newest.id, view)})
                    gains[view, newest.id] = Gain(newest, view, "carried", carried=True)
                    queue.append((newest.id, view))
