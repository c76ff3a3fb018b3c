"""How many objects a transaction's lines are about, counted as a preview counts them."""

from __future__ import annotations

from cert_exchange.services.releasing import Releasing
from cert_exchange.store import derivatives, objects
from cert_exchange.store.tables import LineKind


def taken_back(releasing: Releasing) -> tuple[int, int]:
    """How many objects an audience lost in a collection, and how many it was given again in another shape.

    What stands for an original counts as that.
    """
    lines = releasing.lines
    originals: dict[str, int] = {}
    if any(line.kind == LineKind.RELEASE for line in lines):
        numbers = objects.idents_of(releasing.tx, {line.stix_id for line in lines})
        names = derivatives.originals_of(releasing.tx, numbers.values())
        originals = {
            stix_id: names[number].original if number in names else number
            for stix_id, number in numbers.items()
        }
    kinds: dict[tuple[str, int, int | str], set[str]] = {}
    for line in lines:
        key = (line.audience, line.collection, originals.get(line.stix_id, line.stix_id))
        kinds.setdefault(key, set()).add(line.kind)
    lost = sum(found == {LineKind.WITHDRAWAL} for found in kinds.values())
    return lost, sum(len(found) > 1 for found in kinds.values())
