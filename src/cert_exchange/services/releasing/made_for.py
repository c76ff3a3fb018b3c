"""For which indicators our observables were made: what `publish` makes beside an indicator goes nowhere without one of them.

1. A cyber-observable has no labels, no confidence and no end: rules that look at those say nothing of it, and would let the
   value itself go where its indicator may not.
2. It was made for an indicator of ours where our `based-on` between the two bears the id that only `publish` makes. What
   somebody published by itself is bound by nothing of this, and neither is what a partner sent.
3. It goes where policy lets any of its indicators go that has not ended. Who has it keeps it until an indicator that was shown
   to them is denied there: what has ended or is only held leaves it, and what they never saw tells them nothing by it.
4. When one of them changes, its observables are decided again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cert_exchange.intake.batches import own_id
from cert_exchange.services.releasing.pointing import Held, observables_of
from cert_exchange.store import references as rows
from cert_exchange.store.objects import Version
from cert_exchange.store.tables import OWN


class Making(Held, Protocol):
    """What has been read of versions, and of what they were made for."""

    made_for: dict[int, tuple[int, ...]]


def know(held: Making, idents: Collection[int]) -> None:
    """Read for which indicators those of these ids were made that are observables of ours; all are loaded."""
    missing = [
        ident
        for ident in idents
        if ident not in held.made_for
        and any(one.observable and one.origin == OWN for one in held.by_ident[ident])
    ]
    if not missing:
        return
    found: dict[int, set[int]] = {ident: set() for ident in missing}
    spelled = {ident: held.by_ident[ident][0].stix_id for ident in missing}
    for observable, relation, maker, indicator, stix_id in rows.ask_made_for(held.tx, missing)():
        made = own_id(maker, "relationship", "based-on", stix_id, spelled[observable])
        if made == relation:
            found[observable].add(indicator)
    held.made_for |= {ident: tuple(sorted(those)) for ident, those in found.items()}
    held.load({one for those in found.values() for one in those})


def standing(held: Making, observable: Version) -> list[Version]:
    """The newest versions of the indicators that one of our observables was made for and that have not ended."""
    know(held, (observable.ident,))
    found = []
    for ident in held.made_for.get(observable.ident, ()):
        mine = [one for one in held.by_ident.get(ident, ()) if one.origin == OWN]
        if mine and not mine[-1].revoked and held.in_use(mine[-1]):
            found.append(mine[-1])
    return found


def hanging_on(held: Making, idents: Collection[int]) -> set[int]:
    """Our observables that must be decided again, since an indicator or relationship of ours among these changed."""
    held.load(idents)
    ours = {one for one in idents if any(v.origin == OWN for v in held.by_ident[one])}
    return observables_of(held, ours) if ours else set()
