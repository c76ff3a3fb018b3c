"""Partners that left an audience for another one, and what of its old logs they fetched.

Reading only. What is in force in a log that nobody reads any more is what its members last saw of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from cert_exchange.store.database import Transaction
from cert_exchange.store.notices import Debt
from cert_exchange.store.tables import audience_members, identifiers, live, partners


@dataclass(frozen=True, slots=True)
class Mover:
    """A partner that was of `audience` and is of `now` since `came_at` (micros)."""

    partner: int
    name: str
    audience: int
    came_at: int
    now: int


def movers(tx: Transaction) -> list[Mover]:
    """Who is of an audience and was of another one before, the oldest move first."""
    present = audience_members.alias("present")
    rows = tx.execute(
        select(
            partners.c.id,
            partners.c.name,
            audience_members.c.audience,
            present.c.since,
            present.c.audience,
        )
        .join(partners, partners.c.id == audience_members.c.partner)
        .join(present, present.c.partner == audience_members.c.partner)
        .where(
            present.c.until.is_(None),
            audience_members.c.until.is_not(None),
        )
        .order_by(present.c.since, partners.c.id, audience_members.c.audience)
    )
    return [Mover(*row) for row in rows]


def fetched(
    tx: Transaction,
    view: int,
    *,
    after: int,
    mark: int,
    collection: int,
    audience: int,
    reason: str,
    limit: int,
) -> list[Debt]:
    """What is in force in an old view at a position in (after, mark], each as a debt to who read it; carried ones not."""
    rows = tx.execute(
        select(live.c.position, live.c.ident, identifiers.c.stix_id)
        .join(identifiers, identifiers.c.num == live.c.ident)
        .where(
            live.c.view == view,
            live.c.position > after,
            live.c.position <= mark,
            live.c.carried == 0,
        )
        .order_by(live.c.position)
        .limit(limit)
    )
    return [
        Debt(view, position, position, reason, audience, collection, ident, stix_id)
        for position, ident, stix_id in rows
    ]
