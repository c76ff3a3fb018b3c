"""What a policy would take from its audiences, written down before anything changes, and what it gives (DECISIONS 2).

The same `judge` decides here and in the switch, so that what is staged is what goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from cert_exchange.node import Node
from cert_exchange.policy.decide import Allow, Hold, Redact
from cert_exchange.policy.document import Policy
from cert_exchange.services.releasing.bindings import bindings_for
from cert_exchange.services.releasing.evaluating import (
    Plan,
    Pool,
    plan_of,
    plans_for,
)
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.stix.references import Role
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import references as reference_rows
from cert_exchange.store import releases
from cert_exchange.store.database import Transaction
from cert_exchange.store.policies import StagedLoss
from cert_exchange.store.releases import Live, Sharing

PART: Final = 800


def stage(
    node: Node,
    policy: Policy,
    run: str,
    progress: Callable[[int, int | None], None] | None = None,
) -> dict[int, int]:
    """Write the losses of `run` into the staging table; the head of each view before it looked.

    What is released after that head is the switch's to decide again.
    """
    with node.database.reading() as conn:
        sharing = releases.read_sharing(conn)
    seen: dict[int, int] = {}
    done = 0
    for audience in sharing.audiences:
        if audience.policy != policy.name:
            continue
        plan = plan_of(audience, policy, sharing)
        seen.update(
            (head.view, head.position) for head in sharing.heads if head.audience == audience.id
        )
        after = 0
        while True:
            with node.database.reading() as conn:
                idents = releases.live_idents_after(conn, plan.view_ids, after=after, limit=PART)
                losses = _losses(conn, plan, idents, now=node.now())
            if not idents:
                break
            after = idents[-1]
            if losses:
                at = node.now()
                node.database.transact(partial(policy_rows.stage, run=run, losses=losses, at=at))
            done += len(idents)
            if progress is not None:
                progress(done, None)
    return seen


def unsettled(
    conn: Transaction, sharing: Sharing, name: str, idents: Sequence[int], *, now: int
) -> tuple[frozenset[int], set[int]]:
    """The audiences of the policy in force, and those ids whose lines, holds or waits are not as it decides now.

    References are not looked at: what policy allows and is not in force is named, whatever keeps it out.
    """
    governed = plans_for(conn, sharing)
    bindings = bindings_for(conn, sharing, governed)
    pool = Pool(conn, sharing.partners, bindings, tuple(head.view for head in sharing.heads))
    pool.load(idents)
    ids = [version.id for ident in idents for version in pool.by_ident[ident]]
    lines = pool.lines_of(idents)
    plans = [plan for plan in governed if plan.audience.policy == name and plan.views]
    audiences = frozenset(plan.audience.id for plan in plans)
    found = reference_rows.waiting_of(conn, audiences, idents)
    found |= hold_rows.held_in(conn, audiences, idents)
    for plan in plans:
        approved = hold_rows.ended_rules(conn, plan.audience.id, ids) if plan.holding else {}
        judge = Judge(plan, pool, now, approved)
        mine = set(plan.view_ids)
        for ident in idents:
            live = {(line.view, line.object): line for line in lines[ident] if line.view in mine}
            if ident not in found and not _is_settled(judge, ident, live):
                found.add(ident)
    return audiences, found


def _is_settled(judge: Judge, ident: int, live: dict[tuple[int, int], Live]) -> bool:
    allowed = set()
    for verdict in judge.verdicts(ident, live):
        key = (verdict.view, verdict.version.id)
        if isinstance(verdict.decision, Allow | Redact):
            if key not in live or live[key].carried:
                return False
            if isinstance(verdict.decision, Redact) and not live[key].derived:
                return False
            allowed.add(key)
        elif isinstance(verdict.decision, Hold):
            return False
    return all(key in allowed or line.carried for key, line in live.items())


def _losses(conn: Transaction, plan: Plan, idents: list[int], *, now: int) -> list[StagedLoss]:
    sharing = releases.read_sharing(conn)
    bindings = bindings_for(conn, sharing, plans_for(conn, sharing))
    pool = Pool(conn, sharing.partners, bindings)
    pool.load(idents)
    pool.know(idents)
    lines: dict[int, list[Live]] = {}
    for line in releases.live_rows(conn, plan.view_ids, idents):
        lines.setdefault(line.ident, []).append(line)
    ids = [version.id for ident in idents for version in pool.by_ident[ident]]
    approved = hold_rows.ended_rules(conn, plan.audience.id, ids) if plan.holding else {}
    judge = Judge(plan, pool, now, approved)
    dangling = _dangling(plan, pool, ids)
    losses: list[StagedLoss] = []
    collections = {view: collection for collection, view in plan.views.items()}
    for ident in idents:
        live = {(line.view, line.object): line for line in lines.get(ident, ())}
        answers = {
            (verdict.view, verdict.version.id): verdict.decision
            for verdict in judge.verdicts(ident, live)
        }
        for key, line in live.items():
            decision = answers.get(key)
            if decision is None and line.carried:
                decision = judge.decided(
                    pool.by_id(line.object), collections[line.view], carried=True
                )
            if line.derived or not isinstance(decision, Allow):
                # What is redacted, or was, is rendered anew in the switch, and stays where that says the same.
                rule = decision.rule if decision is not None else "withdrawn"
                losses.append(StagedLoss(line.view, line.position, rule))
            elif line.object in dangling:
                losses.append(StagedLoss(line.view, line.position, "reference"))
    return losses


def _dangling(plan: Plan, pool: Pool, numbers: list[int]) -> set[int]:
    """Which versions refer to what we do not hold, where the policy lets nothing dangle but creators."""
    if plan.policy is None or plan.policy.unresolved == "allow":
        return set()
    needed = [
        (number, target)
        for number in numbers
        for target, role in pool.references.get(number, ())
        if role in (Role.MARKING, Role.REQUIRED)
    ]
    pool.know({target for _, target in needed})
    return {number for number, target in needed if not pool.held[target]}
