"""Rows of files that carry the channel by hand.

1. A number is used once for each partner and way: who writes it second fails.
2. What a file holds is nowhere here: numbers, digests and how far it reaches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, insert, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import carried_files, partners

_C: Final = carried_files.c


@dataclass(frozen=True, slots=True)
class Span:
    """What a file carries of one collection. Positions of the sender's log are micros."""

    collection: str
    """the sender's collection, its UUID"""
    view: int
    """of ours: whose log; 0 of what came"""
    after: int
    upto: int
    first: int
    """the number of the first statement that goes with it; 0: none does"""
    last: int


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file as it is kept. Instants are micros."""

    partner: int
    ours: bool
    number: int
    base: int
    digest: bytes
    text: str
    at: int
    objects: int
    bytes: int
    spans: tuple[Span, ...]
    receipts: tuple[int, ...]
    """of ours: the statements (rows) whose receipts it carries"""
    heard: Mapping[str, Any]
    """of ours: what it says of the partner's files; of what came: how far the partner says it has our statements"""
    answered_at: int | None


def add(tx: Transaction, row: FileRow) -> None:
    """Keep a file. Raises where the number is used (StoreError by the database's door)."""
    tx.execute(
        insert(carried_files).values(
            partner=row.partner,
            ours=int(row.ours),
            number=row.number,
            base=row.base,
            digest=row.digest,
            text=row.text,
            at=row.at,
            objects=row.objects,
            bytes=row.bytes,
            spans=json.dumps([_listed(span) for span in row.spans]),
            receipts=json.dumps(list(row.receipts)),
            heard=json.dumps(dict(row.heard), sort_keys=True),
            answered_at=row.answered_at,
        )
    )


def last(tx: Transaction, partner: int, *, ours: bool) -> FileRow | None:
    """The file with the greatest number."""
    found = _read(tx, partner, ours=ours, limit=1)
    return found[0] if found else None


def numbered(tx: Transaction, partner: int, number: int, *, ours: bool) -> FileRow | None:
    """The file of that number."""
    row = tx.execute(
        select(carried_files).where(
            _C.partner == partner, _C.ours == int(ours), _C.number == number
        )
    ).first()
    return None if row is None else _row(row)


def made(tx: Transaction, partner: int) -> list[FileRow]:
    """All that we made for a partner, the newest first."""
    return _read(tx, partner, ours=True)


def listing(tx: Transaction, *, partner: int | None = None) -> list[tuple[str, FileRow]]:
    """All files with the partner's name, the newest first."""
    wanted = (
        select(partners.c.name, carried_files)
        .join(partners, partners.c.id == _C.partner)
        .order_by(_C.at.desc(), _C.number.desc())
    )
    if partner is not None:
        wanted = wanted.where(_C.partner == partner)
    return [(row[0], _row(row[1:])) for row in tx.execute(wanted)]


def note_answered(tx: Transaction, partner: int, number: int, *, at: int) -> list[FileRow]:
    """Note that this file of ours is the last that the partner has; those of which it was not known before that it has them."""
    ours = _read(tx, partner, ours=True)
    sure = _sure(ours, number)
    fresh = [one for one in ours if one.number in sure and one.answered_at is None]
    for one in fresh:
        tx.execute(
            update(carried_files)
            .where(_C.partner == partner, _C.ours == 1, _C.number == one.number)
            .values(answered_at=at)
        )
    return fresh


def _sure(ours: Sequence[FileRow], number: int) -> frozenset[int]:
    """What who has this file, and none with a greater number, has for certain.

    It took it in while its last one was the file's base, or any between the two: what all of those would bring counts.
    """
    sure: dict[int, frozenset[int]] = {}
    for one in sorted(ours, key=lambda row: row.number):
        if one.number > number:
            break
        before = [sure.get(n, frozenset()) for n in range(one.base, one.number) if one.base]
        sure[one.number] = frozenset.intersection(*before) if before else frozenset()
        sure[one.number] |= {one.number}
    return sure.get(number, frozenset())


def drop_unheard(tx: Transaction, partner: int, number: int) -> bool:
    """Drop our files from a number on; False where the partner said that it has one of them, and then none goes."""
    ours = [one for one in _read(tx, partner, ours=True) if one.number >= number]
    if any(one.answered_at is not None for one in ours):
        return False
    tx.execute(
        delete(carried_files).where(_C.partner == partner, _C.ours == 1, _C.number >= number)
    )
    return True


def _read(tx: Transaction, partner: int, *, ours: bool, limit: int | None = None) -> list[FileRow]:
    wanted = (
        select(carried_files)
        .where(_C.partner == partner, _C.ours == int(ours))
        .order_by(_C.number.desc())
    )
    return [_row(row) for row in tx.execute(wanted if limit is None else wanted.limit(limit))]


def _listed(span: Span) -> list[Any]:
    return [span.collection, span.view, span.after, span.upto, span.first, span.last]


def _row(row: Sequence[Any]) -> FileRow:
    return FileRow(
        partner=row[0],
        ours=bool(row[1]),
        number=row[2],
        base=row[3],
        digest=bytes(row[4]),
        text=row[5],
        at=row[6],
        objects=row[7],
        bytes=row[8],
        spans=tuple(Span(*one) for one in json.loads(row[9])),
        receipts=tuple(json.loads(row[10])),
        heard=json.loads(row[11]),
        answered_at=row[12],
    )
