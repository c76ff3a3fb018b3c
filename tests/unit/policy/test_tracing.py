"""A decision as a tree: every question with what was found, in agreement with `decide`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.making import (
    ANY_ALLOWED,
    DAY,
    MITRE,
    NOW,
    OWN_ALLOWED,
    TLP1,
    TLP2,
    UNKNOWN_MARKING,
    context,
    policy,
    subject,
)

from cert_exchange.policy.binding import Binding
from cert_exchange.policy.decide import Allow, Deny, DenyKind, Hold, Redact, Subject, decide
from cert_exchange.policy.document import Policy, parse_policy
from cert_exchange.policy.forms import MatchForm
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.policy.tracing import Step, trace
from cert_exchange.policy.wording import FINDERS, lasting

RULES = """\
  - name: weak
    match: {type: indicator, confidence: {at_most: 29}}
    hold: {for: 3 days}
    reason: the desk looks first
  - name: drafts
    match: {labels: [draft]}
    deny: true
  - name: the feed
    match: {type: [indicator, malware], tlp: {at_most: green}}
    allow: true
"""


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from walk(step.steps)


def found(what: Subject, asked: str, rules: str = RULES, **given_: Any) -> tuple[str, str]:
    steps = trace(policy(rules), what, context(**given_))
    step = next(one for one in walk(steps) if one.asked == asked)
    return step.answer, step.found


def test_the_questions_stand_in_the_order_of_deciding():
    steps = trace(policy(RULES), subject(), context())
    assert [step.asked for step in steps] == ["audience", "origin", "ceiling", "rules"]
    assert [step.asked for step in steps[-1].steps] == [
        "hold weak (for 3 days after it was stored)", "deny drafts", "allow the feed",
    ]  # fmt: skip


def test_each_key_says_what_it_found():
    """What misses is named, with the value that is there."""
    what = subject(confidence=70, labels=["phishing"], object_marking_refs=[TLP2["amber"]])
    assert found(what, "hold weak (for 3 days after it was stored)") == (
        "does not match",
        "confidence",
    )
    assert found(what, "confidence") == ("misses", "70")
    assert found(what, "labels") == ("misses", "phishing")
    assert found(what, "tlp") == ("misses", "AMBER")
    assert found(subject(), "confidence") == ("misses", "it has none")
    assert found(subject(), "labels") == ("misses", "it has none")


def test_a_hold_that_is_over_is_said_to_be():
    old = subject(confidence=5, stored_at=NOW - 4 * DAY)
    assert found(old, "hold weak (for 3 days after it was stored)") == (
        "matches", "its time has passed",
    )  # fmt: skip
    expired = frozenset({"weak"})
    assert found(subject(confidence=5), "hold weak (for 3 days after it was stored)", expired=expired) == (
        "matches", "its hold has expired, which denies",
    )  # fmt: skip
    rules = "  - {name: ask, match: {type: indicator}, hold: {approval: true, approvals: 2, expires: 72h, owner: desk}}\n"
    asked = trace(policy(rules), subject(), context())[-1].steps[0].asked
    assert asked == "hold ask (until 2 persons release it; owner desk; after 3 days: deny)"


def test_a_rule_that_matches_says_its_reason():
    assert found(subject(confidence=5), "hold weak (for 3 days after it was stored)") == (
        "matches", "the desk looks first",
    )  # fmt: skip
    approved = frozenset({"weak"})
    assert found(subject(confidence=5), "hold weak (for 3 days after it was stored)", approved=approved) == (
        "matches", "its hold was released",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "match", "content", "said"),
    [
        ("origin", "{origin: cert-c}", {}, "own"),
        ("type", "{type: malware}", {}, "indicator"),
        ("created_by_ref", "{created_by_ref: identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5}", {}, "it has none"),
        ("pattern_type", "{pattern_type: sigma}", {"pattern_type": "stix"}, "stix"),
        ("indicator_types", "{indicator_types: benign}", {"indicator_types": ["compromised"]}, "compromised"),
        ("marking", f"{{marking: {MITRE}}}", {}, "it has none"),
        ("valid_until", "{valid_until: passed}", {"valid_until": "2027-01-01T00:00:00Z"}, "2027-01-01T00:00:00.000000Z"),
        ("age", "{age: {over: 30 days}}", {"modified": "2026-11-20T12:00:00Z"}, "5 days old"),
        ("absent", "{absent: [name, confidence]}", {"confidence": 5}, "it has confidence"),
        ("when", "{when: 'confidence > 5'}", {"confidence": 5}, "confidence > 5"),
    ],
)  # fmt: skip
def test_every_key_has_words(key: str, match: str, content: dict[str, Any], said: str):
    rules = f"  - {{name: one, match: {match}, allow: true}}\n"
    (rule,) = trace(policy(rules), subject(**content), context())[-1].steps
    (step,) = [one for one in rule.steps if one.asked == key]
    assert (step.answer, step.found) == ("misses", said)


def test_no_key_is_left_without_words():
    """Whoever adds a key says what it found; `collection` is said at the top of every answer."""
    assert set(MatchForm.model_fields) - FINDERS.keys() == {"collection"}


def test_an_expression_without_an_answer_is_shown():
    """It denies, and the tree says which expression and why."""
    rules = "  - {name: one, match: {when: 'object.kill_chain_phases[0] == 1'}, allow: true}\n"
    what = subject(kill_chain_phases=[])
    steps = list(walk(trace(policy(rules), what, context())))
    (failing,) = [step for step in steps if step.asked == "when"]
    assert failing.answer == "fails"
    assert failing.found
    assert isinstance(decide(policy(rules), what, context()), Deny)


def test_each_marking_has_its_level():
    """TLP 1 and 2, labels, statements and what nobody understands."""
    what = subject(
        object_marking_refs=[TLP1["green"], MITRE, UNKNOWN_MARKING], labels=["tlp:amber", "apt"]
    )  # fmt: skip
    steps = trace(
        policy(ceiling=f"{{tlp: green, statements: [{{id: {MITRE}, counts_as: clear}}]}}"),
        what,
        context(),
    )
    (ceiling,) = [step for step in steps if step.asked == "ceiling"]
    assert (ceiling.answer, ceiling.found) == (
        "denied",
        f"marking not understood: {UNKNOWN_MARKING}",
    )
    assert [(step.asked, step.answer) for step in ceiling.steps] == [
        (TLP1["green"], "passed"), (MITRE, "accepted"), (UNKNOWN_MARKING, "denied"),
        ("label tlp:amber", "denied"),
    ]  # fmt: skip
    assert "counts as TLP:CLEAR where there is no TLP" in ceiling.steps[1].found


def test_what_came_from_a_member_and_what_came_from_others():
    assert found(subject(origin="cert-b"), "origin") == (
        "denied", "it came from cert-b: nothing goes back",
    )  # fmt: skip
    assert found(subject(origin="cert-c"), "origin") == ("passed", "it came from cert-c")
    assert found(subject(), "audience", collection="other") == (
        "denied", "the policy does not name other",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, "0 seconds"),
        (61_000_000, "61 seconds"),
        (60_000_000, "1 minute"),
        (2 * 3600 * 10**6, "2 hours"),
        (36 * 3600 * 10**6, "36 hours"),
        (DAY, "1 day"),
        (1_000 * DAY + 5, "1,000 days"),
        (-2 * DAY, "minus 2 days"),
    ],
)
def test_durations_in_words(micros: int, words: str):
    assert lasting(micros) == words


def stands(policy_: Policy, what: Subject, **given_: Any) -> str:
    """What the tree says as a whole: the first question that denies, else what the rules say."""
    steps = trace(policy_, what, context(**given_))
    for step in steps:
        if step.answer == "denied":
            return step.asked
    (asked,) = [step.steps for step in steps if step.asked == "rules"]
    rules = {step.asked.split(" (")[0] for step in asked if step.answer == "matches"}
    for verb in ("deny", "hold", "redact", "allow"):
        for name in sorted(rules):
            if name.startswith(f"{verb} "):
                return name
    return "default"


CONTENT = st.fixed_dictionaries(
    {},
    optional={
        "confidence": st.integers(0, 100),
        "labels": st.lists(st.sampled_from(["draft", "tlp:red", "apt"]), max_size=2),
        "object_marking_refs": st.lists(
            st.sampled_from([*TLP2.values(), MITRE, UNKNOWN_MARKING]), max_size=2
        ),
        "granular_markings": st.sampled_from(
            [[{"selectors": ["name"], "marking_ref": one}] for one in (TLP2["red"], TLP2["clear"])]
        ),
        "name": st.just("n"),
    },
)
REDACTED = """\
  - name: above
    match: {type: [indicator, malware], origin: any}
    redact: {above_ceiling: true, remove: [name]}
  - name: source
    match: {labels: [apt], origin: any}
    redact: {source: true}
"""


def test_what_redaction_takes_is_shown():
    """Each rule with its recipe, what they lift, and what all of them take away together."""
    what = subject(
        labels=["apt", "tlp:ex:chr"],
        created_by_ref="identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5",
        object_marking_refs=[TLP2["green"]],
        granular_markings=[{"selectors": ["name"], "marking_ref": TLP2["red"]}],
        name="n",
    )
    made = policy(REDACTED, ceiling="{tlp: amber}")
    steps = {step.asked: step for step in trace(made, what, context())}
    assert [step.asked for step in steps["rules"].steps] == [
        "redact above (name, what granular markings put above the ceiling)",
        "redact source (the source)",
    ]
    assert steps["ceiling"].answer == "passed"
    assert steps["ceiling"].found == (
        "is TLP:RED, above TLP:AMBER; that is taken away by redaction"
    )
    assert steps["handling"].answer == "passed"
    assert steps["handling"].found.endswith("; lifted by redaction")
    assert steps["redaction"].answer == "by above"
    assert [step.asked for step in steps["redaction"].steps] == [
        "name", "what granular markings put above the ceiling", "the source",
    ]  # fmt: skip
    assert isinstance(decide(made, what, context()), Redact)


def test_what_is_redacted_only_in_doubt_is_said():
    """It needs another rule that allows it."""
    rules = "  - {name: r, match: {mentions: own}, redact: {remove: [abstract], references: cut}}\n"
    made = policy(
        rules,
        more="territories: [own.yaml]\n",
        companions={"own.yaml": "name: Ours\nkind: own\nnetworks: [192.0.2.0/24]\n"},
    )
    last = trace(made, subject("note", content="at 192.0.2.7"), context())[-1]
    assert (last.asked, last.answer) == ("redaction", "by r")
    assert last.found == "it does not permit the object, so that another rule must allow it"
    assert [step.asked for step in last.steps] == ["abstract", "references to what is hidden"]


EXERCISES = """\
  - name: above
    match: {type: indicator}
    redact: {remove: [description]}
  - name: all
    match: {origin: own}
    allow: true
  - name: exercises
    match: {type: indicator, test: true}
    allow: true
    reason: they know it is a drill
"""


def test_an_exercise_is_credited_to_the_rule_that_lets_it_go():
    """The others match it and permit nothing of it: that is said, and what redacts it redacts it all the same."""
    drill = replace(
        subject(description="told by Fox"), binding=Binding(said=SharingTerms(test=True))
    )
    made = policy(EXERCISES)
    answer = decide(made, drill, context())
    assert isinstance(answer, Redact)
    assert (answer.rule, answer.reason) == ("exercises", "they know it is a drill")
    assert answer.recipe.remove == {"description"}
    steps = {step.asked: step for step in trace(made, drill, context())}
    above, everything, exercises = steps["rules"].steps
    assert (
        above.found
        == everything.found
        == ("it permits nothing of an exercise: it has no test: true")
    )
    assert (exercises.answer, exercises.found) == ("matches", "they know it is a drill")
    assert steps["redaction"].found == (
        "it does not permit the object, so that another rule must allow it"
    )
    ordinary = decide(made, subject(description="told by Fox"), context())
    assert isinstance(ordinary, Redact)
    assert ordinary.rule == "above"


@given(
    st.sampled_from(["indicator", "malware", "tool"]), st.sampled_from(["own", "cert-b", "cert-c"]), CONTENT,
    st.sampled_from([RULES, OWN_ALLOWED, ANY_ALLOWED, "", REDACTED]),
)  # fmt: skip
@settings(deadline=None)
def test_the_tree_agrees_with_the_decision(
    kind: str, origin: str, content: dict[str, Any], rules: str
):
    """Whatever the object: the first question that denies is what denied, and the rule that decided matches."""
    made, what = policy(rules), subject(kind, origin=origin, stored_at=NOW, **content)
    decision = decide(made, what, context())
    said = stands(made, what)
    match decision:
        case Allow(rule, _):
            assert said == f"allow {rule}"
        case Redact(rule, _):
            assert said == f"redact {rule}"
        case Hold(rule, _):
            assert said == f"hold {rule}"
        case Deny(rule, _, DenyKind.RULE):
            assert said == f"deny {rule}"
        case Deny(rule, _, _):
            assert said == rule
        case _:
            raise AssertionError(decision)


def drawn(steps: tuple[Step, ...], indent: str = "") -> str:
    lines = ""
    for number, step in enumerate(steps, 1):
        last = number == len(steps)
        said = f" ({step.found})" if step.found else ""
        lines += f"{indent}{'└ ' if last else '├ '}{step.asked}: {step.answer}{said}\n"
        lines += drawn(step.steps, indent + ("  " if last else "│ "))
    return lines


def test_the_guide_shows_the_tree_of_its_own_policy():
    """docs/policy.md, "Why": an indicator of confidence 20 that is marked amber."""
    guide = (Path(__file__).parents[3] / "docs/policy.md").read_text(encoding="utf-8")

    def block(word: str) -> str:
        (text,) = re.findall(rf"^```{word}\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
        return str(text)

    what = subject(confidence=20, object_marking_refs=[TLP2["amber"]])
    made = parse_policy(block("yaml policy"), file="cert-b.yaml")
    assert drawn(trace(made, what, context())) == block("tree")
