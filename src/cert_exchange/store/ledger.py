"""Rows of the ledger.

1. A writer reserves a line's id, refers to it from the rows that it writes, and appends the line unsealed in the same
   transaction: no two views wait for each other.
2. One sealer at a time gives unsealed lines their number and hash, by compare and swap on the head (DECISIONS 23).
3. No body is ever changed or deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, insert, select, update

from cert_exchange.errors import CursorMoved
from cert_exchange.messages.evidence import GENESIS, chain_hash
from cert_exchange.store.database import Transaction, reserve_ids
from cert_exchange.store.tables import ledger_head, ledger_lines

HEAD: Final = 1
BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A line as it stands; `seq` and `hash` are None until it is sealed."""

    id: int
    body: str
    seq: int | None
    hash: bytes | None


def reserve_line(tx: Transaction) -> int:
    """The id of this transaction's line. Call once a transaction; `write_line` must follow."""
    return reserve_ids(tx, ledger_lines, 1)[0]


def write_line(tx: Transaction, line_id: int, body: str) -> None:
    """Append a line, unsealed."""
    tx.execute(insert(ledger_lines).values(id=line_id, body=body))


def head(tx: Transaction) -> tuple[int, bytes]:
    """Number and hash of the last sealed line; (0, GENESIS) when none is."""
    row = tx.execute(
        select(ledger_head.c.seq, ledger_head.c.hash).where(ledger_head.c.id == HEAD)
    ).one_or_none()
    return (row[0], bytes(row[1])) if row else (0, GENESIS)


def seal(tx: Transaction, *, limit: int = BATCH) -> int:
    """Chain at most `limit` unsealed lines, in order of their ids; returns how many.

    Raises CursorMoved when another sealer was first: then nothing of this transaction may stay.
    """
    unsealed = tx.execute(
        select(ledger_lines.c.id, ledger_lines.c.body)
        .where(ledger_lines.c.seq.is_(None))
        .order_by(ledger_lines.c.id)
        .limit(limit)
    ).all()
    if not unsealed:
        return 0
    seen, link = head(tx)
    if seen == 0:
        exists = tx.execute(select(func.count()).select_from(ledger_head)).scalar_one()
        if not exists:
            tx.execute(insert(ledger_head).values(id=HEAD, seq=0, hash=GENESIS))
    sealed = []
    for seq, (line_id, body) in enumerate(unsealed, start=seen + 1):
        link = chain_hash(link, seq, body)
        sealed.append({"line": line_id, "number": seq, "link": link})
    moved = tx.execute(
        update(ledger_head)
        .where(ledger_head.c.id == HEAD, ledger_head.c.seq == seen)
        .values(seq=seen + len(sealed), hash=link)
    ).rowcount
    if moved != 1:
        raise CursorMoved(detail="another sealer was first")
    tx.execute(
        update(ledger_lines)
        .where(ledger_lines.c.id == bindparam("line"), ledger_lines.c.seq.is_(None))
        .values(seq=bindparam("number"), hash=bindparam("link")),
        sealed,
    )
    return len(sealed)


def count_unsealed(tx: Transaction) -> int:
    """How many lines wait for the sealer."""
    return tx.execute(
        select(func.count()).select_from(ledger_lines).where(ledger_lines.c.seq.is_(None))
    ).scalar_one()


def sealed_lines(tx: Transaction) -> Iterator[LedgerRow]:
    """All sealed lines by number, streamed."""
    rows = _stream(
        tx,
        select(ledger_lines.c.id, ledger_lines.c.body, ledger_lines.c.seq, ledger_lines.c.hash)
        .where(ledger_lines.c.seq.is_not(None))
        .order_by(ledger_lines.c.seq),
    )
    for row in rows:
        yield LedgerRow(row[0], row[1], row[2], None if row[3] is None else bytes(row[3]))


def unsealed_lines(tx: Transaction) -> Iterator[LedgerRow]:
    """All lines that wait for the sealer, by id, streamed."""
    return (row for row in every_line(tx) if row.seq is None)


def every_line(tx: Transaction) -> Iterator[LedgerRow]:
    """All lines by id, streamed."""
    rows = _stream(
        tx,
        select(
            ledger_lines.c.id, ledger_lines.c.body, ledger_lines.c.seq, ledger_lines.c.hash
        ).order_by(ledger_lines.c.id),
    )
    for row in rows:
        yield LedgerRow(row[0], row[1], row[2], None if row[3] is None else bytes(row[3]))


def _stream(tx: Transaction, statement: Select[*tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Rows in batches, so that memory does not depend on their number."""
    for row in tx.execute(statement.execution_options(yield_per=BATCH)):
        yield tuple(row)
