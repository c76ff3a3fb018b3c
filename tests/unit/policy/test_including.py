"""Files that a policy names: what they add, what is refused and where, and what belongs to one version."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.policy.making import MITRE, NOW, UNKNOWN_MARKING, context, subject

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.companions import FILE_LIMIT, SIZE_LIMIT, digest_of, gather
from cert_exchange.policy.decide import Allow, Deny, decide
from cert_exchange.policy.document import (
    Policy,
    parse_policy,
    problems_of_names,
)
from cert_exchange.policy.doubts import warnings_of_policy

HEAD = "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: red, unmarked: clear}\n"
OURS = "rules:\n  - {name: ours, match: {origin: own}, allow: true}\n"
NO_DRAFTS = "rules:\n  - {name: No drafts, match: {origin: any, labels: draft}, deny: true}\n"


def parse(text: str, **companions: str) -> Policy:
    named = {name.replace("__", "/") + ".yaml": body for name, body in companions.items()}
    return parse_policy(text, file="policies/cert-b.yaml", companions=named)


def refused(text: str, **companions: str) -> list[str]:
    with pytest.raises(PolicyInvalid) as caught:
        parse(text, **companions)
    return [str(problem) for problem in caught.value.problems]


def test_the_rules_of_an_included_file_count():
    """A denial that stands in a shared file denies as if it stood in the policy."""
    found = parse(HEAD + "include: [base/rules.yaml]\n" + OURS, base__rules=NO_DRAFTS)
    assert [rule.name for rule in found.rules] == ["ours", "No drafts"]
    assert isinstance(decide(found, subject(), context()), Allow)
    denied = decide(found, subject(labels=["Draft"]), context())
    assert isinstance(denied, Deny)
    assert denied.rule == "No drafts"


def test_the_statements_of_an_included_file_are_accepted():
    """What the shared file says is understood passes the ceiling, and nothing else does."""
    text = HEAD + "include: base.yaml\n" + OURS
    found = parse(text, base=f"ceiling: {{statements: [{{id: {MITRE}, counts_as: green}}]}}\n")
    assert isinstance(decide(found, subject(object_marking_refs=[MITRE]), context()), Allow)
    unknown = decide(found, subject(object_marking_refs=[UNKNOWN_MARKING]), context())
    assert isinstance(unknown, Deny)


def test_two_levels_and_a_file_that_two_name():
    """An included file may include others; each counts once."""
    text = HEAD + "include: [one.yaml, two.yaml]\n" + OURS
    found = parse(
        text,
        one="include: shared.yaml\n",
        two="include: [shared.yaml]\n",
        shared=NO_DRAFTS,
    )
    assert [rule.name for rule in found.rules] == ["ours", "No drafts"]


def test_what_is_missing_is_named_with_its_place():
    """Line and column of the name, in the file that names it; a name inside an included file is seen from the policy's folder."""
    text = HEAD + "include: [base/gone.yaml]\nagreement: agreements/cert-b.yaml\n" + OURS
    assert refused(text) == [
        'policies/cert-b.yaml:4:11: the file "base/gone.yaml" is not there; it is looked for beside the policy',
        'policies/cert-b.yaml:5:12: the file "agreements/cert-b.yaml" is not there; it is looked for beside the policy',
    ]
    text = HEAD + "include: base/one.yaml\n" + OURS
    assert refused(text, base__one="include: [base/two.yaml]\n") == [
        'policies/base/one.yaml:1:11: the file "base/two.yaml" is not there; it is looked for beside the policy'
    ]


@pytest.mark.parametrize(
    "name",
    ["../rules.yaml", "/etc/passwd", "base/../../x.yaml", "base//x.yaml", ".hidden", "base\\x", "", "5", "a/", "~/x"],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(name: str):
    """Only what lies below the policy's folder may be named, and nothing else is asked for."""
    text = HEAD + f"include: ['{name}']\nterritories: '{name}'\n" + OURS
    asked: list[str] = []
    gather(text, asked.append)
    found = refused(text)
    if name == "5":  # a file may be called so
        assert asked == ["5"]
        return
    assert asked == []
    assert len(found) == 2
    assert all("names no file beside this one; write a path inside" in one for one in found)


def test_a_name_of_two_rules_is_told_with_both_places():
    """The shared file's rule, and where the first of that name stands."""
    text = HEAD + "include: base.yaml\n" + OURS
    base = "rules:\n  - {name: OURS, match: {labels: draft}, deny: true}\n"
    assert refused(text, base=base) == [
        'policies/base.yaml:2:12: rule "OURS" stands twice, first in policies/cert-b.yaml, line 6; keep one'
    ]


def test_the_mistakes_of_all_files_at_once():
    """Each with its file, the policy's own first."""
    text = HEAD.replace("red", "purple") + "include: [a.yaml, b.yaml, c.yaml]\n" + OURS
    found = refused(
        text,
        a="rules:\n  - {name: x, match: {typ: malware}, deny: true}\n",
        b="partners: [cert-b]\nrules: []\n",
        c="rules: [\n",
    )
    assert [line.partition(": ")[0] for line in found] == [
        "policies/cert-b.yaml:3:16",
        "policies/a.yaml:2:23",
        "policies/b.yaml:1:1",
        "policies/c.yaml:2:1",
    ]
    assert "unknown key partners" in found[2]


def test_a_file_sets_no_level_of_its_own():
    """How much is shared stands in the policy alone."""
    text = HEAD + "include: base.yaml\n" + OURS
    (found,) = refused(text, base="ceiling: {tlp: red, statements: []}\n")
    assert found.startswith("policies/base.yaml:1:11: unknown key tlp")


def test_circles_and_depth():
    """No file includes itself, on whatever way, and three levels are too many."""
    text = HEAD + "include: a.yaml\n" + OURS
    (found,) = refused(text, a="include: a.yaml\n")
    assert found == (
        'policies/a.yaml:1:10: "a.yaml" includes itself, by way of a.yaml; take it out'
    )
    (found,) = refused(text, a="include: b.yaml\n", b="include: a.yaml\n")
    assert found.endswith('"a.yaml" includes itself, by way of a.yaml and b.yaml; take it out')
    (found,) = refused(text, a="include: b.yaml\n", b="include: c.yaml\n", c=NO_DRAFTS)
    assert found.endswith('"b.yaml" is included by an included file and may include no more')


def test_rules_are_checked_across_the_files():
    """A policy that allows partners' objects makes every denial say whose objects it means, also an included one."""
    rules = "rules:\n  - {name: theirs, match: {origin: partners}, allow: true}\n"
    silent = "rules:\n  - {name: No drafts, match: {labels: draft}, deny: true}\n"
    (found,) = refused(HEAD + "include: base.yaml\n" + rules, base=silent)
    assert found.startswith("policies/base.yaml:2:30: without origin this rule is about our own")


def test_a_shared_file_may_speak_of_every_partner():
    """What came from cert-b never goes back to cert-b, whatever the file says: no mistake there, one in the policy."""
    base = "rules:\n  - {name: No drafts of B, match: {origin: [cert-b, cert-c], labels: draft}, deny: true}\n"
    assert parse(HEAD + "include: base.yaml\n" + OURS, base=base).rules
    assert "never goes back" in refused(HEAD + base)[0]


def test_names_and_warnings_of_an_included_file_have_its_place():
    """An unknown partner, and a withdraw without effect."""
    base = (
        "rules:\n"
        "  - name: x\n    match: {origin: [cert-q], labels: draft}\n    deny: true\n    withdraw: true\n"
    )
    found = parse(HEAD + "include: base.yaml\n" + OURS, base=base)
    (problem,) = problems_of_names(found, {"cert-b"}, {"indicators"}, "policies/cert-b.yaml")
    assert str(problem).startswith('policies/base.yaml:3:22: unknown partner "cert-q"')
    warned = [str(one) for one in warnings_of_policy(found, "policies/cert-b.yaml", now=NOW)]
    assert (
        "policies/base.yaml:5:15: withdraw has no effect without age or valid_until in match"
        in warned
    )


def test_there_are_limits():
    """Files, bytes and rules, all together."""
    many = {f"f{number}": "rules: []\n" for number in range(FILE_LIMIT + 1)}
    names = ", ".join(f"{name}.yaml" for name in many)
    (found,) = refused(HEAD + f"include: [{names}]\n" + OURS, **many)
    assert f"more than {FILE_LIMIT} other files are named" in found
    text = HEAD + "lists: long.yaml\n" + OURS
    assert "may be" in refused(text, long="x" * (SIZE_LIMIT + 1))[0]
    rules = "rules:\n" + "".join(
        f"  - {{name: r{number}, match: {{labels: draft}}, deny: true}}\n" for number in range(500)
    )
    (found,) = refused(HEAD + "include: base.yaml\n" + OURS, base=rules)
    assert found == (
        "policies/cert-b.yaml:4:10: 501 rules with those of the included files; 500 may be"
    )


def test_a_zero_byte_is_no_text():
    """PostgreSQL keeps no such text, and no list needs one."""
    assert "zero byte" in refused(HEAD + "lists: a.yaml\n" + OURS, a="x\x00")[0]


def test_only_what_is_named_is_asked_for():
    """Reading goes on through included files, and stops where no file is named."""
    files = {
        "base.yaml": "include: [more.yaml]\nterritories: [never.yaml]\n",
        "more.yaml": "include: [too-deep.yaml]\n",
        "own.yaml": "include: [never.yaml]\n",
        "too-deep.yaml": "",
    }
    text = HEAD + "include: base.yaml\nterritories: [own.yaml, gone.yaml]\n" + OURS
    assert gather(text, files.get).keys() == {"base.yaml", "more.yaml", "own.yaml"}
    assert gather("a: [", files.get) == {}


names = st.text("ab/", min_size=1, max_size=4)
texts = st.dictionaries(names, st.text("ab/\x00", max_size=4), max_size=3)


@given(texts, texts)
def test_the_digest_tells_files_apart(one: dict[str, str], other: dict[str, str]):
    """Equal digests exactly for equal names with equal texts, in whatever order they were read."""
    assert (digest_of(one) == digest_of(other)) == (one == other)
    assert digest_of(dict(reversed(one.items()))) == digest_of(one)
    assert (digest_of(one) is None) == (not one)
