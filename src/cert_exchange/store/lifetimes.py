"""What of our own indicators has come to an end: by its own valid_until, or because a list of ours names it no more.

1. Reading only, in the caller's transaction; who revokes is `services.ending`.
2. What is revoked, was taken back everywhere or was never put into a collection is not asked for.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Select, and_, exists, select

from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    identifiers,
    memberships,
    objects,
    references,
    renditions,
)

_INDICATOR: Final = "indicator"
_newer = objects.alias("newer")
_list = objects.alias("list")
_newer_list = objects.alias("newer_list")
_OURS: Final = and_(objects.c.origin == OWN, objects.c.status == ObjectStatus.ACCEPTED.value)
_NEWEST: Final = ~exists().where(
    _newer.c.ident == objects.c.ident,
    _newer.c.status == ObjectStatus.ACCEPTED.value,
    _newer.c.version_key > objects.c.version_key,
)
_STANDING: Final = exists().where(
    memberships.c.object == objects.c.id, memberships.c.taken_back_at.is_(None)
)


def with_an_end(conn: Transaction, *, after: int, limit: int) -> list[tuple[int, str, str]]:
    """(number, STIX id, body) of our own newest indicators that state a valid_until, by number, above `after`."""
    wanted = (
        select(objects.c.id, identifiers.c.stix_id, renditions.c.body)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(renditions, renditions.c.id == objects.c.rendition)
        .where(
            objects.c.id > after,
            _OURS,
            objects.c.type == _INDICATOR,
            objects.c.revoked.is_(False),
            renditions.c.body.contains('"valid_until":'),
            _NEWEST,
            _STANDING,
        )
        .order_by(objects.c.id)
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in conn.execute(wanted)]


def dropped(conn: Transaction, container: int) -> list[str]:
    """Our indicators that an earlier version of a list of ours named, its newest does not, and no other list of ours does.

    `container`: identifiers.num of a report or grouping. By STIX id.
    """
    wanted = (
        select(identifiers.c.stix_id)
        .join(objects, objects.c.ident == identifiers.c.num)
        .where(
            _OURS,
            objects.c.type == _INDICATOR,
            objects.c.revoked.is_(False),
            _NEWEST,
            _STANDING,
            identifiers.c.num.in_(_named(container)),
            identifiers.c.num.not_in(_named(container, newest=True)),
            ~exists(_naming_anywhere()),
        )
        .order_by(identifiers.c.stix_id)
    )
    return list(conn.execute(wanted).scalars())


def _named(container: int, *, newest: bool = False) -> Select[tuple[int]]:
    """The ids that versions of ours of a list name."""
    wanted = (
        select(references.c.target)
        .join(_list, _list.c.id == references.c.source)
        .where(
            _list.c.ident == container,
            _list.c.origin == OWN,
            _list.c.status == ObjectStatus.ACCEPTED.value,
        )
    )
    return wanted.where(_is_newest_list()) if newest else wanted


def _naming_anywhere() -> Select[tuple[int]]:
    """The newest, not revoked version of any list of ours that names the indicator."""
    return (
        select(references.c.source)
        .join(_list, _list.c.id == references.c.source)
        .where(
            references.c.target == identifiers.c.num,
            _list.c.type.in_(("report", "grouping")),
            _list.c.origin == OWN,
            _list.c.status == ObjectStatus.ACCEPTED.value,
            _list.c.revoked.is_(False),
            _is_newest_list(),
        )
        .correlate(identifiers)
    )


def _is_newest_list() -> ColumnElement[bool]:
    return ~exists().where(
        _newer_list.c.ident == _list.c.ident,
        _newer_list.c.status == ObjectStatus.ACCEPTED.value,
        _newer_list.c.version_key > _list.c.version_key,
    )
