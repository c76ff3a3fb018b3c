"""The questions of an administrator that need many decisions: what a partner sees, who sees an object, what is withheld.

1. What is visible is counted from the lines in force; what is not is asked of the `Judge` that releases.
2. One part of the store is read at a time, so that a million versions can be asked about beside running work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cert_exchange.node import Node
from cert_exchange.policy.wording import without
from cert_exchange.services.policies.explaining import (
    NOT_SHARED,
    ident_of,
    look_of,
    taken_back,
    ungoverned,
)
from cert_exchange.services.policies.looking import Answer, Look
from cert_exchange.services.releasing import issuer_of
from cert_exchange.services.releasing.evaluating import plans_for
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import releases, sights
from cert_exchange.store import versions as version_rows

PART: Final = 800
NEIGHBOURS: Final = 1_000
"""Objects around one that `sees` asks about."""
_Reason = tuple[str, str, str, str]
"""(collection, rule, reason, answer)"""


@dataclass(frozen=True, slots=True)
class SeenCount:
    """What a partner sees of one type in one collection. Instants as text, UTC."""

    collection: str
    type: str
    objects: int
    versions: int
    derived: int
    """versions that stand for an original of ours"""
    bytes: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Around:
    """An object, or one that it refers to or that refers to it, as one partner has it."""

    relation: str
    """itself | it refers to | refers to it"""
    stix_id: str
    answer: str
    """visible | waiting | held | denied | not shared | not held"""
    collection: str
    rule: str
    reason: str
    since: str | None
    shown_as: str | None = None
    """the id of the derivative that is served in its place"""
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seer:
    """One version of an object before one audience in one collection."""

    audience: str
    partners: tuple[str, ...]
    collection: str
    version: str
    answer: str
    """visible | waiting | held | denied | not shared"""
    rule: str
    reason: str
    since: str | None
    waits_for: tuple[str, ...]
    shown_as: str | None = None
    """the id of the derivative that is served in its place"""
    withheld: tuple[str, ...] = ()
    """the kinds of what was taken away from that; empty where only references were rewritten"""


@dataclass(frozen=True, slots=True)
class WithheldCount:
    """How many versions one reason keeps from a partner in one collection, or shows without something."""

    collection: str
    rule: str
    reason: str
    answer: str
    """waiting | held | denied | redacted"""
    versions: int
    example: str


def sees(node: Node, *, partner: str) -> list[SeenCount]:
    """What a partner sees, by collection and type. Raises NotFound for an unknown partner."""
    with node.database.reading() as conn:
        look = look_of(node, conn, partner)
        if look is None:
            return []
        labels = {view: look.plan.labels[number] for number, view in look.plan.views.items()}
        return [
            SeenCount(
                labels[row.view], row.type, row.objects, row.versions, row.derived, row.size,
                format_micros(row.first), format_micros(row.last),
            )
            for row in sights.counts(conn, look.plan.view_ids)
        ]  # fmt: skip


def sees_around(node: Node, stix_id: str, *, partner: str) -> list[Around]:
    """What a partner sees of an object and of what stands around it. Raises NotFound for an unknown partner or object.

    Of what refers to it and what it refers to, NEIGHBOURS each at most.
    """
    with node.database.reading() as conn:
        look = look_of(node, conn, partner)
        ident = ident_of(conn, stix_id)
        if look is None:
            return [_around("itself", stix_id, None, known=True)]
        look.load((ident,))
        versions = look.pool.by_ident[ident]
        below = sorted(
            {t for v in versions for t, _ in look.pool.references.get(v.id, ())} - {ident}
        )
        above = sights.referring(conn, ident, limit=NEIGHBOURS)
        below = below[:NEIGHBOURS]
        look.load({*below, *above})
        rows = [("itself", ident)]
        rows += [("it refers to", one) for one in below]
        rows += [("refers to it", one) for one in above]
        return [
            _around(relation, look.pool.texts[one], look.best(one), known=look.pool.held[one])
            for relation, one in rows
        ]


def _around(relation: str, stix_id: str, best: Answer | None, *, known: bool) -> Around:
    if best is None:
        answer = "not shared" if known else "not held"
        return Around(relation, stix_id, answer, "", "", "", None)
    since = format_micros(best.line.position) if best.line is not None else None
    return Around(
        relation, stix_id, best.answer, best.label, best.rule, best.why, since, *_as_shown(best)
    )


def _as_shown(one: Answer) -> tuple[str | None, tuple[str, ...]]:
    return (None, ()) if one.shown is None else (one.shown.stix_id, one.shown.withheld)


def who(node: Node, stix_id: str) -> list[Seer]:
    """Who sees an object, since when, who waits and why: every audience that a policy governs.

    Raises NotFound for an unknown object.
    """
    found: list[Seer] = []
    with node.database.reading() as conn:
        ident = ident_of(conn, stix_id)
        sharing = releases.read_sharing(conn)
        for plan in plans_for(conn, sharing):
            members = tuple(sorted(plan.audience.members.values()))
            if not members:
                continue
            look = Look(conn, sharing, plan, node.now(), issuer_of(node))
            answers = look.answers(ident)
            waits = policy_rows.waits_of(
                conn, plan.audience.id, [one.version.id for one in answers]
            )
            texts = version_rows.stix_ids(conn, {t for those in waits.values() for t in those})
            sent = version_rows.sent_by(conn, [ident], plan.audience.members.keys())
            if not answers:
                reason = (
                    "it came from there" if sent
                    else taken_back(look, ident) or NOT_SHARED
                )  # fmt: skip
                found.append(
                    Seer(plan.audience.name, members, "", "", "not shared", "", reason, None, ())
                )
            for one in answers:
                awaited = () if one.line is not None else waits.get(one.version.id, ())
                found.append(
                    Seer(
                        plan.audience.name, members, one.label, one.version.version, one.answer,
                        one.rule, one.why,
                        format_micros(one.line.position) if one.line is not None else None,
                        tuple(sorted(texts[target] for target in awaited)),
                        *_as_shown(one),
                    )
                )  # fmt: skip
    return found


def withheld(
    node: Node, *, partner: str, progress: Callable[[int, int | None], None] | None = None
) -> list[WithheldCount]:
    """What is withheld from a partner, ranked by how much each reason withholds.

    Counts versions in collections the policy names. Raises NotFound for an unknown partner.
    """
    counts: Counter[_Reason] = Counter()
    examples: dict[_Reason, str] = {}
    with node.database.reading() as conn:
        total = version_rows.count_after(conn, 0)
        if look_of(node, conn, partner) is None:
            reason = ungoverned(conn, partner)
            return [WithheldCount("all", "no policy", reason, "denied", total, "")]
    after: int | None = 0
    done = 0
    seen: set[int] = set()
    while after is not None:
        with node.database.reading() as conn:
            look = look_of(node, conn, partner)
            idents, after = version_rows.idents_between(conn, after=after, limit=PART)
            fresh = [ident for ident in idents if ident not in seen]
            seen.update(fresh)
            for key, example in _withheld_part(look, fresh) if look is not None else ():
                counts[key] += 1
                examples.setdefault(key, example)
        done += len(idents)
        if progress is not None:
            progress(min(done, total), total)
    return [
        WithheldCount(*reason, versions=count, example=examples[reason])
        for reason, count in counts.most_common()
    ]


def _withheld_part(look: Look, idents: list[int]) -> list[tuple[_Reason, str]]:
    look.load(idents)
    found: list[tuple[_Reason, str]] = []
    for ident in idents:
        for one in look.answers(ident):
            if one.line is not None:
                if one.shown is not None and one.shown.withheld:
                    key = (one.label, one.rule, without(one.shown.withheld), "redacted")
                    found.append((key, one.version.stix_id))
                continue
            if one.activating:
                answer = ("activation", one.reason, "waiting")
            elif one.answer == "waiting":
                answer = ("references", "waits for an object that it refers to", "waiting")
            else:
                answer = (one.rule, one.reason, one.answer)
            found.append(((one.label, *answer), one.version.stix_id))
    return found
