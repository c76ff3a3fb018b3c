"""What an object's markings say, in words for our own people: the level that governs, and what binds whoever uses it.

1. It reads what `decide` reads, by the same functions, and decides nothing.
2. PAP and the terms of an IEP limit use and not release: they are told here, because no rule will.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from cert_exchange.stix.handling import (
    PAP_MEANS,
    Definition,
    Handling,
    needs_more,
    read_handling,
)
from cert_exchange.stix.instants import format_micros, order_key
from cert_exchange.stix.markings import Tlp, read_markings
from cert_exchange.store import holdings as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.holdings import Wanted
from cert_exchange.store.tables import OWN, ObjectStatus


def told(tx: Transaction, content: Mapping[str, Any], *, origin: int) -> tuple[str, ...]:
    """One line for each thing that the markings of a stored version say. `origin` is OWN or the partner's number."""
    marks = read_markings(content)
    if not needs_more(content, marks):
        return (_level(marks.tlp),)
    target = _translated(tx, content) if content.get("type") == "language-content" else None
    handling = read_handling(content, marks, partial(held_under, tx, origin), target)
    levels = [level for level in (marks.tlp, handling.tlp) if level is not None]
    return (_level(max(levels, default=None)), *_lines(handling, marks.ids | handling.ids))


def _level(tlp: Tlp | None) -> str:
    if tlp is None:
        return "no TLP: each policy says what it counts as"
    return f"TLP:{tlp.name.replace('_', '+')}, the strictest that it bears anywhere"


def _lines(handling: Handling, ids: frozenset[str]) -> Iterator[str]:
    if handling.unreadable:
        yield f"cannot be read, so that nobody gets it: {handling.unreadable}"
    if handling.pap is not None:
        yield f"PAP:{handling.pap.name}: {PAP_MEANS[handling.pap]}"
    if handling.begins is not None:
        yield f"to be shared from {format_micros(handling.begins)} on"
    if handling.ends is not None:
        yield f"to be shared until {format_micros(handling.ends)}"
    if handling.hides_source:
        yield f"the source must not be named ({handling.hides_source})"
    if handling.names_source:
        yield f"and it names it, so that nobody gets it: {', '.join(handling.names_source)}"
    if handling.owes_source:
        yield f"the source must be named ({handling.owes_source})"
    yield from handling.terms
    for stix_id in sorted(ids - handling.understood):
        yield f"{stix_id}: only for audiences whose policy lists it under statements"


def _translated(tx: Transaction, content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    named = content.get("object_modified")
    return [
        one.content
        for one in held_under(tx, OWN, str(content.get("object_ref")))
        if named is None or order_key(one.content["modified"]) == order_key(named)
    ]


def held_under(tx: Transaction, origin: int, stix_id: str) -> Sequence[Definition]:
    """What we hold under the id of a marking definition, and whether it speaks for an object of this origin."""
    found = rows.find(tx, Wanted(stix_id=stix_id, status=ObjectStatus.ACCEPTED, all_versions=True))
    return [
        Definition(
            json.loads(one.body),
            trusted=origin == OWN or one.origin in (origin, OWN),
        )
        for one in found
    ]
