"""Rows of the heads that partners showed us of their ledgers, of what did not fit, and of when we asked.

1. A head is kept once for its size and root, with the note that the partner signed: two of one size are the proof of a
   fork. Rows are never deleted; what changes is their standing.
2. Whoever judges heads of a partner holds the lock of its row, so that two judge one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import insert, select, update

from cert_exchange.messages.checkpoints import Checkpoint
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import (
    ledger_breaks,
    ledger_comparisons,
    partner_checkpoints,
    partners,
)


class Standing(StrEnum):
    """What we know of a head that a partner showed."""

    SEEN = "seen"
    """it came with a statement, and nobody has asked for its proof yet"""
    PROVED = "proved"
    """later heads go on from it, and it goes on from earlier ones"""
    BROKEN = "broken"
    REPLACED = "replaced"
    """a person settled a break: what was held before counts no more"""


STATEMENTS: Final = "statements"
"""How kinds of breaks begin that are not of a ledger, but of a stream of statements (`branches`)."""
COUNTING: Final = (Standing.SEEN.value, Standing.PROVED.value)


@dataclass(frozen=True, slots=True)
class HeadRow:
    """A head that a partner showed. `issued_at` by the partner's clock, micros."""

    id: int
    size: int
    root: bytes
    issued_at: int
    note: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class BreakRow:
    """A history that does not continue what was shown before. Instants are micros."""

    id: int
    partner: str
    kind: str
    held: str
    told: str
    found_at: int
    settled_at: int | None
    settled_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Tried:
    """When a partner was asked for its head last, and when that last went well. Micros."""

    partner: int
    name: str
    tried_at: int
    compared_at: int | None
    trouble: str


_HEADS: Final = select(
    partner_checkpoints.c.id,
    partner_checkpoints.c.size,
    partner_checkpoints.c.root,
    partner_checkpoints.c.issued_at,
    partner_checkpoints.c.note,
    partner_checkpoints.c.standing,
)


def lock(tx: Transaction, partner: int) -> None:
    """Judge this partner's heads alone until the transaction ends."""
    tx.execute(select(partners.c.id).where(partners.c.id == partner).with_for_update()).all()


def newest_proved(tx: Transaction, partner: int) -> HeadRow | None:
    """The greatest head that fits all that came before it."""
    row = tx.execute(
        _HEADS.where(
            partner_checkpoints.c.partner == partner,
            partner_checkpoints.c.standing == Standing.PROVED.value,
        )
        .order_by(partner_checkpoints.c.size.desc(), partner_checkpoints.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _head(tuple(row))


def seen(tx: Transaction, partner: int, *, limit: int) -> list[HeadRow]:
    """Heads that wait for their proof, the smallest first."""
    rows = tx.execute(
        _HEADS.where(
            partner_checkpoints.c.partner == partner,
            partner_checkpoints.c.standing == Standing.SEEN.value,
        )
        .order_by(partner_checkpoints.c.size, partner_checkpoints.c.id)
        .limit(limit)
    )
    return [_head(tuple(row)) for row in rows]


def of_size(tx: Transaction, partner: int, size: int) -> list[HeadRow]:
    """The heads of this size that count."""
    rows = tx.execute(
        _HEADS.where(
            partner_checkpoints.c.partner == partner,
            partner_checkpoints.c.standing.in_(COUNTING),
            partner_checkpoints.c.size == size,
        ).order_by(partner_checkpoints.c.id)
    )
    return [_head(tuple(row)) for row in rows]


def keep(
    tx: Transaction, partner: int, head: Checkpoint, note: str, *, now: int, standing: Standing
) -> bool:
    """Keep a head, or let one that is kept count as it is shown now. Returns whether that was news.

    What is proved needs no proof, and what is broken stays so until it is proved. A head that came with a statement was
    kept with that text; proved, it is kept with the note that was shown, for that is what its signer is shown again.
    """
    here = (
        partner_checkpoints.c.partner == partner,
        partner_checkpoints.c.size == head.size,
        partner_checkpoints.c.root == head.root,
    )
    known = tx.execute(
        select(
            partner_checkpoints.c.id, partner_checkpoints.c.standing, partner_checkpoints.c.note
        ).where(*here)
    ).one_or_none()
    if known is None:
        tx.execute(
            insert(partner_checkpoints).values(
                partner=partner, size=head.size, root=head.root, issued_at=head.at, note=note,
                received_at=now, standing=standing.value,
            )
        )  # fmt: skip
        return True
    if standing is Standing.PROVED and known.note != note:
        tx.execute(
            update(partner_checkpoints)
            .where(partner_checkpoints.c.id == known.id)
            .values(note=note)
        )
    again = standing is Standing.SEEN and known.standing == Standing.REPLACED
    if again or (standing is Standing.PROVED and known.standing != standing):
        stand(tx, [known.id], standing)
        return True
    return False


def stand(tx: Transaction, heads: Sequence[int], standing: Standing) -> None:
    """Change what is known of heads, by their ids."""
    tx.execute(
        update(partner_checkpoints)
        .where(partner_checkpoints.c.id.in_(heads))
        .values(standing=standing.value)
    )


def replace_all(tx: Transaction, partner: int) -> int:
    """Let no head of this partner count any more; returns how many did."""
    return tx.execute(
        update(partner_checkpoints)
        .where(
            partner_checkpoints.c.partner == partner,
            partner_checkpoints.c.standing.in_(COUNTING),
        )
        .values(standing=Standing.REPLACED.value)
    ).rowcount


def add_break(tx: Transaction, partner: int, kind: str, *, held: str, told: str, now: int) -> bool:
    """Keep a break with its evidence; False where the same one is kept, or one of its kind is still open."""
    c = ledger_breaks.c
    same = select(c.id).where(
        c.partner == partner,
        c.kind == kind,
        c.settled_at.is_(None) | ((c.held == held) & (c.told == told)),
    )
    if tx.execute(same).first() is not None:
        return False
    tx.execute(
        insert(ledger_breaks).values(partner=partner, kind=kind, held=held, told=told, found_at=now)
    )
    return True


def breaks(
    tx: Transaction, *, partner: int | None = None, only_open: bool = True
) -> list[BreakRow]:
    """What did not fit, the newest first."""
    c = ledger_breaks.c
    wanted = (
        select(
            c.id, partners.c.name, c.kind, c.held, c.told, c.found_at, c.settled_at, c.settled_by,
            c.reason,
        )
        .join(partners, partners.c.id == c.partner)
        .where(~c.kind.startswith(STATEMENTS))
        .order_by(c.found_at.desc(), c.id.desc())
    )  # fmt: skip
    if partner is not None:
        wanted = wanted.where(c.partner == partner)
    if only_open:
        wanted = wanted.where(c.settled_at.is_(None))
    return [BreakRow(*row) for row in tx.execute(wanted)]


def settle(tx: Transaction, partner: int, *, now: int, by: str, reason: str) -> int:
    """Close this partner's open breaks; returns how many."""
    return tx.execute(
        update(ledger_breaks)
        .where(
            ledger_breaks.c.partner == partner,
            ledger_breaks.c.settled_at.is_(None),
            ~ledger_breaks.c.kind.startswith(STATEMENTS),
        )
        .values(settled_at=now, settled_by=by, reason=reason)
    ).rowcount


def note_try(tx: Transaction, partner: int, *, now: int, trouble: str) -> None:
    """Remember that a partner was asked; `trouble` empty: it told what was asked."""
    values: dict[str, Any] = {"tried_at": now, "trouble": trouble}
    if not trouble:
        values["compared_at"] = now
    changed = tx.execute(
        update(ledger_comparisons).where(ledger_comparisons.c.partner == partner).values(**values)
    ).rowcount
    if not changed:
        tx.execute(insert(ledger_comparisons).values(partner=partner, **values))


def tries(tx: Transaction) -> list[Tried]:
    """When each partner was asked, by name; those that never were are missing."""
    c = ledger_comparisons.c
    rows = tx.execute(
        select(c.partner, partners.c.name, c.tried_at, c.compared_at, c.trouble)
        .join(partners, partners.c.id == c.partner)
        .order_by(partners.c.name)
    )
    return [Tried(*row) for row in rows]


def _head(row: tuple[Any, ...]) -> HeadRow:
    return HeadRow(row[0], row[1], bytes(row[2]), row[3], row[4], Standing(row[5]))
