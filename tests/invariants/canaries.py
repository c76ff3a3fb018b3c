"""Marks that no hidden content may leave behind, and the forms in which they could be hidden.

`forms_of` says how a secret text would look raw, encoded, escaped, digested or as a deterministic id; `Sieve` looks for
all forms of all secrets in an answer, also inside what the answer itself encodes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes
from uuid import NAMESPACE_DNS, NAMESPACE_OID, NAMESPACE_URL, UUID, uuid5

OBSERVABLES = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""The name space of deterministic ids (STIX 2.1, 2.9)."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
_PLAIN = re.compile(rb"[a-z0-9-]+--[0-9a-f-]{36}|[a-z_-]+|[0-9a-f-]{36}")
"""Ids and property names, which are no encoded text."""


def canary() -> str:
    """A word of 96 random bits: it stands in an answer only if it came from the hidden object."""
    return "canary" + secrets.token_hex(12)


def forms_of(secret: str) -> set[bytes]:
    """Everything that an answer could show of a secret, in lower case where case carries nothing."""
    raw = secret.encode()
    forms = {raw.lower(), raw.hex().encode(), "".join(f"\\u{ord(c):04x}" for c in secret).encode()}
    forms.add("".join(f"%{byte:02x}" for byte in raw).encode())
    forms.add(quote(secret, safe="").lower().encode())
    for name in ("md5", "sha1", "sha256"):
        digest = hashlib.new(name, raw, usedforsecurity=False)
        forms |= {digest.hexdigest().encode(), base64.b64encode(digest.digest())[:-2].lower()}
    forms |= {
        str(uuid5(space, secret)).encode()
        for space in (OBSERVABLES, NAMESPACE_URL, NAMESPACE_DNS, NAMESPACE_OID)
    }
    for shift in range(3):
        # Without the first and last group, which neighbours change.
        coded = base64.b64encode(b"x" * shift + raw)[4:]
        forms.add(coded[: len(coded) // 4 * 4 - 4].lower())
    return {form for form in forms if len(form) >= 12}


@dataclass
class Sieve:
    """All secrets by form."""

    secrets: dict[bytes, str] = field(default_factory=dict)

    def add(self, secret: str, what: str) -> None:
        self.secrets.update((form, what) for form in forms_of(secret))

    def found_in(self, answer: bytes) -> set[str]:
        """Which secrets an answer (head and body) shows."""
        hay = b"\n".join(_layers(answer))
        return {what for form, what in self.secrets.items() if form in hay}


def _layers(answer: bytes) -> list[bytes]:
    """The answer, and what is left when one layer of encoding is taken off."""
    layers = [answer.lower(), unquote_to_bytes(answer).lower()]
    layers.append(answer.decode("utf-8", "replace").encode("ascii", "backslashreplace").lower())
    for word in {word for word in _BASE64.findall(answer) if not _PLAIN.fullmatch(word)}:
        for alphabet in (b"+/", b"-_"):
            try:
                layers.append(base64.b64decode(word + b"==", altchars=alphabet).lower())
            except (binascii.Error, ValueError):
                continue
    return layers
