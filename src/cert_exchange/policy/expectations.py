"""Expectations beside a policy: what it must answer for given objects, so that an edit cannot break it unseen.

1. A file `NAME.expect.yaml` beside `NAME.yaml`; all its mistakes are found at once, with line and column.
2. An expectation asks for policy's answer about one object, redaction included; what references make of it is the
   preview's to show.
3. Nothing is read and no clock asked here: the objects of files, and the instant that counts as now, are given.
4. What cannot be asked is broken, never passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, assert_never

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from cert_exchange.errors import Problem
from cert_exchange.policy.companions import companion_name
from cert_exchange.policy.decide import (
    Allow,
    Context,
    Decision,
    Deny,
    Hold,
    Redact,
    subject_of,
)
from cert_exchange.policy.document import Policy
from cert_exchange.policy.foreseeing import Foreseen, foresee
from cert_exchange.policy.forms import Plain
from cert_exchange.policy.reading import (
    Path,
    Place,
    fill_form,
    nearest,
    place_in,
    read_document,
    shown,
)
from cert_exchange.policy.recipes import listed, path_in_object
from cert_exchange.policy.rules import RESERVED_RULES
from cert_exchange.policy.spellings import instant_of, partner_name, refuse

Answer = Literal["allow", "deny", "hold", "redact"]
SUFFIX: Final = ".expect.yaml"
LIMIT: Final = 1_000
_SAID: Final[Mapping[str, str]] = {
    "allow": "allows",
    "deny": "denies",
    "hold": "holds",
    "redact": "redacts",
}

ADVICE: Final[Mapping[str, str]] = {
    "expectations": "write a list of mappings with object (or file), expect and, if needed, rule",
    "expectations[]": "write a mapping with object (or file), expect and, if needed, rule",
    "name": "write a short text on one line",
    "object": "write a STIX object as a mapping, with its type",
    "file": "write a JSON file beside the policy, such as samples/indicator.json",
    "partner": "write the name of a partner of the policy",
    "collection": "write a collection as the policy spells it",
    "origin": "write own, or the name of the partner that it came from",
    "at": "write the instant that counts as now, such as 2026-11-25T16:00:00Z",
    "stored": "write the instant at which it was stored here, such as 2026-11-24T16:00:00Z",
    "expect": "write allow, deny, hold or redact",
    "without": "write a list of properties that must be gone, such as [description, hashes.MD5]",
    "without[]": "write its name in STIX, or a path into it with dots, such as description or hashes.MD5",
    "rule": "write the name of the rule that must answer",
}


@dataclass(frozen=True, slots=True)
class Expectation:
    """One question to the policy and the answer that it must give. Instants in micros."""

    content: Mapping[str, Any] | None = field(repr=False)
    file: str | None
    """a file with one object or a bundle, each object of which must get the answer"""
    partner: str | None
    collection: str | None
    origin: str
    at: int | None
    stored: int | None
    expect: Answer
    without: tuple[str, ...]
    """properties that must be gone of what is redacted"""
    rule: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Expectations:
    """All of one file. `places` are for messages."""

    file: str
    items: tuple[Expectation, ...]
    places: Mapping[Path, Place] = field(compare=False, repr=False)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it names, each once."""
        return tuple(sorted({one.file for one in self.items if one.file is not None}))


def _object(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        refuse(f"{shown(value)} is no STIX object; {ADVICE['object']}")
    return value


_Property = Annotated[str, BeforeValidator(path_in_object)]
_Instant = Annotated[int, BeforeValidator(instant_of)]


class _ExpectationForm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Plain | None = None
    object: Annotated[dict[str, Any], BeforeValidator(_object)] | None = None
    file: Annotated[str, BeforeValidator(companion_name)] | None = None
    partner: Annotated[str, BeforeValidator(partner_name)] | None = None
    collection: Plain | None = None
    origin: Annotated[str, BeforeValidator(partner_name)] = "own"
    at: _Instant | None = None
    stored: _Instant | None = None
    expect: Answer
    without: Annotated[tuple[_Property, ...], BeforeValidator(listed)] = ()
    rule: Plain | None = None

    @model_validator(mode="after")
    def _one_source(self) -> _ExpectationForm:
        if (self.object is None) == (self.file is None):
            refuse("an expectation is about an object or a file; give exactly one of them")
        if self.without and self.expect != "redact":
            refuse("without says what redaction takes away; write expect: redact, or leave it out")
        return self


class _ExpectationsForm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    expectations: tuple[_ExpectationForm, ...]


def parse_expectations(text: str, *, file: str) -> Expectations:
    """Read a file of expectations. Raises PolicyInvalid with every mistake."""
    document = read_document(text, file=file)
    form = fill_form(document, _ExpectationsForm, advice=ADVICE)
    if len(form.expectations) > LIMIT:
        document.complain(
            ("expectations",),
            f"{len(form.expectations)} expectations; a file may have {LIMIT}: split the policy",
        )
        raise document.refuse()
    items = tuple(
        Expectation(
            content=one.object, file=one.file, partner=one.partner, collection=one.collection,
            origin=one.origin, at=one.at, stored=one.stored, expect=one.expect, without=one.without,
            rule=one.rule, name=one.name or f"expectation {number}",
        )
        for number, one in enumerate(form.expectations, start=1)
    )  # fmt: skip
    return Expectations(file, items, document.places)


def broken(
    policy: Policy,
    expectations: Expectations,
    files: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    now: int,
) -> tuple[Problem, ...]:
    """The expectations that the policy does not meet, each with its place and what the policy says instead.

    `files` gives the objects of each file that is named; a file that is missing there breaks its expectation.
    """
    found: list[Problem] = []
    for index, one in enumerate(expectations.items):
        for key, message in _failures(policy, one, files, now=now):
            place = place_in(expectations.places, ("expectations", index, key))
            found.append(Problem(expectations.file, *place, f"{one.name}: {message}"))
    return tuple(found)


def _failures(
    policy: Policy,
    one: Expectation,
    files: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    now: int,
) -> list[tuple[str, str]]:
    """(key that it is about, what is wrong)."""
    unclear = _unclear(policy, one)
    if unclear is not None:
        return [unclear]
    contents: Sequence[Mapping[str, Any]] | None
    contents = files.get(one.file) if one.file is not None else [one.content or {}]
    if not contents:
        return [("file", f"the file {shown(one.file)} is not there or holds no STIX object")]
    at = now if one.at is None else one.at
    context = Context(
        members=frozenset(policy.partners),
        collection=one.collection or policy.collections[0],
        now=at,
    )
    failures = []
    for content in contents:
        stored = at if one.stored is None else one.stored
        subject = subject_of(content, origin=one.origin, stored_at=stored)
        found = foresee(policy, subject, context)
        which = f"{content.get('id')}: " if one.file is not None else ""
        message = _mismatch(one, found.decision)
        if message is not None:
            failures.append(("expect", which + message))
        elif one.without and (left := _left_over(one, found)) is not None:
            failures.append(("without", which + left))
    return failures


def _unclear(policy: Policy, one: Expectation) -> tuple[str, str] | None:
    """What keeps the expectation from being asked at all."""
    if one.partner is not None and one.partner not in policy.partners:
        return "partner", f"the policy has no partner {shown(one.partner)}; " + nearest(
            one.partner, policy.partners
        )
    if one.collection is None and len(policy.collections) != 1:
        return "collection", f"say for which collection; {nearest('', policy.collections)}"
    names = {rule.name for rule in policy.rules}
    if one.rule is not None and one.rule not in names and one.rule.casefold() not in RESERVED_RULES:
        return "rule", f"the policy has no rule {shown(one.rule)}; {nearest(one.rule, names)}"
    return None


def _mismatch(one: Expectation, decision: Decision) -> str | None:
    answer = answer_of(decision)
    why = "" if isinstance(decision, Allow) else decision.reason
    by = f"rule {shown(decision.rule)}{': ' if why else ''}{why}"
    if answer != one.expect:
        return f"expected {one.expect}, and the policy {_SAID[answer]} it ({by})"
    if one.rule is not None and decision.rule != one.rule:
        return f"the policy {_SAID[answer]} it as expected, but by another rule ({by})"
    return None


def _left_over(one: Expectation, found: Foreseen) -> str | None:
    if found.unclear:
        return f"what is left of it cannot be told: {found.unclear}"
    there = [name for name in one.without if found.has(name)]
    return f"{', '.join(there)} is still there" if there else None


def answer_of(decision: Decision) -> Answer:
    """The word for a decision."""
    match decision:
        case Allow():
            return "allow"
        case Redact():
            return "redact"
        case Hold():
            return "hold"
        case Deny():
            return "deny"
        case _:
            assert_never(decision)
