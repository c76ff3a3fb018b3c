"""Who asks: credential -> `Caller`, and how often it may.

1. Nothing is looked up for a request under a TAXII root before its credential is valid (taxii21.md 25).
2. What was sent as a credential appears in no log and in no error.
3. A partner that asks too often is told when to come back; others do not notice it. All `serve` processes of a home count
   in one bucket (`buckets`).
"""

from __future__ import annotations

import binascii
import threading
from base64 import b64decode
from dataclasses import dataclass
from math import ceil
from typing import Any

from cert_exchange.errors import ElsewhereRefused, NotAuthenticated, TooManyRequests
from cert_exchange.node import Node
from cert_exchange.remote.pki import Peer
from cert_exchange.services.partners import Caller, Uses, recognise, split_token
from cert_exchange.taxii.buckets import Buckets
from cert_exchange.taxii.wire import Noted

CHALLENGES = (
    (b"www-authenticate", b'Basic realm="cert-exchange", charset="UTF-8"'),
    (b"www-authenticate", b'Bearer realm="cert-exchange"'),
)
"""Of every 401, one for each scheme (TAXII 2.1 section 1.6.9)."""
_LONGEST = 1_024


@dataclass(frozen=True, slots=True, repr=False)
class Presented:
    """What a request says it is."""

    credential_id: str
    secret: str


def presented(authorization: bytes | None) -> Presented:
    """Read an Authorization header: Basic, Bearer, or Token as another name of it, in any case.

    With Basic the user name is the credential's id and the password its secret; a password that is the whole
    `id.secret` is taken too, whatever the user name. Raises NotAuthenticated.
    """
    if authorization is None:
        raise NotAuthenticated(detail="no Authorization header")
    if len(authorization) > _LONGEST:
        raise NotAuthenticated(detail="Authorization header too long")
    scheme, _, value = authorization.strip().partition(b" ")
    value = value.strip()
    match scheme.lower():
        case b"bearer" | b"token":
            return Presented(*split_token(value.decode("latin-1")))
        case b"basic":
            return _basic(value)
        case _:
            raise NotAuthenticated(detail="an Authorization scheme that is not offered")


def _basic(value: bytes) -> Presented:
    try:
        user, colon, password = b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        raise NotAuthenticated(detail="Basic credentials that cannot be read") from None
    if not colon:
        raise NotAuthenticated(detail="Basic credentials without a colon")
    if "." in password:
        return Presented(*split_token(password))
    return Presented(user, password)


def caller_of(
    node: Node,
    connection: Any,
    given: Presented,
    host: str,
    shares: Shares,
    noted: Noted,
    peer: Peer | None = None,
    uses: Uses | None = None,
) -> Caller:
    """Recognise the caller, and note who it is, also where its share is used up.

    Raises NotAuthenticated, TooManyRequests; only reads, and `uses` writes beside it.
    """
    now = node.clock.monotonic()
    try:
        caller = recognise(
            node, connection, given.credential_id, given.secret, network=host, peer=peer
        )
    except ElsewhereRefused:
        if uses is not None:
            uses.note(given.credential_id, host, now=now, elsewhere=True)
        raise
    if uses is not None:
        uses.note(given.credential_id, host, now=now)
    noted.partner = caller.partner
    shares.take(caller, now)
    return caller


class Shares:
    """A token bucket per partner: a minute's share at once, filled evenly. Safe in all threads."""

    def __init__(self, buckets: Buckets | None = None) -> None:
        self._lock = threading.Lock()
        self._buckets = buckets or Buckets()

    def take(self, caller: Caller, now: float) -> None:
        """Count one request; `now` in monotonic seconds. Raises TooManyRequests when the share is used up."""
        share = caller.requests_per_minute
        with self._lock:
            left = self._buckets.level(
                caller.partner, full=float(share), per_second=share / 60, now=now
            )
            if left < 1:
                self._buckets.put(caller.partner, left, now)
                wait = ceil((1 - left) * 60 / share)
                raise TooManyRequests(wait, detail=f"partner {caller.partner} used up {share}/min")
            self._buckets.put(caller.partner, left - 1, now)
