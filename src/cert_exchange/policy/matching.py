"""Match keys turned into closures, once, when a policy is parsed.

1. A rule is asked only about types and origins that it can be about: the plans are laid out by type, for own and for
   foreign objects, so that deciding costs little with many rules.
2. A test gets the subject, the instant that time keys use (micros) and the collection; it touches nothing else.
3. An allowing rule with a `when` that gives no answer denies, whichever other rule allows: so all of them are asked.
4. What redact rules take away adds up; each of them permits as well, but for what it matches only in doubt.
5. `keys_of` serves reports and `plans_of` serves deciding, both from the same tests.
"""
# ruff: noqa: ARG001, ARG005 - every test has one signature; most look at the subject only

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cert_exchange.policy.expressions import PROPERTIES, Expression, ExpressionFailed
from cert_exchange.policy.lists import Listed
from cert_exchange.policy.mentions import Mentions
from cert_exchange.policy.rules import (
    ANY_ORIGIN,
    NEVER,
    PARTNERS_ORIGIN,
    Allow,
    Deny,
    DenyKind,
    Match,
    Redact,
    Rule,
    Verb,
)
from cert_exchange.policy.subject import OWN_NAME, Subject
from cert_exchange.policy.territories import Concerns

Test = Callable[[Subject, int, str], bool]
Denial = tuple[Test, bool, Deny]
Holding = tuple[Test, bool, Rule]
Allowing = tuple[Test, bool, Allow]


class Redacting(NamedTuple):
    """A rule that redacts: when it does, and when it also permits what it matched."""

    test: Test
    withdraw: bool
    redact: Redact
    permits: Test


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules that can be about one type of object; the flag beside each test is the rule's `withdraw`."""

    denials: tuple[Denial, ...]
    holds: tuple[Holding, ...]
    asked: tuple[Allowing, ...]  # that allow with a `when`: all are asked, whatever else allows
    allows: tuple[Allowing, ...]
    redactions: tuple[Redacting, ...]


@dataclass(frozen=True, slots=True)
class Plans:
    """All plans of a policy: by type for own and foreign objects, and the denials for what is carried along."""

    own: dict[str, Plan]
    own_other: Plan  # for types that no rule names
    foreign: dict[str, Plan]
    foreign_other: Plan
    carried: tuple[Denial, ...]
    carried_redactions: tuple[Redacting, ...]
    redacts: bool  # whether any rule does
    for_tests: frozenset[str]  # rules that may permit what belongs to an exercise
    looks_at: frozenset[str]  # properties whose malformed value means deny

    def of(self, kind: str, *, own: bool) -> Plan:
        """The plan for a type of object, from us or from a partner."""
        if own:
            return self.own.get(kind, self.own_other)
        return self.foreign.get(kind, self.foreign_other)


def plans_of(rules: Sequence[Rule]) -> Plans:
    """Lay out the tests of all rules."""
    named = {kind for rule in rules for kind in rule.match.types or ()}
    return Plans(
        own={kind: _plan(rules, kind, own=True) for kind in named},
        own_other=_plan(rules, None, own=True),
        foreign={kind: _plan(rules, kind, own=False) for kind in named},
        foreign_other=_plan(rules, None, own=False),
        carried=tuple(
            (test, rule.withdraw, _denial(rule)) for rule, test in _carried(rules, Verb.DENY)
        ),
        carried_redactions=tuple(
            Redacting(test, rule.withdraw, _redact(rule), _always)
            for rule, test in _carried(rules, Verb.REDACT)
        ),
        redacts=any(rule.verb is Verb.REDACT for rule in rules),
        for_tests=frozenset(rule.name for rule in rules if rule.match.test),
        looks_at=frozenset(name for rule in rules for name in properties_of(rule.match)),
    )


def redaction_of(
    redactions: Sequence[Redacting], subject: Subject, at: int, now: int, collection: str
) -> tuple[Redact | None, bool]:
    """What the rules that match take away together, and whether one of them permits the object. Micros.

    `at` is for time keys of what is released, `now` for rules that withdraw. Raises ExpressionFailed.
    """
    found: Redact | None = None
    permitted = False
    for test, withdraw, redact, permits in redactions:
        instant = now if withdraw else at
        if test(subject, instant, collection):
            found = (
                redact
                if found is None
                else Redact(found.rule, found.reason, found.recipe | redact.recipe)
            )
            permitted = permitted or permits(subject, instant, collection)
    return found, permitted


def keys_of(match: Match) -> tuple[tuple[str, Test], ...]:
    """Every key of a rule by its name in the document, with its test, cheapest first."""
    found: list[tuple[str, Test]] = [("origin", _origin_test(match.origins or {OWN_NAME}))]
    if match.types is not None:
        found.append(("type", _type_test(match.types)))
    found.extend(_other_keys(match))
    return tuple(found)


def properties_of(match: Match) -> Iterator[str]:
    """Name the properties whose values a rule reads, as `Subject.malformed` names them."""
    given = {
        "labels": match.labels,
        "indicator_types": match.indicator_types,
        "confidence": match.confidence,
        "created_by_ref": match.creators,
        "pattern_type": match.pattern_types,
    }
    yield from (name for name, value in given.items() if value is not None)
    if match.age_over is not None or match.age_under is not None:
        yield from ("modified", "created")
    if match.valid_until is not None or match.valid_within is not None:
        yield "valid_until"
    if match.when is not None:
        yield from (PROPERTIES[name] for name in match.when.names if name in PROPERTIES)


def _plan(rules: Iterable[Rule], kind: str | None, *, own: bool) -> Plan:
    denials: list[Denial] = []
    holds: list[Holding] = []
    asked: list[Allowing] = []
    allows: list[Allowing] = []
    redactions: list[Redacting] = []
    for rule in rules:
        types, origins = rule.match.types, rule.match.origins or {OWN_NAME}
        if types is not None and kind not in types:
            continue
        tests = [test for _, test in _other_keys(rule.match, rule.name)]
        if own and not origins & {OWN_NAME, ANY_ORIGIN}:
            continue
        if not own and not origins & {PARTNERS_ORIGIN, ANY_ORIGIN}:
            if not origins - {OWN_NAME}:
                continue
            tests.insert(0, _origin_test(origins))
        test = _all_of(tests)
        match rule.verb:
            case Verb.DENY:
                denials.append((test, rule.withdraw, _denial(rule)))
            case Verb.HOLD:
                holds.append((test, rule.withdraw, rule))
            case Verb.ALLOW:
                allowing = asked if rule.match.when is not None else allows
                allowing.append((test, rule.withdraw, Allow(rule.name, rule.reason)))
            case Verb.REDACT:
                permits = _permitting(rule)
                redactions.append(Redacting(test, rule.withdraw, _redact(rule), permits))
    return Plan(tuple(denials), tuple(holds), tuple(asked), tuple(allows), tuple(redactions))


def _permitting(rule: Rule) -> Test:
    """When a redact rule also permits what it matches: never an exercise's, unless it is about those."""
    if rule.permits is NEVER:
        return _never
    tests = [] if rule.match.test else [_test_test(wanted=False)]
    if rule.permits is not None:
        tests += [test for _, test in _other_keys(rule.permits, rule.name)]
    return _all_of(tests)


def _carried(rules: Iterable[Rule], verb: Verb) -> Iterator[tuple[Rule, Test]]:
    # What is carried along needs no rule that allows it, so a denial or a redaction that names no origin must reach it
    # whoever it came from; else the same words would deny an identity of ours and let a partner's pass.
    for rule in rules:
        if rule.verb is verb:
            origins = rule.match.origins or {ANY_ORIGIN}
            tests = [
                _origin_test(origins),
                *(test for _, test in _other_keys(rule.match, rule.name)),
            ]
            if rule.match.types is not None:
                tests.insert(0, _type_test(rule.match.types))
            yield rule, _all_of(tests)


def _denial(rule: Rule) -> Deny:
    return Deny(rule.name, rule.reason, DenyKind.RULE)


def _redact(rule: Rule) -> Redact:
    assert rule.recipe is not None
    return Redact(rule.name, rule.reason, rule.recipe)


def _always(subject: Subject, at: int, collection: str) -> bool:
    return True


def _never(subject: Subject, at: int, collection: str) -> bool:
    return False


def _all_of(tests: Sequence[Test]) -> Test:
    if not tests:
        return _always
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda subject, at, collection: (
            first(subject, at, collection) and second(subject, at, collection)
        )
    kept = tuple(tests)

    def every(subject: Subject, at: int, collection: str) -> bool:
        for test in kept:  # noqa: SIM110 - a generator costs more than the tests
            if not test(subject, at, collection):
                return False
        return True

    return every


def _type_test(types: frozenset[str]) -> Test:
    return lambda subject, at, collection: subject.type in types


def _origin_test(origins: Iterable[str]) -> Test:
    own = OWN_NAME in origins or ANY_ORIGIN in origins
    every_partner = PARTNERS_ORIGIN in origins or ANY_ORIGIN in origins
    names = frozenset(origins)

    def came_from(subject: Subject, at: int, collection: str) -> bool:
        if subject.origin == OWN_NAME:
            return own
        return every_partner or subject.origin in names

    return came_from


def _other_keys(match: Match, rule: str = "") -> Iterator[tuple[str, Test]]:
    if (collections := match.collections) is not None:
        yield "collection", lambda subject, at, collection: collection in collections
    if (tlp := match.tlp) is not None:
        yield (
            "tlp",
            lambda subject, at, collection: subject.tlp in tlp,
        )  # None is in no set of levels
    if (bounds := match.confidence) is not None:
        yield "confidence", _confidence_test(*bounds)
    if (creators := match.creators) is not None:
        yield "created_by_ref", lambda subject, at, collection: subject.creator in creators
    if (patterns := match.pattern_types) is not None:
        yield "pattern_type", lambda subject, at, collection: subject.pattern_type in patterns
    if (labels := match.labels) is not None:
        yield "labels", lambda subject, at, collection: not labels.isdisjoint(subject.labels)
    if (kinds := match.indicator_types) is not None:
        yield (
            "indicator_types",
            lambda subject, at, collection: not kinds.isdisjoint(subject.indicator_types),
        )
    if (markings := match.markings) is not None:
        yield "marking", lambda subject, at, collection: not markings.isdisjoint(subject.markings)
    if match.age_over is not None or match.age_under is not None:
        yield "age", _age_test(match.age_over, match.age_under)
    if match.valid_until is not None or match.valid_within is not None:
        yield "valid_until", _validity_test(match.valid_until, match.valid_within)
    for looked_up in (match.concerns, match.concerns_only, match.listed, match.mentions):
        if looked_up is not None:
            yield looked_up.key, _looked_up(looked_up)
    if names := match.absent:
        yield "absent", lambda subject, at, collection: all(map(subject.lacks, names))
    if match.test is not None:
        yield "test", _test_test(wanted=match.test)
    if (when := match.when) is not None:  # the last: it costs more than all the others
        yield "when", _when_test(when, rule)


def _looked_up(key: Concerns | Listed | Mentions) -> Test:
    matches = key.matches
    return lambda subject, at, collection: matches(subject)


def _when_test(when: Expression, rule: str) -> Test:
    def holds(subject: Subject, at: int, collection: str) -> bool:
        try:
            return when.holds(subject, collection)
        except ExpressionFailed as failed:
            raise ExpressionFailed(failed.said, rule) from None

    return holds


def _test_test(*, wanted: bool) -> Test:
    def marked(subject: Subject, at: int, collection: str) -> bool:
        return (subject.binding is not None and subject.binding.test) is wanted

    return marked


def _confidence_test(least: int, most: int) -> Test:
    def within(subject: Subject, at: int, collection: str) -> bool:
        value = subject.confidence
        return value is not None and least <= value <= most

    return within


def _age_test(over: int | None, under: int | None) -> Test:
    def aged(subject: Subject, at: int, collection: str) -> bool:
        age = at - subject.changed_at
        return (over is None or age > over) and (under is None or age < under)

    return aged


def _validity_test(state: str | None, within: int | None) -> Test:
    def valid(subject: Subject, at: int, collection: str) -> bool:
        until = subject.valid_until
        if until is None:
            return False
        if state == "passed":
            return until <= at
        return until > at and (within is None or until - at <= within)

    return valid
