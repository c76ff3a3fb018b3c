"""What an audience sees, counted, and what stands around one object: for the questions of our own people.

1. Reading only, in the caller's transaction; nothing here is on a partner's way and nothing decides.
2. Counts are of lines in force; instants are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import func, select, tuple_

from cert_exchange.stix.references import Role
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    derivatives,
    hold_approvals,
    hold_endings,
    holds,
    live,
    objects,
    policies,
    references,
    release_log,
    renditions,
)


@dataclass(frozen=True, slots=True)
class SightCount:
    """The lines in force of one type in one view."""

    view: int
    type: str
    objects: int  # each id once
    versions: int
    derived: int  # versions that stand for an original
    size: int  # bytes of all versions
    first: int  # when the oldest and the newest line came
    last: int


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """How one line in force came about, and the bytes that it serves."""

    rule: str
    policy_version: int | None
    digest: bytes
    size: int


@dataclass(frozen=True, slots=True)
class EndedHold:
    """What ended a rule's hold on a version for good: persons, or its expiry."""

    object: int
    collection: int
    rule: str
    outcome: str  # released | denied
    ended_at: int
    ended_by: str


@dataclass(frozen=True, slots=True)
class StandingHold:
    """The hold that stands on a version in a collection."""

    object: int
    collection: int
    rule: str
    held_at: int
    due_at: int | None
    on_expiry: str | None  # what happens at `due_at`; None: a plain time, or no end
    owner: str
    approvals: int  # how many persons must let it go
    approved: int  # how many did so far


def counts(conn: Transaction, views: Collection[int]) -> list[SightCount]:
    """What stands in these views by type, the largest number first."""
    rows = conn.execute(
        select(
            live.c.view, live.c.type, func.sum(live.c.is_last), func.count(),
            func.count(derivatives.c.object), func.sum(live.c.size), func.min(live.c.position),
            func.max(live.c.position),
        )
        .outerjoin(derivatives, derivatives.c.object == live.c.object)
        .where(live.c.view.in_(sorted(views)))
        .group_by(live.c.view, live.c.type)
    )  # fmt: skip
    found = [SightCount(r[0], r[1], *(int(value) for value in r[2:])) for r in rows]
    return sorted(found, key=lambda row: (row.view, -row.objects, row.type))


def release_lines(
    conn: Transaction, lines: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], ReleaseLine]:
    """The lines at these (view, position): rule, version of the policy, bytes."""
    found: dict[tuple[int, int], ReleaseLine] = {}
    for part in parts(list(lines)):
        rows = conn.execute(
            select(
                release_log.c.view, release_log.c.position, release_log.c.rule, policies.c.version,
                renditions.c.digest, renditions.c.size,
            )
            .join(renditions, renditions.c.id == release_log.c.rendition)
            .outerjoin(policies, policies.c.id == release_log.c.policy)
            .where(tuple_(release_log.c.view, release_log.c.position).in_(part))
        )  # fmt: skip
        found.update({(r[0], r[1]): ReleaseLine(r[2], r[3], bytes(r[4]), r[5]) for r in rows})
    return found


def ended_holds(conn: Transaction, audience: int, object_ids: Iterable[int]) -> list[EndedHold]:
    """The holds on these versions, in this audience, that ended for good, the oldest first."""
    found: list[EndedHold] = []
    for part in parts(object_ids):
        rows = conn.execute(
            select(
                hold_endings.c.object, hold_endings.c.collection, hold_endings.c.rule,
                hold_endings.c.outcome, hold_endings.c.ended_at, hold_endings.c.ended_by,
            ).where(hold_endings.c.audience == audience, hold_endings.c.object.in_(part))
        )  # fmt: skip
        found.extend(EndedHold(*row) for row in rows)
    return sorted(found, key=lambda one: (one.ended_at, one.rule))


def standing_holds(
    conn: Transaction, audience: int, object_ids: Iterable[int]
) -> dict[tuple[int, int], StandingHold]:
    """The holds that stand on these versions in this audience, by (version, collection)."""
    found: dict[tuple[int, int], StandingHold] = {}
    given = (
        select(func.count())
        .select_from(hold_approvals)
        .where(
            hold_approvals.c.audience == holds.c.audience,
            hold_approvals.c.object == holds.c.object,
            hold_approvals.c.collection == holds.c.collection,
            hold_approvals.c.rule == holds.c.rule,
        )
        .scalar_subquery()
    )
    for part in parts(object_ids):
        rows = conn.execute(
            select(
                holds.c.object, holds.c.collection, holds.c.rule, holds.c.held_at, holds.c.due_at,
                holds.c.on_expiry, holds.c.owner, holds.c.approvals, given,
            ).where(
                holds.c.audience == audience,
                holds.c.object.in_(part),
                holds.c.released_at.is_(None),
            )
        )  # fmt: skip
        for row in rows:
            found[row[0], row[1]] = StandingHold(*row[:6], row[6] or "", row[7] or 1, row[8])
    return found


def referring(conn: Transaction, ident: int, *, limit: int) -> list[int]:
    """The ids whose versions refer to this one, derivatives and keys of `extensions` aside, in number order."""
    rows = conn.execute(
        select(objects.c.ident)
        .join(references, references.c.source == objects.c.id)
        .where(
            references.c.target == ident,
            references.c.role != Role.EXTENSION.value,
            objects.c.ident != ident,
            objects.c.status != ObjectStatus.DERIVATIVE.value,
        )
        .distinct()
        .order_by(objects.c.ident)
        .limit(limit)
    )
    return [row[0] for row in rows]


def indicators_tied_to(conn: Transaction, idents: Collection[int]) -> set[int]:
    """The indicators of ours that a relationship of ours joins to any of these ids."""
    indicator, tie = objects.alias("indicator"), references.alias("tie")
    found: set[int] = set()
    for part in parts(sorted(idents)):
        rows = conn.execute(
            select(indicator.c.ident)
            .join(references, references.c.target == indicator.c.ident)
            .join(objects, objects.c.id == references.c.source)
            .join(tie, tie.c.source == objects.c.id)
            .where(
                tie.c.target.in_(part),
                objects.c.type == "relationship",
                objects.c.origin == OWN,
                indicator.c.type == "indicator",
                indicator.c.origin == OWN,
            )
            .distinct()
        )
        found.update(row[0] for row in rows)
    return found
