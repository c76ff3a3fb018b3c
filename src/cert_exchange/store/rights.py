"""Who may do what in which collection, and which view that opens: single statements of the hot path.

1. One statement answers for a collection that exists, is hidden, or is not there: it finds a row only where the
   partner may read or write (invariant 1), with the credential that it used.
2. A retired collection is as one that is not there; so is, for a partner in stage `test`, all but the TEST collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Integer, and_, bindparam, false, func, or_, select

from cert_exchange.store.database import Dialect
from cert_exchange.store.introductions import open_in_stage
from cert_exchange.store.raw import Prepared, prepare
from cert_exchange.store.tables import (
    Exact,
    audience_members,
    collection_rights,
    collections,
    credential_scopes,
    node_facts,
    partners,
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
    dialect: Dialect,
    connection: Any,
    partner: int,
    audience: int | None,
    name: str,
    scope: str = "",
) -> Grant | None:
    """Find the collection of this UUID (lower case) or alias, if the partner may read or write it.

    `scope`: the credential whose scope counts, empty for all that the partner may.
    """
    values = {"partner": partner, "audience": audience, "name": name, "scope": scope}
    row = _find(dialect).one(connection, values)
    return None if row is None else _grant(row)


def every(
    dialect: Dialect, connection: Any, partner: int, audience: int | None, scope: str = ""
) -> list[Grant]:
    """List what the partner may read or write, ordered by UUID (TAXII 2.1 section 3.3). `scope` as in `find`."""
    values = {"partner": partner, "audience": audience, "scope": scope}
    rows = _every(dialect).all(connection, values)
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
_SCOPE = bindparam("scope", type_=Exact)
_ALL = _SCOPE == ""
_MAY_READ = and_(collection_rights.c.may_read, or_(_ALL, credential_scopes.c.may_read))
_MAY_WRITE = and_(collection_rights.c.may_write, or_(_ALL, credential_scopes.c.may_write))
_GRANTS = (
    select(
        collections.c.id,
        collections.c.uuid,
        collections.c.alias,
        collections.c.title,
        collections.c.description,
        func.coalesce(_MAY_READ, false()),
        func.coalesce(_MAY_WRITE, false()),
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
    .join(
        partners,
        and_(partners.c.id == collection_rights.c.partner, open_in_stage(collections.c.uuid)),
    )
    .outerjoin(
        credential_scopes,
        and_(
            credential_scopes.c.credential == _SCOPE,
            credential_scopes.c.collection == collections.c.id,
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
        or_(_MAY_READ, _MAY_WRITE),
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
