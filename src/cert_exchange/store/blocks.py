"""What our desk keeps back by its own order: an id from everyone (`identifiers.blocked_at`), or from one audience.

1. An order stands until it is lifted (`free`): publishing the object again, or a newer version of it, does not undo it.
2. Both kinds are asked in one statement: it runs in every write transaction that touches known ids.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import delete, literal, select, union_all

from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Asked, Kept, among
from cert_exchange.store.tables import audience_blocks, audiences, identifiers

EVERYONE: Final = 0
"""In rows of `ask_blocked`: kept from every audience."""

_BLOCKED: Final = Kept(
    union_all(
        select(identifiers.c.num, literal(EVERYONE)).where(
            among(identifiers.c.num, "idents"), identifiers.c.blocked_at.is_not(None)
        ),
        select(audience_blocks.c.ident, audience_blocks.c.audience).where(
            among(audience_blocks.c.ident, "idents")
        ),
    ),
    "idents",
)


def ask_blocked(tx: Transaction, idents: Collection[int]) -> Asked:
    """Which of these ids the desk keeps from whom: rows of (number, audience or EVERYONE)."""
    return _BLOCKED.ask_among(tx, "idents", idents)


def block(
    tx: Transaction, ident: int, audiences_: Collection[int], *, at: int, by: str, reason: str
) -> list[int]:
    """Keep an id from these audiences; those from which it was not kept before."""
    c = audience_blocks.c
    there = set(
        tx.execute(select(c.audience).where(c.ident == ident, c.audience.in_(audiences_))).scalars()
    )
    fresh = sorted(set(audiences_) - there)
    insert_rows(
        tx,
        (c.ident, c.audience, c.blocked_at, c.blocked_by, c.reason),
        [(ident, audience, at, by, reason) for audience in fresh],
    )
    return fresh


def since(tx: Transaction, ident: int, audience: int) -> int | None:
    """Since when (micros) our desk keeps an id from everyone, else from this audience; None: it does not."""
    c = audience_blocks.c
    everyone = select(identifiers.c.blocked_at).where(identifiers.c.num == ident)
    alone = select(c.blocked_at).where(c.ident == ident, c.audience == audience)
    found: int | None = tx.execute(everyone).scalar()
    return found if found is not None else tx.execute(alone).scalar()


def unblock(tx: Transaction, ident: int) -> int:
    """Keep an id from nobody in particular any more; from how many it was kept."""
    return tx.execute(delete(audience_blocks).where(audience_blocks.c.ident == ident)).rowcount


def names_of(tx: Transaction, audiences_: Collection[int]) -> list[str]:
    """The names of audiences, sorted."""
    rows = tx.execute(select(audiences.c.name).where(audiences.c.id.in_(audiences_)))
    return sorted(rows.scalars())


def kept_from(tx: Transaction, ident: int) -> list[str]:
    """The names of the audiences from which the desk keeps an id."""
    rows = tx.execute(
        select(audiences.c.name)
        .join(audience_blocks, audience_blocks.c.audience == audiences.c.id)
        .where(audience_blocks.c.ident == ident)
        .order_by(audiences.c.name)
    )
    return list(rows.scalars())
