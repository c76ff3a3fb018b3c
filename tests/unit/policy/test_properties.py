"""Promises of the policy engine over random policies, objects and texts."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.unit.policy.making import (
    DAY,
    ID,
    LADDER,
    MITRE,
    MITRE_IDENTITY,
    NOW,
    TLP1,
    TLP2,
    UNKNOWN_MARKING,
    context,
    missed,
)

from cert_exchange.errors import PolicyInvalid, Problem
from cert_exchange.policy.collections import parse_collection
from cert_exchange.policy.decide import Allow, Deny, DenyKind, Hold, Redact, Subject, decide, stands
from cert_exchange.policy.document import Policy, Verb, parse_policy
from cert_exchange.policy.subject import subject_of

TYPES = ("indicator", "malware", "identity", "marking-definition", "ipv4-addr")
LABELS = ("a", "b", "tlp:amber", "TLP:RED", "tlp:clear")
ORIGINS = ("own", "cert-a", "cert-b")
TIMES = ("2026-11-25T11:00:00Z", "2026-11-20T00:00:00Z", "2026-12-30T00:00:00Z")
MARKINGS = (*TLP1.values(), *TLP2.values(), MITRE, UNKNOWN_MARKING)

contents = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES)},
    optional={
        "labels": st.lists(st.sampled_from(LABELS), min_size=1, max_size=3),
        "indicator_types": st.lists(st.sampled_from(["x", "y"]), min_size=1, max_size=2),
        "confidence": st.integers(0, 100),
        "created_by_ref": st.just(MITRE_IDENTITY),
        "pattern_type": st.sampled_from(["stix", "yara"]),
        "created": st.sampled_from(TIMES),
        "modified": st.sampled_from(TIMES),
        "valid_until": st.sampled_from(TIMES),
        "object_marking_refs": st.lists(st.sampled_from(MARKINGS), min_size=1, max_size=3),
    },
)


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    content = draw(contents)
    content["id"] = f"{content['type']}--{ID}"
    return subject_of(
        content,
        origin=draw(st.sampled_from(ORIGINS)),
        stored_at=NOW - draw(st.integers(0, 9 * DAY)),
    )


def one_or_more(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


matches = st.fixed_dictionaries(
    {"origin": one_or_more(("own", "partners", "any", "cert-a"))},
    optional={
        "type": one_or_more(TYPES),
        "labels": one_or_more(("a", "b")),
        "indicator_types": one_or_more(("x", "y")),
        "tlp": one_or_more(LADDER),
        "confidence": st.sampled_from([{"at_least": 50}, {"at_most": 20}, {"at_least": 0}]),
        "created_by_ref": st.just(MITRE_IDENTITY),
        "pattern_type": one_or_more(("stix", "yara")),
        "age": st.sampled_from([{"over": "2 days"}, {"under": "1 day"}]),
        "valid_until": st.sampled_from(["passed", "ahead", {"within": "60 days"}]),
        "marking": st.just(MITRE),
        "collection": one_or_more(("indicators", "reports")),
        "absent": one_or_more(("name", "description")),
    },
)
verbs = st.sampled_from(
    [
        {"allow": True},
        {"deny": True},
        {"hold": "approval"},
        {"hold": {"for": "3 days"}},
        {"hold": {"until": TIMES[2]}},
        {"redact": {"remove": ["description"]}},
        {"redact": {"above_ceiling": True, "source": True}},
    ]
)
bare_rules = st.builds(lambda match, verb: {"match": match, **verb}, matches, verbs)
rule_lists = st.lists(bare_rules, max_size=8).map(
    lambda rules: [{"name": f"r{index}", **rule} for index, rule in enumerate(rules)]
)


def made(rules: list[dict[str, Any]], ceiling: dict[str, Any]) -> Policy:
    document = {
        "partners": ["cert-b"],
        "collections": ["indicators", "reports"],
        "ceiling": ceiling,
        "rules": rules,
    }
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(document, stream)
    return parse_policy(stream.getvalue(), file="cert-b.yaml")


ceilings = st.fixed_dictionaries(
    {"tlp": st.sampled_from(LADDER)},
    optional={
        "unmarked": st.sampled_from((*LADDER, "deny")),
        "statements": st.sampled_from([[MITRE], [{"id": MITRE, "counts_as": "green"}]]),
    },
)
policies = st.builds(made, rule_lists, ceilings)


@given(policies, subjects(), st.booleans())
@settings(deadline=None)
def test_the_answer_is_what_the_rules_say_one_by_one(
    policy: Policy, subject: Subject, carried: bool
):
    """Deny wins, then hold, redact, allow, else default: the plans agree with each rule asked on its own."""
    where = context(carried=carried)
    decision = decide(policy, subject, where)
    if isinstance(decision, Deny) and decision.kind in {DenyKind.CEILING, DenyKind.ORIGIN}:
        return
    missing = missed(policy, subject, where)
    applying = {
        verb: [rule.name for rule in policy.rules if rule.verb is verb and not missing[rule.name]]
        for verb in Verb
    }
    if applying[Verb.DENY]:
        assert isinstance(decision, Deny)
        assert decision.kind is DenyKind.RULE
        assert decision.rule in applying[Verb.DENY]
        return
    recipes = {rule.name: rule.recipe for rule in policy.rules}
    if carried:
        assert isinstance(decision, Allow | Redact)
        assert isinstance(decision, Redact) or not applying[Verb.REDACT]
        return
    terms = {rule.name: rule.hold for rule in policy.rules}
    holding = [
        name
        for name in applying[Verb.HOLD]
        if (hold := terms[name]) is not None
        and (
            hold.approval
            or (hold.until is not None and hold.until > NOW)
            or (hold.duration is not None and subject.stored_at + hold.duration > NOW)
        )
    ]
    if holding:
        assert isinstance(decision, Hold)
        assert decision.rule in holding
    elif applying[Verb.REDACT]:
        assert isinstance(decision, Redact)
        assert decision.rule == applying[Verb.REDACT][0]
        found = [recipes[name] for name in applying[Verb.REDACT]]
        assert decision.recipe == reduce(or_, [one for one in found if one is not None])
    elif applying[Verb.ALLOW]:
        assert isinstance(decision, Allow)
        assert decision.rule in applying[Verb.ALLOW]
    else:
        assert decision == Deny("default", "no rule allows it", DenyKind.DEFAULT)


@given(policies, subjects(), bare_rules.filter(lambda rule: "allow" not in rule))
@settings(deadline=None, max_examples=50)
def test_another_rule_that_narrows_never_widens(
    policy: Policy, subject: Subject, extra: dict[str, Any]
):
    """Adding a rule that denies, holds or redacts turns no answer into an allow, and gives nothing back."""
    before = decide(policy, subject, context())
    after = decide(_with_rule(policy, {"name": "extra", **extra}), subject, context())
    if isinstance(after, Allow):
        assert isinstance(before, Allow)
    if isinstance(after, Redact) and isinstance(before, Redact):
        assert after.recipe | before.recipe == after.recipe
    if isinstance(after, Redact) and "redact" not in extra:
        assert isinstance(before, Redact)


def _with_rule(policy: Policy, rule: dict[str, Any]) -> Policy:
    document = YAML(typ="safe", pure=True).load(policy.text)
    document["rules"].append(rule)
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(document, stream)
    return parse_policy(stream.getvalue(), file="cert-b.yaml")


@given(rule_lists, subjects(), st.sampled_from(LADDER), st.sampled_from(LADDER), st.booleans())
@settings(deadline=None)
def test_a_lower_ceiling_lets_nothing_more_pass(
    rules: list[dict[str, Any]], subject: Subject, one: str, other: str, carried: bool
):
    """Monotonic: what passes under the lower ceiling passes under the higher one."""
    low, high = sorted((one, other), key=LADDER.index)
    where = context(carried=carried)
    below = made(rules, {"tlp": low, "unmarked": "green"})
    if isinstance(decide(below, subject, where), Allow | Redact):
        above = made(rules, {"tlp": high, "unmarked": "green"})
        assert isinstance(decide(above, subject, where), Allow | Redact)


@given(policies, subjects())
@settings(deadline=None)
def test_nothing_narrower_than_green_of_a_partner_goes_to_another(policy: Policy, subject: Subject):
    """Whatever the rules say; and nothing at all goes back."""
    if isinstance(decide(policy, subject, context()), Allow | Redact) and subject.origin != "own":
        assert subject.origin == "cert-a"
        assert subject.tlp is None or subject.tlp.name in {"CLEAR", "GREEN"}


KEYS = {
    "labels": "labels: [a, b]",
    "indicator_types": "indicator_types: [x]",
    "confidence": "confidence: {at_least: 0}",
    "created_by_ref": f"created_by_ref: {MITRE_IDENTITY}",
    "pattern_type": "pattern_type: [stix]",
    "valid_until": "valid_until: {}",
    "tlp": "tlp: {at_least: clear}",
    "marking": f"marking: {MITRE}",
}


@pytest.mark.case("H07")
@given(
    contents, st.sampled_from(sorted(KEYS)), st.sampled_from(["passed", "ahead", "{within: 90 d}"])
)
@settings(deadline=None)
def test_a_key_never_matches_an_object_that_lacks_the_property(
    content: dict[str, Any], key: str, state: str
):
    """Absent is absent: no value stands for it, at no edge of any range."""
    if key in {"tlp", "marking"}:
        content = {name: value for name, value in content.items() if name != "object_marking_refs"}
    if key in {"tlp", "labels"}:
        content.pop("labels", None)
    content.pop(key, None)
    text = KEYS[key].replace("{}", state)
    policy = parse_policy(
        "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: red, unmarked: clear}\n"
        f"rules:\n  - {{name: r, match: {{{text}}}, deny: true}}\n",
        file="cert-b.yaml",
    )
    subject = subject_of({**content, "id": f"x--{ID}"}, origin="own", stored_at=NOW)
    assert key in missed(policy, subject, context())["r"]
    assert not isinstance(decide(policy, subject, context()), Deny) or (
        decide(policy, subject, context()).rule != "r"
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
READ = (
    "labels", "indicator_types", "confidence", "created_by_ref", "pattern_type", "valid_until",
    "modified", "created", "object_marking_refs", "granular_markings", "type", "name",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(READ), json_values), policies)
@settings(deadline=None)
def test_no_object_makes_it_raise(content: dict[str, Any], policy: Policy):
    """A custom object may hold anything anywhere: the answer is a decision (CASES H08)."""
    subject = subject_of(content, origin="own", stored_at=NOW)
    decision = decide(policy, subject, context())
    assert isinstance(decision, Allow | Redact | Hold | Deny)
    assert stands(
        policy, subject, context(), whole=subject
    ) is not None or not subject.malformed & {"markings"}
    missed(policy, subject, context())


words = st.sampled_from(
    [
        "partners",
        "collections",
        "ceiling",
        "rules",
        "tlp",
        "unmarked",
        "statements",
        "name",
        "match",
        "allow",
        "deny",
        "hold",
        "type",
        "labels",
        "id",
        "title",
        "read",
        "write",
        "alias",
        "true",
        "false",
        "null",
        "~",
        "1",
        "-1",
        "1e9",
        ".inf",
        ".nan",
        "0x1F",
        "2026-11-25",
        "yes",
        "&",
        "*",
        "!",
        "|",
        ">",
        "-",
        "?",
        ":",
        ",",
        "[",
        "]",
        "{",
        "}",
        "#",
        "%",
        "@",
        "`",
        "'",
        '"',
        "\\",
        "&a",
        "*a",
        "!!str",
        "!!int",
        "!<x>",
        "<<",
        "---",
        "...",
        "\n",
        "\t",
        "\u2028",
        "\ufeff",
        "é",
    ]
)
texts = (
    st.text(max_size=60)
    | st.lists(words, max_size=30).map(" ".join)
    | st.lists(words, max_size=30).map("\n".join)
)


def problems(parse: Callable[..., object], text: str) -> tuple[Problem, ...]:
    """What is wrong with a text; any other exception than PolicyInvalid fails the test."""
    try:
        parse(text, file="x.yaml")
    except PolicyInvalid as refused:
        return refused.problems or (Problem("", 0, 0, "refused without a problem"),)
    return ()


@given(texts)
@settings(deadline=None, max_examples=300)
def test_reading_random_text_raises_nothing_but_policy_invalid(text: str):
    """Whatever is in a file, its author gets places and words."""
    for parse in (parse_policy, parse_collection):
        assert all(one.line >= 1 and one.column >= 1 for one in problems(parse, text))


@given(json_values, st.sampled_from(["partners", "collections", "ceiling", "rules", "unresolved"]))
@settings(deadline=None)
def test_reading_random_values_raises_nothing_but_policy_invalid(value: Any, key: str):
    """The right keys with anything behind them."""
    document: dict[str, Any] = {"partners": [], "collections": [], "ceiling": {"tlp": "red"}}
    document = {**document, "rules": [{"name": "r", "match": value, "allow": value}], key: value}
    stream = io.StringIO()
    try:
        YAML(typ="safe", pure=True).dump(document, stream)
    except Exception:  # noqa: BLE001 - the writer refuses some values; the reader is what is tested
        assume(False)
    assert all(one.line >= 1 for one in problems(parse_policy, stream.getvalue()))
