"""Expectations beside a policy: what they ask, and what is said when one is broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.document import Policy, parse_policy
from cert_exchange.policy.expectations import broken, parse_expectations

NOW = 1_764_072_000_000_000  # 2025-11-25T12:00:00Z
POLICY = """\
name: cert-b
partners: [cert-b]
collections: [indicators, reports]
ceiling: {tlp: green, unmarked: green}
rules:
  - name: Not yet
    match: {type: indicator, labels: [draft]}
    hold: approval
    reason: The desk looks first
  - name: Fresh
    match: {type: indicator, age: {under: 30 days}}
    allow: true
"""


def policy() -> Policy:
    return parse_policy(POLICY, file="cert-b.yaml")


def told(text: str, **files: list[dict[str, object]]) -> list[str]:
    expectations = parse_expectations(text, file="cert-b.expect.yaml")
    named = {f"{name}.json": objects for name, objects in files.items()}
    return [str(one) for one in broken(policy(), expectations, named, now=NOW)]


def test_what_holds_is_silent() -> None:
    """Each answer, by its rule, for what is written beside it."""
    assert not told(
        """\
expectations:
  - name: our indicators
    object: {type: indicator, modified: "2025-11-20T00:00:00Z"}
    collection: indicators
    expect: allow
    rule: Fresh
  - object: {type: indicator, labels: [Draft]}
    partner: cert-b
    collection: reports
    expect: hold
    rule: Not yet
  - object: {type: indicator, labels: ["TLP:AMBER"]}
    collection: indicators
    expect: deny
    rule: ceiling
  - object: {type: indicator}
    origin: cert-c
    collection: indicators
    expect: deny
    rule: default
  - object: {type: indicator, modified: "2025-11-20T00:00:00Z"}
    collection: indicators
    at: 2026-11-25T12:00:00Z
    expect: deny
"""
    )


def test_what_is_broken_names_place_answer_and_rule() -> None:
    """The line of `expect`, what was expected, and which rule says otherwise and why."""
    assert told(
        """\
expectations:
  - name: drafts stay here
    object: {type: indicator, labels: [draft]}
    collection: indicators
    expect: deny
  - object: {type: indicator}
    collection: indicators
    expect: allow
    rule: Not yet
"""
    ) == [
        'cert-b.expect.yaml:5:13: drafts stay here: expected deny, and the policy holds it (rule "Not yet": The desk looks first)',
        'cert-b.expect.yaml:8:13: expectation 2: the policy allows it as expected, but by another rule (rule "Fresh")',
    ]


REDACTING = """\
partners: [cert-b]
collections: [indicators]
ceiling: {tlp: green, unmarked: green}
rules:
  - name: Ours
    match: {origin: own}
    redact: {remove: [description, hashes.MD5], above_ceiling: true, source: true}
"""
INDICATOR = (
    "{type: indicator, name: n, pattern: \"[file:name = 'x']\", pattern_type: stix,"
    " valid_from: '2025-11-20T00:00:00Z', MORE}"
)


def redacted(body: str, without: str = "", expect: str = "redact") -> list[str]:
    """What is said of one expectation about an object, by a policy that redacts."""
    text = f"expectations:\n  - object: {body}\n    expect: {expect}\n"
    text += f"    without: {without}\n" if without else ""
    made = parse_policy(REDACTING, file="cert-b.yaml")
    found = broken(made, parse_expectations(text, file="x.expect.yaml"), {}, now=NOW)
    return [str(one) for one in found]


def test_what_redaction_leaves_is_asked() -> None:
    """What must be gone is looked for in what is left, not in the recipe."""
    whole = INDICATOR.replace("MORE", "description: secret things")
    assert not redacted(whole, "[description, x_other]")
    assert redacted(whole, "[description, name, pattern]") == [
        "x.expect.yaml:4:14: expectation 1: name, pattern is still there"
    ]
    hashes = "{type: file, hashes: {MD5: d41d8cd98f00b204e9800998ecf8427e, SHA-1: da39a3ee5e6b4b0d3255bfef95601890afd80709}}"
    assert not redacted(hashes, "hashes.MD5")
    assert redacted(hashes, "[hashes.SHA-1]") != []


def test_what_redaction_cannot_do_is_a_denial() -> None:
    """And what it leaves untouched is allowed: the answer is what the partner gets, not what a rule hopes."""
    (said,) = redacted(INDICATOR.replace("MORE", "description: '[file:name = ''x'']'"))
    assert "expected redact, and the policy denies it" in said
    untouched = INDICATOR.replace("MORE", "confidence: 5")
    (said,) = redacted(untouched)
    assert "expected redact, and the policy allows it" in said
    assert not redacted(untouched, expect="allow")
    mark = "'marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1'"
    high = INDICATOR.replace(
        "MORE", f"confidence: 5, granular_markings: [{{selectors: [pattern], marking_ref: {mark}}}]"
    )
    (said,) = redacted(high)
    assert "the policy denies it" in said


def test_what_may_be_cut_is_redacted_from_the_start() -> None:
    """Its id stays when something of it becomes hidden; with one reference alone there is nothing to cut."""
    refs = [f"malware--6b616fc1-1505-48e3-8b2c-0d19337bff3{n}" for n in (7, 8)]
    made = parse_policy(
        REDACTING.replace("remove: [description, hashes.MD5]", "references: cut"),
        file="cert-b.yaml",
    )
    for count, answer in ((1, "allow"), (2, "redact")):
        text = (
            "expectations:\n  - object: {type: report, name: r, published: '2025-11-20T00:00:00Z',"
            f" object_refs: [{', '.join(refs[:count])}]}}\n    expect: {answer}\n"
        )
        expected = parse_expectations(text, file="x.expect.yaml")
        assert broken(made, expected, {}, now=NOW) == ()


def test_of_half_an_object_only_the_decision_is_asked() -> None:
    """What would be left of it nobody can tell, and a `without` is not passed over."""
    assert not redacted("{type: indicator, description: x}")
    (said,) = redacted("{type: indicator, description: x}", "[description]")
    assert said.startswith("x.expect.yaml:4:14: expectation 1: what is left of it cannot be told")
    assert "pattern" in said


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("partner: cert-c", 'the policy has no partner "cert-c"; did you mean cert-b?'),
        ("rule: Frehs", 'the policy has no rule "Frehs"; '),
    ],
)
def test_what_cannot_be_asked_is_broken(line: str, message: str) -> None:
    """A name that the policy does not know is never passed over."""
    (one,) = told(
        f"expectations:\n  - object: {{type: indicator}}\n    collection: indicators\n    {line}\n    expect: allow\n"
    )
    assert f"cert-b.expect.yaml:4:{len(line.split(maxsplit=1)[0]) + 6}: " in one
    assert message in one


def test_a_collection_must_be_said_where_there_are_several() -> None:
    (one,) = told("expectations:\n  - object: {type: indicator}\n    expect: allow\n")
    assert "say for which collection" in one


def test_each_object_of_a_file_is_asked() -> None:
    """A file may be a bundle: the id tells which object broke it; an empty or missing file is broken too."""
    text = "expectations:\n  - file: all.json\n    collection: indicators\n    expect: allow\n"
    fresh = {"type": "indicator", "id": "indicator--1"}
    (one,) = told(text, all=[fresh, {"type": "malware", "id": "malware--2"}])
    assert "malware--2: expected allow, and the policy denies it" in one
    assert not told(text, all=[fresh])
    assert "is not there" in told(text)[0]
    assert "is not there" in told(text, all=[])[0]


def test_the_example_of_the_guide_is_met_by_its_policy() -> None:
    """docs/policy.md shows a policy and what is expected of it."""
    guide = (Path(__file__).parents[3] / "docs" / "policy.md").read_text(encoding="utf-8")
    blocks = dict(
        re.findall(r"^```yaml (policy|expectations)\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    )
    shown = parse_policy(blocks["policy"], file="cert-b.yaml")
    expectations = parse_expectations(blocks["expectations"], file="cert-b.expect.yaml")
    assert len(expectations.items) == 3
    assert broken(shown, expectations, {}, now=NOW) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("expectations: [{expect: allow}]", "exactly one of them"),
        ("expectations: [{object: {type: indicator}, file: a.json, expect: allow}]", "exactly one"),
        ("expectations: [{object: {name: x}, expect: allow}]", "is no STIX object"),
        (
            "expectations: [{object: {type: indicator}, expect: maybe}]",
            "allow, deny, hold or redact",
        ),
        (
            "expectations: [{object: {type: indicator}, expect: allow, without: name}]",
            "without says what redaction takes away",
        ),
        ("expectations: [{object: {type: a-b}, expect: redact, without: []}]", "empty list"),
        ("expectations: [{object: {type: a-b}, expect: redact, without: ['a b']}]", "no property"),
        ("expectations: [{object: {type: indicator}, expekt: allow}]", "did you mean expect?"),
        ("expectations: [{file: ../a.json, expect: allow}]", "names no file beside this one"),
        ("- a", "no mapping"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(PolicyInvalid, match=r"cert-b\.expect\.yaml:1:\d+: ") as refused:
        parse_expectations(text + "\n", file="cert-b.expect.yaml")
    assert message in str(refused.value)
