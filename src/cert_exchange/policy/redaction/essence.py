"""What a derivative says apart from its names: by that it is known again when it comes back under another one.

A foreign server may drop the extension that says that an object is a derivative. Then the next node redacts it anew and
the next after that, and where all of them take the source away, ids multiply round a ring without end (DECISIONS 14).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cert_exchange.policy.redaction.values import EXTENSION
from cert_exchange.stix.canonical import sameness_digest

_NAMES: Final = frozenset({"id", "created", "modified", "created_by_ref", "extensions"})
_VERSION_AT: Final = 14
"""Where in a UUID its version stands."""


def essence_of(content: Mapping[str, Any]) -> bytes:
    """SHA-256 of an object without its id, creator, instants of its version, and without our extension."""
    kept = {name: value for name, value in content.items() if name not in _NAMES}
    extensions = content.get("extensions")
    if isinstance(extensions, Mapping):
        others = {name: value for name, value in extensions.items() if name != EXTENSION}
        if others:
            kept["extensions"] = others
    return sameness_digest(kept)


def may_be_derived(stix_id: str) -> bool:
    """Whether an id has the form that every node gives its derivatives: a UUID of version 5 (DECISIONS 12)."""
    return stix_id.partition("--")[2][_VERSION_AT : _VERSION_AT + 1] == "5"


__all__ = ["essence_of", "may_be_derived"]
