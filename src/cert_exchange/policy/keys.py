"""Match keys turned into closures, once, when a policy is parsed.

1. A test gets the subject, the instant that time keys use (micros) and the collection; it touches nothing else.
2. `keys_of` serves reports and the plans of `matching` serve deciding, both from the same tests.
"""
# ruff: noqa: ARG001, ARG005 - every test has one signature; most look at the subject only

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from cert_exchange.policy.expressions import PROPERTIES, Expression, ExpressionFailed
from cert_exchange.policy.lists import Listed
from cert_exchange.policy.mentions import Mentions
from cert_exchange.policy.pointing import state_of
from cert_exchange.policy.rules import ANY_ORIGIN, PARTNERS_ORIGIN, Match
from cert_exchange.policy.subject import OWN_NAME, Subject
from cert_exchange.policy.territories import Concerns

Test = Callable[[Subject, int, str], bool]


def keys_of(match: Match) -> tuple[tuple[str, Test], ...]:
    """Every key of a rule by its name in the document, with its test, cheapest first."""
    found: list[tuple[str, Test]] = [("origin", origin_test(match.origins or {OWN_NAME}))]
    if match.types is not None:
        found.append(("type", type_test(match.types)))
    found.extend(other_keys(match))
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


def always(subject: Subject, at: int, collection: str) -> bool:
    """Every object."""
    return True


def never(subject: Subject, at: int, collection: str) -> bool:
    """No object."""
    return False


def all_of(tests: Sequence[Test]) -> Test:
    """What passes all of these, asked in their order."""
    if not tests:
        return always
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


def type_test(types: frozenset[str]) -> Test:
    """Objects of these types."""
    return lambda subject, at, collection: subject.type in types


def origin_test(origins: Iterable[str]) -> Test:
    """Objects that came from there; the words of `origin:`."""
    own = OWN_NAME in origins or ANY_ORIGIN in origins
    every_partner = PARTNERS_ORIGIN in origins or ANY_ORIGIN in origins
    names = frozenset(origins)

    def came_from(subject: Subject, at: int, collection: str) -> bool:
        if subject.origin == OWN_NAME:
            return own
        return every_partner or subject.origin in names

    return came_from


def other_keys(match: Match, rule: str = "") -> Iterator[tuple[str, Test]]:
    """The tests of all keys but `origin` and `type`, cheapest first; `rule` is named where an expression fails."""
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
    if (states := match.indicators) is not None:
        yield "indicators", _indicators_test(states)
    if names := match.absent:
        yield "absent", lambda subject, at, collection: all(map(subject.lacks, names))
    if match.test is not None:
        yield "test", test_test(wanted=match.test)
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


def test_test(*, wanted: bool) -> Test:
    """What belongs to an exercise, or what does not."""

    def marked(subject: Subject, at: int, collection: str) -> bool:
        return (subject.binding is not None and subject.binding.test) is wanted

    return marked


def _indicators_test(states: frozenset[str]) -> Test:
    def stand(subject: Subject, at: int, collection: str) -> bool:
        pointing = subject.pointing
        return pointing is not None and state_of(pointing, at) in states

    return stand


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
