"""What one audience sees of an object now, and what it waits for, to the bottom.

1. The same `Judge` that releases answers here, and what is visible is read from the lines in force: an explanation
   cannot differ from the deed.
2. References are followed until something answers: it is visible, not held, denied, held back. A cycle ends where it
   comes back, a long chain after DEPTH steps and a wide one after FOLLOWED objects; all that is said.
3. What policy shows and cannot be rendered as a derivative is denied, as `Closing.settle` has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, assert_never

from cert_exchange.policy.decide import Allow, Context, Decision, Deny, Hold, Redact
from cert_exchange.policy.redaction import Need
from cert_exchange.policy.tracing import Step, trace
from cert_exchange.policy.wording import held_until
from cert_exchange.services.policies.showing import Showing
from cert_exchange.services.releasing.bindings import bindings_for
from cert_exchange.services.releasing.evaluating import Plan, Pool, plans_for
from cert_exchange.services.releasing.judging import BETWEEN_DESKS, BLOCKED, Judge
from cert_exchange.services.releasing.naming import Issuer
from cert_exchange.services.releasing.settlement import Settlement, Sight
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.references import Role, is_observable_id
from cert_exchange.store import blocks, objects, sights
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.derivatives import Derivative
from cert_exchange.store.holds import Ended
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live, Sharing
from cert_exchange.store.sights import StandingHold

DEPTH: Final = 12
WIDTH: Final = 50
"""References of one object that are shown; a report may have thousands."""
FOLLOWED: Final = 500
"""Objects that one explanation follows: whoever sends a chain chooses how it branches."""

_ORDER: Final = ("waits", "not held", "cut", "carried along", "visible", "may be missing")
_MISSING: Final = ("waits", "not held")

_NAMES: Final[Mapping[int, str]] = {
    Role.CREATOR: "its creator",
    Role.MARKING: "its marking",
    Role.REQUIRED: "it refers to",
    Role.EXTENSION: "its extension",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one version is to one audience in one collection."""

    version: Version
    collection: int
    view: int
    label: str
    answer: str
    """visible | held | denied | waiting"""
    rule: str
    reason: str
    decision: Decision | None
    """None: carried along without a verdict of its own"""
    line: Live | None
    shown: Derivative | None = None
    """what the audience is shown in its place"""
    more: str = ""
    """beside the reason: until when it is held, since when it is blocked"""
    activating: bool = False
    """it waits for nothing but its turn: the policy version is still being activated"""

    @property
    def why(self) -> str:
        """The reason, and where it is held or blocked, until when or since when."""
        return f"{self.reason}; {self.more}" if self.more else self.reason


@dataclass(slots=True)
class Look:
    """One look at one audience: everything is read once, at one instant."""

    conn: Transaction
    sharing: Sharing
    plan: Plan
    now: int
    issuer: Issuer
    pool: Pool = field(init=False)
    sight: Sight = field(init=False)
    judge: Judge = field(init=False)
    showing: Showing = field(init=False)
    standing: dict[tuple[int, int], StandingHold] = field(default_factory=dict)
    """(version, collection) -> the hold that stands on it"""
    _number: int = 0
    """of the policy version in force"""
    _reached: float = inf
    """up to which version (objects.id) what it newly allows was released; all of it once it is activated"""
    _answers: dict[int, list[Answer]] = field(default_factory=dict)
    _followed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin with nothing read."""
        bindings = bindings_for(self.conn, self.sharing, plans_for(self.conn, self.sharing))
        self.pool = Pool(self.conn, self.sharing.partners, bindings, self.plan.view_ids)
        self.judge = Judge(self.plan, self.pool, self.now)
        own = objects.idents_of(self.conn, [self.issuer.identity]).get(self.issuer.identity)
        self.sight = Sight(self.pool, Settlement(self.plan), self.judge, arrived=(), own=own)
        self.showing = Showing(self.conn, self.judge, self.sight, self.issuer)
        active = policy_rows.active(self.conn, self.plan.audience.policy)
        if active is not None and active.gains_after is not None:
            self._number, self._reached = active.version, active.gains_after

    def load(self, idents: Iterable[int]) -> None:
        """Read what judging these ids needs."""
        fresh = [ident for ident in idents if ident not in self.pool.by_ident]
        if not fresh:
            return
        self.pool.load(fresh)
        self.pool.know(fresh)
        self.sight.load_live(fresh)
        self.showing.note(fresh)
        numbers = [version.id for ident in fresh for version in self.pool.by_ident[ident]]
        self.standing.update(sights.standing_holds(self.conn, self.plan.audience.id, numbers))
        if self.plan.holding:
            approved = hold_rows.ended_rules(self.conn, self.plan.audience.id, numbers)
            self.judge.ended = {**self.judge.ended, **approved}

    def answers(self, ident: int) -> list[Answer]:
        """Every version of an id in every collection that the policy shares, oldest first."""
        found = self._answers.get(ident)
        if found is None:
            self.load((ident,))
            found = self._answers[ident] = self._asked(ident)
        return found

    def best(self, ident: int) -> Answer | None:
        """The answer that says most about an id: a visible one, else the nearest to it; of several the newest."""
        order = ("visible", "waiting", "held", "denied")
        found = sorted(self.answers(ident), key=lambda one: one.version.version_key, reverse=True)
        return min(found, key=lambda one: order.index(one.answer), default=None)

    def _asked(self, ident: int) -> list[Answer]:
        lines = {(line.view, line.object): line for line in self.sight.live[ident]}
        found: list[Answer] = []
        told: set[tuple[int, int]] = set()
        for verdict in self.judge.verdicts(ident, lines):
            version, decision, view = verdict.version, verdict.decision, verdict.view
            told.add((view, version.id))
            if isinstance(decision, Redact):
                self.sight.redact(view, version, decision)
            line = lines.get((view, version.id))
            answer, rule, reason = _worded(decision, visible=line is not None)
            if answer == "waiting" and (why := self.showing.why_not(version, view, decision)):
                answer, reason = "denied", f"it cannot be rendered: {why}"
            activating = answer == "waiting" and version.id > self._reached
            if activating:
                reason = f"version {self._number} of policy {self.plan.audience.policy} is still being activated"
            if answer != "visible" and line is not None and line.carried:
                answer, rule, reason = "visible", "carried", "a visible object needs it"
            label = self.plan.labels[verdict.collection]
            more = self._more(version, verdict.collection, decision) if answer != "visible" else ""
            found.append(
                Answer(
                    version, verdict.collection, view, label, answer, rule, reason, decision, line,
                    self.showing.derivative(line), more, activating,
                )
            )  # fmt: skip
        for (view, number), line in lines.items():
            if (view, number) not in told:
                collection = next(c for c, v in self.plan.views.items() if v == view)
                found.append(
                    Answer(
                        self.pool.by_id(number), collection, view, self.plan.labels[collection],
                        "visible", "carried", "a visible object needs it", None, line,
                        self.showing.derivative(line),
                    )
                )  # fmt: skip
        return found

    def _more(self, version: Version, collection: int, decision: Decision) -> str:
        if isinstance(decision, Hold):
            # A hold that is not written down yet begins now.
            hold = self.standing.get((version.id, collection))
            known = hold is not None and hold.rule == decision.rule
            return held_until(decision, began=hold.held_at if hold and known else self.now)
        if decision == BLOCKED:
            since = blocks.since(self.conn, version.ident, self.plan.audience.id)
            return "" if since is None else f"since {format_micros(since)}, until `free`"
        return ""

    def decision_steps(self, answer: Answer) -> tuple[Step, ...]:
        """The decision about one version in one collection, question by question."""
        policy, line = self.plan.policy, answer.line
        if answer.rule == "notice" and self.pool.notice_for(answer.version) is not None:
            return (Step("notice of withdrawal", answer.answer, answer.reason),)
        if answer.decision == BETWEEN_DESKS:
            return (Step("request between desks", answer.answer, answer.reason),)
        if policy is None:
            return ()
        carried = answer.decision is None or answer.rule == "carried"
        ended = self.judge.ended.get((answer.version.id, answer.collection), Ended())
        context = Context(
            members=self.plan.member_names,
            collection=answer.label,
            now=self.now,
            recipients=self.plan.recipients,
            released_at=line.position if line is not None and not line.carried else None,
            approved=ended.released,
            expired=ended.denied,
            carried=carried,
        )
        steps = trace(policy, self.pool.subject(answer.version), context)
        steps += tuple(self.showing.steps(answer.version))
        alone = self.judge.decided(answer.version, answer.collection, line)
        if answer.decision is not None and not carried and answer.decision != alone:
            # It would be answered otherwise if it were the only version of its id.
            steps += (Step("other versions", answer.answer, answer.why),)
        return steps

    def reference_steps(self, answer: Answer) -> tuple[Step, ...]:
        """What a version refers to, and where that is not visible, why not, and so on to the bottom."""
        self._followed = {answer.version.ident}
        return self._follow(answer.version, answer.collection, 0)

    def _follow(self, version: Version, collection: int, depth: int) -> tuple[Step, ...]:
        view = self.plan.views[collection]
        named = [one for one in self.sight.refs(version.id, view) if one[0] != version.ident]
        targets = {target for target, _ in named}
        self.sight.learn(targets)
        self.load(target for target in targets if not self.sight.live[target])
        self.showing.note([target for target in targets if self.sight.live[target]])
        found = {t: self._reference(t, role, collection, depth) for t, role in named}
        steps = self._with_cuts(found, self.sight.needs(version.id, view))
        steps.sort(key=lambda step: _ORDER.index(step.answer))
        if len(steps) > WIDTH:
            more = f"and {len(steps) - WIDTH:,} more; those that it waits for come first"
            steps = [*steps[:WIDTH], Step("it refers to", "not shown", more)]
        return tuple(steps)

    def _with_cuts(self, found: Mapping[int, Step], needs: Mapping[int, Need]) -> list[Step]:
        """A derivative does without some of its references, and of others needs one (`Closing._missing`)."""
        choices = {target for target, need in needs.items() if need is Need.ONE_OF}
        dry = all(found[target].answer in _MISSING for target in choices if target in found)

        def as_cut(target: int, step: Step) -> Step:
            need = needs.get(target, Need.REQUIRED)
            if step.answer not in _MISSING or need is Need.REQUIRED:
                return step
            if need is Need.ONE_OF and dry:
                return step
            return Step(
                step.asked, "cut", f"the derivative does without it: {step.found}", step.steps
            )

        return [as_cut(target, step) for target, step in found.items()]

    def _reference(self, target: int, role: int, collection: int, depth: int) -> Step:
        asked = f"{_NAMES[role]} {self.pool.texts[target]}"
        if role == Role.EXTENSION:
            return Step(asked, "may be missing", "a key of extensions is never required")
        if lines := self.sight.live[target]:
            known_as = self.showing.names_under(lines)
            under = f"as {', '.join(known_as)}, " if known_as else ""
            return Step(asked, "visible", under + self._places(lines))
        if self.sight.sent_it(target):
            return Step(asked, "visible", "they sent it to us themselves")
        if not self.pool.held[target]:
            return self._missing(asked, target, role)
        if self.pool.is_carried_type(target):
            return self._carried(asked, target, collection, depth)
        found = self.answers(target)
        if not found and (stranger := self.showing.stranger(target)) is not None:
            return Step(asked, "waits", stranger)
        if not found:
            return Step(asked, "waits", "no version of it stands in a collection that is shared")
        if target in self._followed:
            return Step(
                asked, "waits", "it is shown above; in a circle all become visible together"
            )
        if depth >= DEPTH or len(self._followed) >= FOLLOWED:
            return Step(asked, "waits", "and so on: explain this one")
        self._followed.add(target)
        below = tuple(
            Step(
                f"version {one.version.version} in {one.label}", one.answer,
                f"by {one.rule}: {one.why}",
                self._follow(one.version, one.collection, depth + 1)
                if one.answer == "waiting" else (),
            )
            for one in found
        )  # fmt: skip
        return Step(asked, "waits", "it is not visible", below)

    def _places(self, lines: Iterable[Live]) -> str:
        labels = {view: self.plan.labels[number] for number, view in self.plan.views.items()}
        found = {labels[line.view]: format_micros(line.position) for line in reversed([*lines])}
        return ", ".join(f"in {label} since {since}" for label, since in sorted(found.items()))

    def _missing(self, asked: str, target: int, role: int) -> Step:
        if role == Role.CREATOR:
            return Step(asked, "may be missing", "we do not hold it; a creator may be missing")
        policy = self.plan.policy
        dangling = policy is not None and policy.unresolved == "allow"
        if dangling and not is_observable_id(self.pool.texts[target]):
            return Step(asked, "may be missing", "we do not hold it; unresolved: allow")
        return Step(asked, "not held", "until this object arrives and is visible")

    def _carried(self, asked: str, target: int, collection: int, depth: int) -> Step:
        """What policy says of carrying the newest version of an identity or marking definition."""
        members = self.plan.audience.members
        versions = [
            version
            for version in self.pool.by_ident[target]
            if version.origin not in members and self.pool.in_use(version)
        ]
        if not versions:
            return Step(asked, "waits", "every version of it was taken back")
        decision = self.judge.decided(versions[-1], collection, carried=True)
        if isinstance(decision, Redact):
            self.sight.redact(self.plan.views[collection], versions[-1], decision)
        elif not isinstance(decision, Allow):
            _, rule, reason = _worded(decision, visible=False)
            return Step(asked, "waits", f"it cannot be carried along, by {rule}: {reason}")
        if target not in self._followed and depth < DEPTH and len(self._followed) < FOLLOWED:
            self._followed.add(target)
            below = self._follow(versions[-1], collection, depth + 1)
            if any(step.answer in _MISSING for step in below):
                return Step(asked, "waits", "what it needs itself is not visible", below)
        return Step(asked, "carried along", "it comes and goes with what needs it")


def _worded(decision: Decision, *, visible: bool) -> tuple[str, str, str]:
    """(answer, rule, reason) of a decision, in words."""
    match decision:
        case Allow(rule, reason) | Redact(rule, reason, _):
            return "visible" if visible else "waiting", rule, reason
        case Hold(rule, reason, _):
            return "held", rule, reason
        case Deny(rule, reason, _):
            return "denied", rule, reason
        case _:
            assert_never(decision)
