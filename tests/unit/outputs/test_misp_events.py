"""Objects as MISP events: what is said of them, with every marking, and what cannot be said with its id."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    TLP,
    address,
    at,
    indicator,
    malware,
    relationship,
    report,
    uid,
)

from cert_exchange.intake.building import Batch, build
from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.intake.misp import Event, read_misp
from cert_exchange.intake.misp.marking import PAP_DEFINITIONS
from cert_exchange.intake.misp.types import COMPOSITES, KINDS, NAMED_FILES
from cert_exchange.outputs.misp import Events, Organisation, write_events
from cert_exchange.stix.handling import Pap
from cert_exchange.stix.markings import Tlp
from cert_exchange.stix.patterns import comparisons

SAMPLES = Path(__file__).parents[2] / "samples"
OWN = Organisation("CERT A", OWN_IDENTITY.partition("--")[2])


def written(*objects: Mapping[str, Any]) -> Events:
    return write_events(objects, organisation=OWN, title="what CERT A holds")


def only(events: Events) -> dict[str, Any]:
    (event,) = events.events
    content: dict[str, Any] = json.loads(event.body)["Event"]
    return content


def about(name: str, pattern: str, **more: Any) -> dict[str, Any]:
    return indicator(name, pattern=pattern, pattern_version="2.1", **more)


def told(event: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    return [(one["type"], one["value"], one["to_ids"]) for one in event["Attribute"]]


@pytest.mark.parametrize(
    ("pattern", "attributes"),
    [
        ("[ipv4-addr:value = '192.0.2.1']", [("ip-dst", "192.0.2.1")]),
        ("[ipv4-addr:value ISSUBSET '192.0.2.0/24']", [("ip-dst", "192.0.2.0/24")]),
        ("[domain-name:value = 'a.example' OR domain-name:value = 'b.example']", [("domain", "a.example"), ("domain", "b.example")]),
        ("[url:value = 'http://a.example/?q=\\'x\\'']", [("url", "http://a.example/?q='x'")]),
        (f"[x509-certificate:hashes.'SHA-1' = '{'a' * 40}']", [("x509-fingerprint-sha1", "a" * 40)]),
        (("[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1'"
         " AND network-traffic:dst_port = 443]"), [("ip-dst|port", "192.0.2.1|443")]),
        # Taken apart these would give false alarms.
        ("[file:name = 'a.exe' AND file:size = 5]", [("stix2-pattern", "[file:name = 'a.exe' AND file:size = 5]")]),
        ("[domain-name:value = 'a.example'] FOLLOWEDBY [url:value = 'http://b.example/']",
         [("stix2-pattern", "[domain-name:value = 'a.example'] FOLLOWEDBY [url:value = 'http://b.example/']")]),
        ("[ipv4-addr:value != '192.0.2.1']", [("stix2-pattern", "[ipv4-addr:value != '192.0.2.1']")]),
    ],
)  # fmt: skip
def test_a_pattern_is_the_values_that_it_means(
    pattern: str, attributes: list[tuple[str, str]]
) -> None:
    """And what is more than one of several values stays a pattern."""
    events = written(about("x", pattern))
    assert told(only(events)) == [(kind, value, True) for kind, value in attributes]
    assert events.unsaid == ()


def test_hashes_of_one_file_are_a_file_object_with_the_name_told_of() -> None:
    """What the indicator does not look for is not flagged."""
    seen = {
        "type": "file", "spec_version": "2.1", "id": "file--11111111-1111-5111-8111-111111111111",
        "name": "oui.exe", "hashes": {"MD5": "a" * 32, "SHA-256": "b" * 64},
    }  # fmt: skip
    sought = about("x", f"[file:hashes.MD5 = '{'a' * 32}' OR file:hashes.'SHA-256' = '{'b' * 64}']")
    joined = relationship(sought, seen, relationship_type="based-on")
    event = only(written(sought, seen, joined))
    (made,) = event["Object"]
    assert {(one["type"], one["to_ids"]) for one in made["Attribute"]} == {
        ("md5", True), ("sha256", True), ("filename", False),
    }  # fmt: skip
    assert event["Attribute"] == []


@pytest.mark.case("I23")
def test_a_report_keeps_its_text_its_links_and_its_members() -> None:
    """The text goes as an event report; a reference without an address and an object without a word are listed."""
    actor = malware("Emotet")
    sought = about("x", "[domain-name:value = 'a.example']")
    whole = report(
        "wave of mails", [sought["id"], actor["id"]], description="How it came.",
        external_references=[
            {"source_name": "blog", "url": "https://blog.example/a", "description": "first report"},
            {"source_name": "case", "external_id": "4711"},
        ],
    )  # fmt: skip
    events = written(sought, actor, whole)
    event = only(events)
    assert (event["info"], event["EventReport"][0]["content"]) == ("wave of mails", "How it came.")
    assert told(event) == [
        ("domain", "a.example", True), ("link", "https://blog.example/a", False),
    ]  # fmt: skip
    assert {one.stix_id: one.in_part for one in events.unsaid} == {
        actor["id"]: False,
        whole["id"]: True,
    }


@pytest.mark.case("M19")
def test_no_object_loses_its_marking() -> None:
    """Each attribute bears its own, the event the strictest, and a marking without a word in MISP its name."""
    statement = {
        "type": "marking-definition", "spec_version": "2.1", "id": "marking-definition--11111111-1111-4111-8111-111111111111",
        "created": "2026-01-01T00:00:00.000Z", "name": "Only for banks", "definition_type": "statement",
        "definition": {"statement": "Only for banks"},
    }  # fmt: skip
    plain = about("x", "[domain-name:value = 'a.example']", tlp="green")
    strict = about("y", "[domain-name:value = 'b.example']", tlp="amber")
    bound = about(
        "z",
        "[domain-name:value = 'c.example']",
        object_marking_refs=[TLP["green"], statement["id"]],
    )
    whole = report("r", [plain["id"], strict["id"], bound["id"]], tlp="green")
    event = only(written(plain, strict, bound, statement, whole))
    assert tags(event) == ["tlp:amber", 'cert-exchange:report-tlp="green"']
    assert {one["value"]: tags(one) for one in event["Attribute"]} == {
        "a.example": ["tlp:green"], "b.example": ["tlp:amber"], "c.example": ["tlp:green", 'marking="Only for banks"'],
    }  # fmt: skip


def tags(part: Mapping[str, Any]) -> list[str]:
    return [one["name"] for one in part["Tag"]]


@pytest.mark.case("M21")
def test_every_event_and_attribute_carries_a_level_and_the_event_the_strictest() -> None:
    """A report of AMBER with two CLEAR and one RED, one without any: RED; read again, each is what it was."""
    objects = [
        about(name, f"[domain-name:value = '{name}.example']", tlp=level)
        for name, level in (("a", "clear"), ("b", "clear"), ("c", "red"), ("d", None))
    ]
    whole = report("r", [one["id"] for one in objects], tlp="amber", external_references=[{"source_name": "x", "url": "https://x.example/"}])  # fmt: skip
    loose = about("e", "[domain-name:value = 'e.example']", tlp="green")
    events = {one.content["info"]: one for one in written(*objects, whole, loose).events}
    event, other = events["r"].content, events["what CERT A holds: what no report names"].content
    assert tags(event) == ["tlp:red", 'cert-exchange:report-tlp="amber"']
    assert tags(other) == ["tlp:green"]
    assert {one["value"]: tags(one) for one in event["Attribute"]} == {
        "a.example": ["tlp:clear"], "b.example": ["tlp:clear"], "c.example": ["tlp:red"],
        "d.example": ["tlp:amber+strict"], "https://x.example/": ["tlp:amber"],
    }  # fmt: skip
    (head, *found) = read_misp(events["r"].body)
    assert isinstance(head, Event)
    assert head.markings == (TLP["amber"],)
    assert "cert-exchange" not in str(head.labels)
    assert {one.value: one.markings for one in found if isinstance(one, Finding)} == {
        "a.example": (), "b.example": (), "c.example": (TLP["red"],), "d.example": (TLP["amber+strict"],),
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event["Attribute"].pop(1),  # what made it RED is gone
        lambda event: event["Attribute"][0].pop("Tag"),  # one says nothing itself
        lambda event: event["Attribute"][1].update(Tag=[{"name": "tlp:amber"}]),
        lambda event: event["Tag"].append({"name": 'cert-exchange:report-tlp="clear"'}),
        lambda event: event["Tag"].append({"name": "tlp:ex:eu"}),
    ],
)
def test_what_a_report_says_less_than_its_event_counts_only_where_its_parts_explain_it(
    change: Callable[[dict[str, Any]], object],
) -> None:
    """Whoever marks our event RED in MISP has everything in it RED, whatever stands beside it."""
    one, two = (
        about(name, f"[domain-name:value = '{name}.example']", tlp=level)
        for name, level in (("a", "green"), ("b", "red"))
    )
    event = only(written(one, two, report("r", [one["id"], two["id"]], tlp="green")))
    assert read_level(event) == Tlp.GREEN
    change(event)
    assert read_level(event) == Tlp.RED


def read_level(event: Mapping[str, Any]) -> Tlp | None:
    head = next(read_misp(json.dumps({"Event": event}).encode()))
    assert isinstance(head, Event)
    return head.tlp


def test_a_sender_states_no_level_of_a_report_by_a_label() -> None:
    """The tag is ours to write: as a label of an object it is left out."""
    lying = ['cert-exchange:report-tlp="clear"']
    one = about("a", "[domain-name:value = 'a.example']", tlp="red", labels=lying)
    event = only(written(one, report("r", [one["id"]], tlp="red", labels=lying)))
    assert tags(event) == ["tlp:red"]
    assert tags(event["Attribute"][0]) == ["tlp:red"]


LADDER = ("clear", "green", "amber", "amber+strict", "red")


@pytest.mark.case("M22")
@pytest.mark.parametrize(("one", "other"), list(itertools.product(LADDER, LADDER)))
def test_a_file_of_parts_has_the_strictest_of_them(one: str, other: str) -> None:
    """Each combination of an indicator's hashes and a file that is told of beside it, and its folder."""
    folder = {
        "type": "directory", "spec_version": "2.1", "id": f"directory--{uid('folder')}", "path": "C:\\x",
        "object_marking_refs": [TLP["clear"]],
    }  # fmt: skip
    seen = {
        "type": "file", "spec_version": "2.1", "id": f"file--{uid('seen')}", "name": "x.exe", "hashes": {"MD5": "a" * 32},
        "parent_directory_ref": folder["id"], "object_marking_refs": [TLP[other]],
    }  # fmt: skip
    sought = about("x", f"[file:hashes.MD5 = '{'a' * 32}']", tlp=one)
    joined = relationship(sought, seen, relationship_type="based-on")
    event = only(written(sought, seen, folder, joined, report("r", [sought["id"]], tlp="clear")))
    strictest = f"tlp:{max(one, other, key=LADDER.index)}"
    (made,) = event["Object"]
    assert {(each["type"], *tags(each)) for each in made["Attribute"]} == {
        ("md5", strictest), ("filename", strictest),
    }  # fmt: skip
    assert tags(event)[0] == strictest


@pytest.mark.case("O06")
def test_what_is_revoked_stands_as_deleted_and_the_event_is_newer() -> None:
    """MISP removes what it took over: the same UUID, deleted, in an event that changed."""
    before = about("x", "[domain-name:value = 'a.example']")
    kept = about("y", "[domain-name:value = 'b.example']")
    whole = report("r", [before["id"], kept["id"]])
    ended = {**before, "revoked": True, "modified": at(9)}
    first, last = only(written(before, kept, whole)), only(written(ended, kept, whole))
    assert [(one["uuid"], one.get("deleted", False)) for one in last["Attribute"]] == [
        (first["Attribute"][0]["uuid"], True), (first["Attribute"][1]["uuid"], False),
    ]  # fmt: skip
    assert int(last["timestamp"]) > int(first["timestamp"])
    assert only(written(ended))["Attribute"][0]["deleted"] is True


def test_the_text_of_a_stricter_report_stands_in_no_looser_event() -> None:
    """Two reports of one MISP event are one event again, which says what the looser one says."""
    origin = [{"source_name": "misp", "external_id": "11111111-2222-4333-8444-000000000000"}]
    one = about("x", "[domain-name:value = 'a.example']", tlp="green")
    two = about("y", "[domain-name:value = 'b.example']", tlp="red")
    loose = report("r", [one["id"]], tlp="green", description="for all", external_references=origin)
    strict = report(
        "r (TLP:RED)", [two["id"]], tlp="red", description="for few", external_references=origin
    )
    events = written(one, two, loose, strict)
    event = only(events)
    assert (event["uuid"], event["info"]) == (origin[0]["external_id"], "r")
    assert "for few" not in events.events[0].body.decode()
    assert [tags(one) for one in event["Attribute"]] == [["tlp:green"], ["tlp:red"]]
    assert tags(event) == ["tlp:red", 'cert-exchange:report-tlp="green"']


def test_the_same_objects_make_the_same_bytes_in_any_order() -> None:
    """So that MISP updates what it has; and no UUID stands in two events."""
    sought = about("x", "[domain-name:value = 'a.example']")
    reports = [report(name, [sought["id"]]) for name in ("one", "two")]
    first, again = written(sought, *reports), written(*reversed(reports), sought)
    assert [one.body for one in first.events] == [one.body for one in again.events]
    assert first.manifest == again.manifest
    uuids = [json.loads(one.body)["Event"]["Attribute"][0]["uuid"] for one in first.events]
    assert len(set(uuids)) == 2


def test_what_no_report_names_is_in_one_event_more() -> None:
    """Nothing is left out; rules go as they are, and a language without an attribute is listed."""
    rule = indicator("r", pattern="rule a { condition: true }", pattern_type="yara")
    odd = indicator("o", pattern="<x/>", pattern_type="openioc")
    events = written(rule, odd)
    assert told(only(events)) == [("yara", "rule a { condition: true }", True)]
    assert [(one.stix_id, "openioc" in one.reason) for one in events.unsaid] == [(odd["id"], True)]


def named_by_misp(uuid: str, misp_type: str = "domain") -> list[dict[str, str]]:
    return [{"source_name": f"misp-attribute {misp_type}", "external_id": uuid}]


def test_nobody_speaks_in_anothers_event() -> None:
    """A UUID that A and C both state stays with A: what C sends takes over neither event nor attribute."""
    event, attribute = (
        "11111111-2222-4333-8444-000000000000",
        "11111111-2222-4333-8444-000000000001",
    )
    ours = about(
        "x", "[domain-name:value = 'a.example']", external_references=named_by_misp(attribute)
    )
    theirs = about(
        "y",
        "[domain-name:value = 'b.example']",
        by=C_IDENTITY,
        external_references=named_by_misp(attribute),
    )
    whole = [{"source_name": "misp", "external_id": event}]
    first = report("ours", [ours["id"]], external_references=whole)
    other = report(
        "t", [theirs["id"]], by=C_IDENTITY, external_references=whole, description="false"
    )
    events = {
        one.uuid: json.loads(one.body)["Event"]
        for one in written(theirs, other, ours, first).events
    }
    assert set(events) == {event, other["id"].rpartition("--")[2]}
    assert (events[event]["info"], told(events[event])) == ("ours", [("domain", "a.example", True)])
    assert "EventReport" not in events[event]
    assert events[event]["Attribute"][0]["uuid"] == attribute
    strangers = written(
        theirs,
        other,
        about(
            "z",
            "[domain-name:value = 'd.example']",
            by=B_IDENTITY,
            external_references=named_by_misp(attribute),
        ),
    )
    assert attribute not in json.dumps([json.loads(one.body) for one in strangers.events])


def test_an_observable_is_an_indicators_where_its_creator_says_so() -> None:
    """Who joins something to another's indicator neither adds to it nor takes anything from the file."""
    ours = about("x", "[domain-name:value = 'a.example']")
    seen = address("192.0.2.1")
    event = only(
        written(ours, seen, relationship(ours, seen, relationship_type="based-on", by=C_IDENTITY))
    )
    assert told(event) == [("domain", "a.example", True), ("ip-dst", "192.0.2.1", False)]
    event = only(written(ours, seen, relationship(ours, seen, relationship_type="based-on")))
    assert told(event) == [("domain", "a.example", True), ("ip-dst", "192.0.2.1", False)]


@pytest.mark.parametrize(
    "uuid", ["../../../etc/passwd", "no-uuid", "11111111-2222-4333-8444-000000000000/../x"]
)
def test_what_is_no_uuid_names_no_file(uuid: str) -> None:
    """A feed writes each event into a file of its UUID."""
    odd = about("x", "[domain-name:value = 'a.example']", external_references=named_by_misp(uuid))
    whole = report(
        "r", [odd["id"]], external_references=[{"source_name": "misp", "external_id": uuid}]
    )
    (event,) = written(odd, whole).events
    assert event.uuid == whole["id"].rpartition("--")[2]
    assert uuid not in event.body.decode()


def test_words_of_a_sender_are_taken_over_only_where_they_fit() -> None:
    """A type that its value is none of, a category that MISP has not, a level that its markings contradict."""
    labels = ['misp:type="md5"', 'misp:category="<script>"', "tlp:white", "osint"]
    event = only(
        written(about("x", "[domain-name:value = 'a.example']", labels=labels, tlp="amber"))
    )
    (made,) = event["Attribute"]
    assert (made["type"], made["category"]) == ("domain", "Network activity")
    assert made["Tag"] == [{"name": "tlp:amber"}, {"name": "osint"}]
    fitting = ['misp:type="hostname"', 'misp:category="Payload delivery"']
    (made,) = only(written(about("x", "[domain-name:value = 'a.example']", labels=fitting)))[
        "Attribute"
    ]
    assert (made["type"], made["category"]) == ("hostname", "Payload delivery")


def test_one_object_makes_no_flood_of_attributes() -> None:
    """Comment and tags stand on each attribute: a partner's object of a megabyte must not become gigabytes."""
    many = " OR ".join(f"domain-name:value = 'd{count}.example'" for count in range(300))
    wide = about(
        "x",
        f"[{many}]",
        labels=[f"label {count}" for count in range(300)],
        description="long " * 1_000,
    )
    events = written(wide)
    (made,) = only(events)["Attribute"]
    assert (made["type"], made["value"]) == ("stix2-pattern", f"[{many}]")
    assert len(made["Tag"]) < 60
    assert len(made["comment"]) == 2_000
    assert [(one.stix_id, one.in_part) for one in events.unsaid] == [(wide["id"], True)]


VALUES = {
    "md5": "a" * 32, "sha1": "b" * 40, "sha256": "c" * 64, "sha512": "d" * 128, "ssdeep": "3:abcabc:abcabc", "tlsh": "T1" + "A" * 70,
    "ip-dst": "192.0.2.1", "ip-src": "2001:db8::/32", "domain": "a.example", "hostname": "xn--bcher-kva.example",
    "onion-address": "abcdefabcdefabcd.onion", "url": "http://a.example/'x", "uri": "b.example/x", "email": "x@a.example",
    "email-src": "y@a.example", "email-dst": "z@a.example", "email-reply-to": "r@a.example", "dns-soa-email": "s@a.example",
    "filename": "C:\\Temp\\it's.exe", "email-attachment": "a.doc", "regkey": "HKEY_USERS\\x", "mutex": "Global\\m",
    "user-agent": "Mozilla/5.0 (x)", "mac-address": "00:11:22:33:44:55", "AS": "AS64496",
    "x509-fingerprint-sha1": "e" * 40, "x509-fingerprint-sha256": "f" * 64, "vulnerability": "CVE-2021-44228",
    "stix2-pattern": "[file:size = 5 AND file:name = 'b']", "snort": 'alert tcp any any -> any any (msg:"x"; sid:1;)',
    "suricata": 'alert dns any any -> any any (msg:"y"; sid:2;)', "sigma": "title: x\ndetection:\n  a: b",
    "yara": "rule a { condition: true }", "ip-dst|port": "192.0.2.2|443", "ip-src|port": "2001:db8::5|80",
    "hostname|port": "c.example|8080", "domain|ip": "d.example|192.0.2.3", "regkey|value": "HKEY_USERS\\y|C:\\it's",
    **{f"filename|{name}": f"n.exe|{mark}" for name, mark in (
        ("md5", "1" * 32), ("sha1", "2" * 40), ("sha256", "3" * 64), ("sha512", "4" * 128), ("ssdeep", "3:dddddd:dddddd"),
        ("tlsh", "T1" + "B" * 70))},
    "malware-sample": "m.exe|" + "5" * 32,
}  # fmt: skip


def every_type() -> bytes:
    """An event with one flagged attribute of each type that we read, tags and a comment on each."""
    attributes = [
        {
            "uuid": f"11111111-2222-4333-8444-{count:012d}", "type": misp_type, "value": value, "to_ids": misp_type != "vulnerability",
            "category": "Payload delivery", "comment": f"seen {count}", "Tag": [{"name": "tlp:red"}, {"name": "own"}][count % 2 :],
            "first_seen": "2026-11-01T00:00:00.000000Z",
        }
        for count, (misp_type, value) in enumerate(sorted(VALUES.items()), 1)
    ]  # fmt: skip
    event = {
        "info": "every type", "uuid": "11111111-2222-4333-8444-000000000000", "date": "2026-11-02", "analysis": "1",
        "threat_level_id": "2", "Tag": [{"name": "tlp:amber"}, {"name": "PAP:GREEN"}, {"name": "osint"}], "Attribute": attributes,
        "EventReport": [{"name": "Summary", "content": "How it came."}],
    }  # fmt: skip
    return json.dumps({"Event": event}).encode()


def objects_of(data: bytes) -> dict[str, dict[str, Any]]:
    items = list(read_misp(data))
    head = items[0]
    assert isinstance(head, Event)
    references = [
        {
            name: getattr(one, name)
            for name in ("source_name", "url", "external_id", "description")
            if getattr(one, name)
        }
        for one in head.references
    ]
    batch = Batch(
        head.name, OWN_IDENTITY, at=1, markings=head.markings or (TLP["red"],), labels=head.labels, key=head.uuid, definitions=head.definitions,
        description=head.description, published=head.at or "", references=tuple(references),
    )  # fmt: skip
    findings = [one for one in items if isinstance(one, Finding)]
    return {one.id: one.content for one in build(findings, batch)}


def test_the_samples_of_types_are_of_every_type() -> None:
    """What is added to the table is added to the test below."""
    assert {*KINDS, *COMPOSITES, *NAMED_FILES} - {"hostname|ip"} == set(VALUES)


@pytest.mark.case("I29")
@pytest.mark.parametrize(
    "name", ["every type", "pymisp-to_delete1.json", "eset-cloudmensis.misp.json"]
)
def test_stix_to_misp_and_back_is_equal(name: str) -> None:
    """Each object of the event, byte for byte but for its order: ids, patterns, markings, labels, references, instants."""
    data = every_type() if name == "every type" else (SAMPLES / "misp" / name).read_bytes()
    before = objects_of(data)
    events = written(*before.values())
    assert events.unsaid == ()
    (event,) = events.events
    after = objects_of(event.body)
    assert {
        key for key in before.keys() | after.keys() if before.get(key) != after.get(key)
    } == set()
    stated = {
        one["uuid"]: one
        for one in json.loads(data).get("Event", {}).get("Attribute", [])
        if one["to_ids"]
    }
    back = {
        one["uuid"]: one
        for owner in (json.loads(event.body)["Event"], *json.loads(event.body)["Event"]["Object"])
        for one in owner["Attribute"]
    }
    for uuid, one in stated.items():
        assert {key: back[uuid][key] for key in ("type", "value", "category", "to_ids", "comment")} == {
            key: one[key] for key in ("type", "value", "category", "to_ids", "comment")
        }  # fmt: skip


CONVERT = """
import json, sys
from misp_stix_converter import MISPtoSTIX21Parser
parser = MISPtoSTIX21Parser()
parser.parse_json_content(open(sys.argv[1]).read())
print(json.dumps([one["pattern"] for one in parser.bundle.objects if one["type"] == "indicator"]))
"""
"""In a process of its own: what misp-stix imports changes how everything after it is imported."""


@pytest.mark.soak
@pytest.mark.parametrize(
    "name", ["pymisp-to_delete1.json", "pymisp-57c4445b-c548-4654-af0b-4be3950d210f.json"]
)
def test_the_converter_of_misp_finds_the_same_values(name: str) -> None:
    """misp-stix as the oracle: every value that its patterns compare stands in what we make, or is a loss."""
    path = SAMPLES / "misp" / name
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CONVERT, path], check=True, capture_output=True
    )
    items = list(read_misp(path.read_bytes()))
    findings = [one for one in items if isinstance(one, Finding)]
    ours = json.dumps([one.content for one in build(findings, Batch("x", OWN_IDENTITY, at=1))])
    lost = " ".join(one.what for one in items if isinstance(one, Loss))
    theirs = {
        value
        for pattern in json.loads(ran.stdout)
        for one in comparisons(pattern, version="2.1")
        for value in one.values
        if one.path[-1] != "type"
    }
    assert len(theirs) > 3
    # Of a file in its folder we keep the two apart.
    names = {one.rpartition("\\")[2] if one[-4:] == ".exe" else one for one in theirs}
    missing = {one for one in names if json.dumps(one)[1:-1] not in ours and one not in lost}
    assert missing == set()


@pytest.mark.parametrize(
    ("said", "tag", "flagged"),
    [
        ({"labels": ["PAP:RED"]}, "PAP:RED", False),
        ({"labels": ["PAP: AMBER"]}, "PAP:AMBER", False),
        ({"labels": ['misp:pap="green"', "PAP:GREEN"]}, "PAP:GREEN", True),
        ({"labels": ["PAP:GREEN", "pap:red"]}, "PAP:RED", False),
        ({"object_marking_refs": [TLP["green"], PAP_DEFINITIONS[Pap.AMBER]["id"]]}, "PAP:AMBER", False),
    ],
)  # fmt: skip
def test_what_pap_does_not_permit_to_block_is_not_flagged(
    said: dict[str, Any], tag: str, flagged: bool
) -> None:
    """A label and a definition alike, with its tag; an observable beside it is no way around."""
    one = about("x", "[domain-name:value = 'a.example']", **said)
    event = only(written(one, PAP_DEFINITIONS[Pap.AMBER]))
    assert told(event) == [("domain", "a.example", flagged)]
    assert tag in tags(event["Attribute"][0])
    quiet = {**address("192.0.2.1"), "object_marking_refs": [PAP_DEFINITIONS[Pap.RED]["id"]]}
    sought = about("y", "[ipv4-addr:value = '192.0.2.1']")
    joined = relationship(sought, quiet, relationship_type="based-on")
    event = only(written(sought, quiet, joined, PAP_DEFINITIONS[Pap.RED]))
    assert told(event) == [("ip-dst", "192.0.2.1", False)]


def test_what_no_report_names_has_a_date_and_says_what_it_is() -> None:
    """The day of its oldest member: a MISP sorts 1970 below everything."""
    event = only(written(about("x", "[domain-name:value = 'a.example']", version=3)))
    assert (event["info"], event["date"]) == (
        "what CERT A holds: what no report names",
        "2026-01-01",
    )
    assert tags(event) == ["tlp:green"]
