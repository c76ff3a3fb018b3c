"""Legal holds: what nobody erases while they stand.

1. A hold is about one id, about all that came from a partner, or about one partner's copies of one id.
2. Nothing here decides what is in use; a hold keeps bytes, not views.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, insert, or_, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import identifiers, legal_holds, partners


@dataclass(frozen=True, slots=True)
class LegalHold:
    """One hold. Instants in micros."""

    id: int
    ident: int | None
    origin: int | None
    stix_id: str | None
    """None: all that came from the partner"""
    partner: str | None
    """None: everybody's copies"""
    reason: str
    placed_at: int
    placed_by: str
    lifted_at: int | None
    lifted_by: str | None

    def covers(self, ident: int, origin: int) -> bool:
        """Whether it stands over a version of this id from this origin."""
        return self.ident in (None, ident) and self.origin in (None, origin)


_ROWS: Final[Select[Any]] = (
    select(
        legal_holds.c.id, legal_holds.c.ident, legal_holds.c.partner, identifiers.c.stix_id,
        partners.c.name, legal_holds.c.reason, legal_holds.c.placed_at, legal_holds.c.placed_by,
        legal_holds.c.lifted_at, legal_holds.c.lifted_by,
    )
    .outerjoin(identifiers, identifiers.c.num == legal_holds.c.ident)
    .outerjoin(partners, partners.c.id == legal_holds.c.partner)
    .order_by(legal_holds.c.id)
)  # fmt: skip


def place(
    tx: Transaction,
    *,
    ident: int | None,
    partner: int | None,
    reason: str,
    at: int,
    by: str,
) -> int:
    """Place a hold; its number."""
    return int(
        tx.execute(
            insert(legal_holds)
            .values(ident=ident, partner=partner, reason=reason, placed_at=at, placed_by=by)
            .returning(legal_holds.c.id)
        ).scalar_one()
    )


def lift(tx: Transaction, number: int, *, at: int, by: str) -> bool:
    """Lift a hold that stands; whether it stood."""
    done = tx.execute(
        update(legal_holds)
        .where(legal_holds.c.id == number, legal_holds.c.lifted_at.is_(None))
        .values(lifted_at=at, lifted_by=by)
    )
    return bool(done.rowcount)


def listing(tx: Transaction, *, standing_only: bool) -> list[LegalHold]:
    """All holds, the oldest first."""
    wanted = _ROWS.where(legal_holds.c.lifted_at.is_(None)) if standing_only else _ROWS
    return [LegalHold(*row) for row in tx.execute(wanted)]


def standing_over(tx: Transaction, idents: Collection[int]) -> list[LegalHold]:
    """The holds that stand over something of these ids, or over a whole partner."""
    found: dict[int, LegalHold] = {}
    for part in parts(sorted(idents)):
        rows = tx.execute(
            _ROWS.where(
                legal_holds.c.lifted_at.is_(None),
                or_(legal_holds.c.ident.is_(None), legal_holds.c.ident.in_(part)),
            )
        )
        found.update((row[0], LegalHold(*row)) for row in rows)
    return list(found.values())
