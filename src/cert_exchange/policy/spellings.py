"""How single values of a policy or collection file are spelled, and what a refusal of each says.

1. A message names the value found, what may stand there and the next step.
2. TLP is one canonical form whatever its spelling (CASES M06); a TLP label or id under another key is refused.
3. Every function takes whatever YAML gave and returns a plain value or refuses by `refuse`, inside pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from pydantic_core import PydanticCustomError

from cert_exchange.policy.pointing import STATES
from cert_exchange.policy.reading import shown
from cert_exchange.stix.instants import parse_micros
from cert_exchange.stix.markings import TLP_BY_ID, Tlp, tlp_of_text

LEVELS: Final[Mapping[str, Tlp]] = {
    "clear": Tlp.CLEAR,
    "white": Tlp.CLEAR,
    "green": Tlp.GREEN,
    "amber": Tlp.AMBER,
    "amberstrict": Tlp.AMBER_STRICT,
    "red": Tlp.RED,
}
"""TLP 1 and TLP 2 names, compared without case, prefix and separators."""

LEVEL_WORDS: Final = "write clear (or white), green, amber, amber+strict or red"
_UNITS: Final[Mapping[str, int]] = {
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
}
_DURATION: Final = re.compile(r"(\d{1,6})\s*(s|m|h|d|w|seconds?|minutes?|hours?|days?|weeks?)")
_LONGEST: Final = 36_525 * 86_400 * 1_000_000
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TYPE: Final = re.compile(r"[a-z0-9-]{3,250}")
_PROPERTY: Final = re.compile(r"[a-z0-9_]{1,250}")
_PARTNER: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

ADVICE: Final[Mapping[str, str]] = {
    "name": "write a short text on one line",
    "description": "write a text",
    "partners": "write a list of partners' names; [] means nobody",
    "collections": "write a list of aliases or UUIDs of collections",
    "ceiling": "write a mapping with tlp, and if needed unmarked and statements",
    "tlp": LEVEL_WORDS,
    "unmarked": f"{LEVEL_WORDS}, or deny",
    "counts_as": LEVEL_WORDS,
    "statements": "write a list of ids of marking definitions that you have read and accept",
    "unresolved": "write wait or allow",
    "include": "write a list of files beside this one, such as base/rules.yaml",
    "include[]": "write a path inside this file's folder, such as base/rules.yaml: letters, digits, '.', '_', '-', no '..'",
    "territories": "write a list of files beside this one, such as territories/own.yaml",
    "lists": "write a list of files beside this one, such as lists/top.json",
    "agreement": "write one file beside this one, such as agreements/cert-b.yaml",
    "rules": "write a list of rules; [] denies everything",
    "rules[]": "write a mapping with name, match and one of allow, deny, hold, redact",
    "statements[]": "write marking-definition-- and a UUID, or {id: ..., counts_as: ...}",
    "match": "write a mapping of keys; for everything of our own write {origin: own}",
    "allow": "write true, or leave the key out",
    "deny": "write true, or leave the key out",
    "hold": "write {for: 3 days}, {until: 2026-11-25T16:00:00Z} or approval",
    "redact": "write what is taken away, such as {remove: [description], custom: true}",
    "remove": "write a list of properties, such as [description, hashes.MD5]",
    "remove[]": "write its name in STIX, or a path into it with dots, such as description or hashes.MD5",
    "custom": "write true, or leave the key out",
    "external_references": "write true, or leave the key out",
    "above_ceiling": "write true, or leave the key out",
    "source": "write true, or leave the key out",
    "references": "write cut, or leave the key out: then the object waits for what it refers to",
    "after": "write stored or modified",
    "approval": "write true",
    "owner": "write a name on one line",
    "approvals": "write how many persons must release it, 1 to 5",
    "expires": "write a duration such as 72h, after which nobody waits any longer",
    "then": "write deny or release",
    "reason": "write a text that says why, for your own people",
    "withdraw": "write true or false",
    "confidence": "write {at_least: 50}, {at_most: 80} or both",
    "at_least": "write a whole number from 0 to 100",
    "at_most": "write a whole number from 0 to 100",
    "age": "write {over: 90 days}, {under: 1 hour} or both",
    "valid_until": "write passed, ahead or {within: 7 days}",
    "for": "write a whole number and a unit, such as 3 days or 12 hours",
    "over": "write a whole number and a unit, such as 3 days or 12 hours",
    "under": "write a whole number and a unit, such as 3 days or 12 hours",
    "within": "write a whole number and a unit, such as 3 days or 12 hours",
    "until": "write an instant such as 2026-11-25T16:00:00Z",
    "type": "write one type or a list of them",
    "labels": "write one text or a list of texts, numbers in quotes",
    "origin": "write own, partners, any or names of partners",
    "collection": "write one alias or UUID of a collection, or a list of them",
    "concerns": "write own, partner, third, protected, unknown or a list of them",
    "concerns_only": "write own, partner, third, protected, unknown or a list of them",
    "listed": "write any or names of lists, which are their files' names without the ending",
    "indicator_types": "write one text or a list of texts, as STIX has them, such as malicious-activity",
    "created_by_ref": "write identity-- and a UUID, or a list of them",
    "pattern_type": "write one text or a list of texts, such as stix or sigma",
    "marking": "write marking-definition-- and a UUID, or a list of them; for TLP use the key tlp",
    "mentions": "write own, partner, third, protected or a list of them",
    "indicators": "write ended, in force, none or a list of them",
    "absent": "write one property or a list of properties",
    "test": "write true for what belongs to an exercise, false for what does not",
    "when": "write an expression in quotes, such as 'object.name.startsWith(\"APT\")'",
}
"""What may stand at a key: the next step of a message about it."""


def tlp_named(text: str) -> Tlp | None:
    """Return the level that a spelling names: TLP 1 and 2, any case, with or without "TLP:"; None for no level."""
    folded = text.strip().casefold().removeprefix("tlp").lstrip(":")
    return LEVELS.get(re.sub(r"[\s+_-]", "", folded))


def refuse(message: str) -> NoReturn:
    """Refuse a value in a validator with a finished sentence."""
    # Braces in what was found must not be read as a template by pydantic.
    raise PydanticCustomError("stated", "{said}", {"said": message})


def level_of(value: Any) -> Tlp:
    """Read a TLP level."""
    if isinstance(value, Tlp):
        return value
    level = tlp_named(value) if isinstance(value, str) else None
    return level if level is not None else refuse(f"{shown(value)} is no TLP level; {LEVEL_WORDS}")


def micros_of(value: Any) -> int:
    """Read a duration, in micros."""
    found = _DURATION.fullmatch(value.strip().casefold()) if isinstance(value, str) else None
    micros = int(found[1]) * _UNITS[found[2][0]] * 1_000_000 if found is not None else 0
    if not 0 < micros <= _LONGEST:
        refuse(
            f"{shown(value)} is no duration; write a whole number from 1 and a unit"
            " (seconds, minutes, hours, days, weeks), at most a century"
        )
    return micros


def instant_of(value: Any) -> int:
    """Read an RFC 3339 instant, in micros."""
    try:
        return parse_micros(value) if isinstance(value, str) else _not_instant(value)
    except ValueError:
        _not_instant(value)


def _not_instant(value: Any) -> NoReturn:
    refuse(f"{shown(value)} is no instant; {ADVICE['until']}")


def word(value: Any, pattern: re.Pattern[str], expected: str) -> str:
    """Check a word against a pattern; `expected` goes on after "is no"."""
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        refuse(f"{shown(value)} is no {expected}")
    return value


def text(value: Any, *, most: int, what: str) -> str:
    """Check a text on one line."""
    if (
        not isinstance(value, str)
        or not 1 <= len(value.strip()) <= most
        or not all(c.isprintable() for c in value)
    ):
        quotes = "" if isinstance(value, str) else ", in quotes"
        refuse(
            f"{shown(value)} is no {what}; write 1 to {most} printable characters on one line{quotes}"
        )
    return value.strip()


def stix_type(value: Any) -> str:
    """Check the name of a STIX type; custom ones are as good."""
    return word(value, _TYPE, "STIX type; write small letters, digits and '-', such as indicator")


def identity_id(value: Any) -> str:
    """Check the id of an identity."""
    pattern = re.compile(f"identity--{_UUID}")
    return word(value, pattern, "id of an identity; write identity-- and a UUID in small letters")


def marking_id(value: Any) -> str:
    """Check the id of a marking definition that is no TLP."""
    pattern = re.compile(f"marking-definition--{_UUID}")
    found = word(value, pattern, "id of a marking; write marking-definition-- and a UUID")
    if found in TLP_BY_ID:
        refuse(f"{found} is a TLP marking; use the key tlp, which knows all its spellings")
    return found


def label(value: Any) -> str:
    """Read a label, case-folded."""
    found = text(value, most=1024, what="label")
    if tlp_of_text(found) is not None:
        refuse(f"{shown(found)} is a TLP marking; use the key tlp, which knows all its spellings")
    return found.casefold()


def partner_name(value: Any) -> str:
    """Check a partner's name, or a word that stands for partners."""
    return word(value, _PARTNER, "partner's name; write small letters, digits, '.', '_' or '-'")


def indicators_word(value: Any) -> str:
    """Check a word of `indicators`."""
    if value not in STATES:
        refuse(f"{shown(value)} is no state of indicators; {ADVICE['indicators']}")
    return str(value)


def property_name(value: Any) -> str:
    """Check the name of a property."""
    return word(value, _PROPERTY, "property; write its name in STIX, such as valid_until")


def plain(value: Any) -> str:
    """Check a name or title on one line."""
    return text(value, most=250, what="name")
