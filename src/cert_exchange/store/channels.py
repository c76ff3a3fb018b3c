"""Rows of sources and targets: what we pull from and push to, and how far each has come.

1. A lease has an owner and an end; it is taken and kept by compare and swap, so no two workers run one channel and a
   dead one blocks it only until the lease ends (W07).
2. A cursor moves only from the value that the worker saw, under its lease, in the transaction that stores what the
   cursor covers. Who finds another value was overtaken and stores nothing (CursorMoved).
3. What is pushed comes from `live` in order of position, never what came from the partner itself.
4. No object is parsed and no policy asked here. Times are given, micros since 1970 UTC.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import Table, exists, insert, select, update

from cert_exchange.errors import CursorMoved
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import (
    LineKind,
    audience_members,
    collections,
    identifiers,
    live,
    objects,
    partners,
    release_log,
    renditions,
    sources,
    targets,
    views,
)

Direction = Literal["pull", "push"]
_TABLES: Final[Mapping[Direction, Table]] = {"pull": sources, "push": targets}


@dataclass(frozen=True, slots=True)
class Channel:
    """A source or a target as it stood when it was read."""

    direction: Direction
    id: int
    name: str
    partner: int
    partner_name: str
    url: str
    remote_collection: str
    collection: int
    options: str
    attempts: int
    next_attempt_at: int
    paused: bool
    lease_until: int
    last_success_at: int | None
    counters: Mapping[str, Any]
    cursor: str | None = None  # of a source
    next_token: str | None = None
    position: int = 0  # of a target
    view: int | None = None
    pending: str | None = None

    @property
    def key(self) -> tuple[Direction, int]:
        """What tells it from every other channel."""
        return self.direction, self.id


@dataclass(frozen=True, slots=True)
class Ready:
    """One object version that a target has not been sent."""

    position: int
    stix_id: str
    version: str
    observable: bool
    body: str
    size: int


@dataclass(frozen=True, slots=True)
class Recall:
    """One object version that may have been sent and is no longer in force."""

    stix_id: str
    version: str
    observable: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What a view offers after a position, read in one snapshot. All of it lies in (after, to]."""

    view: int
    after: int
    to: int
    ready: tuple[Ready, ...] = ()
    recalls: tuple[Recall, ...] = field(default=())


def add(
    tx: Transaction,
    direction: Direction,
    *,
    name: str,
    partner: int,
    url: str,
    remote_collection: str,
    collection: int,
    options: str,
) -> int:
    """Add a source or target; it is due at once."""
    result = tx.execute(
        insert(_TABLES[direction]).values(
            name=name,
            partner=partner,
            url=url,
            remote_collection=remote_collection,
            collection=collection,
            options=options,
        )
    )
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def channels(
    tx: Transaction, *, only: str | None = None, due_at: int | None = None
) -> list[Channel]:
    """List the channels by name, sources first; with `due_at` those that are due then, not paused and not leased."""
    return [
        channel
        for direction in _TABLES
        for channel in _read(tx, direction, only=only, due_at=due_at)
    ]


def reload(tx: Transaction, channel: Channel) -> Channel:
    """Read the channel as it stands now. Raises CursorMoved when it is gone."""
    found = [one for one in _read(tx, channel.direction, only=channel.name) if one.id == channel.id]
    if not found:
        raise CursorMoved(detail=f"{channel.direction} channel {channel.id} is gone")
    return found[0]


def _read(
    tx: Transaction, direction: Direction, *, only: str | None, due_at: int | None = None
) -> list[Channel]:
    table = _TABLES[direction]
    wanted = (
        select(table, partners.c.name.label("partner_name"))
        .join(partners, partners.c.id == table.c.partner)
        .order_by(table.c.name)
    )
    if only is not None:
        wanted = wanted.where(table.c.name == only)
    if due_at is not None:
        wanted = wanted.where(
            table.c.paused_at.is_(None),
            partners.c.suspended_at.is_(None),
            table.c.next_attempt_at <= due_at,
            table.c.lease_until <= due_at,
        )
    found = []
    for row in tx.execute(wanted).mappings():
        own = (
            {"cursor": row["cursor"], "next_token": row["next_token"]}
            if direction == "pull"
            else {"position": row["cursor"], "view": row["view"], "pending": row["pending"]}
        )
        found.append(
            Channel(
                direction=direction,
                id=row["id"],
                name=row["name"],
                partner=row["partner"],
                partner_name=row["partner_name"],
                url=row["url"],
                remote_collection=row["remote_collection"],
                collection=row["collection"],
                options=row["options"],
                attempts=row["attempts"],
                next_attempt_at=row["next_attempt_at"],
                paused=row["paused_at"] is not None,
                lease_until=row["lease_until"],
                last_success_at=row["last_success_at"],
                counters=json.loads(row["counters"]),
                **own,
            )
        )
    return found


def take_lease(tx: Transaction, channel: Channel, *, owner: str, now: int, until: int) -> bool:
    """Take the channel for `owner` until an instant; False when somebody else has it."""
    table = _TABLES[channel.direction]
    taken = tx.execute(
        update(table)
        .where(
            table.c.id == channel.id, (table.c.lease_until <= now) | (table.c.lease_owner == owner)
        )
        .values(lease_owner=owner, lease_until=until)
    ).rowcount
    return bool(taken == 1)


def move(
    tx: Transaction,
    seen: Channel,
    *,
    owner: str,
    lease_until: int,
    counters: Mapping[str, Any],
    **to: Any,
) -> None:
    """Move what `to` names (cursor, next_token | position, view, pending) from what was seen, and keep the lease.

    Raises CursorMoved when the lease or the place is no longer ours: then nothing of this transaction may stay.
    """
    table = _TABLES[seen.direction]
    where = [table.c.id == seen.id, table.c.lease_owner == owner]
    if seen.direction == "pull":
        where += [_same(table.c.cursor, seen.cursor), _same(table.c.next_token, seen.next_token)]
    else:
        where += [
            table.c.cursor == seen.position,
            _same(table.c.view, seen.view),
            _same(table.c.pending, seen.pending),
        ]
        if "position" in to:
            to["cursor"] = to.pop("position")
    moved = tx.execute(
        update(table)
        .where(*where)
        .values(lease_until=lease_until, counters=json.dumps(counters), **to)
    ).rowcount
    if moved != 1:
        raise CursorMoved(detail=f"{seen.direction} channel {seen.id}: another worker was first")


def _same(column: Any, value: Any) -> Any:
    return column.is_(None) if value is None else column == value


def finish(
    tx: Transaction,
    channel: Channel,
    *,
    owner: str,
    outcome: str,
    counters: Mapping[str, Any],
    attempts: int,
    next_attempt_at: int,
    succeeded_at: int | None = None,
    drop_token: bool = False,
    pause_at: int | None = None,
) -> bool:
    """Give the lease back with what is to be said of the run; False when it was no longer ours."""
    table = _TABLES[channel.direction]
    values: dict[str, Any] = {
        "lease_owner": None,
        "lease_until": 0,
        "attempts": attempts,
        "next_attempt_at": next_attempt_at,
        "last_outcome": outcome,
        "counters": json.dumps(counters),
    }
    if succeeded_at is not None:
        values["last_success_at"] = succeeded_at
    if drop_token and channel.direction == "pull":
        values["next_token"] = None
    if pause_at is not None:
        values["paused_at"] = pause_at
    done = tx.execute(
        update(table).where(table.c.id == channel.id, table.c.lease_owner == owner).values(**values)
    ).rowcount
    return bool(done == 1)


def set_paused(tx: Transaction, channel: Channel, *, at: int | None) -> None:
    """Pause a channel, or let it go on at once (`at` None)."""
    table = _TABLES[channel.direction]
    values: dict[str, Any] = {"paused_at": at}
    if at is None:
        values |= {"attempts": 0, "next_attempt_at": 0}
    tx.execute(update(table).where(table.c.id == channel.id).values(**values))


def restart(tx: Transaction, channel: Channel, *, options: str) -> None:
    """Let a channel begin anew with these options: the stored place is dropped (W09). A run in hand is overtaken."""
    table = _TABLES[channel.direction]
    place: dict[str, Any] = (
        {"cursor": None, "next_token": None}
        if channel.direction == "pull"
        else {"cursor": 0, "view": None, "pending": None}
    )
    tx.execute(
        update(table)
        .where(table.c.id == channel.id)
        .values(
            options=options, attempts=0, next_attempt_at=0, lease_owner=None, lease_until=0, **place
        )
    )


def find_partner(tx: Transaction, name: str) -> int | None:
    """Find the id of a partner by its name."""
    return tx.execute(select(partners.c.id).where(partners.c.name == name)).scalar_one_or_none()


def find_collection(tx: Transaction, name: str) -> int | None:
    """Find the id of a collection in use, by alias or UUID."""
    return tx.execute(
        select(collections.c.id).where(
            (collections.c.alias == name) | (collections.c.uuid == name),
            collections.c.retired_at.is_(None),
        )
    ).scalar_one_or_none()


def view_of(tx: Transaction, *, partner: int, collection: int) -> tuple[int, int] | None:
    """Find the partner's view of a collection and its head; None when no policy gives it one."""
    row = tx.execute(
        select(views.c.id, views.c.head)
        .join(audience_members, audience_members.c.audience == views.c.audience)
        .where(
            audience_members.c.partner == partner,
            audience_members.c.until.is_(None),
            views.c.collection == collection,
            views.c.closed_at.is_(None),
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def batch_after(
    tx: Transaction,
    view: int,
    *,
    after: int,
    head: int,
    partner: int,
    limit: int,
    room_bytes: int,
) -> Batch:
    """Read what is to be sent after a position, and the recalls up to there.

    At most `limit` versions in force and `room_bytes` with a comma between them, but one version at least. `head` is
    the view's, read in the same snapshot.
    """
    # Policy never gives a partner what came from it (invariant 5); asked once more where it would leave.
    ours = (live.c.view == view, live.c.position > after, live.c.origin != partner)
    sizes = tx.execute(
        select(live.c.position, live.c.size).where(*ours).order_by(live.c.position).limit(limit + 1)
    ).all()
    taken, used = 0, 0
    for row in sizes[:limit]:
        used += row.size + 1
        if taken and used - 1 > room_bytes:
            break
        taken += 1
    to = max(head, after) if taken == len(sizes) else sizes[taken - 1].position
    rows = tx.execute(
        select(
            live.c.position,
            identifiers.c.stix_id,
            live.c.version,
            objects.c.observable,
            renditions.c.body,
            live.c.size,
        )
        .join(identifiers, identifiers.c.num == live.c.ident)
        .join(objects, objects.c.id == live.c.object)
        .join(renditions, renditions.c.id == live.c.rendition)
        .where(*ours, live.c.position <= to)
        .order_by(live.c.position)
    )
    return Batch(
        view,
        after,
        to,
        tuple(Ready(*row) for row in rows),
        _recalls(tx, view, after=after, to=to, partner=partner),
    )


def _recalls(
    tx: Transaction, view: int, *, after: int, to: int, partner: int
) -> tuple[Recall, ...]:
    """Find what was withdrawn in (after, to], is not in force again, and had been released up to `after`."""
    gone = (
        select(release_log.c.object)
        .where(
            release_log.c.view == view,
            release_log.c.position > after,
            release_log.c.position <= to,
            release_log.c.kind == LineKind.WITHDRAWAL.value,
        )
        .distinct()
    )
    if tx.execute(gone.limit(1)).one_or_none() is None:
        return ()  # the usual case, without a look at the log below
    in_force = exists().where(
        live.c.view == view, live.c.ident == objects.c.ident, live.c.object == objects.c.id
    )
    sent = (
        select(release_log.c.object)
        .where(
            release_log.c.view == view,
            release_log.c.position <= after,
            release_log.c.kind == LineKind.RELEASE.value,
            release_log.c.object.in_(gone),
        )
        .distinct()
    )
    rows = tx.execute(
        select(identifiers.c.stix_id, objects.c.version, objects.c.observable)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .where(objects.c.id.in_(sent), objects.c.origin != partner, ~in_force)
        .order_by(objects.c.id)
    )
    return tuple(Recall(*row) for row in rows)
