"""What an export of the ledger reads: sealed lines by number, and the commitments of each. Streamed."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, func, select

from cert_exchange.store.database import Transaction, streamed
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    audiences,
    collections,
    identifiers,
    ledger_lines,
    ledger_tree,
    objects,
    release_log,
    renditions,
    views,
)


@dataclass(frozen=True, slots=True)
class SealedLine:
    """A sealed line, and the salt of its leaf; None where it has not joined the tree."""

    seq: int
    body: str
    salt: bytes | None


@dataclass(frozen=True, slots=True)
class StoredRow:
    """An object version that a line stored, as its commitment needs it."""

    seq: int
    stix_id: str
    version: str
    origin: int
    digest: bytes
    salt: bytes | None
    commitment: bytes | None


@dataclass(frozen=True, slots=True)
class ReleasedRow:
    """A log line that a line appended, as its commitment needs it, and in words that an auditor can read."""

    seq: int
    view: int
    position: int
    kind: str
    object: int
    policy: int | None
    rule: str
    digest: bytes
    salt: bytes | None
    commitment: bytes | None
    audience: str
    collection: str
    stix_id: str
    version: str


_NO_DIGEST: Final = bytes(32)


def lines(tx: Transaction) -> Generator[SealedLine, None, None]:
    """All sealed lines by number; close the iterator when it is left early."""
    statement = (
        select(ledger_lines.c.seq, ledger_lines.c.body, ledger_tree.c.salt)
        .outerjoin(
            ledger_tree,
            and_(ledger_tree.c.level == 0, ledger_tree.c.number == ledger_lines.c.seq - 1),
        )
        .where(ledger_lines.c.seq.is_not(None))
        .order_by(ledger_lines.c.seq)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            yield SealedLine(row[0], row[1], _bytes(row[2]))


def stored(tx: Transaction) -> Generator[StoredRow, None, None]:
    """All object versions that sealed lines stored, by those; close the iterator when it is left early."""
    statement = (
        select(
            ledger_lines.c.seq,
            identifiers.c.stix_id,
            objects.c.version,
            objects.c.origin,
            renditions.c.digest,
            objects.c.salt,
            objects.c.commitment,
        )
        .join(ledger_lines, ledger_lines.c.id == objects.c.ledger_line)
        .outerjoin(identifiers, identifiers.c.num == objects.c.ident)
        .outerjoin(renditions, renditions.c.id == objects.c.rendition)
        .where(ledger_lines.c.seq.is_not(None))
        .order_by(ledger_lines.c.seq, objects.c.id)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            yield StoredRow(
                row[0], row[1] or "", row[2], row[3], _bytes(row[4]) or _NO_DIGEST,
                _bytes(row[5]), _bytes(row[6]),
            )  # fmt: skip


def released(tx: Transaction) -> Generator[ReleasedRow, None, None]:
    """All log lines that sealed lines appended, by those; close the iterator when it is left early."""
    statement = (
        select(
            ledger_lines.c.seq,
            release_log.c.view,
            release_log.c.position,
            release_log.c.kind,
            release_log.c.object,
            release_log.c.policy,
            release_log.c.rule,
            renditions.c.digest,
            release_log.c.salt,
            release_log.c.commitment,
            audiences.c.name,
            func.coalesce(collections.c.alias, collections.c.uuid),
            identifiers.c.stix_id,
            objects.c.version,
        )
        .join(ledger_lines, ledger_lines.c.id == release_log.c.ledger_line)
        .join(views, views.c.id == release_log.c.view)
        .join(audiences, audiences.c.id == views.c.audience)
        .join(collections, collections.c.id == views.c.collection)
        .outerjoin(renditions, renditions.c.id == release_log.c.rendition)
        .outerjoin(objects, objects.c.id == release_log.c.object)
        .outerjoin(identifiers, identifiers.c.num == objects.c.ident)
        .where(ledger_lines.c.seq.is_not(None))
        .order_by(ledger_lines.c.seq, release_log.c.view, release_log.c.position)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            yield ReleasedRow(
                row[0], row[1], row[2], row[3], row[4], row[5], row[6],
                _bytes(row[7]) or _NO_DIGEST, _bytes(row[8]), _bytes(row[9]),
                row[10], row[11], row[12] or "", row[13] or "",
            )  # fmt: skip


def numbers_of(tx: Transaction, line_ids: Iterable[int]) -> dict[int, int]:
    """Id -> number of ledger lines that are sealed."""
    found: dict[int, int] = {}
    for part in parts(sorted(line_ids)):
        rows = tx.execute(
            select(ledger_lines.c.id, ledger_lines.c.seq).where(
                ledger_lines.c.id.in_(part), ledger_lines.c.seq.is_not(None)
            )
        )
        found.update((row[0], row[1]) for row in rows)
    return found


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
