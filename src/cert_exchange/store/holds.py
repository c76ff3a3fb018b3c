"""What policy holds back for a time or until a person lets it go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, delete, insert, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import audiences, collections, holds, identifiers, objects


@dataclass(frozen=True, slots=True)
class HeldObject:
    """One object version held back from one audience in one collection. Instants in micros."""

    audience: str
    stix_id: str
    version: str
    collection: str
    rule: str
    reason: str
    held_at: int
    due_at: int | None


def standing(
    conn: Transaction, *, audience: str | None = None, limit: int = 10_000
) -> list[HeldObject]:
    """The holds that stand, the oldest first."""
    statement = (
        select(
            audiences.c.name, identifiers.c.stix_id, objects.c.version,
            collections.c.alias, collections.c.uuid,
            holds.c.rule, holds.c.reason, holds.c.held_at, holds.c.due_at,
        )
        .join(objects, objects.c.id == holds.c.object)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(audiences, audiences.c.id == holds.c.audience)
        .join(collections, collections.c.id == holds.c.collection)
        .where(holds.c.released_at.is_(None))
        .order_by(holds.c.held_at, identifiers.c.stix_id)
        .limit(limit)
    )  # fmt: skip
    if audience is not None:
        statement = statement.where(audiences.c.name == audience)
    return [
        HeldObject(r[0], r[1], r[2], r[3] or r[4], r[5], r[6], r[7], r[8])
        for r in conn.execute(statement)
    ]


def due(tx: Transaction, *, now: int, limit: int) -> list[int]:
    """The ids of objects whose hold has passed, in number order."""
    rows = tx.execute(
        select(objects.c.ident)
        .join(holds, holds.c.object == objects.c.id)
        .where(holds.c.due_at <= now, holds.c.released_at.is_(None))
        .distinct()
        .order_by(objects.c.ident)
        .limit(limit)
    )
    return [row[0] for row in rows]


def let_go(
    tx: Transaction, idents: Collection[int], *, audience: str | None, at: int, by: str
) -> int:
    """Mark standing holds on these ids as released by a person; how many."""
    count = 0
    for part in parts(idents):
        statement = (
            update(holds)
            .where(
                holds.c.released_at.is_(None),
                holds.c.object.in_(select(objects.c.id).where(objects.c.ident.in_(part))),
            )
            .values(released_at=at, released_by=by)
        )
        if audience is not None:
            statement = statement.where(
                holds.c.audience.in_(select(audiences.c.id).where(audiences.c.name == audience))
            )
        count += tx.execute(statement).rowcount
    return count


def approved_rules(
    tx: Transaction, audience: int, object_ids: Iterable[int]
) -> dict[tuple[int, int], frozenset[str]]:
    """(object, collection) -> the hold rules that a person released for this audience."""
    found: dict[tuple[int, int], frozenset[str]] = {}
    for part in parts(object_ids):
        for row in tx.execute(
            select(holds.c.object, holds.c.collection, holds.c.rule).where(
                holds.c.audience == audience,
                holds.c.object.in_(part),
                holds.c.released_at.is_not(None),
            )
        ):
            found[row[0], row[1]] = frozenset({row[2]})
    return found


@dataclass(frozen=True, slots=True)
class HoldLine:
    """One object version held back from one audience in one collection."""

    object: int
    collection: int
    rule: str
    reason: str
    due_at: int | None


def held_in(conn: Transaction, audiences_: Collection[int], idents: Iterable[int]) -> set[int]:
    """Which of these ids have a version that a hold stands on in one of the audiences."""
    found: set[int] = set()
    for part in parts(idents):
        rows = conn.execute(
            select(objects.c.ident)
            .join(holds, holds.c.object == objects.c.id)
            .where(
                holds.c.audience.in_(sorted(audiences_)),
                holds.c.released_at.is_(None),
                objects.c.ident.in_(part),
            )
        )
        found.update(row[0] for row in rows)
    return found


def forget_open(tx: Transaction, audience: int) -> None:
    """Drop the open holds of an audience whose policy holds nothing any more."""
    tx.execute(delete(holds).where(holds.c.audience == audience, holds.c.released_at.is_(None)))


def replace_holds(
    tx: Transaction,
    audience: int,
    considered: Collection[int],
    rows: Sequence[HoldLine],
    *,
    at: int,
) -> None:
    """Drop the open holds of these versions and write those that stand now; released ones stay."""
    kept: dict[tuple[int, int], int] = {}
    for part in parts(considered):
        where = and_(
            holds.c.audience == audience,
            holds.c.object.in_(part),
            holds.c.released_at.is_(None),
        )
        for row in tx.execute(
            select(holds.c.object, holds.c.collection, holds.c.held_at).where(where)
        ):
            kept[row[0], row[1]] = row[2]
        tx.execute(delete(holds).where(where))
    fresh = list(rows)
    if fresh:
        for one in fresh:  # a released hold of another rule gives way to the one that stands now
            tx.execute(
                delete(holds).where(
                    holds.c.audience == audience,
                    holds.c.object == one.object,
                    holds.c.collection == one.collection,
                )
            )
        tx.execute(
            insert(holds),
            [
                {
                    "audience": audience,
                    "object": row.object,
                    "collection": row.collection,
                    "rule": row.rule,
                    "reason": row.reason,
                    "held_at": kept.get((row.object, row.collection), at),
                    "due_at": row.due_at,
                }
                for row in fresh
            ],
        )
