"""A lock: a random key, wrapped under what a person or a machine holds.

1. What is sealed is sealed under the key inside, so that another passphrase needs no sealed file to be written anew.
2. What opens it is either a passphrase, made costly to guess by scrypt, or a key of 256 random bits, written as 64 hex
   digits. Which one it is shows by its form, and stands in the lock.
3. A lock says nothing of its key: AES-256-GCM over it, with all that the lock states as associated data.
4. A wrong passphrase, a wrong key and a changed lock are one refusal.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cert_exchange.errors import ConfigurationInvalid

Kind = Literal["passphrase", "key"]

KEY_BYTES: Final = 32
COST: Final = 2**17
"""scrypt's N with r = 8, p = 1: 128 MiB and about half a second for each guess."""
MOST_COST: Final = 2**20
"""A lock that asks for more than 1 GiB was not made here."""
SHORTEST: Final = 12
"""Characters of a passphrase."""
_BLOCK: Final = 8
_NONCE: Final = 12
_SALT: Final = 16
_OPENED: Final[dict[tuple[Lock, bytes], bytes]] = {}
"""What this process opened already, by the lock and the digest of what opened it: guessing is costly, and so is knowing."""
_KINDS: Final[dict[Kind, str]] = {"passphrase": "passphrase", "key": "key file"}
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Lock:
    """A wrapped key, as it stands in a file that anybody may read."""

    kind: Kind
    cost: int
    """of guessing a passphrase; 0 for a key"""
    salt: bytes
    wrapped: bytes
    """nonce and sealed key"""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": _FORMAT,
            "opens_with": self.kind,
            "scrypt_n": self.cost,
            "salt": base64.b64encode(self.salt).decode(),
            "wrapped": base64.b64encode(self.wrapped).decode(),
        }

    @classmethod
    def of(cls, document: Any) -> Lock:
        """Read what `document` gave. Raises ConfigurationInvalid."""
        try:
            if document["format"] != _FORMAT:
                raise ConfigurationInvalid(
                    "the lock was made by a newer release; install that one to open it."
                )
            lock = cls(
                document["opens_with"],
                int(document["scrypt_n"]),
                base64.b64decode(document["salt"], validate=True),
                base64.b64decode(document["wrapped"], validate=True),
            )
        except (KeyError, TypeError, ValueError):
            raise ConfigurationInvalid("the lock is damaged; take it from a backup.") from None
        sound = lock.kind == "key" or (2 <= lock.cost <= MOST_COST and lock.cost.bit_count() == 1)
        if lock.kind not in ("passphrase", "key") or not sound or len(lock.wrapped) <= _NONCE:
            raise ConfigurationInvalid("the lock is damaged; take it from a backup.")
        return lock


def new_key() -> str:
    """A key for a key file: 64 hex digits."""
    return os.urandom(KEY_BYTES).hex()


def kind_of(secret: str) -> Kind:
    """Whether this is a key or a passphrase."""
    return "key" if _HEX.fullmatch(secret) else "passphrase"


def make_lock(
    secret: str, *, key: bytes | None = None, cost: int | None = None
) -> tuple[Lock, bytes]:
    """Wrap a key (a new one, if none is given) under a passphrase or a key of 64 hex digits; returns both.

    Raises ConfigurationInvalid when the passphrase is too short.
    """
    kind = kind_of(secret)
    if kind == "passphrase" and len(secret) < SHORTEST:
        raise ConfigurationInvalid(
            f"a passphrase has at least {SHORTEST} characters; five or six words that nobody would put together"
            " are good, `cert-exchange secrets new-key FILE` makes something better."
        )
    key = key or os.urandom(KEY_BYTES)
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    bare = Lock(kind, (cost or COST) if kind == "passphrase" else 0, salt, b"")
    wrapped = AESGCM(_wrapping_key(bare, secret)).encrypt(nonce, key, _stated(bare))
    return Lock(bare.kind, bare.cost, salt, nonce + wrapped), key


def open_lock(lock: Lock, secret: str) -> bytes:
    """The key inside. Raises ConfigurationInvalid."""
    nonce, wrapped = lock.wrapped[:_NONCE], lock.wrapped[_NONCE:]
    place = (lock, sha256(secret.encode("utf-8")).digest())
    if place in _OPENED:
        return _OPENED[place]
    if lock.kind == kind_of(secret):
        try:
            key = AESGCM(_wrapping_key(lock, secret)).decrypt(nonce, wrapped, _stated(lock))
        except InvalidTag:
            pass
        else:
            _OPENED[place] = key
            return key
    given, wanted = (_KINDS[kind_of(secret)], _KINDS[lock.kind])
    raise ConfigurationInvalid(
        f"this {given} does not open it{'' if given == wanted else f', for which a {wanted} is needed'}."
    )


def _wrapping_key(lock: Lock, secret: str) -> bytes:
    if lock.kind == "key":
        return HKDF(SHA256(), KEY_BYTES, lock.salt, b"cert-exchange lock").derive(
            bytes.fromhex(secret)
        )
    return Scrypt(lock.salt, KEY_BYTES, lock.cost, _BLOCK, 1).derive(secret.encode("utf-8"))


def _stated(lock: Lock) -> bytes:
    return f"cert-exchange lock {_FORMAT} {lock.kind} {lock.cost}".encode()
