"""What a node signs, and what it takes as signed: compact JWS (RFC 7515) with Ed25519 over RFC 8785 bytes.

1. One algorithm, named `Ed25519` as RFC 9864 has it (`EdDSA` names a family and is deprecated); the header is exactly
   {"alg", "kid"}. A signature with any other header is broken, whatever it says.
2. The payload is one JSON object in the one form of RFC 8785, and says in `kind` what it is: nothing that was signed
   as one thing can be shown as another.
3. What is verified is what was signed: the content is read from the signed bytes, after they verified.
4. Time is an argument: a key counts for `now`, which the caller says.
5. Texts that have a form of their own (a note, a checkpoint) are signed by `sign_bytes`; they begin otherwise than
   every JWS does, so that no signature stands for both.
6. The library for JWS is imported where one is made or read: every command would start with it otherwise.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from cert_exchange.errors import SignatureBroken
from cert_exchange.messages.keys import SigningKey, VerifyingKey, is_kid, kid_of, public_text

if TYPE_CHECKING:
    from joserfc.jwk import OKPKey

__all__ = [
    "ALGORITHM",
    "LONGEST",
    "SigningKey",
    "Verified",
    "VerifyingKey",
    "canonical",
    "kid_of",
    "said_in",
    "sign",
    "sign_bytes",
    "verify",
    "verify_bytes",
]

ALGORITHM: Final = "Ed25519"
LONGEST: Final = 2 * 1024 * 1024
"""Bytes of a signed text that we read."""
_PARTS: Final = 3
_IN_ORDER: Final = orjson.OPT_SORT_KEYS
_SAFE_INTEGER: Final = 2**53 - 1
_KEYS_READ: Final = 64


@dataclass(frozen=True, slots=True)
class Verified:
    """A signed text that verified: by which key, and what it says."""

    kid: str
    payload: bytes
    content: Mapping[str, Any]

    def of_kind(self, kind: str) -> Mapping[str, Any]:
        """What it says, where it is a text of this kind. Raises SignatureBroken."""
        if self.content.get("kind") != kind:
            raise SignatureBroken(f"the signed text is no {kind}.")
        return self.content


def canonical(content: Mapping[str, Any]) -> bytes:
    """The one form of a JSON object (RFC 8785). Raises ValueError for what JSON cannot say exactly."""
    given = dict(content)
    # Without fractions, and with keys whose order is the same in UTF-16, orjson writes that form, at a tenth of the cost:
    # each statement and receipt is put into it several times.
    return orjson.dumps(given, option=_IN_ORDER) if _is_plain(given) else rfc8785.dumps(given)


def _is_plain(value: Any) -> bool:
    """Whether orjson with sorted keys writes a value as RFC 8785 does."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, str):
        return value.isascii() and value.isprintable()
    if isinstance(value, int):
        return -_SAFE_INTEGER <= value <= _SAFE_INTEGER
    if isinstance(value, dict):
        keys = all(isinstance(key, str) and _is_plain(key) for key in value)
        return keys and all(map(_is_plain, value.values()))
    return isinstance(value, list) and all(map(_is_plain, value))


def sign(payload: bytes, key: SigningKey) -> str:
    """Sign canonical bytes with a `kind`; the compact JWS. Raises ValueError for other bytes."""
    if "kind" not in _read(payload):
        raise ValueError("what is signed says its kind")
    from joserfc import jws  # noqa: PLC0415 - rule 6: not at every start

    private = _private(key)
    return jws.serialize_compact(
        {"alg": ALGORITHM, "kid": key.kid}, payload, private, algorithms=[ALGORITHM]
    )


def verify(text: str, keys: Iterable[VerifyingKey], now: int) -> Verified:
    """Verify a compact JWS by one of the keys that count now (micros). Raises SignatureBroken with what is wrong."""
    kid = key_named_in(text)
    key = next((one for one in keys if one.kid == kid), None)
    if key is None:
        raise SignatureBroken(f"signed with key {kid}, which is not pinned for this partner.")
    if not key.holds_at(now):
        raise SignatureBroken(f"signed with key {kid}, which does not count now.")
    from joserfc import jws  # noqa: PLC0415 - rule 6: not at every start
    from joserfc.errors import JoseError  # noqa: PLC0415 - rule 6: not at every start

    try:
        payload = jws.deserialize_compact(text, _key(key.public), algorithms=[ALGORITHM]).payload
    except (JoseError, ValueError):
        raise SignatureBroken(f"the signature of key {kid} does not fit its text.") from None
    try:
        content = _read(payload)
    except ValueError:
        raise SignatureBroken("the signed text is not in canonical form.") from None
    return Verified(kid, payload, MappingProxyType(content))


@lru_cache(maxsize=_KEYS_READ)
def _private(key: SigningKey) -> OKPKey:
    return _key(key.public, key.private)


@lru_cache(maxsize=_KEYS_READ)
def _key(public: bytes, private: bytes | None = None) -> OKPKey:
    """A key as the library wants it: reading one costs more than a signature."""
    from joserfc.jwk import OKPKey  # noqa: PLC0415 - rule 6: not at every start

    said: dict[str, str | list[str]] = {"kty": "OKP", "crv": ALGORITHM, "x": public_text(public)}
    if private is not None:
        said["d"] = public_text(private)
    return OKPKey.import_key(said)


def key_named_in(text: str) -> str:
    """The key that a compact JWS says it is signed with; nothing is verified. Raises SignatureBroken."""
    if len(text) > LONGEST or not text.isascii() or text.count(".") != _PARTS - 1:
        raise SignatureBroken("what should be signed is no compact JWS.")
    from joserfc import jws  # noqa: PLC0415 - rule 6: not at every start
    from joserfc.errors import JoseError  # noqa: PLC0415 - rule 6: not at every start

    try:
        header = jws.extract_compact(text.encode("ascii")).headers()
    except (JoseError, ValueError):
        raise SignatureBroken("what should be signed is no compact JWS.") from None
    kid = header.get("kid")
    if header.keys() != {"alg", "kid"} or header["alg"] != ALGORITHM or not is_kid(kid):
        raise SignatureBroken(f'the header of a signed text is {{"alg":"{ALGORITHM}","kid":...}}.')
    return str(kid)


def said_in(text: str) -> dict[str, Any]:
    """What a compact JWS says that verified when it was kept; nothing is verified."""
    middle = text.split(".")[1]
    return _read(urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def _read(payload: bytes) -> dict[str, Any]:
    content = orjson.loads(payload)
    try:
        if isinstance(content, dict) and canonical(content) == payload:
            return content
    except RecursionError:
        raise ValueError("nested too deep") from None
    raise ValueError("not one object in the form of RFC 8785")


def sign_bytes(message: bytes, key: SigningKey) -> bytes:
    """The plain Ed25519 signature (64 bytes) of a text that has a form of its own: rule 5."""
    return Ed25519PrivateKey.from_private_bytes(key.private).sign(message)


def verify_bytes(signature: bytes, message: bytes, public: bytes) -> None:
    """Verify a plain Ed25519 signature. Raises SignatureBroken."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise SignatureBroken(f"the signature of key {kid_of(public)} does not fit.") from None
