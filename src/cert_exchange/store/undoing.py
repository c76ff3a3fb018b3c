"""What a partner sent since an instant, and took back since then: found and set aside.

1. What is set aside is a proposal from then on: kept, shown to us, released to nobody. Its sender can bring it again.
2. Nothing here decides; the caller reconsiders the ids.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, func, insert, or_, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    memberships,
    objects,
    quarantine,
    undone_objects,
)

ACCEPTED: Final = ObjectStatus.ACCEPTED.value
PROPOSAL: Final = ObjectStatus.PROPOSAL.value


@dataclass(frozen=True, slots=True)
class Sent:
    """A version that a partner sent."""

    object: int
    ident: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A version that its sender took back from a collection."""

    object: int
    ident: int
    collection: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What a partner did since an instant."""

    accepted: int
    """versions that count"""
    proposals: int
    """versions that never counted, what was undone before aside"""
    refused: int
    """what was rejected or in conflict, and is kept aside"""
    taken_back: int
    """places in collections from which it took something back"""
    types: tuple[tuple[str, int], ...]
    """of the versions that count: how many of each type, the most first"""


def _since(origin: int, since: int) -> ColumnElement[bool]:
    return and_(objects.c.origin == origin, objects.c.stored_at >= since)


_OPEN: Final = or_(
    objects.c.status == ACCEPTED,
    and_(objects.c.status == PROPOSAL, objects.c.id.not_in(select(undone_objects.c.object))),
)


def tally(tx: Transaction, origin: int, since: int) -> Tally:
    """Count what a partner did since an instant, in micros."""
    by_status: dict[str, int] = {
        row[0]: row[1]
        for row in tx.execute(
            select(objects.c.status, func.count())
            .where(_since(origin, since), _OPEN)
            .group_by(objects.c.status)
        )
    }
    types = tx.execute(
        select(objects.c.type, func.count().label("number"))
        .where(_since(origin, since), objects.c.status == ACCEPTED)
        .group_by(objects.c.type)
        .order_by(func.count().desc(), objects.c.type)
    )
    refused = select(func.count()).where(quarantine.c.origin == origin, quarantine.c.at >= since)
    return Tally(
        by_status.get(ACCEPTED, 0),
        by_status.get(PROPOSAL, 0),
        int(tx.execute(refused).scalar_one()),
        int(
            tx.execute(
                select(func.count()).select_from(_taken(origin, since).subquery())
            ).scalar_one()
        ),
        tuple((row[0], row[1]) for row in types),
    )


def sent_since(tx: Transaction, origin: int, since: int, *, limit: int) -> list[Sent]:
    """The next versions that a partner sent since an instant and that were not undone, the oldest first."""
    rows = tx.execute(
        select(objects.c.id, objects.c.ident, objects.c.status)
        .where(_since(origin, since), _OPEN)
        .order_by(objects.c.id)
        .limit(limit)
    )
    return [Sent(row[0], row[1], row[2] == ACCEPTED) for row in rows]


def taken_back_since(tx: Transaction, origin: int, since: int, *, limit: int) -> list[TakenBack]:
    """The next versions that a partner took back since an instant, by DELETE or by a notice."""
    return [TakenBack(*row) for row in tx.execute(_taken(origin, since).limit(limit))]


def _taken(origin: int, since: int) -> Select[Any]:
    return (
        select(memberships.c.object, objects.c.ident, memberships.c.collection)
        .join(objects, objects.c.id == memberships.c.object)
        .where(
            objects.c.origin == origin,
            objects.c.status == ACCEPTED,
            memberships.c.taken_back_by == origin,
            memberships.c.taken_back_at >= since,
        )
        .order_by(memberships.c.object, memberships.c.collection)
    )


def set_aside(tx: Transaction, found: Sequence[Sent], *, at: int, by: str) -> None:
    """These versions count no more; they are in force nowhere."""
    numbers = [one.object for one in found]
    known: set[int] = set()
    for part in parts(numbers):
        tx.execute(update(objects).where(objects.c.id.in_(part)).values(status=PROPOSAL))
        known.update(
            tx.execute(
                select(undone_objects.c.object).where(undone_objects.c.object.in_(part))
            ).scalars()
        )
    fresh = [number for number in numbers if number not in known]
    if fresh:
        tx.execute(
            insert(undone_objects),
            [{"object": number, "undone_at": at, "undone_by": by} for number in fresh],
        )


def orders_of(tx: Transaction, numbers: Collection[int]) -> dict[int, tuple[int, str]]:
    """Of those of these versions that were undone: when (micros), and by whom."""
    found: dict[int, tuple[int, str]] = {}
    for part in parts(sorted(numbers)):
        rows = tx.execute(
            select(
                undone_objects.c.object, undone_objects.c.undone_at, undone_objects.c.undone_by
            ).where(undone_objects.c.object.in_(part))
        )
        found.update({row[0]: (row[1], row[2]) for row in rows})
    return found


def put_back_ousted(tx: Transaction, undone: Collection[int]) -> int:
    """What others had brought and these versions drove out by their arrival stands again; in how many places.

    Driven out is what was taken back, for us, in the very transaction that stored one of these under the same id: the
    instants of transactions differ. Where our desk took back anything of the id since then, its order stands.
    """
    later, standing = objects.alias("later"), objects.alias("standing")
    sibling, place = objects.alias("sibling"), memberships.alias("place")
    count = 0
    for part in parts(sorted(undone)):
        driven_out = exists().where(
            standing.c.id == memberships.c.object,
            standing.c.status == ACCEPTED,
            later.c.id.in_(part),
            later.c.ident == standing.c.ident,
            later.c.origin != standing.c.origin,
            later.c.stored_at == memberships.c.taken_back_at,
        )
        ordered = exists().where(
            standing.c.id == memberships.c.object,
            sibling.c.ident == standing.c.ident,
            place.c.object == sibling.c.id,
            place.c.collection == memberships.c.collection,
            place.c.taken_back_by == OWN,
            place.c.taken_back_at > memberships.c.taken_back_at,
            place.c.taken_back_at.not_in(select(later.c.stored_at).where(later.c.id.in_(part))),
        )
        same_ids = select(objects.c.id).where(
            objects.c.ident.in_(select(later.c.ident).where(later.c.id.in_(part)))
        )
        count += tx.execute(
            update(memberships)
            .where(
                memberships.c.object.in_(same_ids),
                memberships.c.taken_back_by == OWN,
                driven_out,
                ~ordered,
            )
            .values(taken_back_at=None, taken_back_by=None)
        ).rowcount
    return count


def put_back(tx: Transaction, object_ids: Collection[int], *, taken_by: int, since: int) -> None:
    """What was taken back of these versions since an instant by this side stands in its collections again."""
    for part in parts(sorted(object_ids)):
        tx.execute(
            update(memberships)
            .where(
                memberships.c.object.in_(part),
                memberships.c.taken_back_by == taken_by,
                memberships.c.taken_back_at >= since,
            )
            .values(taken_back_at=None, taken_back_by=None)
        )
