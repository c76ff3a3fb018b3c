"""What a value looks like where it is not written out: digests, encodings, addresses in other notations, ids.

1. A digest or an id of a value is the value for whoever can guess it (DECISIONS 17): an IPv4 address takes 2^32 trials.
2. Everything is in small letters, as `folding` gives texts.
3. This is a net for what programs do and what careless people do. Who wants to hide a value from us, can.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

import orjson

from cert_exchange.policy.redaction.vocabulary import WORDS
from cert_exchange.stix.observables import NAMESPACE
from cert_exchange.stix.references import is_identifier

SHORTEST: Final = 4
"""Characters of a value that is looked for inside texts."""
SAFE: Final = 8
"""Characters of a value that is looked for inside digests, payloads and ids."""

_UUID: Final = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[1-5][0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}"
)
_TYPE_BEFORE: Final = re.compile(r"[a-z][a-z0-9-]*\Z")
_LONGEST_TYPE: Final = 250
_HASHED: Final = frozenset("35")  # versions of UUID that are made from a value
_SPACES: Final = (NAMESPACE, uuid.NAMESPACE_URL, uuid.NAMESPACE_DNS, uuid.NAMESPACE_OID)
# Every property that alone can make the id of a cyber-observable (STIX 2.9).
_ALONE: Final = (
    "value", "name", "path", "key", "payload_bin", "user_id", "account_login", "serial_number", "subject", "body", "cpe",
    "swid", "pattern", "from_ref", "src_ref", "dst_ref", "parent_directory_ref",
)  # fmt: skip
_HASHES: Final = {
    32: ("MD5",),
    40: ("SHA-1",),
    64: ("SHA-256", "SHA3-256"),
    128: ("SHA-512", "SHA3-512"),
}
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){16,}")
_LONGEST_HASHED: Final = 4096  # characters of a value whose ids are computed


class Named(NamedTuple):
    """A UUID in a text, with the type before it where it is the id of an object."""

    type: str
    digits: str  # 32 hexadecimal digits
    start: int
    end: int

    @property
    def id(self) -> str:
        """The id in small letters, as STIX writes it."""
        d = self.digits
        return f"{self.type}--{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}"

    @property
    def hashed(self) -> bool:
        """Whether it is made from a value."""
        return self.digits[12] in _HASHED


def uuids_in(text: str) -> Iterator[Named]:
    """Every UUID in a folded text, with or without hyphens."""
    for found in _UUID.finditer(text):
        start, stix_type = found.start(), ""
        if text.startswith("--", start - 2) and start > 2:
            before = _TYPE_BEFORE.search(text, max(0, start - 2 - _LONGEST_TYPE), start - 2)
            if before is not None:
                start, stix_type = before.start(), before[0]
        yield Named(stix_type, found[0].replace("-", ""), start, found.end())


def coded(value: str) -> Iterator[str]:
    """What a value looks like digested or encoded, in one letter case."""
    if len(value.strip()) < SHORTEST or value.casefold() in WORDS:
        return
    if _HEX.fullmatch(value) is not None:
        yield from _in_base64(
            bytes.fromhex(value)
        )  # a digest, as web pages and mail headers write it
    for text in {value, value.strip(), value.strip().lower()}:
        wide = text.encode("utf-16-le")
        yield from _in_base64(wide)  # as PowerShell takes its commands
        yield wide.hex()
        raw = text.encode()
        for name in ("md5", "sha1", "sha256", "sha512"):
            digest = hashlib.new(name, raw, usedforsecurity=False)
            yield digest.hexdigest()
            yield base64.b64encode(digest.digest()).decode()[:22].lower()
        if len(raw) < SAFE:
            continue
        yield raw.hex()
        yield from _in_base64(raw)


def _in_base64(raw: bytes) -> Iterator[str]:
    for shift in range(3):
        # Without the first and last group, which neighbours change.
        groups = base64.b64encode(b"x" * shift + raw)[4:]
        core = groups[: len(groups) // 4 * 4 - 4].decode().lower()
        if len(core) >= SAFE:
            yield from {core, core.replace("+", "-").replace("/", "_")}


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """An address in any notation; IPv4 inside IPv6 is IPv4, leading zeros are none."""
    host = text.partition("%")[0].partition("/")[0]
    if host.endswith(":") and not host.endswith("::"):
        host = host[:-1]
    if ":" not in host:
        parts = host.split(".")
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
            return None
        host = ".".join(str(int(part)) for part in parts)
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def ids_of(value: str) -> Iterator[uuid.UUID]:
    """Every UUID that STIX, or a platform after its example, makes from one value alone."""
    stripped = value.strip()
    if is_identifier(stripped):
        yield uuid.UUID(stripped[-36:])
    if len(stripped) > _LONGEST_HASHED:
        return
    for text in {value, stripped, stripped.lower(), stripped.removesuffix(".")}:
        for space in _SPACES:
            yield uuid.uuid5(space, text)
            yield uuid.uuid3(space, text)
        for name in _ALONE:
            yield uuid.uuid5(NAMESPACE, orjson.dumps({name: text}).decode())
        for algorithm in _HASHES.get(len(text), ()):
            yield uuid.uuid5(NAMESPACE, orjson.dumps({"hashes": {algorithm: text}}).decode())
        if text.isascii() and text.isdigit():
            for name in ("number", "src_port", "dst_port"):
                yield uuid.uuid5(NAMESPACE, f'{{"{name}":{int(text)}}}')
