"""Figures of the node, for `status`: what collections hold, what views show, how sources and targets fare.

1. Reading only, in the caller's transaction, so that all figures are of one state.
2. Counts are of object versions; instants are microseconds since 1970 UTC.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from cert_exchange.store.tables import (
    OWN,
    LineKind,
    ObjectStatus,
    audience_members,
    audiences,
    collections,
    holds,
    ledger_head,
    ledger_lines,
    live,
    memberships,
    objects,
    partners,
    release_log,
    sources,
    targets,
    views,
)


@dataclass(frozen=True, slots=True)
class ViewCount:
    """How many object versions an audience sees in a collection (`live`), and what has not come so far."""

    view: int
    audience: str
    collection: str
    head: int
    live: int
    withdrawn: int
    held: int


@dataclass(frozen=True, slots=True)
class CollectionCount:
    """How many object versions that count a collection holds: ours, received, and of both what was taken back there."""

    collection: str
    uuid: str
    title: str
    own: int
    received: int
    taken_back: int


@dataclass(frozen=True, slots=True)
class Channel:
    """A source or target: when it last worked and what it said."""

    name: str
    direction: str  # pull | push
    partner: str
    collection: str
    url: str
    paused: bool
    attempts: int
    next_attempt_at: int
    last_success_at: int | None
    last_outcome: str | None
    counters: str  # JSON

    @property
    def shut(self) -> str | None:
        """Of a source: why its gate is shut, in words; None: it is open."""
        gate = json.loads(self.counters).get("gate") or {}
        return str(gate["shut"]["words"]) if gate.get("shut") else None

    @property
    def stopped(self) -> str:
        """`shut` by its gate, `paused` by a person or a guard, or nothing."""
        return "shut" if self.shut is not None else "paused" if self.paused else ""


def count_views(tx: Connection) -> list[ViewCount]:
    """Count each view that is open: lines in force, lines taken back, object versions held."""
    in_force: dict[int, int] = {
        row[0]: row[1]
        for row in tx.execute(select(live.c.view, func.count()).group_by(live.c.view))
    }
    withdrawn: dict[int, int] = {
        row[0]: row[1]
        for row in tx.execute(
            select(release_log.c.view, func.count())
            .where(release_log.c.kind == LineKind.WITHDRAWAL.value)
            .group_by(release_log.c.view)
        )
    }
    held = {
        (row[0], row[1]): row[2]
        for row in tx.execute(
            select(holds.c.audience, holds.c.collection, func.count())
            .where(holds.c.released_at.is_(None))
            .group_by(holds.c.audience, holds.c.collection)
        )
    }
    rows = tx.execute(
        select(
            views.c.id,
            views.c.audience,
            views.c.collection,
            views.c.head,
            audiences.c.name,
            func.coalesce(collections.c.alias, collections.c.uuid).label("known_as"),
        )
        .join(audiences, audiences.c.id == views.c.audience)
        .join(collections, collections.c.id == views.c.collection)
        .order_by(audiences.c.name, collections.c.id)
    )
    return [
        ViewCount(
            view=row.id,
            audience=row.name,
            collection=row.known_as,
            head=row.head,
            live=in_force.get(row.id, 0),
            withdrawn=withdrawn.get(row.id, 0),
            held=held.get((row.audience, row.collection), 0),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class OpenView:
    """A view, by what people call its audience and its collection."""

    view: int
    audience: str
    collection: str


def every_view(tx: Connection) -> list[OpenView]:
    """Each view that there is, without counting anything."""
    rows = tx.execute(
        select(views.c.id, audiences.c.name, func.coalesce(collections.c.alias, collections.c.uuid))
        .join(audiences, audiences.c.id == views.c.audience)
        .join(collections, collections.c.id == views.c.collection)
        .order_by(views.c.id)
    )
    return [OpenView(*row) for row in rows]


def count_after(tx: Connection, view: int, *, position: int, most: int) -> int:
    """Count the object versions in force after a position, `most` at most."""
    some = select(live.c.position).where(live.c.view == view, live.c.position > position)
    return tx.execute(select(func.count()).select_from(some.limit(most).subquery())).scalar_one()


def count_holds(tx: Connection) -> dict[str, int]:
    """Count what waits for a person, by the audience that does not see it meanwhile."""
    rows = tx.execute(
        select(audiences.c.name, func.count())
        .join(audiences, audiences.c.id == holds.c.audience)
        .where(holds.c.released_at.is_(None))
        .group_by(audiences.c.name)
        .order_by(audiences.c.name)
    )
    return {row[0]: row[1] for row in rows}


def count_collections(tx: Connection) -> list[CollectionCount]:
    """Count what each collection in use holds, whoever may see it. Proposals stand in none."""
    counted: dict[int, list[int]] = {}
    taken_back = memberships.c.taken_back_at.is_not(None)
    # By the origin's number: an expression with a parameter is another one each time to PostgreSQL.
    rows = tx.execute(
        select(memberships.c.collection, objects.c.origin, taken_back, func.count())
        .join(objects, objects.c.id == memberships.c.object)
        .where(objects.c.status == ObjectStatus.ACCEPTED.value)
        .group_by(memberships.c.collection, objects.c.origin, taken_back)
    )
    for collection, origin, gone, number in rows:
        figures = counted.setdefault(collection, [0, 0, 0])
        figures[0 if origin == OWN else 1] += number
        figures[2] += number if gone else 0
    named = tx.execute(
        select(
            collections.c.id,
            func.coalesce(collections.c.alias, collections.c.uuid).label("known_as"),
            collections.c.uuid,
            collections.c.title,
        )
        .where(collections.c.retired_at.is_(None))
        .order_by(collections.c.id)
    )
    return [
        CollectionCount(row.known_as, row.uuid, row.title, *counted.get(row.id, [0, 0, 0]))
        for row in named
    ]


def channels(tx: Connection) -> list[Channel]:
    """List sources and targets with how they fare."""
    found: list[Channel] = []
    for table, direction in ((sources, "pull"), (targets, "push")):
        rows = tx.execute(
            select(
                table.c.name,
                partners.c.name.label("partner"),
                func.coalesce(collections.c.alias, collections.c.uuid).label("collection"),
                table.c.url,
                table.c.paused_at,
                table.c.attempts,
                table.c.next_attempt_at,
                table.c.last_success_at,
                table.c.last_outcome,
                table.c.counters,
            )
            .join(partners, partners.c.id == table.c.partner)
            .join(collections, collections.c.id == table.c.collection)
            .order_by(table.c.name)
        )
        found.extend(
            Channel(
                name=row.name,
                direction=direction,
                partner=row.partner,
                collection=row.collection,
                url=row.url,
                paused=row.paused_at is not None,
                attempts=row.attempts,
                next_attempt_at=row.next_attempt_at,
                last_success_at=row.last_success_at,
                last_outcome=row.last_outcome,
                counters=row.counters,
            )
            for row in rows
        )
    return found


def ledger_state(tx: Connection) -> tuple[int, int]:
    """Tell how many ledger lines are sealed and how many wait for their seal."""
    sealed = tx.execute(select(ledger_head.c.seq)).scalar_one_or_none() or 0
    open_lines = tx.execute(
        select(func.count()).select_from(ledger_lines).where(ledger_lines.c.seq.is_(None))
    ).scalar_one()
    return sealed, open_lines


def readers(tx: Connection) -> list[tuple[int, int, str]]:
    """List who reads which open view now: view, partner, the partner's name."""
    rows = tx.execute(
        select(views.c.id, partners.c.id, partners.c.name)
        .join(audience_members, audience_members.c.audience == views.c.audience)
        .join(partners, partners.c.id == audience_members.c.partner)
        .where(audience_members.c.until.is_(None))
        .order_by(views.c.id, partners.c.name)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def count_live(tx: Connection, view: int, *, up_to: int) -> int:
    """Count the object versions in force at or before a position: what who fetched so far may hold of them."""
    return tx.execute(
        select(func.count()).select_from(live).where(live.c.view == view, live.c.position <= up_to)
    ).scalar_one()
