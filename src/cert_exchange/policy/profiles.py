"""What two CERTs agreed to exchange, asked of one object: its type, its properties, what it must not hold, its marking.

1. Marking definitions, and identities that are no persons, pass without standing among the types: others need them.
2. A revocation need not have the required properties: it only takes back, and the receiver must hear of it.
3. Forbidden content is looked for at any depth, custom content included, and in patterns by their words: that may
   refuse too much and never too little.
4. A breach names types and properties and never a value: it goes to the sender and into logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cert_exchange.stix.markings import Tlp


class Forbidden(StrEnum):
    """Content that a profile can shut out."""

    PAYLOADS = "payloads"
    PERSONS = "persons"
    UNNUMBERED = "unnumbered vulnerabilities"


Signs = tuple[tuple[Forbidden, str], ...]
"""What was found of what can be forbidden, each with its words."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What passes. `types` None: every type; `tlp` None: every level."""

    types: frozenset[str] | None = None
    required: Mapping[str, tuple[str, ...]] | None = None  # type -> properties
    forbidden: frozenset[Forbidden] = frozenset()
    tlp: Tlp | None = None  # the narrowest circle that is exchanged
    unmarked: bool = True  # whether an object without TLP is exchanged


@dataclass(frozen=True, slots=True)
class Breach:
    """One clause that an object breaks: `clause` as the file spells it, `reason` for its sender."""

    clause: str
    reason: str


FORBIDDEN: Final = "profile.forbidden"
"""How the clause of a breach begins that is about content."""
PERSON_TYPES: Final = frozenset({"user-account", "email-addr"})
_NEEDED_BY_OTHERS: Final = frozenset({"marking-definition", "identity"})
_TELLING: Final = PERSON_TYPES | {"identity", "email-message"}
_NESTING: Final = (dict, list)  # the union of the two takes three times as long to ask for
_NO_PERSON: Final = frozenset({"group", "system", "organization", "class"})
_PUBLIC_NUMBER: Final = re.compile(
    r"(?i)(?:CVE-\d{4}-\d{4,19}|EUVD-\d{4}-\d{4,19}|GHSA(?:-[0-9a-z]{4}){3}|BDU:\d{4}-\d{5}|CNVD-\d{4}-\d{4,19}"
    r"|CNNVD-\d{6}-\d{3,19}|JVNDB-\d{4}-\d{6}|JVN#\d{8}|VU#\d{5,7})"
)
_BODY_WORDS: Final = re.compile(r"\bbody(?:_multipart)?\b")
_PERSON_WORDS: Final = re.compile(
    r"\b(?:user-account|email-addr|from_ref|sender_ref|to_refs|cc_refs|bcc_refs|creator_user_ref|belongs_to_ref)\b"
)


def breaches_of(
    profile: Profile, content: Mapping[str, Any], *, level: Tlp | None, signs: Signs
) -> tuple[Breach, ...]:
    """Every clause that a validated object breaks, in the order of the file; none: it may be exchanged.

    `level` is its TLP, `signs` are what `signs_of` finds in it. Never raises: what cannot be read is a breach.
    """
    try:
        return tuple(_breaches(profile, content, level, signs))
    except Exception as error:  # noqa: BLE001 - odd custom content: unread is not exchanged, and its batch goes on
        return (Breach("profile", f"it cannot be read ({type(error).__name__})"),)


def signs_of(content: Mapping[str, Any]) -> Signs:
    """What an object holds that a profile can forbid, whatever the profile: found once for all audiences. Never raises."""
    try:
        return tuple(dict.fromkeys(_signs(content)))
    except Exception as error:  # noqa: BLE001 - as above: what cannot be read counts as all of it
        said = f"cannot be read ({type(error).__name__})"
        return tuple((clause, said) for clause in Forbidden)


def _breaches(
    profile: Profile, content: Mapping[str, Any], level: Tlp | None, signs: Signs
) -> Iterator[Breach]:
    kind = str(content.get("type"))
    free = kind in _NEEDED_BY_OTHERS
    if not free:
        if profile.types is not None and kind not in profile.types:
            yield Breach("profile.types", f"{kind} is not among the types")
        for name in (profile.required or {}).get(kind, ()):
            if content.get(name) in (None, "", []) and content.get("revoked") is not True:
                yield Breach("profile.required", f"{kind} needs {name}")
    for clause, found in signs:
        if clause in profile.forbidden:
            yield Breach(f"{FORBIDDEN}, {clause.value}", f"{kind} {found}")
    if profile.tlp is not None or not profile.unmarked:
        yield from _markings(profile, kind, level, free=free)


def _signs(content: Mapping[str, Any]) -> Iterator[tuple[Forbidden, str]]:
    if content.get("type") == "vulnerability" and not _is_numbered(content):
        yield Forbidden.UNNUMBERED, "has no public number, such as a CVE id"
    for part in _parts(content):
        if "payload_bin" in part:
            yield Forbidden.PAYLOADS, "holds a payload (payload_bin)"
        inner = part.get("type")
        if isinstance(inner, str) and inner in _TELLING and (sign := _sign(inner, part)):
            yield sign
    pattern = content.get("pattern")
    if isinstance(pattern, str):
        yield from _signs_of_pattern(pattern.casefold())


def _sign(kind: str, part: Mapping[str, Any]) -> tuple[Forbidden, str] | None:
    """What one object, embedded or not, holds of what can be forbidden."""
    if kind == "email-message":
        multipart = part.get("body_multipart")
        bodies = [one.get("body") for one in multipart] if multipart is not None else []
        if part.get("body") is not None or any(one is not None for one in bodies):
            return Forbidden.PAYLOADS, "holds the body of a message"
        return None
    if kind != "identity":
        return Forbidden.PERSONS, f"is about persons ({kind})"
    said = part.get("identity_class")
    if said == "individual":
        return Forbidden.PERSONS, "is about a person (identity)"
    if said not in _NO_PERSON:
        return Forbidden.PERSONS, "does not say that it is no person; give its identity_class"
    return None


def _signs_of_pattern(pattern: str) -> Iterator[tuple[Forbidden, str]]:
    if "payload_bin" in pattern or (
        "email-message" in pattern and _BODY_WORDS.search(pattern) is not None
    ):
        yield Forbidden.PAYLOADS, "has a pattern about payloads"
    named = "_ref" in pattern or "user-account" in pattern or "email-addr" in pattern
    if named and _PERSON_WORDS.search(pattern) is not None:
        yield Forbidden.PERSONS, "has a pattern about persons"


def _is_numbered(content: Mapping[str, Any]) -> bool:
    given = [content.get("name")]
    given += [one.get("external_id") for one in content.get("external_references") or ()]
    return any(isinstance(one, str) and _PUBLIC_NUMBER.fullmatch(one.strip()) for one in given)


def _markings(profile: Profile, kind: str, level: Tlp | None, *, free: bool) -> Iterator[Breach]:
    if level is None:
        if not profile.unmarked and not free:
            yield Breach("markings.unmarked", f"{kind} bears no TLP marking")
    elif profile.tlp is not None and level > profile.tlp:
        yield Breach(
            "markings.tlp", f"{kind} is TLP:{_spelled(level)}, above TLP:{_spelled(profile.tlp)}"
        )


def _parts(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The object and every mapping inside it."""
    found: list[Mapping[str, Any]] = [content]
    left: list[Any] = [value for value in content.values() if isinstance(value, _NESTING)]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            found.append(value)
            value = value.values()
        left += [inner for inner in value if isinstance(inner, _NESTING)]
    return found


def _spelled(level: Tlp) -> str:
    return level.name.replace("_", "+")
