"""Agreements as files, and what their content profile says of an object."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.policy.making import ID, NOW, TLP2, context, subject

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.agreements import Agreement, breaches, is_overdue, parse_agreement
from cert_exchange.policy.decide import Allow, Deny, DenyKind, decide
from cert_exchange.policy.document import parse_policy
from cert_exchange.stix.instants import parse_micros

ROOT = Path(__file__).parents[3]
SHIPPED = (ROOT / "policies/agreements/cert-b.yaml").read_text(encoding="utf-8")
HEAD = """\
partner: cert-b
title: Exchange
parties:
  - {name: CERT A, contacts: [duty@cert-a.example]}
  - {name: CERT B, contacts: [duty@cert-b.example]}
review: 2026-11-25
"""


def agreement(profile: str = "{}", *, more: str = "") -> Agreement:
    return parse_agreement(f"{HEAD}profile: {profile}\n{more}", file="agreements/cert-b.yaml")


def broken(profile: str, kind: str, *, more: str = "", **content: Any) -> list[str]:
    what = {"type": kind, "id": f"{kind}--{ID}", **content}
    return [one.reason for one in breaches(agreement(profile, more=more), what)]


def refused(text: str) -> list[str]:
    with pytest.raises(PolicyInvalid) as caught:
        parse_agreement(text, file="a.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_the_shipped_agreement_says_what_its_file_says():
    """Every key is read; durations are micros."""
    found = parse_agreement(SHIPPED, file="cert-b.yaml")
    assert found.partner == "cert-b"
    assert [party.name for party in found.parties] == ["CERT A", "CERT B"]
    assert found.profile.types is not None
    assert "indicator" in found.profile.types
    assert found.profile.required == {
        "indicator": ("confidence", "valid_until"),
        "sighting": ("last_seen",),
        "observed-data": ("last_observed",),
        "report": ("description",),
    }
    assert (found.embargo, found.retention) == (48 * 3600 * 10**6, 730 * 86_400 * 10**6)
    assert found.onward == "by marking"
    assert found.profile.unmarked is False


def test_its_review_is_due_when_the_day_has_passed():
    """On the day itself it still stands."""
    found = agreement()
    assert not is_overdue(found, NOW)
    assert not is_overdue(found, parse_micros("2026-11-25T23:59:59.999999Z"))
    assert is_overdue(found, parse_micros("2026-11-26T00:00:00Z"))


def test_types():
    """What is not named is a breach, but for what others need."""
    assert broken("{types: [indicator]}", "malware") == ["malware is not among the types"]
    assert broken("{types: [indicator]}", "indicator") == []
    assert broken("{types: [indicator]}", "identity", identity_class="organization") == []
    assert broken("{types: [indicator]}", "marking-definition") == []
    assert broken("{types: [x-ours]}", "x-ours") == []
    assert broken("{}", "x-anything") == []


@pytest.mark.parametrize("value", [None, "", []])
def test_a_required_property_that_is_empty_is_missing(value: object):
    given_ = {} if value is None else {"valid_until": value}
    assert broken("{required: {indicator: [confidence, valid_until]}}", "indicator", confidence=0, **given_) == [
        "indicator needs valid_until"
    ]  # fmt: skip


def test_a_revocation_needs_nothing():
    """It only takes back: a partner that never hears of it goes on using the object."""
    assert broken("{required: {indicator: [confidence]}}", "indicator", revoked=True) == []
    assert broken("{required: {indicator: [confidence]}}", "indicator", revoked=False) != []


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("artifact", {"payload_bin": "AAAA"}),
        ("x-ours", {"deep": [{"er": [{"payload_bin": "AAAA"}]}]}),
        ("email-message", {"is_multipart": False, "body": "Dear sir"}),
        ("email-message", {"is_multipart": True, "body_multipart": [{"body": "Dear sir"}]}),
        ("observed-data", {"objects": {"0": {"type": "artifact", "payload_bin": "AAAA"}}}),
        ("observed-data", {"objects": {"0": {"type": "email-message", "body": "Dear sir"}}}),
        ("indicator", {"pattern": "[artifact:payload_bin = 'AAAA']"}),
        ("indicator", {"pattern": "[email-message:'body' LIKE 'Dear%']"}),
        ("indicator", {"pattern": "[email-message : /* x */ body_multipart[*].body LIKE '%']"}),
    ],
)
def test_payloads_are_found_wherever_they_are(kind: str, content: dict[str, Any]):
    assert broken("{forbidden: payloads}", kind, **content) != []


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("artifact", {"url": "https://files.example/a", "hashes": {"MD5": "0" * 32}}),
        ("email-message", {"is_multipart": False, "subject": "body"}),
        ("email-message", {"is_multipart": True, "body_multipart": [{"content_type": "text/plain"}]}),
        ("indicator", {"pattern": "[network-traffic:extensions.'http-request-ext'.message_body_length > 5]"}),
    ],
)  # fmt: skip
def test_what_is_no_payload_passes(kind: str, content: dict[str, Any]):
    assert broken("{forbidden: payloads}", kind, **content) == []


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("identity", {"identity_class": "individual"}),
        ("identity", {}),
        ("identity", {"identity_class": "unknown"}),
        ("user-account", {"account_login": "someone"}),
        ("email-addr", {"value": "someone@example.com"}),
        ("observed-data", {"objects": {"0": {"type": "email-addr", "value": "a@example.com"}}}),
        ("indicator", {"pattern": "[email-message:from_ref.value = 'a@example.com']"}),
        ("indicator", {"pattern": "[user-account:account_login = 'root']"}),
        ("indicator", {"pattern": "[process:creator_user_ref.user_id = '0']"}),
    ],
)
def test_persons_are_found_wherever_they_are(kind: str, content: dict[str, Any]):
    assert broken("{forbidden: [persons]}", kind, **content) != []


@pytest.mark.parametrize(
    "pattern",
    [
        "[ipv4-addr:value = '198.51.100.7']",
        "[domain-name:resolves_to_refs[*].value = '198.51.100.7']",
        "[ipv4-addr:belongs_to_refs[*].number = 64500]",
        "[network-traffic:src_ref.value = '198.51.100.7']",
    ],
)
def test_hosts_are_no_persons(pattern: str):
    assert broken("{forbidden: persons}", "indicator", pattern=pattern) == []


def test_organizations_are_no_persons():
    assert broken("{forbidden: persons}", "identity", identity_class="organization") == []
    assert (
        broken("{forbidden: persons}", "indicator", pattern="[ipv4-addr:value = '1.1.1.1']") == []
    )


@pytest.mark.parametrize(
    "number",
    [
        "CVE-2024-3094",
        "cve-2024-3094",
        "GHSA-rxwq-x6h5-x525",
        "EUVD-2024-12345",
        "BDU:2024-02511",
        "CNVD-2024-14271",
        "JVNDB-2024-003094",
        "VU#123456",
    ],
)
def test_a_public_number_is_one_of_any_register(number: str):
    profile = "{forbidden: unnumbered-vulnerabilities}"
    external = [{"source_name": "x", "external_id": number}]
    assert broken(profile, "vulnerability", external_references=external) == []
    assert broken(profile, "vulnerability", name=number) == []


@pytest.mark.parametrize("name", ["a hole in our mail server", "CVE-2024", "CVE-PENDING", "x CVE-2024-3094"])  # fmt: skip
def test_a_vulnerability_without_a_public_number_is_a_breach(name: str):
    profile = "{forbidden: unnumbered vulnerabilities}"
    assert broken(profile, "vulnerability", name=name) == [
        "vulnerability has no public number, such as a CVE id"
    ]
    assert broken(profile, "malware", name=name) == []


def test_markings():
    """A level above the agreed one, and none where one is asked for."""
    more = "markings: {tlp: green, unmarked: refuse}\n"
    assert broken("{}", "malware", more=more) == ["malware bears no TLP marking"]
    assert broken("{}", "malware", more=more, object_marking_refs=[TLP2["green"]]) == []
    assert broken("{}", "malware", more=more, labels=["tlp:amber"]) == [
        "malware is TLP:AMBER, above TLP:GREEN"
    ]
    assert broken("{}", "identity", more=more, identity_class="group") == []
    assert broken("{}", "malware", more="markings: {tlp: green}\n") == []


def test_what_cannot_be_read_is_a_breach():
    """Odd custom content never raises and never passes."""
    assert broken("{forbidden: [payloads]}", "email-message", body_multipart=5) != []
    assert broken("{forbidden: unnumbered vulnerabilities}", "vulnerability", external_references=[5]) != []  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "body", "payload_bin", "labels", "pattern", "name", "identity_class"])
        | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["type", "external_references", "pattern", "revoked", "labels", "x"]), JSON
    )
)
def test_no_content_makes_it_raise_and_a_payload_never_passes(content: dict[str, Any]):
    """Whatever stands in an object: an answer, and a breach where `payload_bin` is anywhere."""
    found = breaches(parse_agreement(SHIPPED, file="a.yaml"), content)

    def holds(value: object) -> bool:
        if isinstance(value, dict):
            return "payload_bin" in value or any(holds(inner) for inner in value.values())
        return isinstance(value, list) and any(holds(inner) for inner in value)

    if holds(content):
        assert found


def test_a_breach_holds_no_value_of_the_object():
    """It goes to the sender and into logs."""
    what = {
        "type": "email-message", "body": "SECRET", "payload_bin": "SECRET", "name": "SECRET",
        "labels": ["SECRET"], "pattern": "[email-addr:value = 'SECRET']",
    }  # fmt: skip
    found = breaches(parse_agreement(SHIPPED, file="a.yaml"), what)
    assert len(found) > 3
    assert "SECRET" not in str(found)


def test_all_mistakes_are_named_with_their_place():
    """One look at the file shows them all."""
    text = HEAD.replace("2026-11-25", "soon").replace("partner: cert-b", "partner: CERT B")
    text += "profile:\n  types: [indicator, Indicator]\n  forbidden: [weapons]\nembargo: forever\nonwards: never\n"
    found = refused(text)
    assert [int(re.findall(r":(\d+):", one)[0]) for one in found] == [1, 6, 8, 9, 10, 11]
    assert "did you mean onward?" in found[-1]
    assert "write a list of: payloads, persons, unnumbered vulnerabilities" in found[3]


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("{types: [indicator], required: {malware: [name]}}", "malware is not among the types"),
        ("{types: [indicator, indicator]}", "stands twice"),
        ("{types: [user-account], forbidden: persons}", "about persons, which are forbidden"),
        ("{types: []}", "the list is empty"),
        ("{required: {Malware: [name]}}", "is no STIX type"),
        ("{required: {malware: [Name]}}", "is no property"),
        ("{required: {indicator: [confidense]}}", "did you mean confidence?"),
        ("{required: {ipv4-addr: [pattern]}}", 'STIX 2.1 gives ipv4-addr no property "pattern"'),
    ],
)
def test_what_never_could_pass_is_a_mistake(profile: str, said: str):
    found = refused(f"{HEAD}profile: {profile}\n")
    assert len(found) == 1
    assert said in found[0]


def test_what_somebody_can_give_may_be_required():
    """Properties of STIX, those that observables are often given too, custom ones, and all of custom types."""
    for required in (
        "{indicator: [confidence, valid_until]}",
        "{ipv4-addr: [value, labels, x_seen]}",
        "{marking-definition: [definition]}",
        "{x-alert: [seen]}",
    ):
        parse_agreement(f"{HEAD}profile: {{required: {required}}}\n", file="f.yaml")


@pytest.mark.parametrize("review", ["2026-02-30", "2026-11", "25.11.2026", "2026-11-25T00:00:00Z"])
def test_a_review_is_a_day(review: str):
    (found,) = refused(HEAD.replace("2026-11-25", review) + "profile: {}\n")
    assert "is no day; write a day such as 2027-06-30" in found


POLICY = """\
partners: [{partner}]
collections: [indicators]
ceiling: {{tlp: red, unmarked: clear}}
agreement: agreements/cert-b.yaml
rules:
  - {{name: everything, match: {{origin: any}}, allow: true}}
"""
NAME = "agreements/cert-b.yaml"


def test_what_breaks_the_profile_is_denied_before_any_rule():
    """The reason names the clause; who keeps to it goes by the rules."""
    text = f"{HEAD}profile: {{required: {{indicator: [confidence]}}}}\n"
    policy = parse_policy(
        POLICY.format(partner="cert-b"), file="cert-b.yaml", companions={NAME: text}
    )
    found = decide(policy, subject(), context())
    assert isinstance(found, Deny)
    assert (found.rule, found.kind) == ("agreement", DenyKind.AGREEMENT)
    assert found.reason == "profile.required: indicator needs confidence (agreement with cert-b)"
    assert isinstance(decide(policy, subject(confidence=5), context()), Allow)


def test_a_person_is_not_carried_along_either():
    text = f"{HEAD}profile: {{forbidden: persons}}\n"
    policy = parse_policy(
        POLICY.format(partner="cert-b"), file="cert-b.yaml", companions={NAME: text}
    )
    person = subject("identity", identity_class="individual")
    assert isinstance(decide(policy, person, context(carried=True)), Deny)
    group = subject("identity", identity_class="group")
    assert isinstance(decide(policy, group, context(carried=True)), Allow)


def test_mistakes_of_the_agreement_are_mistakes_of_the_policy():
    """With the agreement's own file, line and column, beside the policy's own."""
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(
            POLICY.format(partner="cert-b").replace("tlp: red", "tlp: purple"), file="policies/cert-b.yaml",
            companions={NAME: HEAD.replace("2026-11-25", "soon") + "profile: {}\n"},
        )  # fmt: skip
    said = [str(problem) for problem in caught.value.problems]
    assert any(one.startswith("policies/agreements/cert-b.yaml:6:9: ") for one in said)
    assert any(one.startswith("policies/cert-b.yaml:3:") for one in said)


def test_the_agreement_is_with_a_partner_of_the_policy():
    with pytest.raises(PolicyInvalid, match="who is not among partners"):
        parse_policy(
            POLICY.format(partner="cert-c"), file="cert-c.yaml", companions={NAME: HEAD + "profile: {}\n"}
        )  # fmt: skip


def test_the_guide_shows_an_agreement_that_is_valid():
    """docs/policy.md: its example has every key."""
    guide = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yaml agreement\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    found = parse_agreement(text, file="cert-b.yaml")
    assert None not in (found.embargo, found.retention, found.onward, found.profile.tlp)


def test_the_shipped_agreement_goes_with_the_shipped_policy():
    """Named by it, the two are valid together."""
    folder = ROOT / "policies"
    beside = {str(f.relative_to(folder)): f.read_text("utf-8") for f in folder.glob("*/*")}
    text = (folder / "cert-b.yaml").read_text("utf-8") + "\nagreement: agreements/cert-b.yaml\n"
    policy = parse_policy(text, file="policies/cert-b.yaml", companions=beside)
    assert policy.agreed == parse_agreement(SHIPPED, file="agreements/cert-b.yaml")
