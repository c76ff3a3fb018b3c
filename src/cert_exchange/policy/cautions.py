"""The kinds of warnings about what our desk publishes, and what follows of each unless the way in says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

Act = Literal["silent", "warn", "hold", "refuse"]
ACTS: Final = ("silent", "warn", "hold", "refuse")


class Of(StrEnum):
    """What is warned of. The words are those of the key `warnings`."""

    BENIGN = "benign"
    PRIVATE = "private"
    DOCUMENTATION = "documentation"
    OWN = "own"
    BROAD = "broad"
    GENERIC = "generic"
    PERSONAL = "personal"
    EXPIRED = "expired"
    CONTEXT = "context"  # told of, not meant to be looked for: `to_ids=0`
    KNOWN = "known"
    CONTRADICTED = "contradicted"


DEFAULTS: Final[Mapping[Of, Act]] = {
    Of.BENIGN: "hold",
    Of.PRIVATE: "hold",
    Of.DOCUMENTATION: "warn",
    Of.OWN: "hold",
    Of.BROAD: "hold",
    Of.GENERIC: "warn",
    Of.PERSONAL: "warn",
    Of.EXPIRED: "warn",
    Of.CONTEXT: "hold",
    Of.KNOWN: "warn",
    Of.CONTRADICTED: "warn",
}


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning about one object, for our own people: `said` spells values of the object."""

    id: str
    of: str
    """a word of `Of`, or what `Screen.find` calls its finding: `listed keep-out`, `concerns protected`, `unread`"""
    act: Act
    value: str
    said: str


@dataclass(frozen=True, slots=True)
class Caution:
    """One warning, before it is known which object it is about and what follows of it."""

    of: Of
    value: str
    said: str
