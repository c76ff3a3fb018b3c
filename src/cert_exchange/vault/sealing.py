"""Sealed bytes and sealed streams: unreadable and unchangeable without the key.

1. AES-256-GCM. Each name, and each stream, has a key of its own from HKDF, so that a sealed file in the place of another
   does not open, and no nonce is ever used twice under one key.
2. A stream is cut into pieces, each sealed with its number and whether it is the last: a piece that is missing, doubled,
   swapped or changed, or an end that was cut off, is found when it is reached.
3. Nothing is given out that was not authenticated.

    sealed file:   one line "cert-exchange sealed 1", nonce (12 bytes), ciphertext with its tag
    sealed stream: one line "cert-exchange stream 1", salt (32), pieces of at most PIECE bytes, each with its tag
"""

from __future__ import annotations

import io
import os
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.vault.files import SEALED

STREAM: Final = b"cert-exchange stream 1\n"
PIECE: Final = 1 << 20
_KEY: Final = 32
_NONCE: Final = 12
_SALT: Final = 32
_TAG: Final = 16


def seal(key: bytes, name: str, raw: bytes) -> bytes:
    """Seal the content of the file of that name."""
    nonce = os.urandom(_NONCE)
    return SEALED + nonce + AESGCM(_key_of(key, name)).encrypt(nonce, raw, SEALED)


def unseal(key: bytes, name: str, sealed: bytes) -> bytes:
    """What `seal` sealed under that name. Raises ConfigurationInvalid when it was changed or is of another node."""
    head, rest = sealed[: len(SEALED)], sealed[len(SEALED) :]
    try:
        if head == SEALED and len(rest) >= _NONCE + _TAG:
            return AESGCM(_key_of(key, name)).decrypt(rest[:_NONCE], rest[_NONCE:], SEALED)
    except InvalidTag:
        pass
    raise ConfigurationInvalid(
        f"{name} was changed, is damaged or belongs to another node; take it from a backup."
    )


def derived(key: bytes, purpose: str) -> bytes:
    """Another key of 32 bytes, for one purpose."""
    return HKDF(SHA256(), _KEY, None, f"cert-exchange {purpose}".encode()).derive(key)


class SealingWriter(io.RawIOBase):
    """A file object to write to; what arrives in `target` is a sealed stream. `close` writes its end."""

    def __init__(self, target: BinaryIO, key: bytes) -> None:
        salt = os.urandom(_SALT)
        self._cipher = AESGCM(_stream_key(key, salt))
        self._target = target
        self._waiting = bytearray()
        self._number = 0
        target.write(STREAM + salt)

    def writable(self) -> bool:
        """It is there for that."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # any buffer; we are given bytes
        """Take a piece of any size."""
        self._waiting += data
        # One full piece stays behind: whether it is the last one is known when the next byte comes.
        while len(self._waiting) > PIECE:
            self._put(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]
        return len(data)

    def close(self) -> None:
        """Seal the last piece. The target stays open."""
        if not self.closed:
            self._put(bytes(self._waiting), last=True)
            self._waiting.clear()
            super().close()

    def _put(self, piece: bytes, *, last: bool) -> None:
        self._target.write(
            self._cipher.encrypt(_piece_nonce(self._number, last=last), piece, STREAM)
        )
        self._number += 1


class UnsealingReader(io.RawIOBase):
    """A file object to read a sealed stream from. Raises ConfigurationInvalid at the first byte that is not ours."""

    def __init__(self, source: BinaryIO, key: bytes) -> None:
        self._source = source
        head = source.read(len(STREAM) + _SALT)
        if not head.startswith(STREAM) or len(head) != len(STREAM) + _SALT:
            raise _damaged()
        self._cipher = AESGCM(_stream_key(key, head[len(STREAM) :]))
        self._number = 0
        self._open = memoryview(b"")
        self._next = source.read(PIECE + _TAG)

    def readable(self) -> bool:
        """It is there for that."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, fewer only at the end; all that is left for a negative size."""
        found = bytearray()
        while size < 0 or len(found) < size:
            if not self._open and not self._advance():
                break
            wanted = len(self._open) if size < 0 else size - len(found)
            found += self._open[:wanted]
            self._open = self._open[wanted:]
        return bytes(found)

    def _advance(self) -> bool:
        if self._number < 0:
            return False
        piece, self._next = self._next, self._source.read(PIECE + _TAG)
        last = not self._next
        try:
            self._open = memoryview(
                self._cipher.decrypt(_piece_nonce(self._number, last=last), piece, STREAM)
            )
        except InvalidTag:
            raise _damaged() from None
        self._number = -1 if last else self._number + 1
        return bool(self._open)


def _damaged() -> ConfigurationInvalid:
    return ConfigurationInvalid(
        "the sealed file was changed, was cut off, or was made with another key."
    )


def _piece_nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_NONCE - 1, "big") + bytes([last])


def _key_of(key: bytes, name: str) -> bytes:
    return derived(key, f"secret file {name}")


def _stream_key(key: bytes, salt: bytes) -> bytes:
    return HKDF(SHA256(), _KEY, salt, b"cert-exchange stream").derive(key)
