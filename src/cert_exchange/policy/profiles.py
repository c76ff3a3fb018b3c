"""What two CERTs agreed to exchange, asked of one object: its type, its properties, what it must not hold, its marking.

1. Marking definitions, and identities that are no persons, pass without standing among the types: others need them.
2. A revocation need not have the required properties: it only takes back, and the receiver must hear of it.
3. Forbidden content is looked for at any depth, custom content included, and in patterns by their words: that may
   refuse too much and never too little.
4. A breach names types and properties and never a value: it goes to the sender and into logs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cert_exchange.stix.markings import Tlp


class Forbidden(StrEnum):
    """Content that a profile can shut out."""

    PAYLOADS = "payloads"
    PERSONS = "persons"
    UNNUMBERED = "unnumbered vulnerabilities"


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


PERSON_TYPES: Final = frozenset({"user-account", "email-addr"})
_NEEDED_BY_OTHERS: Final = frozenset({"marking-definition", "identity"})
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
    profile: Profile, content: Mapping[str, Any], level: Callable[[], Tlp | None]
) -> tuple[Breach, ...]:
    """Every clause that a validated object breaks, in the order of the file; none: it may be exchanged.

    `level` gives its TLP and is only called where the profile asks for it.

    Never raises: what cannot be read is a breach.
    """
    try:
        return tuple(_breaches(profile, content, level))
    except Exception as error:  # noqa: BLE001 - odd custom content: unread is not exchanged, and its batch goes on
        return (Breach("profile", f"it cannot be read ({type(error).__name__})"),)


def _breaches(
    profile: Profile, content: Mapping[str, Any], level: Callable[[], Tlp | None]
) -> Iterator[Breach]:
    kind = str(content.get("type"))
    free = kind in _NEEDED_BY_OTHERS
    if not free:
        if profile.types is not None and kind not in profile.types:
            yield Breach("profile.types", f"{kind} is not among the types")
        for name in (profile.required or {}).get(kind, ()):
            if content.get(name) in (None, "", []) and content.get("revoked") is not True:
                yield Breach("profile.required", f"{kind} needs {name}")
    if profile.forbidden:
        yield from _forbidden(profile.forbidden, kind, content)
    if profile.tlp is not None or not profile.unmarked:
        yield from _markings(profile, kind, level(), free=free)


def _forbidden(
    forbidden: frozenset[Forbidden], kind: str, content: Mapping[str, Any]
) -> Iterator[Breach]:
    if Forbidden.UNNUMBERED in forbidden and kind == "vulnerability" and not _is_numbered(content):
        yield _forbidding(Forbidden.UNNUMBERED, f"{kind} has no public number, such as a CVE id")
    if Forbidden.PAYLOADS in forbidden:
        for found in dict.fromkeys(_payloads(content)):
            yield _forbidding(Forbidden.PAYLOADS, f"{kind} holds {found}")
    if Forbidden.PERSONS in forbidden:
        for found in dict.fromkeys(_persons(content)):
            yield _forbidding(Forbidden.PERSONS, f"{kind} {found}")


def _forbidding(clause: Forbidden, reason: str) -> Breach:
    return Breach(f"profile.forbidden, {clause.value}", reason)


def _payloads(content: Mapping[str, Any]) -> Iterator[str]:
    for part in _parts(content):
        if "payload_bin" in part:
            yield "a payload (payload_bin)"
        if part.get("type") == "email-message":
            multipart = part.get("body_multipart")
            bodies = [one.get("body") for one in multipart] if multipart is not None else []
            if part.get("body") is not None or any(one is not None for one in bodies):
                yield "the body of a message"
    pattern = _pattern(content)
    message = "email-message" in pattern and _BODY_WORDS.search(pattern) is not None
    if message or "payload_bin" in pattern:
        yield "a pattern about payloads"


def _persons(content: Mapping[str, Any]) -> Iterator[str]:
    for part in _parts(content):
        kind = part.get("type")
        if kind in PERSON_TYPES:
            yield "is about persons" if part is content else f"holds {kind}, which is about persons"
        elif kind == "identity":
            said = part.get("identity_class")
            if said == "individual":
                yield "is a person"
            elif said not in _NO_PERSON:
                yield "does not say that it is no person; give its identity_class"
    if _PERSON_WORDS.search(_pattern(content)) is not None:
        yield "has a pattern about persons"


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


def _parts(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The object and every mapping inside it."""
    yield content
    left: list[Any] = [value for value in content.values() if isinstance(value, dict | list)]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left.extend(inner for inner in value.values() if isinstance(inner, dict | list))
        else:
            left.extend(inner for inner in value if isinstance(inner, dict | list))


def _pattern(content: Mapping[str, Any]) -> str:
    pattern = content.get("pattern")
    return pattern.casefold() if isinstance(pattern, str) else ""


def _spelled(level: Tlp) -> str:
    return level.name.replace("_", "+")
