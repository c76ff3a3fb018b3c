"""How explanations say things: what an object has where a key looks, what a recipe takes, how long a hold lasts.

1. What is found holds values of the object: for our own people, never for a partner or a log.
2. Every key of `match` has words here, or is shown by its answer alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from cert_exchange.policy.lists import Listed
from cert_exchange.policy.mentions import Mentions
from cert_exchange.policy.rules import Hold, HoldTerms, Match, Recipe
from cert_exchange.policy.subject import Subject
from cert_exchange.policy.territories import Concerns
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import Tlp

_SHOWN: Final = 300
_UNITS: Final = ((86_400_000_000, "days"), (3_600_000_000, "hours"), (60_000_000, "minutes"))


def found_at(key: str, match: Match, subject: Subject, at: int) -> str:
    """What the object has where a key looks; nothing where the key is shown by its answer alone."""
    finder = FINDERS.get(key)
    found = finder(subject, at, match) if finder is not None else ""
    return found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)) if values else "it has none"


def _worded(value: object) -> str:
    return "it has none" if value is None else str(value)


def _instant(value: int | None) -> str:
    return "it has none" if value is None else format_micros(value)


def _there(match: Match, subject: Subject) -> str:
    there = [name for name in match.absent if not subject.lacks(name)]
    return f"it has {', '.join(there)}" if there else "it has none of them"


def _said(key: Concerns | Listed | Mentions | None, subject: Subject) -> str:
    return "" if key is None else "; ".join(key.said(subject))


def _pointing(subject: Subject, at: int) -> str:
    pointing = subject.pointing
    if pointing is None:
        return "it is no cyber-observable"
    ended = sum(one.has_ended(at) for one in pointing)
    return (
        f"{len(pointing)} point at it, {ended} of them ended" if pointing else "none points at it"
    )


FINDERS: Final[Mapping[str, Callable[[Subject, int, Match], str]]] = {
    "origin": lambda subject, _at, _match: subject.origin,
    "type": lambda subject, _at, _match: subject.type,
    "tlp": lambda subject, _at, _match: (
        "it has none" if subject.tlp is None else spelled(subject.tlp)
    ),
    "confidence": lambda subject, _at, _match: _worded(subject.confidence),
    "created_by_ref": lambda subject, _at, _match: _worded(subject.creator),
    "pattern_type": lambda subject, _at, _match: _worded(subject.pattern_type),
    "labels": lambda subject, _at, _match: _listed(subject.labels),
    "indicator_types": lambda subject, _at, _match: _listed(subject.indicator_types),
    "marking": lambda subject, _at, _match: _listed(subject.markings),
    "age": lambda subject, at, _match: f"{lasting(at - subject.changed_at)} old",
    "valid_until": lambda subject, _at, _match: _instant(subject.valid_until),
    "concerns": lambda subject, _at, match: _said(match.concerns, subject),
    "concerns_only": lambda subject, _at, match: _said(match.concerns_only, subject),
    "listed": lambda subject, _at, match: _said(match.listed, subject),
    "indicators": lambda subject, at, _match: _pointing(subject, at),
    "mentions": lambda subject, _at, match: _said(match.mentions, subject),
    "absent": lambda subject, _at, match: _there(match, subject),
    "test": lambda subject, _at, _match: (
        "it is marked TEST"
        if subject.binding is not None and subject.binding.test
        else "it is not marked TEST"
    ),
    "when": lambda _subject, _at, match: "" if match.when is None else match.when.text,
}
"""What a key looks at, as text; a key that is not here is shown by its answer alone."""


def taken_by(recipe: Recipe) -> tuple[str, ...]:
    """What a recipe takes away, in words."""
    kinds = (
        (recipe.custom, "custom content"),
        (recipe.external_references, "external references"),
        (recipe.above_ceiling, "what granular markings put above the ceiling"),
        (recipe.source, "the source"),
        (recipe.cut, "references to what is hidden"),
    )
    return (*sorted(recipe.remove), *(words for given, words in kinds if given))


def without(kinds: Collection[str]) -> str:
    """In words what was taken away from a derivative."""
    if not kinds:
        return "its references rewritten"
    return f"without {', '.join(sorted(kinds))}"


def ends(
    due: int | None,
    *,
    then: str | None = None,
    approvals: int = 1,
    approved_by: Collection[str] = (),
) -> str:
    """Who, or which instant, ends a hold, and what happens then; after the word `until`. The one sentence about that.

    `due` in micros; None: only persons end it. `then`: release or deny, of a hold that waits for persons and expires.
    """
    persons = f"{_persons(approvals)} it"
    if approvals > 1 and approved_by:
        persons += f", so far {', '.join(approved_by)}"
    if due is None:
        return persons
    if then is None:
        return format_micros(due)
    goes = "it goes out" if then == "release" else "it is denied"
    return f"{persons}, or {format_micros(due)}: then {goes}"


def held_until(hold: Hold, *, began: int) -> str:
    """When a hold ends, or who ends it. `began`: since when its rule holds, in micros; an expiry counts from there."""
    terms = hold.terms or HoldTerms()
    if hold.due is not None or not terms.approval or terms.expires is None:
        return f"until {ends(hold.due, approvals=terms.approvals)}"
    due = began + terms.expires
    return f"until {ends(due, then=terms.then, approvals=terms.approvals)}"


def terms_of(terms: HoldTerms) -> str:
    """How long a hold lasts and who ends it."""
    if terms.duration is not None:
        return f"for {lasting(terms.duration)} after it was {terms.after}"
    if terms.until is not None:
        return f"until {format_micros(terms.until)}"
    said = f"until {_persons(terms.approvals)} it"
    if terms.owner:
        said += f"; owner {terms.owner}"
    if terms.expires is not None:
        said += f"; after {lasting(terms.expires)}: {terms.then}"
    return said


def _persons(approvals: int) -> str:
    return "a person releases" if approvals == 1 else f"{approvals} persons release"


def lasting(micros: int) -> str:
    """A duration in words, in the largest unit of which there are two, or one whole: `3 days`, `36 hours`."""
    if micros < 0:
        return f"minus {lasting(-micros)}"
    for size, unit in _UNITS:
        number, rest = divmod(micros, size)
        if number >= 2 or (number == 1 and rest == 0):
            return f"{number:,} {unit if number > 1 else unit.removesuffix('s')}"
    return f"{micros // 1_000_000:,} seconds"


def spelled(level: Tlp) -> str:
    """How TLP 2 writes a level, without the prefix."""
    return level.name.replace("_", "+")
