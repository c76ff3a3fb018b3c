"""A file that carries the channel by hand: what is signed of it, and how it is closed for its reader.

    line 1: "cert-exchange carried 1"
    line 2: JSON: `to` the name of the reader's signing key, `key` the public key that was made for this file
    then  : a sealed stream (`vault.sealing`); inside, records, a JSON object a line, `end` the last of them

1. It is closed to the reader's signing key that is pinned: as a point of Curve25519, which an Ed25519 key is as well
   (RFC 7748; that one key may do both is shown in ePrint 2021/509). So a link that is broken already needs no other key.
2. X25519 with a key pair that is used once, HKDF-SHA256: both public keys and the two lines go into the key.
3. `end` signs who, for whom, the number, and the SHA-256 of every byte before it: nothing counts before that was checked.
4. The first number is the format: a reader refuses another one. Within a format, names and records that a reader does
   not know are passed over; what must not be passed over makes a new format.
5. Files of one sender to one recipient are numbered from 1. `base`: who took that one in may take this one; `previous` is
   its digest. Usually the number before, and less where what was lost is sent once more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256, sha512
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cert_exchange.errors import InputRefused, SignatureBroken
from cert_exchange.messages.deliveries import NOTHING_BEFORE, number_of
from cert_exchange.messages.keys import KEY_BYTES, SigningKey, VerifyingKey, is_kid
from cert_exchange.messages.signatures import Verified, canonical, sign

FORMAT: Final = 1
"""The newest format that is written, and read."""
OLDEST: Final = 1
"""The oldest one that is read; a node writes each of those that it reads."""
KIND: Final = "cert-exchange carried 1"
LONGEST_HEAD: Final = 1024
"""Bytes of the first two lines."""
RECIPIENTS: Final = 50
_MAGIC: Final = re.compile(rb"cert-exchange carried ([0-9]{1,9})\n")
_P: Final = (1 << 255) - 19


@dataclass(frozen=True, slots=True)
class Carried:
    """What is signed of one file. `at` is micros."""

    sender: str
    recipients: tuple[str, ...]
    number: int
    base: int
    previous: bytes
    """digest of the file `base`; zeros where that is 0"""
    at: int
    objects: int
    content: bytes
    """SHA-256 of all records before"""


def write_carried(carried: Carried, key: SigningKey) -> str:
    """The signed text of a file."""
    content = {
        "kind": KIND,
        "from": carried.sender,
        "to": list(carried.recipients),
        "number": carried.number,
        "base": carried.base,
        "previous": carried.previous.hex(),
        "at": carried.at,
        "objects": carried.objects,
        "content": carried.content.hex(),
    }
    return sign(canonical(content), key)


def read_carried(verified: Verified) -> Carried:
    """Read a signed text that verified; names that are not known are passed over. Raises SignatureBroken."""
    content = verified.of_kind(KIND)
    try:
        carried = Carried(
            sender=_text(content["from"]),
            recipients=tuple(_text(one) for one in content["to"][:RECIPIENTS]),
            number=number_of(content["number"], least=1),
            base=number_of(content["base"]),
            previous=_digest(content["previous"]),
            at=number_of(content["at"]),
            objects=number_of(content["objects"]),
            content=_digest(content["content"]),
        )
    except (KeyError, TypeError, ValueError):
        raise SignatureBroken("what should be the signature of a carried file is none.") from None
    if carried.base >= carried.number or (carried.base == 0) != (
        carried.previous == NOTHING_BEFORE
    ):
        raise SignatureBroken("the numbers of the carried file contradict each other.")
    return carried


def write_head(reader: VerifyingKey, shown: bytes, *, form: int = FORMAT) -> bytes:
    """The two lines in the clear."""
    said = orjson.dumps({"to": reader.kid, "key": shown.hex()})
    return b"cert-exchange carried %d\n%s\n" % (form, said)


def read_head(head: bytes) -> tuple[str, bytes]:
    """The name of the key that a file is closed to, and the public key that was made for it. Raises InputRefused.

    `head`: its first two lines, with their ends.
    """
    found = _MAGIC.match(head)
    if found is None:
        raise InputRefused(
            "This is no file of `carry out`: it does not begin as one. Is it the right file, and did the program that"
            " carried it change it (a mail program, a text editor)?"
        )
    form = int(found[1])
    if not OLDEST <= form <= FORMAT:
        way = (
            f"update this node, or ask for `carry out --format {FORMAT}`"
            if form > FORMAT
            else "ask for one of a newer version"
        )
        raise InputRefused(
            f"The file has format {form}; this version reads {OLDEST} to {FORMAT}. Nothing was taken in: {way}."
        )
    try:
        said = orjson.loads(head[found.end() :])
        kid, shown = said["to"], bytes.fromhex(said["key"])
    except (KeyError, TypeError, ValueError):
        kid, shown = "", b""
    if not is_kid(kid) or len(shown) != KEY_BYTES:
        raise InputRefused("The file was cut off or altered in its first lines. Copy it once more.")
    return kid, shown


def closing_key(reader: VerifyingKey, head: bytes, once: bytes) -> bytes:
    """The key of the stream, for who writes. `once`: the 32 random bytes whose public half stands in the head.

    Raises SignatureBroken for a key of the reader that is none.
    """
    point = point_of(reader.public)
    return _key(once, point, public_half(once), point, head)


def opening_key(ours: SigningKey, head: bytes, shown: bytes) -> bytes:
    """The key of the stream, for the reader. Raises SignatureBroken."""
    private = sha512(ours.private).digest()[:KEY_BYTES]  # as RFC 8032 makes the scalar of a seed
    return _key(private, shown, shown, public_half(private), head)


def public_half(private: bytes) -> bytes:
    """The public key of 32 random bytes, as a point of Curve25519."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def point_of(public: bytes) -> bytes:
    """An Ed25519 public key as the point of Curve25519 that it is: u = (1 + y) / (1 - y) (RFC 7748, 4.1)."""
    y = int.from_bytes(public, "little") & ((1 << 255) - 1)
    if y >= _P or (1 - y) % _P == 0:
        raise SignatureBroken("the pinned key is no key that anything can be closed to.")
    return ((1 + y) * pow(1 - y, -1, _P) % _P).to_bytes(KEY_BYTES, "little")


def file_digest(text: str) -> bytes:
    """How a file is named: the SHA-256 of its signed text."""
    return sha256(text.encode("ascii")).digest()


def _key(private: bytes, public: bytes, shown: bytes, reader: bytes, head: bytes) -> bytes:
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(public)
        )
    except ValueError:
        raise SignatureBroken("the key in the head of the file is none.") from None
    info = KIND.encode() + b"\x00" + shown + reader + head
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(shared)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 300 or not value.isprintable():
        raise TypeError(value)
    return value


def _digest(value: Any) -> bytes:
    raw = bytes.fromhex(_text(value))
    if len(raw) != len(NOTHING_BEFORE):
        raise ValueError(value)
    return raw


def span_of(value: Mapping[str, Any]) -> tuple[int, int]:
    """`after` and `upto` of a record, positions in micros. Raises ValueError, TypeError, KeyError."""
    after, upto = number_of(value["after"]), number_of(value["upto"])
    if after > upto:
        raise ValueError(value)
    return after, upto
