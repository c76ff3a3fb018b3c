"""What stands for what: an original, what partners are shown in its place, and what they say about either.

1. For our own people, in the caller's transaction; `releasing` makes derivatives, and nobody here decides.
2. What a partner says about a derivative is told of its original, and of nothing else that the partner has not seen.
3. These answers name originals and derivatives side by side. No face may hand them to a partner.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from cert_exchange.messages.answers import told, what_of
from cert_exchange.services.exercises import Exercises, exercises
from cert_exchange.services.hits import Hit, hit_of
from cert_exchange.store import answers
from cert_exchange.store.database import Transaction

ANSWERS: Final = 100
"""What partners said about an object: so many of the newest are shown."""


@dataclass(frozen=True, slots=True)
class Stand:
    """One version of a derivative: what an audience is, or was, shown in place of an original.

    Instants are microseconds.
    """

    original: str
    audience: str
    stix_id: str
    version: str
    withheld: tuple[str, ...]
    """kinds of what was taken away; empty where only references were rewritten"""
    revoked: bool
    """its last version: it stands for nothing any more"""
    places: tuple[tuple[str, int, str], ...]
    """where it is in force: (collection, since, rule)"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a partner said about an object: a sighting, an opinion, a note, anything that refers to it."""

    hit: Hit
    about: str
    """the id that it names: the object's own, or that of the derivative that the partner was shown"""
    what: str
    """sighting, opinion, note, question, reply, proposal, or its type"""
    says: str
    """what it says, on one line"""


def stands(
    tx: Transaction, ident: int, object_ids: Collection[int]
) -> tuple[dict[int, Stand], dict[int, tuple[Stand, ...]]]:
    """Of those versions that are derivatives what they stand for; of the id's versions what was made of each.

    Both by objects.id.
    """
    as_derivative = answers.shown_by(tx, object_ids)
    as_original = answers.shown_for(tx, ident)
    places: dict[int, list[tuple[str, int, str]]] = {}
    numbers = [*as_derivative, *(one.object for one in as_original)]
    for place in answers.places_of(tx, numbers):
        places.setdefault(place.object, []).append((place.collection, place.since, place.rule))

    def stand(one: answers.Shown) -> Stand:
        return Stand(
            one.original, one.audience, one.stix_id, one.version, one.withheld, one.revoked,
            tuple(places.get(one.object, ())),
        )  # fmt: skip

    made: dict[int, tuple[Stand, ...]] = {}
    for one in as_original:
        made[one.source] = (*made.get(one.source, ()), stand(one))
    return {number: stand(one) for number, one in as_derivative.items()}, made


def answers_about(tx: Transaction, ident: int, names: Mapping[int, str]) -> tuple[Answer, ...]:
    """What partners said about an object under its own id or a derivative's, newest stored first, at most ANSWERS.

    `names` are those of origins, by number.
    """
    found = answers.said_about(tx, ident, limit=ANSWERS)
    drills = exercises(tx)
    return tuple(_answer(one, names, drills) for one in found)


def given_about(tx: Transaction, ident: int, names: Mapping[int, str]) -> tuple[Answer, ...]:
    """What our desk said about an object in sightings, opinions and notes, newest stored first, at most ANSWERS."""
    drills = exercises(tx)
    return tuple(
        _answer(one, names, drills) for one in answers.given_about(tx, ident, limit=ANSWERS)
    )


def _answer(one: answers.Said, names: Mapping[int, str], drills: Exercises) -> Answer:
    hit, content = hit_of(one, names, drills)
    return Answer(hit, one.about, what_of(content), told(content))
