"""What of our own indicators has come to an end: by its own valid_until, or because a list of ours names it no more.

1. In the caller's transaction; who revokes is `services.ending`.
2. What is revoked, was taken back everywhere or was never put into a collection is not asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

import orjson
from sqlalchemy import Select, and_, exists, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    identifiers,
    memberships,
    objects,
    references,
    renditions,
)


class Ending(StrEnum):
    """Why a last version of ours came by itself."""

    EXPIRED = "expired"
    DELISTED = "delisted"


_INDICATOR: Final = "indicator"
_newer = objects.alias("newer")
LISTS: Final = objects.alias("list")
_newer_list = objects.alias("newer_list")
IS_LIST: Final = and_(
    LISTS.c.type.in_(("report", "grouping")),
    LISTS.c.origin == OWN,
    LISTS.c.status == ObjectStatus.ACCEPTED.value,
    LISTS.c.revoked.is_(False),
)
"""A version of `LISTS` that is a report or grouping of ours, not revoked."""
IS_NEWEST_LIST: Final = and_(
    IS_LIST,
    ~exists().where(
        _newer_list.c.ident == LISTS.c.ident,
        _newer_list.c.status == ObjectStatus.ACCEPTED.value,
        _newer_list.c.version_key > LISTS.c.version_key,
    ),
)
"""The newest of them."""
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


def end(tx: Transaction, ident: int, why: Ending) -> None:
    """Write down why our last version of an id came."""
    tx.execute(
        update(objects)
        .where(objects.c.ident == ident, objects.c.origin == OWN, objects.c.revoked.is_(True))
        .values(ended=why.value)
    )


def ended(conn: Transaction, object_ids: Collection[int]) -> set[int]:
    """Which of these versions came because validity or list ended, and not by a person's word."""
    found: set[int] = set()
    for part in parts(sorted(object_ids)):
        found.update(
            conn.execute(
                select(objects.c.id).where(objects.c.id.in_(part), objects.c.ended.is_not(None))
            ).scalars()
        )
    return found


def lists_called(conn: Transaction, name: str) -> list[tuple[int, str, str]]:
    """(ident, STIX id, name) of our newest, not revoked reports and groupings whose name begins so."""
    begins = '"name":' + orjson.dumps(name).decode("utf-8")[:-1]
    rows = conn.execute(
        select(LISTS.c.ident, identifiers.c.stix_id, renditions.c.body)
        .join(identifiers, identifiers.c.num == LISTS.c.ident)
        .join(renditions, renditions.c.id == LISTS.c.rendition)
        .where(
            IS_NEWEST_LIST,
            renditions.c.body.contains(begins, autoescape=True),
        )
    )
    named = [(row[0], row[1], str(orjson.loads(row[2]).get("name", ""))) for row in rows]
    return [one for one in named if one[2].startswith(name)]


def names_of(conn: Transaction, ident: int) -> list[str]:
    """The names of our own accepted versions of a report or grouping, the oldest first."""
    rows = conn.execute(
        select(renditions.c.body)
        .join(objects, objects.c.rendition == renditions.c.id)
        .where(objects.c.ident == ident, _OURS)
        .order_by(objects.c.version_key)
    )
    return [str(orjson.loads(body).get("name", "")) for body in rows.scalars()]


def dropped(conn: Transaction, containers: Collection[int]) -> list[tuple[str, str]]:
    """(STIX id, body) of our indicators that an earlier version of some lists named, and that no list of ours names now.

    `containers`: identifiers.num of reports or groupings. By STIX id.
    """
    found: dict[str, str] = {}
    for part in parts(sorted(containers)):
        wanted = (
            select(identifiers.c.stix_id, renditions.c.body)
            .join(objects, objects.c.ident == identifiers.c.num)
            .join(renditions, renditions.c.id == objects.c.rendition)
            .where(
                _OURS,
                objects.c.type == _INDICATOR,
                objects.c.revoked.is_(False),
                _NEWEST,
                _STANDING,
                identifiers.c.num.in_(_named(part)),
                ~exists(_naming_anywhere()),
            )
        )
        found |= {row[0]: row[1] for row in conn.execute(wanted)}
    return sorted(found.items())


def _named(containers: Collection[int]) -> Select[tuple[int]]:
    """The ids that versions of ours of some lists name."""
    return (
        select(references.c.target)
        .join(LISTS, LISTS.c.id == references.c.source)
        .where(
            LISTS.c.ident.in_(containers),
            LISTS.c.origin == OWN,
            LISTS.c.status == ObjectStatus.ACCEPTED.value,
        )
    )


def _naming_anywhere() -> Select[tuple[int]]:
    """The newest, not revoked version of any list of ours that names the indicator."""
    return (
        select(references.c.source)
        .join(LISTS, LISTS.c.id == references.c.source)
        .where(
            references.c.target == identifiers.c.num,
            IS_NEWEST_LIST,
        )
        .correlate(identifiers)
    )
