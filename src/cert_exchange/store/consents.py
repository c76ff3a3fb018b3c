"""Rows of consents: who allowed what to whom until when. They are never deleted; an end is written beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, union, update

from cert_exchange.store.database import Transaction, reserve_ids
from cert_exchange.store.tables import (
    consents,
    derivatives,
    identifiers,
    live,
    objects,
    partners,
)


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """One consent. Instants in micros; `ident` and `stix_id` None: all that came from the partner."""

    id: int
    partner: int
    name: str
    ident: int | None
    stix_id: str | None
    recipient: str
    until: int
    said_by: str
    note: str | None
    given_at: int
    given_by: str
    ended_at: int | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Granted:
    """A consent that a partner's answer granted."""

    consent: int
    granted_by: int
    stix_id: str | None
    recipient: str
    open: bool


_ROWS = (
    select(
        consents.c.id,
        consents.c.partner,
        partners.c.name,
        consents.c.ident,
        identifiers.c.stix_id,
        consents.c.recipient,
        consents.c.until,
        consents.c.said_by,
        consents.c.note,
        consents.c.given_at,
        consents.c.given_by,
        consents.c.ended_at,
        consents.c.ended_by,
    )
    .join(partners, partners.c.id == consents.c.partner)
    .outerjoin(identifiers, identifiers.c.num == consents.c.ident)
    .order_by(consents.c.id)
)


def _consent(row: Sequence[Any]) -> ConsentRow:
    return ConsentRow(*row)


def record(
    tx: Transaction,
    *,
    partner: int,
    ident: int | None,
    recipient: str,
    until: int,
    said_by: str,
    note: str | None,
    at: int,
    by: str,
    granted_by: int | None = None,
) -> int:
    """Write a consent down; its number. `granted_by`: objects.id of the partner's answer to a request of ours."""
    number = reserve_ids(tx, consents, 1)[0]
    tx.execute(
        insert(consents).values(
            id=number, partner=partner, ident=ident, recipient=recipient, until=until,
            said_by=said_by, note=note, given_at=at, given_by=by,
            granted_by=granted_by,
        )
    )  # fmt: skip
    return number


def find(tx: Transaction, number: int) -> ConsentRow | None:
    """The consent of this number."""
    row = tx.execute(_ROWS.where(consents.c.id == number)).one_or_none()
    return None if row is None else _consent(row)


def listing(tx: Transaction, *, partner: str | None = None, open_only: bool) -> list[ConsentRow]:
    """Consents by number; `open_only`: those whose end was not written yet."""
    wanted = _ROWS
    if partner is not None:
        wanted = wanted.where(partners.c.name == partner)
    if open_only:
        wanted = wanted.where(consents.c.ended_at.is_(None))
    return [_consent(row) for row in tx.execute(wanted)]


def of_object(tx: Transaction, ident: int) -> list[ConsentRow]:
    """Consents about this id or about all of a partner that sent it, by number."""
    senders = select(objects.c.origin).where(objects.c.ident == ident)
    about = (consents.c.ident == ident) | (
        consents.c.ident.is_(None) & consents.c.partner.in_(senders)
    )
    return [_consent(row) for row in tx.execute(_ROWS.where(about))]


def due(tx: Transaction, *, now: int, limit: int) -> list[ConsentRow]:
    """Consents whose time is over and whose end was not written yet."""
    rows = tx.execute(
        _ROWS.where(consents.c.ended_at.is_(None), consents.c.until <= now).limit(limit)
    )
    return [_consent(row) for row in rows]


def end(tx: Transaction, number: int, *, at: int, by: str) -> None:
    """A consent is over. The caller reconsiders what it was about."""
    tx.execute(update(consents).where(consents.c.id == number).values(ended_at=at, ended_by=by))


def live_idents_of(tx: Transaction, partner: int, *, stored_before: int | None = None) -> list[int]:
    """The ids of which something that a partner brought is in force in any view, whole or derived; by number."""
    whole = select(live.c.ident).where(live.c.origin == partner)
    derived = (
        select(derivatives.c.original)
        .join(live, live.c.object == derivatives.c.object)
        .join(objects, objects.c.id == derivatives.c.source)
        .where(objects.c.origin == partner)
    )
    if stored_before is not None:
        old = objects.c.stored_at <= stored_before
        whole = whole.join(objects, objects.c.id == live.c.object).where(old)
        derived = derived.where(old)
    return sorted({row[0] for row in tx.execute(union(whole, derived))})


def idents_of(tx: Transaction, partner: int, *, after: int, limit: int) -> list[int]:
    """The next ids of which a partner brought a version, in number order."""
    return list(
        tx.execute(
            select(objects.c.ident)
            .where(objects.c.origin == partner, objects.c.ident > after)
            .distinct()
            .order_by(objects.c.ident)
            .limit(limit)
        ).scalars()
    )


def count_stored(tx: Transaction, partner: int, *, stored_before: int) -> int:
    """How many versions that a partner brought were stored by then."""
    return int(
        tx.execute(
            select(func.count()).where(
                objects.c.origin == partner,
                objects.c.stored_at <= stored_before,
                objects.c.salt.is_not(None),  # what was erased has none
            )
        ).scalar_one()
    )


def granted(tx: Transaction) -> list[Granted]:
    """The consents that answers to requests granted, those that are over included, by number."""
    rows = tx.execute(
        select(
            consents.c.id, consents.c.granted_by, identifiers.c.stix_id, consents.c.recipient,
            consents.c.ended_at.is_(None),
        )
        .outerjoin(identifiers, identifiers.c.num == consents.c.ident)
        .where(consents.c.granted_by.is_not(None))
        .order_by(consents.c.id)
    )  # fmt: skip
    return [Granted(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]


def is_granted(tx: Transaction, granted_by: int, ident: int | None, recipient: str) -> bool:
    """Whether this answer granted such a consent already, whatever became of it."""
    found = tx.execute(
        select(consents.c.id).where(
            consents.c.granted_by == granted_by,
            consents.c.ident == ident,
            consents.c.recipient == recipient,
        )
    ).first()
    return found is not None
