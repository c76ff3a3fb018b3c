"""Whether an audience would see more of what it sees as a derivative now, and would see as another one then.

1. What the policy in force leaves of the original is found anew and counts only where it is what is served now; where it
   cannot be found, more is shown.
2. What is left is compared, not the recipes: neither another name of a rule nor another way to say the same widens.
3. A derivative that only names its neighbours otherwise shows no more; each of those is counted by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cert_exchange.policy.redaction import Trimmed, Unredactable
from cert_exchange.policy.redaction.comparing import says_no_more
from cert_exchange.services.releasing.evaluating import Plan, Pool
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.services.releasing.trimming import NOTHING, digest_of, left_of
from cert_exchange.store import holds as hold_rows
from cert_exchange.store.derivatives import Derivative
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live


@dataclass(slots=True)
class Widening:
    """What the policy in force (`plan`) leaves of a part of the ids, asked only where a rendition changes."""

    pool: Pool
    plan: Plan | None
    now: int
    lines: Mapping[int, list[Live]]
    """by id: the lines in force"""
    _judge: Judge | None = None
    _judged: set[int] = field(default_factory=set)

    def shows_more(self, version: Version, served: Derivative, left: Trimmed) -> bool:
        """Whether what is left then says anything that the served derivative does not."""
        if digest_of(left) == served.trimmed:
            return False
        before = self._left(version)
        if isinstance(before, Unredactable) or digest_of(before) != served.trimmed:
            return True
        return not says_no_more(left.content, before.content)

    def _left(self, version: Version) -> Trimmed | Unredactable:
        if self.plan is None or self.plan.policy is None:
            return Unredactable("no policy is in force")
        judge = self._asked(self.plan, version.ident)
        recipe = judge.recipes.get(version.id, NOTHING)
        return left_of(self.pool, self.plan.policy, version, recipe)

    def _asked(self, plan: Plan, ident: int) -> Judge:
        """A judge of the policy in force who said how an id stands."""
        if self._judge is None:
            numbers = [one.id for ident in self.lines for one in self.pool.by_ident[ident]]
            ended = (
                hold_rows.ended_rules(self.pool.tx, plan.audience.id, numbers)
                if plan.holding
                else {}
            )
            self._judge = Judge(plan, self.pool, self.now, ended)
        if ident not in self._judged:
            self._judged.add(ident)
            views = set(plan.view_ids)
            live = {
                (line.view, line.object): line for line in self.lines[ident] if line.view in views
            }
            for _ in self._judge.verdicts(ident, live):
                pass  # what rules take is noted by the judge
            if self.pool.is_carried_type(ident):
                for version in self.pool.by_ident[ident]:
                    for collection in plan.views:
                        self._judge.decided(version, collection, carried=True)
        return self._judge
