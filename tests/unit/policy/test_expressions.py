"""`when:`: what is taken, what is refused at save, what an object answers, and that no answer means no."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.policy.making import (
    MITRE_IDENTITY,
    OWN_ALLOWED,
    TLP2,
    context,
    missed,
    policy,
    subject,
)

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.decide import Allow, Decision, Deny, DenyKind, Hold, decide
from cert_exchange.policy.expressions import (
    LENGTH_LIMIT,
    NAMES,
    Expression,
    ExpressionFailed,
    GrammarError,
)
from cert_exchange.policy.expressions.grammar import read_expression


def rule(
    when: str, *, verb: str = "allow: true", match: str = "origin: own", name: str = "r"
) -> str:
    quoted = when.replace("'", "''")
    return f"  - {{name: {name}, match: {{{match}, when: '{quoted}'}}, {verb}}}\n"


def asked(when: str, **content: Any) -> bool:
    kind = content.pop("kind", "indicator")
    origin = content.pop("origin", "own")
    return Expression(when).holds(subject(kind, origin=origin, **content), "indicators")


def refused(when: str) -> str:
    with pytest.raises(GrammarError) as caught:
        Expression(when)
    return str(caught.value)


@pytest.mark.parametrize(
    ("when", "content"),
    [
        ('type == "indicator"', {}),
        ('"apt" in labels', {"labels": ["APT", "x"]}),
        ('tlp == "amber+strict"', {"object_marking_refs": [TLP2["amber+strict"]]}),
        ('tlp == "unmarked"', {}),
        ("confidence == 70", {"confidence": 70}),
        ("confidence == null", {}),
        ('origin == "cert-c"', {"origin": "cert-c"}),
        (f'creator == "{MITRE_IDENTITY}"', {"created_by_ref": MITRE_IDENTITY}),
        ('creator == ""', {}),
        ('collection == "indicators"', {}),
        ("has(object.name) && object.name.startsWith('APT')", {"name": "APT1"}),
        ("object.name.matches('^[a-z]+[0-9]$')", {"name": "apt1"}),
        ("!has(object.name)", {}),
        ("object.refs.size() > 1 && size(object.refs) < 3", {"refs": ["a", "b"]}),
        ("object.refs.exists(r, r == 'b')", {"refs": ["a", "b"]}),
        ("object.refs.all(r, r.size() == 1)", {"refs": ["a", "b"]}),
        ("object.external_references.exists(e, has(e.url) && e.url.contains('example'))",
         {"external_references": [{"source_name": "x"}, {"url": "https://example.org/"}]}),
        ("object.revoked == true ? false : true", {"revoked": False}),
        ("timestamp(object.modified) > timestamp('2026-01-01T00:00:00Z')", {"modified": "2026-11-20T00:00:00.000Z"}),
        ("(confidence + 10) * 2 == 100 || false", {"confidence": 40}),
        ("object['x_score'] == 1.5", {"x_score": 1.5}),
        ("object.kill_chain_phases.filter(k, k.phase_name == 'c2').size() == 1",
         {"kill_chain_phases": [{"phase_name": "c2"}, {"phase_name": "x"}]}),
    ],
)  # fmt: skip
def test_what_holds(when: str, content: dict[str, Any]):
    """Every name and function that the guide lists, on an object where it holds; its opposite does not."""
    assert asked(when, **content)
    assert not asked(f"!({when})", **content)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("", "the end is not expected here"),
        ("type ==", "the end is not expected here (character 8)"),
        ("typ == 'x'", "there is no typ; write one of: collection, confidence, creator, labels, object, origin, tlp, type"),
        ("now() > object.created", "there is no function now; write one of: "),
        ("getDate(object.created) == 5", "there is no function getDate"),
        ("object.name.lowerAscii() == 'x'", "there is no function lowerAscii; write one of: all, contains"),
        ("object.name", "it gives anything, where a truth value is needed; compare it with =="),
        ("confidence + 1", "it gives anything, where a truth value is needed"),
        ("'yes'", "it gives a text"),
        ("has(object.name) && object.name", "&& needs truth values, and here is anything"),
        ("!object.revoked", "! needs truth values"),
        ("true ? 1 : 2", "it gives a whole number"),
        ("type == 5", "a text is never compared with a whole number"),
        ("labels == 'x'", "a list is never compared with a text"),
        ("'a' in tlp", "in looks into a list, and here stands a text"),
        ("labels.startsWith('x')", "startsWith asks a text, and before it stands a list"),
        ("tlp.exists(x, true)", "exists goes through a list, and before it stands a text"),
        ("object.a.exists(x, object.b.exists(y, x == y))", "exists inside another list that is gone through"),
        ("object.a.exists(type, true)", "type has a meaning already"),
        ("object.a.exists(x, x.y)", "exists needs truth values"),
        ("object.name.matches(object.description)", "matches takes a pattern in quotes"),
        ("object.name.matches('(')", "the pattern '(' cannot be read, or is too large"),
        ("object.name.matches('(?=x)')", "the pattern '(?=x)' cannot be read"),
        ("object.name.matches('(a{1000}){1000}')", "or is too large"),
        ("has(object)", "has asks for a property"),
        ("has('x')", "has asks for a property"),
        ("object.name.startsWith('a', 'b')", "startsWith takes one text"),
        ("1 < 2 < 3", "one comparison after another"),
        ("{'a': 1} == {}", "'{' is not used here"),
        ("b'x' == b'x'", "there is no b"),
        ("1u == 1u", "u is not expected here"),
        ("type == 'x' // why", "/ is not expected here"),
        ("'a' ; 'b'", "';' is not used here"),
        ("true true", "true is not expected here (character 6)"),
        ("(" * 60 + "true" + ")" * 60, "nested deeper than 40 levels"),
        ("!" * 60 + "true", "nested deeper than 40 levels"),
        ("type == 'x' || " * 200 + "true", f"3,004 characters; {LENGTH_LIMIT:,} may be"),
    ],
)  # fmt: skip
def test_what_is_refused_at_save(when: str, said: str):
    """With what was found, where, and what may stand there."""
    assert said in refused(when)


def test_a_refusal_stands_in_the_file_like_any_other():
    """Line, column, and all of them at once."""
    with pytest.raises(PolicyInvalid) as caught:
        policy(rule("typ == 'x'") + "  - {name: s, match: {when: 5}, deny: true}\n")
    first, second = (str(problem) for problem in caught.value.problems)
    assert first.startswith(
        "policies/cert-b.yaml:5:42: when: there is no typ; write one of: collection"
    )
    assert second.startswith("policies/cert-b.yaml:6:29: when is 5; write an expression in quotes")


@pytest.mark.parametrize(
    ("when", "content"),
    [
        ("object.name == 'x'", {}),
        ("confidence > 50", {}),
        ("object.name.startsWith('x')", {"name": 5}),
        ("object.refs[3] == 'x'", {"refs": []}),
        ("object.x + 'a' == 'xa'", {"x": 5}),
        ("1 / object.x == 1", {"x": 0}),
        ("int(object.name) == 1", {"name": "x"}),
        ("timestamp(object.name) > timestamp('2026-01-01T00:00:00Z')", {"name": "x"}),
    ],
)
def test_no_answer_denies_and_says_why(when: str, content: dict[str, Any]):
    """In whatever rule it stands and whatever else allows; explain shows it at the rule."""
    what = subject(**content)
    with pytest.raises(ExpressionFailed):
        Expression(when).holds(what, "indicators")
    for verb in ("allow: true", "deny: true", "hold: approval"):
        for rules in (OWN_ALLOWED + rule(when, verb=verb), rule(when, verb=verb) + OWN_ALLOWED):
            found = policy(rules)
            decision = decide(found, what, context())
            assert isinstance(decision, Deny)
            assert decision.kind is DenyKind.ERROR
            assert decision.rule == "error"
            assert decision.reason.startswith("`when` of rule r gives no answer: ")
            assert missed(found, what, context())["r"] == ("when",)


class PanicError(BaseException):
    """As PyO3 has it: a panic in Rust is no Exception."""


class Panicking:
    """The evaluator as it fails when its own code is wrong: what it raises is no Exception."""

    def execute(self, context: object) -> object:
        raise PanicError("SECRET-VALUE")


def test_a_panic_of_the_evaluator_denies():
    """It ends neither the decision nor the batch."""
    broken = Expression("has(object.x)")
    broken._program = Panicking()
    with pytest.raises(ExpressionFailed, match="does not take this value"):
        broken.holds(subject(), "indicators")


def test_reasons_hold_no_values_of_the_object():
    """They go to the log; a secret in the object does not."""
    for when in ("object.name + 1 == 2", "object.name.size() + object.name == 2", "int(object.name) == 1",
                 "timestamp(object.name) > timestamp('2026-01-01T00:00:00Z')", "object.name[0] == 'x'",
                 "object.name.x == 1", "object.name.all(x, x == 1)", "1 in object.name",
                 "object[object.name] == 1"):  # fmt: skip
        with pytest.raises(ExpressionFailed) as caught:
            asked(when, name="SECRET-VALUE")
        assert "SECRET" not in str(caught.value), when


def test_no_text_makes_a_pattern_slow():
    """Patterns that engines with backtracking hang on take milliseconds for a text of a megabyte."""
    what = subject(name="a" * 1_000_000, description="x" * 1_000_000)
    for pattern in ("^(a+)+b$", "(a|aa)+$y", "(.*)*z", r"^(\\w+\\s?)*$!"):
        start = time.perf_counter()
        assert not Expression(f"object.name.matches('{pattern}')").holds(what, "indicators")
        assert time.perf_counter() - start < 1


def test_a_pattern_is_looked_for_anywhere_and_only_in_texts(caplog: pytest.LogCaptureFixture):
    """As CEL says; two patterns in one expression, quotes and escapes as written."""
    both = r"""object.name.matches("b\\.c") && !object.name.matches('^b')"""
    assert asked(both, name="ab.cd")
    assert not asked(both, name="abxcd")
    assert not asked(both, name="b.c")
    with pytest.raises(ExpressionFailed, match="does not take this value"):
        asked(both, name=["ab.cd"])
    assert (
        caplog.records == []
    )  # the evaluator would log each failure; explain and the decision say it


def said(rules: str, **content: Any) -> Decision:
    return decide(policy(rules), subject(**content), context())


def test_typed_keys_come_first_and_all_must_match():
    """An expression is not asked about objects that the typed keys are not about, so it cannot fail for them."""
    narrow = rule("object.name == 'x'", match="labels: apt")
    assert isinstance(said(OWN_ALLOWED + narrow), Allow)
    denied = said(OWN_ALLOWED + narrow, labels=["apt"])
    assert isinstance(denied, Deny)
    assert isinstance(said(narrow, labels=["apt"], name="x"), Allow)
    assert said(narrow, labels=["apt"], name="y") == said("")


def test_deny_over_hold_over_allow():
    """As without expressions."""
    yes = "type == 'indicator'"
    rules = [rule(yes, name="a"), rule(yes, verb="hold: approval", name="h"), rule(yes, verb="deny: true", name="d")]  # fmt: skip
    assert isinstance(said("".join(rules)), Deny)
    assert isinstance(said("".join(rules[:2])), Hold)
    assert isinstance(said(rules[0]), Allow)


def test_a_malformed_property_denies_where_an_expression_looks_at_it():
    """As where a typed key does."""
    broken = said(rule("confidence == null"), confidence="high")
    assert broken == Deny("error", "cannot be read: confidence", DenyKind.ERROR)


def test_the_collection_is_the_one_that_is_decided_in():
    """Also when the same object was asked in another one before."""
    found = policy(rule("collection == 'reports'"))
    what = subject()
    assert isinstance(decide(found, what, context()), Deny)
    assert isinstance(decide(found, what, context(collection="reports")), Allow)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_whatever_a_property_holds_there_is_an_answer_or_a_failure(value: object):
    """No value of a property lets another exception out, or a panic of the evaluator."""
    for when in ("object.x == 'a'", "object.x.startsWith('a')", "object.x.exists(y, y == 1)", "object.x > 5",
                 "object == object", "object.x.size() > 1 && has(object.x.a)"):  # fmt: skip
        try:
            assert asked(when, x=value) in (True, False)
        except ExpressionFailed:
            continue


@given(st.text(alphabet="ab.()[]'\"!&|=<>, 01+-*?:{}\\/\n", max_size=30))
def test_whatever_is_written_is_taken_or_refused(text: str):
    """Nothing but GrammarError comes out of reading."""
    try:
        assert Expression(text).text == text
    except GrammarError as error:
        where = error.where
    else:
        where = 1
    assert where >= 1


def test_what_it_costs():
    """A rule with an expression costs microseconds, also for an object with a long list that it does not look at."""
    long = subject(name="APT1", object_refs=[f"indicator--{number}" for number in range(10_000)])
    found = policy(rule("object.name.startsWith('APT') && tlp != 'red'", verb="deny: true"))
    where = context()
    best = min(_seconds(lambda: decide(found, long, where)) for _ in range(5))
    assert best < 100e-6


def _seconds(work: Any) -> float:
    start = time.perf_counter()
    for _ in range(200):
        work()
    return (time.perf_counter() - start) / 200


@pytest.mark.parametrize("when", ["'name' in object", "object['name'] == 'x'", '"name" in object || false'])  # fmt: skip
def test_a_property_named_in_quotes_is_handed_over_alone(when: str):
    """Converting a whole object costs more than all rules together, and a value that cannot be taken must not spoil it."""
    reading = read_expression(when, NAMES)
    assert (reading.properties, reading.whole) == ({"name"}, False)
    assert asked(when, name="x", x_other=2**80)
    assert not asked("'name' in object", labels=["a"])


@pytest.mark.parametrize(
    "when", ["type in object", "'a' + 'b' in object", r"'na\x6de' in object", "object[type] == 'x'"]
)
def test_a_property_that_is_found_out_needs_the_whole_object(when: str):
    assert read_expression(when, NAMES).whole


def test_what_an_expression_said_of_an_object_is_kept_unless_it_looks_at_the_collection():
    """Audiences share base policies; one expression's answer must never stand for another's."""
    what = subject(name="x")
    one, other = Expression("object.name == 'x'"), Expression("object.name == 'y'")
    here = Expression("collection == 'indicators'")
    for _ in range(2):
        assert one.holds(what, "indicators")
        assert not other.holds(what, "reports")
        assert here.holds(what, "indicators")
        assert not here.holds(what, "reports")
        assert not one.holds(subject(name="y"), "indicators")
