"""Rows of the tree over the ledger's lines, and of the heads of it that we signed.

1. One at a time lets the tree grow or signs a head of it: under the lock of the ledger's head, which the sealer moves too.
2. A leaf gets its salt when it joins the tree, and keeps it. Rows are never changed or deleted.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from sqlalchemy import and_, false, func, insert, or_, select

from cert_exchange.messages import trees
from cert_exchange.messages.evidence import EMPTY_ROOT, SALT_BYTES
from cert_exchange.store.database import Transaction, streamed
from cert_exchange.store.statements import Kept
from cert_exchange.store.tables import checkpoints, ledger_head, ledger_lines, ledger_tree

PART: Final = 2_000


@dataclass(frozen=True, slots=True)
class Issued:
    """A head that we signed. Instants are micros."""

    size: int
    root: bytes
    issued_at: int
    note: str


@dataclass(frozen=True, slots=True)
class LeafRow:
    """A sealed line's hash and what the tree keeps of it; `salt` and `leaf` are None where it has not joined."""

    seq: int
    link: bytes
    salt: bytes | None
    leaf: bytes | None


def tree_size(tx: Transaction) -> int:
    """How many leaves the tree has."""
    found = tx.execute(
        select(func.max(ledger_tree.c.number)).where(ledger_tree.c.level == 0)
    ).scalar()
    return 0 if found is None else int(found) + 1


def levels(tx: Transaction) -> int:
    """How many levels the tree has; 0: it is empty."""
    found = tx.execute(select(func.max(ledger_tree.c.level))).scalar()
    return 0 if found is None else int(found) + 1


def one_at_a_time(tx: Transaction) -> None:
    """Wait for whoever lets the tree grow or signs a head, and keep others waiting until the commit."""
    tx.execute(select(ledger_head.c.seq).with_for_update()).all()


def grow(tx: Transaction, *, limit: int = PART) -> int:
    """Let at most `limit` sealed lines join the tree; returns how many did."""
    one_at_a_time(tx)
    size = tree_size(tx)
    links = tx.execute(
        select(ledger_lines.c.hash)
        .where(ledger_lines.c.seq > size, ledger_lines.c.seq <= size + limit)
        .order_by(ledger_lines.c.seq)
    ).scalars()
    salted = [(os.urandom(SALT_BYTES), bytes(link)) for link in links]
    if not salted:
        return 0
    leaves = [trees.line_leaf(salt, link) for salt, link in salted]
    # The right-hand edge: all that new nodes can need of the tree as it was.
    edge = hashes(tx, trees.pieces((0, size)))
    made = trees.grown(size, leaves, edge.__getitem__)
    tx.execute(
        insert(ledger_tree),
        [
            {
                "level": level,
                "number": number,
                "hash": value,
                "salt": salted[number - size][0] if level == 0 else None,
            }
            for (level, number), value in made
        ],
    )
    return len(salted)


def hashes(tx: Transaction, places: Sequence[trees.Place]) -> dict[trees.Place, bytes]:
    """The hashes of these complete subtrees, as many as are there."""
    by_level = groupby(sorted(set(places)), key=lambda place: place[0])
    wanted = [
        and_(ledger_tree.c.level == level, ledger_tree.c.number.in_([one[1] for one in group]))
        for level, group in by_level
    ]
    rows = tx.execute(
        select(ledger_tree.c.level, ledger_tree.c.number, ledger_tree.c.hash).where(
            or_(false(), *wanted)
        )
    )
    return {(row[0], row[1]): bytes(row[2]) for row in rows}


def span_hashes(tx: Transaction, spans: Sequence[trees.Span]) -> list[bytes]:
    """The hash of each span. Raises KeyError where the tree does not reach so far."""
    parts = [trees.pieces(span) for span in spans]
    known = hashes(tx, [place for part in parts for place in part])
    return [trees.folded([known[place] for place in part]) for part in parts]


def root(tx: Transaction, size: int) -> bytes:
    """The root over the first `size` lines. Raises KeyError where the tree does not reach so far."""
    return span_hashes(tx, [(0, size)])[0]


def salt_of(tx: Transaction, seq: int) -> bytes | None:
    """The salt of a line's leaf; None where the line has not joined the tree."""
    found = tx.execute(
        select(ledger_tree.c.salt).where(ledger_tree.c.level == 0, ledger_tree.c.number == seq - 1)
    ).scalar()
    return None if found is None else bytes(found)


def add(tx: Transaction, issued: Issued) -> None:
    """Keep a head that we signed."""
    tx.execute(
        insert(checkpoints).values(
            size=issued.size, root=issued.root, issued_at=issued.issued_at, note=issued.note
        )
    )


_ISSUED: Final = select(
    checkpoints.c.size, checkpoints.c.root, checkpoints.c.issued_at, checkpoints.c.note
)


_NEWEST: Final = Kept(_ISSUED.order_by(checkpoints.c.id.desc()).limit(1))


def newest(tx: Transaction) -> Issued | None:
    """The head that we signed last."""
    found = _NEWEST.rows(tx)
    return _issued(found[0]) if found else None


def signed_head(tx: Transaction) -> tuple[int, bytes]:
    """Size and root of the head that we signed last; (0, EMPTY_ROOT) before the first one."""
    last = newest(tx)
    return (0, EMPTY_ROOT) if last is None else (last.size, last.root)


def every(tx: Transaction) -> Generator[Issued, None, None]:
    """All heads that we signed, as they were signed; close the iterator when it is left early."""
    with streamed(tx, _ISSUED.order_by(checkpoints.c.id)) as rows:
        for row in rows:
            yield _issued(row)


def leaves(tx: Transaction) -> Generator[LeafRow, None, None]:
    """All sealed lines by number, with their leaves; close the iterator when it is left early."""
    statement = (
        select(ledger_lines.c.seq, ledger_lines.c.hash, ledger_tree.c.salt, ledger_tree.c.hash)
        .outerjoin(
            ledger_tree,
            and_(ledger_tree.c.level == 0, ledger_tree.c.number == ledger_lines.c.seq - 1),
        )
        .where(ledger_lines.c.seq.is_not(None))
        .order_by(ledger_lines.c.seq)
    )
    with streamed(tx, statement) as rows:
        for seq, link, salt, leaf in rows:
            yield LeafRow(
                seq,
                bytes(link),
                None if salt is None else bytes(salt),
                None if leaf is None else bytes(leaf),
            )


def level(tx: Transaction, number: int) -> Generator[tuple[int, bytes], None, None]:
    """(number, hash) of all complete subtrees of a level; close the iterator when it is left early."""
    statement = (
        select(ledger_tree.c.number, ledger_tree.c.hash)
        .where(ledger_tree.c.level == number)
        .order_by(ledger_tree.c.number)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            yield row[0], bytes(row[1])


def _issued(row: tuple[Any, ...]) -> Issued:
    return Issued(row[0], bytes(row[1]), row[2], row[3])
