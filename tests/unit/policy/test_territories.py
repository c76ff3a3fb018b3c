"""Whose territory an object concerns, and what rules make of it."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.policy.making import context, subject

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.decide import Decision, decide
from cert_exchange.policy.document import Policy, parse_policy
from cert_exchange.policy.territories import Territories, parse_territory

COMPANIONS = {
    "territories/own.yaml": """
name: Our constituency
kind: own
networks: [192.0.2.0/24, 2001:db8:a::/48]
domains: [a.example]
autonomous_systems: [64496]
countries: [AA]
""",
    "territories/b.yaml": """
name: CERT B
kind: partner
partner: cert-b
networks: [203.0.113.0/24]
domains: [b.example]
autonomous_systems: [AS64500]
countries: [BB]
""",
    "territories/c.yaml": "{name: CERT C, kind: partner, partner: cert-c, networks: [100.64.0.0/24]}",
    "territories/protected.yaml": """
name: Government
kind: protected
networks: |
  192.0.2.128/25     # ministries
  # and the parliament
  2001:db8:a:1::/64
domains: |
  gov.a.example
""",
}
NAMED = f"territories: [{', '.join(COMPANIONS)}]\n"


def policy(rules: str, *, more: str = "") -> Policy:
    text = (
        "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: red, unmarked: clear}\n"
        f"{NAMED}{more}rules:\n{rules}"
    )
    return parse_policy(text, file="policies/cert-b.yaml", companions=COMPANIONS)


def decided(rules: str, kind: str = "ipv4-addr", *, more: str = "", **content: Any) -> Decision:
    return decide(policy(rules, more=more), subject(kind, **content), context())


def rule(match: str, verb: str = "allow: true") -> str:
    return f"  - name: it\n    match: {{{match}}}\n    {verb}\n"


def allows(match: str, kind: str = "ipv4-addr", **content: Any) -> bool:
    return decided(rule(match), kind, **content).rule == "it"


def denies(match: str, kind: str = "ipv4-addr", more: str = "", **content: Any) -> bool:
    rules = "  - {name: all, match: {origin: own}, allow: true}\n" + rule(match, "deny: true")
    return decided(rules, kind, more=more, **content).rule == "it"


def concern(kind: str = "ipv4-addr", **content: Any) -> set[str]:
    territories = Territories(
        [parse_territory(text, file=name) for name, text in COMPANIONS.items()], {"cert-b"}
    )
    return set(territories.of(subject(kind, **content)).kinds)


def pattern(text: str) -> dict[str, Any]:
    return {"kind": "indicator", "pattern": text, "pattern_type": "stix"}


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("192.0.2.7", {"own"}),
        ("192.0.2.200", {"own", "protected"}),
        ("192.0.2.0/24", {"own", "protected"}),
        ("192.0.0.0/16", {"own", "protected", "third"}),
        ("203.0.113.9", {"partner"}),
        ("100.64.0.1", {"third"}),
        ("198.51.100.7", {"third"}),
        ("::ffff:203.0.113.9", {"partner"}),
        ("0xcb.0.113.9", {"unknown"}),
    ],
)
def test_an_address(value: str, kinds: set[str]):
    """It concerns each territory that holds a part of it, and the third where none holds it wholly."""
    assert concern(value=value) == kinds


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        ({"kind": "domain-name", "value": "www.b.example"}, {"partner"}),
        ({"kind": "domain-name", "value": "ab.example"}, {"third"}),
        ({"kind": "url", "value": "https://mail.gov.a.example/"}, {"own", "protected"}),
        ({"kind": "email-addr", "value": "x@b.example"}, {"partner"}),
        ({"kind": "autonomous-system", "number": 64500}, {"partner"}),
        ({"kind": "location", "country": "aa"}, {"own"}),
        ({"kind": "malware", "name": "x"}, {"third"}),
        ({"kind": "network-traffic", "src_ref": "ipv4-addr--x"}, {"unknown"}),
        (pattern("[ipv4-addr:value = '203.0.113.9' AND domain-name:value = 'evil.test']"), {"partner", "third"}),
        (pattern("[ipv4-addr:value IN ('203.0.113.9', '192.0.2.7')]"), {"partner", "own"}),
        (pattern("[domain-name:value LIKE '%.a.example']"), {"own", "protected"}),
        (pattern("[domain-name:value LIKE '%.b.example']"), {"partner"}),
        (pattern("[domain-name:value LIKE '%.example']"), {"own", "partner", "protected", "third"}),
        (pattern("[ipv4-addr:value != '203.0.113.9']"), {"partner", "unknown"}),
        (pattern("[file:hashes.MD5 = '79054025255fb1a26e4bc422aef54eb4']"), {"third"}),
    ],
)  # fmt: skip
def test_other_objects(content: dict[str, Any], kinds: set[str]):
    """Names by suffix, systems, countries, and every comparison of a pattern; mixed concern says so."""
    assert concern(**content) == kinds


def test_concerns_is_met_by_any_value_and_concerns_only_by_all():
    """A pattern with a host of theirs and a server elsewhere concerns the partner, though not alone."""
    both = pattern("[ipv4-addr:value = '203.0.113.9' AND ipv4-addr:value = '198.51.100.7']")
    assert allows("concerns: partner", **both)
    assert not allows("concerns_only: partner", **both)
    assert allows("concerns_only: [partner, third]", **both)
    assert allows("concerns_only: partner", value="203.0.113.9")
    assert not allows("concerns: partner", value="100.64.0.1")


def test_what_cannot_be_read_is_never_allowed_and_always_denied_or_held():
    """An allowing rule does not match it unless it says unknown; a denying or holding rule does, whatever it asks."""
    yara = {"kind": "indicator", "pattern": "rule x {}", "pattern_type": "yara"}
    half = pattern("[ipv4-addr:value = '203.0.113.9' OR domain-name:value LIKE 'w%']")
    for unread in (yara, half):
        assert not allows("concerns: [own, partner, third, protected]", **unread)
        assert not allows("concerns_only: [own, partner, third, protected]", **unread)
        assert allows("concerns: unknown", **unread)
        assert denies("concerns: protected", **unread)
        assert denies("concerns_only: third", **unread)
    held = decided(rule("concerns: protected", "hold: approval"), **yara)
    assert held.rule == "it"


def test_what_stands_in_other_objects_is_left_to_them():
    """Network traffic names its hosts by reference: it waits for them, so that a denial of the host stops it as well."""
    traffic = {"kind": "network-traffic", "src_ref": "ipv4-addr--x"}
    assert not allows("concerns: [own, partner, third, protected]", **traffic)
    assert allows("concerns: unknown", **traffic)
    assert not denies("concerns: protected", **traffic)
    assert denies("concerns: unknown", **traffic)
    # Where nobody waits, nothing stops it but the rule itself.
    assert denies("concerns: protected", more="unresolved: allow\n", **traffic)


def test_a_protected_network_inside_our_own_denies_for_all():
    """Denying what is protected leaves the rest of our own territory alone."""
    assert denies("concerns: protected", value="192.0.2.200")
    assert not denies("concerns: protected", value="192.0.2.7")
    assert denies("concerns: protected", "domain-name", value="x.gov.a.example")


def test_the_explanation_says_what_was_hit():
    """Value, network and whose it is; values that lie nowhere and what was not read are said, too."""
    one = policy(rule("concerns: own"))
    concerns = one.rules[0].match.concerns
    assert concerns is not None

    def said(kind: str = "ipv4-addr", **content: Any) -> list[str]:
        return list(concerns.territories.of(subject(kind, **content)).said())

    assert said(value="192.0.2.7") == [
        "192.0.2.7 lies in 192.0.2.0/24 of own territory (Our constituency)"
    ]
    assert said(value="203.0.113.9") == [
        "203.0.113.9 lies in 203.0.113.0/24 of the territory of cert-b (CERT B)"
    ]
    assert said(value="198.51.100.7") == ["198.51.100.7 lies in no territory"]
    assert said("malware") == ["it states no host, name or country"]
    assert said("location", country="AA") == ["AA lies in own territory (Our constituency)"]
    assert "cannot be read" in said("ipv4-addr", value="x y")[-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{name: x, kind: own}", "the territory is empty"),
        (
            "{name: x, kind: ours, domains: [a.example]}",
            "write one of own, partner, third, protected",
        ),
        ("{name: x, kind: partner, domains: [a.example]}", "partner is given exactly when"),
        ("{name: x, kind: own, partner: b, domains: [a.example]}", "partner is given exactly when"),
        (
            "{name: x, kind: own, network: [a.example]}",
            "unknown key network; did you mean networks?",
        ),
        ("{name: x, kind: own, networks: [192.0.2.7/24]}", "as 192.0.2.0/24 has not"),
        ("{name: x, kind: own, networks: [a.example]}", "write a list such as [198.51.100.0/24"),
        ("{name: x, kind: own, networks: 5}", "networks is 5"),
        ("{name: x, kind: own, networks: [{a: b}]}", "a mapping does not do"),
        ("{name: x, kind: own, domains: ['*.a.example']}", "stands for less than a.example does"),
        ("{name: x, kind: own, domains: [192.0.2.7]}", "is an address or a number"),
        ("{name: x, kind: own, autonomous_systems: [0]}", "is no autonomous system"),
        ("{name: x, kind: own, countries: [AAA]}", "is no country"),
    ],
)
def test_a_wrong_territory_is_refused(text: str, message: str):
    """Every mistake is told with what may stand there."""
    with pytest.raises(PolicyInvalid) as caught:
        parse_territory(text, file="territories/x.yaml")
    assert message in caught.value.public


def test_a_mistake_in_lines_is_shown_at_its_line():
    """Long lists are written one entry a line; a mistake among them is found by its number."""
    with pytest.raises(PolicyInvalid) as caught:
        parse_territory(
            "name: x\nkind: own\nnetworks: |\n  192.0.2.0/24\n\n  nonsense\n", file="own.yaml"
        )
    assert [problem.line for problem in caught.value.problems] == [6]


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("concerns: ours", "is no kind of territory; write one of: own, partner, third, protected, unknown"),
        ("concerns: []", "is an empty list"),
        ("concerns: protected", "no territory of kind protected is named"),
        ("concerns: [own, partner]", "no territory of a partner of this policy is named"),
        ("listed: x", "unknown list"),
        ("listed: any", "no list is named under lists"),
    ],
)  # fmt: skip
def test_a_rule_that_could_never_match_is_refused(match: str, message: str):
    """A denial that asks for what the policy does not name would be a hole that nobody sees."""
    text = (
        "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: red}\n"
        f"territories: [territories/c.yaml]\nrules:\n{rule(match, 'deny: true')}"
    )
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(text, file="policies/cert-b.yaml", companions=COMPANIONS)
    assert message in caught.value.public


def test_a_mistake_in_a_territory_is_the_policys():
    """It is shown in the territory's own file, beside the policy's mistakes."""
    broken = {**COMPANIONS, "territories/own.yaml": "{name: x, kind: own, networks: [x y]}"}
    text = (
        f"partners: [cert-b]\ncollections: [indicators]\nceiling: {{tlp: red}}\n{NAMED}"
        f"rules:\n{rule('concerns: own')}"
    )
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(text, file="policies/cert-b.yaml", companions=broken)
    assert "policies/territories/own.yaml:1:" in caught.value.public


def test_a_hundred_thousand_networks_are_read_and_looked_up():
    """One a line, a territory of that size is read in seconds and costs microseconds an object."""
    lines = "\n".join(f"  10.{n >> 8 & 255}.{n & 255}.{(n >> 16) * 16}/28" for n in range(100_000))
    territory = parse_territory(f"name: big\nkind: own\nnetworks: |\n{lines}\n", file="big.yaml")
    territories = Territories([territory], ())
    assert territories.of(subject("ipv4-addr", value="10.134.159.17")).kinds == {"own"}
    assert territories.of(subject("ipv4-addr", value="11.0.0.1")).kinds == {"third"}


_VALUES = st.one_of(
    st.sampled_from(["192.0.2.7", "192.0.2.200", "203.0.113.9", "100.64.0.1", "198.51.100.7"]),
    st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number))),
)
_LAND = {
    "own": [ip_network("192.0.2.0/24")],
    "partner": [ip_network("203.0.113.0/24")],
    "protected": [ip_network("192.0.2.128/25")],
}


def naive(value: str) -> set[str]:
    found = {kind for kind, land in _LAND.items() if any(IPv4Address(value) in one for one in land)}
    return found or {"third"}


@given(
    compared=st.lists(
        st.tuples(st.sampled_from(["=", "IN", "ISSUBSET", "LIKE", "!=", ">", "MATCHES"]), _VALUES),
        min_size=1,
        max_size=5,
    ),
    bind=st.sampled_from([" AND ", " OR ", "] AND [", "] FOLLOWEDBY ["]),
)
def test_patterns_concern_what_their_values_do(compared: list[tuple[str, str]], bind: str):
    """Whatever binds comparisons, each value counts as naively, and each that is not plain makes unknown."""
    ending = {"IN": "('{}')", "LIKE": "'{}'", "MATCHES": "'^{}.*'"}
    written = bind.join(
        f"ipv4-addr:value {operator} {ending.get(operator, chr(39) + '{}' + chr(39)).format(value)}"
        for operator, value in compared
    )
    found = concern(**pattern(f"[{written}]"))
    plain = {"=", "IN", "ISSUBSET", "LIKE", "!="}
    wanted = set().union(*(naive(value) for operator, value in compared if operator in plain))
    if any(operator in {"!=", ">", "MATCHES"} for operator, _ in compared):
        wanted.add("unknown")
    assert found == wanted
