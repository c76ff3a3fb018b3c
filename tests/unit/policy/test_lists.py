"""Lists of known values: MISP's own and plain ones, looked up by `listed`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.policy.making import context, subject

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.decide import decide
from cert_exchange.policy.document import parse_policy
from cert_exchange.policy.lists import Listed, NamedList, parse_list

SAMPLES = Path(__file__).parents[2] / "samples" / "warninglists"
FILES = sorted(SAMPLES.glob("*.json"))
COMPANIONS = {f"lists/{path.name}": path.read_text("utf-8") for path in FILES} | {
    "lists/ours.txt": "# what we never give away\n192.0.2.128/25\nSecret.a.example\nC0FFEE00\nx@a.example\n"
}


def misp(kind: str, *entries: str) -> NamedList:
    text = json.dumps({"name": "a list", "type": kind, "list": entries})
    return parse_list(text, file="lists/one.json")


def hit(one: NamedList, kind: str, **content: Any) -> bool:
    return one.find(subject(kind, **content).indicated) is not None


def rules(match: str, kind: str, verb: str = "deny: true", **content: Any) -> str:
    text = (
        "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: red, unmarked: clear}\n"
        f"lists: [{', '.join(COMPANIONS)}]\nrules:\n  - {{name: it, match: {{{match}}}, {verb}}}\n"
        "  - {name: else, match: {origin: own, absent: x_no}, allow: true}\n"
    )
    found = parse_policy(text, file="policies/cert-b.yaml", companions=COMPANIONS)
    return decide(found, subject(kind, **content), context()).rule


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_real_warning_list_holds_what_it_lists(path: Path):
    """Each entry of MISP's lists is found again through the kind of object that states it."""
    whole = json.loads(path.read_text("utf-8"))
    one = parse_list(path.read_text("utf-8"), file=str(path))
    assert (one.name, one.title) == (path.stem, whole["name"])
    missing = []
    for entry in whole["list"]:
        content: dict[str, Any]
        if whole["type"] == "cidr":
            content = {"kind": "ipv6-addr" if ":" in entry else "ipv4-addr", "value": entry}
        elif whole["type"] == "hostname" or "domain" in whole["matching_attributes"]:
            content = {"kind": "domain-name", "value": entry}
        else:
            content = {"kind": "file", "hashes": {"MD5": entry}}
        if not hit(one, content.pop("kind"), **content):
            missing.append(entry)
    assert missing == []


def test_containment_suffix_and_text():
    """Networks hold addresses, host names what is below them, texts only themselves, fragments what holds them."""
    assert hit(misp("cidr", "198.51.100.0/24"), "ipv4-addr", value="198.51.100.7")
    assert not hit(misp("cidr", "198.51.100.0/24"), "ipv4-addr", value="198.51.101.7")
    assert hit(misp("hostname", "bit.ly"), "url", value="https://x.bit.ly/abc")
    assert hit(misp("hostname", ".bit.ly"), "domain-name", value="x.bit.ly")
    assert not hit(misp("hostname", "bit.ly"), "domain-name", value="notbit.ly")
    assert hit(misp("string", "COM"), "domain-name", value="com")
    assert not hit(misp("string", "COM"), "domain-name", value="a.com")
    assert hit(misp("string", "2001:DB8::1"), "ipv6-addr", value="2001:db8:0::1")
    assert hit(misp("substring", "/wp-content/"), "url", value="http://a.test/WP-content/x")
    assert not hit(misp("substring", "/wp-content/"), "url", value="http://a.test/wp")
    assert hit(misp("string", "AB12"), "file", hashes={"MD5": "ab12"})


def test_a_plain_list_means_what_its_lines_can_be():
    """Networks, names with all below them, hashes, mailboxes: one a line."""
    one = parse_list(COMPANIONS["lists/ours.txt"], file="lists/ours.txt")
    assert hit(one, "ipv4-addr", value="192.0.2.200")
    assert hit(one, "domain-name", value="www.secret.a.example")
    assert hit(one, "file", hashes={"MD5": "c0ffee00"})
    assert hit(one, "email-addr", value="X@a.example")
    assert not hit(one, "email-addr", value="y@a.example")
    assert not hit(one, "ipv4-addr", value="192.0.2.7")


def test_listed_in_rules():
    """`any` asks all lists, a name one of them; what lies in another list does not match."""
    shortener = {"kind": "domain-name", "value": "bit.ly"}
    assert rules("listed: any", **shortener) == "it"
    assert rules("listed: url-shortener", **shortener) == "it"
    assert rules("listed: [ours, rfc1918]", **shortener) == "else"
    assert rules("listed: ours", kind="ipv4-addr", value="192.0.2.200") == "it"
    assert rules("listed: any", kind="domain-name", value="www.evil.test") == "else"


def test_what_cannot_be_read_counts_as_listed_only_where_it_is_kept_back():
    """A rule that allows listed values does not take in a pattern that nobody could read."""
    yara = {"kind": "indicator", "pattern": "rule x {}", "pattern_type": "yara"}
    assert rules("listed: any", **yara) == "it"
    assert rules("listed: any", verb="hold: approval", **yara) == "it"
    assert rules("listed: any", verb="allow: true", **yara) == "else"
    assert rules("listed: any", kind="relationship", source_ref="x") == "else"


def test_the_explanation_says_value_list_and_entry():
    """Whoever asks why reads which list took the value in, and by which entry."""
    text = (
        "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: red}\nlists: [lists/rfc1918.json]\n"
        "rules: [{name: it, match: {listed: any}, deny: true}]\n"
    )
    found = parse_policy(text, file="p.yaml", companions=COMPANIONS).rules[0].match.listed
    assert isinstance(found, Listed)
    assert found.said(subject("ipv4-addr", value="10.1.2.3")) == (
        '"10.1.2.3" is listed in rfc1918 as 10.0.0.0/8 (List of RFC 1918 CIDR blocks)',
    )
    assert found.said(subject("ipv4-addr", value="9.1.2.3")) == ("none of its values is listed",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "regex", "list": ["(a+)+$"]}', "the list holds regular expressions"),
        ('{"type": "magic", "list": ["a"]}', "write cidr, hostname, string or substring"),
        ('{"type": "cidr", "list": ["a"]}', "entry 1:"),
        ('{"type": "string", "list": [5]}', "all of them texts"),
        ('{"type": "string"}', "has its entries under `list`"),
        ('{"type": "string", "list": []}', "the list is empty"),
        ('{"type": "substring", "list": ["a"]}', "stands in almost any text"),
        ("{", "not JSON"),
        ("# nothing\n\n", "the list is empty"),
        ("", "the list is empty"),
    ],
)
def test_a_wrong_list_is_refused(text: str, message: str):
    """Each mistake is told; a list of regular expressions is refused with its reason."""
    with pytest.raises(PolicyInvalid) as caught:
        parse_list(text, file="lists/x.json")
    assert message in caught.value.public


def test_two_lists_of_one_name_are_refused():
    """A rule names a list by its file's name: two of one name would be told apart by nobody."""
    text = "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: red}\nlists: [a/x.txt, b/x.json]\nrules: []\n"
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(text, file="p.yaml", companions={"a/x.txt": "a", "b/x.json": "b"})
    assert "is the name of another one" in caught.value.public
