"""The keys that we sign with, and those of partners whose signatures we take.

1. Of our own keys the newest signs. Rotating makes a new one; the older ones stay and vouch for it.
2. A partner's first key is pinned by a person who compared it (`pin`). From then on a partner's newer keys are taken
   when a pinned key that counts vouches for them (`follow`).
3. A rotated partner's older keys count for OVERLAP more, so that what is on its way still verifies, and vouch for nothing.
4. Every change writes a ledger line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid, NotFound, SignatureBroken
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.key_lists import read_list, write_list
from cert_exchange.messages.keys import SigningKey, VerifyingKey, kid_of, public_text, read_public
from cert_exchange.node import Node
from cert_exchange.services.ledger import record
from cert_exchange.signing_keys import add_signing_key
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import partner_keys as rows
from cert_exchange.store import partners
from cert_exchange.store.database import Transaction
from cert_exchange.store.partner_keys import PinnedKey

OVERLAP: Final = 30 * 24 * 3_600 * 1_000_000
"""Micros for which a partner's older keys still count once it has a newer one."""


@dataclass(frozen=True, slots=True)
class OurKey:
    """A public key of ours, to be sent to partners. `since` in micros."""

    kid: str
    public: str
    since: int


def our_keys(node: Node) -> tuple[OurKey, ...]:
    """Our public keys, the newest first, which signs."""
    return tuple(
        OurKey(key.kid, public_text(key.public), key.since) for key in node.secrets.signing_keys
    )


def our_list(node: Node) -> Mapping[str, Any]:
    """Our public keys as partners' nodes fetch them, signed by each of them."""
    return write_list(node.identity, node.secrets.signing_keys, now=node.now())


def rotate(node: Node, *, by: str) -> SigningKey:
    """Make a new key that signs from the next start of the node's processes on; partners' nodes follow by themselves."""
    key = add_signing_key(node.secret_files, now=node.now())
    facts: dict[str, str | int | list[str]] = {"kid": key.kid, "public": public_text(key.public)}
    line = Line("key.rotate", node.now(), by, facts=facts)
    node.database.transact(lambda tx: record(tx, line))
    return key


def pinned(node: Node) -> tuple[PinnedKey, ...]:
    """All keys of partners, by partner's name, the newest first."""
    with node.database.reading() as tx:
        return rows.every_key(tx)


def pin(
    node: Node, partner: str, public: str, *, by: str, again_for: timedelta | None = None
) -> str:
    """Pin a public key that a person compared with the partner's words; returns its name.

    Pinning one that is pinned already changes nothing. One that ended counts again only with `again_for`, for that long,
    and vouches for nothing. Raises NotFound, ConfigurationInvalid (no key, or ours, or one that ended).
    """
    try:
        raw = read_public(public)
    except SignatureBroken as broken:
        raise ConfigurationInvalid(f"This is no public key: {broken.public}") from None
    key = VerifyingKey(kid_of(raw), raw)
    if any(ours.kid == key.kid for ours in node.secrets.signing_keys):
        raise ConfigurationInvalid("This is our own key; give the partner's.")
    now = node.now()

    def work(tx: Transaction) -> None:
        number = _partner(tx, partner)
        facts: dict[str, str | int | list[str]] = {
            "partner": partner,
            "kid": key.kid,
            "public": public,
        }
        ended = _ended(rows.keys_of(tx, number), key.kid, now)
        if ended is not None and again_for is None:
            raise ConfigurationInvalid(
                f"This key ended at {format_micros(ended)}, and counts no more: pin the partner's newer one. Where something"
                " that it signed is still on its way, let it count again for some days (--again-for-days)."
            )
        if ended is None and again_for is not None:
            raise ConfigurationInvalid("This key did not end: pin it without an end.")
        if again_for is not None:
            until = now + again_for // timedelta(microseconds=1)
            rows.extend(tx, number, key.kid, until=until)
            record(tx, Line("key.pin", now, by, facts=facts | {"until": until}))
        elif rows.pin(tx, number, key, now=now):
            record(tx, Line("key.pin", now, by, facts=facts))

    node.database.transact(work)
    return key.kid


def _ended(keys: tuple[VerifyingKey, ...], kid: str, now: int) -> int | None:
    """When a key ended that is pinned and counts no more; None for any other."""
    return next((key.until for key in keys if key.kid == kid and not key.holds_at(now)), None)


def end(node: Node, partner: str, kid: str, *, by: str) -> None:
    """Take nothing more that is signed with this key of a partner. Raises NotFound."""
    now = node.now()

    def work(tx: Transaction) -> None:
        number = _partner(tx, partner)
        if not any(key.kid == kid for key in rows.keys_of(tx, number)):
            raise NotFound(f"No key {kid} is pinned to {partner}; see `keys list`.")
        if rows.end(tx, number, kid, until=now):
            facts: dict[str, str | int | list[str]] = {"partner": partner, "kid": kid}
            record(tx, Line("key.end", now, by, facts=facts))

    node.database.transact(work)


def follow(node: Node, partner: int, document: Mapping[str, Any]) -> tuple[VerifyingKey, ...]:
    """Pin what a partner's list of keys names, where a key that counts now vouches for it; returns all its keys.

    Older keys get an end when a newer one comes. Raises SignatureBroken, and then nothing changes.
    """
    now = node.now()

    def work(tx: Transaction) -> tuple[VerifyingKey, ...]:
        known = rows.keys_of(tx, partner)
        who = partners.authority(tx, partner)
        # One that is to end vouches for nothing: who stole it before it was replaced cannot come back with it.
        lasting = [key for key in known if key.until is None]
        vouched = read_list(document, who.speaks_for, lasting, now)
        ended = {key.kid for key in known if not key.holds_at(now)}
        fresh = [key for key in vouched.keys if key.kid not in {one.kid for one in known}]
        # A key that a person ended vouches for nothing, and comes back through no list.
        newest = next((key for key in vouched.keys if key.kid not in ended), None)
        if fresh and (newest is None or newest.kid != fresh[0].kid):
            raise SignatureBroken("the partner's list puts an older key before its newest one.")
        for key in fresh:
            until = None if key is fresh[0] else now + OVERLAP
            taken = VerifyingKey(key.kid, key.public, until=until)
            rows.pin(tx, partner, taken, now=now, vouched_by=vouched.by)
            facts: dict[str, str | int | list[str]] = {
                "partner": who.name,
                "kid": key.kid,
                "public": public_text(key.public),
                "vouched_by": vouched.by,
            }
            record(tx, Line("key.follow", now, "node", facts=facts))
        if fresh:
            for key in known:
                rows.end(tx, partner, key.kid, until=now + OVERLAP)
        return rows.keys_of(tx, partner)

    return node.database.transact(work)


def _partner(tx: Transaction, name: str) -> int:
    found = partners.find_partner(tx, name)
    if found is None:
        raise NotFound(f"There is no partner {name}; see `partner list`.")
    return found.id
