"""Rows of audiences and their members.

1. A partner is a member of one audience at a time; who moves keeps the row of when it left.
2. An audience is made once and never deleted: its logs are evidence.
"""

from __future__ import annotations

from sqlalchemy import insert, select, update

from cert_exchange.store.database import Transaction, reserve_ids
from cert_exchange.store.tables import audience_members, audiences


def make_audience(tx: Transaction, name: str, *, policy: str, at: int) -> int:
    """A new, empty audience; returns its id. `name` is not in use."""
    number = reserve_ids(tx, audiences, 1)[0]
    tx.execute(insert(audiences).values(id=number, name=name, policy=policy, made_at=at))
    return number


def audience_of(tx: Transaction, partner: int) -> int | None:
    """The audience that the partner is a member of now."""
    return tx.execute(
        select(audience_members.c.audience).where(
            audience_members.c.partner == partner, audience_members.c.until.is_(None)
        )
    ).scalar()


def members_of(tx: Transaction, audience: int) -> list[int]:
    """The partners who are members now, by id."""
    rows = tx.execute(
        select(audience_members.c.partner)
        .where(audience_members.c.audience == audience, audience_members.c.until.is_(None))
        .order_by(audience_members.c.partner)
    )
    return [row[0] for row in rows]


def move_member(tx: Transaction, partner: int, audience: int | None, *, at: int) -> None:
    """End the partner's membership, and begin one in `audience` if given. Nobody returns to one that it left."""
    tx.execute(
        update(audience_members)
        .where(audience_members.c.partner == partner, audience_members.c.until.is_(None))
        .values(until=at)
    )
    if audience is not None:
        tx.execute(insert(audience_members).values(audience=audience, partner=partner, since=at))


def number_of(tx: Transaction, name: str) -> int | None:
    """The number of the audience of this name."""
    return tx.execute(select(audiences.c.id).where(audiences.c.name == name)).scalar()
