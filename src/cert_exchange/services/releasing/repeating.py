"""A notice stands before what it names, in each collection in which that is shared again (DECISIONS 19).

1. A notice is made in one collection, and the object may come back in another: a partner takes them in by two channels,
   in any order. A notice that it took in last would end the use of what stands.
2. So the notice is put into that collection too, and its line there is before the object's. By whichever channel it comes
   first, that is before the object; the second time it is known, and ends nothing.
3. A notice that our desk took back from all collections is not put anywhere.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cert_exchange.services.releasing.evaluating import Pool
from cert_exchange.services.releasing.settlement import Settlement, Sight
from cert_exchange.store import notices as notice_rows
from cert_exchange.store import objects
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Membership

_NOBODY: Final[Collection[int]] = ()


def put_before(
    tx: Transaction, pool: Pool, settlement: Settlement, sight: Sight, *, at: int
) -> list[int]:
    """Put notices of the audience into the collections where what they name is gained; the ids of those notices.

    They are to be decided before the settlement's own lines are written.
    """
    coming = _coming_back(pool, settlement, sight)
    if not coming:
        return []
    plan = settlement.plan
    told: dict[int, tuple[int, set[int], dict[int, bool]]] = {}
    asked = notice_rows.ask_naming(tx, plan.audience.id, coming.keys(), deriving=plan.deriving)
    for note, ident, about, collection, taken_back_at in asked():
        _, abouts, places = told.setdefault(note, (ident, set(), {}))
        abouts.add(about)
        places[collection] = taken_back_at is None
    collections = {view: collection for collection, view in plan.views.items()}
    repeated = set()
    for note, (ident, abouts, places) in sorted(told.items()):
        if not any(places.values()):
            continue
        wanted = {collections[view] for about in abouts for view in coming.get(about, _NOBODY)}
        for collection in sorted(wanted - places.keys()):
            pool.load((ident,))
            objects.join_collection(tx, [note], collection=collection, at=at)
            place = Membership(note, collection, at, None, None)
            pool.places.setdefault(note, {})[collection] = place
            repeated.add(ident)
    return sorted(repeated)


def _coming_back(pool: Pool, settlement: Settlement, sight: Sight) -> dict[int, set[int]]:
    """The ids that are gained in views where nothing of them stands, as they are known to us: id -> views.

    Where something of an id stands, every notice about it was there before that. Of what is derived nobody asks: it has
    another id than what stood there.
    """
    fresh, deriving = pool.fresh, settlement.plan.deriving
    gained: dict[int, set[int]] = {}
    for gain in settlement.gains.values():
        if gain.version.ident not in fresh:
            gained.setdefault(gain.version.ident, set()).add(gain.view)
    if not gained or deriving:
        return gained
    sight.load_live(gained.keys())
    for ident, views in gained.items():
        views.difference_update(line.view for line in sight.live[ident])
    return {ident: views for ident, views in gained.items() if views}
