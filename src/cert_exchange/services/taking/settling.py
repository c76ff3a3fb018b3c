"""What is built against what we hold of the same ids: new, changed, or as it was.

1. What comes from the clock is no change: such properties keep the values of the version that we hold, and the second
   publish of an input adds nothing (CASES I24). A default end that has passed is set anew: somebody saw it again.
2. A change keeps `created`, gets a later `modified`, and takes nothing away that the input does not speak of: another
   input, or a person, may have said it. Labels, external references and what is said of a value are joined: two feeds
   that name one value do not take turns in it.
3. A marking is never loosened by an input: the strictest TLP of both stays, every other marking, and the terms that an
   object carries. What another input published for a wider circle is not narrowed by it either (`beside`).
4. What a person withdrew stays so until that person says otherwise; a list that comes again at night undoes no order. What a
   person revoked stays revoked: a feed that lists it again does not bring it back. What ended with its validity or
   its list comes back under another id (`generations`).
5. Read outside the transaction that stores: who publishes the same at the same time gets a conflict, nothing worse.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from cert_exchange.intake.building import Built, strictest
from cert_exchange.policy.sharing_terms import EXTENSION
from cert_exchange.services.taking import beside
from cert_exchange.services.taking.generations import Known, generations
from cert_exchange.services.taking.inputs import Input
from cert_exchange.stix.instants import format_micros, parse_micros
from cert_exchange.store import lifetimes, objects, placing
from cert_exchange.store import versions as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import OWN, ObjectStatus

State = Literal[
    "new", "changed", "unchanged", "revoked", "withdrawn", "kept back", "another's", "nobody's"
]
_JOINED: Final = ("labels", "external_references")
_MOST_JOINED: Final = 100
_LONGEST: Final = 4_000
_NO_INPUT: Final = Input()


@dataclass(frozen=True, slots=True)
class Settled:
    """One object as it is published. `tightened`: what we held was marked more strictly, and that stays.

    `apart`: another input published the value for a wider circle, and this is what is said beside it. `stays`: an
    observable that another input published for a wider circle, which this one does not touch. `bound`: terms of an earlier
    publication bind it, of which this one says nothing. `listed`: of a report or grouping, what it named before.
    """

    built: Built
    content: dict[str, Any]
    state: State
    tightened: bool = False
    apart: bool = False
    stays: bool = False
    bound: bool = False
    listed: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Its STIX id."""
        return self.built.id


def settle(
    conn: Transaction, built: Sequence[Built], *, at: int, given: Input = _NO_INPUT
) -> list[Settled]:
    """These objects beside what is held of them, each id once, in their order. `at`: now, micros."""
    once: dict[str, Built] = {}
    for one in built:
        first = once.get(one.id)
        if first is None:
            once[one.id] = one
        elif first.content != one.content:
            _mark(first.content, strictest(_markings(first.content), _markings(one.content)))
            if labels := {*first.content.get("labels", ()), *one.content.get("labels", ())}:
                first.content["labels"] = sorted(labels)
    creators = {str(one.content.get("created_by_ref", "")) for one in built} - {""}
    ours = frozenset(objects.idents_of(conn, creators).values())

    def known(ids: Collection[str]) -> Known:
        return _known(conn, ids, ours)

    def returning(built: dict[str, Built], found: Known) -> dict[str, str]:
        again, ended = generations(
            built, found, known, lambda ended: beside.unbound(conn, ended, given)
        )
        for first, held in ended.items():
            labels = {*held.get("labels", ()), *built[first].content.get("labels", ())}
            if labels:
                content = {**built[first].content, "labels": sorted(labels)}
                built[first] = replace(built[first], content=content)
        return again

    found = known(list(once))
    held = dict(found.held)
    foreign = set(found.foreign)
    firsts: dict[str, str] = {}
    if again := returning(once, found):
        once, held = _go(conn, once, again, held)
        firsts = {new: first for first, new in again.items()}
    withdrawn = set() if given.again else placing.withdrawn(conn, held.keys() & once.keys())
    there = {stix_id: one for stix_id, one in held.items() if stix_id not in withdrawn}
    placed = beside.place(conn, once, there, given, lambda ids: known(ids).held, firsts)
    before = list(once)
    if placed.moved:
        once, held = _go(conn, once, placed.moved, held)
        # An id beside may be another's, or have ended, as any other.
        found = known(list(placed.moved.values()))
        foreign |= found.foreign
        beside_it = {one: once[one] for one in placed.moved.values() if one in once}
        again = returning(beside_it, found)
        once |= beside_it
        if again:
            once, held = _go(conn, once, again, held)
    if not given.again:  # what went under another id was not asked about yet
        withdrawn |= placing.withdrawn(conn, (held.keys() & once.keys()) - set(before))
    return [
        Settled(one, one.content, "kept back")
        if first in placed.kept
        else Settled(one, dict(held[one.id]), "unchanged", stays=True)
        if first in placed.stays
        else Settled(one, one.content, "another's")
        if one.id in foreign
        else Settled(one, one.content, "withdrawn")
        if one.id in withdrawn
        else replace(
            _settled(one, held.get(one.id), at, surer=first in placed.surer),
            apart=first in placed.narrower,
            bound=first in placed.bound,
            listed=tuple(held.get(one.id, {}).get("object_refs", ())),
        )
        for first, one in zip(before, once.values(), strict=True)
    ]


def _go(
    conn: Transaction,
    built: Mapping[str, Built],
    to: Mapping[str, str],
    held: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, Built], dict[str, Mapping[str, Any]]]:
    """The same objects under other ids, and what is held of those."""
    gone = {one.id: one for one in (beside.moved(first, to) for first in built.values())}
    return gone, {**held, **_known(conn, gone.keys() - built.keys(), frozenset()).held}


def _settled(
    built: Built, held: Mapping[str, Any] | None, at: int, *, surer: bool = False
) -> Settled:
    new = built.content
    if held is None:
        return Settled(built, new, "new")
    if held.get("revoked") is True:
        return Settled(built, new, "revoked")
    terms = beside.carried_on(held, new)
    if terms is not None and terms.get("only_to") == []:
        return Settled(built, new, "nobody's")
    markings = strictest(_markings(new), _markings(held))
    tightened = markings != tuple(sorted(_markings(new)))
    if "modified" not in new:
        # An observable or a definition: as it is, but never more loosely than we said before.
        content = dict(new)
        _mark(content, markings)
        return Settled(built, content, "unchanged" if content == held else "changed", tightened)
    content = {name: value for name, value in held.items() if name != "extensions"} | new
    if terms is not None:
        content["extensions"] = {**new.get("extensions", {}), EXTENSION: terms}
    for name in built.floating:
        if name in held:
            content[name] = held[name]
    end = held.get("valid_until")
    if "valid_until" in built.floating and isinstance(end, str) and parse_micros(end) <= at:
        content["valid_until"] = new["valid_until"]
    if surer:
        content["confidence"] = held["confidence"]
    for name in _JOINED:
        if name in held and name in new:
            content[name] = _joined(held[name], new[name])
    if built.named and "description" in held and "description" in new:
        content["description"] = _both_said(str(held["description"]), str(new["description"]))
    _mark(content, markings)
    if content == held:
        return Settled(built, content, "unchanged", tightened)
    content["modified"] = format_micros(max(at, parse_micros(str(held["modified"])) + 1))
    return Settled(built, content, "changed", tightened)


def _known(conn: Transaction, stix_ids: Collection[str], ours: Collection[int]) -> Known:
    """Our own newest accepted version of each id that is held, and which ids are used up. `ours`: the creators that we are.

    What a partner gave back to us of our own, after a restore, is ours.
    """
    idents = objects.idents_of(conn, stix_ids)
    accepted = sorted(
        (
            one
            for one in rows.versions(conn, idents.values())
            if one.status == ObjectStatus.ACCEPTED.value
        ),
        key=lambda one: one.version_key,
    )
    newest = {one.stix_id: one for one in accepted if one.origin == OWN}
    bodies = dict(rows.ask_bodies(conn, {one.rendition for one in newest.values()})())
    revoked = [one.id for one in newest.values() if one.revoked]
    ended = lifetimes.ended(conn, revoked) if revoked else set()
    return Known(
        {
            stix_id: json.loads(bodies[one.rendition])
            for stix_id, one in newest.items()
            if one.rendition in bodies
        },
        frozenset(stix_id for stix_id, one in newest.items() if one.id in ended),
        frozenset(
            one.stix_id
            for one in accepted
            if not one.observable and one.stix_id not in newest and one.creator not in ours
        ),
    )


def _joined(held: Any, new: Any) -> list[Any]:
    """What was said before, then what is new of it."""
    if not isinstance(held, list) or not isinstance(new, list):
        return list(new)
    return [*held, *(one for one in new if one not in held)][: max(_MOST_JOINED, len(held))]


def _both_said(held: str, new: str) -> str:
    """What was said before, and what is new, as long as there is room for both."""
    if new in held:
        return held
    joined = f"{held}; {new}"
    return joined if len(joined) <= _LONGEST else held


def _markings(content: Mapping[str, Any]) -> list[str]:
    return [str(one) for one in content.get("object_marking_refs", ())]


def _mark(content: dict[str, Any], markings: Sequence[str]) -> None:
    if markings:
        content["object_marking_refs"] = list(markings)
