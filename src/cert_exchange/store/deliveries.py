"""Rows of signed statements, ours and partners', with their receipts.

1. A statement is never changed or deleted. Its receipt is added once, and then never changed; but one of ours that the
   partner does not have yet gives way to the one that we signed before our store was restored.
2. Numbers of a stream have no gap: whoever writes one holds the partner's row (`lock`) until its commit.
3. Where a partner's history forked and a person let it go on, what came later stands in a branch, numbered anew (`branches`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, select, update

from cert_exchange.messages.deliveries import Way
from cert_exchange.store.database import Transaction
from cert_exchange.store.statement_rows import (
    HEAD,
    OBJECTS,
    WHOLE,
    StatementHead,
    StatementRow,
    Stream,
    head_of,
    whole_of,
)
from cert_exchange.store.statements import Kept, parts
from cert_exchange.store.tables import delivered, delivery_statements, partners

_C: Final = delivery_statements.c
_LOCK: Final = Kept(
    select(partners.c.id).where(partners.c.id == bindparam("partner")).with_for_update()
)
_IN_STREAM: Final = (
    _C.partner == bindparam("partner"),
    _C.ours == bindparam("ours"),
    _C.way == bindparam("way"),
    _C.stream == bindparam("stream"),
)
_ONE: Final = _C.seq == bindparam("seq")
_LAST: Final = Kept(select(*HEAD).where(*_IN_STREAM).order_by(_C.seq.desc()).limit(1))
_HEAD_NUMBERED: Final = Kept(select(*HEAD).where(*_IN_STREAM, _ONE))
_NUMBERED: Final = Kept(select(*WHOLE).where(*_IN_STREAM, _ONE))

_ADD: Final = Kept(
    insert(delivery_statements)
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "partner", "way", "ours", "stream", "seq", "view", "collection", "after", "upto",
                "digest", "text", "leaves", "at", "wrong", "block",
            )
        }
    )
    .returning(_C.id)
)  # fmt: skip
_ADD_RECEIPT: Final = Kept(
    update(delivery_statements)
    .where(_C.id == bindparam("number"), _C.receipt.is_(None))
    .values(
        receipt=bindparam("the_receipt"),
        receipt_at=bindparam("came_at"),
        wrong=bindparam("now_wrong"),
        handed_over_at=bindparam("handed_over"),
    )
    .returning(_C.id)
)


def lock(tx: Transaction, partner: int) -> None:
    """Let nobody else add a statement of this partner before the commit."""
    _LOCK.rows(tx, {"partner": partner})


def last(tx: Transaction, stream: Stream) -> StatementHead | None:
    """The last statement of a stream."""
    found = _LAST.rows(tx, _named(stream))
    return head_of(found[0]) if found else None


def numbered(tx: Transaction, stream: Stream, seq: int) -> StatementRow | None:
    """A statement of a stream by its number."""
    found = _NUMBERED.rows(tx, {**_named(stream), "seq": seq})
    return whole_of(found[0]) if found else None


def head_numbered(tx: Transaction, stream: Stream, seq: int) -> StatementHead | None:
    """A statement of a stream by its number, without its commitments."""
    found = _HEAD_NUMBERED.rows(tx, {**_named(stream), "seq": seq})
    return head_of(found[0]) if found else None


def by_digest(
    tx: Transaction, partner: int, digest: bytes, *, ours: bool = True
) -> StatementRow | None:
    """One of our statements to a partner, or of its to us."""
    found = _read(tx, and_(_C.partner == partner, _C.ours == int(ours), _C.digest == digest))
    return found[0] if found else None


def without_receipt(
    tx: Transaction, partner: int, *, ours: bool, way: Way, stream: str | None = None
) -> list[StatementRow]:
    """Statements that wait for their receipt, by stream and number."""
    wanted = and_(
        _C.partner == partner,
        _C.ours == int(ours),
        _C.way == way.value,
        _C.receipt.is_(None),
        _C.handed_over_at.is_(None),
        *([] if stream is None else [_C.stream == stream]),
    )
    return _read(tx, wanted)


def not_handed_over(tx: Transaction, partner: int, way: Way) -> list[StatementRow]:
    """Partner's statements whose receipt it has not got from us."""
    return _read(
        tx,
        and_(
            _C.partner == partner,
            _C.ours == 0,
            _C.way == way.value,
            _C.receipt.is_not(None),
            _C.handed_over_at.is_(None),
        ),
    )


def partly_held(
    tx: Transaction, partner: int, collection: int, *, way: Way, after: int
) -> list[int]:
    """Which of a partner's receipted statements reach beyond a position and cover more than we hold as theirs, in order."""
    many = select(func.count()).where(delivered.c.statement == _C.id).scalar_subquery()
    wanted = select(_C.id).where(
        _C.partner == partner,
        _C.ours == 0,
        _C.way == way.value,
        _C.collection == collection,
        _C.receipt.is_not(None),
        _C.upto > after,
        many < OBJECTS,
    )
    return list(tx.execute(wanted.order_by(_C.upto, _C.id)).scalars())


def before(tx: Transaction, row: StatementHead) -> StatementHead | None:
    """The statement before this one in its stream."""
    here = Stream(row.partner, row.ours, row.way, row.stream, row.branch)
    return head_numbered(tx, here, row.seq - 1)


def listing(
    tx: Transaction,
    *,
    partner: int | None = None,
    ours: bool | None = None,
    only_open: bool = False,
    limit: int = 1_000,
) -> list[StatementRow]:
    """Statements, the newest first; `only_open`: those whose receipt is not where it should be."""
    wanted: list[ColumnElement[bool]] = []
    if partner is not None:
        wanted.append(_C.partner == partner)
    if ours is not None:
        wanted.append(_C.ours == int(ours))
    if only_open:
        wanted.append(_C.handed_over_at.is_(None))
    return _read(tx, and_(True, *wanted), newest=True, limit=limit)  # noqa: FBT003 - SQL's TRUE, for no condition at all


def newest_at(tx: Transaction, partner: int, collection: int) -> int | None:
    """When a partner's last statement of what it serves came, of what stands in a collection of ours."""
    wanted = select(func.max(_C.at)).where(
        _C.partner == partner,
        _C.ours == 0,
        _C.way == Way.SERVED.value,
        _C.collection == collection,
    )
    found = tx.execute(wanted).scalar_one()
    return None if found is None else int(found)


def count_open(tx: Transaction) -> int:
    """How many statements have no receipt where it should be."""
    wanted = select(func.count()).select_from(delivery_statements)
    return int(tx.execute(wanted.where(_C.handed_over_at.is_(None))).scalar_one())


def open_before(tx: Transaction, before: int) -> dict[int, int]:
    """Partner -> how many statements of before this instant are open."""
    rows = tx.execute(
        select(_C.partner, func.count())
        .where(_C.handed_over_at.is_(None), _C.at < before)
        .group_by(_C.partner)
    )
    return {row[0]: int(row[1]) for row in rows}


def wrong_since(tx: Transaction, since: int) -> dict[int, int]:
    """Partner -> how many objects of statements since then did not end as they were signed."""
    rows = tx.execute(
        select(_C.partner, func.sum(_C.wrong))
        .where(_C.at >= since, _C.wrong > 0)
        .group_by(_C.partner)
    )
    return {row[0]: int(row[1]) for row in rows}


def add(
    tx: Transaction,
    stream: Stream,
    *,
    seq: int,
    view: int | None,
    collection: int,
    after: int,
    upto: int,
    digest: bytes,
    text: str,
    leaves: bytes,
    at: int,
    block: int | None = None,
) -> int:
    """Keep a statement; its number among all rows. With a `block` its commitments stand there, and `leaves` is empty."""
    given = {
        "partner": stream.partner, "way": stream.way.value, "ours": int(stream.ours),
        "stream": stream.stored, "seq": seq, "view": view, "collection": collection, "after": after,
        "upto": upto, "digest": digest, "text": text, "leaves": leaves, "at": at, "wrong": 0,
        "block": block,
    }  # fmt: skip
    [(number,)] = _ADD.rows(tx, {f"new_{name}": value for name, value in given.items()})
    return int(number)


def add_receipt(
    tx: Transaction, number: int, receipt: str, *, at: int, wrong: int, handed_over: bool
) -> bool:
    """Keep the receipt of a statement; False where there is one already, and then nothing changes."""
    given = {
        "number": number, "the_receipt": receipt, "came_at": at, "now_wrong": wrong,
        "handed_over": at if handed_over else None,
    }  # fmt: skip
    return bool(_ADD_RECEIPT.rows(tx, given))


def put_back_receipt(tx: Transaction, number: int, receipt: str, *, at: int, wrong: int) -> None:
    """Keep the receipt that we signed before our store was restored, where the partner has not got the one signed since."""
    tx.execute(
        update(delivery_statements)
        .where(_C.id == number, _C.ours == 0, _C.handed_over_at.is_(None))
        .values(receipt=receipt, wrong=wrong, handed_over_at=at)
    )


def hand_over(tx: Transaction, number: int, *, at: int) -> None:
    """Note that the partner has our receipt, or that it waits for none any more."""
    tx.execute(
        update(delivery_statements)
        .where(_C.id == number, _C.handed_over_at.is_(None))
        .values(handed_over_at=at)
    )


def set_aside(tx: Transaction, stream: Stream, *, after: int, at: int) -> int:
    """Let no statement of a stream after a number wait for anything any more; how many did."""
    return tx.execute(
        update(delivery_statements)
        .where(_of(stream), _C.seq > after, _C.handed_over_at.is_(None))
        .values(handed_over_at=at)
    ).rowcount


def by_numbers(tx: Transaction, numbers: Iterable[int]) -> dict[int, StatementRow]:
    """Statements by their numbers among all rows."""
    found: dict[int, StatementRow] = {}
    for part in parts(numbers):
        found.update((row.id, row) for row in _read(tx, _C.id.in_(part)))
    return found


def _of(stream: Stream) -> ColumnElement[bool]:
    return and_(
        _C.partner == stream.partner,
        _C.ours == int(stream.ours),
        _C.way == stream.way.value,
        _C.stream == stream.stored,
    )


def _read(
    tx: Transaction, wanted: ColumnElement[bool], *, newest: bool = False, limit: int | None = None
) -> list[StatementRow]:
    order: tuple[Any, ...] = (_C.id.desc(),) if newest else (_C.stream, _C.seq)
    rows = tx.execute(select(*WHOLE).where(wanted).order_by(*order).limit(limit))
    return [whole_of(row) for row in rows]


def _named(stream: Stream) -> dict[str, Any]:
    return {
        "partner": stream.partner,
        "ours": int(stream.ours),
        "way": stream.way.value,
        "stream": stream.stored,
    }
