"""What two nodes say of each other's deliveries: what we hold from a partner, and what it may have fetched of ours.

1. An observable's version is each node's own instant of storage: here it is empty, and bytes alone tell it.
2. What was erased is held by nobody any more, and is in no list. A proposal that was taken out of a note never came over the
   line: its note did.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import and_, case, func, or_, select

from cert_exchange.store.database import Transaction, streamed
from cert_exchange.store.handed_in import Sight, seen_with
from cert_exchange.store.proposals import CAME_IN_A_NOTE
from cert_exchange.store.tables import (
    audience_members,
    erased_objects,
    identifiers,
    live,
    objects,
    release_log,
    renditions,
    views,
)

MOST: Final = 2_000
"""Entries of one answer."""
_VERSION: Final = case((objects.c.observable, ""), else_=objects.c.version)
_ERASED: Final = (
    select(erased_objects.c.object).where(erased_objects.c.object == objects.c.id).exists()
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An object version, by the bytes that went over the line. `version` is as the sender serves it."""

    place: int
    """in this list, rising"""
    stix_id: str
    version: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """An object version that stands or stood in a partner's view: when last it was released, and whether it still is."""

    view: int
    position: int
    stix_id: str
    version: str
    digest: bytes
    standing: bool


def held_from(
    tx: Transaction, partner: int, *, after: int, limit: int = MOST, sight: Sight | None = None
) -> list[Entry]:
    """What we hold that came from a partner, by our number of it, after a number. `sight`: as much as it may be shown."""
    rows = tx.execute(
        select(objects.c.id, identifiers.c.stix_id, _VERSION, renditions.c.digest)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(renditions, renditions.c.id == objects.c.rendition)
        .where(
            objects.c.origin == partner,
            objects.c.id > after,
            ~_ERASED,
            ~CAME_IN_A_NOTE,
            *([] if sight is None else [seen_with(sight)]),
        )
        .order_by(objects.c.id)
        .limit(limit)
    )
    return [Entry(row[0], row[1], row[2], bytes(row[3])) for row in rows]


def served_in(
    tx: Transaction, upto: Mapping[int, int], *, after: int, limit: int = MOST
) -> list[Entry]:
    """What stands in these views up to a position each, by position, after a position."""
    if not upto:
        return []
    fetched = [and_(live.c.view == view, live.c.position <= to) for view, to in upto.items()]
    rows = tx.execute(
        select(live.c.position, identifiers.c.stix_id, _VERSION, renditions.c.digest)
        .join(objects, objects.c.id == live.c.object)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(renditions, renditions.c.id == live.c.rendition)
        .where(live.c.position > after, or_(*fetched))
        .order_by(live.c.position, live.c.view)
        .limit(limit)
    ).all()
    if len(rows) == limit:  # two views may share a position: an answer ends between positions
        rows = [row for row in rows if row[0] < rows[-1][0]] or rows
    return [Entry(row[0], row[1], row[2], bytes(row[3])) for row in rows]


def shown_to(tx: Transaction, partner: int) -> Generator[Shown, None, None]:
    """All that was ever released to a partner, each once for each view; close the iterator when it is left early."""
    last = (
        select(
            release_log.c.view,
            release_log.c.object,
            func.max(release_log.c.position).label("position"),
        )
        .join(views, views.c.id == release_log.c.view)
        .join(audience_members, audience_members.c.audience == views.c.audience)
        .where(
            audience_members.c.partner == partner,
            or_(
                audience_members.c.until.is_(None),
                release_log.c.position <= audience_members.c.until,
            ),
            release_log.c.kind == "release",
        )
        .group_by(release_log.c.view, release_log.c.object)
        .subquery()
    )
    statement = (
        select(
            last.c.view,
            last.c.position,
            identifiers.c.stix_id,
            _VERSION,
            renditions.c.digest,
            live.c.object,
        )
        .join(
            release_log,
            and_(
                release_log.c.view == last.c.view,
                release_log.c.position == last.c.position,
                release_log.c.object == last.c.object,
            ),
        )
        .join(objects, objects.c.id == last.c.object)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(renditions, renditions.c.id == release_log.c.rendition)
        .outerjoin(live, and_(live.c.view == last.c.view, live.c.object == last.c.object))
        .where(~_ERASED)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            yield Shown(row[0], row[1], row[2], row[3], bytes(row[4]), row[5] is not None)
