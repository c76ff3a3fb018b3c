"""docs/policy-guide.md is run: every policy is read with its files, every object decided, and no key is left out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.unit.policy.making import NOW, TLP2, context, subject

from cert_exchange.policy.companions import gather
from cert_exchange.policy.decide import Allow, Deny, Hold, Redact, decide
from cert_exchange.policy.document import Policy, parse_policy
from cert_exchange.policy.expectations import SUFFIX, broken, parse_expectations
from cert_exchange.policy.forms import (
    AgeForm,
    CeilingForm,
    ConfidenceForm,
    MatchForm,
    PolicyForm,
    RuleForm,
    StatementForm,
)
from cert_exchange.policy.recipes import RedactForm
from cert_exchange.policy.terms import HoldForm
from cert_exchange.stix.instants import parse_micros

GUIDE = (Path(__file__).parents[3] / "docs" / "policy-guide.md").read_text(encoding="utf-8")
FORMS = (
    PolicyForm,
    CeilingForm,
    StatementForm,
    RuleForm,
    MatchForm,
    ConfidenceForm,
    AgeForm,
    HoldForm,
    RedactForm,
)
LEVELS = {"C": "clear", "G": "green", "A": "amber", "S": "amber+strict", "R": "red"}
WORDS = {Allow: "allow", Deny: "deny", Hold: "hold", Redact: "redact"}

Section = tuple[str, dict[str, str], list[tuple[str, str, str]]]
"""its heading, its files by name, its decisions: answer, rule, object"""


def sections() -> list[Section]:
    """Each part of the guide under a heading of the third level."""
    found = []
    for part in re.split(r"^### ", GUIDE, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        body = re.split(r"^## ", body, flags=re.MULTILINE)[0]
        files, decisions = {}, []
        for language, word, text in re.findall(
            r"^```(\w+) (\S+)\n(.*?)^```$", body, re.MULTILINE | re.DOTALL
        ):
            if word == "decided":
                decisions += [_decision(line) for line in text.splitlines()]
            else:
                assert language in {"yaml", "json", "text"}
                files[word.removeprefix("policies/")] = text
        found.append((heading, files, decisions))
    return found


def _decision(line: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"(allow|deny|hold|redact) +(.*?) +(\{.*\})", line)
    assert match is not None, line
    return match[1], match[2], match[3]


def read(files: dict[str, str]) -> Policy:
    """The section's policy is its first file; the others lie beside it."""
    name, text = next(iter(files.items()))
    return parse_policy(text, file=f"policies/{name}", companions=gather(text, files.get))


def _subject(example: str) -> tuple[Any, dict[str, Any]]:
    content = json.loads(example)
    given: dict[str, Any] = {}
    if "in" in content:
        given["collection"] = content.pop("in")
    if "released" in content:
        given["released_at"] = parse_micros(content.pop("released"))
    if "tlp" in content:
        content.setdefault("object_marking_refs", []).append(TLP2[LEVELS[content.pop("tlp")]])
    beside = {"origin": content.pop("from", "own"), "pointing": content.pop("indicators", ())}
    return subject(content.pop("type"), **beside, **content), given


@pytest.mark.parametrize(
    ("files", "answer", "rule", "example"),
    [
        pytest.param(files, *decision, id=f"{heading}: {decision[1]}")
        for heading, files, decisions in sections()
        for decision in decisions
    ],
)
def test_a_decision(files: dict[str, str], answer: str, rule: str, example: str):
    """The object gets the answer that the guide says, by the rule that it says."""
    found = read(files)
    what, given = _subject(example)
    where = {"members": frozenset(found.partners), "collection": found.collections[0], "now": NOW}
    decision = decide(found, what, context(**{**where, **given}))
    assert (WORDS[type(decision)], decision.rule) == (answer, rule), decision.reason


@pytest.mark.parametrize("section", sections(), ids=lambda section: section[0])
def test_a_section(section: Section):
    """It has a policy with its files and at least one answer; the file bears the policy's name."""
    _, files, decisions = section
    found = read(files)
    assert decisions
    assert next(iter(files)) == f"{found.name}.yaml"
    own = {f"{found.name}.yaml", f"{found.name}{SUFFIX}"}
    assert set(gather(next(iter(files.values())), files.get)) == set(files) - own


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(files, id=heading)
        for heading, files, _ in sections()
        if f"cert-b{SUFFIX}" in files
    ],
)
def test_what_is_expected_in_the_guide(files: dict[str, str]):
    """Expectations beside a policy of the guide are met."""
    expected = parse_expectations(files[f"cert-b{SUFFIX}"], file=f"cert-b{SUFFIX}")
    assert broken(read(files), expected, {}, now=NOW) == ()


def test_every_key_has_a_section():
    """Headings name keys; together they name all of them, and none that does not exist."""
    named = [word for heading, _, _ in sections() for word in heading.split(", ")]
    known = {entry.alias or key for form in FORMS for key, entry in form.model_fields.items()}
    assert set(named) == known | {"within"}
