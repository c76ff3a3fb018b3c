"""Which versions become or stay visible to one audience, references considered (DECISIONS 4).

1. Losses go first and at once: what loses its last line in force takes along what requires it.
2. Gains are the greatest fixed point of "all allowed, less those with a required reference outside", so that
   cycles become visible together.
3. Who waits is written down by what it waits for; when that becomes visible, the waiting ones are considered again.
4. Identities and marking definitions are carried into each view that needs them. They need no rule that allows, and
   one that is held and denied denies what depends on it.
5. A creator that we do not hold may dangle; an id in the cyber-observable namespace never may.
6. Here everything is an original. What of it is shown as a derivative is found in the end (`deriving`); when one cannot
   be made, all begins again without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cert_exchange.policy.decide import Allow, Deny, DenyKind, Hold, Redact
from cert_exchange.policy.redaction import Need
from cert_exchange.policy.screening import INTAKE
from cert_exchange.services.releasing.brought import said_of_theirs
from cert_exchange.services.releasing.carrying import Carrying
from cert_exchange.services.releasing.deriving import Deriving
from cert_exchange.services.releasing.evaluating import Plan, Pool
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.services.releasing.naming import Names
from cert_exchange.services.releasing.settlement import Gain, Key, Settlement, Sight, hold_line
from cert_exchange.stix.references import Role, is_observable_id
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import references as reference_rows
from cert_exchange.store import releases
from cert_exchange.store.database import Transaction
from cert_exchange.store.releases import Live
from cert_exchange.store.tables import OWN

_NOTHING: Final[Mapping[int, str]] = {}
_NAMELESS: Final = Deny("redacted", "there is nobody to make a derivative", DenyKind.ERROR)


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
    names: Names | None = None
    """what derivatives are called; without it nothing is derived, so that nothing is shown redacted"""
    result: Settlement = field(init=False)
    sight: Sight = field(init=False)
    judge: Judge = field(init=False)
    carrying: Carrying = field(init=False)
    visible: dict[int, bool] = field(default_factory=dict)
    """ident -> whether it is in force or was sent to us, until the next loss is found"""
    exposed: set[int] = field(default_factory=set)
    """considered ids that something in force refers to: it goes when they turn out to be hidden"""
    affected: set[int] = field(default_factory=set)
    """ids of derivatives in force that refer to what is lost: they may do without it"""

    def settle(self, idents: Iterable[int]) -> Settlement:
        """Consider these ids and all that hangs on them."""
        queue = set(idents)
        if not self.plan.deriving:
            self._settle(queue)
            return self.result
        barred: dict[int, str] = {}
        while True:
            done = self._settle(queue, barred)
            more, unrendered = Deriving(self, done, self.names).derive()
            if not more and not unrendered:
                return self.result
            # From the start, with more to consider and less to show: it comes to an end.
            queue = queue | more
            barred.update(unrendered)

    def _settle(self, queue: set[int], barred: Mapping[int, str] = _NOTHING) -> set[int]:
        """Everything but derivatives; which ids were considered."""
        self.result = Settlement(self.plan)
        self.judge = Judge(self.plan, self.pool, self.now, barred=barred)
        own = self.names.own if self.names is not None else None
        self.sight = Sight(self.pool, self.result, self.judge, self.arrived, own=own)
        if own is not None:
            self.sight.learn((own,))
        self.carrying = Carrying(self.plan, self.pool, self.judge, self.sight, self.stands)
        self.visible.clear()
        self.exposed.clear()
        self.affected.clear()
        queue = set(queue)
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
        gains = [(gain.version.id, gain.view) for gain in self.result.gains.values()]
        self.carrying.carry(gains, self.gaining())
        return done

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
                if isinstance(decision, Redact) and self.names is None:
                    decision = _NAMELESS
                if isinstance(decision, Allow | Redact):
                    allowed.add(key)
                    if plan.deriving:
                        self.sight.rules[key] = decision.rule
                        if isinstance(decision, Redact):
                            self.sight.redact(verdict.view, verdict.version, decision)
                    if key not in lines:
                        result.gains[key] = Gain(
                            verdict.version, verdict.view, decision.rule, carried=False
                        )
                    elif lines[key].carried:
                        result.carried_now[key] = False
                elif isinstance(decision, Hold):
                    where = (verdict.version.id, verdict.collection)
                    if decision.rule != INTAKE:  # `intake` and `review` list and end those
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
                newest = self.carrying.newest(ident, line.view)
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
                    if line.carried and self.carrying.may_stay(line):
                        continue  # an older version of what is carried stays, not as the last
            self.result.losses[key] = (line, denied.get(line.view, "withdrawn"))

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
            newest = self.carrying.newest(target, view)
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
        refs = self.pool.references
        self.sight.learn({target for number in numbers for target, _ in refs.get(number, ())})
        settled: set[int] = set()
        while True:
            changed = False
            self.carrying.answers.clear()
            gaining = self.gaining()
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

    def gaining(self) -> dict[int, int]:
        """How many gains each id has."""
        found: dict[int, int] = {}
        for gain in self.result.gains.values():
            found[gain.version.ident] = found.get(gain.version.ident, 0) + 1
        return found

    def _missing(self, number: int, ident: int, view: int, gaining: dict[int, int]) -> list[int]:
        missing = [
            target
            for target, role in self.sight.refs(number, view)
            if target != ident
            and not self.stands(target, role, gaining)
            and not self.carrying.can_carry(target, view, gaining)
            and not self._said_of_theirs(number, target)
        ]
        needs = self.sight.needs(number, view) if missing else None
        if not needs:
            return missing
        # Of a derivative: what it can do without is cut, but of some references one must stay.
        choices = {target for target, need in needs.items() if need is Need.ONE_OF}
        dry = bool(choices) and choices <= set(missing)
        return [
            target
            for target in missing
            if needs.get(target, Need.REQUIRED) is Need.REQUIRED or (dry and target in choices)
        ]

    def _said_of_theirs(self, number: int, target: int) -> bool:
        return said_of_theirs(
            self.judge, self.pool.by_id(number), target, arrived=target in self.arrived
        )

    def stands(self, target: int, role: int, gaining: Mapping[int, int]) -> bool:
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

    def _lose_dependants(self, hidden: Collection[int]) -> bool:
        """Everything in force that requires one of these ids goes; it may wait for its return."""
        result = self.result
        dependants = [
            (target, line)
            for target, line in releases.live_dependants(
                self.tx, hidden, self.plan.view_ids, deriving=self.plan.deriving
            )
            if line.ident != target and (line.view, line.object) not in result.losses
        ]
        self.affected.update(line.ident for _, line in dependants if line.derived)
        dependants = [(target, line) for target, line in dependants if not line.derived]
        idents = {line.ident for _, line in dependants}
        self.sight.load_live(idents)
        self.pool.load(idents)
        self.pool.know(idents)
        dependants = [
            (target, line)
            for target, line in dependants
            if line.origin != OWN or not self._said_of_theirs(line.object, target)
        ]
        for target, line in dependants:
            result.losses[line.view, line.object] = (line, "reference")
            result.carried_now.pop((line.view, line.object), None)
            result.waits.setdefault(line.object, set()).add(target)
            result.considered.add(line.object)
        return bool(dependants)
