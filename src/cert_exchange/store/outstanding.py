"""What a partner has not got yet: the lines in force beyond what it fetched or was sent.

1. Reading only; nothing decides here. What is listed is what policy lets out now.
2. What came from the partner itself is left out: it never goes back (invariant 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import (
    audience_members,
    collection_rights,
    collections,
    identifiers,
    live,
    sources,
    targets,
    views,
)


@dataclass(frozen=True, slots=True)
class OpenView:
    """A view that a partner reads now. Positions are micros."""

    view: int
    collection: str
    """its alias, else its UUID"""
    number: int
    """collections.id"""
    head: int


@dataclass(frozen=True, slots=True)
class Lot:
    """Versions of one type that wait."""

    type: str
    versions: int
    size: int
    """bytes"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One version that waits, and since when (micros)."""

    stix_id: str
    version: str
    since: int


@dataclass(frozen=True, slots=True)
class Pushed:
    """A target that pushes one view, up to a position."""

    name: str
    view: int | None
    position: int
    collection: int
    paused: bool


def views_of(tx: Transaction, partner: int) -> list[OpenView]:
    """The views of a partner's audience in collections that it may read."""
    rows = tx.execute(
        select(
            views.c.id,
            func.coalesce(collections.c.alias, collections.c.uuid),
            collections.c.id,
            views.c.head,
        )
        .join(audience_members, audience_members.c.audience == views.c.audience)
        .join(collections, collections.c.id == views.c.collection)
        .join(
            collection_rights,
            (collection_rights.c.collection == views.c.collection)
            & (collection_rights.c.partner == audience_members.c.partner),
        )
        .where(
            audience_members.c.partner == partner,
            audience_members.c.until.is_(None),
            collections.c.retired_at.is_(None),
            collection_rights.c.may_read,
        )
        .order_by(views.c.id)
    )
    return [OpenView(*row) for row in rows]


def lots(tx: Transaction, view: int, *, partner: int, after: int) -> list[Lot]:
    """What waits in a view beyond a position, by type."""
    rows = tx.execute(
        select(live.c.type, func.count(), func.coalesce(func.sum(live.c.size), 0))
        .where(live.c.view == view, live.c.position > after, live.c.origin != partner)
        .group_by(live.c.type)
        .order_by(live.c.type)
    )
    return [Lot(row[0], int(row[1]), int(row[2])) for row in rows]


def waiting(tx: Transaction, view: int, *, partner: int, after: int, most: int) -> list[Waiting]:
    """The newest of what waits in a view beyond a position, at most so many."""
    rows = tx.execute(
        select(identifiers.c.stix_id, live.c.version, live.c.position)
        .join(identifiers, identifiers.c.num == live.c.ident)
        .where(live.c.view == view, live.c.position > after, live.c.origin != partner)
        .order_by(live.c.position.desc())
        .limit(most)
    )
    return [Waiting(*row) for row in rows]


def targets_of(tx: Transaction, partner: int) -> list[Pushed]:
    """The targets that push to a partner."""
    rows = tx.execute(
        select(
            targets.c.name,
            targets.c.view,
            targets.c.cursor,
            targets.c.collection,
            targets.c.paused_at,
        )
        .where(targets.c.partner == partner)
        .order_by(targets.c.name)
    )
    return [Pushed(row[0], row[1], row[2], row[3], row[4] is not None) for row in rows]


def sources_of(tx: Transaction, partner: int) -> Sequence[str]:
    """The names of the sources that pull from a partner and are not paused."""
    rows = tx.execute(
        select(sources.c.name)
        .where(sources.c.partner == partner, sources.c.paused_at.is_(None))
        .order_by(sources.c.name)
    )
    return list(rows.scalars())
