"""What `doctor` compares: who may read what, what policies share, what partners' clients do oddly.

Reading only, in the caller's transaction. Collections go by alias (else UUID), instants are micros since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from cert_exchange.store import proposals as proposal_rows
from cert_exchange.store.doubts import DoubtState
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    audience_members,
    collection_rights,
    collections,
    doubts,
    objects,
    partners,
    poll_notes,
    quarantine,
    views,
)

_KNOWN_AS = func.coalesce(collections.c.alias, collections.c.uuid)


@dataclass(frozen=True, slots=True)
class Right:
    """What a collection's file lets a partner do."""

    partner: str
    collection: str
    may_read: bool
    may_write: bool


@dataclass(frozen=True, slots=True)
class Noted:
    """What a partner's client sends that we ignore, since when."""

    partner: str
    note: str
    first_at: int


@dataclass(frozen=True, slots=True)
class Dispute:
    """How many objects of ours a partner disagrees with that no person has looked at, and since when the oldest waits."""

    partner: str
    objects: int
    since: int


def disputes(tx: Connection) -> list[Dispute]:
    """What waits for a review, by partner."""
    rows = tx.execute(
        select(
            partners.c.name,
            func.count(func.distinct(doubts.c.ident)),
            func.min(doubts.c.raised_at),
        )
        .join(partners, partners.c.id == doubts.c.partner)
        .where(doubts.c.state == DoubtState.OPEN.value)
        .group_by(partners.c.name)
        .order_by(partners.c.name)
    )
    return [Dispute(*row) for row in rows]


def rights(tx: Connection) -> list[Right]:
    """List the rights in collections that are in use."""
    rows = tx.execute(
        select(
            partners.c.name, _KNOWN_AS, collection_rights.c.may_read, collection_rights.c.may_write
        )
        .join(collections, collections.c.id == collection_rights.c.collection)
        .join(partners, partners.c.id == collection_rights.c.partner)
        .where(collections.c.retired_at.is_(None))
        .order_by(partners.c.name, collections.c.id)
    )
    return [Right(*row) for row in rows]


def shared(tx: Connection) -> set[tuple[str, str]]:
    """Name the pairs (partner, collection) for which a policy keeps a view open."""
    rows = tx.execute(
        select(partners.c.name, _KNOWN_AS)
        .select_from(views)
        .join(collections, collections.c.id == views.c.collection)
        .join(audience_members, audience_members.c.audience == views.c.audience)
        .join(partners, partners.c.id == audience_members.c.partner)
        .where(audience_members.c.until.is_(None))
    )
    return {(row[0], row[1]) for row in rows}


def noted(tx: Connection) -> list[Noted]:
    """List what partners' clients do oddly."""
    rows = tx.execute(
        select(partners.c.name, poll_notes.c.note, poll_notes.c.first_at)
        .join(partners, partners.c.id == poll_notes.c.partner)
        .order_by(partners.c.name, poll_notes.c.first_at)
    )
    return [Noted(*row) for row in rows]


def refused_since(tx: Connection, at: int) -> dict[tuple[str, str], int]:
    """Count what was refused since an instant, by partner and kind."""
    rows = tx.execute(
        select(partners.c.name, quarantine.c.kind, func.count())
        .join(partners, partners.c.id == quarantine.c.origin)
        .where(quarantine.c.at >= at)
        .group_by(partners.c.name, quarantine.c.kind)
        .order_by(partners.c.name, quarantine.c.kind)
    )
    return {(row[0], row[1]): row[2] for row in rows}


def proposals(tx: Connection) -> dict[str, int]:
    """Count the proposals that wait for a person, by the partner that sent them."""
    rows = tx.execute(
        select(partners.c.name, func.count())
        .join(objects, objects.c.origin == partners.c.id)
        .where(
            objects.c.status == ObjectStatus.PROPOSAL.value,
            objects.c.origin != OWN,
            *proposal_rows.WAITING,
        )
        .group_by(partners.c.name)
        .order_by(partners.c.name)
    )
    return {row[0]: row[1] for row in rows}
