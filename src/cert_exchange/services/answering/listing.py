"""What partners said to what is ours, and what we said to what is theirs: lists for our own people.

1. Reading only. What is said about a derivative is told of its original (DECISIONS 16).
2. Notices and what answers them are no answers to an object: `notices list` has those.
3. What a partner says of an object that is not ours is listed where its terms name us as reader, or where it asks, replies or
   proposes. A question to everybody waits for nobody in particular.
4. What names an object of ours that its sender was never shown is marked so, and can be asked for alone (`unshown`).
5. A question waits until its asker's counterpart replies to it. An opinion waits for nothing; that somebody replied is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from cert_exchange.errors import NotFound
from cert_exchange.messages import answers as messages
from cert_exchange.messages import notices, requests
from cert_exchange.messages.answers import Proposal, Question, Reply
from cert_exchange.messages.due_times import owed_by
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION as TERMS
from cert_exchange.policy.sharing_terms import terms_of
from cert_exchange.services.answering.fetching import fetched
from cert_exchange.services.answering.unshown import named_unshown, unshown
from cert_exchange.services.exercises import Exercises, exercises
from cert_exchange.services.hits import Hit, hit_of
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.store import answers as rows
from cert_exchange.store import holdings, objects
from cert_exchange.store import versions as version_rows
from cert_exchange.store.answers import Said
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import OWN

OPEN: Final = "waits for a reply"
OVERDUE: Final = "overdue: waits for a reply"
EVERYBODY: Final = "asked of everybody"
_MORE: Final = 10
"""An answer may name so many objects, each a row."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer, of a partner or of ours."""

    hit: Hit
    what: str
    """sighting, opinion, note, question, reply or proposal"""
    about: tuple[str, ...]
    """the objects, under our own ids"""
    named: tuple[str, ...]
    """the ids that it names where those are derivatives'"""
    says: str
    due: int | None
    """of a question: by when it asks for a reply, as it says, micros"""
    state: str
    """of a question: whether it waits; of an opinion: whether it was replied to; of a proposal: where it stands"""
    fetched: str = ""
    """of an answer of ours: who fetched it and who has not yet"""
    unshown: tuple[str, ...] = ()
    """of a partner's: the ids that it names and was never shown by us"""
    whose: tuple[str, ...] = ()
    """who brought the objects that it is about: partners by name, and `own`"""

    @property
    def waits(self) -> bool:
        """Whether somebody is asked and has not replied."""
        return self.state in (OPEN, OVERDUE)

    @property
    def overdue(self) -> bool:
        """Whether a reply was asked for by now."""
        return self.state == OVERDUE


def heard(
    node: Node,
    *,
    given: bool = False,
    partner: str | None = None,
    about: str | None = None,
    only_open: bool = False,
    never_shown: bool = False,
    limit: int = 100,
) -> tuple[Heard, ...]:
    """Answers of partners, or with `given` ours, the newest first. Raises NotFound for an unknown partner or object.

    With `never_shown` only those of partners that name what their sender was never shown.
    """
    with node.database.reading() as tx:
        names = holdings.names_of_origins(tx)
        number = None
        if partner is not None:
            number = next((n for n, name in names.items() if name == partner and n != OWN), None)
            if number is None:
                known = ", ".join(name for n, name in names.items() if n != OWN) or "none"
                raise NotFound(f"there is no partner {partner!r}; there are: {known}.")
        ident = None
        if about is not None:
            about = rows.original_of(tx, about) or about
            ident = objects.idents_of(tx, [about]).get(about)
            if ident is None:
                raise NotFound(f"nothing of {about} ever came here.")
        if never_shown:
            found = _of_unshown(tx, names, number, about)
        else:
            found = _rows(
                tx, given=given, number=number, ident=ident, limit=limit * _MORE,
                bearing=messages.EXTENSION if only_open else None,
            )  # fmt: skip
            if not given and ident is None:
                found += _of_others(node, tx, number, only_open=only_open, limit=limit * _MORE)
        told = _told(tx, found, names, exercises(tx), node)
        told = [one for one in told if one.waits or not only_open][:limit]
        if given:
            listed = {one.hit.stix_id for one in told}
            reached = fetched(node, tx, [one for one in found if one.stix_id in listed])
            told = [replace(one, fetched=reached[one.hit.stix_id]) for one in told]
        else:
            named = named_unshown(tx, found)
            told = [replace(one, unshown=named.get(one.hit.stix_id, ())) for one in told]
    return tuple(told)


def _rows(
    tx: Transaction,
    *,
    given: bool,
    number: int | None,
    ident: int | None,
    limit: int,
    bearing: str | None,
) -> list[Said]:
    if given:
        if ident is None:
            return rows.given(tx, limit=limit, bearing=bearing)
        return rows.given_about(tx, ident, limit=limit)
    if ident is None:
        return rows.heard(tx, partner=number, limit=limit, bearing=bearing)
    found = rows.said_about(tx, ident, limit=limit)
    return [one for one in found if number is None or one.origin == number]


def _of_others(
    node: Node, tx: Transaction, number: int | None, *, only_open: bool, limit: int
) -> list[Said]:
    """What partners said to us about what is not ours."""
    said = rows.heard_of_others(tx, partner=number, limit=limit, bearing=messages.EXTENSION)
    if not only_open:
        said += rows.heard_of_others(tx, partner=number, limit=limit, bearing=TERMS)
    found: dict[tuple[int, str], Said] = {}
    for one in said:
        content = orjson.loads(one.body)
        readers = _readers(content)
        if node.identity in readers or (
            not readers and messages.EXTENSION in content.get("extensions", {})
        ):
            found[one.object, one.about] = one
    return list(found.values())


def _readers(content: Mapping[str, Any]) -> frozenset[str]:
    """Whom alone an answer's own terms name as its readers; nobody where they name none, or cannot be read."""
    try:
        terms = terms_of(content)
    except ValueError:
        return frozenset()
    if terms is None or not terms.only_to:
        return frozenset()
    first, *others = terms.only_to
    return frozenset(first).intersection(*others)


def _of_unshown(
    tx: Transaction, names: Mapping[int, str], number: int | None, about: str | None
) -> list[Said]:
    found = [
        one
        for origin in sorted(names)
        if origin != OWN and number in (None, origin)
        for one in unshown(tx, origin)
        if about is None or about in (one.about, rows.original_of(tx, one.about))
    ]
    return sorted(found, key=lambda one: -one.object)


def _told(
    tx: Transaction,
    found: Collection[Said],
    names: Mapping[int, str],
    drills: Exercises,
    node: Node,
) -> list[Heard]:
    together: dict[tuple[str, int], list[Said]] = {}
    for one in sorted(found, key=lambda said: -said.object):
        together.setdefault((one.stix_id, one.origin), []).append(one)
    told: list[Heard] = []
    original = {one.about: rows.original_of(tx, one.about) or one.about for one in found}
    owners = _owners(tx, set(original.values()), names)
    for many in together.values():
        content: dict[str, Any] = orjson.loads(many[0].body)
        if notices.declares(content) or requests.declares(content):
            continue  # `notices list`, `request list`
        hit = hit_of(many[0], names, drills)[0]
        originals = {one.about: original[one.about] for one in many}
        said = messages.read(content)
        whose = tuple(sorted({name for one in originals.values() for name in owners.get(one, ())}))
        told.append(
            Heard(
                hit,
                messages.what_of(content),
                tuple(dict.fromkeys(originals.values())),
                tuple(name for name, original in originals.items() if name != original),
                messages.told(content),
                said.due if isinstance(said, Question) else None,
                _state(tx, many[0], said, node, ours="own" in whose),
                whose=whose,
            )
        )
    return told


def _owners(
    tx: Transaction, about: Collection[str], names: Mapping[int, str]
) -> dict[str, tuple[str, ...]]:
    """Who brought each of these objects: partners by name, and `own`."""
    idents = objects.idents_of(tx, about)
    brought: dict[str, set[str]] = {}
    for one in version_rows.versions(tx, idents.values()):
        brought.setdefault(one.stix_id, set()).add(names.get(one.origin, ""))
    return {stix_id: tuple(sorted(those - {""})) for stix_id, those in brought.items()}


def _state(
    tx: Transaction,
    one: Said,
    said: Question | Reply | Proposal | None,
    node: Node,
    *,
    ours: bool,
) -> str:
    now = node.now()
    match said:
        case Question() if _replied(tx, one):
            return "replied"
        case None if one.type == "opinion" and _replied(tx, one):
            return "replied"
        case Question() if (
            one.origin != OWN and not ours and node.identity not in _readers(orjson.loads(one.body))
        ):
            return EVERYBODY
        case Question():
            due = _owed_by(one, said)
            return OVERDUE if due is not None and due < now else OPEN
        case Proposal() if one.origin != OWN:
            return "see `proposals list`"
        case _:
            return ""


def _owed_by(one: Said, said: Question) -> int | None:
    came_at = None if one.origin == OWN else one.stored_at
    try:
        asked_at = parse_micros(one.version)
    except InstantInvalid:
        asked_at = one.stored_at
    return owed_by(said.due, asked_at=asked_at, came_at=came_at)


def _replied(tx: Transaction, question: Said) -> bool:
    """Whether the other side replied to a question or an opinion: a reply of ours to a partner's, of a partner to ours.

    What came before its newest version is no reply to that.
    """
    ident = objects.idents_of(tx, [question.stix_id])[question.stix_id]
    if question.origin == OWN:
        found = rows.said_about(tx, ident, limit=_MORE)
    else:
        found = rows.given_about(tx, ident, limit=_MORE)
    for one in found:
        content = orjson.loads(one.body)
        said = messages.read(content)
        since = one.object > question.object
        if since and isinstance(said, Reply) and said.to == question.stix_id:
            return True
    return False
