"""What lists, tables, zones and rules hold, and what hostile values cannot do in them."""

from __future__ import annotations

import csv
import io
import re

import dns.zone
import pytest

from cert_exchange.intake.findings import Kind
from cert_exchange.outputs import lists, passing, rules, tables, zones
from cert_exchange.outputs.entries import Entry
from cert_exchange.outputs.expressing import Value

ID = "indicator--11111111-1111-4111-8111-111111111111"
OTHER = "indicator--22222222-2222-4222-8222-222222222222"


def entry(kind: Kind, text: str, stix_id: str = ID, **more: object) -> Entry:
    return Entry(Value(kind, text), stix_id, **more)  # type: ignore[arg-type]  # the fields of an entry, whatever they are


# -- CSV


@pytest.mark.case("I11")
def test_a_line_end_stays_in_its_cell() -> None:
    """RFC 4180: what is read back is what was written, line ends, quotes and semicolons included."""
    text = 'a\r\nb;"c"'
    body = tables.for_machines([entry(Kind.DOMAIN, "a.example", description=text)]).body
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert [row["description"] for row in rows] == [text]
    assert body.endswith(b"\r\n")
    assert not re.search(rb"[^\r]\n", body)


@pytest.mark.case("I14")
@pytest.mark.parametrize(
    "name",
    ['=HYPERLINK("http://x")', "+1", "-2+3", "@SUM(A1)", "\t=1", " =1", "\u200b=1", "\uff1d1", "|cmd", "\r=1"],
)  # fmt: skip
def test_a_formula_runs_for_nobody_and_stays_exact_for_machines(name: str) -> None:
    """The choice is explicit: one function for people, one for machines."""
    one = [entry(Kind.DOMAIN, "a.example", name=name)]
    machine = csv.DictReader(io.StringIO(tables.for_machines(one).body.decode(), newline=""))
    people = csv.DictReader(io.StringIO(tables.for_people(one).body.decode(), newline=""))
    assert [row["name"] for row in machine] == [name]
    assert [row["name"][0] for row in people] == ["'"]


# -- plain lists


def test_a_line_is_a_value() -> None:
    """Each once; what would be read as a comment or as two values is named and left out."""
    written = lists.write(
        [entry(Kind.DOMAIN, "b.example"), entry(Kind.DOMAIN, "b.example", OTHER), entry(Kind.IPV4, "192.0.2.1"),
         entry(Kind.MUTEX, "# x"), entry(Kind.MUTEX, "a\u2028b"), entry(Kind.YARA, "rule a {}")]
    )  # fmt: skip
    assert written.body == b"192.0.2.1\nb.example\n"
    assert written.held == 2
    assert len(written.unsaid) == 3


# -- RPZ


def zone(*entries: Entry, block: bool = True, subdomains: bool = False) -> list[str]:
    body = zones.write(entries, serial=7, block=block, subdomains=subdomains).body
    return body.decode().splitlines()[3:]


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        (Kind.DOMAIN, "evil.example", "evil.example IN CNAME ."),
        (Kind.IPV4, "192.0.2.1", "32.1.2.0.192.rpz-ip IN CNAME ."),
        (Kind.IPV4, "198.51.100.0/24", "24.0.100.51.198.rpz-ip IN CNAME ."),
        (Kind.IPV6, "2001:db8::1", "128.1.zz.db8.2001.rpz-ip IN CNAME ."),
        (Kind.IPV6, "2001:db8:0:1::/64", "64.zz.1.0.db8.2001.rpz-ip IN CNAME ."),
        (Kind.IPV6, "2001:db8:1:2:3:4:5:6", "128.6.5.4.3.2.1.db8.2001.rpz-ip IN CNAME ."),
    ],
)
def test_names_and_addresses_become_triggers(kind: Kind, value: str, line: str) -> None:
    """As BIND's manual spells them."""
    assert zone(entry(kind, value)) == [line]


def test_a_resolver_reads_the_zone() -> None:
    """As dnspython does, below whatever origin its loader gives it."""
    entries = [entry(Kind.DOMAIN, "_x.evil.example"), entry(Kind.IPV6, "2001:db8::/32")]
    text = zones.write(entries, serial=2**32 - 1, block=True, subdomains=True).body.decode()
    found = dns.zone.from_text(text, origin="rpz.cert-a.example.")
    assert {str(name) for name in found.nodes} == {
        "@",
        "_x.evil.example",
        "*._x.evil.example",
        "32.zz.db8.2001.rpz-ip",
    }


def test_a_watched_name_passes_and_its_subdomains_only_where_asked() -> None:
    """A list for watching blocks nothing."""
    assert zone(entry(Kind.DOMAIN, "a.example"), block=False) == [
        "a.example IN CNAME rpz-passthru."
    ]
    assert zone(entry(Kind.DOMAIN, "a.example"), subdomains=True) == [
        "a.example IN CNAME .",
        "*.a.example IN CNAME .",
    ]


@pytest.mark.parametrize(
    "name", ["32.1.0.0.10.rpz-ip", "x.rpz-nsdname", f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 30}"]
)
def test_a_name_is_never_another_trigger(name: str) -> None:
    """A partner's domain name cannot block an address of its choice."""
    written = zones.write([entry(Kind.DOMAIN, name)], serial=1, block=True)
    assert (written.held, len(written.unsaid)) == (0, 1)


# -- Suricata


def suricata(*entries: Entry, block: bool = False) -> tuple[list[str], list[str]]:
    numbers: dict[Value, int] = {}
    written = rules.write(
        entries, number=lambda value: numbers.setdefault(value, len(numbers) + 1), block=block
    )
    return written.body.decode().splitlines(), [one.reason for one in written.unsaid]


def test_what_traffic_shows_becomes_a_rule() -> None:
    """Whole names, hosts and paths; a number for each value."""
    lines, unsaid = suricata(
        entry(Kind.IPV4, "192.0.2.1"), entry(Kind.DOMAIN, "evil.example"), entry(Kind.MD5, "0" * 32),
        entry(Kind.URL, "http://evil.example:8080/a?b=c"), entry(Kind.URL, "https://evil.example/a"),
    )  # fmt: skip
    assert lines == [
        (
            f'alert ip $HOME_NET any <> 192.0.2.1 any (msg:"cert-exchange ipv4 {ID}"; classtype:bad-unknown;'
            " sid:1500000001; rev:1;)"
        ),
        (
            f'alert dns $HOME_NET any -> any any (msg:"cert-exchange domain {ID}"; dns.query; content:"evil.example"; nocase;'
            " bsize:12; classtype:bad-unknown; sid:1500000002; rev:1;)"
        ),
        (
            f'alert http $HOME_NET any -> any 8080 (msg:"cert-exchange url {ID}"; http.host; content:"evil.example"; bsize:12;'
            ' http.uri.raw; content:"/a?b=c"; bsize:6; classtype:bad-unknown; sid:1500000003; rev:1;)'
        ),
    ]
    assert len(unsaid) == 2


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.URL, 'http://a.example/";sid:1;)'),
        (Kind.USER_AGENT, 'x"; pass; content:"|'),
        (Kind.USER_AGENT, "a|41|;b\\"),
    ],
)
def test_no_value_becomes_a_part_of_its_rule(kind: Kind, value: str) -> None:
    """One option of each name stands in it: signs that Suricata reads are written as hex."""
    ((line,), _) = suricata(entry(kind, value))
    plain = re.sub(r'"[^"]*"', '""', line)
    assert plain.count("sid:") == 1
    assert "pass" not in plain
    assert line.count('"') % 2 == 0


def test_a_rule_of_a_stranger_only_alerts() -> None:
    """What blinds a sensor, touches files or takes a number twice stays out."""
    good = 'alert tcp any any -> any any (msg:"x"; sid:7; rev:1;)'
    lines, unsaid = suricata(
        *(
            entry(Kind.SNORT, text)
            for text in (
                good,
                'alert udp any any -> any any (msg:"y"; sid:7;)',
                "pass ip any any -> any any (sid:8;)",
                "drop ip any any -> any any (sid:9;)",
                "alert ip any any -> any any (dataset:set,x,save /etc/passwd; sid:10;)",
                'alert ip any any -> any any (msg:"none";)',
                f"alert ip any any -> any any (sid:{rules.FIRST_NUMBER + 1};)",
                "alert ip any any -> any any (sid:11;)\npass ip any any -> any any (sid:12;)",
            )
        )
    )
    assert lines == [good]
    assert len(unsaid) == 7


@pytest.mark.parametrize(
    "option",
    [
        "bypass;", "noalert;", "flowbits:unset,ET.evil;", "flowbits:set,ET.evil;", "flowbits:noalert;", "tls.store;",
        "tls_store;", 'logto:"/etc/x";', "resp:rst_all;", "react:block;", "xbits:set,a,track ip_src;", "flowint:a,=,1;",
        "hostbits:set,a;", "activates:1;", "activated_by:1;", "filestore;", "file.store;", "config:logging disable;",
        "tag:host,10,packets,src;", 'replace:"x";', "dataset:set,x,save /x;", "lua:/tmp/x.lua;", "iprep:any,x,>,1;",
        "filemd5:list;", "setmyown;", "  ByPass ;", '"x";', r'content:"a\\; bypass; content:"b";', "bypass",
    ],
)  # fmt: skip
def test_a_rule_of_a_stranger_does_nothing_but_look(option: str) -> None:
    """What lets pass, unsets, is silent, writes or changes is left out by name; so is what no list of ours knows."""
    text = f'alert tcp any any -> any any (msg:"x"; content:"a"; sid:101; {option})'
    lines, unsaid = suricata(entry(Kind.SNORT, text))
    assert (lines, len(unsaid)) == ([], 1)


@pytest.mark.parametrize(
    "options",
    [
        ('msg:"ET MALWARE \\; (x) \\"y\\""; flow:established,to_server; http.method; content:"GET"; http.uri; content:"/gate.php"; '
        'fast_pattern; endswith; classtype:trojan-activity; sid:2; rev:3; metadata:created_at 2026_01_01;'),
        'tls.sni; dotprefix; content:".evil.example"; endswith; nocase; threshold:type limit, track by_src, count 1, seconds 60; sid:2;',
        'flowbits:isset,ET.http; http_header; content:"X|3a 20|y"; pcre:"/a\\;b/U"; byte_test:2,>,10,0; sid:2',
    ],
)  # fmt: skip
def test_usual_rules_are_handed_on(options: str) -> None:
    """As public rule sets write them, escaped signs and brackets in texts included."""
    text = f"alert http $HOME_NET any -> $EXTERNAL_NET any ({options})"
    assert suricata(entry(Kind.SNORT, text))[0] == [text]


# -- Sigma and YARA


def test_rules_are_handed_on_as_they_are() -> None:
    """Text unchanged, each under the id of its indicator; what is no such rule is named."""
    rule = "title: x\nlogsource:\n  category: dns\ndetection:\n  s: {query: evil.example}\n  condition: s"
    broken = "title: [\ndetection:\n  x"
    written = passing.sigma(
        [entry(Kind.SIGMA, rule), entry(Kind.SIGMA, broken, OTHER), entry(Kind.DOMAIN, "a.example")]
    )
    assert written.body.decode() == f"---\n# {ID}\n{rule}\n"
    assert len(written.unsaid) == 2


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('rule a { strings: $x = "}" $y = { AA ?? [2-4] BB } $z = /a{2}\\/"/ condition: any of them }', True),
        ('include "/etc/shadow" rule b { condition: true }', False),
        ('rule c { strings: $x = "a condition: true }', False),
        ("rule d { condition: true", False),
        ("rule e { condition: true } /* open", False),
        ("rule first { condition: true }", False),
        ("rule f { condition: filesize \\ 2 > 1 } // include", True),
        ("global private rule killall { condition: false }", False),
        ("rule broken { condition: $nothere }", False),
        ("rule x { condition: undefinedvar == 3 }", False),
        ('rule g { strings: $a = "unused" condition: true }', False),
        ('import "pe" rule h { condition: pe.nosuchfield == 1 }', False),
        ("rule i { condition: pe.is_dll() }", False),
        ('import "cuckoo" rule j { condition: true }', False),
        ("rule k { condition: filesize \\ (5 - 5) > 1 }", False),
        ('rule l { condition: 1 == "a" }', False),
        ("rule m { strings: $a = /(a/ condition: $a }", False),
        ("rule n { strings: $a = { 01 [4-2] 02 } condition: $a }", False),
        ("rule first2 { condition: first }", False),
        ("rule o { condition: true } rule o { condition: true }", False),
        ("rule p : t { meta: n = -5 condition: 2MB > filesize and uint16(0) == 0x5A4D }", True),
        ('import "pe" rule q { condition: pe.imphash() == "aa" } rule r { condition: q and not false }', True),
        ('rule s { strings: $a1 = "a" xor(1-9) $a2 = "b" wide private $ = "c" condition: for any of them : ( # > 2 ) and 1 of ($a*) }', True),
    ],
)  # fmt: skip
def test_one_yara_rule_breaks_no_other(text: str, kept: bool) -> None:
    """A file of rules is compiled as a whole."""
    written = passing.yara(
        [entry(Kind.YARA, "rule first { condition: true }"), entry(Kind.YARA, text, OTHER)]
    )
    names = written.body.decode()
    assert "rule first" in names
    if text.startswith("rule first"):
        assert written.held == 1  # the same value: said once
    else:
        assert (text in names, written.held) == (kept, 2 if kept else 1)


def test_a_hostile_rule_costs_its_length() -> None:
    """Quotes, slashes and braces that nothing closes are looked at once each."""
    deep = "(" * 30_000
    for text in (
        deep,
        "not " * 8_000,
        "1 + " * 8_000,
        "\\/" * 16_000,
        '\\"' * 16_000,
        "{" * 32_000,
        "/*" * 16_000,
        "{ AA " * 6_000,
    ):
        for before in ("", "/"):
            written = passing.yara(
                [entry(Kind.YARA, f"rule a {{ condition: {before}{text} true }}")]
            )
            assert written.held == (before == "" and text.startswith("not "))
