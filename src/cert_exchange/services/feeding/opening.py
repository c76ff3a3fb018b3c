"""Recognising who reads a feed.

1. A feed's credential opens that feed alone. Checked on every request, nothing is cached.
2. What is compared and what follows of a failure is as for a partner (`partners.lockouts`), by feed and network: outsiders
   silence no tool elsewhere. A feed that there is not is answered like a wrong credential.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

import structlog

from cert_exchange.errors import ElsewhereRefused, NotAuthenticated
from cert_exchange.node import Node
from cert_exchange.services.feeding.administering import feed_digest
from cert_exchange.services.partners.lockouts import (
    NO_DIGEST,
    count_failure,
    known_form,
    reason_against,
    refuse_while_locked,
)
from cert_exchange.services.partners.recognising import is_within, network_of
from cert_exchange.store import credentials as lockouts
from cert_exchange.store import feeds as rows
from cert_exchange.store.feeds import CredentialRow

log = structlog.get_logger(__name__)

MINUTE: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks: a tool that proved itself with this request."""

    credential: str
    feed: int
    feed_name: str


def recognise(node: Node, credential_id: str, secret: str, *, network: str) -> Reader:
    """Recognise a reader, and count the failure if it is none. Raises NotAuthenticated, TooManyRequests."""
    form = known_form(credential_id)
    place = network_of(network)
    now = node.now()
    with node.database.reading() as tx:
        found = rows.credential(tx, form)
        counted = _counted(found)
        locked = lockouts.locked_until(tx, counted, place)
    expected = feed_digest(node, form, secret)
    right = hmac.compare_digest(expected, found.digest if found else NO_DIGEST)
    refuse_while_locked(locked, now=now, detail=f"feed {-counted} is locked out of {place}")
    reason = "unknown credential of a feed"
    if found is not None:
        reason = reason_against(
            f"feed {found.feed_name}", right=right, revoked_at=found.revoked_at, expires_at=found.expires_at, now=now
        ) or ""  # fmt: skip
    if found is None or reason:
        node.database.transact(lambda tx: count_failure(tx, counted, place, now=now))
        raise NotAuthenticated(detail=reason)
    if found.networks is not None and not is_within(found.networks, network):
        log.warning("a right credential came from elsewhere", credential=form, network=place)
        raise ElsewhereRefused(
            detail=f"credential {form} of feed {found.feed_name} from {place}, which is not its own"
        )
    if found.last_used_at is None or now - found.last_used_at > MINUTE:
        node.database.transact(lambda tx: rows.note_use(tx, form, at=now))
    return Reader(form, found.feed, found.feed_name)


def _counted(found: CredentialRow | None) -> int:
    """Where failures are counted: partners are numbered upwards, feeds downwards, 0 is nobody."""
    return 0 if found is None else -found.feed
