"""Who may do what in which collection, and which view that opens: single statements of the hot path.

1. One statement answers for a collection that exists, is hidden, or is not there: it finds a row only where the
   partner may read or write (invariant 1).
2. A retired collection is as one that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Integer, and_, bindparam, func, or_, select

from cert_exchange.store.database import Dialect
from cert_exchange.store.raw import Prepared, prepare
from cert_exchange.store.tables import (
    Exact,
    audience_members,
    collection_rights,
    collections,
    node_facts,
    views,
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one partner may do in one collection."""

    collection: int
    uuid: str
    alias: str | None
    title: str
    description: str | None
    can_read: bool
    can_write: bool
    view: int | None
    """the view of the partner's audience; None while nothing was ever released into it"""
    head: int
    """the last instant of the view's log, 0 without one"""
    epoch: int
    """of the node's logs (DECISIONS 8)"""


def find(
    dialect: Dialect, connection: Any, partner: int, audience: int | None, name: str
) -> Grant | None:
    """Find the collection of this UUID (lower case) or alias, if the partner may read or write it."""
    values = {"partner": partner, "audience": audience, "name": name}
    row = _find(dialect).one(connection, values)
    return None if row is None else _grant(row)


def every(dialect: Dialect, connection: Any, partner: int, audience: int | None) -> list[Grant]:
    """List what the partner may read or write, ordered by UUID (TAXII 2.1 section 3.3)."""
    rows = _every(dialect).all(connection, {"partner": partner, "audience": audience})
    return [_grant(row) for row in rows]


def former_views(dialect: Dialect, connection: Any, partner: int, collection: int) -> list[int]:
    """List the views that audiences the partner has left had of this collection."""
    rows = _former(dialect).all(connection, {"partner": partner, "collection": collection})
    return [row[0] for row in rows]


def answers(dialect: Dialect, connection: Any) -> None:
    """Ask the database for a row that is always there: raises what the engine raises."""
    prepare(select(1), dialect).one(connection, {})


def _grant(row: tuple[Any, ...]) -> Grant:
    return Grant(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        bool(row[5]),
        bool(row[6]),
        row[7],
        row[8] or 0,
        int(row[9]),
    )


_EPOCH = select(node_facts.c.value).where(node_facts.c.name == "epoch")
_GRANTS = (
    select(
        collections.c.id,
        collections.c.uuid,
        collections.c.alias,
        collections.c.title,
        collections.c.description,
        collection_rights.c.may_read,
        collection_rights.c.may_write,
        views.c.id,
        views.c.head,
        func.coalesce(_EPOCH.scalar_subquery(), "1"),
    )
    .select_from(collections)
    .join(
        collection_rights,
        and_(
            collection_rights.c.collection == collections.c.id,
            collection_rights.c.partner == bindparam("partner", type_=Integer()),
        ),
    )
    .outerjoin(
        views,
        and_(
            views.c.collection == collections.c.id,
            views.c.audience == bindparam("audience", type_=BigInteger()),
        ),
    )
    .where(
        collections.c.retired_at.is_(None),
        or_(collection_rights.c.may_read, collection_rights.c.may_write),
    )
)


@lru_cache(maxsize=2)
def _find(dialect: Dialect) -> Prepared:
    name = bindparam("name", type_=Exact)
    return prepare(
        _GRANTS.where(or_(collections.c.uuid == name, collections.c.alias == name)), dialect
    )


@lru_cache(maxsize=2)
def _every(dialect: Dialect) -> Prepared:
    return prepare(_GRANTS.order_by(collections.c.uuid), dialect)


@lru_cache(maxsize=2)
def _former(dialect: Dialect) -> Prepared:
    return prepare(
        select(views.c.id)
        .select_from(audience_members)
        .join(views, views.c.audience == audience_members.c.audience)
        .where(
            audience_members.c.partner == bindparam("partner"),
            audience_members.c.until.is_not(None),
            views.c.collection == bindparam("collection"),
        )
        .order_by(views.c.id.desc()),
        dialect,
    )
