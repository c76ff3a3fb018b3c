"""Rows of partners: who they are, whom they speak for, whom they may relay.

1. A name is given once and never used again: ledger lines and policies refer to it.
2. A STIX identity is spoken for by one partner at most (invariant 4); the service checks it under the same lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, text, update

from cert_exchange.store.database import Transaction, reserve_ids
from cert_exchange.store.statements import Asked, Kept
from cert_exchange.store.tables import audience_members, partner_identities, partners


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """A partner, without its credentials."""

    id: int
    name: str
    title: str
    contact: str | None
    suspended_at: int | None
    relays_any: bool
    empty_objects_list: bool
    requests_per_minute: int
    added_at: int
    country: str | None
    sending_suspended_at: int | None
    receiving_suspended_at: int | None


@dataclass(frozen=True, slots=True)
class Authority:
    """For which creators a partner may bring objects (DECISIONS 27)."""

    partner: int
    name: str
    speaks_for: frozenset[str]
    relays: frozenset[str]
    relays_any: bool
    receiving_suspended: bool = False
    """nothing is taken from it"""
    gate: str | None = None
    """JSON; None: it has none"""


_COLUMNS = (
    partners.c.id,
    partners.c.name,
    partners.c.title,
    partners.c.contact,
    partners.c.suspended_at,
    partners.c.relays_any,
    partners.c.empty_objects_list,
    partners.c.requests_per_minute,
    partners.c.added_at,
    partners.c.country,
    partners.c.sending_suspended_at,
    partners.c.receiving_suspended_at,
)

_RELAYS_ANY: Final = Kept(
    select(
        partners.c.name,
        partners.c.relays_any,
        partners.c.receiving_suspended_at,
        partners.c.gate,
    ).where(partners.c.id == bindparam("number"))
)
_IDENTITIES_OF: Final = Kept(
    select(partner_identities.c.stix_id, partner_identities.c.relayed).where(
        partner_identities.c.partner == bindparam("number")
    )
)
_SPOKEN: Final = Kept(
    select(partner_identities.c.stix_id, partner_identities.c.partner).where(
        partner_identities.c.relayed.is_(False)
    )
)


def _partner(row: Sequence[Any]) -> PartnerRow:
    return PartnerRow(*row)


def insert_partner(
    tx: Transaction,
    *,
    name: str,
    title: str,
    contact: str | None,
    relays_any: bool,
    empty_objects_list: bool,
    requests_per_minute: int,
    country: str | None,
    at: int,
) -> int:
    """A new partner; returns its id. The caller made sure that the name is free."""
    number = reserve_ids(tx, partners, 1)[0]
    tx.execute(
        insert(partners).values(
            id=number,
            name=name,
            title=title,
            contact=contact,
            relays_any=relays_any,
            empty_objects_list=empty_objects_list,
            requests_per_minute=requests_per_minute,
            added_at=at,
            country=country,
        )
    )
    return number


def lock_partners(tx: Transaction) -> None:
    """Let nobody else change identities until the end, so that what was checked about all of them stays true."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("LOCK TABLE partner_identities IN SHARE ROW EXCLUSIVE MODE"))


def replace_identities(
    tx: Transaction, partner: int, *, speaks_for: Iterable[str], relays: Iterable[str]
) -> None:
    """Write the identities that a partner speaks for and those that it may relay, in place of what was."""
    tx.execute(delete(partner_identities).where(partner_identities.c.partner == partner))
    rows = [
        {"partner": partner, "stix_id": stix_id, "relayed": relayed}
        for stix_ids, relayed in ((speaks_for, False), (relays, True))
        for stix_id in sorted(set(stix_ids))
    ]
    if rows:
        tx.execute(insert(partner_identities), rows)


def set_relays_any(tx: Transaction, partner: int, *, relays_any: bool) -> None:
    """Whether a partner may relay every creator that is neither ours nor another partner's."""
    tx.execute(update(partners).where(partners.c.id == partner).values(relays_any=relays_any))


def find_partner(tx: Transaction, name: str, *, lock: bool = False) -> PartnerRow | None:
    """The partner of this name; with `lock` nobody else changes its row until the end."""
    wanted = select(*_COLUMNS).where(partners.c.name == name)
    row = tx.execute(wanted.with_for_update(key_share=True) if lock else wanted).one_or_none()
    return None if row is None else _partner(row)


def every_partner(tx: Transaction) -> list[PartnerRow]:
    """All partners, by name."""
    return [_partner(row) for row in tx.execute(select(*_COLUMNS).order_by(partners.c.name))]


def set_suspended(
    tx: Transaction, partner: int, *, sending_at: int | None, receiving_at: int | None
) -> None:
    """Write since when each direction is suspended; None: it is not. Where both are, the partner is let in nowhere."""
    both = None if sending_at is None or receiving_at is None else max(sending_at, receiving_at)
    tx.execute(
        update(partners)
        .where(partners.c.id == partner)
        .values(
            suspended_at=both, sending_suspended_at=sending_at, receiving_suspended_at=receiving_at
        )
    )


def set_country(tx: Transaction, partner: int, country: str | None) -> None:
    """Two capital letters, or None for not known."""
    tx.execute(update(partners).where(partners.c.id == partner).values(country=country))


def authority(tx: Transaction, partner: int) -> Authority:
    """What the partner of this id may bring; it exists."""
    asked = (statement.ask(tx, {"number": partner}) for statement in (_RELAYS_ANY, _IDENTITIES_OF))
    [(name, relays_any, suspended_at, gate)], rows = (one() for one in list(asked))
    return Authority(
        partner,
        name,
        frozenset(row[0] for row in rows if not row[1]),
        frozenset(row[0] for row in rows if row[1]),
        bool(relays_any),
        suspended_at is not None,
        gate,
    )


def lock_gate(tx: Transaction, partner: int) -> dict[str, Any]:
    """The gate of a partner; nobody else changes its row until the end."""
    wanted = select(partners.c.gate).where(partners.c.id == partner)
    text = tx.execute(wanted.with_for_update(key_share=True)).scalar_one()
    return {} if text is None else dict(json.loads(text))


def write_gate(tx: Transaction, partner: int, gate: Mapping[str, Any] | None) -> None:
    """Write a partner's gate; None: it has none any more."""
    text = None if gate is None else json.dumps(gate)
    tx.execute(update(partners).where(partners.c.id == partner).values(gate=text))


def gates(tx: Transaction) -> dict[str, dict[str, Any]]:
    """Partner -> its gate, of those that have one."""
    rows = tx.execute(select(partners.c.name, partners.c.gate).where(partners.c.gate.is_not(None)))
    return {row[0]: json.loads(row[1]) for row in rows}


def ask_spoken(tx: Transaction) -> Asked:
    """(STIX identity, the partner who speaks for it)."""
    return _SPOKEN.ask(tx)


def identities(tx: Transaction) -> dict[int, tuple[list[str], list[str]]]:
    """Partner -> (speaks for, may relay), sorted."""
    found: dict[int, tuple[list[str], list[str]]] = {}
    rows = tx.execute(
        select(
            partner_identities.c.partner,
            partner_identities.c.stix_id,
            partner_identities.c.relayed,
        ).order_by(partner_identities.c.stix_id)
    )
    for partner, stix_id, relayed in rows:
        found.setdefault(partner, ([], []))[1 if relayed else 0].append(stix_id)
    return found


def audiences_of(tx: Transaction) -> dict[int, int]:
    """Partner -> the audience that it is a member of now."""
    rows = tx.execute(
        select(audience_members.c.partner, audience_members.c.audience).where(
            audience_members.c.until.is_(None)
        )
    )
    return {row[0]: row[1] for row in rows}
