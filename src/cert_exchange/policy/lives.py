"""How long an indicator is meant to hold where its author says nothing, by the kind of its value.

1. It is used where we make the indicator: an object that says `valid_until` itself keeps it, and nothing here ever
   changes what somebody else said (CASES I26).
2. Kinds are the words of intake (`intake.findings.Kind`). A kind that is not in a mapping has no end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cert_exchange.policy.reading import nearest, shown
from cert_exchange.policy.spellings import micros_of, refuse

DAY: Final = 86_400_000_000
"""Micros."""
NEVER: Final = "never"
KINDS: Final = (
    "ipv4", "ipv6", "domain", "url", "email", "md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "file-name",
    "file-path", "registry-key", "mutex", "user-agent", "mac", "asn", "certificate", "pattern", "snort", "sigma", "yara",
)  # fmt: skip

LIVES: Final[Mapping[str, int]] = {
    # Addresses change hands in weeks, names in months; what software does is true as long as the software is in use.
    "ipv4": 30 * DAY,
    "ipv6": 30 * DAY,
    "url": 30 * DAY,
    "mac": 30 * DAY,
    "domain": 90 * DAY,
    "asn": 90 * DAY,
    "email": 180 * DAY,
    "user-agent": 180 * DAY,
    "file-name": 365 * DAY,
    "file-path": 365 * DAY,
    "registry-key": 365 * DAY,
    "mutex": 365 * DAY,
    "certificate": 365 * DAY,
}
"""Micros from `valid_from`, unless the way in says otherwise."""


def read_lives(value: Any) -> dict[str, int | None]:
    """Read the key `lives`: kind -> micros, None for no end. For pydantic."""
    if not isinstance(value, dict) or not value:
        refuse(f"{shown(value)} says nothing; write a mapping such as {{ipv4: 14 days}}")
    found: dict[str, int | None] = {}
    for kind, span in value.items():
        if kind not in KINDS:
            refuse(f"{shown(kind)} is no kind of value; {nearest(str(kind), KINDS)}")
        found[str(kind)] = None if span == NEVER else micros_of(span)
    return found


def with_lives(said: Mapping[str, int | None]) -> dict[str, int]:
    """The lives that hold where a file says these; what it says `never` of is left out."""
    whole: dict[str, int | None] = {**LIVES, **said}
    return {kind: span for kind, span in whole.items() if span is not None}


__all__ = ["DAY", "KINDS", "LIVES", "NEVER", "read_lives", "with_lives"]
