"""A text for one reader: closed to the public key that this reader offered, opened with the private one.

1. X25519 with a key pair that is used once (RFC 7748), HKDF-SHA256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439).
2. Both public keys and the context go into the key and the authentication: what was closed for one offer opens for no
   other.
3. It says nothing about who closed it: what holds it is signed.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cert_exchange.errors import SignatureBroken

KEY_BYTES: Final = 32
_TAG: Final = b"cert-exchange sealed answer 1\x00"
_NONCE: Final = bytes(12)  # each key is used for one text


def public_half(private: bytes) -> bytes:
    """The public key of 32 random bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def close_for(text: bytes, reader: bytes, *, once: bytes, context: bytes) -> bytes:
    """Close a text to a reader's public key. `once`: 32 random bytes, never used before or after.

    Raises SignatureBroken for what is no public key.
    """
    shown = public_half(once)
    key = _key(once, reader, shown + reader, context)
    return shown + ChaCha20Poly1305(key).encrypt(_NONCE, text, context)


def open_with(closed: bytes, private: bytes, *, context: bytes) -> bytes:
    """Open it with the private key of the offer that it answers. Raises SignatureBroken."""
    shown, rest = closed[:KEY_BYTES], closed[KEY_BYTES:]
    if len(shown) != KEY_BYTES:
        raise SignatureBroken("the sealed answer is cut off.")
    key = _key(private, shown, shown + public_half(private), context)
    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, rest, context)
    except InvalidTag:
        raise SignatureBroken(
            "the sealed answer does not open: it was made for another offer, or changed on its way."
        ) from None


def _key(private: bytes, public: bytes, both: bytes, context: bytes) -> bytes:
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(public)
        )
    except ValueError:
        raise SignatureBroken("what should be a public key for sealing is none.") from None
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=_TAG + both + context).derive(shared)
