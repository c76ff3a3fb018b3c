"""How one audience is shown what it sees now: as derivatives, and why something cannot be shown as one.

1. What is in force says what is a derivative; what is not in force is rendered as `releasing.deriving` would render it.
2. Reading only: a name that would be made is only made up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from cert_exchange.policy.decide import Decision, Redact
from cert_exchange.policy.redaction import Need, Unredactable
from cert_exchange.policy.tracing import Step
from cert_exchange.policy.wording import without
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.services.releasing.naming import Issuer, Names
from cert_exchange.services.releasing.rendering import Rendering, Seen
from cert_exchange.services.releasing.settlement import Sight
from cert_exchange.services.releasing.trimming import NOTHING, left_of
from cert_exchange.stix.references import Role, is_observable_id
from cert_exchange.store import derivatives
from cert_exchange.store.database import Transaction
from cert_exchange.store.derivatives import Derivative, Name
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live


@dataclass(slots=True)
class Showing:
    """One audience's derivatives as they are in force (a `releasing.rendering.Audience`)."""

    conn: Transaction
    judge: Judge
    sight: Sight
    issuer: Issuer
    _served: dict[int, Derivative] = field(default_factory=dict)
    """by the row of `objects` that a line in force serves"""
    _strangers: dict[int, Name] = field(default_factory=dict)
    """by number: ids that stand for something in any audience's view"""

    def note(self, idents: Collection[int]) -> None:
        """Read what is shown in place of these ids, and which of them stand for something themselves."""
        if not self.judge.plan.deriving:
            self._strangers.update(derivatives.originals_of(self.conn, idents))
            return
        lines = [line for ident in idents for line in self.sight.live.get(ident, ())]
        served = [line.served for line in lines if line.derived]
        self._served.update(derivatives.of_objects(self.conn, served))
        self._strangers.update(derivatives.originals_of(self.conn, idents))

    def derivative(self, line: Live | None) -> Derivative | None:
        """What a line in force serves in place of its original."""
        return None if line is None else self._served.get(line.served)

    def names_under(self, lines: Iterable[Live]) -> list[str]:
        """Under which ids of derivatives these lines are seen."""
        found = (self.derivative(line) for line in lines)
        return sorted({one.stix_id for one in found if one is not None})

    def stranger(self, ident: int) -> str | None:
        """Why an id is nothing to wait for: it stands for something else in somebody's view."""
        name = self._strangers.get(ident)
        if name is None:
            return None
        self.judge.pool.know((name.original,))
        return f"it stands for {self.judge.pool.texts[name.original]} in a partner's view; refer to that"

    def why_not(self, version: Version, view: int, decision: Decision | None) -> str:
        """Why a version that policy shows cannot be rendered as a derivative; empty where it can or need not be.

        What waits for something is not rendered.
        """
        plan, pool = self.judge.plan, self.judge.pool
        if not plan.deriving or plan.policy is None or version.id not in pool.references:
            return ""
        targets = {target for target, _ in pool.references[version.id]} - {version.ident}
        self.sight.learn(targets)
        redacted = isinstance(decision, Redact)
        if not redacted and not any(self.seen(one) is Seen.DERIVED for one in targets):
            return ""
        if self._waits(version, view):
            return ""
        names = Names(self.conn, self.issuer, plan.audience.id, self.judge.now)
        if names.own is not None:
            self.sight.learn((names.own,))
        recipe = self.judge.recipes[version.id] if redacted else NOTHING
        made = Rendering(pool, plan.policy, names, self).rendition(version, recipe)
        return made.reason if isinstance(made, Unredactable) else ""

    def _waits(self, version: Version, view: int) -> bool:
        """Whether a version lacks something that it cannot do without (`Closing._missing`), what is carried aside."""
        needs = self.sight.needs(version.id, view)
        hidden = {
            target
            for target, role in self.sight.refs(version.id, view)
            if role != Role.EXTENSION
            and target != version.ident
            and self.seen(target) is Seen.HIDDEN
            and not self.sent_it(target)
            and not self.may_dangle(target, role)
            and not self.judge.pool.is_carried_type(target)
        }
        choices = {target for target, need in needs.items() if need is Need.ONE_OF}
        required = {one for one in hidden if needs.get(one, Need.REQUIRED) is Need.REQUIRED}
        return bool(required) or (bool(choices) and choices <= hidden)

    def steps(self, version: Version) -> Iterator[Step]:
        """What redaction leaves of a version that a rule redacts."""
        policy, recipe = self.judge.plan.policy, self.judge.recipes.get(version.id)
        if policy is None or recipe is None:
            return
        left = left_of(self.judge.pool, policy, version, recipe)
        if isinstance(left, Unredactable):
            yield Step("what is left", "nothing", f"it cannot be redacted: {left.reason}")
        elif not left.changed:
            yield Step("what is left", "all of it", "nothing that rules take away is in it")
        else:
            yield Step("what is left", "a derivative", without(left.withheld))

    # -- as a `releasing.rendering.Audience` -----------------------------------------------------------------------

    def seen(self, ident: int) -> Seen:
        """Whether the audience sees an id, and how."""
        lines = self.sight.live.get(ident, ())
        if not lines:
            return Seen.HIDDEN
        return Seen.DERIVED if all(line.derived for line in lines) else Seen.WHOLE

    def sent_it(self, ident: int) -> bool:
        """Whether a member sent us the id: it goes on knowing it under that."""
        return self.sight.sent_it(ident)

    def may_dangle(self, ident: int, role: int) -> bool:
        """Whether a reference to an id that it does not see may stay."""
        pool, policy = self.judge.pool, self.judge.plan.policy
        if pool.held[ident]:
            return False
        if role == Role.CREATOR:
            return True
        dangling = policy is not None and policy.unresolved == "allow"
        return dangling and not is_observable_id(pool.texts[ident])
