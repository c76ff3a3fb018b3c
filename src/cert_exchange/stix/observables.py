"""The deterministic id of a cyber-observable (STIX 2.9, 3.4): a hash of its contributing properties.

Such an id is guessable (an IPv4 address has 2^32 values), so it is never shown in place of a hidden object.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any, Final

import orjson
import rfc8785

NAMESPACE: Final = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""The namespace that STIX 2.9 reserves for cyber-observables."""

CONTRIBUTING: Final[Mapping[str, tuple[str, ...]]] = {
    "artifact": ("hashes", "payload_bin"),
    "autonomous-system": ("number",),
    "directory": ("path",),
    "domain-name": ("value",),
    "email-addr": ("value",),
    "email-message": ("from_ref", "subject", "body"),
    "file": ("hashes", "name", "extensions", "parent_directory_ref"),
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "mac-addr": ("value",),
    "mutex": ("name",),
    "network-traffic": (
        "start",
        "end",
        "src_ref",
        "dst_ref",
        "src_port",
        "dst_port",
        "protocols",
        "extensions",
    ),
    "process": (),
    "software": ("name", "cpe", "swid", "vendor", "version"),
    "url": ("value",),
    "user-account": ("account_type", "user_id", "account_login"),
    "windows-registry-key": ("key", "values"),
    "x509-certificate": ("hashes", "serial_number"),
}
"""The ID-contributing properties of each type (policy-facts 4)."""

_TEXTS: Final = [str, str]
_VARIANTS: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_PREFERRED_HASHES: Final = ("MD5", "SHA-1", "SHA-256", "SHA-512")


def observable_id(content: Mapping[str, Any]) -> str:
    """The id that STIX 2.9 derives from the content, or a random one (UUID 4) where nothing contributes.

    Of `hashes` one counts: the first of MD5, SHA-1, SHA-256, SHA-512, else the first key in the order of code points.
    Raises KeyError for a type that is no cyber-observable of STIX 2.1.
    """
    stix_type = str(content["type"])
    made = deterministic_id(content)
    if made is not None:
        return made
    CONTRIBUTING[stix_type]
    return f"{stix_type}--{uuid.uuid4()}"


def deterministic_id(content: Mapping[str, Any]) -> str | None:
    """The derived id, or None where the type is unknown or no contributing property is present."""
    stix_type = str(content.get("type"))
    named = {
        name: _one_hash(content[name]) if name == "hashes" else content[name]
        for name in CONTRIBUTING.get(stix_type, ())
        if name in content
    }
    if not named:
        return None
    # RFC 8785 gives UTF-8; UUIDv5 hashes the namespace's bytes and then these.
    return f"{stix_type}--{uuid_of_name(NAMESPACE, _canonical(named))}"


def uuid_of_name(namespace: uuid.UUID, name: bytes) -> str:
    """The UUIDv5 of RFC 4122 as text: `uuid.uuid5`, for which four fifths of the time go into an object that nobody needs."""
    made = hashlib.sha1(namespace.bytes + name, usedforsecurity=False).hexdigest()
    variant = _VARIANTS[made[16]]
    return f"{made[:8]}-{made[8:12]}-5{made[13:16]}-{variant}{made[17:20]}-{made[20:32]}"


def _canonical(named: Mapping[str, Any]) -> bytes:
    """RFC 8785. orjson writes texts as that does; what numbers and the order of several foreign keys need, it does not know."""
    if all(type(one) is str or _is_one_text(one) for one in named.values()):
        try:
            return orjson.dumps(named, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # half a surrogate pair, which the other refuses in its own way
            pass
    return rfc8785.dumps(named)


def _is_one_text(value: Any) -> bool:
    return type(value) is dict and [type(one) for pair in value.items() for one in pair] == _TEXTS


def _one_hash(hashes: Any) -> Any:
    if not isinstance(hashes, Mapping) or not hashes:
        return hashes
    for name in _PREFERRED_HASHES:
        if name in hashes:
            return {name: hashes[name]}
    first = min(hashes)
    return {first: hashes[first]}
