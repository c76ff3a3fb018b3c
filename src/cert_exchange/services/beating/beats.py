"""The object of a heartbeat, and who is meant by it.

1. Marked TEST, TLP:GREEN, about a name that nobody can register: no export, no feed and no policy without `test: true`
   lets it through.
2. One id for each pair of sender and receiver, so that the receiver knows it as a heartbeat without being told; a new
   version each time.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID, uuid5

from cert_exchange.policy.sharing_terms import EXTENSION, SharingTerms, as_extension
from cert_exchange.stix.instants import format_micros

_NAMES: Final = UUID("0d1c6e52-8f0b-4b57-9a1e-4a6d3f3d9c21")
CREATED: Final = "2026-01-01T00:00:00.000001Z"
GREEN: Final = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
DAY: Final = 86_400_000_000
VALID: Final = DAY


def beat_id(sender: str, receiver: str) -> str:
    """The id of the heartbeat from one identity to another, or to a partner by its name here."""
    return f"indicator--{uuid5(_NAMES, f'{sender} {receiver}')}"


def receiver_of(name: str, speaks_for: Collection[str]) -> str:
    """How a partner is named in its heartbeat's id: by its identity where it has one alone."""
    return next(iter(speaks_for)) if len(speaks_for) == 1 else name


def beat(sender: str, receiver: str, at: int) -> dict[str, Any]:
    """The object in the version of this instant."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": beat_id(sender, receiver),
        "created": CREATED,
        "modified": format_micros(at),
        "created_by_ref": sender,
        "name": "TEST heartbeat: please ignore",
        "labels": ["test"],
        "pattern": "[domain-name:value = 'heartbeat.invalid']",
        "pattern_type": "stix",
        "valid_from": format_micros(at),
        "valid_until": format_micros(at + VALID),
        "object_marking_refs": [GREEN],
        "extensions": {EXTENSION: as_extension(SharingTerms(test=True))},
    }
