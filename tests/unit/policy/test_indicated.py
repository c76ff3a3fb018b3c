"""What an object is about: every value that it states, and never silence about what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.policy.indicated import Indicated, indicated_by
from cert_exchange.stix.patterns import comparisons

SAMPLES = Path(__file__).parents[2] / "samples"


def about(**content: Any) -> Indicated:
    return indicated_by({"id": "x", **content})


def pattern(text: str) -> Indicated:
    return about(type="indicator", pattern=text, pattern_type="stix")


def places(found: Indicated) -> list[str]:
    """Addresses, names, systems and countries as written."""
    return [
        *(one.text for one in found.addresses),
        *(f"*.{one.forms[0]}" if one.below else one.forms[0] for one in found.names),
        *map(str, found.systems),
        *found.countries,
    ]


@pytest.mark.parametrize(
    ("content", "stated"),
    [
        ({"type": "ipv4-addr", "value": "198.51.100.7"}, ["198.51.100.7"]),
        ({"type": "ipv4-addr", "value": "198.51.100.0/24"}, ["198.51.100.0/24"]),
        ({"type": "ipv6-addr", "value": "2001:db8::7"}, ["2001:db8::7"]),
        ({"type": "domain-name", "value": "WWW.Example.org."}, ["www.example.org"]),
        ({"type": "url", "value": "https://user:pw@example.org:8443/a?b=http://x.test"}, ["example.org"]),
        ({"type": "url", "value": "http://198.51.100.7/"}, ["198.51.100.7"]),
        ({"type": "url", "value": "http://[2001:db8::7]:80/"}, ["2001:db8::7"]),
        ({"type": "url", "value": "example.org:8080/x"}, ["example.org"]),
        ({"type": "url", "value": "mailto:desk@example.org?subject=x"}, ["example.org"]),
        ({"type": "email-addr", "value": "desk@example.org"}, ["example.org"]),
        ({"type": "autonomous-system", "number": 64500}, ["64500"]),
        ({"type": "location", "country": "aa"}, ["AA"]),
        ({"type": "artifact", "url": "ftp://example.org/x"}, ["example.org"]),
        ({"type": "network-traffic", "protocols": ["http"], "src_ref": "ipv4-addr--1", "extensions": {
            "http-request-ext": {"request_header": {"Host": ["example.org:80"], "Accept": ["a.test"]}}}},
         ["example.org"]),
        ({"type": "observed-data", "objects": {"0": {"type": "ipv4-addr", "value": "198.51.100.7"},
                                               "1": {"type": "network-traffic", "src_ref": "0"}}},
         ["198.51.100.7"]),
        ({"type": "malware", "name": "at 198.51.100.7"}, []),
    ],
)  # fmt: skip
def test_what_an_object_states(content: dict[str, Any], stated: list[str]):
    """Values of observables and locations are found; free text is for people."""
    found = about(**content)
    assert (places(found), found.unread) == (stated, ())


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("[ipv4-addr:value = '198.51.100.7']", ["198.51.100.7"]),
        ("[ipv4-addr:value == '198.51.100.7' OR domain-name:value = 'a.test']", ["198.51.100.7", "a.test"]),
        ("[ipv4-addr:value IN ('198.51.100.7', '198.51.100.8')]", ["198.51.100.7", "198.51.100.8"]),
        ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", ["198.51.100.0/24"]),
        ("[network-traffic:dst_ref.value = '203.0.113.33/32']", ["203.0.113.33/32"]),
        ("[network-traffic:dst_ref.value = 'a.test' AND network-traffic:dst_port = 443]", ["a.test"]),
        ("[domain-name:value = 'a.test' AND domain-name:resolves_to_refs[*].value = '198.51.100.1/32']",
         ["198.51.100.1/32", "a.test"]),
        ("[domain-name:value LIKE '%.a.test']", ["*.a.test"]),
        ("[domain-name:value LIKE 'a.test']", ["a.test"]),
        (r"[domain-name:value MATCHES '^www\\.a\\.test$']", ["www.a.test"]),
        ("[url:value = 'http://a.test/x']", ["a.test"]),
        ("[email-message:from_ref.value = 'x@a.test']", ["a.test"]),
        ("[autonomous-system:number = 64500]", ["64500"]),
        ("[network-traffic:extensions.'http-request-ext'.request_header.Host = 'a.test']", ["a.test"]),
        ("[file:hashes.MD5 = '79054025255fb1a26e4bc422aef54eb4' AND file:size > 5]", []),
        ("[file:name MATCHES '^evil.*$']", []),
        ("[ipv4-addr:value = '198.51.100.7'] FOLLOWEDBY ([domain-name:value = 'a.test']) WITHIN 5 SECONDS",
         ["198.51.100.7", "a.test"]),
    ],
)  # fmt: skip
def test_what_a_pattern_states(text: str, stated: list[str]):
    """Every comparison of a pattern counts, whatever binds it to the others."""
    found = pattern(text)
    assert (places(found), found.unread) == (stated, ())


@pytest.mark.parametrize(
    "text",
    [
        "[ipv4-addr:value != '198.51.100.7']",
        "[ipv4-addr:value NOT = '198.51.100.7']",
        "[ipv4-addr:value NOT IN ('198.51.100.7')]",
        "[ipv4-addr:value > '198.51.100.7']",
        "[ipv4-addr:value LIKE '198.51.100.%']",
        r"[ipv4-addr:value MATCHES '^198\\.51\\.100\\..*']",
        "[ipv4-addr:value MATCHES '^198.51.100.7$']",
        "[ipv4-addr:value ISSUPERSET '198.51.100.7']",
        "[EXISTS ipv4-addr:value]",
        "[domain-name:value LIKE '%a.test']",
        "[domain-name:value LIKE 'w_w.a.test']",
        "[x-sensor:address = '198.51.100.7']",
        "[ipv4-addr:value = '198.051.100.7']",
        "[url:value = 'http:example.org']",
        "no pattern",
    ],
)  # fmt: skip
def test_what_a_pattern_leaves_open(text: str):
    """What may take in more than is written is said to be unread."""
    assert pattern(text).unread != ()


@pytest.mark.parametrize(
    "content",
    [
        {"type": "indicator", "pattern": "rule x { condition: true }", "pattern_type": "yara"},
        {"type": "indicator"},
        {"type": "ipv4-addr", "value": "198.51.100[.]7"},
        {"type": "ipv4-addr", "value": 5},
        {"type": "ipv4-addr"},
        {"type": "url", "value": "http://3325256711/"},
        {"type": "url", "value": "http://good.test\\@evil.test/"},
        {"type": "url", "value": "http:///evil.test"},
        {"type": "url", "value": "http:/evil.test"},
        {"type": "url", "value": "http://a@b@evil.test/"},
        {"type": "url", "value": "hxxp://evil[.]test/"},
        {"type": "email-addr", "value": "nobody"},
        {"type": "autonomous-system", "number": "many"},
        {"type": "location", "region": "eastern-europe"},
        {"type": "x-sensor-alert", "address": "198.51.100.7"},
        {"type": "observed-data", "objects": {"0": "broken"}},
        {"type": "observed-data", "objects": {"0": {"type": "x-thing"}}},
    ],
)
def test_what_cannot_be_read_is_said(content: dict[str, Any]):
    """Another language, an address with two readings, a custom type: unread, never nothing."""
    assert about(**content).unread != ()


def test_what_stands_elsewhere():
    """An object that only refers says so; one that states a value itself does not, and creators do not count."""
    ref = "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"
    assert about(type="network-traffic", src_ref=ref).elsewhere
    assert about(type="observed-data", object_refs=[ref]).elsewhere
    assert about(type="relationship", source_ref=ref, target_ref=ref).elsewhere
    assert not about(type="domain-name", value="a.test", resolves_to_refs=[ref]).elsewhere
    assert not about(type="malware", created_by_ref=ref, object_marking_refs=[ref]).elsewhere


def test_words_for_lists():
    """Hashes, names of files and every host are there as text; a file name by a regular expression is not."""
    found = about(type="file", name="Evil.EXE", hashes={"MD5": "AB", "SHA-1": "cd"})
    assert set(found.words) == {"evil.exe", "ab", "cd"}
    assert set(pattern("[url:value = 'http://A.test/x']").words) == {"http://a.test/x", "a.test"}
    assert pattern("[file:name MATCHES '^evil.*$']").unread_words != ()


def test_the_examples_of_the_specification_are_taken_apart():
    """Each public example of a pattern gives its comparisons, as many as it has operators."""
    lines = (SAMPLES / "hard/patterns-v21-spec_examples.txt").read_text().splitlines()
    counted = {line: len(comparisons(line, version="any")) for line in lines if line.strip()}
    assert len(counted) > 20
    assert all(count >= 1 for count in counted.values())
    assert counted[
        "[windows-registry-key:key = 'HKEY_CURRENT_USER\\\\Software\\\\CryptoLocker\\\\Files' OR windows-registry-key:key = "
        "'HKEY_CURRENT_USER\\\\Software\\\\Microsoft\\\\CurrentVersion\\\\Run\\\\CryptoLocker_0388']"
    ] == 2  # fmt: skip


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    kind=st.sampled_from(
        ["ipv4-addr", "url", "indicator", "observed-data", "network-traffic", "file", "x"]
    ),
    content=st.dictionaries(
        st.sampled_from(["value", "pattern", "objects", "hashes", "extensions", "number", "name"]),
        _JSON,
    ),
)
def test_no_content_breaks_the_reading(kind: str, content: dict[str, Any]):
    """Whatever an object holds, reading it gives an answer."""
    json.dumps([*about(type=kind, **content).unread])
