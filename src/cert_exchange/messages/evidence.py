"""The permanent format of the ledger: commitments, lines and their chain. See docs/ledger-format.md.

What may never change, because old evidence must verify for ever (golden bytes: tests/unit/messages):

1. Tags, order and width of what is hashed. All numbers are unsigned 64-bit big-endian, micros since 1970 UTC where
   they are instants; texts are UTF-8 behind their length in four bytes.
2. Commitments are salted with 16 random bytes: content is guessable, so its bare digest would tell it. Whoever erases
   a salt keeps the commitment, and the chain still verifies.
3. The root of a line's commitments is RFC 9162's Merkle tree hash over the commitments in rising order of their bytes.
4. A line is canonical JSON with `"v": 1`. A new format gets a new number and old lines are read as before.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from cert_exchange.errors import EvidenceBroken

FORMAT: Final = 1
SALT_BYTES: Final = 16
DIGEST_BYTES: Final = 32
GENESIS: Final = sha256(b"cert-exchange ledger 1").digest()
"""The hash before the first line."""
EMPTY_ROOT: Final = sha256(b"").digest()
"""RFC 9162, 2.1.1: the root of no leaves."""

ERASED_BODY: Final = "{}"
"""In place of bytes that were erased."""

_RELEASE: Final = b"cert-exchange release 1\x00"
_OBJECT: Final = b"cert-exchange object 1\x00"
_LINE: Final = b"cert-exchange line 1\x00"
_ERASED: Final = b"cert-exchange erased 1\x00"
_NUMBER: Final = struct.Struct(">Q")
_KIND: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_INTEROPERABLE: Final = (1 << 53) - 1
"""I-JSON, RFC 7493 2.2: greater integers are read differently by different programs."""

Fact = str | int | list[str]


def _text(value: str) -> bytes:
    raw = value.encode("utf-8")
    return len(raw).to_bytes(4, "big") + raw


@lru_cache(maxsize=1024)
def _word(value: str) -> bytes:
    """`_text` of what recurs on every line: a kind, a rule's name."""
    return _text(value)


def _salted(tag: bytes, salt: bytes) -> bytes:
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return tag + salt


def _digest(value: bytes) -> bytes:
    if len(value) != DIGEST_BYTES:
        raise ValueError(f"a digest has {DIGEST_BYTES} bytes, not {len(value)}")
    return value


def release_commitment(
    salt: bytes,
    view: int,
    position: int,
    kind: str,
    rendition_digest: bytes,
    *,
    object_id: int,
    policy: int | None,
    rule: str,
) -> bytes:
    """The commitment to one line of a release log, all of what it says. `policy` None: no policy decided."""
    numbers = struct.pack(">QQQQ", view, position, object_id, policy or 0)
    return sha256(
        _salted(_RELEASE, salt) + numbers + _word(kind) + _digest(rendition_digest) + _word(rule)
    ).digest()


def object_commitment(
    salt: bytes, stix_id: str, version: str, origin: int, rendition_digest: bytes
) -> bytes:
    """The commitment to one stored object version. `origin` 0 is our own desk."""
    return sha256(
        _salted(_OBJECT, salt)
        + _NUMBER.pack(origin)
        + _text(stix_id)
        + _text(version)
        + _digest(rendition_digest)
    ).digest()


def erased_digest(rendition: int) -> bytes:
    """In place of the digest of bytes that were erased: of the number of their row, and of nothing that was in them."""
    return sha256(_ERASED + _NUMBER.pack(rendition)).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of RFC 9162, 2.1.1, over the leaves in the order given."""
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    if not level:
        return EMPTY_ROOT
    # Pairing neighbours and carrying an odd last one up gives the same tree as the RFC's split at a power of two.
    while len(level) > 1:
        paired = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def commitments_root(commitments: Iterable[bytes]) -> bytes:
    """The root that stands in a line: over the commitments in rising order, so that nobody has to keep an order."""
    return merkle_root(sorted(commitments))


@dataclass(frozen=True, slots=True)
class Range:
    """What a transaction appended to one view: `lines` lines in (after, to]; `after` was the head before.

    `lines` 0 raises the head alone (a new epoch, DECISIONS 8).
    """

    view: int
    after: int
    to: int
    lines: int

    def __post_init__(self) -> None:
        if not (self.view > 0 and 0 <= self.after < self.to and self.lines >= 0):
            raise ValueError(f"no range of a log: {self}")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger: what one transaction did."""

    kind: str
    at: int
    by: str
    stored: int = 0
    stored_root: bytes = EMPTY_ROOT
    released: int = 0
    released_root: bytes = EMPTY_ROOT
    ranges: tuple[Range, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise ValueError(f"no kind of a ledger line: {self.kind!r}")
        for count, root in ((self.stored, self.stored_root), (self.released, self.released_root)):
            _digest(root)
            if count < 0 or (count == 0) != (root == EMPTY_ROOT):
                raise ValueError("count and root do not belong together")
        views = [span.view for span in self.ranges]
        if views != sorted(set(views)):
            raise ValueError("ranges name each view once, in rising order")
        if sum(span.lines for span in self.ranges) != self.released:
            raise ValueError("the ranges do not add up to the lines released")
        numbers = (self.at, *(fact for fact in self.facts.values() if isinstance(fact, int)))
        if any(abs(number) > _INTEROPERABLE for number in numbers):
            raise ValueError("a number is beyond 2^53")


def encode_line(line: Line) -> str:
    """The canonical text of a line: sorted keys, compact, no key without content."""
    body: dict[str, Any] = {"v": FORMAT, "kind": line.kind, "at": line.at, "by": line.by}
    if line.stored:
        body["stored"] = [line.stored, line.stored_root.hex()]
    if line.released:
        body["released"] = [line.released, line.released_root.hex()]
    if line.ranges:
        body["ranges"] = [[span.view, span.after, span.to, span.lines] for span in line.ranges]
    if line.facts:
        body["facts"] = dict(line.facts)
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def decode_line(body: str) -> Line:
    """Read a line back. Raises EvidenceBroken when it is not what `encode_line` wrote."""
    try:
        raw = json.loads(body)
        if raw["v"] != FORMAT:
            raise EvidenceBroken(f"a ledger line has format {raw['v']!r}; this release reads 1.")
        stored, stored_root = raw.get("stored", (0, EMPTY_ROOT.hex()))
        released, released_root = raw.get("released", (0, EMPTY_ROOT.hex()))
        line = Line(
            kind=raw["kind"],
            at=raw["at"],
            by=raw["by"],
            stored=stored,
            stored_root=bytes.fromhex(stored_root),
            released=released,
            released_root=bytes.fromhex(released_root),
            ranges=tuple(Range(*span) for span in raw.get("ranges", ())),
            facts=MappingProxyType(raw.get("facts", {})),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise EvidenceBroken("a ledger line is not readable.") from None
    if encode_line(line) != body:
        raise EvidenceBroken("a ledger line is not in canonical form.")
    return line


def chain_hash(previous: bytes, seq: int, body: str) -> bytes:
    """The hash that seals line `seq` (from 1) with everything before it."""
    return sha256(_LINE + _digest(previous) + _NUMBER.pack(seq) + body.encode("utf-8")).digest()
