"""What partners' clients send that means nothing to us, so that `doctor` can show it (taxii21.md 37)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, insert, select

from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import poll_notes

MOST: Final = 50
"""Notes per partner: who sends ever new nonsense fills no disk."""
LONGEST: Final = 200


def add(tx: Transaction, partner: int, note: str, *, at: int) -> None:
    """Write a note (cut to LONGEST characters) unless it stands already, or there are MOST."""
    note = note[:LONGEST]
    mine = poll_notes.c.partner == partner
    count = select(func.count()).select_from(poll_notes).where(mine)
    known = select(poll_notes.c.first_at).where(mine, poll_notes.c.note == note)
    if tx.execute(known).first() is None and tx.execute(count).scalar_one() < MOST:
        tx.execute(insert(poll_notes).values(partner=partner, note=note, first_at=at))
