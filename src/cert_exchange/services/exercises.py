"""Which object versions belong to an exercise, for lists and files that our own people use.

1. What decides asks the object's binding (`policy.binding`); this says the same of versions that are shown.
2. A cyber-observable cannot say TEST itself: only the terms beside it do, so a file of ours must leave it out.
3. Terms that cannot be read count as an exercise's: nothing of it may look real.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import orjson

from cert_exchange.policy.sharing_terms import EXTENSION, from_text, terms_of
from cert_exchange.store import terms as rows
from cert_exchange.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Exercises:
    """What our desk said to be of an exercise: STIX id -> whose copies (EVERY, OWN or a partner's number)."""

    beside: Mapping[str, Collection[int]]

    def include(self, stix_id: str, origin: int, body: str) -> bool:
        """Whether this version is of an exercise: it carries the mark, or our desk's terms do."""
        said = self.beside.get(stix_id)
        if said is not None and (rows.EVERY in said or origin in said):
            return True
        if EXTENSION not in body:
            return False
        try:
            carried = terms_of(orjson.loads(body))
        except ValueError:
            return True
        return carried is not None and carried.test

    def real_ones(self, found: Iterable[tuple[str, int, str]]) -> list[str]:
        """Of these (STIX id, origin, body) the first body of each id that is of no exercise."""
        real: dict[str, str] = {}
        for stix_id, origin, body in found:
            if stix_id not in real and not self.include(stix_id, origin, body):
                real[stix_id] = body
        return list(real.values())


def exercises(tx: Transaction) -> Exercises:
    """Read what our desk marked TEST; what stands in an object's place is marked with it."""
    found: dict[str, set[int]] = {}
    for stix_id, origin, text in rows.texts(tx, holding='"test"'):
        if _test(text):
            found.setdefault(stix_id, set()).add(origin)
    for original, shown in rows.shown_for(tx, holding='"test"'):
        if original in found:
            found.setdefault(shown, set()).add(rows.EVERY)
    return Exercises(found)


def _test(text: str) -> bool:
    try:
        return from_text(text).test
    except ValueError:
        return True
