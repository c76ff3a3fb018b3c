"""How one stored object version looks in a list: who it is, where it came from, and what tells a person most about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cert_exchange.services.exercises import Exercises, Mark

LABELLED_BY: Final = (
    "name",
    "pattern",
    "value",
    "path",
    "key",
    "subject",
    "abstract",
    "opinion",
    "definition",
)
"""The property that tells a person most about an object, the first that is there."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One object version as a list shows it. Instants are microseconds since 1970 UTC."""

    stix_id: str
    type: str
    version: str
    origin: str  # `own` or a partner's name
    status: str
    stored_at: int
    revoked: bool
    label: str
    test: bool
    """whether it belongs to an exercise"""
    unreadable: bool = False
    """whether terms that it carries, or that stand beside it, cannot be read: it is shared with nobody"""


class Stored(Protocol):
    """What a row must tell of a version: `store.holdings.Held`, `store.answers.Said`."""

    @property
    def stix_id(self) -> str:
        """The object's STIX id."""

    @property
    def type(self) -> str:
        """Its STIX type."""

    @property
    def version(self) -> str:
        """Its version, as it came."""

    @property
    def origin(self) -> int:
        """OWN, or the partner's number."""

    @property
    def status(self) -> str:
        """An ObjectStatus."""

    @property
    def stored_at(self) -> int:
        """Microseconds since 1970 UTC."""

    @property
    def revoked(self) -> bool:
        """Whether it is a revocation."""

    @property
    def body(self) -> str:
        """Its canonical bytes as text."""


def hit_of(held: Stored, names: Mapping[int, str], drills: Exercises) -> tuple[Hit, dict[str, Any]]:
    """How a stored version looks in a list, and its content; `names` are those of origins, by number."""
    content: dict[str, Any] = json.loads(held.body)
    mark = drills.mark(held.stix_id, held.origin, held.body)
    hit = Hit(
        stix_id=held.stix_id,
        type=held.type,
        version=held.version,
        origin=names.get(held.origin, str(held.origin)),
        status=held.status,
        stored_at=held.stored_at,
        revoked=held.revoked,
        label=_label(content),
        test=mark is Mark.TEST,
        unreadable=mark is Mark.UNREADABLE,
    )
    return hit, content


def _label(content: dict[str, Any]) -> str:
    for name in LABELLED_BY:
        value = content.get(name)
        if isinstance(value, str) and value:
            return value
    if "source_ref" in content:
        ends = (_type_of(content["source_ref"]), _type_of(content.get("target_ref")))
        return f"{ends[0]} {content.get('relationship_type', '')} {ends[1]}"
    if "sighting_of_ref" in content:
        return f"of {_type_of(content['sighting_of_ref'])}"
    return ""


def _type_of(stix_id: object) -> str:
    return str(stix_id).partition("--")[0]
