"""What an input states for a narrower circle than another input did: it stands beside it, in an object of its own.

1. What is published stays as it is: no input takes back from a partner what another input gave it, and no notice tells of
   a list that nobody there may know of. The narrower statement gets an id of its own, made of the first id and of its
   circle: the same again finds it again.
2. An input may narrow what it published itself, and nobody else: the object is then tightened where it stands. It is its own
   where a list of its name, or with an id of its own, names it and no other list of ours does, or where this very run
   stored it.
3. A cyber-observable has one id whoever states it. As it is published it stays; nothing of a narrower input is in it.
4. What joins an indicator to its observables follows the indicator.
5. Of what everybody may know (vulnerabilities, techniques) a wider statement stands beside a narrower one as well.
6. Where a person or a partner keeps the first back (blocked, held, disputed, bound by terms with a reason), nothing goes beside
   it, for what is kept back would come round another way; and nothing of it changes by another input.
7. Narrower is: a higher TLP, one more marking, a label at which a policy in force denies or holds, or terms that shut somebody
   out or for longer. Purposes shut nobody out. That it is less sure of a value is not taken from another input either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cert_exchange.intake.building import Built, own_id
from cert_exchange.policy.sharing_terms import (
    EXTENSION,
    NO_TERMS,
    SharingTerms,
    as_extension,
    from_text,
    terms_of,
    to_text,
)
from cert_exchange.services.taking.inputs import Bodies, Input, rank
from cert_exchange.stix.instants import parse_micros
from cert_exchange.stix.markings import Tlp, read_markings
from cert_exchange.store import objects, placing
from cert_exchange.store import terms as term_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import OWN
from cert_exchange.store.terms import EVERY

ReadHeld = Callable[[Collection[str]], Bodies]

_ALWAYS_ITS_OWN: Final = frozenset({"report", "grouping", "marking-definition", "identity"})
_KNOWN_TO_ALL: Final = frozenset({"vulnerability", "attack-pattern"})


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the objects of an input go: under another id (old -> new), or nowhere, since a wider one stands."""

    moved: Mapping[str, str] = field(default_factory=dict)
    stays: frozenset[str] = frozenset()
    narrower: frozenset[str] = frozenset()
    """of what goes under another id, what is narrower than what stands under the first"""
    kept: frozenset[str] = frozenset()
    """what somebody keeps back, and no other input changes"""
    surer: frozenset[str] = frozenset()
    """of what another input said with more confidence, which stays"""
    bound: frozenset[str] = frozenset()
    """what terms beside it bind, of which the input says nothing"""


@dataclass(frozen=True, slots=True)
class _Circle:
    """Whom a statement reaches."""

    tlp: Tlp | None
    others: frozenset[str]
    terms: SharingTerms

    def narrows(self, held: _Circle) -> bool:
        """Whether it shuts out somebody whom `held` lets in."""
        return (
            rank(self.tlp) > rank(held.tlp)
            or not self.others <= held.others
            or (held.terms & self.terms) != held.terms
        )

    def words(self) -> list[str]:
        """What makes the id of an object of its own. The end of an embargo is not in it: it may be counted from now."""
        embargo = "" if self.terms.embargo_until is None else "embargo"
        said = to_text(replace(self.terms, embargo_until=None))
        return [
            "" if self.tlp is None else self.tlp.name,
            *sorted(self.others),
            "terms",
            said,
            embargo,
        ]


def place(
    conn: Transaction,
    built: Mapping[str, Built],
    held: Bodies,
    given: Input,
    read_held: ReadHeld,
    firsts: Mapping[str, str],
) -> Placed:
    """Where these objects (by id) go beside what we hold of the same ids, which is not revoked where it counts.

    `firsts`: of what bears an id of a later generation the first one, of which the ids beside are made.
    """
    there = [
        stix_id
        for stix_id, one in built.items()
        if stix_id in held
        and one.content["type"] not in _ALWAYS_ITS_OWN
        and held[stix_id].get("revoked") is not True
    ]
    beside = _beside(conn, there)
    mine = given.terms or NO_TERMS
    bound = frozenset(
        stix_id
        for stix_id, said in beside.items()
        if built[stix_id].named and (said & mine) != mine
    )
    less = {one: held[one] for one in there if _less_sure(built[one].content, held[one])}
    surer = frozenset(less.keys() - given.alone(conn, less) if less else ())
    asked = [one for one in there if _may_differ(built[one].content, held[one], given)]
    if not asked:
        return Placed(surer=surer, bound=bound)
    narrower: set[str] = set()
    wider: set[str] = set()
    for stix_id in asked:
        said = _circle(built[stix_id].content, given.terms, given)
        theirs = _circle(held[stix_id], beside.get(stix_id), given)
        if said.narrows(theirs):
            narrower.add(stix_id)
        elif built[stix_id].content["type"] in _KNOWN_TO_ALL and theirs.narrows(said):
            wider.add(stix_id)
    joins = {one for one in narrower if built[one].content["type"] == "relationship"}
    numbers = objects.idents_of(conn, sorted((narrower | wider) - joins))
    back = placing.kept_back(conn, numbers.values())
    free = {stix_id for stix_id, ident in numbers.items() if ident not in back}
    contested = narrower & free
    own = given.alone(conn, {one: held[one] for one in contested}) | {
        one for one in contested if _stored_by(held[one], given.began)
    }
    things = {one for one in contested - own if "modified" in built[one].content} | (wider & free)
    moved = _moved(conn, {one: built[one] for one in sorted(things)}, given, read_held, firsts)
    follow = {
        str(one.content["target_ref"])
        for one in built.values()
        if one.content["type"] == "relationship" and one.content["source_ref"] in own
    }
    stays = {one for one in contested - own - follow if "modified" not in built[one].content}
    kept = narrower - joins - free
    kept -= given.alone(conn, {one: held[one] for one in kept})
    stays |= {one for one in joins if built[one].content["source_ref"] in kept}
    return Placed(
        moved=moved,
        stays=frozenset(stays),
        narrower=frozenset(moved.keys() - wider),
        kept=frozenset(kept),
        surer=surer,
        bound=bound,
    )


def unbound(
    conn: Transaction, ended: Mapping[str, tuple[Built, Mapping[str, Any]]], given: Input
) -> set[str]:
    """Of what ended (id -> what is said now, what was held): what nobody keeps back, and what was not narrower than now.

    Where a person says so (`again`), what only inputs narrowed comes back as it is said now.
    """
    if not ended:
        return set()
    numbers = objects.idents_of(conn, list(ended))
    back = placing.kept_back(conn, numbers.values())
    beside = _beside(conn, list(ended))
    return {
        stix_id
        for stix_id, (one, held) in ended.items()
        if numbers.get(stix_id) not in back
        and (
            given.again
            or not _circle(held, beside.get(stix_id), given).narrows(
                _circle(one.content, given.terms, given)
            )
        )
    }


def moved(one: Built, to: Mapping[str, str]) -> Built:
    """The same object under the ids that it and what it joins have now."""
    content = one.content
    if content["type"] == "relationship" and content["source_ref"] in to:
        source, target = to[content["source_ref"]], content["target_ref"]
        kind = content["relationship_type"]
        stix_id = own_id(content["created_by_ref"], "relationship", kind, source, target)
        return replace(one, content={**content, "id": stix_id, "source_ref": source})
    if one.id in to:
        return replace(one, content={**content, "id": to[one.id]})
    return one


def carried_on(held: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The terms (extension) of a version that takes the place of `held`: what was said before stays, and binds with the new.

    Whether it is of an exercise, the later publication says (docs/terms.md). Terms that cannot be read stay as they are.
    """
    before: Mapping[str, Any] | None = held.get("extensions", {}).get(EXTENSION)
    after: Mapping[str, Any] | None = new.get("extensions", {}).get(EXTENSION)
    if before is None:
        return after
    try:
        said, now = terms_of(held) or NO_TERMS, terms_of(new) or NO_TERMS
    except ValueError:
        return before
    both = replace(said & now, test=now.test)
    if both == said:
        return before
    return None if both == NO_TERMS else as_extension(both)


def _moved(
    conn: Transaction,
    things: Mapping[str, Built],
    given: Input,
    read_held: ReadHeld,
    firsts: Mapping[str, str],
) -> dict[str, str]:
    """By the first id that of the statement beside it: of the same circle, or of this input, else a new one."""
    if not things:
        return {}
    slots = {
        stix_id: _slots(
            one.content, firsts.get(stix_id, stix_id), _circle(one.content, given.terms, given)
        )
        for stix_id, one in things.items()
    }
    held = read_held([slot for those in slots.values() for slot in those.values()])
    beside = _beside(conn, held)
    own = given.alone(conn, held)
    found: dict[str, str] = {}
    for stix_id, those in slots.items():
        mine = _circle(things[stix_id].content, given.terms, given)
        standing = {
            slot: _circle(held[slot], beside.get(slot), given)
            for slot in those.values()
            if slot in held and held[slot].get("revoked") is not True
        }
        equal = [
            slot
            for slot, circle in standing.items()
            if not mine.narrows(circle) and not circle.narrows(mine)
        ]
        tightened = [
            slot for slot, circle in standing.items() if slot in own and mine.narrows(circle)
        ]
        found[stix_id] = [*equal, *tightened, those[mine.tlp]][0]
    return found


def _slots(content: Mapping[str, Any], first: str, circle: _Circle) -> dict[Tlp | None, str]:
    """The ids under which this statement may stand beside the first: one for each TLP."""
    return {
        tlp: own_id(
            str(content["created_by_ref"]), str(content["type"]), first, "beside",
            *replace(circle, tlp=tlp).words(),
        )
        for tlp in (None, *Tlp)
    }  # fmt: skip


def _less_sure(new: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    return int(new.get("confidence", 100)) < int(held.get("confidence", 0))


def _may_differ(new: Mapping[str, Any], held: Mapping[str, Any], given: Input) -> bool:
    """Whether it is worth a look: nearly always both say the same."""
    return (
        given.terms is not None
        or new.get("object_marking_refs") != held.get("object_marking_refs")
        or new.get("labels") != held.get("labels")
        or EXTENSION in new.get("extensions", ())
    )


def _circle(content: Mapping[str, Any], beside: SharingTerms | None, given: Input) -> _Circle:
    read = read_markings(content)
    carried = _carried(content) or NO_TERMS
    both = carried if beside is None else carried & beside
    terms = replace(both, purposes=(), kept_here="", not_detected="", tlp=None)
    tlp = max((one for one in (read.tlp, both.tlp) if one is not None), default=None)
    labels = given.binding.intersection(str(one).casefold() for one in content.get("labels", ()))
    return _Circle(tlp, read.ids | frozenset(read.tags) | labels, terms)


def _carried(content: Mapping[str, Any]) -> SharingTerms | None:
    try:
        return terms_of(content)
    except ValueError:
        return None  # shared with nobody, whatever else is said


def _beside(conn: Transaction, stix_ids: Collection[str]) -> dict[str, SharingTerms]:
    """What our desk said beside these ids."""
    numbers = objects.idents_of(conn, list(stix_ids))
    names = {ident: stix_id for stix_id, ident in numbers.items()}
    found: dict[str, SharingTerms] = {}
    for kind, ident, origin, text, *_ in term_rows.ask_beside(conn, list(names))():
        if kind == term_rows.OF_IDS and origin in (OWN, EVERY):
            said = found.get(names[ident], NO_TERMS)
            found[names[ident]] = said & from_text(text)
    return found


def _stored_by(held: Mapping[str, Any], began: int) -> bool:
    modified = held.get("modified")
    return bool(began) and isinstance(modified, str) and parse_micros(modified) >= began
