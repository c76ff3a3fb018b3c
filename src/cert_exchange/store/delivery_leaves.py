"""Commitments as statements make them, made ahead for the logs of partners who get statements.

1. A row follows from its line of the release log and can be made again; it goes when that line's salt is erased.
2. Only lines in force count; what was withdrawn is in no statement (invariant 1).
3. The database puts a span's rows together: 10,000 rows handed to Python one by one would keep every other request waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import and_, bindparam, delete, func, select, text

from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Kept, parts
from cert_exchange.store.tables import (
    audience_members,
    delivery_leaves,
    live,
    objects,
    partner_keys,
    release_log,
    views,
)

_SPAN: Final = """
    LEFT JOIN delivery_leaves made ON made.view = live.view AND made.position = live.position
    WHERE live.view = :view AND live.position > :after AND live.position <= :upto AND live.origin <> :partner
"""
_JOINED: Final = {
    # SQLite joins texts only: a BLOB is one byte by byte, and is taken back as it was. Without an index it walks `live`
    # by its key, which is the order; sorting the rows besides would cost a sixth.
    "sqlite": Kept(
        text(
            "SELECT count(*), count(leaf), CAST(group_concat(leaf, '') AS BLOB),"
            f" CAST(group_concat(salt, '') AS BLOB) FROM live NOT INDEXED {_SPAN}"
        )
    ),
    "postgresql": Kept(
        text(
            "SELECT count(*), count(made.leaf), string_agg(made.leaf, ''::bytea ORDER BY live.position),"
            f" string_agg(made.salt, ''::bytea ORDER BY live.position) FROM live {_SPAN}"
        )
    ),
}
_MADE: Final = Kept(
    select(func.max(delivery_leaves.c.position)).where(delivery_leaves.c.view == bindparam("view"))
)


@dataclass(frozen=True, slots=True)
class Joined:
    """What a span of a log commits to: leaves of 32 bytes and salts of 16, in the order of the positions."""

    count: int
    leaves: bytes
    salts: bytes


@dataclass(frozen=True, slots=True)
class Unmade:
    """A line in force without its row."""

    position: int
    content: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """A log whose lines are stated to somebody; positions are micros."""

    view: int
    made: int
    """up to which its rows are made"""
    head: int

    @property
    def behind(self) -> bool:
        """Whether rows may be lacking."""
        return self.made < self.head


def joined(
    tx: Transaction, view: int, *, after: int, upto: int, partner: int
) -> tuple[Joined, int]:
    """What the lines in force in (after, upto] commit to, and for how many of them the row is still to be made."""
    values = {"view": view, "after": after, "upto": upto, "partner": partner}
    [(lines, made, leaves, salts)] = _JOINED[tx.dialect.name].rows(tx, values)
    return Joined(made, bytes(leaves or b""), bytes(salts or b"")), lines - made


def unmade(tx: Transaction, view: int, *, after: int, upto: int, limit: int) -> list[Unmade]:
    """Lines in force in (after, upto] whose rows are to be made, in order; none whose salt is gone."""
    same = and_(
        delivery_leaves.c.view == live.c.view, delivery_leaves.c.position == live.c.position
    )
    rows = tx.execute(
        select(live.c.position, objects.c.sameness, release_log.c.salt)
        .join(objects, objects.c.id == live.c.object)
        .join(
            release_log,
            and_(release_log.c.view == live.c.view, release_log.c.position == live.c.position),
        )
        .outerjoin(delivery_leaves, same)
        .where(
            live.c.view == view,
            live.c.position > after,
            live.c.position <= upto,
            delivery_leaves.c.position.is_(None),
            release_log.c.salt.is_not(None),
        )
        .order_by(live.c.position)
        .limit(limit)
    )
    return [Unmade(row[0], bytes(row[1]), bytes(row[2])) for row in rows]


def keep(tx: Transaction, view: int, made: Sequence[tuple[int, bytes, bytes]]) -> None:
    """Keep rows of (position, leaf, salt) of one view; those that are there stay."""
    there: set[int] = set()
    c = delivery_leaves.c
    for part in parts(position for position, _, _ in made):
        rows = tx.execute(select(c.position).where(c.view == view, c.position.in_(part)))
        there.update(rows.scalars())
    insert_rows(
        tx,
        (c.view, c.position, c.leaf, c.salt),
        [(view, *one) for one in made if one[0] not in there],
    )


def stated(tx: Transaction) -> list[Log]:
    """The logs of partners with a pinned key."""
    rows = tx.execute(
        select(views.c.id, views.c.head)
        .join(audience_members, audience_members.c.audience == views.c.audience)
        .join(partner_keys, partner_keys.c.partner == audience_members.c.partner)
        .where(audience_members.c.until.is_(None))
        .distinct()
        .order_by(views.c.id)
    ).all()
    return [
        Log(view, int(_MADE.rows(tx, {"view": view})[0][0] or 0), int(head)) for view, head in rows
    ]


def forget(tx: Transaction, lines: Iterable[tuple[int, int]]) -> None:
    """Drop the rows of lines (view, position) whose salt is erased."""
    c = delivery_leaves.c
    by_view: dict[int, list[int]] = {}
    for view, position in lines:
        by_view.setdefault(view, []).append(position)
    for view, positions in by_view.items():
        for part in parts(positions):
            tx.execute(delete(delivery_leaves).where(c.view == view, c.position.in_(part)))
