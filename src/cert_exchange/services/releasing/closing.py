"""Which versions become or stay visible to one audience, references considered (DECISIONS 4).

1. Losses go first and at once: what loses its last line in force takes along what requires it.
2. Gains are the greatest fixed point of "all allowed, less those with a required reference outside", so that
   cycles become visible together.
3. Who waits is written down by what it waits for; when that becomes visible, the waiting ones are considered again.
4. Identities and marking definitions are carried into each view that needs them. They need no rule that allows, and
   one that is held and denied denies what depends on it.
5. A creator that we do not hold may dangle; an id in the cyber-observable namespace never may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from cert_exchange.policy.decide import Allow, Hold
from cert_exchange.services.releasing.evaluating import Plan, Pool
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.services.releasing.settlement import Gain, Key, Settlement, Sight, hold_line
from cert_exchange.stix.references import Role, is_observable_id
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import references as reference_rows
from cert_exchange.store import releases
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live


@dataclass(slots=True)
class Closing:
    """The work on one audience within one transaction; `settle` is its only door."""

    tx: Transaction
    plan: Plan
    pool: Pool
    now: int
    arrived: Collection[int]
    """ids whose members' own copies arrived now: visible to the audience because it sent them"""
    keep_verdicts: bool = False
    result: Settlement = field(init=False)
    sight: Sight = field(init=False)
    judge: Judge = field(init=False)
    carriable: dict[Key, Version | None] = field(default_factory=dict)
    """(ident, view) -> what may be carried into the view"""
    carrying: dict[Key, bool] = field(default_factory=dict)
    """(ident, view) -> whether it and all it needs can be carried, in this round of `_fix`"""
    visible: dict[int, bool] = field(default_factory=dict)
    """ident -> whether it is in force or was sent to us, until the next loss is found"""
    exposed: set[int] = field(default_factory=set)
    """considered ids that something in force refers to: it goes when they turn out to be hidden"""

    def settle(self, idents: Iterable[int]) -> Settlement:
        """Consider these ids and all that hangs on them."""
        self.result = Settlement(self.plan)
        self.judge = Judge(self.plan, self.pool, self.now)
        self.sight = Sight(self.pool, self.result, self.judge, self.arrived)
        queue = set(idents)
        done: set[int] = set()
        while fresh := queue - done:
            done |= fresh
            self._judge(fresh)
            rising = {gain.version.ident for gain in self.result.gains.values()} & fresh
            rising |= fresh & set(self.arrived)
            rising |= {ident for ident in fresh if self.pool.is_carried_type(ident)}
            rising -= self.pool.fresh
            if rising:
                queue |= self.pool.waiting_on(rising, self.plan.audience.id)
        self._carry_into_dependants(done)
        self._expose(done)
        self._fix(done)
        self._carry()
        return self.result

    def _judge(self, idents: set[int]) -> None:
        pool, plan, result = self.pool, self.plan, self.result
        pool.load(idents)
        pool.know(idents)
        self.sight.load_live(idents)
        known = [v.id for ident in idents - pool.fresh for v in pool.by_ident[ident]]
        if plan.holding and known:
            self.judge.ended = hold_rows.ended_rules(self.tx, plan.audience.id, known)
        result.considered.update(known)
        for ident in sorted(idents):
            lines = {(line.view, line.object): line for line in self.sight.live[ident]}
            allowed: set[Key] = set()
            denied: dict[int, str] = {}
            for verdict in self.judge.verdicts(ident, lines):
                if self.keep_verdicts:
                    result.verdicts.append(verdict)
                key = (verdict.view, verdict.version.id)
                decision = verdict.decision
                if isinstance(decision, Allow):
                    allowed.add(key)
                    if key not in lines:
                        result.gains[key] = Gain(
                            verdict.version, verdict.view, decision.rule, carried=False
                        )
                    elif lines[key].carried:
                        result.carried_now[key] = False
                elif isinstance(decision, Hold):
                    where = (verdict.version.id, verdict.collection)
                    result.holds.append(hold_line(*where, decision))
                    denied[verdict.view] = decision.rule
                else:
                    denied[verdict.view] = decision.rule
                    self.sight.note_binding(verdict.version)
            if lines:
                self._lose_what_is_not_allowed(ident, lines, allowed, denied)

    def _lose_what_is_not_allowed(
        self,
        ident: int,
        lines: dict[Key, Live],
        allowed: set[Key],
        denied: dict[int, str],
    ) -> None:
        for key, line in lines.items():
            if key in allowed:
                continue
            if self.pool.is_carried_type(ident):
                newest = self._carriable(ident, line.view)
                other = any(view == line.view for view, _ in allowed)
                if newest is not None and newest.id == line.object and (line.carried or not other):
                    self.result.carried_now[key] = True  # dropped later when nobody needs it
                    continue
                if newest is not None:
                    # What stood there by a rule may be needed by nobody: `_carry_into_dependants` looks.
                    if line.carried and (line.view, newest.id) not in lines:
                        self.result.gains.setdefault(
                            (line.view, newest.id), Gain(newest, line.view, "carried", carried=True)
                        )
                    if line.carried and self._may_stay_carried(line):
                        continue  # an older version of what is carried stays, not as the last
            self.result.losses[key] = (line, denied.get(line.view, "withdrawn"))

    def _may_stay_carried(self, line: Live) -> bool:
        version = self.pool.by_id(line.object)
        return self._may_be_carried(version, line.view) and self.pool.in_use(version)

    def _may_be_carried(self, version: Version, view: int) -> bool:
        collection = next(c for c, v in self.plan.views.items() if v == view)
        return isinstance(self.judge.decided(version, collection, carried=True), Allow)

    def _carriable(self, ident: int, view: int) -> Version | None:
        """The newest version of an identity or marking definition, if it may be carried into the view."""
        key = (ident, view)
        if key not in self.carriable:
            self.carriable[key] = self._look_carriable(ident, view)
        return self.carriable[key]

    def _look_carriable(self, ident: int, view: int) -> Version | None:
        self.pool.load((ident,))
        members = self.plan.audience.members
        versions = [
            version
            for version in self.pool.by_ident[ident]
            if version.origin not in members and self.pool.in_use(version)
        ]
        return versions[-1] if versions and self._may_be_carried(versions[-1], view) else None

    def _carry_into_dependants(self, considered: set[int]) -> None:
        """An identity or marking definition that arrived joins, or takes along, what already refers to it."""
        views = self.plan.view_ids
        targets = [
            ident
            for ident in considered - self.pool.fresh
            if self.pool.is_carried_type(ident) and self.pool.held[ident]
        ]
        for target, view in reference_rows.views_with_dependants(self.tx, targets, views):
            self.exposed.add(target)
            lines = [line for line in self.sight.live.get(target, ()) if line.view == view]
            stays = any((line.view, line.object) not in self.result.losses for line in lines)
            if stays or any((view, v.id) in self.result.gains for v in self.pool.by_ident[target]):
                continue
            newest = self._carriable(target, view)
            if newest is not None:
                self.result.gains[view, newest.id] = Gain(newest, view, "carried", carried=True)

    def _expose(self, considered: set[int]) -> None:
        """What dangled under `unresolved: allow` and arrives hidden takes along what refers to it."""
        policy = self.plan.policy
        if policy is None or policy.unresolved != "allow":
            return
        targets = [ident for ident in considered - self.pool.fresh if self.pool.held[ident]]
        found = reference_rows.views_with_dependants(self.tx, targets, self.plan.view_ids)
        self.exposed.update(target for target, _ in found)

    def _fix(self, considered: set[int]) -> None:
        """Shrink gains and grow losses until nothing changes."""
        result = self.result
        standing = {
            (line.view, line.object): line
            for ident in considered - self.pool.fresh
            for line in self.sight.live.get(ident, ())
        }
        numbers = {g.version.id for g in result.gains.values()} | {key[1] for key in standing}
        self.sight.learn({target for number in numbers for target, _ in self.sight.refs(number)})
        settled: set[int] = set()
        while True:
            changed = False
            self.carrying.clear()
            gaining: dict[int, int] = {}
            for gain in result.gains.values():
                gaining[gain.version.ident] = gaining.get(gain.version.ident, 0) + 1
            lost = {line.ident for line, _ in result.losses.values()}
            suspects = (lost | self.exposed) - settled
            gone = [
                one for one in suspects if not gaining.get(one) and not self.sight.still_live(one)
            ]
            self.sight.learn(gone)
            hidden = [ident for ident in gone if not self.sight.sent_it(ident)]
            settled.update(hidden)
            changed |= self._lose_dependants(hidden)
            self.visible.clear()
            for key, gain in list(result.gains.items()):
                missing = self._missing(gain.version.id, gain.version.ident, gain.view, gaining)
                if missing:
                    changed = True
                    del result.gains[key]
                    gaining[gain.version.ident] -= 1
                    result.waits.setdefault(gain.version.id, set()).update(missing)
            for key, line in standing.items():
                if key in result.losses:
                    continue
                missing = self._missing(line.object, line.ident, line.view, gaining)
                if missing:  # a policy that no longer lets references dangle
                    changed = True
                    self.visible.clear()
                    result.losses[key] = (line, "reference")
                    result.carried_now.pop(key, None)
                    result.waits.setdefault(line.object, set()).update(missing)
            if not changed:
                return

    def _missing(self, number: int, ident: int, view: int, gaining: dict[int, int]) -> list[int]:
        return [
            target
            for target, role in self.sight.refs(number)
            if target != ident
            and not self._stands(target, role, gaining)
            and not self._can_carry(target, view, gaining)
        ]

    def _stands(self, target: int, role: int, gaining: dict[int, int]) -> bool:
        """Whether a reference is visible to the audience as things are, or may dangle."""
        if role == Role.EXTENSION:
            return True
        if gaining.get(target):
            return True
        visible = self.visible.get(target)
        if visible is None:
            visible = self.sight.still_live(target) or self.sight.sent_it(target)
            self.visible[target] = visible
        if visible:
            return True
        if self.pool.held[target]:
            return False
        if role == Role.CREATOR:
            return True
        policy = self.plan.policy
        return (
            policy is not None
            and policy.unresolved == "allow"
            and not is_observable_id(self.pool.texts[target])
        )

    def _can_carry(self, target: int, view: int, gaining: dict[int, int]) -> bool:
        """Whether an identity or marking definition, and all that it needs in turn, can be carried into the view."""
        # Level by level and remembered for the round: a sender chooses how long such a chain is and how it branches.
        if not self.pool.held[target] or not self.pool.is_carried_type(target):
            return False
        if (answer := self.carrying.get((target, view))) is not None:
            return answer
        needed_by: dict[int, list[int]] = {}
        refused: list[int] = []
        seen = {target}
        level = [target]
        while level:
            self.pool.load(level)
            newest = {one: self._carriable(one, view) for one in level}
            refused += [one for one, version in newest.items() if version is None]
            refs = {one: self.sight.refs(v.id) for one, v in newest.items() if v is not None}
            self.sight.learn({t for those in refs.values() for t, _ in those})
            level = []
            for one, those in refs.items():
                for needed, role in those:
                    if self._stands(needed, role, gaining):
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
        self.carrying.update(((one, view), one not in bad) for one in seen)
        return target not in bad

    def _carry(self) -> None:
        """Add what the gains need carried into their views, and what that needs in turn."""
        result = self.result
        queue = list(result.gains.values())
        done: set[Key] = set()
        while queue:
            gain = queue.pop()
            for target, role in self.sight.refs(gain.version.id):
                key = (target, gain.view)
                if key in done or role == Role.EXTENSION:
                    continue
                done.add(key)
                if not self.pool.is_carried_type(target) or not self.pool.held[target]:
                    continue
                if self.sight.in_view(target, gain.view):
                    continue
                newest = self._carriable(target, gain.view)
                if newest is not None:
                    self.sight.learn({t for t, _ in self.sight.refs(newest.id)})
                    carried = Gain(newest, gain.view, "carried", carried=True)
                    result.gains[gain.view, newest.id] = carried
                    queue.append(carried)

    def _lose_dependants(self, hidden: Collection[int]) -> bool:
        """Everything in force that requires one of these ids goes; it may wait for its return."""
        result = self.result
        dependants = [
            (target, line)
            for target, line in releases.live_dependants(self.tx, hidden, self.plan.view_ids)
            if line.ident != target and (line.view, line.object) not in result.losses
        ]
        idents = {line.ident for _, line in dependants}
        self.sight.load_live(idents)
        self.pool.load(idents)
        self.pool.know(idents)
        for target, line in dependants:
            result.losses[line.view, line.object] = (line, "reference")
            result.carried_now.pop((line.view, line.object), None)
            result.waits.setdefault(line.object, set()).add(target)
            result.considered.add(line.object)
        return bool(dependants)
