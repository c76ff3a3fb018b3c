"""What partners say about objects of ours that they were never shown: they have them from elsewhere, or guess at ids.

1. For our own people alone. Who sent it is answered as if it named what it was shown, or nothing at all (invariant 1).
2. Shown is what stands, or stood, in a view of the partner's, under its own id or a derivative's; another's derivative is not.
3. A cyber-observable's id is told by its value, so that whoever knows the value may name it; identities and definitions go about
   freely. Neither is told of.
4. Reading only. Who shares our objects on, as their terms may permit, is a good reason: it is told, and nothing follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cert_exchange.stix.references import is_observable_id
from cert_exchange.store import answers as rows
from cert_exchange.store import doubts, objects
from cert_exchange.store.answers import Said
from cert_exchange.store.database import Transaction

MOST: Final = 1_000
"""Answers of one partner that are looked at, the newest: each names up to as many objects as it is a row for."""
_FREE: Final = ("identity--", "location--", "marking-definition--", "extension-definition--")


def unshown(tx: Transaction, partner: int) -> list[Said]:
    """What a partner says of what it was never shown, a row for each object that it names so; the newest stored first."""
    said = rows.naming_ours(tx, partner, limit=MOST)
    named = named_unshown(tx, said)
    return [one for one in said if one.about in named.get(one.stix_id, ())]


def named_unshown(tx: Transaction, said: Iterable[Said]) -> dict[str, tuple[str, ...]]:
    """Of these answers of partners, by id, those that name what their sender was never shown, and what they name so."""
    by_origin: dict[int, list[Said]] = {}
    for one in said:
        if not one.about.startswith(_FREE) and not is_observable_id(one.about):
            by_origin.setdefault(one.origin, []).append(one)
    named: dict[str, tuple[str, ...]] = {}
    for origin, theirs in by_origin.items():
        numbers = objects.idents_of(tx, {one.about for one in theirs})
        shown = doubts.shown_of_ours(tx, set(numbers.values()), origin)
        for one in theirs:
            if numbers[one.about] not in shown:
                named[one.stix_id] = (*named.get(one.stix_id, ()), one.about)
    return named
