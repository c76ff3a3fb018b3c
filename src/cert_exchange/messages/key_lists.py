"""A node's list of public keys, vouched for by those of its keys that a partner may know already.

1. The list is signed by every key that its owner still has: who trusts one of them learns of the others by it.
2. A key that only vouches for itself tells nothing: the first one is compared by people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.errors import SignatureBroken
from cert_exchange.messages.keys import SigningKey, VerifyingKey, kid_of, public_text, read_public
from cert_exchange.messages.signatures import canonical, sign, verify

KIND: Final = "cert-exchange keys 1"
MOST: Final = 20
"""Keys in one list, and signatures of one list."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Keys that a list names, and which pinned key vouches for them."""

    keys: tuple[VerifyingKey, ...]
    by: str


def write_list(identity: str, keys: Sequence[SigningKey], *, now: int) -> dict[str, Any]:
    """The list of our keys, the newest first, with a signature by each of them. `now` in micros."""
    content = {
        "kind": KIND,
        "of": identity,
        "at": now,
        "keys": [
            {"kid": key.kid, "public": public_text(key.public), "since": key.since}
            for key in keys[:MOST]
        ],
    }
    payload = canonical(content)
    return {"signed": [sign(payload, key) for key in keys[:MOST]]}


def read_list(
    document: Mapping[str, Any], identities: Iterable[str], pinned: Sequence[VerifyingKey], now: int
) -> Vouched:
    """Read a partner's list by a pinned key that counts now. Raises SignatureBroken where none vouches for it.

    `identities`: those that the partner may call itself.
    """
    texts = document.get("signed")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise SignatureBroken("what should be a list of keys is none.")
    broken = SignatureBroken("no pinned key that counts now vouches for the partner's keys.")
    for text in texts[:MOST]:
        try:
            verified = verify(text, pinned, now)
        except SignatureBroken as error:
            broken = error
            continue
        return Vouched(_keys(verified.of_kind(KIND), set(identities)), verified.kid)
    raise broken


def _keys(content: Mapping[str, Any], identities: set[str]) -> tuple[VerifyingKey, ...]:
    if content.get("of") not in identities:
        raise SignatureBroken("the list of keys is of another organisation.")
    try:
        made = []
        for entry in content["keys"][:MOST]:
            public = read_public(entry["public"])
            made.append(VerifyingKey(kid_of(public), public, int(entry["since"])))
    except (KeyError, TypeError, ValueError):
        raise SignatureBroken("what should be a list of keys is none.") from None
    return tuple(made)
