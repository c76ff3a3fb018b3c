"""What is read of MISP events, and that nothing of them is dropped in silence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cert_exchange.errors import InputRefused, NotJson
from cert_exchange.intake.building import Batch, build
from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.misp import Event, is_misp, read_misp
from cert_exchange.intake.misp.events import MOST_BYTES
from cert_exchange.intake.misp.types import COMPOSITES, KINDS, NAMED_FILES, TYPES, read_composite

SAMPLES = Path(__file__).parents[2] / "samples"
TRUTH = SAMPLES / "truth"
MEASURED = {"md5", "sha1", "sha256", "sha512", "ipv4", "ipv6", "url", "domain"}
OWN = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"


def number(count: int) -> str:
    return f"11111111-2222-4333-8444-{count:012d}"


def attribute(misp_type: str, value: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"uuid": number(count), "type": misp_type, "value": value, "to_ids": True, **more}


def event(*attributes: Mapping[str, Any], **more: Any) -> bytes:
    content = {
        "info": "phishing",
        "uuid": number(0),
        "date": "2026-11-02",
        "Attribute": attributes,
        **more,
    }
    return json.dumps({"Event": content}).encode()


def read(data: bytes) -> tuple[Event, list[Finding], list[Loss]]:
    """The only event of a file, its findings and its losses."""
    items = list(read_misp(data))
    (head,) = (one for one in items if isinstance(one, Event))
    assert items[0] is head
    return (
        head,
        [one for one in items if isinstance(one, Finding)],
        [one for one in items if isinstance(one, Loss)],
    )


def said(findings: list[Finding]) -> list[tuple[Kind, str, bool]]:
    return [(one.kind, one.value, one.detect) for one in findings]


@pytest.mark.parametrize(
    "name", ["pymisp-to_delete1.json", "eset-2018-11-20_Zebrocy.json", "eset-cloudmensis.misp.json"]
)
def test_events_are_read_as_a_person_reads_them(name: str) -> None:
    """Hashes, addresses, names and URLs are those of the truth that was written before, and so is what is looked for."""
    truth = {
        tuple(line.split("\t"))
        for line in (TRUTH / f"{name}.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    _, findings, losses = read((SAMPLES / "misp" / name).read_bytes())
    found = {(str(one.kind), one.value, *(() if one.detect else ("told of",))) for one in findings}
    assert {row for row in found if row[0] in MEASURED} == {
        row for row in truth if row[0] in MEASURED
    }
    missed = {row[1] for row in truth - found}
    # What differs is a loss with its id, or a path that its author wrote with more around it.
    assert all(any(value[-12:] in f"{one.what}{one.place}" for one in losses) or value.endswith((".lnk", ".cpl")) for value in missed)  # fmt: skip


@pytest.mark.case("I23")
@pytest.mark.parametrize(
    "path", sorted((SAMPLES / "misp").glob("*.json")), ids=lambda one: one.stem
)
def test_every_attribute_is_found_or_a_loss(path: Path) -> None:
    """What no finding, reference or loss names by its UUID would be dropped in silence."""
    data = path.read_bytes()
    named: set[str] = set()
    for one in read_misp(data):
        if isinstance(one, Event):
            named.update(reference.external_id for reference in one.references)
        elif isinstance(one, Finding | Loss):
            named.add(one.place.rpartition(" ")[2])
    stated = [one for one in _dicts(json.loads(data)) if "to_ids" in one or "category" in one]
    assert stated
    assert [one["uuid"] for one in stated if "uuid" in one and one["uuid"] not in named] == []


def _dicts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, list):
        return [found for one in content for found in _dicts(one)]
    if not isinstance(content, dict):
        return []
    return [content, *(found for one in content.values() for found in _dicts(one))]


@pytest.mark.case("I18")
def test_only_what_is_flagged_is_looked_for() -> None:
    """Of a file whose hash is flagged and whose name is not, the pattern has the hash; the name is an observable."""
    file_object = {
        "name": "file",
        "uuid": number(9),
        "Attribute": [
            attribute("md5", "8764605C6F388C89096B534D33565802"),
            attribute("filename", "oui.exe", 2, to_ids=False),
        ],
    }
    _, findings, losses = read(event(Object=[file_object]))
    assert losses == []
    built = [one.content for one in build(findings, Batch("x", OWN, at=1, markings=(AMBER,)))]
    patterns = [one["pattern"] for one in built if one["type"] == "indicator"]
    files = [one for one in built if one["type"] == "file"]
    assert patterns == ["[file:hashes.MD5 = '8764605c6f388c89096b534d33565802']"]
    assert [(one["name"], sorted(one["hashes"])) for one in files] == [("oui.exe", ["MD5"])]
    again = [one.content for one in build(findings, Batch("x", OWN, at=2, markings=(AMBER,)))]
    assert [one["id"] for one in again] == [one["id"] for one in built]


@pytest.mark.parametrize("flag", [False, 0, "0", None, "no", "absent"])
def test_what_does_not_say_that_it_is_flagged_is_not(flag: object) -> None:
    """`to_ids` in any other form than true is no."""
    raw = attribute("domain", "evil.example")
    if flag == "absent":
        del raw["to_ids"]
    else:
        raw["to_ids"] = flag
    head, findings, losses = read(event(raw))
    assert "none of the 1 attributes" in head.remarks[0]
    assert said(findings) == [(Kind.DOMAIN, "evil.example", False)]
    assert [one.place for one in losses] == [f"attribute {number(1)}"]
    assert "to_ids=0" in losses[0].reason


@pytest.mark.case("I29")
@pytest.mark.parametrize(
    ("misp_type", "value", "pattern", "parts"),
    [
        ("ip-dst|port", "192.0.2.1|443",
         ("[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1'"
         " AND network-traffic:dst_port = 443]"), ["192.0.2.1"]),
        ("ip-src|port", "2001:DB8::1|0080",
         ("[network-traffic:src_ref.type = 'ipv6-addr' AND network-traffic:src_ref.value = '2001:db8::1'"
         " AND network-traffic:src_port = 80]"), ["2001:db8::1"]),
        ("ip-dst|port", "192.0.2.0/24|25",
         ("[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value ISSUBSET '192.0.2.0/24'"
         " AND network-traffic:dst_port = 25]"), ["192.0.2.0/24"]),
        ("ip-src|port", "fe80::1%eth0|80",
         ("[network-traffic:src_ref.type = 'ipv6-addr' AND network-traffic:src_ref.value = 'fe80::1'"
         " AND network-traffic:src_port = 80]"), ["fe80::1"]),
        ("ip-dst|port", "192.0.2.1:443",
         ("[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1'"
         " AND network-traffic:dst_port = 443]"), ["192.0.2.1"]),
        ("hostname|port", "C2.evil.example|8080",
         ("[network-traffic:dst_ref.type = 'domain-name' AND network-traffic:dst_ref.value = 'c2.evil.example'"
         " AND network-traffic:dst_port = 8080]"), ["c2.evil.example"]),
        ("domain|ip", "evil.example|192.0.2.1",
         "[domain-name:value = 'evil.example' AND domain-name:resolves_to_refs[*].value = '192.0.2.1']",
         ["evil.example", "192.0.2.1"]),
        ("hostname|ip", "evil.example|2001:db8::1",
         "[domain-name:value = 'evil.example' AND domain-name:resolves_to_refs[*].value = '2001:db8::1']",
         ["evil.example", "2001:db8::1"]),
        ("regkey|value", r"HKLM\Software\Run|C:\it's.exe",
         (r"[windows-registry-key:key = 'HKEY_LOCAL_MACHINE\\Software\\Run'"
         r" AND windows-registry-key:values[*].data = 'C:\\it\'s.exe']"), [r"HKEY_LOCAL_MACHINE\Software\Run"]),
    ],
)  # fmt: skip
def test_a_type_of_two_values_is_one_pattern_and_back(
    misp_type: str, value: str, pattern: str, parts: list[str]
) -> None:
    """Each composite type has one stated pattern, its parts are told of beside it, and the pattern reads back."""
    _, findings, losses = read(event(attribute(misp_type, value)))
    assert losses == []
    assert said(findings)[0] == (Kind.PATTERN, pattern, True)
    assert [(one.value, one.detect) for one in findings[1:]] == [(part, False) for part in parts]
    assert len({one.group for one in findings}) == 1
    back = read_composite(pattern)
    assert back is not None
    assert back[0].template == COMPOSITES[misp_type].template
    assert read(event(attribute(misp_type, back[1])))[1][0].value == pattern


@pytest.mark.case("I29")
@pytest.mark.parametrize(
    ("misp_type", "value"),
    [
        ("ip-dst|port", "192.0.2.1|"),
        ("ip-dst|port", "192.0.2.1|65536"),
        ("ip-dst|port", "2001:db8::1:443"),
        ("ip-dst|port", "192.0.2.9/24|1"),
        ("domain|ip", "192.0.2.1|evil.example"),
        ("filename|sha1", "a.exe|abc"),
        ("sha1", "abc"),
        ("regkey", r"%APPDATA%\x"),
        ("a-type-of-tomorrow", "1"),
        ("target-email", "victim@example.org"),
        ("yara", "no rule"),
    ],
)
def test_what_cannot_be_read_is_listed_and_never_fatal(misp_type: str, value: str) -> None:
    """The rest of the event goes in."""
    _, findings, losses = read(event(attribute(misp_type, value), attribute("md5", "a" * 32, 2)))
    assert said(findings) == [(Kind.MD5, "a" * 32, True)]
    assert [one.place for one in losses] == [f"attribute {number(1)}"]


def test_every_type_of_the_tables_is_one_of_misp() -> None:
    """pymisp's own list knows each type and that it may stand in our category."""
    describe = json.loads((_pymisp() / "data" / "describeTypes.json").read_text())["result"]
    own = {"hostname|ip"}
    assert {*KINDS, *COMPOSITES, *NAMED_FILES} - set(describe["types"]) == own
    allowed = describe["category_type_mappings"]
    assert [kind for kind, (name, category) in TYPES.items() if name not in allowed[category]] == []
    assert set(TYPES) == set(Kind) - {Kind.TECHNIQUE}  # a tag
    assert [kind for kind, (name, _) in TYPES.items() if kind not in KINDS[name]] == []


def _pymisp() -> Path:
    pymisp = pytest.importorskip("pymisp")
    return Path(str(pymisp.__file__)).parent


def test_links_go_to_the_report_and_words_of_its_author_too() -> None:
    """A link is a reference, an event report its description; neither is looked for."""
    head, findings, losses = read(
        event(
            attribute("link", "https://blog.example/a", to_ids=False, comment="the analysis"),
            attribute(
                "url", "https://blog.example/b", 2, to_ids=False, category="External analysis"
            ),
            attribute("url", "https://evil.example/b", 3, category="External analysis"),
            EventReport=[{"name": "Summary", "content": "It came by mail.", "uuid": number(7)}],
        )
    )
    assert [one.value for one in findings] == ["https://evil.example/b"]
    assert [one.url for one in head.references] == [
        "",
        "https://blog.example/a",
        "https://blog.example/b",
    ]
    assert head.references[0].external_id == number(0)
    assert head.description == "# Summary\n\nIt came by mail."
    assert losses == []


def test_what_is_not_the_events_word_goes_nowhere() -> None:
    """Deleted parts and proposals are losses; so are sightings and links between objects."""
    deleted = attribute("domain", "old.example", 1, deleted=True)
    proposed = attribute(
        "domain", "kept.example", 2, ShadowAttribute=[{"value": "changed.example"}]
    )
    seen = attribute("domain", "seen.example", 3, Sighting=[{"type": "0"}])
    gone = {
        "name": "file",
        "uuid": number(8),
        "deleted": "1",
        "Attribute": [attribute("md5", "b" * 32, 4)],
    }
    _, findings, losses = read(
        event(
            deleted,
            proposed,
            seen,
            Object=[gone],
            ShadowAttribute=[{"value": "new.example", "uuid": number(5)}],
        )
    )
    assert [one.value for one in findings] == ["kept.example", "seen.example"]
    assert {one.place.rpartition(" ")[2] for one in losses} == {
        number(count) for count in (1, 2, 3, 5, 8)
    }


def test_one_value_twice_is_one_finding_under_the_stricter_marking() -> None:
    """An address as source and as destination is one indicator, and what either restricts holds."""
    _, findings, losses = read(
        event(
            attribute("ip-src", "192.0.2.1", 1, to_ids=False),
            attribute("ip-dst", "192.0.2.1", 2, Tag=[{"name": "tlp:red"}]),
            Tag=[{"name": "tlp:amber"}],
        )
    )
    (one,) = findings
    assert (one.detect, one.markings) == (True, (RED,))
    assert [loss.place for loss in losses] == [f"attribute {number(2)}"]


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"[1", b"{}", b"[]", b"7", b'{"objects": []}', b'{"response": {"response": []}}', b"\xff\xfe",
     b'{"Event": 7}', b'{"Event": []}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_event_is_refused_with_a_reason(data: bytes) -> None:
    """Never another error than ours, whatever stands in the file."""
    with pytest.raises((NotJson, InputRefused)):
        list(read_misp(data))


@pytest.mark.parametrize(
    "hostile", [7, "x", None, [], [None, 7, "x"], {"type": 7}, [{"type": [], "value": {}}]]
)
@pytest.mark.parametrize("key", ["Attribute", "Object", "Tag", "Galaxy", "EventReport", "Orgc", "ShadowAttribute", "uuid", "date", "timestamp"])  # fmt: skip
def test_fields_of_other_forms_never_break_the_reader(key: str, hostile: object) -> None:
    """A field that is not what MISP writes is left out; the event is read."""
    head, _, _ = read(
        json.dumps({"Event": {"info": "x", "uuid": number(0), key: hostile}}).encode()
    )
    assert head.name == "x"


def test_a_file_over_the_limit_is_refused_unread() -> None:
    """Before anything is parsed."""
    with pytest.raises(InputRefused, match="bytes"):
        list(read_misp(b" " * (MOST_BYTES + 1)))


def test_a_value_that_is_repeated_costs_no_more_each_time() -> None:
    """Work is linear: what is kept of the second thousand is as much as of the first."""
    _, (one,), losses = read(
        event(*(attribute("domain", "a.example", count) for count in range(1_000)))
    )
    assert len(one.external_ids) == 20
    assert len(losses) == 999


def test_what_looks_like_misp_is_told_from_other_json() -> None:
    """A STIX bundle, a list of numbers and an object template are no events."""
    assert is_misp(json.loads(event()))
    assert is_misp({"response": [{"Event": {}}]})
    assert not is_misp({"type": "bundle", "objects": [{"type": "indicator"}]})
    assert not is_misp({"attributes": {"ip": {}}, "name": "domain-ip", "uuid": number(1)})
