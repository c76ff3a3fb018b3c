"""Commitments of a log put together ahead, so that a long run's statements need not join thousands of rows each.

1. A block holds what was in force in (after, upto] when it was made, whoever it came from. Nothing enters a log behind
   its head: where as many lines are in force for a partner as the block has, they are the block's own, and all of them.
2. Its commitments are never changed or deleted: statements refer to them. What opens them goes as soon as the salt of
   one line is erased.
3. Blocks of a view follow one another; each begins where the one before ended, the first at 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Integer, and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from cert_exchange.store import delivered
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Kept
from cert_exchange.store.tables import delivery_blocks, live

_C: Final = delivery_blocks.c
_AT: Final = and_(_C.view == bindparam("view"), _C.after == bindparam("after"))


_END: Final = Kept(select(_C.upto).where(_AT, _C.upto <= bindparam("head")))
_COUNT: Final = Kept(
    select(func.count())
    .select_from(live)
    .where(
        live.c.view == bindparam("view"),
        live.c.position > bindparam("after"),
        live.c.position <= bindparam("upto"),
        live.c.origin != bindparam("partner"),
    )
)
_OPEN: Final = Kept(
    select(_C.id, _C.leaves, _C.salts).where(
        _AT, _C.upto == bindparam("upto"), _C.lines == bindparam("lines"), _C.salts.is_not(None)
    )
)
_LAST: Final = Kept(select(func.max(_C.upto)).where(_C.view == bindparam("view")))
_NTH: Final = Kept(
    select(live.c.position)
    .where(
        live.c.view == bindparam("view"),
        live.c.position > bindparam("after"),
        live.c.position <= bindparam("head"),
    )
    .order_by(live.c.position)
    .limit(1)
    .offset(bindparam("skip", type_=Integer))
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block that can be opened: leaves of 32 bytes and salts of 16, in the order of the positions."""

    id: int
    lines: int
    leaves: bytes
    salts: bytes


def end_of(tx: Transaction, view: int, *, after: int, head: int, partner: int) -> int | None:
    """Where the block ends that begins after a position, if something of it is in force for a partner; None without one."""
    ends = _END.rows(tx, {"view": view, "after": after, "head": head})
    if not ends:
        return None
    upto = int(ends[0][0])
    held = delivered.holds_any(tx, view, after=after, upto=upto, partner=partner)
    return upto if held else None


def whole(tx: Transaction, view: int, *, after: int, upto: int, partner: int) -> Block | None:
    """The block of exactly this span, where all of it is in force for a partner and opens; else None."""
    span = {"view": view, "after": after, "upto": upto}
    if not _END.rows(tx, {"view": view, "after": after, "head": upto}):
        return None
    [(lines,)] = _COUNT.rows(tx, {**span, "partner": partner})
    found = _OPEN.rows(tx, {**span, "lines": lines})
    return Block(found[0][0], lines, bytes(found[0][1]), bytes(found[0][2])) if found else None


def next_span(tx: Transaction, view: int, *, head: int, lines: int) -> tuple[int, int] | None:
    """(after, upto] of the block that is to be made next of a log up to `head`; None while fewer lines are in force."""
    after = int(_LAST.rows(tx, {"view": view})[0][0] or 0)
    found = _NTH.rows(tx, {"view": view, "after": after, "head": head, "skip": lines - 1})
    return (after, int(found[0][0])) if found else None


def keep(
    tx: Transaction, view: int, *, after: int, upto: int, lines: int, leaves: bytes, salts: bytes
) -> None:
    """Keep a block; another worker that made it at the same time made the same one."""
    fresh = sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert
    given = {"view": view, "after": after, "upto": upto, "lines": lines, "leaves": leaves, "salts": salts}  # fmt: skip
    tx.execute(fresh(delivery_blocks).values(given).on_conflict_do_nothing())


def close(tx: Transaction, lines: Iterable[tuple[int, int]]) -> None:
    """Drop what opens the blocks that hold lines (view, position) whose salt is erased."""
    for view, position in lines:
        tx.execute(
            update(delivery_blocks)
            .where(_C.view == view, _C.after < position, _C.upto >= position, _C.salts.is_not(None))
            .values(salts=None)
        )
