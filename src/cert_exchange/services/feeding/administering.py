"""Feeds and what opens them: added, changed, listed, removed; credentials issued and revoked.

1. A feed has a name, and with it an address that stays. Changing what it gives changes neither address nor credentials.
2. A secret is shown once; kept is a keyed digest. It opens this one feed, and nothing that a partner's opens.
3. Every change writes a ledger line, in its own transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import Final

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.services.feeding.choosing import NAME, Choice, from_text, to_text
from cert_exchange.services.ledger import record
from cert_exchange.services.partners.issuing import IssuedSecret
from cert_exchange.services.partners.recognising import digest_of
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import credentials as lockouts
from cert_exchange.store import feeds as rows
from cert_exchange.store import holdings
from cert_exchange.store.database import Transaction
from cert_exchange.store.feeds import CredentialRow, FeedRow

MOST_FEEDS: Final = 500
MOST_LABEL: Final = 80
MOST_NETWORKS: Final = 32
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed as people see it. The instant in micros."""

    name: str
    choice: Choice | None
    """None: it was written by another release, and gives nothing"""
    made_at: int
    made_by: str
    credentials: tuple[CredentialRow, ...]


def add(node: Node, name: str, choice: Choice, *, by: str) -> None:
    """Add a feed. Raises InputRefused for its name or a name in it, NotFound for a partner or collection."""
    if not NAME.fullmatch(name):
        raise InputRefused(
            f"{name[:80]!r} is no name of a feed; write small letters, digits, dots and hyphens, at most 63."
        )
    now = node.now()

    def work(tx: Transaction) -> None:
        _check_names(tx, choice)
        there = rows.listing(tx)
        if any(one.name == name for one in there):
            raise InputRefused(
                f"There is a feed {name} already; `cert-exchange feeds change {name}` changes what it gives."
            )
        if len(there) >= MOST_FEEDS:
            raise InputRefused(f"There are {MOST_FEEDS} feeds already; remove one first.")
        rows.add(tx, name, to_text(choice), at=now, by=by)
        record(tx, Line("feed.add", now, by, facts={"feed": name, "gives": to_text(choice)}))

    node.database.transact(work)


def change(node: Node, name: str, choice: Choice, *, by: str) -> None:
    """Let a feed give something else, at the same address. Raises NotFound, InputRefused."""
    now = node.now()

    def work(tx: Transaction) -> None:
        _check_names(tx, choice)
        rows.change(tx, existing(tx, name).id, to_text(choice))
        record(tx, Line("feed.change", now, by, facts={"feed": name, "gives": to_text(choice)}))

    node.database.transact(work)


def remove(node: Node, name: str, *, by: str) -> int:
    """Remove a feed and what opened it; how many credentials that were. Raises NotFound."""
    now = node.now()

    def work(tx: Transaction) -> int:
        feed = existing(tx, name)
        ended = len(rows.credentials(tx, feed.id))
        rows.remove(tx, feed.id)
        lockouts.clear_failures(tx, -feed.id)
        record(tx, Line("feed.remove", now, by, facts={"feed": name}))
        return ended

    return node.database.transact(work)


def listing(node: Node) -> list[Feed]:
    """Every feed with the credentials that were not revoked, by name."""
    with node.database.reading() as tx:
        opened = rows.credentials(tx)
        return [
            Feed(
                one.name, _choice(one), one.made_at, one.made_by,
                tuple(each for each in opened if each.feed == one.id),
            )
            for one in rows.listing(tx)
        ]  # fmt: skip


def issue(
    node: Node,
    name: str,
    *,
    label: str | None = None,
    networks: Iterable[str] = (),
    lifetime: timedelta | None = None,
    by: str,
) -> IssuedSecret:
    """Issue what one tool logs in with; others go on. Raises NotFound, ConfigurationInvalid."""
    if label is not None and not (label.isprintable() and 0 < len(label) <= MOST_LABEL):
        raise ConfigurationInvalid(
            f"The label is printable text of at most {MOST_LABEL} characters."
        )
    if lifetime is not None and lifetime <= timedelta(0):
        raise ConfigurationInvalid("The lifetime is not positive; give for example 365 days.")
    now = node.now()
    span = None if lifetime is None else now + lifetime // timedelta(microseconds=1)
    credential_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    issued = IssuedSecret(credential_id, secrets.token_urlsafe(32), span)
    places = _networks(networks)

    def work(tx: Transaction) -> None:
        feed = existing(tx, name)
        digest = feed_digest(node, credential_id, issued.secret)
        rows.issue(
            tx, credential_id, feed.id, digest, label=label, networks=places, at=now,
            expires_at=span,
        )  # fmt: skip
        lockouts.clear_failures(tx, -feed.id)
        facts = {"feed": name, "credential": credential_id}
        record(tx, Line("feed.issue", now, by, facts=facts))

    node.database.transact(work)
    return issued


def revoke(node: Node, credential_id: str, *, by: str) -> None:
    """End a credential; the next request with it is refused. Raises NotFound."""
    now = node.now()

    def work(tx: Transaction) -> None:
        if not rows.revoke(tx, credential_id, at=now):
            raise NotFound(
                "There is no such credential of a feed in force; `cert-exchange feeds list` shows the ids."
            )
        record(tx, Line("feed.revoke", now, by, facts={"credential": credential_id}))

    node.database.transact(work)


def existing(tx: Transaction, name: str) -> FeedRow:
    """The feed of this name. Raises NotFound with the names that there are."""
    found = rows.named(tx, name)
    if found is None:
        known = ", ".join(one.name for one in rows.listing(tx))
        raise NotFound(f"There is no feed {name[:80]}; there are: {known or 'none yet'}.")
    return found


def feed_digest(node: Node, credential_id: str, secret: str) -> bytes:
    """What is kept of a feed's credential; a partner's of the same words has another."""
    return digest_of(node.secrets.credential_key, f"feed/{credential_id}", secret)


def _choice(row: FeedRow) -> Choice | None:
    try:
        return from_text(row.options)
    except ConfigurationInvalid:
        return None


def _check_names(tx: Transaction, choice: Choice) -> None:
    """A name that is not there would give nothing, for ever."""
    known = set(holdings.names_of_origins(tx).values())
    for name in choice.origins:
        if name not in known:
            raise NotFound(f"There is no partner {name}; there are: {', '.join(sorted(known))}.")
    for name in choice.collections:
        if collection_rows.find_collection(tx, name, retired=True) is None:
            raise NotFound(
                f"There is no collection {name}; `cert-exchange status` lists those that there are."
            )


def _networks(given: Iterable[str]) -> str | None:
    found: list[str] = []
    for text in given:
        try:
            found.append(str(ip_network(text.strip(), strict=False)))
        except ValueError:
            raise ConfigurationInvalid(
                f"{text!r} is no network; write it like 192.0.2.0/24, or one address."
            ) from None
    if len(found) > MOST_NETWORKS:
        raise ConfigurationInvalid(f"Name at most {MOST_NETWORKS} networks.")
    return " ".join(found) or None
