"""Digests in buckets over what one node shows to another: two nodes find where they differ without listing all.

1. An entry is an object version: its id, its version (empty of a cyber-observable, whose version is each node's own) and the
   SHA-256 of its bytes. Its bucket is the first byte of the UUID in its id.
2. A bucket's digest is the sum of its entries' SHA-256, modulo 2**256: whatever the order, and in one pass.
3. The definitions of TLP, which every node has from the start, are in no bucket.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from cert_exchange.errors import RemoteAnswerInvalid
from cert_exchange.stix.markings import TLP_BY_ID
from cert_exchange.stix.references import is_observable_id

BUCKETS: Final = 256
FEW: Final = 8
"""Buckets that are read one by one: each costs a look at every id."""
MODULUS: Final = 1 << 256
DIGEST_BYTES: Final = 32
_HEX: Final = re.compile(r"[0-9a-f]{2}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """An object version as it goes over the line; `digest` is the SHA-256 of its bytes, empty where nobody said it."""

    stix_id: str
    version: str
    digest: bytes = b""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it: id and version."""
        return self.stix_id, self.version


def entry(stix_id: str, version: str, digest: bytes = b"") -> Entry:
    """Make an entry; a cyber-observable has no version (rule 1)."""
    return Entry(stix_id, "" if is_observable_id(stix_id) else version, digest)


def bucket_of(stix_id: str) -> int:
    """The bucket of an id, 0 to 255."""
    start = stix_id.rpartition("--")[2][:2]
    return int(start, 16) if _HEX.fullmatch(start) else 0


def part_name(bucket: int) -> str:
    """How a bucket is named on the line."""
    return f"{bucket:02x}"


def names_of(buckets: Sequence[int] | None) -> list[str | None]:
    """By which parts these buckets are best read: each by its name where they are few, else all at once (None)."""
    if buckets is None or len(buckets) > FEW:
        return [None]
    return [part_name(bucket) for bucket in buckets]


@dataclass(slots=True)
class Buckets:
    """Sums and counts, by bucket."""

    sums: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    counts: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def add(self, entries: Iterable[Entry]) -> None:
        """Count entries in."""
        for one in entries:
            if one.stix_id in TLP_BY_ID:
                continue
            bucket = bucket_of(one.stix_id)
            text = f"{one.stix_id}\n{one.version}\n".encode()
            value = int.from_bytes(sha256(text + one.digest).digest(), "big")
            self.sums[bucket] = (self.sums[bucket] + value) % MODULUS
            self.counts[bucket] += 1

    @property
    def total(self) -> int:
        """How many entries there are."""
        return sum(self.counts)

    def differing(self, other: Buckets) -> list[int]:
        """The buckets in which the two are not alike."""
        return [
            bucket
            for bucket in range(BUCKETS)
            if (self.sums[bucket], self.counts[bucket])
            != (other.sums[bucket], other.counts[bucket])
        ]

    def document(self) -> list[list[Any]]:
        """As it goes over the line: [count, digest in hexadecimal], bucket after bucket."""
        return [
            [count, total.to_bytes(DIGEST_BYTES, "big").hex()]
            for count, total in zip(self.counts, self.sums, strict=True)
        ]


def read_buckets(document: Mapping[str, Any]) -> Buckets:
    """Read what a partner says. Raises RemoteAnswerInvalid."""
    listed = document.get("buckets")
    if not isinstance(listed, list) or len(listed) != BUCKETS:
        raise _unreadable()
    read = Buckets()
    for bucket, one in enumerate(listed):
        if (
            not isinstance(one, list)
            or len(one) != 2
            or isinstance(one[0], bool)
            or not isinstance(one[0], int)
            or one[0] < 0
            or not isinstance(one[1], str)
            or not _DIGEST.fullmatch(one[1])
        ):
            raise _unreadable()
        read.counts[bucket] = one[0]
        read.sums[bucket] = int(one[1], 16)
    return read


def read_entries(document: Mapping[str, Any], *, most: int) -> list[Entry]:
    """Read a list of entries that a partner gives. Raises RemoteAnswerInvalid."""
    listed = document.get("entries")
    if not isinstance(listed, list) or len(listed) > most:
        raise _unreadable()
    for one in listed:
        if (
            not isinstance(one, list)
            or len(one) != 3
            or not all(isinstance(part, str) for part in one)
            or not _DIGEST.fullmatch(one[2])
        ):
            raise _unreadable()
    return [entry(one[0], one[1], bytes.fromhex(one[2])) for one in listed]


def _unreadable() -> RemoteAnswerInvalid:
    return RemoteAnswerInvalid("What the partner's node says of what it holds is not readable.")
