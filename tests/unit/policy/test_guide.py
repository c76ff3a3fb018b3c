"""docs/policy.md is run: every rule with the objects it is about and those it is not, every document, every message."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.unit.policy.making import context, policy, subject

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.collections import parse_collection
from cert_exchange.policy.decide import Allow, Deny, DenyKind, decide
from cert_exchange.policy.document import parse_policy
from cert_exchange.policy.forms import MatchForm

GUIDE = (Path(__file__).parents[3] / "docs" / "policy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str, str]]:
    """Each object of the guide with the rule above it and whether the rule is about it."""
    found, rule = [], ""
    for language, word, text in BLOCKS:
        if (language, word) == ("yaml", "rule"):
            rule = text
        elif language == "json" and word in {"yes", "no", "denied"}:
            found.append((rule, word, text.strip()))
    return found


def blocks(word: str) -> list[str]:
    return [text for _, what, text in BLOCKS if what == word]


COMPANIONS = {
    f"territories/{text.split('kind: ')[1].split()[0]}.yaml": text for text in blocks("territory")
} | {"lists/shorteners.json": blocks("list")[0]}
NAMED = f"territories: [{', '.join(list(COMPANIONS)[:-1])}]\nlists: [lists/shorteners.json]\n"


@pytest.mark.parametrize(("rule", "answer", "example"), examples())
def test_an_example(rule: str, answer: str, example: str):
    """The rule is about the object (yes) or not (no)."""
    content = json.loads(example)
    given = {"origin": content.pop("from", "own"), "pointing": content.pop("indicators", ())}
    what = subject(content.pop("type"), **given, **content)
    indented = "".join(f"    {line}\n" for line in rule.splitlines())
    found = policy("  -\n" + indented, more=NAMED, companions=COMPANIONS)
    decision = decide(found, what, context())
    if answer == "yes":
        assert isinstance(decision, Allow)
    elif answer == "denied":
        assert isinstance(decision, Deny)
        assert decision.kind is DenyKind.RULE
    else:
        assert isinstance(decision, Deny)
        assert decision.kind is DenyKind.DEFAULT


def test_every_match_key_has_a_section_with_a_yes_and_a_no():
    """No key is left unexplained, and no section explains a key that does not exist."""
    keys = {line.removeprefix("### ") for line in GUIDE.splitlines() if line.startswith("### ")}
    assert set(MatchForm.model_fields) == keys - {
        "Holds",
        "Redaction",
        "Time and what is already released",
    }
    for key in MatchForm.model_fields:
        section = GUIDE.split(f"### {key}\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]
        assert "```json yes" in section or "```json denied" in section, key
        assert "```json no" in section, key


def test_the_documents():
    """The example of a policy and of a collection are valid."""
    assert [parse_policy(text, file="cert-b.yaml").name for text in blocks("policy")] == ["cert-b"]
    found = [parse_collection(text, file="x.yaml").alias for text in blocks("collection")]
    assert found == ["indicators"]


@pytest.mark.parametrize("word", ["holding", "redacting"])
def test_a_rule_of_the_guide_is_valid(word: str):
    """What stands there by itself can be copied into a policy."""
    (text,) = blocks(word)
    assert len(policy("  -\n" + "".join(f"    {line}\n" for line in text.splitlines())).rules) == 1


def test_the_messages():
    """The wrong policy is refused with the words that the guide prints."""
    (wrong,) = blocks("wrong")
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(wrong, file="policies/cert-b.yaml")
    printed = [text.strip() for language, _, text in BLOCKS if language == "text"]
    assert printed == [caught.value.public]
