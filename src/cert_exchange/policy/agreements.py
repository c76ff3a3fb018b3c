"""An agreement between two CERTs as a file: who, until when, and what they exchange (docs/policy.md, "Agreements").

1. One file per partner. `profile` and `markings` are checked before sending and on receipt; `embargo`, `retention` and
   `onward` bind what came from the partner, in every audience (`asking`).
2. All mistakes are found at once, with line and column, and what never could pass is a mistake here.
3. Review dates are whole days in UTC: on the day itself the agreement still stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

from cert_exchange.policy.forms import Duration, Level, Plain
from cert_exchange.policy.profiles import (
    PERSON_TYPES,
    Breach,
    Forbidden,
    Profile,
    breaches_of,
    signs_of,
)
from cert_exchange.policy.reading import Document, Path, fill_form, nearest, read_document, shown
from cert_exchange.policy.spellings import (
    LEVEL_WORDS,
    partner_name,
    property_name,
    refuse,
    stix_type,
)
from cert_exchange.policy.spellings import text as one_line
from cert_exchange.policy.subject import Subject
from cert_exchange.stix.instants import parse_micros
from cert_exchange.stix.markings import Tlp, read_markings
from cert_exchange.stix.schemas import SHARED_PROPERTIES, defined_properties

__all__ = [
    "Agreement",
    "Breach",
    "Party",
    "breaches",
    "breaches_by",
    "is_overdue",
    "parse_agreement",
]

Onward = Literal["never", "ask", "by marking"]
"""What the receiver may do with it towards third parties: nothing, ask first, or what the marking says."""

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY: Final = 86_400 * 1_000_000

ADVICE: Final[Mapping[str, str]] = {
    "partner": "write the partner's name as policies do",
    "title": "write a short text on one line",
    "parties": "write a list of {name: ..., contacts: [...]}, one for each side",
    "name": "write a short text on one line",
    "contacts": "write a list of texts: who is reached how",
    "review": "write a day such as 2027-06-30",
    "profile": "write a mapping with types, required and forbidden, or some of them",
    "types": "write a list of STIX types; without the key every type is exchanged",
    "required": "write a mapping of types to lists of properties, such as {indicator: [confidence]}",
    "forbidden": f"write a list of: {', '.join(one.value for one in Forbidden)}",
    "markings": "write a mapping with tlp and unmarked, or one of them",
    "tlp": LEVEL_WORDS,
    "unmarked": "write accept or refuse",
    "embargo": "write a whole number and a unit, such as 48 hours",
    "retention": "write a whole number and a unit, such as 730 days",
    "onward": "write never, ask or by marking",
}


@dataclass(frozen=True, slots=True)
class Party:
    """One side, and how its people are reached."""

    name: str
    contacts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement as its file says it. Durations and instants in micros."""

    partner: str
    title: str
    parties: tuple[Party, ...]
    review: str  # the day, as written
    review_ends: int  # the end of that day, UTC
    profile: Profile
    embargo: int | None  # how long the receiver keeps it to itself
    retention: int | None  # how long the receiver keeps it at all
    onward: Onward | None


def breaches(agreement: Agreement, content: Mapping[str, Any]) -> tuple[Breach, ...]:
    """Every clause of the content profile and the markings that a validated object breaks. Never raises."""
    try:
        level = read_markings(content).tlp
    except Exception:  # noqa: BLE001 - whatever is wrong with its markings: unread counts as the narrowest circle
        level = Tlp.RED
    return breaches_of(agreement.profile, content, level=level, signs=signs_of(content))


def breaches_by(agreement: Agreement, subject: Subject) -> tuple[Breach, ...]:
    """The same of an object whose facts were read: with what its marking definitions say, and found once for all."""
    content = subject.content
    signs = subject.noted(signs_of, lambda: signs_of(content))
    return breaches_of(agreement.profile, content, level=subject.tlp, signs=signs)


def is_overdue(agreement: Agreement, now: int) -> bool:
    """Tell whether the day of its review has passed. `now` in micros."""
    return now >= agreement.review_ends


def _listed(value: Any) -> Any:
    if value == []:
        refuse("the list is empty; leave the key out, or say what stands in it")
    return [value] if isinstance(value, str) else value


def _day(value: Any) -> str:
    if isinstance(value, str) and _DATE.fullmatch(value) is not None:
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass  # such as the 30th of February
    return refuse(f"{shown(value)} is no day; {ADVICE['review']}")


def _contact(value: Any) -> str:
    return one_line(value, most=500, what="contact")


def _forbidden(value: Any) -> Forbidden:
    if isinstance(value, Forbidden):
        return value
    word = " ".join(value.casefold().replace("-", " ").split()) if isinstance(value, str) else ""
    if word not in set(Forbidden):
        refuse(f"{shown(value)} is nothing that can be forbidden; {ADVICE['forbidden']}")
    return Forbidden(word)


_Type = Annotated[str, BeforeValidator(stix_type)]
_Properties = Annotated[
    tuple[Annotated[str, BeforeValidator(property_name)], ...], BeforeValidator(_listed)
]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _PartyForm(_Form):
    name: Plain
    contacts: Annotated[tuple[Annotated[str, BeforeValidator(_contact)], ...], Field(min_length=1)]


class _ProfileForm(_Form):
    types: Annotated[tuple[_Type, ...] | None, BeforeValidator(_listed)] = None
    required: dict[_Type, _Properties] = Field(default_factory=dict)
    forbidden: Annotated[
        tuple[Annotated[Forbidden, BeforeValidator(_forbidden)], ...], BeforeValidator(_listed)
    ] = ()


class _MarkingsForm(_Form):
    tlp: Level | None = None
    unmarked: Literal["accept", "refuse"] = "accept"


class _AgreementForm(_Form):
    partner: Annotated[str, BeforeValidator(partner_name)]
    title: Plain
    description: StrictStr | None = None
    parties: Annotated[tuple[_PartyForm, ...], Field(min_length=2)]
    review: Annotated[str, BeforeValidator(_day)]
    profile: _ProfileForm
    markings: _MarkingsForm = _MarkingsForm()
    embargo: Duration | None = None
    retention: Duration | None = None
    onward: Onward | None = None


def parse_agreement(text: str, *, file: str) -> Agreement:
    """Read one agreement's file. Raises PolicyInvalid with every mistake, line and column."""
    document = read_document(text, file=file)
    form = fill_form(document, _AgreementForm, advice=ADVICE)
    _check_across(document, form)
    if document.problems:
        raise document.refuse()
    types = form.profile.types
    return Agreement(
        partner=form.partner,
        title=form.title,
        parties=tuple(Party(one.name, one.contacts) for one in form.parties),
        review=form.review,
        review_ends=parse_micros(f"{form.review}T00:00:00Z") + _DAY,
        profile=Profile(
            types=None if types is None else frozenset(types),
            required=form.profile.required,
            forbidden=frozenset(form.profile.forbidden),
            tlp=form.markings.tlp,
            unmarked=form.markings.unmarked == "accept",
        ),
        embargo=form.embargo,
        retention=form.retention,
        onward=form.onward,
    )


def _check_across(document: Document, form: _AgreementForm) -> None:
    profile = form.profile
    types = profile.types
    lists: list[tuple[Path, tuple[str, ...]]] = [
        (("profile", "types"), types or ()),
        (("profile", "forbidden"), profile.forbidden),
    ]
    for kind, properties in profile.required.items():
        lists.append((("profile", "required", kind), properties))
        if types is not None and kind not in types:
            document.complain(
                ("profile", "required", kind),
                f"{kind} is not among the types, so it is never exchanged; add it there or drop it",
                key=True,
            )
        known = defined_properties(kind)
        for index, name in enumerate(properties):
            # A property that nobody can give would refuse every object of the type. Custom ones begin with x_ (STIX 11.1).
            if known is None or name.startswith("x_") or name in (*known, *SHARED_PROPERTIES):
                continue
            document.complain(
                ("profile", "required", kind, index),
                f"STIX 2.1 gives {kind} no property {shown(name)}; {nearest(name, known)}",
            )
    for path, words in lists:
        for index, word in enumerate(words):
            if word in words[:index]:
                document.complain((*path, index), f"{shown(word)} stands twice; keep one")
    if Forbidden.PERSONS in profile.forbidden:
        for index, kind in enumerate(types or ()):
            if kind in PERSON_TYPES:
                document.complain(
                    ("profile", "types", index),
                    f"{kind} is about persons, which are forbidden, so it never passes; drop one of the two",
                )
