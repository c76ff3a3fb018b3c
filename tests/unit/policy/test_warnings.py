"""What our desk is warned of before it publishes, kind by kind, and what follows unless the way in says otherwise."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.cautions import DEFAULTS, Of
from cert_exchange.policy.lives import DAY, LIVES
from cert_exchange.policy.screening import BUILT_IN, parse_screen
from cert_exchange.policy.warnings import warnings_of
from cert_exchange.stix.confidence import NAMES, SCALES, value_of, word_for

NOW = "2026-01-01T00:00:00Z"
OWN = "name: Ours\nkind: own\nnetworks: [45.9.0.0/24]\ndomains: [a.example]\n"
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def of_pattern(pattern: str, **more: Any) -> set[str]:
    content = {
        "type": "indicator",
        "id": "indicator--1",
        "pattern": pattern,
        "pattern_type": "stix",
    }
    return {one.of.value for one in warnings_of({**content, **more}, at=NOW)}


@pytest.mark.case("I32")
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ipv4-addr:value = '45.9.1.7']", set()),
        ("[ipv4-addr:value = '8.8.8.8']", {"benign"}),
        ("[ipv4-addr:value = '8.8.8.0/24']", {"benign"}),  # what it takes in, and
        ("[ipv4-addr:value ISSUBSET '9.9.9.9/32']", {"benign"}),  # what it lies in
        ("[ipv6-addr:value = '2001:4860:4860:0:0:0:0:8888']", {"benign"}),
        ("[ipv4-addr:value = '0.0.0.0/0']", {"broad"}),
        ("[ipv4-addr:value = '45.0.0.0/8']", {"broad"}),
        ("[ipv4-addr:value = '45.8.0.0/15']", set()),
        ("[ipv6-addr:value = '::/0']", {"broad"}),
        ("[ipv4-addr:value = '10.0.0.0/8']", {"private"}),
        ("[ipv4-addr:value = '10.1.2.3']", {"private"}),
        ("[ipv4-addr:value = '172.16.0.0/12']", {"private"}),
        ("[ipv4-addr:value = '127.0.0.1']", {"private"}),
        ("[ipv6-addr:value = 'fe80::1']", {"private"}),
        ("[ipv6-addr:value = '::ffff:10.1.2.3']", {"private"}),
        ("[ipv6-addr:value = '64:ff9b::8.8.8.8']", {"benign"}),  # NAT64
        ("[ipv6-addr:value = '64:ff9b::808:800/120']", {"benign"}),
        ("[ipv6-addr:value = '64:ff9b::a01:203']", {"private"}),
        ("[ipv6-addr:value = '64:ff9b::2d09:107']", set()),
        ("[ipv6-addr:value = '64:ff9b::/96']", {"broad"}),
        ("[ipv6-addr:value = '2002:808:808::1']", {"benign"}),  # 6to4
        ("[ipv6-addr:value = '2002:c0a8:101:5::/64']", {"private"}),
        ("[ipv6-addr:value = '2002:2d09:107::1']", set()),
        ("[url:value = 'http://[2002:808:808::1]/a']", {"benign"}),
        ("[ipv4-addr:value = '192.0.2.7']", {"documentation"}),
        ("[ipv6-addr:value = '2001:db8::7']", {"documentation"}),
        ("[network-traffic:dst_ref.value = '192.168.1.1']", {"private"}),
        ("[url:value = 'http://192.168.1.1:8080/gate.php']", {"private"}),
        ("[url:value = 'http://user@[fe80::1]/']", {"private"}),
        ("[domain-name:value = 'router.local']", {"private"}),
        ("[domain-name:value = 'www.EXAMPLE.org']", {"documentation"}),
        ("[domain-name:value = 'com']", {"broad"}),
        ("[domain-name:value = 'co.uk']", {"broad"}),
        ("[domain-name:value LIKE '%.com']", {"broad", "generic"}),
        ("[domain-name:value = 'www.google.com']", {"benign"}),
        ("[domain-name:value = 'evil.github.io']", set()),
        ("[url:value = 'https://drive.google.com/uc?id=1']", set()),
        ("[url:value = 'https://www.google.com/']", {"benign"}),
        (f"[file:hashes.MD5 = '{EMPTY_MD5.upper()}']", {"benign"}),
        (f"[file:hashes.MD5 = '{'0' * 32}']", {"benign"}),
        (f"[file:hashes.'SHA-256' = '{'0' * 64}']", {"benign"}),
        (f"[file:hashes.'SHA-256' = '{'0' * 63}1']", set()),
        ("[domain-name:value = 'dns.google']", {"benign"}),
        ("[domain-name:value = 'a.dns.google']", set()),
        ("[url:value = 'https://dns.google/']", {"benign"}),
        ("[file:name = 'svchost.exe']", {"generic"}),
        ("[file:name = 'a.exe']", {"generic"}),
        ("[file:name = 'dropper7.exe']", set()),
        (f"[file:name = 'svchost.exe' AND file:hashes.MD5 = '{'a1' * 16}']", set()),
        (f"[file:name = 'svchost.exe' OR file:hashes.MD5 = '{'a1' * 16}']", {"generic"}),
        ("[file:size = 5]", {"generic"}),
        ("[network-traffic:dst_port = 443]", {"generic"}),
        ("[url:value MATCHES '^.*$']", {"generic"}),
        ("[url:value LIKE '%x%']", {"generic"}),
        ("[ipv4-addr:value != '45.9.1.7']", {"generic"}),
        ("[email-addr:value = 'anna.miller@corp.de']", {"personal"}),
        ("[email-addr:value = 'invoice.service@corp.de']", set()),
    ],
)  # fmt: skip
def test_what_is_warned_of_in_a_pattern(pattern: str, expected: set[str]) -> None:
    assert of_pattern(pattern) == expected


def test_what_would_alarm_everybody_is_held_and_the_rest_told() -> None:
    """The defaults, as docs/warnings.md states them; without a file they hold as well."""
    held = {"benign", "private", "own", "broad", "context"}
    assert {of.value for of, act in DEFAULTS.items() if act == "hold"} == held
    assert {act for of, act in DEFAULTS.items() if of.value not in held} == {"warn"}
    address = {"type": "ipv4-addr", "id": "ipv4-addr--1", "value": "8.8.8.8"}
    (told,) = BUILT_IN.warned(address, at=NOW)
    assert (told.id, told.of, told.act, told.value) == ("ipv4-addr--1", "benign", "hold", "8.8.8.8")
    assert BUILT_IN.find(address) is None  # what partners send is not asked for warnings


def test_validity_persons_and_our_own_hosts() -> None:
    passed = of_pattern("[ipv4-addr:value = '45.9.1.7']", valid_until="2025-12-31T23:59:59.5Z")
    assert passed == {"expired"}
    assert of_pattern("[ipv4-addr:value = '45.9.1.7']", valid_until="2026-01-01T00:00:01Z") == set()
    person = {"type": "identity", "identity_class": "individual", "name": "Anna Miller"}
    assert [one.of for one in warnings_of(person, at=NOW)] == [Of.PERSONAL]
    text = {"type": "note", "content": "ask anna.miller@corp.de, not abuse-team@corp.de"}
    assert [one.value for one in warnings_of(text, at=NOW)] == ["anna.miller@corp.de"]
    screen = parse_screen(
        "territories: [own.yaml]\n", file="intake.yaml", companions={"own.yaml": OWN}
    )
    ours = {
        "type": "indicator",
        "pattern_type": "stix",
        "pattern": "[ipv4-addr:value = '45.9.0.7']",
    }
    assert [(one.of, one.act) for one in screen.warned(ours, at=NOW)] == [("own", "hold")]
    for carried in ("64:ff9b::45.9.0.7", "2002:2d09:7::1"):
        behind = {**ours, "pattern": f"[ipv6-addr:value = '{carried}']"}
        assert [(one.of, one.act) for one in screen.warned(behind, at=NOW)] == [("own", "hold")]
    assert screen.weighed({**ours, "revoked": True}, None, at=NOW) is None
    told = {
        "type": "infrastructure",
        "name": "relay",
        "description": "the host 45.9.0[.]7, soc@b.example",
    }
    assert [(one.of, one.value) for one in screen.warned(told, at=NOW)] == [("own", "45.9.0.7")]
    assert screen.warned({**told, "type": "note", "content": "it is 45.9.0.7"}, at=NOW) == ()
    file = {"type": "file", "name": "45.9.0.7.exe"}
    rule = {
        "type": "indicator",
        "pattern_type": "snort",
        "pattern": "alert ip 45.9.0.7 any -> any any",
    }
    inside = [
        f"[url:value = 'http://kit.org/?u={one}']"
        for one in ("45.9.0.7", "http%3A%2F%2F45.9.0.7%2F")
    ]
    for one in (file, rule, *({**ours, "pattern": pattern} for pattern in inside)):
        assert [
            (told.of, told.value) for told in screen.warned(one, at=NOW) if told.act == "hold"
        ] in (
            [("own", "45.9.0.7")],
            [("unread", ""), ("own", "45.9.0.7")],
        ), one


def test_an_administrator_says_what_follows_of_each() -> None:
    address = {"type": "ipv4-addr", "id": "ipv4-addr--1", "value": "10.1.2.3"}
    acts = {}
    for act in ("silent", "warn", "hold", "refuse"):
        screen = parse_screen(f"warnings: {{private: {act}}}\n", file="intake.yaml")
        found = screen.weighed(address, None, at=NOW)
        told = [one.act for one in screen.warned(address, at=NOW)]
        acts[act] = (told, None if found is None else found.action)
    assert acts == {
        "silent": ([], None),
        "warn": (["warn"], None),
        "hold": (["hold"], "hold"),
        "refuse": (["refuse"], "refuse"),
    }
    for wrong, said in (
        ("warnings: {privat: hold}", "private"),
        ("warnings: {private: block}", "refuse"),
        ("lives: {ipv5: 3 days}", "ipv"),
        ("lives: {ipv4: soon}", "duration"),
        ("confidence: high", "admiralty"),
        ("unread: pass", "nothing is ever found"),
        ("warnings: {own: hold}", "no territory of kind own"),
    ):
        with pytest.raises(PolicyInvalid) as error:
            parse_screen(wrong + "\n", file="intake.yaml")
        assert said in str(error.value.problems[0])


def test_the_document_says_what_is_so() -> None:
    """Every kind with its default, and an example that can be applied."""
    text = (Path(__file__).parents[3] / "docs/warnings.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z]+)` \|.*\| ([a-z]+) \|$", text, re.MULTILINE))
    assert rows == {of.value: act for of, act in DEFAULTS.items()}
    (example,) = re.findall(r"```yaml intake\n(.*?)```", text, re.DOTALL)
    screen = parse_screen(example, file="intake.yaml")
    assert screen.warnings[Of.BENIGN] == "refuse"
    assert screen.life.revokes_expired


def test_lives_are_by_kind_and_may_have_no_end() -> None:
    screen = parse_screen("lives: {ipv4: 14 days, domain: never}\n", file="intake.yaml")
    assert screen.life.lives["ipv4"] == 14 * DAY
    assert "domain" not in screen.life.lives
    assert screen.life.lives["url"] == LIVES["url"] == 30 * DAY
    assert "sha256" not in LIVES


def test_a_word_of_confidence_is_the_number_of_the_standard() -> None:
    """STIX 2.1, Appendix A: each word's number lies in its own range, and the ranges cover 0 to 100 without a gap."""
    for name, steps in SCALES.items():
        covered = [number for one in steps for number in range(one.first, one.last + 1)]
        assert sorted(covered) == list(range(101)), name
        assert all(word_for(one.value, name) == one.text for one in steps)
    assert value_of("Med", "low-medium-high") == 50
    assert value_of(" Highly  Likely ", "estimative") == 90
    assert value_of("2", "admiralty") == value_of("probably true", "admiralty") == 70
    assert value_of("7", "ten") == 70
    assert value_of("70", "percent") == value_of("70", "dni") == 70
    for text in ("", "101", "-1", "1e2", "sure"):
        assert all(value_of(text, name) is None for name in NAMES)


def test_hostile_texts_are_looked_at_in_linear_time() -> None:
    """Half a megabyte of what nearly matches, in every place that is read."""
    for text in ("a." * 250_000, "a" * 500_000 + "@", "aa.bb@" * 80_000, "http://" + "a" * 500_000):
        began = time.process_time()
        warnings_of({"type": "note", "content": text}, at=NOW)
        warnings_of({"type": "url", "value": text}, at=NOW)
        warnings_of({"type": "domain-name", "value": text}, at=NOW)
        assert time.process_time() - began < 1
