"""References: which other objects an object needs, and in what role.

1. A reference is any string value that is wholly a STIX id, whatever its property is called (DECISIONS 4): custom
   properties and extensions count like those of STIX 2.1.
2. Keys of `extensions` are references of the role EXTENSION; no other key is one. The object's own id is none.
3. When one target occurs in several roles, the strictest counts: REQUIRED, then MARKING, CREATOR, EXTENSION.
4. Whom terms of sharing name (docs/terms.md) is nobody that the object needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

_UUID: Final = (
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
)
# Possessive, so that a word that is no type is left at once. Types have 3 to 250 characters (3.1), a UUID has 36.
_ID: Final = rf"[a-z][a-z0-9]*+(?:-[a-z0-9]++)*+--{_UUID}"
_SHORTEST, _LONGEST = 3 + 38, 250 + 38
_WHOLE: Final = re.compile(_ID)
# In canonical bytes what follows a key is a colon, and a quote inside a string has a backslash before it. A look-behind
# for that would cost seven times as much as looking at the byte before each find, and only where there is such a quote.
_IN_BODY: Final = re.compile(rf'"({_ID})"(?!:)'.encode("ascii"))
_BACKSLASH: Final = 0x5C


TERMS_EXTENSION: Final = "extension-definition--7e69d4f8-fccc-53cd-bb3c-dfaa3cace88a"
"""The key in `extensions` under which an object carries its originator's terms of sharing."""


class Role(IntEnum):
    """How an object refers to another (DECISIONS 4). The numbers are stored."""

    CREATOR = 1
    MARKING = 2
    REQUIRED = 3
    EXTENSION = 4


@dataclass(frozen=True, slots=True)
class Reference:
    """One other object that is named, once, in its strictest role."""

    target: str
    role: Role


def is_identifier(text: str) -> bool:
    """Whether the whole text is a STIX id: type--UUID, an RFC 4122 UUID in either letter case (STIX 2.9)."""
    return _SHORTEST <= len(text) <= _LONGEST and _WHOLE.fullmatch(text) is not None


def references_of(content: Mapping[str, Any], body: bytes) -> tuple[Reference, ...]:
    """Every reference of one object, sorted by target. `body` is `canonical_bytes(content)`.

    The body is searched instead of the tree: one linear pass in C finds what a walk would find.
    """
    roles: dict[str, Role] = {}
    extensions = content.get("extensions")
    if isinstance(extensions, dict):
        for key in extensions:
            if is_identifier(key):
                roles[key] = Role.EXTENSION
    # How often each id stands in a place of a milder role; what occurs more often than that is REQUIRED elsewhere.
    milder: dict[str, int] = {}
    own = content.get("id")
    if isinstance(own, str):
        milder[own] = 1
    creator = content.get("created_by_ref")
    if isinstance(creator, str):
        roles[creator] = Role.CREATOR
        milder[creator] = milder.get(creator, 0) + 1
    if isinstance(extensions, dict) and TERMS_EXTENSION in extensions:
        for recipient in recipients(extensions[TERMS_EXTENSION]):
            milder[recipient] = milder.get(recipient, 0) + 1
    for marking in marking_ids(content):
        roles[marking] = Role.MARKING
        milder[marking] = milder.get(marking, 0) + 1
    counts: dict[bytes, int] = {}
    for name in _named(body):
        counts[name] = counts.get(name, 0) + 1
    for name, count in counts.items():
        target = name.decode("ascii")
        if count > milder.get(target, 0) and _SHORTEST <= len(target) <= _LONGEST:
            roles[target] = Role.REQUIRED
    if isinstance(own, str):
        roles.pop(own, None)
    return tuple(Reference(target, roles[target]) for target in sorted(roles))


def recipients(terms: object) -> list[str]:
    """Whom the terms that an object carries name, as often as they do."""
    lists = [terms.get(key) for key in ("only_to", "not_to")] if isinstance(terms, dict) else []
    return [
        one for those in lists if isinstance(those, list) for one in those if isinstance(one, str)
    ]


def _named(body: bytes) -> list[bytes]:
    """Every id that is a whole string value of the body, as often as it stands there."""
    if b'\\"' not in body:
        return _IN_BODY.findall(body)
    return [found[1] for found in _IN_BODY.finditer(body) if body[found.start() - 1] != _BACKSLASH]


def marking_ids(content: Mapping[str, Any]) -> list[str]:
    """The ids in `object_marking_refs` and `granular_markings[].marking_ref`, as often as they occur."""
    found = [item for item in content.get("object_marking_refs") or () if isinstance(item, str)]
    found.extend(
        entry["marking_ref"]
        for entry in content.get("granular_markings") or ()
        if isinstance(entry, dict) and isinstance(entry.get("marking_ref"), str)
    )
    return found


OBSERVABLE_TYPES: Final = frozenset(
    {
        "artifact",
        "autonomous-system",
        "directory",
        "domain-name",
        "email-addr",
        "email-message",
        "file",
        "ipv4-addr",
        "ipv6-addr",
        "mac-addr",
        "mutex",
        "network-traffic",
        "process",
        "software",
        "url",
        "user-account",
        "windows-registry-key",
        "x509-certificate",
    }
)
"""The eighteen cyber-observable types of STIX 2.1 (section 6)."""


def is_observable_id(stix_id: str) -> bool:
    """Whether the id names a cyber-observable of STIX 2.1 by its type."""
    return stix_id.partition("--")[0] in OBSERVABLE_TYPES
