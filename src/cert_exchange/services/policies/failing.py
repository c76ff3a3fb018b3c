"""Rules in force that give no answer: what they are asked about is denied, and nobody who looks at the policy sees it.

1. The newest objects are asked about, as many as a look at the node may take; nothing of this is written down when it
   happens, for a rule that fails for every object would fill the store.
2. The `Judge` that releases answers; only policies with an expression are asked.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from cert_exchange.node import Node
from cert_exchange.policy.decide import Deny, DenyKind
from cert_exchange.services.releasing.bindings import bindings_for
from cert_exchange.services.releasing.evaluating import Plan, Pool, plans_for
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.store import releases
from cert_exchange.store import versions as version_rows

NEWEST: Final = 500


@dataclass(frozen=True, slots=True)
class Failing:
    """A reason for which a policy in force gives no answer, and for how many of the newest objects."""

    policy: str
    partner: str
    """one of those for whom it is so"""
    reason: str
    objects: int
    asked: int
    """how many objects were looked at"""
    example: str


def failing(node: Node, *, newest: int = NEWEST) -> list[Failing]:
    """Where policies in force fail for the newest objects, by policy and reason."""
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], tuple[str, str]] = {}
    with node.database.reading() as conn:
        sharing = releases.read_sharing(conn)
        every = plans_for(conn, sharing)
        plans = [plan for plan in every if plan.audience.members and _asks_expressions(plan)]
        if not plans:
            return []
        idents = version_rows.newest_idents(conn, limit=newest)
        pool = Pool(conn, sharing.partners, bindings_for(conn, sharing, every))
        pool.load(idents)
        pool.know(idents)
        for plan in plans:
            judge = Judge(plan, pool, node.now())
            for ident in idents:
                for reason in _unanswered(judge, ident):
                    key = (plan.audience.policy, reason)
                    counts[key] += 1
                    first.setdefault(key, (min(plan.audience.members.values()), pool.texts[ident]))
    return [
        Failing(
            policy, first[policy, reason][0], reason, number, len(idents), first[policy, reason][1]
        )
        for (policy, reason), number in counts.most_common()
    ]


def _unanswered(judge: Judge, ident: int) -> set[str]:
    """Why there is no answer for a version of an id in a view; empty where there is one everywhere."""
    found = set()
    for verdict in judge.verdicts(ident, {}):
        decision = verdict.decision
        if isinstance(decision, Deny) and decision.kind is DenyKind.ERROR:
            found.add(decision.reason)
    return found


def _asks_expressions(plan: Plan) -> bool:
    return plan.policy is not None and any(
        rule.match.when is not None for rule in plan.policy.rules
    )
