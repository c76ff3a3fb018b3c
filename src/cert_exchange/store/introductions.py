"""Rows of channels that are being set up, of contact cards, and the stage of a partner.

1. What was agreed is added to a row; only a new offer of ours begins it anew.
2. A partner in stage `test` is confined to one collection (`open_in_stage`), in every statement that says what it may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.facts import fact, put_fact
from cert_exchange.store.tables import (
    collections,
    contact_cards,
    introductions,
    node_facts,
    partners,
)

Stage = Literal["test", "live"]
TEST_COLLECTION: Final = "test_collection"
"""The fact that holds the UUID of the TEST collection."""
OWN_CARD: Final = "contact_card"


@dataclass(frozen=True, slots=True)
class Introduction:
    """How far the set-up of a channel has come. Instants are micros."""

    name: str
    offer: str
    offered_at: int
    theirs: str | None
    accepted_at: int | None
    accepted_by: str | None
    answer: str | None
    opened_at: int | None
    checked_at: int | None
    wrong: int | None
    promoted_at: int | None


@dataclass(frozen=True, slots=True)
class HeldCard:
    """A partner's card. Instants are micros."""

    partner: str
    card: str
    received_at: int
    confirmed_at: int
    confirmed_by: str
    compared_at: int
    compared_by: str


def find(tx: Transaction, name: str) -> Introduction | None:
    """The set-up of the channel to a partner of this name."""
    row = tx.execute(select(introductions).where(introductions.c.name == name)).one_or_none()
    return None if row is None else Introduction(*row)


def every(tx: Transaction) -> list[Introduction]:
    """All of them, by name."""
    return [Introduction(*row) for row in tx.execute(select(introductions).order_by("name"))]


def begin(tx: Transaction, name: str, offer: str, *, at: int) -> None:
    """A new offer of ours; what was agreed before about this channel begins anew."""
    tx.execute(delete(introductions).where(introductions.c.name == name))
    tx.execute(insert(introductions).values(name=name, offer=offer, offered_at=at))


def note(tx: Transaction, name: str, **values: Any) -> None:
    """Add to a row what was agreed or found out."""
    tx.execute(update(introductions).where(introductions.c.name == name).values(**values))


def stages(tx: Transaction) -> Mapping[str, Stage]:
    """Partner's name -> its stage."""
    return {row[0]: row[1] for row in tx.execute(select(partners.c.name, partners.c.stage))}


def set_stage(tx: Transaction, partner: int, stage: Stage) -> None:
    """From the next statement on, in every process."""
    tx.execute(update(partners).where(partners.c.id == partner).values(stage=stage))


def open_in_stage(collection_uuid: Any) -> ColumnElement[bool]:
    """Whether the stage of a joined partner lets it have this collection (rule 2)."""
    test = select(node_facts.c.value).where(node_facts.c.name == TEST_COLLECTION)
    return or_(partners.c.stage == "live", collection_uuid == test.scalar_subquery())


def is_confined(tx: Transaction, partner: int, collection: int) -> bool:
    """Whether the stage of a partner keeps this collection from it."""
    fits = select(partners.c.id).join(
        collections, and_(collections.c.id == collection, open_in_stage(collections.c.uuid))
    )
    return tx.execute(fits.where(partners.c.id == partner)).first() is None


def test_collection(tx: Transaction) -> str | None:
    """The UUID of the TEST collection, None where there is none yet."""
    return fact(tx, TEST_COLLECTION)


def set_test_collection(tx: Transaction, uuid: str) -> None:
    """Say which collection is the one for tests."""
    put_fact(tx, TEST_COLLECTION, uuid)


def own_card(tx: Transaction) -> str | None:
    """Our own card as it was written."""
    return fact(tx, OWN_CARD)


def put_own_card(tx: Transaction, card: str) -> None:
    """Write our own card."""
    put_fact(tx, OWN_CARD, card)


def put_card(tx: Transaction, partner: int, card: str, *, at: int, by: str) -> None:
    """Write a partner's card, whose words a person compared just now."""
    tx.execute(delete(contact_cards).where(contact_cards.c.partner == partner))
    values = {
        "card": card, "received_at": at, "confirmed_at": at, "confirmed_by": by,
        "compared_at": at, "compared_by": by,
    }  # fmt: skip
    tx.execute(insert(contact_cards).values(partner=partner, **values))


def update_card(tx: Transaction, partner: int, **values: Any) -> None:
    """Change what is known of a partner's card."""
    tx.execute(update(contact_cards).where(contact_cards.c.partner == partner).values(**values))


def cards(tx: Transaction) -> dict[str, HeldCard]:
    """Partner's name -> its card."""
    c = contact_cards.c
    rows = tx.execute(
        select(
            partners.c.name, c.card, c.received_at, c.confirmed_at, c.confirmed_by, c.compared_at,
            c.compared_by,
        )
        .join(partners, partners.c.id == c.partner)
        .order_by(partners.c.name)
    )  # fmt: skip
    return {row[0]: HeldCard(*row) for row in rows}
