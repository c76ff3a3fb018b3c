"""How an answer goes out: to whom, how it is marked, in which collection, and by which way it gets there.

1. Unless a person says otherwise, an answer is for the object's owner alone: terms beside it say so here, and are written
   into it, so that the owner's node passes it on to nobody either.
2. It is marked TLP:AMBER, or as the object is where that is stricter. What is about an exercise is of the exercise.
3. Policy decides on it as on anything that we publish. What nobody would see is refused before anything is stored, with
   the reason; what a person of ours still has to let go is stored.
4. The return collection is called `answers` on both sides: a partner finds it by this alias.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION as TERMS
from cert_exchange.policy.sharing_terms import SharingTerms, as_extension
from cert_exchange.policy.spellings import tlp_named
from cert_exchange.services import publishing, terms
from cert_exchange.services.answering.subjects import Subject
from cert_exchange.services.reaching import way_in
from cert_exchange.services.releasing.evaluating import plans_for
from cert_exchange.stix.markings import (
    TLP2_EXTENSION,
    TLP_BY_ID,
    TLP_DEFINITIONS,
    Tlp,
    read_markings,
)
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import releases
from cert_exchange.store.database import Transaction

RETURN: Final = "answers"
"""The alias of the return collection, here and at a partner's."""
_LEAST: Final = Tlp.AMBER
_LEVELS: Final[Mapping[Tlp, str]] = {
    TLP_BY_ID[str(one["id"])]: str(one["id"])
    for one in TLP_DEFINITIONS
    if TLP2_EXTENSION in one.get("extensions", ())
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How a person wants an answer to go out."""

    to: tuple[str, ...] = ()
    """partners; none: the object's owner"""
    everyone: bool = False
    """to whom policy lets it go, without terms that name anybody"""
    tlp: str | None = None
    onward: str = "none"
    """what its readers may do with it: none, ask or free"""
    collection: str = RETURN
    dry_run: bool = False
    """only say what would be"""


@dataclass(frozen=True, slots=True)
class Reached:
    """What one partner gets of an answer."""

    partner: str
    sees: bool
    why: str
    """the rule that lets it go, or what keeps it back"""
    way: str
    """how it gets there; empty where it does not go"""
    held: bool = False
    """it does not see it yet: a person of ours has to let it go, or a time to come"""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer of ours."""

    stix_id: str
    content: dict[str, Any]
    collection: str
    marked: str
    reached: tuple[Reached, ...]
    stored: bool
    """False: it was only looked at, or it had been said already"""
    repeated: bool = False
    """the very same was said before, and stands"""


def recipients(node: Node, subject: Subject, manner: Manner) -> tuple[str, ...]:
    """Whom an answer is for; nobody by name where it is for everyone. Raises NotFound, InputRefused."""
    if manner.everyone:
        if manner.to:
            raise InputRefused("Give --to or --everyone, not both.")
        return ()
    with node.database.reading() as tx:
        known = policy_rows.partner_ids(tx)
    for name in manner.to:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise NotFound(f"there is no partner {name!r}; there are: {names}.")
    return tuple(dict.fromkeys(manner.to)) or (subject.owner,)


def dress(
    node: Node,
    subject: Subject,
    made: Mapping[str, Any],
    manner: Manner,
    to: Sequence[str],
    *,
    quotes: bool = False,
) -> tuple[dict[str, Any], SharingTerms]:
    """The answer with its markings and terms, and the terms to lay beside it.

    `quotes`: it repeats what the object says, so that it is marked as the object in every way, and never looser.
    """
    level = _level(subject, manner, quotes=quotes)
    said = terms.read_terms(node, only_to=to, onward=manner.onward, test=subject.test)
    assert said is not None  # `onward` is always given
    with node.database.reading() as tx:
        spoken = releases.read_sharing(tx).said.spoken
    there = [spoken.get(name, frozenset()) for name in to]
    carried = replace(said, only_to=())
    if there and all(there):
        # A partner without an identity cannot be named elsewhere: `onward` binds it all the same.
        carried = replace(carried, only_to=(frozenset().union(*there),))
    answer = dict(made)
    marks = [_LEVELS[level]]
    if quotes:
        marks += [one for one in subject.markings if one not in TLP_BY_ID]
    answer["object_marking_refs"] = marks
    answer["extensions"] = {**answer.get("extensions", {}), TERMS: as_extension(carried)}
    return answer, said


def give(
    node: Node,
    objects: Sequence[Mapping[str, Any]],
    said: SharingTerms,
    manner: Manner,
    to: Sequence[str],
    *,
    by: str,
    had: Collection[str] = (),
) -> Given:
    """Publish an answer, the last of these objects, after those that it needs; with `dry_run` only look.

    `had`: partners who have what it takes the place of. Raises InputRefused where it cannot be published, or where nobody,
    or not everyone of `had`, would see it: nothing is stored then. ConfigurationInvalid where there is no return collection.
    """
    answer = dict(objects[-1])
    body = orjson.dumps({"objects": list(objects)})
    label = _place(node, manner.collection)
    looked = publishing.preview_publish(node, body, collection=label, by=by, terms=said)
    for outcome in looked.outcomes:
        if not outcome.success:
            raise InputRefused(f"It cannot be published: {outcome.message}")
    told = {one.audience: one for one in looked.sighted if one.stix_id == answer["id"]}
    with node.database.reading() as tx:
        reached = tuple(
            _reached(node, tx, partner, audience, label, told)
            for partner, audience in _whom(tx, to)
        )
    if not manner.dry_run:
        _refuse_unseen(reached, had)
        publishing.publish(node, body, collection=label, by=by, terms=said)
    return Given(
        str(answer["id"]), answer, label, marked_as(answer), reached, stored=not manner.dry_run
    )


def _refuse_unseen(reached: Sequence[Reached], had: Collection[str]) -> None:
    """Raise InputRefused where storing an answer would tell nobody, or take from a partner the one that it has."""
    if not any(one.sees or one.held for one in reached):
        why = "; ".join(f"{one.partner} would not see it: {one.why}" for one in reached)
        raise InputRefused(f"Nothing was stored: {why or 'no policy is in force'}.")
    for one in reached:
        if one.partner in had and not (one.sees or one.held):
            raise InputRefused(
                f"Nothing was stored: {one.partner} has what we said before, and would not see this, which takes its place:"
                f" {one.why}. Say it so that {one.partner} may see it, or `withdraw` what we said before."
            )


def repeated(before: Mapping[str, Any]) -> Given:
    """What is told where the very same stands already: nothing is published."""
    return Given(
        str(before["id"]), dict(before), "", marked_as(before), (), stored=False, repeated=True
    )


def marked_as(content: Mapping[str, Any]) -> str:
    """The level of an answer of ours, in words."""
    found = read_markings(content).tlp
    return "" if found is None else f"TLP:{found.name.replace('_', '+')}"


def _level(subject: Subject, manner: Manner, *, quotes: bool) -> Tlp:
    least = max(_LEAST, subject.tlp or _LEAST)
    if manner.tlp is None:
        return least
    found = tlp_named(manner.tlp)
    if found is None:
        raise InputRefused(
            f"{manner.tlp!r} is no TLP level; write clear, green, amber, amber+strict or red."
        )
    return max(found, subject.tlp or found) if quotes else found


def _place(node: Node, name: str) -> str:
    with node.database.reading() as tx:
        found = collection_rows.find_collection(tx, name)
        labels = collection_rows.collection_labels(tx)
    if found is not None:
        return found.alias or found.uuid
    if name != RETURN:
        raise ConfigurationInvalid(
            f"there is no collection {name!r}; there are: {', '.join(labels) or 'none'}."
        )
    raise ConfigurationInvalid(
        f"This node has no return collection yet: put {RETURN}.yaml (docs/answers.md shows it) into collections/, run"
        f" `cert-exchange collection load`, and name {RETURN} in the policies of who gets answers; or say --collection."
    )


def _whom(tx: Transaction, to: Sequence[str]) -> list[tuple[str, str | None]]:
    """(partner, the audience that it belongs to) of these, or of everyone whom a policy governs."""
    governed = {
        name: plan.audience.name
        for plan in plans_for(tx, releases.read_sharing(tx))
        if plan.policy is not None
        for name in sorted(plan.member_names)
    }
    return [(name, governed.get(name)) for name in to or governed]


def _reached(
    node: Node,
    tx: Transaction,
    partner: str,
    audience: str | None,
    label: str,
    told: Mapping[str, publishing.Sighted],
) -> Reached:
    if audience is None:
        return Reached(partner, sees=False, why=f"no policy in force names {partner}", way="")
    one = told.get(audience)
    if one is None:
        why = f"its policy does not share {label}: name it under `collections` there, with a rule that allows answers"
        return Reached(partner, sees=False, why=why, way="")
    if one.answer != "released":
        why = f"{one.answer} by {one.rule}: {one.reason}"
        return Reached(partner, sees=False, why=why, way="", held=one.answer == "held")
    return Reached(partner, sees=True, why=one.rule, way=way_in(node, tx, partner, label).words)
