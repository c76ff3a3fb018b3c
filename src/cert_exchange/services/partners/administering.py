"""Adding partners, saying whom they speak for, and listing them with what they can log in with (DECISIONS 26, 27).

1. A STIX identity is spoken for by one partner at most, never ours, and never relayed by another.
2. Every change writes a ledger line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.policy.rules import RESERVED_ORIGINS
from cert_exchange.policy.sharing_terms import country_code
from cert_exchange.services.ledger import record
from cert_exchange.store import credential_lives, introductions
from cert_exchange.store import credentials as credential_rows
from cert_exchange.store import partners as rows
from cert_exchange.store.credential_lives import Life
from cert_exchange.store.database import Transaction
from cert_exchange.store.introductions import Stage
from cert_exchange.store.partners import Authority, PartnerRow

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_IDENTITY: Final = re.compile(r"identity--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Lockout:
    """Failures of a partner's credentials from one network."""

    network: str
    failures: int
    last_failure_at: int
    locked_until: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A partner as an administrator sees it."""

    partner: PartnerRow
    speaks_for: tuple[str, ...]
    relays: tuple[str, ...]
    credentials: tuple[Life, ...]
    """those in force, oldest first"""
    audience: int | None
    lockouts: tuple[Lockout, ...]
    stage: Stage


def add(
    node: Node,
    name: str,
    *,
    title: str,
    speaks_for: Collection[str] = (),
    relays: Collection[str] = (),
    relays_any: bool = False,
    contact: str | None = None,
    empty_objects_list: bool = False,
    requests_per_minute: int | None = None,
    country: str | None = None,
    by: str = "administrator",
) -> int:
    """Add a partner; returns its id. `country` in two letters. Raises ConfigurationInvalid with what to change."""
    _check_name(name)
    _check_identities(node, speaks_for, relays)
    if not title.strip():
        raise ConfigurationInvalid("title is empty; give the partner's full name.")
    per_minute = requests_per_minute or node.settings.requests_per_minute
    if per_minute < 1:
        raise ConfigurationInvalid(
            f"requests_per_minute is {per_minute}; give a whole number from 1."
        )
    where = None if country is None else country_of(country)
    now = node.now()

    def work(tx: Transaction) -> int:
        rows.lock_partners(tx)
        if rows.find_partner(tx, name) is not None:
            raise ConfigurationInvalid(f"there is a partner {name!r} already; choose another name.")
        _check_others(tx, None, speaks_for, relays)
        number = rows.insert_partner(
            tx,
            name=name,
            title=title,
            contact=contact,
            relays_any=relays_any,
            empty_objects_list=empty_objects_list,
            requests_per_minute=per_minute,
            country=where,
            at=now,
        )
        rows.replace_identities(tx, number, speaks_for=speaks_for, relays=relays)
        facts: dict[str, Fact] = {
            "partner": name,
            "speaks_for": sorted(speaks_for),
            "relays": ["any"] if relays_any else sorted(relays),
        }
        if where is not None:
            facts["country"] = where
        record(tx, Line("partner.add", now, by, facts=facts))
        return number

    return node.database.transact(work)


def amend(
    node: Node,
    name: str,
    *,
    speaks_for: Collection[str] | None,
    relays: Collection[str] | None,
    relays_any: bool | None = False,
    by: str = "administrator",
) -> tuple[Authority, Authority]:
    """Replace whom a partner speaks for and may relay; None leaves what is there. Returns what was, and what is now.

    Raises ConfigurationInvalid, NotFound.
    """
    now = node.now()

    def work(tx: Transaction) -> tuple[Authority, Authority]:
        rows.lock_partners(tx)
        partner = existing(tx, name)
        before = rows.authority(tx, partner.id)
        spoken = before.speaks_for if speaks_for is None else speaks_for
        passed = before.relays if relays is None else relays
        every = before.relays_any if relays_any is None else relays_any
        _check_identities(node, spoken, passed)
        _check_others(tx, partner.id, spoken, passed)
        rows.replace_identities(tx, partner.id, speaks_for=spoken, relays=passed)
        rows.set_relays_any(tx, partner.id, relays_any=every)
        facts: dict[str, Fact] = {
            "partner": name,
            "speaks_for": sorted(spoken),
            "relays": ["any"] if every else sorted(passed),
        }
        record(tx, Line("partner.amend", now, by, facts=facts))
        return before, rows.authority(tx, partner.id)

    return node.database.transact(work)


def listing(node: Node) -> list[Listed]:
    """All partners with what an administrator needs, by name."""
    now = node.now()
    with node.database.reading() as tx:
        identities = rows.identities(tx)
        in_force = credential_lives.lives(tx, now)
        audiences = rows.audiences_of(tx)
        failed = credential_rows.failures_of_all(tx)
        stages = introductions.stages(tx)
        return [
            Listed(
                partner,
                tuple(identities.get(partner.id, ([], []))[0]),
                tuple(identities.get(partner.id, ([], []))[1]),
                tuple(in_force.get(partner.id, ())),
                audiences.get(partner.id),
                tuple(Lockout(*row) for row in failed.get(partner.id, ())),
                stages[partner.name],
            )
            for partner in rows.every_partner(tx)
        ]


def existing(tx: Transaction, name: str, *, lock: bool = False) -> PartnerRow:
    """The partner of this name; with `lock` its row stays as it is until the transaction ends. Raises NotFound."""
    partner = rows.find_partner(tx, name, lock=lock)
    if partner is None:
        names = [row.name for row in rows.every_partner(tx)]
        there = f"there are: {', '.join(names)}" if names else "there are none yet"
        raise NotFound(f"there is no partner {name!r}; {there}.")
    return partner


def country_of(text: str) -> str:
    """A country's two letters, in capitals. Raises ConfigurationInvalid."""
    found = country_code(text)
    if found is None:
        raise ConfigurationInvalid(
            f"{text!r} is no country; write its two letters (ISO 3166), such as EE."
        )
    return found


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name in RESERVED_ORIGINS:
        raise ConfigurationInvalid(
            f"{name!r} cannot name a partner; give at most 63 of a-z, 0-9, '.', '_' and '-', beginning"
            f" with a letter or digit, and none of {', '.join(sorted(RESERVED_ORIGINS))}."
        )


def _check_identities(node: Node, speaks_for: Iterable[str], relays: Iterable[str]) -> None:
    both = set(speaks_for) & set(relays)
    for stix_id in (*speaks_for, *relays):
        if not _IDENTITY.fullmatch(stix_id):
            raise ConfigurationInvalid(
                f"{stix_id!r} is no STIX identity; give identity-- and a UUID in lower case."
            )
        if stix_id == node.settings.identity:
            raise ConfigurationInvalid(
                f"{stix_id} is this node's own identity; no partner speaks for it or relays it."
            )
    if both:
        raise ConfigurationInvalid(f"{min(both)} is both spoken for and relayed; give it once.")


def _check_others(
    tx: Transaction, partner: int | None, speaks_for: Iterable[str], relays: Iterable[str]
) -> None:
    """The identities of partners are theirs alone (DECISIONS 27)."""
    names = {row.id: row.name for row in rows.every_partner(tx)}
    for other, (spoken, relayed) in rows.identities(tx).items():
        if other == partner:
            continue
        for stix_id in sorted((set(speaks_for) | set(relays)) & set(spoken)):
            raise ConfigurationInvalid(
                f"partner {names[other]} speaks for {stix_id}; nobody else may speak for it or relay it."
            )
        for stix_id in sorted(set(speaks_for) & set(relayed)):
            raise ConfigurationInvalid(
                f"partner {names[other]} relays {stix_id}; end that first, then say who speaks for it."
            )
