"""Indicators as values of a list: which, and why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cert_exchange.outputs.expressing import Expressed, express

MD5 = "d41d8cd98f00b204e9800998ecf8427f"
SHA256 = "a" * 64


def said(pattern: str, *, simple: bool = False, language: str = "stix") -> Expressed:
    content: dict[str, Any] = {
        "type": "indicator", "id": "indicator--11111111-1111-4111-8111-111111111111", "pattern": pattern,
        "pattern_type": language,
    }  # fmt: skip
    return express(content, simple=simple)


@pytest.mark.parametrize(
    ("pattern", "kind", "text"),
    [
        ("[ipv4-addr:value = '192.0.2.8']", "ipv4", "192.0.2.8"),
        ("[ipv4-addr:value ISSUBSET '192.0.2.0/24']", "ipv4", "192.0.2.0/24"),
        ("[ipv6-addr:value = '2001:DB8:0:0::1']", "ipv6", "2001:db8::1"),
        ("[domain-name:value = 'Bücher.example']", "domain", "xn--bcher-kva.example"),
        ("[url:value = 'HTTP://Evil.example/A']", "url", "http://evil.example/A"),
        ("[email-addr:value = 'a@example.org']", "email", "a@example.org"),
        (f"[file:hashes.'MD5' = '{MD5.upper()}']", "md5", MD5),
        (f"[file:hashes.'SHA-256' = '{SHA256}']", "sha256", SHA256),
        (f"[x509-certificate:hashes.'SHA-256' = '{SHA256}']", "certificate", SHA256),
        ("[file:name = 'a b.exe']", "file-name", "a b.exe"),
        ("[autonomous-system:number = 64496]", "asn", "AS64496"),
        ("[windows-registry-key:key = 'HKLM\\\\Software\\\\x']", "registry-key", "HKEY_LOCAL_MACHINE\\Software\\x"),
        ("[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'x y']", "user-agent", "x y"),
    ],
)  # fmt: skip
def test_the_usual_paths_are_values(pattern: str, kind: str, text: str) -> None:
    """As intake spells them."""
    found = said(pattern)
    assert [(str(one.kind), one.text) for one in found.values] == [(kind, text)]
    assert found.unsaid is None


@pytest.mark.case("I09", "I20", "I27")
@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[file:hashes.'SHA-256' = 'AA76']", "what stands there as sha256 is none"),
        ("[file:name='a.exe' AND file:size=5]", "a pattern that says more than one of several values"),
        ("[file:name='a'] FOLLOWEDBY [file:name='b']", "a pattern that says more than one of several values"),
        ("[process:command_line = 'x']", "a comparison of 'process':'command_line'"),
        ("[ipv4-addr:value = '0.0.0.0/0']", "a network that is too wide for a list that machines obey"),
        ("[ipv4-addr:value = '10.1.2.3']", "an address that is in use inside networks, or by no host"),
        ("[ipv6-addr:value = '::1']", "an address that is in use inside networks, or by no host"),
        ("[file:name = ", "a pattern that cannot be read"),
        ("[x509-certificate:hashes.'SHA-1' = 'short' AND file:size = 5]", "a pattern that says more than one of several values"),
    ],
)  # fmt: skip
def test_what_no_list_can_hold_has_its_reason(pattern: str, reason: str) -> None:
    """With the id, and never without a word."""
    found = said(pattern)
    assert found.values == ()
    assert found.unsaid is not None
    assert (found.unsaid.stix_id[:9], found.unsaid.reason) == ("indicator", reason)


def test_a_part_that_can_be_said_is_said() -> None:
    """One of several values is enough to match, so the others are no condition; what is missing is named."""
    found = said(f"[file:hashes.MD5 = '{MD5}' OR file:hashes.'SHA-1' = 'short']")
    assert [one.text for one in found.values] == [MD5]
    assert found.unsaid is not None
    assert found.unsaid.in_part


@pytest.mark.case("I30")
def test_a_simple_reader_gets_single_comparisons_only() -> None:
    """The profile for tools that know one value an indicator."""
    either = "[ipv4-addr:value='192.0.2.1' OR ipv4-addr:value='192.0.2.2']"
    assert [one.text for one in said(either).values] == ["192.0.2.1", "192.0.2.2"]
    assert said(either, simple=True).values == ()
    assert said("[ipv4-addr:value='192.0.2.1']", simple=True).unsaid is None


@pytest.mark.parametrize(
    ("language", "kind"),
    [("snort", "snort"), ("suricata", "snort"), ("sigma", "sigma"), ("YARA", "yara")],
)
def test_a_rule_of_another_language_stays_whole(language: str, kind: str) -> None:
    """It is no STIX pattern, and nothing is looked for inside it."""
    (value,) = said("anything = 'x' AND y", language=language).values
    assert (str(value.kind), value.text) == (kind, "anything = 'x' AND y")
    assert said("x", language="pcre").unsaid is not None


def test_every_public_indicator_is_said_or_named() -> None:
    """Of all samples: values, or the reason why there are none; nothing raises and nothing is dropped."""
    folder = Path(__file__).parents[2] / "samples" / "stix"
    said, named = 0, 0
    for file in sorted(folder.glob("*.json")):
        content = json.loads(file.read_bytes())
        for one in content.get("objects", ()) if isinstance(content, dict) else ():
            if one.get("type") == "indicator":
                found = express(one)
                assert found.values or found.unsaid is not None, one["id"]
                said, named = said + len(found.values), named + (found.unsaid is not None)
    assert said > 100
    assert named > 0
