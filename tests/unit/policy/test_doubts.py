"""What `policy check` asks the author about: allowed, and perhaps not meant."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.policy.making import ANY_ALLOWED, NOW, OWN_ALLOWED, policy

from cert_exchange.policy.doubts import warnings_of_policy

FILE = "policies/cert-b.yaml"
CALM = "{tlp: amber, unmarked: amber}"
PARTNERS = ("cert-b", "cert-c")


def said(**given: Any) -> list[str]:
    found = policy(**{"ceiling": CALM, **given})
    return [str(one) for one in warnings_of_policy(found, FILE, now=NOW, partners=PARTNERS)]


def about(rule: str) -> list[str]:
    """What is asked about one rule beside one that allows, without places."""
    return [one.split(": ", 1)[1] for one in said(rules=ANY_ALLOWED + f"  - {rule}\n")]


def test_about_the_whole():
    """Who sees nothing, and what counts as shareable."""

    def all_said(**given: Any) -> str:
        return "\n".join(said(**given))

    assert said() == []
    assert "1:11: the list is empty: nobody sees anything" in all_said(partners="[]")
    assert "what comes from one of them is denied to all" in all_said(partners="[cert-b, cert-c]")
    assert "no rule allows anything" in all_said(rules="")
    assert "TLP:RED is for named readers only" in all_said(ceiling="{tlp: red}")
    low = "{tlp: amber, unmarked: green}"
    assert "3:33: objects that carry no TLP" in all_said(ceiling=low)


def test_a_rule_that_withdraws_by_no_time():
    """The word has no effect."""
    idle = "{name: a, match: {origin: own}, allow: true, withdraw: true}"
    assert about(idle) == ["withdraw has no effect without age or valid_until in match"]


def test_an_instant_that_has_passed():
    """The hold is over before it began; one that is ahead is nothing to ask about."""
    past = "  - {name: a, match: {origin: any}, hold: {until: 2026-11-25T12:00:00Z}}\n"
    assert said(rules=OWN_ALLOWED + past) == [
        f"{FILE}:6:51: that instant has passed, so the rule holds nothing any more"
    ]
    assert said(rules=OWN_ALLOWED + past.replace("12:00:00Z", "12:00:01Z")) == []


@pytest.mark.parametrize(
    ("types", "told"),
    [
        ("[indicator, x-acme]", []),
        ("[malware, indikator]", ["indikator is no type of STIX 2.1; did you mean indicator?"]),
        ("ipv4", ["ipv4 is no type of STIX 2.1; did you mean ipv4-addr?"]),
        ("qqq", ["qqq is no type of STIX 2.1"]),
    ],
)
def test_a_type_that_nobody_defines(types: str, told: list[str]):
    """Everybody may make types up, with x- before their names; others are likely slips."""
    assert about(f"{{name: a, match: {{type: {types}, origin: any}}, deny: true}}") == told


def test_the_place_of_a_type():
    """Of the item, in the file where it stands."""
    rule = "  - {name: a, match: {origin: own, type: [tool, indicater]}, deny: true}\n"
    (one,) = said(rules=OWN_ALLOWED + rule)
    assert one.startswith(f"{FILE}:6:49: indicater is no type")


@pytest.mark.parametrize(
    ("match", "remove", "told"),
    [
        ("type: indicator", "[description, x_acme, labels]", ""),
        ("type: ipv4-addr", "[labels]", ""),
        ("type: x-acme", "[anything]", ""),
        ("type: file", "[hashes.MD5]", ""),
        (
            "type: indicator",
            "[descripton]",
            "descripton is no property of any type by STIX 2.1, so only a custom one is removed; did you mean description?",
        ),
        (
            "type: file",
            "[labels, description]",
            "description is no property of these types by STIX 2.1, so only a custom one is removed",
        ),
        ("labels: [a]", "[contact_information]", ""),
        ("labels: [a]", "[contact_info]", "contact_info is no property of any type"),
    ],
)
def test_a_property_to_remove_that_nothing_has(match: str, remove: str, told: str):
    """A slip of the pen would leave everything there, and look like redacting."""
    found = about(f"{{name: a, match: {{{match}, origin: any}}, redact: {{remove: {remove}}}}}")
    assert (found == []) if not told else found[0].startswith(told), found


@pytest.mark.parametrize(
    ("types", "redact", "told"),
    [
        ("[report, malware]", "{remove: [name]}", ["every report must have name, so all of them are denied"]),
        ("[malware]", "{remove: [name, description]}", []),
        (
            "[x-acme, indicator]",
            "{custom: true}",
            ["STIX 2.1 does not define x-acme, so nobody can tell what is custom in it: all of them are denied"],
        ),
    ],
)  # fmt: skip
def test_a_redaction_that_leaves_nothing(types: str, redact: str, told: list[str]):
    """It would deny, and a rule that denies says so more plainly."""
    assert about(f"{{name: a, match: {{type: {types}, origin: any}}, redact: {redact}}}") == told


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("tlp == 'AMBER'", 'tlp is never "AMBER"; write "amber"'),
        ("tlp != 'TLP:AMBER+STRICT'", 'tlp is never "TLP:AMBER+STRICT"; write "amber+strict"'),
        ("tlp in ['green', 'White']", 'tlp is never "White"; write "clear"'),
        ("tlp == 'purple'", 'tlp is never "purple"; write clear (or white)'),
        ("'Indicator' == type", 'type is never "Indicator"; did you mean indicator?'),
        ("type == 'indicater'", 'type is never "indicater"; did you mean indicator?'),
        ("'APT' in labels", 'labels is never "APT"; labels are small letters here: write apt'),
        ("origin == 'CERT-C'", 'origin is never "CERT-C"; did you mean cert-c?'),
        ("origin == 'cert-d'", 'origin is never "cert-d"; did you mean cert-c?'),
        ("origin == 'any'", 'origin is never "any"; it is own, or the name of the partner'),
        ("origin == 'cert-b'", 'origin is never "cert-b": what came from a member never goes back'),
        ("creator == 'IDENTITY--X'", 'creator is never "IDENTITY--X"; ids are small letters here'),
        (
            "collection == 'Indicators'",
            'collection is never "Indicators"; did you mean indicators?',
        ),
        ("tlp == 'unmarked' || tlp == 'amber+strict'", ""),
        ("type in ['indicator', 'x-acme'] && origin == 'own'", ""),
        ("object.type == 'Indicator' || object.name == tlp", ""),
        ("'apt' in labels && collection == 'reports' && origin == 'cert-c'", ""),
        ("object.name.startsWith('TLP') && labels.exists(l, l == 'X')", ""),
        ("'X' == object.name", ""),
        (r"tlp == '\\x41'", ""),
    ],
)
def test_what_a_name_in_an_expression_never_is(when: str, told: str):
    """A rule that can never match is a hole that nobody sees; what cannot be told is not asked about."""
    quoted = when.replace("'", "''")
    found = about(f"{{name: a, match: {{origin: any, when: '{quoted}'}}, deny: true}}")
    assert (found == []) if not told else found[0].startswith(f"when: {told}"), found


@pytest.mark.parametrize(
    ("others", "hidden"),
    [
        ("{name: all, match: {origin: any}, allow: true}", "rule all"),
        ("{name: who, match: {origin: any, type: [identity, malware]}, allow: true}", "rule who"),
        ("{name: cut, match: {origin: any}, redact: {remove: [description]}}", "rule cut"),
        ("{name: ours, match: {origin: own}, allow: true}", None),
        ("{name: facts, match: {origin: any, type: [malware]}, allow: true}", None),
        ("{name: few, match: {origin: any, labels: public}, allow: true}", None),
        ("{name: cut, match: {origin: any}, redact: {remove: [name]}}", None),
        (
            "{name: all, match: {origin: any}, allow: true}\n  - {name: no, match: {origin: any, type: identity}, deny: true}",
            None,
        ),
        (
            "{name: all, match: {origin: any}, allow: true}\n  - {name: no, match: {origin: own, type: identity}, deny: true}",
            "rule all",
        ),
        (
            "{name: all, match: {origin: cert-c}, allow: true}\n  - {name: no, match: {origin: partners, type: identity}, deny: true}",
            None,
        ),
        ("{name: this, match: {origin: partners}, redact: {source: true}}", "this rule"),
    ],
)
def test_a_source_that_is_hidden_beside_identities_shown_whole(others: str, hidden: str | None):
    """Who sees every identity sees the hidden one: told of the rule that shows them, where it is about the same origins."""
    rule = "{name: informants, match: {origin: cert-c, type: indicator}, redact: {source: true}}"
    found = [one for one in said(rules=f"  - {rule}\n  - {others}\n") if "identities" in one]
    assert bool(found) == (hidden is not None)
    assert hidden is None or any(f": {hidden} shows identities" in one for one in found)


def test_without_the_nodes_partners_their_names_are_not_asked():
    """Letter case still is."""
    for name, count in (("cert-q", 0), ("CERT-Q", 1)):
        rule = (
            f"  - {{name: a, match: {{origin: any, when: 'origin == \"{name}\"'}}, deny: true}}\n"
        )
        found = policy(ANY_ALLOWED + rule, ceiling=CALM)
        assert len(warnings_of_policy(found, FILE, now=NOW)) == count


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ('object.confidence > "50"', "object.confidence is a number by STIX 2.1, and"),
        ('confidence >= "50"', "confidence is a number by STIX 2.1, and"),
        (
            "5 == object.name",
            "object.name is a text by STIX 2.1, and 5 is a number: they are never",
        ),
        (
            'object["name"] < 3',
            'object["name"] is a text by STIX 2.1, and 3 is a number: < between',
        ),
        ('object.labels == "x"', "object.labels is a list by STIX 2.1"),
        ('object.revoked == "true"', "object.revoked is a truth value by STIX 2.1"),
        ('object.count in [1, "2"]', 'object.count is a number by STIX 2.1, and "2" is a text'),
        ('"x" in object.name', "in looks into a list, and object.name is a text by STIX 2.1"),
        ('object.name.contains("x") && size(object.name) > 5', ""),
        ("object.count + 1 > 5 && object.latitude > 5 && confidence == null", ""),
        ('object.x_acme > "a" || object.valid_until > "2026"', ""),
        ('"x" in object.labels && object.labels[0] == "x"', ""),
        ('object.hashes.MD5 == "x" && object.confidence * 2 > 5', ""),
    ],
)
def test_values_of_different_kinds(when: str, told: str):
    """An order between them has no answer, which denies whatever the rule is asked about; equal they never are."""
    found = about(f"{{name: a, match: {{origin: any, when: '{when}'}}, deny: true}}")
    assert (found == []) if not told else found[0].startswith(f"when: {told}"), found


def test_a_mismatch_is_told_with_its_place():
    rule = "  - {name: a, match: {origin: any, when: 'confidence > \"50\"'}, deny: true}\n"
    (found,) = said(rules=ANY_ALLOWED + rule)
    assert found.startswith(f"{FILE}:6:"), found
