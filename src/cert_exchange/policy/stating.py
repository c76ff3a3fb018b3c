"""The values of an object as keys: two objects that state the same value have a key in common.

1. Addresses are one key however they are written; everything else is compared as text, letter case aside.
2. A key is eight bytes of a digest, so that what is kept beside the objects holds no value. Whoever looks one up compares
   the values themselves again.
3. What cannot be read has no key. Nothing raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from cert_exchange.policy.indicated import indicated_by

KEY_BYTES: Final = 8
MOST: Final = 50
"""So many values of one object have keys: a pattern may list thousands."""
SHORTEST: Final = 4
"""Characters: what is shorter is met by chance."""


def values_of(content: Mapping[str, Any]) -> dict[bytes, str]:
    """Key -> value, as it is written, of what a validated object states."""
    about = indicated_by(content)
    found: dict[bytes, str] = {}
    for address in about.addresses:
        found[_key(f"{address.version}:{address.first}-{address.last}")] = address.text
    addresses = {address.text.casefold() for address in about.addresses}
    for word in about.words:
        if len(word) >= SHORTEST and word not in addresses:
            found.setdefault(_key(word), word)
        if len(found) >= MOST:
            break
    return found


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


__all__ = ["KEY_BYTES", "MOST", "values_of"]
