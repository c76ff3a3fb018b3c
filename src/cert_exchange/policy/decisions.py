"""The four answers of the policy engine: values, each with its rule and its reason.

Match every case and end with `assert_never`; nobody truth-tests a decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DenyKind(StrEnum):
    """What denied: the ceiling, a named rule, nothing that allowed, the object's own origin, or a failure."""

    CEILING = "ceiling"
    RULE = "rule"
    DEFAULT = "default"
    ORIGIN = "origin"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Allow:
    """The audience may have the object as it is."""

    rule: str  # its name in the policy document, or "carried"
    reason: str  # for the log and `policy explain`; no partner reads it


@dataclass(frozen=True, slots=True)
class Redact:
    """The audience may have a derivative, made by these operations (DECISIONS 11-18)."""

    rule: str
    reason: str
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Not yet: until `due` (micros), or, where it is None, until a person releases it."""

    rule: str
    reason: str
    due: int | None


@dataclass(frozen=True, slots=True)
class Deny:
    """No. `rule` is the rule's name, or the kind's where no rule of the document denied."""

    rule: str
    reason: str
    kind: DenyKind


Decision = Allow | Redact | Hold | Deny
