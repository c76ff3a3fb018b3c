"""What leaves a view because nothing in it needs it any more, and what stands in its place.

1. A carried object leaves a view with its last dependant there, also where several need only each other.
2. What a revoked derivative is told of leaves with the last line of its original.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cert_exchange.services.releasing.arranging import Row, ends
from cert_exchange.services.releasing.evaluating import Plan, Pool
from cert_exchange.services.releasing.settlement import Settlement
from cert_exchange.stix.references import Role
from cert_exchange.store import in_force
from cert_exchange.store import references as reference_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.releases import Live

_NEEDED: Final = (Role.CREATOR, Role.MARKING, Role.REQUIRED)


def suspects_of(settlement: Settlement, pool: Pool, own: int | None) -> dict[int, set[int]]:
    """By view: the ids that were perhaps carried for lines that are gone. `own`: our identity, who makes derivatives."""
    gone = [line for line, _ in settlement.losses.values()]
    gone += settlement.replaced.values()
    found: dict[int, set[int]] = {}
    for line in gone:
        targets = {
            target
            for target, role in pool.references.get(line.object, [])
            if role != Role.EXTENSION
        }
        if line.derived and own is not None:
            targets.add(own)
        if targets:
            found.setdefault(line.view, set()).update(targets)
    for (view, number), carried in settlement.carried_now.items():
        if carried:
            found.setdefault(view, set()).add(pool.by_id(number).ident)
    for (view, _), gain in settlement.gains.items():
        if gain.carried and (view, gain.version.id) in settlement.replaced:
            found.setdefault(view, set()).add(gain.version.ident)
    return found


def unneeded(
    tx: Transaction, pool: Pool, plan: Plan, view: int, suspects: Collection[int], own: int | None
) -> list[Live]:
    """The carried lines that nothing in the view needs, though they may need each other."""
    carried: dict[int, list[Live]] = {}
    needs: dict[int, set[int]] = {}
    queue = set(suspects)
    while queue:
        found = [
            line
            for line in in_force.live_rows(tx, (view,), queue, deriving=plan.deriving)
            if line.carried
        ]
        pool.load({line.ident for line in found})
        queue = set()
        for line in found:
            carried.setdefault(line.ident, []).append(line)
            targets = {
                target
                for target, role in pool.references.get(line.object, [])
                if role != Role.EXTENSION
            }
            if line.derived and own is not None:
                targets.add(own)
            needs.setdefault(line.ident, set()).update(targets)
            queue |= targets
        queue -= carried.keys()
    besides = {line.shown for lines in carried.values() for line in lines}
    kept: set[int] = set()
    rising = (
        reference_rows.needed_in(tx, carried.keys(), view, _NEEDED, besides=besides)
        if carried
        else set()
    )
    while rising:
        kept |= rising
        rising = {target for ident in rising for target in needs[ident]} & carried.keys() - kept
    return [line for ident, lines in carried.items() if ident not in kept for line in lines]


def standing_in(
    tx: Transaction, pool: Pool, plan: Plan, view: int, idents: Collection[int]
) -> list[Row]:
    """The lines that are left of ids of which one went, with which of them is last and first now."""
    places: dict[int, list[Row]] = {}
    lines = in_force.live_rows(tx, (view,), idents, deriving=plan.deriving)
    pool.know_served(lines)
    for line in lines:
        places.setdefault(line.shown, []).append(
            Row(view, pool.by_id(line.served), line.carried, line)
        )
    for rows in places.values():
        last, first = ends(rows)
        for row in rows:
            row.is_last, row.is_first = row is last, row is first
    return [row for rows in places.values() for row in rows]
