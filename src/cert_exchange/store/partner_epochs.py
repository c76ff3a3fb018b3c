"""What is known of restores between two nodes, and what one of them received from the other.

1. A partner's epoch only rises. When it does, our targets to it go back to where it may have lost something; a run that
   is under way finds its place moved, and stores nothing.
2. What a partner sent is given back to nobody but itself, and where it may read it (`handed_in`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, insert, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.handed_in import Sight, seen_with
from cert_exchange.store.statements import Kept, among
from cert_exchange.store.tables import (
    ObjectStatus,
    identifiers,
    objects,
    partner_epochs,
    partners,
    renditions,
    targets,
)


@dataclass(frozen=True, slots=True)
class PartnerEpoch:
    """What stands about one partner. Epochs count from 1, 0: unknown; instants are micros."""

    theirs: int = 0
    kept_until: int | None = None
    heard_at: int | None = None
    told: int = 0
    told_at: int | None = None
    asked: int = 0
    asked_at: int | None = None
    brought: int = 0
    met_at: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A version that a partner sent us."""

    stix_id: str
    version: str
    body: str


_COLUMNS: Final = (
    partner_epochs.c.theirs, partner_epochs.c.kept_until, partner_epochs.c.heard_at,
    partner_epochs.c.told, partner_epochs.c.told_at, partner_epochs.c.asked,
    partner_epochs.c.asked_at, partner_epochs.c.brought, partner_epochs.c.met_at,
)  # fmt: skip
_HELD: Final = Kept(
    select(identifiers.c.stix_id, objects.c.version)
    .join(objects, objects.c.ident == identifiers.c.num)
    .where(among(identifiers.c.stix_id, "ids"), objects.c.status == ObjectStatus.ACCEPTED.value),
    "ids",
)


def of_partner(tx: Transaction, partner: int) -> PartnerEpoch:
    """What stands about a partner; nothing is known where nothing stands."""
    row = tx.execute(select(*_COLUMNS).where(partner_epochs.c.partner == partner)).first()
    return PartnerEpoch() if row is None else PartnerEpoch(*row)


def every(tx: Transaction) -> list[tuple[str, PartnerEpoch]]:
    """What stands about each partner of which something does, by name."""
    rows = tx.execute(
        select(partners.c.name, *_COLUMNS)
        .join(partners, partners.c.id == partner_epochs.c.partner)
        .order_by(partners.c.name)
    )
    return [(row[0], PartnerEpoch(*tuple(row)[1:])) for row in rows]


def put(tx: Transaction, partner: int, **values: Any) -> None:
    """Change what stands about a partner."""
    where = partner_epochs.c.partner == partner
    if not tx.execute(update(partner_epochs).where(where).values(**values)).rowcount:
        fresh = {"theirs": 0, "told": 0, "asked": 0, "brought": 0} | values
        tx.execute(insert(partner_epochs).values(partner=partner, **fresh))


def go_back(tx: Transaction, partner: int, to: int) -> int:
    """Let our targets to a partner begin again after an instant (micros); returns how many were further."""
    where = (targets.c.partner == partner, targets.c.cursor > to)
    changed = tx.execute(
        update(targets).where(*where).values(cursor=to, pending=None, attempts=0, next_attempt_at=0)
    ).rowcount
    return int(changed)


def added_at(tx: Transaction, partner: int) -> int:
    """When a partner was added here, micros."""
    return int(tx.execute(select(partners.c.added_at).where(partners.c.id == partner)).scalar_one())


def sent_since(tx: Transaction, sight: Sight, since: int, *, skip: int, limit: int) -> list[Sent]:
    """What a partner sent that we stored after an instant and count, in the order that it came, after the first `skip`.

    As much as it may be shown (`sight`).
    """
    rows = tx.execute(
        select(identifiers.c.stix_id, objects.c.version, renditions.c.body)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(renditions, renditions.c.id == objects.c.rendition)
        .where(
            _sent_by(sight.partner),
            seen_with(sight),
            objects.c.stored_at > since,
            objects.c.status == ObjectStatus.ACCEPTED.value,
        )
        .order_by(objects.c.id)
        .offset(skip)
        .limit(limit)
    )
    return [Sent(*row) for row in rows]


def _sent_by(partner: int) -> ColumnElement[bool]:
    return objects.c.origin == partner


def held(tx: Transaction, stix_ids: Iterable[str]) -> set[tuple[str, str]]:
    """(id, version) of all accepted versions of these ids, whoever sent them."""
    return {(row[0], row[1]) for row in _HELD.among(tx, "ids", sorted(set(stix_ids)))}
