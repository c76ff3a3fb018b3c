"""Why a partner sees an object or not, and what is withheld from it (CASES M03)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.policy.decide import Allow, Context, Deny, Hold, Redact, answers
from cert_exchange.services.releasing.evaluating import Plan, Pool, plans_for
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import objects, releases
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.releases import Live

PART: Final = 800
_Reason = tuple[str, str, str, str]
"""(collection, rule, reason, answer)"""


@dataclass(frozen=True, slots=True)
class Explained:
    """One version in one collection: the answer and how it came about."""

    version: str
    collection: str
    answer: str
    """visible | held | denied | waiting"""
    rule: str
    reason: str
    since: str | None
    """when it became visible, UTC"""
    waits_for: tuple[str, ...]
    rules: tuple[tuple[str, str, bool, str], ...]
    """each rule of the policy: name, verb, whether it matched, why (not)"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one partner sees of one object."""

    stix_id: str
    partner: str
    audience: str | None
    policy: str | None
    versions: tuple[Explained, ...]
    remark: str
    """what stands above all versions: no policy, a block, sent by the partner itself"""


@dataclass(frozen=True, slots=True)
class WithheldCount:
    """How many versions one reason keeps from a partner in one collection."""

    collection: str
    rule: str
    reason: str
    answer: str
    versions: int
    example: str


def explain(node: Node, stix_id: str, *, partner: str) -> Explanation:
    """The whole decision for one object and partner. Raises NotFound for an unknown partner or object."""
    with node.database.reading() as conn:
        plan = _plan_for(conn, partner)
        ident = objects.idents_of(conn, [stix_id]).get(stix_id)
        if ident is None or not version_rows.held(conn, [ident]):
            raise NotFound(f"we hold no object {stix_id}; see `search`")
        if plan is None:
            return Explanation(
                stix_id, partner, None, None, (), "no policy names this partner: it sees nothing"
            )
        found = tuple(_explained(conn, plan, ident, now=node.now()))
        sent = version_rows.sent_by(conn, [ident], plan.audience.members.keys())
        blocked = objects.blocked(conn, ident)
    remark = ""
    if sent:
        remark = "it sent us this object itself; its own versions never go back to it"
    elif blocked:
        remark = "our desk blocked this cyber-observable in every view"
    elif not found:
        remark = "no version of it stands in a collection that the policy shares"
    return Explanation(stix_id, partner, plan.audience.name, plan.audience.policy, found, remark)


def _explained(conn: Transaction, plan: Plan, ident: int, *, now: int) -> list[Explained]:
    pool = Pool(conn, releases.read_sharing(conn).partners)
    pool.load([ident])
    live = {
        (line.view, line.object): line for line in releases.live_rows(conn, plan.view_ids, [ident])
    }
    ids = [version.id for version in pool.by_ident[ident]]
    approved = hold_rows.approved_rules(conn, plan.audience.id, ids)
    waits = policy_rows.waits_of(conn, plan.audience.id, ids)
    texts = version_rows.stix_ids(
        conn, {target for targets in waits.values() for target in targets}
    )
    found: list[Explained] = []
    told: set[tuple[int, int]] = set()
    for verdict in Judge(plan, pool, now, approved).verdicts(ident, live):
        version, decision = verdict.version, verdict.decision
        told.add((verdict.view, version.id))
        line = live.get((verdict.view, version.id))
        waits_for = (
            tuple(sorted(texts[t] for t in waits.get(version.id, ()))) if line is None else ()
        )
        match decision:
            case Allow(rule, reason):
                answer = "visible" if line is not None else "waiting"
            case Hold(rule, reason, due):
                answer = "held"
                reason += (
                    f"; until {format_micros(due)}"
                    if due is not None
                    else "; until a person releases it"
                )
            case Deny(rule, reason, _) | Redact(rule, reason, _):
                answer = "denied"
            case _:
                assert_never(decision)
        if answer == "denied" and line is not None and line.carried:
            answer, rule, reason = "visible", "carried", "a visible object needs it"
        rules = _rule_answers(plan, pool, version.id, verdict.collection, now=now, line=line)
        since = format_micros(line.position) if line is not None else None
        label = plan.labels[verdict.collection]
        found.append(
            Explained(version.version, label, answer, rule, reason, since, waits_for, rules)
        )
    for (view, number), line in live.items():
        if (view, number) not in told:
            label = next(plan.labels[c] for c, v in plan.views.items() if v == view)
            found.append(
                Explained(
                    pool.by_id(number).version, label, "visible", "carried",
                    "a visible object needs it", format_micros(line.position), (), (),
                )
            )  # fmt: skip
    return found


def _rule_answers(
    plan: Plan, pool: Pool, number: int, collection: int, *, now: int, line: Live | None
) -> tuple[tuple[str, str, bool, str], ...]:
    if plan.policy is None:
        return ()
    context = Context(
        members=frozenset(plan.audience.members.values()),
        collection=plan.labels[collection],
        now=now,
        released_at=line.position if line is not None else None,
    )
    return tuple(
        (one.rule, str(one.verb), not one.missed, ", ".join(one.missed))
        for one in answers(plan.policy, pool.subject(pool.by_id(number)), context)
    )


def withheld(
    node: Node, *, partner: str, progress: Callable[[int, int | None], None] | None = None
) -> list[WithheldCount]:
    """What is withheld from a partner, ranked by how much each reason withholds.

    Counts versions in collections the policy names. Raises NotFound for an unknown partner.
    """
    counts: Counter[_Reason] = Counter()
    examples: dict[_Reason, str] = {}
    with node.database.reading() as conn:
        plan = _plan_for(conn, partner)
        if plan is None:
            return [WithheldCount("all", "no policy", "no policy names this partner", "denied",
                                  version_rows.count_after(conn, 0), "")]  # fmt: skip
        total = version_rows.count_after(conn, 0)
    after: int | None = 0
    done = 0
    seen: set[int] = set()
    while after is not None:
        with node.database.reading() as conn:
            idents, after = version_rows.idents_between(conn, after=after, limit=PART)
            fresh = [ident for ident in idents if ident not in seen]
            seen.update(fresh)
            for key, example in _withheld_part(conn, plan, fresh, now=node.now()):
                counts[key] += 1
                examples.setdefault(key, example)
        done += len(idents)
        if progress is not None:
            progress(min(done, total), total)
    return [
        WithheldCount(*reason, versions=count, example=examples[reason])
        for reason, count in counts.most_common()
    ]


def _withheld_part(
    conn: Transaction, plan: Plan, idents: list[int], *, now: int
) -> list[tuple[_Reason, str]]:
    pool = Pool(conn, releases.read_sharing(conn).partners)
    pool.load(idents)
    lines = {
        (line.view, line.object): line for line in releases.live_rows(conn, plan.view_ids, idents)
    }
    ids = [version.id for ident in idents for version in pool.by_ident[ident]]
    approved = hold_rows.approved_rules(conn, plan.audience.id, ids) if plan.holding else {}
    found: list[tuple[_Reason, str]] = []
    judge = Judge(plan, pool, now, approved)
    for ident in idents:
        for verdict in judge.verdicts(ident, lines):
            if (verdict.view, verdict.version.id) in lines:
                continue
            match verdict.decision:
                case Allow(_, _):
                    answer = ("references", "waits for an object that it refers to", "waiting")
                case Hold(rule, reason, _):
                    answer = (rule, reason, "held")
                case Deny(rule, reason, _) | Redact(rule, reason, _):
                    answer = (rule, reason, "denied")
                case _:
                    assert_never(verdict.decision)
            found.append(((plan.labels[verdict.collection], *answer), verdict.version.stix_id))
    return found


def _plan_for(conn: Transaction, partner: str) -> Plan | None:
    if partner not in policy_rows.partner_ids(conn):
        raise NotFound(f"there is no partner {partner!r}; see `partner list`")
    for plan in plans_for(conn, releases.read_sharing(conn)):
        if partner in plan.audience.members.values() and plan.policy is not None:
            return plan
    return None
