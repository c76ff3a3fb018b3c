"""How many objects a transaction's lines are about, counted as a preview counts them."""

from __future__ import annotations

from collections.abc import Collection

from cert_exchange.services.releasing import Releasing
from cert_exchange.store import derivatives
from cert_exchange.store.tables import LineKind


def taken_back(releasing: Releasing, audiences: Collection[str]) -> tuple[int, int]:
    """How many objects these audiences lost in a collection, and how many they were given again in another shape.

    What stands for an original counts as that.
    """
    lines = [line for line in releasing.lines if line.audience in audiences]
    originals: dict[str, tuple[int, str]] = {}
    if any(line.kind == LineKind.RELEASE for line in lines):
        originals = derivatives.stood_for(releasing.tx, {line.stix_id for line in lines})
    kinds: dict[tuple[str, int, str], set[str]] = {}
    for line in lines:
        _, original = originals.get(line.stix_id, (0, line.stix_id))
        key = (line.audience, line.collection, original)
        kinds.setdefault(key, set()).add(line.kind)
    lost = sum(found == {LineKind.WITHDRAWAL} for found in kinds.values())
    return lost, sum(len(found) > 1 for found in kinds.values())
