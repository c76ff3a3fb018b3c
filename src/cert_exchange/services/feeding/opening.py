"""Recognising who reads a feed.

1. A feed's credential opens that feed alone. Checked on every request, nothing is cached.
2. A wrong one costs what a right one costs and is answered alike; why is in the log only. So is a feed that there is not.
3. Failures lock out a (feed, network) as they do a partner's: outsiders silence no tool elsewhere.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from cert_exchange.errors import ElsewhereRefused, NotAuthenticated, TooManyRequests
from cert_exchange.node import Node
from cert_exchange.services.feeding.administering import feed_digest
from cert_exchange.services.partners.recognising import (
    FORGET_AFTER,
    FREE_FAILURES,
    is_within,
    lock_seconds,
    network_of,
)
from cert_exchange.store import credentials as lockouts
from cert_exchange.store import feeds as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.feeds import CredentialRow

log = structlog.get_logger(__name__)

MINUTE: Final = 60_000_000
_SECOND: Final = 1_000_000
_FORM: Final = re.compile(r"[a-z2-7]{12}")
_NO_DIGEST: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks: a tool that proved itself with this request."""

    credential: str
    feed: int
    feed_name: str


def recognise(node: Node, credential_id: str, secret: str, *, network: str) -> Reader:
    """Recognise a reader, and count the failure if it is none. Raises NotAuthenticated, TooManyRequests."""
    known_form = credential_id if _FORM.fullmatch(credential_id) else ""
    place = network_of(network)
    now = node.now()
    with node.database.reading() as tx:
        found = rows.credential(tx, known_form)
        counted = _counted(found)
        locked = lockouts.locked_until(tx, counted, place)
    expected = feed_digest(node, known_form, secret)
    right = hmac.compare_digest(expected, found.digest if found else _NO_DIGEST)
    if locked > now:
        raise TooManyRequests(
            -(-(locked - now) // _SECOND),
            "Too many failed logins from your network; wait as Retry-After says.",
            detail=f"feed {-counted} is locked out of {place}",
        )
    reason = _reason_against(found, right=right, now=now)
    if found is None or reason:
        node.database.transact(lambda tx: _count(tx, counted, place, now))
        raise NotAuthenticated(detail=reason or "unknown credential of a feed")
    if found.networks is not None and not is_within(found.networks, network):
        log.warning("a right credential came from elsewhere", credential=known_form, network=place)
        raise ElsewhereRefused(
            detail=f"credential {known_form} of feed {found.feed_name} from {place}, which is not its own"
        )
    if found.last_used_at is None or now - found.last_used_at > MINUTE:
        node.database.transact(lambda tx: rows.note_use(tx, known_form, at=now))
    return Reader(known_form, found.feed, found.feed_name)


def _reason_against(found: CredentialRow | None, *, right: bool, now: int) -> str:
    if found is None:
        return "unknown credential of a feed"
    if not right:
        return f"wrong secret for feed {found.feed_name}"
    if found.revoked_at is not None:
        return f"revoked credential of feed {found.feed_name}"
    if found.expires_at is not None and found.expires_at <= now:
        return f"expired credential of feed {found.feed_name}"
    return ""


def _counted(found: CredentialRow | None) -> int:
    """Where failures are counted: partners are numbered upwards, feeds downwards, 0 is nobody."""
    return 0 if found is None else -found.feed


def _count(tx: Transaction, counted: int, place: str, now: int) -> None:
    """Count a failed login; the fifth locks out, each further one for twice as long."""
    lockouts.forget_failures(tx, before=now - 24 * 3_600 * _SECOND)
    before, last, locked = lockouts.failures(tx, counted, place)
    if locked > now:
        return
    fresh = now - last > FORGET_AFTER / timedelta(microseconds=1)
    failures = 1 if fresh else before + 1
    until = now + lock_seconds(failures) * _SECOND if failures >= FREE_FAILURES else 0
    lockouts.put_failures(tx, counted, place, count=failures, at=now, locked_until=until)
