"""Rows of sources and targets: what we pull from and push to, and how far each has come.

1. A lease has an owner and an end; it is taken and kept by compare and swap, so no two workers run one channel and a
   dead one blocks it only until the lease ends (W07).
2. A cursor moves only from the value that the worker saw, under its lease, in the transaction that stores what the
   cursor covers. Who finds another value was overtaken and stores nothing (CursorMoved).
3. Times are given, micros since 1970 UTC; nothing here knows HTTP or what an object is.
4. A wait or a lease that began at a later instant than now began before the clock was set back, and holds nothing any
   more: else a clock that was hours ahead for a minute would silence a channel for hours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Table, delete, insert, select, update

from cert_exchange.errors import CursorMoved
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import partners, sources, targets

Direction = Literal["pull", "push"]
_TABLES: Final[Mapping[Direction, Table]] = {"pull": sources, "push": targets}
UNSIGNED: Final = "unsigned_since"
"""In a source's counters: how many objects were taken in unsigned since its server's last statement."""
PLANNED: Final = "planned_at"
"""In the counters: the instant at which the next attempt was planned, micros."""
EXCHANGED: Final = "exchanged"
BESIDE: Final = "exchanged_beside"
"""In the counters: the last request and its answer, over TAXII and beside it."""
UNDER_WAY: Final = "under_way"
"""In the counters: the run that began and has not ended, {run, at}."""
INTERRUPTED: Final = "interrupted"
"""In the counters: how many runs began and never ended."""
LEFT: Final = "interrupted_last"
"""In the counters: the last of those, {run, at}."""
COMPLETE: Final = "complete_at"
"""In a source's counters: when the last run began that brought all that was there, micros."""
THERE: Final = "waiting_there"
"""In a source's counters: what the remote still had after the last run, {objects, more, oldest, at}."""
APART: Final = 600_000_000
"""How much further than one that is taken now a lease may last and still be believed: workers differ in clock and options."""


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
    suspended: bool  # its partner is, this way
    lease_until: int
    last_success_at: int | None
    counters: Mapping[str, Any]
    last_outcome: str | None = None
    cursor: str | None = None  # of a source
    next_token: str | None = None
    position: int = 0  # of a target
    view: int | None = None
    pending: str | None = None

    @property
    def key(self) -> tuple[Direction, int]:
        """What tells it from every other channel."""
        return self.direction, self.id


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
    """List the channels by name, sources first; with `due_at` those that are due then and not paused.

    Whether a lease stands is asked by who takes it.
    """
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
    # What may not be sent is left to the run: what was withdrawn is taken back all the same.
    suspended = (
        partners.c.receiving_suspended_at if direction == "pull" else partners.c.suspended_at
    )
    wanted = (
        select(table, partners.c.name.label("partner_name"), suspended.label("suspended"))
        .join(partners, partners.c.id == table.c.partner)
        .order_by(table.c.name)
    )
    if only is not None:
        wanted = wanted.where(table.c.name == only)
    if due_at is not None:
        wanted = wanted.where(
            table.c.paused_at.is_(None),
            suspended.is_(None),
        )
    found = []
    for row in tx.execute(wanted).mappings():
        counters = json.loads(row["counters"])
        if due_at is not None and row["next_attempt_at"] > due_at >= counters.get(PLANNED, 0):
            continue
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
                suspended=row["suspended"] is not None,
                lease_until=row["lease_until"],
                last_success_at=row["last_success_at"],
                counters=counters,
                last_outcome=row["last_outcome"],
                **own,
            )
        )
    return found


def take_lease(tx: Transaction, channel: Channel, *, owner: str, now: int, until: int) -> bool:
    """Take the channel for `owner` until an instant; False when somebody else has it (`stands`)."""
    table = _TABLES[channel.direction]
    taken = tx.execute(
        update(table)
        .where(
            table.c.id == channel.id,
            (table.c.lease_until <= now)
            | (table.c.lease_until > until + APART)
            | (table.c.lease_owner == owner),
        )
        .values(lease_owner=owner, lease_until=until)
    ).rowcount
    return bool(taken == 1)


def note(tx: Transaction, channel: Channel, *, owner: str, counters: Mapping[str, Any]) -> None:
    """Write the counters of a channel that `owner` has leased in this transaction."""
    table = _TABLES[channel.direction]
    tx.execute(
        update(table)
        .where(table.c.id == channel.id, table.c.lease_owner == owner)
        .values(counters=json.dumps(counters))
    )


def stands(channel: Channel, *, now: int, until: int) -> bool:
    """Whether somebody has the channel now; `until`: how long a lease that is taken now would last."""
    return now < channel.lease_until <= until + APART


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


def go_back(tx: Transaction, channel: Channel, *, position: int) -> None:
    """Let a target send again what lies after a position; it is due at once, and a run in hand is overtaken."""
    tx.execute(
        update(targets)
        .where(targets.c.id == channel.id, targets.c.cursor > position)
        .values(cursor=position, attempts=0, next_attempt_at=0, lease_owner=None, lease_until=0)
    )


def rewrite(
    tx: Transaction,
    channel: Channel,
    *,
    options: str | None = None,
    counters: Mapping[str, Any] | None = None,
) -> None:
    """Change what a person may change of a channel; its place stays. A run in hand is overtaken and stores nothing more."""
    table = _TABLES[channel.direction]
    values: dict[str, Any] = {"lease_owner": None, "lease_until": 0}
    if options is not None:
        values["options"] = options
    if counters is not None:
        values["counters"] = json.dumps(counters)
    tx.execute(update(table).where(table.c.id == channel.id).values(**values))


def remove(tx: Transaction, channel: Channel) -> bool:
    """Delete a channel with its place; a run in hand finds it gone and stores nothing more. False when it was gone."""
    table = _TABLES[channel.direction]
    return bool(tx.execute(delete(table).where(table.c.id == channel.id)).rowcount == 1)


def find_partner(tx: Transaction, name: str) -> int | None:
    """Find the id of a partner by its name."""
    return tx.execute(select(partners.c.id).where(partners.c.name == name)).scalar_one_or_none()
