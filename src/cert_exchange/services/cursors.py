"""`next`: where a reader stands, as a text that only this node can make and that says nothing new to its holder.

1. Stateless and repeatable: the same text gives the same page, from any process, after a restart, as long as a key that
   signed it is kept (DECISIONS 8).
2. It holds a position and the reader's own filters; whose it is, and of which view, is only in the digest. So it
   reveals no number of ours, and is worth nothing to another partner or in another collection.
3. Whatever is not ours is None; nothing of it is looked at before its digest is right.

    <key id>.<base64url of: format (1 byte), epoch (4), position (8, signed), filters, digest (16)>
"""

from __future__ import annotations

import binascii
import hmac
import struct
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from cert_exchange.node import Secrets
from cert_exchange.store.pages import Filters, Versions

_FORMAT: Final = 1
_HEAD: Final = struct.Struct(">BIq")
_SCOPE: Final = struct.Struct(">qqqB")
_DIGEST: Final = 16
_LONGEST: Final = 65_536
"""Characters: as many as a request line may have."""
_LISTED: Final = 3
_PLAIN: Final = b"-"
_PACKED: Final = b"z"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token is bound to: a reader, a view, and the resource it pages."""

    partner: int
    collection: int
    view: int
    resource: int
    stix_id: str = ""

    def packed(self) -> bytes:
        """Lay the scope out for the digest, without ambiguity."""
        numbers = _SCOPE.pack(self.partner, self.collection, self.view, self.resource)
        return b"cert-exchange next\0" + numbers + self.stix_id.encode()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a reader stands: everything up to `position` (micros) of the log in `epoch` was shown to it."""

    epoch: int
    position: int
    filters: Filters


def sign(secrets: Secrets, scope: Scope, cursor: Cursor) -> str:
    """Make the text of `next`."""
    name = secrets.token_key_id
    payload = _HEAD.pack(_FORMAT, cursor.epoch, cursor.position) + _pack(cursor.filters)
    whole = payload + _digest(secrets.token_keys[name], scope, payload)
    return f"{name}.{urlsafe_b64encode(whole).rstrip(b'=').decode()}"


def verify(secrets: Secrets, scope: Scope, token: str) -> Cursor | None:
    """Read a text that `sign` made for the same scope; None for any other."""
    name, dot, rest = token.partition(".")
    key = secrets.token_keys.get(name)
    if key is None or not dot or len(token) > _LONGEST:
        return None
    try:
        whole = urlsafe_b64decode(rest.encode("ascii") + b"=" * (-len(rest) % 4))
    except (binascii.Error, ValueError):
        return None
    payload, given = whole[:-_DIGEST], whole[-_DIGEST:]
    if len(payload) < _HEAD.size or urlsafe_b64encode(whole).rstrip(b"=").decode() != rest:
        return None
    if not hmac.compare_digest(_digest(key, scope, payload), given):
        return None
    form, epoch, position = _HEAD.unpack_from(payload)
    if form != _FORMAT:
        return None
    return Cursor(epoch, position, _unpack(payload[_HEAD.size :]))


def _digest(key: bytes, scope: Scope, payload: bytes) -> bytes:
    bound = scope.packed()
    return hmac.digest(key, struct.pack(">I", len(bound)) + bound + payload, "sha256")[:_DIGEST]


_DEFAULT: Final = Filters()


def _pack(filters: Filters) -> bytes:
    if filters == _DEFAULT:
        return b""
    chosen = filters.versions
    words = [
        word
        for word, wanted in (("last", chosen.last), ("first", chosen.first), ("all", chosen.every))
        if wanted
    ]
    lists = (filters.ids, filters.types, (*words, *chosen.keys))
    text = "\n".join("" if each is None else ",".join(each) for each in lists).encode()
    packed = zlib.compress(text, 9)
    return _PACKED + packed if len(packed) < len(text) else _PLAIN + text


def _unpack(packed: bytes) -> Filters:
    if not packed:
        return _DEFAULT
    # Only what we made ourselves gets here, so it cannot unpack to more than we packed.
    text = (zlib.decompress(packed[1:]) if packed[:1] == _PACKED else packed[1:]).decode()
    lists = [tuple(line.split(",")) if line else None for line in text.split("\n")]
    assert len(lists) == _LISTED
    ids, types, words = lists
    chosen = words or ()
    return Filters(
        ids,
        types,
        Versions(
            last="last" in chosen,
            first="first" in chosen,
            every="all" in chosen,
            keys=tuple(word for word in chosen if word not in ("last", "first", "all")),
        ),
    )
