"""Take away what a recipe says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cert_exchange.policy.redaction.values import Need, Trimmed, Unredactable
from cert_exchange.policy.rules import Ceiling, Recipe
from cert_exchange.stix.canonical import canonical_bytes
from cert_exchange.stix.references import Role, references_of


def trim(content: Mapping[str, Any], recipe: Recipe, ceiling: Ceiling) -> Trimmed | Unredactable:
    """What is left of a validated object under a recipe; deterministic, never raises for odd content.

    `ceiling` is what `above_ceiling` is measured by; for what came from a partner, one of at most TLP:GREEN.
    """
    if recipe != Recipe():
        return Unredactable(f"not built yet below {ceiling.tlp.name}")
    references = references_of(content, canonical_bytes(content))
    needs = {
        one.target: Need.REQUIRED for one in references if one.role in (Role.REQUIRED, Role.MARKING)
    }
    return Trimmed(content, frozenset(), (), needs, changed=False)
