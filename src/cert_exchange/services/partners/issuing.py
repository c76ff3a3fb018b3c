"""The life of credentials: issued, limited, replaced while both are valid, revoked (DECISIONS 26).

1. A secret is shown once. What is kept of it opens nothing.
2. `rotate` never leaves a partner without a credential that it has used: the one before goes on for the overlap, and a
   newest one that was never used is what is replaced again.
3. Of a line of credentials, each of which replaces the one before, two are in force at most.
4. What replaces a credential may no more and no less than that one, unless it is said.
5. Issuing lifts the partner's lock-outs. Every change writes a ledger line.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from types import MappingProxyType
from typing import Final

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.services.ledger import record
from cert_exchange.services.partners.administering import existing
from cert_exchange.services.partners.recognising import digest_of
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import credential_lives as rows
from cert_exchange.store import credentials as credential_rows
from cert_exchange.store.credential_lives import Life, Reach
from cert_exchange.store.database import Transaction
from cert_exchange.store.partners import PartnerRow

OVERLAP: Final = timedelta(days=14)
"""How long the credential before goes on, unless it is said."""
MOST_NETWORKS: Final = 32
MOST_LABEL: Final = 80
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_MICROSECOND: Final = timedelta(microseconds=1)


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
class Limits:
    """What a credential may: a label says what it is for."""

    label: str | None = None
    networks: tuple[str, ...] = ()
    """networks or addresses; empty: from anywhere"""
    scope: Mapping[str, Reach] = field(default_factory=lambda: MappingProxyType({}))
    """collection (alias or UUID) -> what it may there; empty: all that its partner may"""


@dataclass(frozen=True, slots=True, repr=False)
class Rotated:
    """A credential and what it replaces. Instants are micros."""

    issued: IssuedSecret
    replaces: str
    ends_at: int | None
    """when the one that it replaces ends; None: it was revoked, for nobody ever used it"""
    still: tuple[str, int | None] | None = None
    """another one of the line that goes on meanwhile, and its end"""
    ended: tuple[str, ...] = ()
    """older ones of the line that ended now"""


def issue(
    node: Node,
    name: str,
    *,
    lifetime: timedelta | None,
    limits: Limits | None = None,
    by: str = "administrator",
) -> IssuedSecret:
    """Issue a credential; older ones stay valid, so that a change needs no pause. Raises ConfigurationInvalid, NotFound."""
    limits = limits or Limits()
    now = node.now()
    issued = _new(now, _span(lifetime))
    networks = _networks(limits.networks)
    _check_label(limits.label)

    def work(tx: Transaction) -> None:
        partner = existing(tx, name, lock=True)
        scope = _scope(tx, limits.scope)
        _insert(
            tx, node, partner, issued, at=now, label=limits.label, networks=networks, scope=scope
        )
        record(tx, Line("credential.issue", now, by, facts=_facts(name, issued, networks, scope)))

    node.database.transact(work)
    return issued


def rotate(
    node: Node,
    name: str,
    *,
    credential: str | None = None,
    overlap: timedelta = OVERLAP,
    lifetime: timedelta | None = None,
    limits: Limits | None = None,
    by: str = "administrator",
) -> Rotated:
    """Replace a credential: the new one is valid at once, the old one until the overlap ends.

    `credential` may be left out where the partner has one line of them. `lifetime` None: as long as the one before was
    to live. What `limits` leaves empty stays as it was. Raises ConfigurationInvalid, NotFound.
    """
    if overlap < timedelta(0):
        raise ConfigurationInvalid("the overlap is negative; give e.g. 14 days, or 0.")
    limits = limits or Limits()
    networks = _networks(limits.networks)
    _check_label(limits.label)
    now = node.now()
    lives = _span(lifetime)

    def work(tx: Transaction) -> Rotated:
        partner = existing(tx, name, lock=True)
        there = rows.lives(tx, now, partner=partner.id).get(partner.id, [])
        old = _to_replace(there, name, credential)
        before = next((one for one in there if one.id == old.replaces), None)
        span = lives
        if span is None and old.expires_at is not None:
            span = old.expires_at - old.issued_at
        issued = _new(now, span)
        # Nobody used it, but the one before it is in use: it is the lost one that goes, and the other keeps its end.
        lost = before is not None and old.last_used_at is None
        follows = before if lost and before is not None else old
        scope = _scope(tx, limits.scope) if limits.scope else rows.scope_numbers(tx, old.id)
        allowed = networks or old.networks
        _insert(
            tx, node, partner, issued, at=now, label=limits.label or old.label, networks=allowed,
            scope=scope, replaces=follows.id,
        )  # fmt: skip
        ended: tuple[str, ...] = ()
        if lost:
            credential_rows.revoke_credential(tx, old.id, now)
            done = Rotated(issued, old.id, None, still=(follows.id, follows.expires_at))
        else:
            if before is not None:
                credential_rows.revoke_credential(tx, before.id, now)
                ended = (before.id,)
            until = now + overlap // _MICROSECOND
            ends_at = until if old.expires_at is None else min(until, old.expires_at)
            rows.end_credential(tx, old.id, ends_at)
            done = Rotated(issued, old.id, ends_at, ended=ended)
        facts = _facts(name, issued, allowed, scope) | {"replaces": old.id}
        if done.ends_at is not None:
            facts["replaced_until"] = done.ends_at
        if ended:
            facts["ended"] = sorted(ended)
        record(tx, Line("credential.rotate", now, by, facts=facts))
        return done

    return node.database.transact(work)


def revoke(node: Node, credential_id: str, *, by: str = "administrator") -> None:
    """End a credential; the next request with it is refused. Raises NotFound."""
    now = node.now()

    def work(tx: Transaction) -> None:
        if not credential_rows.revoke_credential(tx, credential_id, now):
            raise NotFound(
                "there is no such credential in force; `cert-exchange partner list` shows the ids."
            )
        record(tx, Line("credential.revoke", now, by, facts={"credential": credential_id}))

    node.database.transact(work)


def _to_replace(there: list[Life], name: str, credential: str | None) -> Life:
    """The newest of the line that is meant."""
    replaced = {one.replaces for one in there}
    newest = [one for one in there if one.id not in replaced]
    if credential is not None:
        for one in newest:
            if credential in (one.id, one.replaces):
                return one
        raise NotFound(
            f"{name} has no credential {credential} in force; `cert-exchange partner credentials {name}` shows them."
        )
    if not newest:
        raise ConfigurationInvalid(
            f"{name} has no credential in force; `cert-exchange partner issue {name}` makes one."
        )
    if len(newest) > 1:
        listed = ", ".join(f"{one.id} ({one.label})" if one.label else one.id for one in newest)
        raise ConfigurationInvalid(
            f"{name} has several credentials; say which one is replaced, by its id: {listed}."
        )
    return newest[0]


def _new(now: int, span: int | None) -> IssuedSecret:
    credential_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    return IssuedSecret(
        credential_id, secrets.token_urlsafe(32), None if span is None else now + span
    )


def _insert(
    tx: Transaction,
    node: Node,
    partner: PartnerRow,
    issued: IssuedSecret,
    *,
    at: int,
    label: str | None,
    networks: str | None,
    scope: Mapping[int, Reach] | None,
    replaces: str | None = None,
) -> None:
    rows.insert_credential(
        tx,
        issued.credential_id,
        partner=partner.id,
        digest=digest_of(node.secrets.credential_key, issued.credential_id, issued.secret),
        at=at,
        expires_at=issued.expires_at,
        label=label,
        networks=networks,
        replaces=replaces,
        scope=scope,
    )
    credential_rows.clear_failures(tx, partner.id)


def _facts(
    name: str, issued: IssuedSecret, networks: str | None, scope: Mapping[int, Reach] | None
) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"partner": name, "credential": issued.credential_id}
    if issued.expires_at is not None:
        facts["expires_at"] = issued.expires_at
    if networks:
        facts["networks"] = networks.split()
    if scope is not None:
        for right, may in (("reads", "may_read"), ("writes", "may_write")):
            facts[right] = [str(number) for number in sorted(scope) if getattr(scope[number], may)]
    return facts


def _span(lifetime: timedelta | None) -> int | None:
    if lifetime is None:
        return None
    if lifetime <= timedelta(0):
        raise ConfigurationInvalid("lifetime is not positive; give e.g. 365 days.")
    return lifetime // _MICROSECOND


def _networks(given: Iterable[str]) -> str | None:
    found = []
    for text in given:
        try:
            found.append(str(ip_network(text.strip())))
        except ValueError:
            raise ConfigurationInvalid(
                f"{text!r} is no network; write an address, or a network such as 192.0.2.0/24 or 2001:db8::/48"
                " with nothing behind its prefix."
            ) from None
    if len(found) > MOST_NETWORKS:
        raise ConfigurationInvalid(f"at most {MOST_NETWORKS} networks; name larger ones.")
    return " ".join(dict.fromkeys(found)) or None


def _scope(tx: Transaction, given: Mapping[str, Reach]) -> dict[int, Reach] | None:
    if not given:
        return None
    found: dict[int, Reach] = {}
    for name, reach in given.items():
        row = collection_rows.find_collection(tx, name)
        if row is None:
            there = ", ".join(collection_rows.collection_labels(tx))
            raise ConfigurationInvalid(
                f"there is no collection {name!r}; there are: {there or 'none'}."
            )
        found[row.id] = reach
    return found


def _check_label(label: str | None) -> None:
    if label is not None and (
        not label.strip() or len(label) > MOST_LABEL or not label.isprintable()
    ):
        raise ConfigurationInvalid(
            f"the label has to be 1 to {MOST_LABEL} characters that can be printed."
        )
