"""A policy document: read from YAML, checked whole, compiled.

1. What `parse_policy` returns is valid; nobody checks it again.
2. All mistakes are found at once, each with file, line, column, the value found, what may stand there, the next step.
3. The order of rules has no meaning: deny wins over hold, hold over redact, redact over allow, and nothing allows by
   default.

The format for people: docs/policy.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final, Literal

from cert_exchange.errors import PolicyInvalid, Problem
from cert_exchange.policy.agreements import Agreement, parse_agreement
from cert_exchange.policy.companions import (
    INCLUDE,
    NO_COMPANIONS,
    Companion,
    Companions,
    check_limits,
    take_companions,
)
from cert_exchange.policy.crosschecks import check_across
from cert_exchange.policy.forms import RuleForm
from cert_exchange.policy.including import fill_forms, read_bases
from cert_exchange.policy.matching import Plans, plans_of
from cert_exchange.policy.reading import (
    Document,
    Path,
    Place,
    Spot,
    nearest,
    place_in,
    read_document,
    shown,
)
from cert_exchange.policy.rules import (
    RESERVED_ORIGINS,
    Ceiling,
    HoldTerms,
    Match,
    Rule,
    Verb,
)
from cert_exchange.policy.surroundings import read_surroundings

__all__ = [
    "Ceiling",
    "HoldTerms",
    "Match",
    "Policy",
    "Rule",
    "Verb",
    "parse_policy",
    "problems_of_names",
]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Written:
    """Where one rule stands."""

    file: str
    places: Mapping[Path, Place]
    path: Path

    def spot(self, *inner: str | int) -> Spot:
        """File, line and column of what stands there in the rule, or of the nearest thing around it."""
        return (self.file, *place_in(self.places, (*self.path, *inner)))


@dataclass(frozen=True, slots=True)
class Policy:
    """One parsed policy. `name` is also its audience's; `places` are for messages only."""

    name: str
    partners: tuple[str, ...]  # empty: nobody (CASES M01)
    collections: tuple[str, ...]  # aliases or UUIDs, as the file spells them
    ceiling: Ceiling
    unresolved: Literal["wait", "allow"]  # DECISIONS 4
    rules: tuple[Rule, ...]
    territories: tuple[str, ...]  # companions, as the file names them
    lists: tuple[str, ...]
    agreement: str | None
    agreed: Agreement | None  # what that companion says
    text: str = field(compare=False, repr=False)
    places: Mapping[Path, Place] = field(compare=False, repr=False)
    written: tuple[Written, ...] = field(compare=False, repr=False)  # where each rule stands
    # Words with their places: of `origin`, `type` and `remove`, and the partners whose territories are named.
    words: Mapping[str, tuple[tuple[Spot, str], ...]] = field(compare=False, repr=False)
    plans: Plans = field(compare=False, repr=False)

    @property
    def spots(self) -> tuple[Spot, ...]:
        """Where each rule says `withdraw`, or stands."""
        return tuple(one.spot("withdraw") for one in self.written)


def parse_policy(text: str, *, file: str, companions: Companions = NO_COMPANIONS) -> Policy:
    """Read one policy; `file` names it in messages and, by its stem, the policy that gives itself no name.

    `companions` are the texts of the files that it names, by the name as written.

    Raises PolicyInvalid with every mistake, in the file's order.
    """
    document = read_document(text, file=file)
    taken = take_companions(document, companions)
    agreed = _agreed(document, taken["agreement"])
    check_limits(document, companions)
    bases = read_bases(document, taken[INCLUDE], companions)
    check_across(document, bases)
    surroundings = read_surroundings((document, *bases), taken["territories"], taken["lists"])
    form, base_forms = fill_forms(document, bases)
    name = form.name if form.name is not None else PurePath(file).stem
    if not _NAME.fullmatch(name):
        document.complain(
            ("name",),
            f"the name {shown(name)} does not do; write `name:` with small letters, digits, '.', '_' or '-'",
        )
    if agreed is not None and agreed.partner not in form.partners:
        document.complain(
            ("agreement",),
            f"it is the agreement with {shown(agreed.partner)}, who is not among partners; name the file of one who is",
        )
    if document.problems:
        raise document.refuse()
    listed = (form.rules, *(base.rules for base in base_forms))
    written = [
        (source, ("rules", number), rule)
        for source, rules_of in zip((document, *bases), listed, strict=True)
        for number, rule in enumerate(rules_of)
    ]
    rules = tuple(
        surroundings.bind(rule.to_rule(), unresolved=form.unresolved) for _, _, rule in written
    )
    return Policy(
        name=name,
        partners=form.partners,
        collections=form.collections,
        ceiling=form.ceiling.to_ceiling(shared=[base.accepted for base in base_forms]),
        unresolved=form.unresolved,
        territories=form.territories,
        lists=form.lists,
        agreement=form.agreement,
        agreed=agreed,
        rules=rules,
        text=text,
        places=document.places,
        written=tuple(Written(source.file, source.places, path) for source, path, _ in written),
        words={
            "origin": _words(written, ("match", "origin"), lambda rule: rule.match.origin),
            "type": _words(written, ("match", "type"), lambda rule: rule.match.type),
            "remove": _words(
                written,
                ("redact", "remove"),
                lambda rule: rule.redact.remove if rule.redact is not None else (),
            ),
            "territory": tuple(
                (document.spot(companion.path), land.partner)
                for companion, land in zip(
                    taken["territories"], surroundings.territories.all, strict=True
                )
                if land.partner is not None
            ),
        },
        plans=plans_of(rules),
    )


def _words(
    written: Iterable[tuple[Document, Path, RuleForm]],
    key: tuple[str, ...],
    words: Callable[[RuleForm], tuple[str, ...]],
) -> tuple[tuple[Spot, str], ...]:
    return tuple(
        (source.spot((*path, *key, index)), word)
        for source, path, rule in written
        for index, word in enumerate(words(rule))
    )


def _agreed(document: Document, named: tuple[Companion, ...]) -> Agreement | None:
    for one in named:
        try:
            return parse_agreement(one.text, file=one.file)
        except PolicyInvalid as error:
            document.problems.extend(error.problems)
    return None


def problems_of_names(
    policy: Policy,
    known_partners: Collection[str],
    known_collections: Collection[str],
    file: str,
) -> tuple[Problem, ...]:
    """Names that the policy uses and the node does not know, with line and column (DECISIONS 27).

    `known_collections` holds both aliases and UUIDs.
    """
    found: list[Problem] = []

    def check(spot: Spot, name: str, what: str, known: Collection[str], role: str = "") -> None:
        if name not in known:
            step = nearest(name, known) if known else f"this node has no {what} yet"
            found.append(Problem(*spot, f"unknown {what} {shown(name)}{role}; {step}"))

    for index, name in enumerate(policy.partners):
        check(
            (file, *place_in(policy.places, ("partners", index))), name, "partner", known_partners
        )
    for index, name in enumerate(policy.collections):
        check(
            (file, *place_in(policy.places, ("collections", index))),
            name,
            "collection",
            known_collections,
        )
    for spot, name in policy.words["origin"]:
        if name not in RESERVED_ORIGINS:
            check(spot, name, "partner", known_partners)
    for spot, name in policy.words["territory"]:
        check(spot, name, "partner", known_partners, ", whose territory it is")
    return tuple(sorted(found, key=lambda one: (one.file != file, one.file, one.line, one.column)))
