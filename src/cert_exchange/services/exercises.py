"""Which object versions belong to an exercise, for lists and files that our own people use.

1. What decides asks the object's binding (`policy.binding`); this says the same of versions that are shown.
2. A cyber-observable cannot say TEST itself: only the terms beside it do, so a file of ours must leave it out.
3. What has terms that cannot be read is no exercise and must not look real: files leave it out, and lists call it what it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import orjson

from cert_exchange.policy.sharing_terms import EXTENSION, from_text, terms_of
from cert_exchange.store import terms as rows
from cert_exchange.store.database import Transaction


class Mark(Enum):
    """What a version says it is."""

    REAL = 0
    TEST = 1
    UNREADABLE = 2


@dataclass(frozen=True, slots=True)
class Exercises:
    """What our desk said to be of an exercise: STIX id -> whose copies (EVERY, OWN or a partner's number)."""

    beside: Mapping[str, Collection[int]]
    doubtful: Mapping[str, Collection[int]] = field(default_factory=dict)
    """the same of terms beside an object that cannot be read"""

    def include(self, stix_id: str, origin: int, body: str) -> bool:
        """Whether this version may not look real: it is of an exercise, or its terms cannot be read."""
        return self.mark(stix_id, origin, body) is not Mark.REAL

    def mark(self, stix_id: str, origin: int, body: str) -> Mark:
        """What this version says it is, by what it carries or our desk's terms beside it."""
        if _about(self.beside, stix_id, origin):
            return Mark.TEST
        found = Mark.UNREADABLE if _about(self.doubtful, stix_id, origin) else Mark.REAL
        if EXTENSION not in body:
            return found
        try:
            carried = terms_of(orjson.loads(body))
        except ValueError:
            return Mark.UNREADABLE
        return Mark.TEST if carried is not None and carried.test else found

    def real_ones(self, found: Iterable[tuple[str, int, str]]) -> list[str]:
        """Of these (STIX id, origin, body) the first body of each id that is of no exercise."""
        real: dict[str, str] = {}
        for stix_id, origin, body in found:
            if stix_id not in real and not self.include(stix_id, origin, body):
                real[stix_id] = body
        return list(real.values())


def exercises(tx: Transaction) -> Exercises:
    """Read what our desk marked TEST; what stands in an object's place is marked with it."""
    found: dict[Mark, dict[str, set[int]]] = {mark: {} for mark in Mark}
    for stix_id, origin, text in rows.texts(tx, holding='"test"'):
        found[_mark(text)].setdefault(stix_id, set()).add(origin)
    for original, shown in rows.shown_for(tx, holding='"test"'):
        for mark in (Mark.TEST, Mark.UNREADABLE):
            if original in found[mark]:
                found[mark].setdefault(shown, set()).add(rows.EVERY)
    return Exercises(found[Mark.TEST], found[Mark.UNREADABLE])


def _mark(text: str) -> Mark:
    try:
        return Mark.TEST if from_text(text).test else Mark.REAL
    except ValueError:
        return Mark.UNREADABLE


def _about(said: Mapping[str, Collection[int]], stix_id: str, origin: int) -> bool:
    copies = said.get(stix_id, ())
    return rows.EVERY in copies or origin in copies
