"""A note of STIX with an extension of ours: the form in which desks' messages stand in the exchange.

Whoever has no program of ours reads the abstract and the content (STIX 2.1 section 4.12).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cert_exchange.stix.instants import format_micros


def write_note(
    stix_id: str,
    creator: str,
    now: int,
    *,
    abstract: str,
    content: str,
    refs: Sequence[str],
    extension: str,
    declared: Mapping[str, Any],
    marking: str,
) -> dict[str, Any]:
    """A note of `creator`, made at `now` (micros), about `refs`, with what it declares under `extension`."""
    made = format_micros(now)
    return {
        "type": "note",
        "spec_version": "2.1",
        "id": stix_id,
        "created_by_ref": creator,
        "created": made,
        "modified": made,
        "abstract": abstract,
        "content": content,
        "object_refs": list(refs),
        "object_marking_refs": [marking],
        "extensions": {extension: dict(declared)},
    }


def bears(content: Mapping[str, Any], extension: str) -> bool:
    """Whether an object bears this extension at all, readable or not."""
    extensions = content.get("extensions")
    return isinstance(extensions, Mapping) and extension in extensions
