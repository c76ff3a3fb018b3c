"""Redaction as plain values: what is left of an object, what it needs, what its derivative is called.

1. `Trimmed` holds content under the original's id: it never leaves this node. Only `Rendered` does.
2. `Unredactable` says why in words about properties, never with a value of the object: it goes to logs and explain.
3. The declared extension tells a reader which kinds of content were withheld, and nothing about how much or where.
4. `EXTENSION` and its definition are permanent: partners store them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

EXTENSION: Final = "extension-definition--6400d4e3-20ef-5731-a4c0-f54897dc3ee1"
"""Our property extension on every derivative: UUIDv5 of `cert-exchange:redaction` in the OID namespace, for ever."""

EXTENSION_DEFINITION: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": "extension-definition",
        "spec_version": "2.1",
        "id": EXTENSION,
        "created_by_ref": "identity--68de1eea-c28e-5193-8bdc-e4df9880a71a",
        "created": "2026-11-25T00:00:00.000Z",
        "modified": "2026-11-25T00:00:00.000Z",
        "name": "Redacted by the sender",
        "description": "The object is a derivative: the sender took content away, or rewrote references to other "
        "derivatives. `withheld` lists the kinds: properties, custom, external-references, marked, source, references. "
        "`source` is a pseudonym of the original's creator, stable for this receiver.",
        "schema": "docs/redaction.md of cert-exchange",
        "version": "1.0.0",
        "extension_types": ["property-extension"],
    }
)
"""What the extension means, as a STIX object; the key in `extensions` refers to it, and nobody has to hold it."""

PROPERTIES: Final = "properties"
CUSTOM: Final = "custom"
EXTERNAL_REFERENCES: Final = "external-references"
MARKED: Final = "marked"
SOURCE: Final = "source"
REFERENCES: Final = "references"
"""Only in the extension, never in `Trimmed.withheld`: references were rewritten or cut."""

WITHHELD: Final = "[withheld]"
"""Stands in free text where a value was taken away; always this, whatever the length of what it hides."""


class Need(IntEnum):
    """How badly an object needs another one; of several, the smallest number counts."""

    REQUIRED = 1  # hidden: the dependant waits
    ONE_OF = 2  # at least one of the object's references of this kind must be visible
    OPTIONAL = 3  # hidden: it is cut


@dataclass(frozen=True, slots=True)
class Trimmed:
    """An object without what a recipe takes, still under its own id. `removed` never goes to a log."""

    content: Mapping[str, Any] = field(repr=False)
    withheld: frozenset[str]  # kinds of content that were taken away
    removed: tuple[str, ...] = field(
        repr=False
    )  # values that must not occur anywhere in the rendition
    needs: Mapping[str, Need]  # of every reference left: creator and keys of `extensions` aside
    changed: bool  # False: nothing was taken away, the original may be shown as it is

    @property
    def may_be_cut(self) -> bool:
        """Whether there is a reference without which it could be shown."""
        needs = list(self.needs.values())
        return Need.OPTIONAL in needs or needs.count(Need.ONE_OF) > 1


@dataclass(frozen=True, slots=True)
class Unredactable:
    """It cannot be shown under this recipe."""

    reason: str  # for explain and log, never with a value of the object


@dataclass(frozen=True, slots=True)
class Naming:
    """What a derivative and its neighbours are called for one audience."""

    id: str
    created: str  # STIX timestamps; left out for cyber-observables
    modified: str
    creator: str | None  # this node's own identity
    replace: Mapping[str, str | None] = field(
        default_factory=dict
    )  # original's id -> derivative's; None: cut
    pseudonym: str | None = None  # shown where `source` was withheld


@dataclass(frozen=True, slots=True)
class Rendered:
    """A derivative, valid as STIX 2.1; `body` is its canonical bytes."""

    content: Mapping[str, Any] = field(repr=False)
    body: bytes = field(repr=False)
