"""Recognising a caller by its machine credential (DECISIONS 26).

1. A credential is `id.secret`: the id is public, the secret is 256 random bits. Kept is an HMAC-SHA256 under the node's
   key, so that a stolen database opens nothing and a guess needs the key.
2. Every request is checked against the store, with the partner's state; nothing is cached.
3. A wrong credential costs the same statement as a right one and is answered alike; why is in the log only.
4. Failures lock out a (partner, network), for a time that grows: outsiders cannot silence a partner elsewhere. Whoever
   is locked out only reads.
5. No secret, and nothing that a stranger typed, is logged.
6. A certificate that comes with a request must be this partner's, and be in force now, also on an old connection; a
   partner that must show one (`certificates_since`) gets nothing without (DECISIONS 29).
7. A credential that is limited to networks is refused from elsewhere like a wrong one; our operator is told.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import structlog

from cert_exchange.errors import CertificateRefused, ElsewhereRefused, NotAuthenticated
from cert_exchange.node import Node
from cert_exchange.remote.pki import Peer
from cert_exchange.services.partners.lockouts import (
    NO_DIGEST,
    Counted,
    count_failure,
    known_form,
    reason_against,
    refuse_while_locked,
)
from cert_exchange.store import credentials as credential_rows
from cert_exchange.store.credentials import NOBODY, Presented
from cert_exchange.store.database import Transaction

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a partner that proved itself with this request."""

    partner: int
    name: str
    audience: int | None
    """None: no policy names the partner, so it may see nothing"""
    empty_objects_list: bool
    requests_per_minute: int
    frozen: bool = False
    """whether a freeze, or a suspension of sending, keeps everything that goes out from it for now"""
    receiving: bool = True
    """whether anything is taken from it now"""
    scope: str = ""
    """the id of its credential where that may less than the partner; empty: as much"""


def split_token(token: str) -> tuple[str, str]:
    """Split `id.secret`; without a dot both are empty, which no credential is."""
    credential_id, dot, secret = token.partition(".")
    return (credential_id, secret) if dot else ("", "")


def authenticate(
    node: Node,
    conn: Any,
    credential_id: str,
    secret: str,
    *,
    network: str,
    peer: Peer | None = None,
) -> Caller:
    """Recognise a caller, and count the failure if it is none.

    `conn` is the connection of `Database.raw_reader`; `network` an address or network in text. Raises
    NotAuthenticated, TooManyRequests (locked out), StoreUnavailable.
    """
    try:
        return recognise(node, conn, credential_id, secret, network=network, peer=peer)
    except CertificateRefused:
        raise
    except NotAuthenticated:
        note_failure(node, credential_id, network=network)
        raise


def recognise(
    node: Node,
    conn: Any,
    credential_id: str,
    secret: str,
    *,
    network: str,
    peer: Peer | None = None,
) -> Caller:
    """Recognise a caller by one statement that only reads; the caller counts a failure by `note_failure`.

    `peer` is the certificate that came with the request, already believed. Raises NotAuthenticated, TooManyRequests.
    """
    form = known_form(credential_id)
    found = credential_rows.presented(
        node.database.dialect,
        conn,
        form,
        network_of(network),
        ("", "") if peer is None else (peer.authority, peer.serial),
    )
    now = node.now()
    # (1) The secret is compared in any case, so that the time tells nothing.
    expected = digest_of(node.secrets.credential_key, form, secret)
    right = hmac.compare_digest(expected, found.digest or NO_DIGEST) and found.digest is not None
    # (2) Locked out: even who is right waits.
    told = f"partner {found.partner or NOBODY} is locked out of {network_of(network)}"
    refuse_while_locked(found.locked_until, now=now, detail=told)
    # (3) Why not is for the log alone.
    reason = _reason_against(found, right=right, now=now)
    if reason is not None or found.partner is None or found.name is None:
        raise NotAuthenticated(detail=reason or "unknown credential")
    # (4) A right secret was not guessed: what is wrong with its certificate locks nobody out.
    reason = _reason_against_certificate(found, peer, now=now)
    if reason is not None:
        raise CertificateRefused(detail=reason)
    if found.networks is not None and not is_within(found.networks, network):
        raise ElsewhereRefused(
            detail=f"credential {form} of partner {found.name} from {network_of(network)}, which is not its own"
        )
    return Caller(
        found.partner,
        found.name,
        found.audience,
        found.empty_objects_list,
        found.requests_per_minute,
        found.frozen,
        not found.receiving_suspended,
        form if found.scoped else "",
    )


def _reason_against(found: Presented, *, right: bool, now: int) -> str | None:
    if found.partner is None:
        return "unknown credential"
    reason = reason_against(
        f"partner {found.name}", right=right, revoked_at=found.revoked_at, expires_at=found.expires_at, now=now
    )  # fmt: skip
    if reason is not None:
        return reason
    if found.suspended_at is not None:
        return f"partner {found.name} is suspended"
    return None


def _reason_against_certificate(found: Presented, peer: Peer | None, *, now: int) -> str | None:
    """Rule 6; `found` is a partner's credential that is right."""
    shown = found.shown
    if peer is None:
        return (
            None if shown.required_since is None else f"no certificate of partner {found.name} came"
        )
    told = f"the certificate {peer.serial} that came with a credential of partner {found.name}"
    known = shown.fingerprint == peer.fingerprint and shown.certificate_partner == found.partner
    pinned = shown.authority_partner == found.partner and not shown.named_only
    if shown.revoked_at is not None:
        return f"{told} is revoked"
    if shown.authority is None or shown.authority_ended_at is not None:
        return f"{told} is of an authority that is not believed any more"
    if shown.crl_ends_at is None or shown.crl_ends_at < now:
        return f"{told} is of an authority whose revocation list has expired"
    if shown.ends_at is not None and shown.ends_at < now:
        return f"{told} has expired"
    if shown.authority_partner not in (None, found.partner) or not (known or pinned):
        return f"{told} is not that partner's"
    return None


def note_failure(node: Node, credential_id: str, *, network: str) -> None:
    """Count a failed login; the fifth locks the partner out of that network, each further one for twice as long."""
    now = node.now()
    place = network_of(network)
    form = known_form(credential_id)

    def count(tx: Transaction) -> tuple[int, Counted]:
        partner = credential_rows.partner_of(tx, form)
        return partner, count_failure(tx, partner, place, now=now)

    partner, counted = node.database.transact(count)
    log.warning(
        "login failed",
        partner=partner or None,
        network=place,
        failures=counted.failures,
        locked=counted.until > now,
    )


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


@lru_cache(maxsize=4096)
def is_within(networks: str, address: str) -> bool:
    """Whether an address lies in one of these networks, given by blanks; what cannot be read does not."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in ip_network(one) for one in networks.split())


def digest_of(key: bytes, credential_id: str, secret: str) -> bytes:
    """What is kept of a credential."""
    message = f"cert-exchange credential 1\x00{credential_id}\x00{secret}"
    return hmac.digest(key, message.encode("utf-8", "surrogatepass"), "sha256")
