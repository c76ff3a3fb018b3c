"""Hosts that texts name: found however they are written, counted only where something is kept back."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.policy.making import context, policy, subject

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.decide import decide
from cert_exchange.policy.mentions import mentioned_in

COMPANIONS = {
    "own.yaml": "{name: ours, kind: own, networks: [192.0.2.0/24, '2001:db8:a::/48'], domains: [a.example]}"
}
OURS = "  - {name: all of ours, match: {origin: own}, allow: true}\n"


def rule(match: str, verb: str) -> str:
    return f"  - {{name: it, match: {{{match}}}, {verb}}}\n"


def said(match: str, verb: str = "deny: true", **content: Any) -> str:
    found = policy(
        OURS + rule(match, verb), more="territories: [own.yaml]\n", companions=COMPANIONS
    )
    return decide(found, subject(content.pop("kind", "note"), **content), context()).rule


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Seen at 192.0.2.7.", ["192.0.2.7"]),
        ("192.0.2[.]7, then hxxp://x.a[.]example/p?q=192.0.2.9", ["192.0.2.7", "192.0.2.9", "x.a.example"]),
        ("all of 192.0.2.0/24", ["192.0.2.0/24"]),
        ("between 192.0.2.7-192.0.2.9", ["192.0.2.7", "192.0.2.9"]),
        ("[2001:db8:a:1::7]:80 at 12:30:45", ["2001:db8:a:1::7"]),
        ("mail bob@gov(dot)a(dot)example", ["gov.a.example"]),
        ("hxxps[:]//a.example:8443", ["a.example"]),
        ("gov [.] a [.] example", ["gov.a.example"]),
        ("...www.a.example.", ["www.a.example"]),
        ("host:192.0.2.7:443", ["192.0.2.7"]),
        ("bücher.a.example", ["xn--bcher-kva.a.example"]),
        ("\uff11\uff19\uff12.0.2.7 and www\u3002a\uff0eexample", ["192.0.2.7", "www.a.example"]),
        ("at http://0xc0000207/x, http://3221225991, http://u@www%2ea.example/", ["192.0.2.7", "www.a.example"]),
        ("No host here. Nothing, e.g. at all", []),
    ],
)  # fmt: skip
def test_what_a_text_names(text: str, named: list[str]):
    """Addresses and names, also those written so that nobody clicks on them."""
    found = {getattr(one, "forms", (one.text,))[0] for one in mentioned_in({"description": text})}
    assert set(named) <= found
    assert found - set(named) <= {"e.g", "192.0.2.0", "2ea.example"}


def test_every_text_is_searched():
    """Custom properties, nested values and keys count; ids and references do not."""
    content = {
        "id": "note--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11",
        "x_more": [{"seen": ["192.0.2.7"]}, {"b.a.example": True}],
        "external_references": [{"source_name": "us", "url": "https://c.a.example/"}],
        "object_refs": ["ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"],
    }
    found = {getattr(one, "forms", (one.text,))[0] for one in mentioned_in(content)}
    assert found == {"192.0.2.7", "b.a.example", "c.a.example"}


def test_a_mention_keeps_back():
    """A rule that denies or holds takes it in when it lies in the territory, and only then."""
    assert said("mentions: own", content="at 192.0.2[.]7") == "it"
    assert said("mentions: own", "hold: approval", content="at www.a.example") == "it"
    assert said("mentions: own", content="at 198.51.100.7") == "all of ours"
    assert said("concerns: own", content="at 192.0.2[.]7") == "all of ours"
    assert said("mentions: own", kind="malware", name="x") == "all of ours"


def test_the_explanation_says_what_was_named():
    """Which host, and whose territory it lies in."""
    found = policy(
        rule("mentions: own", "deny: true"), more="territories: [own.yaml]\n", companions=COMPANIONS
    )
    mentions = found.rules[0].match.mentions
    assert mentions is not None
    assert mentions.said(subject("note", content="192.0.2.7")) == (
        "192.0.2.7 lies in 192.0.2.0/24 of own territory (ours)",
    )
    assert mentions.said(subject("note", content="x")) == (
        "no text of it names a host in a territory",
    )


@pytest.mark.parametrize(
    ("match", "verb", "message"),
    [
        ("mentions: own", "allow: true", "only rules that deny or hold ask for mentions"),
        ("mentions: protected", "deny: true", "no territory of kind protected is named"),
        ("mentions: unknown", "deny: true", "write one of: own, partner, third, protected"),
    ],
)
def test_a_wrong_rule_is_refused(match: str, verb: str, message: str):
    """What nobody can read wholly allows nothing, and a denial that can never match is a mistake."""
    with pytest.raises(PolicyInvalid) as caught:
        policy(rule(match, verb), more="territories: [own.yaml]\n", companions=COMPANIONS)
    assert message in caught.value.public


@given(
    before=st.text(st.characters(exclude_characters="0123456789/"), max_size=20),
    after=st.text(st.characters(exclude_characters="0123456789/"), max_size=20),
)
def test_an_address_is_found_whatever_stands_around_it(before: str, after: str):
    """No words around an address hide it."""
    found = {one.text for one in mentioned_in({"name": f"{before} 192.0.2.7 {after}"})}
    assert "192.0.2.7" in found


def test_long_texts_cost_their_length():
    """Texts made to be slow are read in about the time of others."""
    for bait in ("a.b-" * 50_000, ":" * 200_000, "a:" * 100_000, "[ . " * 50_000, "1." * 100_000):
        started = time.perf_counter()
        mentioned_in({"description": bait})
        assert time.perf_counter() - started < 3
