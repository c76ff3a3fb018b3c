"""Commitments of a log put together ahead, so that a long run's statements need not join thousands of rows each.

1. A block holds what was in force in (after, upto] when it was made, whoever it came from. Nothing enters a log behind
   its head: where as many lines are in force for a partner as the block has, they are the block's own, and all of them.
2. Its commitments are never changed, and not lost while statements refer to them. What opens them goes as soon as the
   salt of one line is erased.
3. Blocks of a view follow one another; each begins where the one before ended, the first at 0.
4. The last one may be shorter, where a log came to rest: the `tail`. A longer block takes its place later, and statements
   that refer to it hold its commitments themselves from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Integer, and_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from cert_exchange.store import delivered
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Kept
from cert_exchange.store.tables import delivery_blocks, delivery_statements, live

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
_LAST: Final = Kept(
    select(_C.id, _C.after, _C.upto, _C.lines)
    .where(_C.view == bindparam("view"))
    .order_by(_C.after.desc())
    .limit(1)
)
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


@dataclass(frozen=True, slots=True)
class Tail:
    """A block shorter than others, at the end of its log. Positions are micros."""

    id: int
    after: int
    upto: int
    lines: int


@dataclass(frozen=True, slots=True)
class Span:
    """What a block is to be of: (after, upto], micros, in the place of a tail."""

    after: int
    upto: int
    tail: Tail | None


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


def next_span(
    tx: Transaction, view: int, *, head: int, lines: int, least: int, rest: bool
) -> Span | None:
    """The block that is to be made next of a log up to `head`: `lines` in force after the one before.

    None while fewer are. At `rest` all up to `head`, if `least` or more are in no block.
    """
    last = _LAST.rows(tx, {"view": view})
    tail = Tail(*last[0]) if last and last[0][3] < lines else None
    begin = tail.after if tail is not None else int(last[0][2]) if last else 0
    covered = begin if tail is None else tail.upto
    if head <= covered:
        return None
    # Asked again and again of a log that hardly grows: a short look first.
    few = {"view": view, "after": covered, "head": head, "skip": min(least, lines) - 1}
    many = bool(_NTH.rows(tx, few))
    if many or (tail is not None and tail.lines + least > lines):
        ends = _NTH.rows(tx, {"view": view, "after": begin, "head": head, "skip": lines - 1})
        if ends:
            return Span(begin, int(ends[0][0]), tail)
    return Span(begin, head, tail) if many and rest else None


def keep(
    tx: Transaction, view: int, span: Span, *, lines: int, leaves: bytes, salts: bytes
) -> None:
    """Keep a block, in the place of a tail where the span says so.

    Another worker that made it at the same time made the same one.
    """
    if span.tail is not None:
        _let_go(tx, span.tail.id)
    fresh = sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert
    given = {"view": view, "after": span.after, "upto": span.upto, "lines": lines, "leaves": leaves, "salts": salts}  # fmt: skip
    tx.execute(fresh(delivery_blocks).values(given).on_conflict_do_nothing())


def _let_go(tx: Transaction, block: int) -> None:
    """Drop a block; the statements that refer to it take its commitments."""
    s = delivery_statements.c
    leaves = select(_C.leaves).where(_C.id == block).scalar_subquery()
    tx.execute(
        update(delivery_statements).where(s.block == block).values(leaves=leaves, block=None)
    )
    tx.execute(delete(delivery_blocks).where(_C.id == block))


def close(tx: Transaction, lines: Iterable[tuple[int, int]]) -> None:
    """Drop what opens the blocks that hold lines (view, position) whose salt is erased."""
    for view, position in lines:
        tx.execute(
            update(delivery_blocks)
            .where(_C.view == view, _C.after < position, _C.upto >= position, _C.salts.is_not(None))
            .values(salts=None)
        )
