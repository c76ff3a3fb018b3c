"""Rows of freezes: while one stands, nothing goes out to an audience.

1. A freeze of audience 0 (EVERYONE) is of all audiences, also of those that are made later.
2. Who was in the audience when it was frozen stays frozen wherever policy moves it, until the freeze is lifted.
3. At most one freeze of an audience stands; freezing it again changes nothing. Rows are kept when they are lifted.
4. Where sending to a partner is suspended, all that asks whether something is frozen is told so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, ColumnElement, exists, insert, or_, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import audience_members, audiences, freezes, partners, views

EVERYONE: Final = 0
"""The audience of a freeze of all."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze that stands. `audience` is None where it is of everyone; instants are micros."""

    audience: str | None
    frozen_at: int
    frozen_by: str
    reason: str


def is_frozen(partner: Column[int]) -> ColumnElement[bool]:
    """A condition for other statements: whether anything that goes to this partner is frozen, or sending to it suspended."""
    suspended = partners.alias("suspended_partners")
    sending = exists().where(
        suspended.c.id == partner, suspended.c.sending_suspended_at.is_not(None)
    )
    return or_(_freeze_of(partner), sending)


def _freeze_of(partner: Column[int]) -> ColumnElement[bool]:
    within = audience_members.alias("frozen_members")
    left_since = or_(within.c.until.is_(None), within.c.until >= freezes.c.frozen_at)
    return exists().where(
        freezes.c.lifted_at.is_(None),
        or_(
            freezes.c.audience == EVERYONE,
            freezes.c.audience.in_(
                select(within.c.audience)
                .where(within.c.partner == partner, left_since)
                .correlate(freezes, partner.table)
            ),
        ),
    )


def frozen(tx: Transaction, partner: int) -> bool:
    """Whether anything that goes to this partner is frozen now, or sending to it suspended."""
    return bool(
        tx.execute(select(partners.c.id).where(partners.c.id == partner, is_frozen(partners.c.id)))
        .scalars()
        .first()
    )


def frozen_readers(tx: Transaction, view: int) -> list[str]:
    """The partners that read a view now and to whom nothing goes out: what goes to them is frozen, or suspended."""
    rows = tx.execute(
        select(partners.c.name)
        .join(audience_members, audience_members.c.partner == partners.c.id)
        .join(views, views.c.audience == audience_members.c.audience)
        .where(views.c.id == view, audience_members.c.until.is_(None), is_frozen(partners.c.id))
        .order_by(partners.c.name)
    )
    return list(rows.scalars())


def freeze_stands(tx: Transaction, partner: int) -> bool:
    """Whether a freeze keeps what goes to this partner, apart from any suspension."""
    wanted = select(partners.c.id).where(partners.c.id == partner, _freeze_of(partners.c.id))
    return tx.execute(wanted).first() is not None


def audiences_named(tx: Transaction, name: str) -> dict[int, str]:
    """Audience number -> name, of every audience that bears the name, is of that policy, or has that partner now."""
    member = (
        select(audience_members.c.audience)
        .join(partners, partners.c.id == audience_members.c.partner)
        .where(partners.c.name == name, audience_members.c.until.is_(None))
    )
    rows = tx.execute(
        select(audiences.c.id, audiences.c.name)
        .where(
            or_(audiences.c.name == name, audiences.c.policy == name, audiences.c.id.in_(member))
        )
        .order_by(audiences.c.id)
    )
    return {row[0]: row[1] for row in rows}


def audience_names(tx: Transaction) -> list[str]:
    """The names of all audiences, for a message."""
    return list(tx.execute(select(audiences.c.name).order_by(audiences.c.name)).scalars())


def freeze(tx: Transaction, wanted: Collection[int], *, at: int, by: str, reason: str) -> list[int]:
    """Freeze these audiences (or EVERYONE); those that were not frozen before."""
    # Two that freeze at once wait here for each other; who only refers to an audience does not.
    tx.execute(select(audiences.c.id).order_by(audiences.c.id).with_for_update(key_share=True))
    standing = set(
        tx.execute(
            select(freezes.c.audience)
            .where(freezes.c.lifted_at.is_(None), freezes.c.audience.in_(wanted))
            .with_for_update()
        ).scalars()
    )
    fresh = sorted(set(wanted) - standing)
    if fresh:
        tx.execute(
            insert(freezes),
            [
                {"audience": number, "frozen_at": at, "frozen_by": by, "reason": reason}
                for number in fresh
            ],
        )
    return fresh


def lift(tx: Transaction, wanted: Collection[int], *, at: int, by: str) -> list[int]:
    """Lift the freezes of these audiences (or of EVERYONE); those that stood."""
    where = (freezes.c.lifted_at.is_(None), freezes.c.audience.in_(wanted))
    found = sorted(tx.execute(select(freezes.c.audience).where(*where).with_for_update()).scalars())
    if found:
        tx.execute(update(freezes).where(*where).values(lifted_at=at, lifted_by=by))
    return found


def standing(tx: Transaction) -> list[Freeze]:
    """The freezes that stand, the oldest first."""
    rows = tx.execute(
        select(audiences.c.name, freezes.c.frozen_at, freezes.c.frozen_by, freezes.c.reason)
        .select_from(freezes)
        .outerjoin(audiences, audiences.c.id == freezes.c.audience)
        .where(freezes.c.lifted_at.is_(None))
        .order_by(freezes.c.frozen_at, freezes.c.id)
    )
    return [Freeze(*row) for row in rows]
