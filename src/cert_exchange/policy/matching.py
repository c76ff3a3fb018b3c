"""Rules laid out for deciding, once, when a policy is parsed.

1. A rule is asked only about types and origins that it can be about: the plans are laid out by type, for own and for
   foreign objects, so that deciding costs little with many rules.
2. An allowing rule with a `when` that gives no answer denies, whichever other rule allows: so all of them are asked.
3. What redact rules take away adds up; each of them permits as well, but for what it matches only in doubt.
4. Rules that keep labels back grow to long lists: an object with none of those labels is not asked about any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cert_exchange.policy.keys import (
    Test,
    all_of,
    always,
    never,
    origin_test,
    other_keys,
    properties_of,
    test_test,
    type_test,
)
from cert_exchange.policy.rules import (
    ANY_ORIGIN,
    NEVER,
    PARTNERS_ORIGIN,
    Allow,
    Deny,
    DenyKind,
    Redact,
    Rule,
    Verb,
)
from cert_exchange.policy.subject import OWN_NAME, Subject

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
    denied_labels: frozenset[str]
    """all labels that rules among the denials ask for"""
    unlabelled: tuple[Denial, ...]
    """the denials that ask for no label"""
    holds: tuple[Holding, ...]
    asked: tuple[Allowing, ...]  # that allow with a `when`: all are asked, whatever else allows
    allows: tuple[Allowing, ...]
    redactions: tuple[Redacting, ...]

    def denying(self, subject: Subject) -> tuple[Denial, ...]:
        """The denials that can be about an object, in their order."""
        if self.denied_labels.isdisjoint(subject.labels):
            return self.unlabelled
        return self.denials


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
            Redacting(test, rule.withdraw, _redact(rule), always)
            for rule, test in _carried(rules, Verb.REDACT)
        ),
        redacts=any(rule.verb is Verb.REDACT for rule in rules),
        for_tests=frozenset(rule.name for rule in rules if rule.match.test),
        looks_at=frozenset(name for rule in rules for name in properties_of(rule.match)),
    )


def redaction_of(
    redactions: Sequence[Redacting],
    subject: Subject,
    at: int,
    now: int,
    collection: str,
) -> tuple[Redact | None, bool]:
    """What the rules that match take away together, and whether one of them permits the object. Micros.

    `at` is for time keys of what is released, `now` for rules that withdraw. Raises ExpressionFailed.
    """
    found: Redact | None = None
    permitted = False
    for test, withdraw, redact, permits in redactions:
        instant = now if withdraw else at
        if test(subject, instant, collection):
            lets = permits(subject, instant, collection)
            # Who let it go answers for it: the first that permits, and where none does the first that redacts.
            one = redact if found is None or (lets and not permitted) else found
            recipe = redact.recipe if found is None else found.recipe | redact.recipe
            found = Redact(one.rule, one.reason, recipe)
            permitted = permitted or lets
    return found, permitted


def _plan(rules: Iterable[Rule], kind: str | None, *, own: bool) -> Plan:
    denials: list[Denial] = []
    unlabelled: list[Denial] = []
    denied_labels: set[str] = set()
    holds: list[Holding] = []
    asked: list[Allowing] = []
    allows: list[Allowing] = []
    redactions: list[Redacting] = []
    for rule in rules:
        types, origins = rule.match.types, rule.match.origins or {OWN_NAME}
        if types is not None and kind not in types:
            continue
        tests = [test for _, test in other_keys(rule.match, rule.name)]
        if own and not origins & {OWN_NAME, ANY_ORIGIN}:
            continue
        if not own and not origins & {PARTNERS_ORIGIN, ANY_ORIGIN}:
            if not origins - {OWN_NAME}:
                continue
            tests.insert(0, origin_test(origins))
        test = all_of(tests)
        match rule.verb:
            case Verb.DENY:
                denials.append((test, rule.withdraw, _denial(rule)))
                if rule.match.labels is None:
                    unlabelled.append(denials[-1])
                else:
                    denied_labels |= rule.match.labels
            case Verb.HOLD:
                holds.append((test, rule.withdraw, rule))
            case Verb.ALLOW:
                allowing = asked if rule.match.when is not None else allows
                allowing.append((test, rule.withdraw, Allow(rule.name, rule.reason)))
            case Verb.REDACT:
                permits = _permitting(rule)
                redactions.append(Redacting(test, rule.withdraw, _redact(rule), permits))
    return Plan(
        tuple(denials), frozenset(denied_labels), tuple(unlabelled), tuple(holds), tuple(asked),
        tuple(allows), tuple(redactions),
    )  # fmt: skip


def _permitting(rule: Rule) -> Test:
    """When a redact rule also permits what it matches: never an exercise's, unless it is about those."""
    if rule.permits is NEVER:
        return never
    tests = [] if rule.match.test else [test_test(wanted=False)]
    if rule.permits is not None:
        tests += [test for _, test in other_keys(rule.permits, rule.name)]
    return all_of(tests)


def _carried(rules: Iterable[Rule], verb: Verb) -> Iterator[tuple[Rule, Test]]:
    # What is carried along needs no rule that allows it, so a denial or a redaction that names no origin must reach it
    # whoever it came from; else the same words would deny an identity of ours and let a partner's pass.
    for rule in rules:
        if rule.verb is verb:
            origins = rule.match.origins or {ANY_ORIGIN}
            tests = [
                origin_test(origins),
                *(test for _, test in other_keys(rule.match, rule.name)),
            ]
            if rule.match.types is not None:
                tests.insert(0, type_test(rule.match.types))
            yield rule, all_of(tests)


def _denial(rule: Rule) -> Deny:
    return Deny(rule.name, rule.reason, DenyKind.RULE)


def _redact(rule: Rule) -> Redact:
    assert rule.recipe is not None
    return Redact(rule.name, rule.reason, rule.recipe)
