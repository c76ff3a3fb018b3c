"""What `publish` makes beside an indicator: the cyber-observables with its values, which stand for themselves.

1. They are found by their deterministic ids, whoever asks, so that what is said of a pair is the same everywhere.
2. Only ours: a partner's copy of the same value is its own affair.
3. What a person answers of an indicator that is held counts for an observable that is held for the same reason, or only
   because its indicator is. What else was found in it is another question, and its id is named.
4. What was held only for want of an indicator that may go out is held no more once there is one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import orjson

from cert_exchange.intake.patterns import has_observable, observables_of, values_of
from cert_exchange.outputs.expressing import express
from cert_exchange.store import objects
from cert_exchange.store import screening as rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.screening import KeptOut, State
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import OWN, ObjectStatus

HELD_WITH: Final = "what is based on it is held"
"""Of an observable in which nothing was found, and whose indicator is held."""
TOLD_ONLY: Final = "it is told of only, and not meant to be looked for"
"""Of an observable without an indicator."""
LISTED: Final = 100
"""Cyber-observables of one indicator that are looked for."""
_OWN: Final = "own"


def observables_beside(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of the cyber-observables with the values of an indicator; none of anything else."""
    if content.get("type") != "indicator" or content.get("pattern_type") != "stix":
        return ()
    written = values_of(str(content["pattern"])) or [
        (one.kind, one.text) for one in express(content).values
    ]
    made = observables_of([one for one in written if has_observable(*one)])
    return tuple(dict.fromkeys(str(one["id"]) for one in made))[:LISTED]


def held_beside(
    tx: Transaction, answered: Sequence[KeptOut], states: Collection[State]
) -> tuple[list[KeptOut], list[KeptOut]]:
    """Beside held indicators of ours that are answered: observables that the answer counts for, and those it does not.

    `states`: those that may be answered. What is answered itself stands in neither.
    """
    indicators = {
        one.object: one
        for one in answered
        if one.origin == _OWN and one.stix_id.startswith("indicator--")
    }
    wanted: dict[str, set[str]] = {}
    for number, content in _contents(tx, indicators).items():
        for stix_id in observables_beside(content):
            wanted.setdefault(stix_id, {HELD_WITH}).update(_found_in(indicators[number]))
    theirs: list[KeptOut] = []
    others: list[KeptOut] = []
    known = {one.object for one in answered}
    idents = sorted(objects.idents_of(tx, wanted).values())
    for part in parts(idents):
        for one in rows.listed(tx, states=states, idents=part):
            if one.origin == _OWN and one.object not in known:
                (theirs if _found_in(one) <= wanted[one.stix_id] else others).append(one)
    return theirs, others


def held_for_nothing(tx: Transaction, pairs: Mapping[str, Collection[str]]) -> list[str]:
    """Of observables of ours (STIX id -> indicators based on it), those that were held only for want of one that goes out."""
    numbers = objects.idents_of(tx, pairs)
    held = {
        one.stix_id: one
        for part in parts(sorted(numbers.values()))
        for one in rows.listed(tx, states=[State.HELD], idents=part)
        if one.origin == _OWN and _found_in(one) <= {HELD_WITH, TOLD_ONLY}
    }
    wanted = {indicator for stix_id in held for indicator in pairs[stix_id]}
    newest = {
        one.stix_id: one
        for one in sorted(
            version_rows.versions(tx, objects.idents_of(tx, wanted).values()),
            key=lambda version: version.version_key,
        )
        if one.origin == OWN and one.status == ObjectStatus.ACCEPTED.value
    }
    going = {one.stix_id for one in newest.values() if not (one.kept_out or one.revoked)}
    return [stix_id for stix_id in held if not going.isdisjoint(pairs[stix_id])]


def _found_in(one: KeptOut) -> set[str]:
    return set(one.said.split("; "))


def _contents(tx: Transaction, found: Mapping[int, KeptOut]) -> dict[int, dict[str, Any]]:
    """What stands in these versions of ours, by number (objects.id)."""
    versions = {
        one.id: one.rendition
        for one in version_rows.versions(tx, {one.ident for one in found.values()})
        if one.id in found and one.origin == OWN
    }
    bodies = dict(version_rows.ask_bodies(tx, set(versions.values()))())
    return {number: orjson.loads(bodies[one]) for number, one in versions.items() if one in bodies}
