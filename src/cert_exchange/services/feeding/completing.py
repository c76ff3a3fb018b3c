"""Whole objects with what they need beside them, and without those that name what may not be known.

1. The definitions and identities that the objects name as their markings and creators stand before them: as they are in
   force here, ours before a partner's, and only where they fit (`fitting`): no name of a victim comes in as a helper.
2. Of a feed for constituents an object is left out that names what is not in it, as in a view it would wait. What has ended
   or is removed is no secret. Events of MISP name only what they hold.
3. A cyber-observable carries no terms: they stand in what names it. A partner's goes to constituents only beside an object
   that goes there and names it.
4. `look` reads what stands in no collection, for a feed; an output of a view holds what the view shows and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

import orjson

from cert_exchange.services.feeding.bounds import ENDED
from cert_exchange.services.feeding.choosing import Format
from cert_exchange.services.feeding.fitting import HELPER, Fitting
from cert_exchange.services.feeding.gathering import Gathered, Source
from cert_exchange.stix.references import Role, references_of

Look = Callable[[Collection[str]], Iterable[Source]]
"""What is in force under these ids."""

NAMES_MORE: Final = "it names what does not go in here"
UNNAMED: Final = "a partner's value, and nothing that goes in here names it"


@dataclass(frozen=True, slots=True)
class _Whole:
    """One object, by what it names."""

    stix_id: str
    body: str
    helped_by: frozenset[str]
    requires: frozenset[str]


def completed(found: Gathered, fitting: Fitting, *, look: Look | None = None) -> Gathered:
    """The same objects, completed."""
    if not found.bodies:
        return found
    left = {reason: list(ids) for reason, ids in found.left_out.items()}
    every = [_read(body) for body in found.bodies]
    standing = every
    if fitting.for_constituents:
        ended = {one for reason in ENDED for one in left.get(reason, ())}
        closed = _closed(every, ended, found.hanging)
        there = {one.stix_id for one in closed}
        left[UNNAMED] = [one.stix_id for one in every if one.stix_id in found.hanging - there]
        if fitting.choice.format is Format.STIX:
            standing = closed
            out = there | found.hanging
            left[NAMES_MORE] = [one.stix_id for one in every if one.stix_id not in out]
        else:
            standing = [
                one for one in every if one.stix_id in there or one.stix_id not in found.hanging
            ]
    spare = [_read(one) for one in found.helpers]
    helpers, due = _helpers(standing, spare, fitting, look)
    beside = {one.stix_id for one in helpers}
    if HELPER in left:
        left[HELPER] = [one for one in left[HELPER] if one not in beside]
    return replace(
        found,
        bodies=[one.body for one in (*helpers, *standing)],
        levels={
            one.stix_id: found.levels[one.stix_id]
            for one in standing
            if one.stix_id in found.levels
        },
        left_out={reason: ids for reason, ids in left.items() if ids},
        due=min((at for at in (found.due, due) if at is not None), default=None),
    )


def _read(body: str) -> _Whole:
    content = orjson.loads(body)
    roles = references_of(content, body.encode("utf-8"))
    return _Whole(
        content["id"],
        body,
        frozenset(one.target for one in roles if one.role is not Role.REQUIRED),
        frozenset(one.target for one in roles if one.role is Role.REQUIRED),
    )


def _closed(every: list[_Whole], ended: Collection[str], hanging: Collection[str]) -> list[_Whole]:
    """Those that name nothing but each other, and what ended; of what hangs, what others of them name."""
    standing = every
    while True:
        there = {one.stix_id for one in standing}
        named = _named(standing, hanging)
        kept = [
            one
            for one in standing
            if one.requires - there <= set(ended)
            and (one.stix_id not in hanging or one.stix_id in named)
        ]
        if len(kept) == len(standing):
            return kept
        standing = kept


def _named(standing: list[_Whole], hanging: Collection[str]) -> set[str]:
    """What is named by anything that does not hang, and by what hangs on that."""
    found = {name for one in standing if one.stix_id not in hanging for name in one.requires}
    wider = {one.stix_id: one.requires for one in standing if one.stix_id in hanging}
    fresh = found & wider.keys()
    while fresh:
        fresh = {name for one in fresh for name in wider[one]} - found
        found |= fresh
        fresh &= wider.keys()
    return found


def _helpers(
    standing: list[_Whole], spare: list[_Whole], fitting: Fitting, look: Look | None
) -> tuple[list[_Whole], int | None]:
    """What is named as marking or creator and is not there, and what that names, by id; when a date next changes it."""
    known = {one.stix_id: one for one in spare}
    found: dict[str, _Whole] = {}
    dues: list[int] = []
    there = {one.stix_id for one in standing}
    asked: set[str] = set()
    named = {one for each in standing for one in each.helped_by}
    while missing := named - there - asked:
        asked |= missing
        fresh = [known[one] for one in missing if one in known]
        for one in () if look is None else look(missing - known.keys()):
            fit = fitting.fit_beside(one.body, origin=one.origin, stored_at=one.stored_at)
            if fit.due is not None:
                dues.append(fit.due)
            if not fit.reason:
                fresh.append(_read(one.body))
        found.update((one.stix_id, one) for one in fresh if one.requires <= there)
        named |= {name for one in fresh for name in one.helped_by}
    return [found[one] for one in sorted(found)], min(dues, default=None)
