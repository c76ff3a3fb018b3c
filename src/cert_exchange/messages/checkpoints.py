"""Signed heads of the ledger's tree, in the form of C2SP: tlog-checkpoint in a signed-note.

What may never change, because old heads must verify for ever (golden bytes: tests/unit/messages):

1. The text has three lines, origin, size in decimal, root in base64, and one line of extension: `at` and the instant of
   signing by the node's clock. Its end is a newline, and all of it is signed, by Ed25519 (note type 1).
2. After an empty line stands a line for each signature: an em dash, the key's name, and base64 of four bytes that tell the
   key, with the signature. Lines by keys that we do not know say nothing, as the form demands.
3. The name of a node's key is the origin of its ledger, which says whose it is and never changes.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cert_exchange.errors import EvidenceBroken, SignatureBroken
from cert_exchange.messages.evidence import DIGEST_BYTES
from cert_exchange.messages.keys import SigningKey
from cert_exchange.messages.signatures import sign_bytes, verify_bytes
from cert_exchange.stix.instants import format_micros, parse_micros

ED25519: Final = b"\x01"
LONGEST: Final = 4_096
"""Characters of a note; ours have about 350."""
_ORIGIN: Final = "cert-exchange/ledger/"
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f]{1,200}")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_AT: Final = re.compile(r"at (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)")
_KEY_ID_BYTES: Final = 4
_SIGNATURE_BYTES: Final = 64
_SIGNATURES: Final = 16


def origin_of(identity: str) -> str:
    """The origin of the ledger of a node with this STIX identity."""
    return f"{_ORIGIN}{identity}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head: the first `size` lines have this root. `at` is when it was signed, micros by the node's clock."""

    origin: str
    size: int
    root: bytes
    at: int

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.origin) or self.size < 0 or len(self.root) != DIGEST_BYTES:
            raise ValueError("no head of a ledger")

    @property
    def text(self) -> str:
        """What is signed."""
        return (
            f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"
            f"at {format_micros(self.at)}\n"
        )


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes by which a signature tells its key."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:_KEY_ID_BYTES]


def verifier_key(name: str, public: bytes) -> str:
    """The public key as other programs that read signed notes want it."""
    told = b64encode(ED25519 + public).decode()
    return f"{name}+{key_id(name, public).hex()}+{told}"


def signed(checkpoint: Checkpoint, *keys: SigningKey) -> str:
    """The note: the checkpoint under a signature of each key. While keys overlap, partners know the one or the other."""
    lines = []
    for key in keys:
        mark = key_id(checkpoint.origin, key.public)
        told = b64encode(mark + sign_bytes(checkpoint.text.encode(), key)).decode()
        lines.append(f"— {checkpoint.origin} {told}\n")
    return f"{checkpoint.text}\n{''.join(lines)}"


def is_note(text: str) -> bool:
    """Whether a text has a signed note's form at all: lines, an empty line, signatures (C2SP signed-note)."""
    return "\n\n" in text


def read(note: str) -> Checkpoint:
    """What a note says, whoever signed it: ask `checked` whether that may be believed. Raises EvidenceBroken."""
    return _parts(note)[0]


def checked(note: str, keys: Iterable[bytes], *, origin: str | None = None) -> Checkpoint:
    """What a note says, signed by one of these public keys, 32 bytes each.

    Raises EvidenceBroken: not readable, another ledger's than that of `origin`, or signed by none of the keys.
    """
    checkpoint, signatures = _parts(note)
    if origin is not None and checkpoint.origin != origin:
        raise EvidenceBroken(
            "a checkpoint is of another ledger than expected.",
            detail=f"{checkpoint.origin!r}, expected {origin!r}",
        )
    text = checkpoint.text.encode()
    for public in keys:
        mark = key_id(checkpoint.origin, public)
        for name, raw in signatures:
            if name == checkpoint.origin and raw[:_KEY_ID_BYTES] == mark:
                try:
                    verify_bytes(raw[_KEY_ID_BYTES:], text, public)
                except SignatureBroken:
                    raise EvidenceBroken("the signature of a checkpoint is wrong.") from None
                return checkpoint
    raise EvidenceBroken("a checkpoint is signed by no key that we know.")


def _parts(note: str) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    if len(note) > LONGEST:
        raise EvidenceBroken(f"a checkpoint has {len(note)} characters; at most {LONGEST}.")
    text, blank, below = note.partition("\n\n")
    lines = text.split("\n")
    at = _AT.fullmatch(lines[3]) if len(lines) == 4 else None
    if not blank or not below.endswith("\n") or at is None or not _SIZE.fullmatch(lines[1]):
        raise EvidenceBroken("a checkpoint is not readable.")
    try:
        root = b64decode(lines[2], validate=True)
        checkpoint = Checkpoint(lines[0], int(lines[1]), root, parse_micros(at["at"]))
    except ValueError:
        raise EvidenceBroken("a checkpoint is not readable.") from None
    if checkpoint.text != f"{text}\n":
        raise EvidenceBroken("a checkpoint is not in canonical form.")
    return checkpoint, _signatures(below)


def _signatures(below: str) -> list[tuple[str, bytes]]:
    found = []
    for line in below[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, told = rest.partition(" ")
        try:
            raw = b64decode(told, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        spelled = (
            b64encode(raw).decode() == told
        )  # not so with bits that the last letter has too many
        if not (dash == "—" and _NAME.fullmatch(name) and spelled and len(raw) > _KEY_ID_BYTES):
            raise EvidenceBroken("a signature line of a checkpoint is not readable.")
        if len(raw) == _KEY_ID_BYTES + _SIGNATURE_BYTES:
            found.append((name, raw))
    if len(found) > _SIGNATURES:
        raise EvidenceBroken(f"a checkpoint has more than {_SIGNATURES} signatures.")
    return found
