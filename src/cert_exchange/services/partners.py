"""Partners and their machine credentials (DECISIONS 26, 27).

1. A credential is `id.secret`: the id is public, the secret is 256 random bits that are shown once. Kept is an HMAC-SHA256
   under the node's key, so that a stolen database opens nothing and a guess needs the key.
2. Every request is checked against the store, with the partner's state; nothing is cached.
3. A wrong credential costs the same statement as a right one and is answered alike; why is in the log only.
4. Failures lock out a (partner, network), for a time that grows: outsiders cannot silence a partner elsewhere. Whoever
   is locked out only reads. Issuing and resuming lift the partner's lock-outs.
5. A STIX identity is spoken for by one partner at most, never ours, and never relayed by another.
6. Every change writes a ledger line. No secret, and nothing that a stranger typed, is logged.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

import structlog

from cert_exchange.errors import ConfigurationInvalid, NotAuthenticated, TooManyRequests
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.policy.rules import RESERVED_ORIGINS
from cert_exchange.services.ledger import record
from cert_exchange.store import credentials as credential_rows
from cert_exchange.store import partners as rows
from cert_exchange.store.credentials import NOBODY, Presented
from cert_exchange.store.database import Transaction
from cert_exchange.store.partners import PartnerRow

log = structlog.get_logger(__name__)

FREE_FAILURES: Final = 5
FIRST_LOCK_SECONDS: Final = 15
LONGEST_LOCK_SECONDS: Final = 900
FORGET_AFTER: Final = timedelta(hours=1)
"""Without a failure for so long, counting starts anew."""

_SECOND: Final = 1_000_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_IDENTITY: Final = re.compile(r"identity--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CREDENTIAL: Final = re.compile(r"[a-z2-7]{12}")
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_NO_DIGEST: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a partner that proved itself with this request."""

    partner: int
    name: str
    audience: int | None
    """None: no policy names the partner, so it may see nothing"""
    empty_objects_list: bool
    requests_per_minute: int


@dataclass(frozen=True, slots=True, repr=False)
class IssuedSecret:
    """A new credential, the only time that its secret is seen."""

    credential_id: str
    secret: str
    expires_at: int | None

    @property
    def token(self) -> str:
        """For `Authorization: Bearer`. With Basic the user name is the id and the password the secret."""
        return f"{self.credential_id}.{self.secret}"

    def __repr__(self) -> str:
        return f"IssuedSecret(credential_id={self.credential_id!r}, secret=***)"


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
    credentials: tuple[tuple[str, int | None], ...]
    """(id, instant of its end or None) of those in force"""
    audience: int | None
    lockouts: tuple[Lockout, ...]


def split_token(token: str) -> tuple[str, str]:
    """Split `id.secret`; without a dot both are empty, which no credential is."""
    credential_id, dot, secret = token.partition(".")
    return (credential_id, secret) if dot else ("", "")


def authenticate(node: Node, conn: Any, credential_id: str, secret: str, *, network: str) -> Caller:
    """Recognise a caller, and count the failure if it is none.

    `conn` is the connection of `Database.raw_reader`; `network` an address or network in text. Raises
    NotAuthenticated, TooManyRequests (locked out), StoreUnavailable.
    """
    try:
        return recognise(node, conn, credential_id, secret, network=network)
    except NotAuthenticated:
        note_failure(node, credential_id, network=network)
        raise


def recognise(node: Node, conn: Any, credential_id: str, secret: str, *, network: str) -> Caller:
    """Recognise a caller by one statement that only reads; the caller counts a failure by `note_failure`.

    Raises NotAuthenticated, TooManyRequests.
    """
    known_form = credential_id if _CREDENTIAL.fullmatch(credential_id) else ""
    found = credential_rows.presented(node.database.dialect, conn, known_form, network_of(network))
    now = node.now()
    # (1) The secret is compared in any case, so that the time tells nothing.
    expected = _digest(node.secrets.credential_key, known_form, secret)
    right = hmac.compare_digest(expected, found.digest or _NO_DIGEST) and found.digest is not None
    # (2) Locked out: even who is right waits, else guessing would go on behind the lock.
    if found.locked_until > now:
        raise TooManyRequests(
            -(-(found.locked_until - now) // _SECOND),
            "Too many failed logins from your network; wait as Retry-After says.",
            detail=f"partner {found.partner or NOBODY} is locked out of {network_of(network)}",
        )
    # (3) Why not is for the log alone.
    reason = _reason_against(found, right=right, now=now)
    if reason is not None or found.partner is None or found.name is None:
        raise NotAuthenticated(detail=reason or "unknown credential")
    return Caller(
        found.partner,
        found.name,
        found.audience,
        found.empty_objects_list,
        found.requests_per_minute,
    )


def _reason_against(found: Presented, *, right: bool, now: int) -> str | None:
    if found.partner is None:
        return "unknown credential"
    if not right:
        return f"wrong secret for partner {found.name}"
    if found.revoked_at is not None:
        return f"revoked credential of partner {found.name}"
    if found.expires_at is not None and found.expires_at <= now:
        return f"expired credential of partner {found.name}"
    if found.suspended_at is not None:
        return f"partner {found.name} is suspended"
    return None


def note_failure(node: Node, credential_id: str, *, network: str) -> None:
    """Count a failed login; the fifth locks the partner out of that network, each further one for twice as long."""
    now = node.now()
    place = network_of(network)
    known_form = credential_id if _CREDENTIAL.fullmatch(credential_id) else ""

    def count(tx: Transaction) -> tuple[int, int, int]:
        credential_rows.forget_failures(tx, before=now - 24 * 3_600 * _SECOND)
        partner = credential_rows.partner_of(tx, known_form)
        before, last, locked = credential_rows.failures(tx, partner, place)
        if locked > now:
            return partner, before, locked
        fresh = now - last > FORGET_AFTER / timedelta(microseconds=1)
        failures = 1 if fresh else before + 1
        until = now + lock_seconds(failures) * _SECOND if failures >= FREE_FAILURES else 0
        credential_rows.put_failures(tx, partner, place, count=failures, at=now, locked_until=until)
        return partner, failures, until

    partner, failures, until = node.database.transact(count)
    log.warning(
        "login failed",
        partner=partner or None,
        network=place,
        failures=failures,
        locked=until > now,
    )


def lock_seconds(failures: int) -> int:
    """How long the failure of this number locks out."""
    if failures < FREE_FAILURES:
        return 0
    doublings = min(failures - FREE_FAILURES, 10)
    return min(LONGEST_LOCK_SECONDS, FIRST_LOCK_SECONDS << doublings)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The /24 (IPv4) or /48 (IPv6) of an address in text; a network stays as it is."""
    if "/" in address:
        return address
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    width = 24 if parsed.version == 4 else 48
    return str(ip_network(f"{parsed}/{width}", strict=False))


def _digest(key: bytes, credential_id: str, secret: str) -> bytes:
    message = f"cert-exchange credential 1\x00{credential_id}\x00{secret}"
    return hmac.digest(key, message.encode("utf-8", "surrogatepass"), "sha256")


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
    by: str = "administrator",
) -> int:
    """Add a partner; returns its id. Raises ConfigurationInvalid with what to change."""
    _check_name(name)
    _check_identities(node, speaks_for, relays)
    if not title.strip():
        raise ConfigurationInvalid("title is empty; give the partner's full name.")
    per_minute = requests_per_minute or node.settings.requests_per_minute
    if per_minute < 1:
        raise ConfigurationInvalid(
            f"requests_per_minute is {per_minute}; give a whole number from 1."
        )
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
            at=now,
        )
        rows.replace_identities(tx, number, speaks_for=speaks_for, relays=relays)
        facts: dict[str, Fact] = {
            "partner": name,
            "speaks_for": sorted(speaks_for),
            "relays": ["any"] if relays_any else sorted(relays),
        }
        record(tx, Line("partner.add", now, by, facts=facts))
        return number

    return node.database.transact(work)


def amend(
    node: Node,
    name: str,
    *,
    speaks_for: Collection[str],
    relays: Collection[str],
    relays_any: bool = False,
    by: str = "administrator",
) -> None:
    """Replace whom a partner speaks for and may relay. Raises ConfigurationInvalid."""
    _check_identities(node, speaks_for, relays)
    now = node.now()

    def work(tx: Transaction) -> None:
        rows.lock_partners(tx)
        partner = _existing(tx, name)
        _check_others(tx, partner.id, speaks_for, relays)
        rows.replace_identities(tx, partner.id, speaks_for=speaks_for, relays=relays)
        rows.set_relays_any(tx, partner.id, relays_any=relays_any)
        facts: dict[str, Fact] = {
            "partner": name,
            "speaks_for": sorted(speaks_for),
            "relays": ["any"] if relays_any else sorted(relays),
        }
        record(tx, Line("partner.amend", now, by, facts=facts))

    node.database.transact(work)


def issue(
    node: Node, name: str, *, lifetime: timedelta | None, by: str = "administrator"
) -> IssuedSecret:
    """Issue a credential; older ones stay valid, so that a change needs no pause. Raises ConfigurationInvalid."""
    if lifetime is not None and lifetime <= timedelta(0):
        raise ConfigurationInvalid("lifetime is not positive; give e.g. 365 days.")
    now = node.now()
    expires_at = None if lifetime is None else now + lifetime // timedelta(microseconds=1)
    credential_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    issued = IssuedSecret(credential_id, secrets.token_urlsafe(32), expires_at)

    def work(tx: Transaction) -> None:
        partner = _existing(tx, name)
        credential_rows.insert_credential(
            tx,
            credential_id,
            partner=partner.id,
            digest=_digest(node.secrets.credential_key, credential_id, issued.secret),
            at=now,
            expires_at=expires_at,
        )
        credential_rows.clear_failures(tx, partner.id)
        facts: dict[str, Fact] = {"partner": name, "credential": credential_id}
        if expires_at is not None:
            facts["expires_at"] = expires_at
        record(tx, Line("credential.issue", now, by, facts=facts))

    node.database.transact(work)
    return issued


def revoke(node: Node, credential_id: str, *, by: str = "administrator") -> None:
    """End a credential; the next request with it is refused. Raises ConfigurationInvalid."""
    now = node.now()

    def work(tx: Transaction) -> None:
        if not credential_rows.revoke_credential(tx, credential_id, now):
            raise ConfigurationInvalid("there is no such credential in force.")
        record(tx, Line("credential.revoke", now, by, facts={"credential": credential_id}))

    node.database.transact(work)


def suspend(node: Node, name: str, *, by: str = "administrator") -> None:
    """Refuse every request of a partner from the next one on. Raises ConfigurationInvalid."""
    _set_suspended(node, name, suspended=True, by=by)


def resume(node: Node, name: str, *, by: str = "administrator") -> None:
    """Let a suspended partner in again, its lock-outs lifted. Raises ConfigurationInvalid."""
    _set_suspended(node, name, suspended=False, by=by)


def _set_suspended(node: Node, name: str, *, suspended: bool, by: str) -> None:
    now = node.now()

    def work(tx: Transaction) -> None:
        partner = _existing(tx, name)
        if (partner.suspended_at is not None) == suspended:
            return
        rows.set_suspended(tx, partner.id, now if suspended else None)
        if not suspended:
            credential_rows.clear_failures(tx, partner.id)
        kind = "partner.suspend" if suspended else "partner.resume"
        record(tx, Line(kind, now, by, facts={"partner": name}))

    node.database.transact(work)


def listing(node: Node) -> list[Listed]:
    """All partners with what an administrator needs, by name."""
    now = node.now()
    with node.database.reading() as tx:
        identities = rows.identities(tx)
        in_force = credential_rows.credentials_in_force(tx, now)
        audiences = rows.audiences_of(tx)
        failed = credential_rows.failures_of_all(tx)
        return [
            Listed(
                partner,
                tuple(identities.get(partner.id, ([], []))[0]),
                tuple(identities.get(partner.id, ([], []))[1]),
                tuple(in_force.get(partner.id, ())),
                audiences.get(partner.id),
                tuple(Lockout(*row) for row in failed.get(partner.id, ())),
            )
            for partner in rows.every_partner(tx)
        ]


def _existing(tx: Transaction, name: str) -> PartnerRow:
    partner = rows.find_partner(tx, name)
    if partner is None:
        names = [row.name for row in rows.every_partner(tx)]
        there = f"there are: {', '.join(names)}" if names else "there are none yet"
        raise ConfigurationInvalid(f"there is no partner {name!r}; {there}.")
    return partner


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
