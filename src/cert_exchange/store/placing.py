"""What must be known of objects of ours before another input's statement is put beside them (`services.taking.beside`).

Reading only, in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy import and_, exists, select, union

from cert_exchange.store.database import Transaction
from cert_exchange.store.lifetimes import IS_LIST, IS_NEWEST_LIST, LISTS
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    audience_blocks,
    doubts,
    identifiers,
    memberships,
    objects,
    references,
    renditions,
    terms,
)

_newer = objects.alias("newer")
_list_id = identifiers.alias("list_id")
_ACCEPTED: Final = ObjectStatus.ACCEPTED.value
_IS_NEWEST: Final = and_(
    objects.c.origin == OWN,
    objects.c.status == _ACCEPTED,
    ~exists().where(
        _newer.c.ident == objects.c.ident,
        _newer.c.origin == OWN,
        _newer.c.status == _ACCEPTED,
        _newer.c.version_key > objects.c.version_key,
    ),
)


@dataclass(frozen=True, slots=True)
class Naming:
    """That a version of a list of ours names an object. `rendition`: of that version. `still`: it is the newest of its list."""

    ident: int
    rendition: int
    list_id: str
    still: bool


def lists_naming(conn: Transaction, idents: Collection[int]) -> list[Naming]:
    """Which lists of ours name one of these ids (identifiers.num), or named it in a former version."""
    found: list[Naming] = []
    for part in parts(sorted(idents)):
        rows = conn.execute(
            select(references.c.target, LISTS.c.rendition, _list_id.c.stix_id, IS_NEWEST_LIST)
            .join(LISTS, LISTS.c.id == references.c.source)
            .join(_list_id, _list_id.c.num == LISTS.c.ident)
            .where(references.c.target.in_(part), IS_LIST)
        )
        found += [Naming(row[0], row[1], row[2], bool(row[3])) for row in rows]
    return found


def standing(conn: Transaction, stix_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Which of these ids are objects of ours whose newest version is not revoked, and how that is marked."""
    found: dict[str, tuple[str, ...]] = {}
    for part in parts(sorted(stix_ids)):
        rows = conn.execute(
            select(identifiers.c.stix_id, renditions.c.body)
            .join(objects, objects.c.ident == identifiers.c.num)
            .join(renditions, renditions.c.id == objects.c.rendition)
            .where(identifiers.c.stix_id.in_(part), _IS_NEWEST, objects.c.revoked.is_(False))
        )
        for stix_id, body in rows:
            found[stix_id] = tuple(orjson.loads(body).get("object_marking_refs", ()))
    return found


def withdrawn(conn: Transaction, stix_ids: Collection[str]) -> set[str]:
    """Which of these objects of ours our desk took back from every collection in which their newest version stood."""
    place = exists().where(memberships.c.object == objects.c.id)
    found: set[str] = set()
    for part in parts(sorted(stix_ids)):
        found.update(
            conn.execute(
                select(identifiers.c.stix_id)
                .join(objects, objects.c.ident == identifiers.c.num)
                .where(
                    identifiers.c.stix_id.in_(part),
                    _IS_NEWEST,
                    objects.c.revoked.is_(False),
                    objects.c.kept_out.is_(False),
                    place,
                    ~place.where(memberships.c.taken_back_at.is_(None)),
                )
            ).scalars()
        )
    return found


def kept_back(conn: Transaction, idents: Collection[int]) -> set[int]:
    """Which of these ids somebody keeps back: blocked, held at the way in, disputed, or bound by a person's terms."""
    found: set[int] = set()
    for part in parts(sorted(idents)):
        found.update(
            conn.execute(
                union(
                    select(identifiers.c.num).where(
                        identifiers.c.num.in_(part), identifiers.c.blocked_at.is_not(None)
                    ),
                    select(audience_blocks.c.ident).where(audience_blocks.c.ident.in_(part)),
                    select(terms.c.ident).where(
                        terms.c.ident.in_(part), terms.c.reason.is_not(None)
                    ),
                    select(doubts.c.ident).where(
                        doubts.c.ident.in_(part), doubts.c.state == "open"
                    ),
                    select(objects.c.ident).where(
                        objects.c.ident.in_(part), _IS_NEWEST, objects.c.kept_out.is_(True)
                    ),
                )
            ).scalars()
        )
    return found
