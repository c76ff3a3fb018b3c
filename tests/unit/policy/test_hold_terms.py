"""`hold:` in all its forms: what may stand there, what it means, and what is refused with which words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.policy.making import NOW, decided, subject

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.document import HoldTerms, parse_policy
from cert_exchange.policy.rules import Allow, Deny, DenyKind, Hold

HOUR = 3_600_000_000
GUIDE = Path(__file__).parents[3] / "docs" / "policy.md"


def rules(hold: str) -> str:
    return f"  - name: w\n    match: {{origin: own}}\n    hold: {hold}\n  - name: all\n    match: {{origin: own}}\n    allow: true\n"


def terms(hold: str) -> HoldTerms | None:
    text = "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: amber}\nrules:\n" + rules(
        hold
    )
    return parse_policy(text, file="cert-b.yaml").rules[0].hold


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("approval", HoldTerms(approval=True)),
        ("Approval", HoldTerms(approval=True)),
        ("{approval: true}", HoldTerms(approval=True)),
        ("{for: 2h}", HoldTerms(duration=2 * HOUR)),
        ("{for: 2h, after: modified}", HoldTerms(duration=2 * HOUR, after="modified")),
        ("{for: 2h, owner: desk}", HoldTerms(duration=2 * HOUR, owner="desk")),
        ("{until: 1970-01-01T01:00:00Z}", HoldTerms(until=HOUR)),
        ("{approval: true, expires: 1h}", HoldTerms(approval=True, expires=HOUR, then="deny")),
        (
            "{approval: true, owner: duty, expires: 1h, then: release, approvals: 2}",
            HoldTerms(approval=True, owner="duty", expires=HOUR, then="release", approvals=2),
        ),
    ],
)
def test_what_may_stand_there(written: str, meant: HoldTerms) -> None:
    assert terms(written) == meant


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("7", "hold is 7; write {for: 3 days}"),
        ("never", 'hold is "never"; write'),
        ("{owner: x}", "hold is a mapping; write"),
        ("{for: 2h, approval: true}", "hold is a mapping; write"),
        ("{approval: false}", "approval is false, so nothing ends it; write"),
        ("{until: 2026-01-01T00:00:00Z, after: stored}", "give for, or leave after out"),
        ("{for: 2h, expires: 3h}", "belong to {approval: true}"),
        ("{for: 2h, approvals: 2}", "belong to {approval: true}"),
        ("{approval: true, then: release}", "give expires, or leave then out"),
        ("{approval: true, approvals: 0}", "approvals is 0; write how many persons"),
        ("{approval: true, approvals: 6}", "approvals is 6; write how many persons"),
        ("{approval: true, approvals: true}", "approvals is true; write how many persons"),
        ("{approval: true, expires: soon}", '"soon" is no duration'),
        ("{approval: true, expires: 1h, then: forget}", 'then is "forget"; write deny or release'),
        ("{for: 2h, after: lunch}", 'after is "lunch"; write stored or modified'),
        ("{approval: true, ownr: x}", "unknown key ownr; did you mean owner?"),
        ("{approval: true, owner: 7}", "owner"),
    ],
)
def test_what_is_refused_and_with_which_words(written: str, said: str) -> None:
    """Each with the line of the key."""
    with pytest.raises(PolicyInvalid) as caught:
        terms(written)
    (problem,) = caught.value.problems
    assert said in problem.message
    assert problem.line == 7


def test_a_time_after_a_change_counts_from_there() -> None:
    """Modified long ago: it has passed; a change to come holds longer than storage would."""
    old = subject(modified="2020-01-01T00:00:00Z")
    assert isinstance(decided(rules("{for: 1h, after: modified}"), old), Allow)
    fresh = subject(modified="2026-11-25T11:30:00Z")
    answer = decided(rules("{for: 1h, after: modified}"), fresh)
    assert isinstance(answer, Hold)
    assert answer.due == NOW + HOUR // 2


def test_what_expired_without_an_approval_is_denied() -> None:
    """A rule whose hold was denied denies; one that was approved neither holds nor denies."""
    hold = "{approval: true, expires: 1h}"
    answer = decided(rules(hold), subject(), expired=frozenset({"w"}))
    assert answer == Deny(
        "w", "by rule w; nobody released it before its hold expired", DenyKind.RULE
    )
    both = {"expired": frozenset({"w"}), "approved": frozenset({"w"})}
    assert isinstance(decided(rules(hold), subject(), **both), Allow)
    assert isinstance(decided(rules(hold), subject(), expired=frozenset({"other"})), Hold)


def test_the_document_s_examples_are_rules() -> None:
    """Each block of docs/policy.md that is called `holding`."""
    found = re.findall(r"^```yaml holding\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    for text in found:
        indented = "".join(f"    {line}\n" for line in text.splitlines())
        policy = parse_policy(
            "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: amber}\nrules:\n  -\n"
            + indented,
            file="x.yaml",
        )
        assert policy.rules[0].hold is not None
