"""The holds, and what waits for another object, as our own people list and count them.

1. Reading only, in the caller's transaction.
2. A day is one of UTC. A plain time that passed leaves no row, so days count what persons and expiries ended.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, select

from cert_exchange.store.database import Transaction
from cert_exchange.store.holds import Outcome
from cert_exchange.store.tables import (
    audiences,
    collections,
    hold_approvals,
    hold_endings,
    holds,
    identifiers,
    objects,
    waiting,
)

DAY: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which holds are meant; None does not restrict. `reason` is the rule's."""

    audience: str | None = None
    rule: str | None = None
    reason: str | None = None


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
    """when it ends by itself; None: only persons end it"""
    owner: str | None = None
    then: str | None = None
    """release | deny: what happens at `due_at` of a hold that waits for persons"""
    approvals: int = 1
    """how many persons must let it go"""
    approved_by: tuple[str, ...] = ()
    """who did so far"""


@dataclass(frozen=True, slots=True)
class Pending:
    """An object version that a rule holds, or that waits for another object (`target`)."""

    object: int
    audience: str
    collection: str | None
    rule: str
    due_at: int | None
    """when the hold ends by itself; None: only persons end it"""
    target: str | None
    then: str | None = None
    """release | deny: what happens at `due_at` of a hold that waits for persons"""
    approvals: int = 1
    """how many persons must let it go"""
    approved_by: tuple[str, ...] = ()
    """who did so far"""


@dataclass(frozen=True, slots=True)
class HeldCount:
    """How many versions one rule's hold keeps back from one audience. Instants in micros."""

    audience: str
    rule: str
    reason: str
    owner: str | None
    held: int
    today: int
    """of these, held since midnight UTC"""
    oldest: int
    next_due: int | None


@dataclass(frozen=True, slots=True)
class HeldDay:
    """What one day of UTC brought. `day` in micros."""

    day: int
    held: int
    """held since that day, whether or not it still stands"""
    released: int
    denied: int


def audience_number(conn: Transaction, name: str) -> int | None:
    """The number of the audience of this name."""
    return conn.execute(select(audiences.c.id).where(audiences.c.name == name)).scalar()


def standing(conn: Transaction, wanted: Wanted, *, limit: int) -> list[HeldObject]:
    """The holds that stand, the oldest first."""
    statement = (
        select(
            audiences.c.name,
            identifiers.c.stix_id,
            objects.c.version,
            func.coalesce(collections.c.alias, collections.c.uuid),
            holds.c.rule,
            holds.c.reason,
            holds.c.held_at,
            holds.c.due_at,
            holds.c.owner,
            holds.c.on_expiry,
            holds.c.approvals,
            holds.c.audience,
            holds.c.object,
            holds.c.collection,
        )
        .join(objects, objects.c.id == holds.c.object)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(audiences, audiences.c.id == holds.c.audience)
        .join(collections, collections.c.id == holds.c.collection)
        .order_by(holds.c.held_at, identifiers.c.stix_id, audiences.c.name)
        .limit(limit)
    )
    rows = conn.execute(_of(statement, wanted)).all()
    persons = _approved_by(conn) if any(row[10] for row in rows) else {}
    return [
        HeldObject(
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            row[5],
            row[6],
            row[7],
            owner=row[8],
            then=None if row[9] is None else _then(row[9]),
            approvals=row[10] or 1,
            approved_by=persons.get((row[11], row[12], row[13], row[4]), ()),
        )
        for row in rows
    ]


def pending(conn: Transaction, object_ids: Collection[int]) -> list[Pending]:
    """Tell what keeps the given object versions back: holds that nobody released, and missing references."""
    held = conn.execute(
        select(
            holds.c.object,
            audiences.c.name,
            func.coalesce(collections.c.alias, collections.c.uuid),
            holds.c.rule,
            holds.c.due_at,
            holds.c.on_expiry,
            holds.c.approvals,
            holds.c.audience,
            holds.c.collection,
        )
        .join(audiences, audiences.c.id == holds.c.audience)
        .join(collections, collections.c.id == holds.c.collection)
        .where(holds.c.object.in_(object_ids), holds.c.released_at.is_(None))
        .order_by(audiences.c.name)
    ).all()
    persons = _approved_by(conn, object_ids) if any(row[6] for row in held) else {}
    found = [
        Pending(
            *row[:5], target=None, then=None if row[5] is None else _then(row[5]),
            approvals=row[6] or 1, approved_by=persons.get((row[7], row[0], row[8], row[3]), ()),
        )
        for row in held
    ]  # fmt: skip
    awaited = conn.execute(
        select(waiting.c.object, audiences.c.name, identifiers.c.stix_id)
        .join(audiences, audiences.c.id == waiting.c.audience)
        .join(identifiers, identifiers.c.num == waiting.c.target)
        .where(waiting.c.object.in_(object_ids))
        .order_by(audiences.c.name)
    )
    found.extend(Pending(row[0], row[1], None, "", None, row[2]) for row in awaited)
    return found


def rules(conn: Transaction) -> list[str]:
    """The names of the rules that hold something now."""
    return list(
        conn.execute(select(holds.c.rule).where(holds.c.released_at.is_(None)).distinct()).scalars()
    )


def idents(conn: Transaction, wanted: Wanted) -> list[int]:
    """The ids that the wanted holds stand on, by number."""
    statement = (
        select(objects.c.ident)
        .select_from(holds)
        .join(objects, objects.c.id == holds.c.object)
        .join(audiences, audiences.c.id == holds.c.audience)
        .distinct()
        .order_by(objects.c.ident)
    )
    return list(conn.execute(_of(statement, wanted)).scalars())


def counts(conn: Transaction, wanted: Wanted, *, now: int) -> list[HeldCount]:
    """The holds that stand by rule, audience and owner, the most first."""
    midnight = now - now % DAY
    number = func.count().label("number")
    statement = (
        select(
            audiences.c.name,
            holds.c.rule,
            holds.c.reason,
            holds.c.owner,
            number,
            func.count().filter(holds.c.held_at >= midnight),
            func.min(holds.c.held_at),
            func.min(holds.c.due_at),
        )
        .join(audiences, audiences.c.id == holds.c.audience)
        .group_by(audiences.c.name, holds.c.rule, holds.c.reason, holds.c.owner)
        .order_by(number.desc(), audiences.c.name, holds.c.rule)
    )
    return [HeldCount(*row) for row in conn.execute(_of(statement, wanted))]


def days(conn: Transaction, *, since: int) -> list[HeldDay]:
    """What each day since `since` (micros) brought, the newest first; days without anything are left out."""
    held: dict[int, int] = {}
    ended: dict[str, dict[int, int]] = {outcome.value: {} for outcome in Outcome}
    for column, extra in (
        (holds.c.held_at, holds.c.released_at.is_(None)),
        (hold_endings.c.held_at, hold_endings.c.held_at >= since),
    ):
        day = column // DAY
        for row in conn.execute(
            select(day, func.count()).where(column >= since, extra).group_by(day)
        ):
            held[row[0]] = held.get(row[0], 0) + row[1]
    day = hold_endings.c.ended_at // DAY
    for row in conn.execute(
        select(day, hold_endings.c.outcome, func.count())
        .where(hold_endings.c.ended_at >= since)
        .group_by(day, hold_endings.c.outcome)
    ):
        ended[row[1]][row[0]] = row[2]
    released, denied = ended[Outcome.RELEASED.value], ended[Outcome.DENIED.value]
    return [
        HeldDay(one * DAY, held.get(one, 0), released.get(one, 0), denied.get(one, 0))
        for one in sorted(held.keys() | released.keys() | denied.keys(), reverse=True)
    ]


def _of(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    terms: list[ColumnElement[bool]] = [holds.c.released_at.is_(None)]
    for column, value in (
        (audiences.c.name, wanted.audience),
        (holds.c.rule, wanted.rule),
        (holds.c.reason, wanted.reason),
    ):
        if value is not None:
            terms.append(column == value)
    return statement.where(and_(*terms))


def _then(outcome: str) -> str:
    """How policies spell what happens to a hold that expires: release | deny."""
    return "release" if outcome == Outcome.RELEASED else "deny"


def _approved_by(
    conn: Transaction, object_ids: Collection[int] | None = None
) -> dict[tuple[int, int, int, str], tuple[str, ...]]:
    """Who let go so far, by (audience, version, collection, rule) of the holds that stand: on these versions, or all."""
    meant = [] if object_ids is None else [holds.c.object.in_(object_ids)]
    same = and_(
        *(
            holds.c[name] == hold_approvals.c[name]
            for name in ("audience", "object", "collection", "rule")
        )
    )
    found: dict[tuple[int, int, int, str], tuple[str, ...]] = {}
    for row in conn.execute(
        select(
            hold_approvals.c.audience,
            hold_approvals.c.object,
            hold_approvals.c.collection,
            hold_approvals.c.rule,
            hold_approvals.c.person,
        )
        .join(holds, same)
        .where(holds.c.released_at.is_(None), *meant)
        .order_by(hold_approvals.c.approved_at, hold_approvals.c.person)
    ):
        key = (row[0], row[1], row[2], row[3])
        found[key] = (*found.get(key, ()), row[4])
    return found
