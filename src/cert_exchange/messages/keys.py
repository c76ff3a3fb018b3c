"""Ed25519 keys as values: one that signs, one that verifies for a time, and how a key is called.

1. A key is called by the first 16 hex digits of the SHA-256 of its 32 raw public bytes: who has the key has its name.
2. A private key is in no `repr` and no error.
3. Reading a key needs no cryptography: a node that signs nothing loads none of it.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cert_exchange.errors import SignatureBroken

KEY_BYTES: Final = 32
"""of a private seed and of a public key alike (RFC 8032)"""
_KID: Final = re.compile(r"[0-9a-f]{16}")
_PUBLIC_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def kid_of(public: bytes) -> str:
    """How a public key of 32 raw bytes is called."""
    return sha256(public).hexdigest()[:16]


def is_kid(value: object) -> bool:
    """Whether this is a name of a key."""
    return isinstance(value, str) and _KID.fullmatch(value) is not None


def public_of(private: bytes) -> bytes:
    """The public key of a private seed, 32 raw bytes each."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - rule 3: reading needs no cryptography
        Ed25519PrivateKey,
    )

    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def public_text(public: bytes) -> str:
    """A public key as people send it: 43 characters of base64url, without padding (RFC 8037's `x`)."""
    return base64.urlsafe_b64encode(public).rstrip(b"=").decode("ascii")


def read_public(text: str) -> bytes:
    """Read what `public_text` wrote. Raises SignatureBroken for anything else."""
    if not _PUBLIC_TEXT.fullmatch(text):
        raise SignatureBroken("a public key is 43 characters of A-Z, a-z, 0-9, - and _.")
    public = base64.urlsafe_b64decode(text + "=")
    if public_text(public) != text:
        raise SignatureBroken("a public key is written in one way only; this one is not.")
    return public


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One of our own keys. `since`: micros, when it was made."""

    kid: str
    private: bytes = field(repr=False)
    since: int = 0

    def __post_init__(self) -> None:
        if not _KID.fullmatch(self.kid) or len(self.private) != KEY_BYTES:
            raise ValueError(f"no signing key: {self.kid!r}")

    @property
    def public(self) -> bytes:
        """Its 32 public bytes."""
        return public_of(self.private)


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """Somebody's public key, and when we take its signatures: since <= now < until. Micros; `until` None: no end."""

    kid: str
    public: bytes
    since: int = 0
    until: int | None = None

    def __post_init__(self) -> None:
        if len(self.public) != KEY_BYTES or self.kid != kid_of(self.public):
            raise ValueError(f"no verifying key: {self.kid!r} is not the name of its bytes")

    def holds_at(self, now: int) -> bool:
        """Whether its signatures are taken now."""
        return self.since <= now and (self.until is None or now < self.until)


def make_signing_key(private: bytes, *, since: int) -> SigningKey:
    """A key of ours from 32 random bytes, with its name."""
    return SigningKey(kid_of(public_of(private)), private, since)
