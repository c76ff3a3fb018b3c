"""Rows of the ledger.

1. A writer reserves a line's id, refers to it from the rows that it writes, and appends the line unsealed in the same
   transaction: no two views wait for each other.
2. One sealer at a time gives unsealed lines their number and hash, by compare and swap on the head (DECISIONS 23).
3. No body is ever changed or deleted.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, bindparam, insert, select, update

from cert_exchange.errors import CursorMoved
from cert_exchange.messages.evidence import GENESIS, chain_hash
from cert_exchange.store.database import Transaction, reserve_ids, streamed
from cert_exchange.store.statements import Kept
from cert_exchange.store.tables import ledger_head, ledger_lines

HEAD: Final = 1
BATCH: Final = 500
_APPEND: Final = Kept(insert(ledger_lines).values(id=bindparam("number"), body=bindparam("text")))


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
    _APPEND.run(tx, {"number": line_id, "text": body})


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
    # The head first: whoever seals between this and the swap below moves it, and the swap fails. The other way round a
    # second sealer would take lines that the first has sealed since.
    begun = tx.execute(
        select(ledger_head.c.seq, ledger_head.c.hash).where(ledger_head.c.id == HEAD)
    ).one_or_none()
    unsealed = tx.execute(
        select(ledger_lines.c.id, ledger_lines.c.body)
        .where(ledger_lines.c.seq.is_(None))
        .order_by(ledger_lines.c.id)
        .limit(limit)
    ).all()
    if not unsealed:
        return 0
    if begun is None:
        tx.execute(insert(ledger_head).values(id=HEAD, seq=0, hash=GENESIS))
    seen, link = (0, GENESIS) if begun is None else (begun[0], bytes(begun[1]))
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


_LINES: Final = select(
    ledger_lines.c.id, ledger_lines.c.body, ledger_lines.c.seq, ledger_lines.c.hash
)


def sealed_line(tx: Transaction, seq: int) -> LedgerRow | None:
    """The sealed line of this number; None where there is none."""
    row = tx.execute(_LINES.where(ledger_lines.c.seq == seq)).one_or_none()
    return None if row is None else _line(row)


def sealed_lines(tx: Transaction) -> Generator[LedgerRow, None, None]:
    """All sealed lines by number, streamed; close the iterator when it is left early."""
    sealed = _LINES.where(ledger_lines.c.seq.is_not(None)).order_by(ledger_lines.c.seq)
    with streamed(tx, sealed) as rows:
        for row in rows:
            yield _line(row)


def every_line(tx: Transaction) -> Generator[LedgerRow, None, None]:
    """All lines by id, streamed; close the iterator when it is left early."""
    with streamed(tx, _LINES.order_by(ledger_lines.c.id)) as rows:
        for row in rows:
            yield _line(row)


def lines_saying(tx: Transaction, kind: str, about: str = "") -> list[tuple[int, str]]:
    """(id, body) of the lines whose text names this kind, and `about`, by id; the caller reads whether it is theirs."""
    named = ledger_lines.c.body.contains(f'"kind":"{kind}"', autoescape=True)
    if about:
        named = and_(named, ledger_lines.c.body.contains(about, autoescape=True))
    rows = tx.execute(
        select(ledger_lines.c.id, ledger_lines.c.body).where(named).order_by(ledger_lines.c.id)
    )
    return [(row[0], row[1]) for row in rows]


def last_bodies(tx: Transaction, limit: int) -> list[str]:
    """The last lines, sealed or not, the newest first."""
    statement = select(ledger_lines.c.body).order_by(ledger_lines.c.id.desc()).limit(limit)
    return list(tx.execute(statement).scalars())


def unsealed_lines(tx: Transaction) -> list[LedgerRow]:
    """The lines that wait for the sealer, by id."""
    waiting = _LINES.where(ledger_lines.c.seq.is_(None)).order_by(ledger_lines.c.id)
    return [_line(tuple(row)) for row in tx.execute(waiting)]


def _line(row: tuple[Any, ...]) -> LedgerRow:
    return LedgerRow(row[0], row[1], row[2], None if row[3] is None else bytes(row[3]))
