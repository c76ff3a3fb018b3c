"""Give what is left of an object its own name, and check it once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cert_exchange.policy.redaction.values import (
    EXTENSION,
    Naming,
    Rendered,
    Trimmed,
    Unredactable,
)


def never_redacted(content: Mapping[str, Any]) -> str | None:
    """Why an object may only be shown whole or not at all; None where it may be redacted (DECISIONS 14)."""
    if content.get("type") in ("marking-definition", "extension-definition"):
        return f"a {content['type']} is shown whole or not at all"
    extensions = content.get("extensions")
    if isinstance(extensions, Mapping) and EXTENSION in extensions:
        return "it is a derivative already, and is shown whole or not at all"
    return None


def render(trimmed: Trimmed, naming: Naming) -> Rendered | Unredactable:
    """The derivative under its own name. Never raises."""
    if (never := never_redacted(trimmed.content)) is not None:
        return Unredactable(never)
    return Unredactable(f"not built yet: {len(naming.replace)} references")
