"""From findings to STIX: ids, markings, groups, reports."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from cert_exchange.intake.building import PART, Batch, Built, build, own_id
from cert_exchange.intake.findings import Finding, Kind
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import examine_objects
from cert_exchange.stix.markings import TLP_DEFINITIONS

AT = 1_780_000_000_000_000
DAY = 24 * 3600 * 1_000_000
US, THEM = (f"identity--{uuid.UUID(int=n, version=4)}" for n in (1, 2))
TLP = {str(one["name"]).removeprefix("TLP:"): str(one["id"]) for one in TLP_DEFINITIONS[4:]}
BATCH = Batch("a list", US, AT, markings=(TLP["AMBER"],))
ALL = (
    Finding(Kind.IPV4, "192.0.2.1", "line 1"),
    Finding(Kind.IPV4, "198.51.100.0/24", "line 2"),
    Finding(Kind.IPV6, "2001:db8::1", "line 3"),
    Finding(Kind.DOMAIN, "evil.example", "line 4", context="evil.example, the C2"),
    Finding(Kind.URL, "http://evil.example/it's", "line 5"),
    Finding(Kind.EMAIL, "a@evil.example", "line 6"),
    Finding(Kind.SHA256, "a" * 64, "line 7"),
    Finding(Kind.FILE_PATH, "C:\\Users\\x\\a.exe", "line 8"),
    Finding(Kind.REGISTRY_KEY, "HKEY_CURRENT_USER\\Run", "line 9"),
    Finding(Kind.MUTEX, "Global\\x", "line 10"),
    Finding(Kind.USER_AGENT, "Mozilla 'x'", "line 11"),
    Finding(Kind.MAC, "00:11:22:33:44:55", "line 12"),
    Finding(Kind.ASN, "AS64500", "line 13"),
    Finding(Kind.CERTIFICATE, "b" * 40, "line 14"),
    Finding(Kind.VULNERABILITY, "CVE-2021-44228", "line 15"),
    Finding(Kind.TECHNIQUE, "T1059.001", "line 16"),
    Finding(Kind.PATTERN, "[file:size = 5]", "line 17"),
    Finding(Kind.SNORT, 'alert tcp any any -> any any (msg:"a rule"; sid:1;)', "line 18"),
    Finding(Kind.SSDEEP, "3:abc:def", "line 19"),
    Finding(Kind.TLSH, "T1" + "A" * 70, "line 20"),
    Finding(Kind.FILE_NAME, "a.exe", "line 21", detect=False),
)


def made(findings: Sequence[Finding], batch: Batch = BATCH) -> list[Built]:
    return list(build(findings, batch))


def contents(built: Sequence[Built]) -> list[dict[str, Any]]:
    return [one.content for one in built]


def of(built: Sequence[Built], stix_type: str) -> list[dict[str, Any]]:
    return [one.content for one in built if one.content["type"] == stix_type]


def test_every_kind_gives_valid_stix_with_the_marking_on_every_object() -> None:
    """All kinds pass our own validation, and nothing goes without the batch's marking."""
    built = made(ALL)
    for one in examine_objects(contents(built), limits=Limits()).items:
        assert one.refusal is None, (one.id, one.refusal)
    assert all(one["object_marking_refs"] == [TLP["AMBER"]] for one in contents(built))
    assert len(of(built, "indicator")) == 18
    assert [one["name"] for one in of(built, "vulnerability")] == ["CVE-2021-44228"]
    [technique] = of(built, "attack-pattern")
    assert technique["external_references"] == [
        {"source_name": "mitre-attack", "external_id": "T1059.001"}
    ]
    [report] = of(built, "report")
    named = {one.id for one in built if one.named}
    assert set(report["object_refs"]) == named
    assert len(named) == len(ALL)
    targets = {one["target_ref"] for one in of(built, "relationship")}
    assert targets <= {one.id for one in built}


@pytest.mark.case("I24")
def test_the_order_of_rows_and_the_day_change_no_id() -> None:
    """The same rows shuffled a day later are the same objects; only what comes from the clock differs."""
    first = made(ALL)
    rows = [replace(one, place=f"line {n}") for n, one in enumerate(ALL)]
    random.Random(7).shuffle(rows)
    again = made(rows, replace(BATCH, at=AT + DAY))

    def still(built: Sequence[Built]) -> dict[str, dict[str, Any]]:
        return {
            one.id: {k: v for k, v in one.content.items() if k not in one.floating} for one in built
        }

    assert still(first) == still(again)


@pytest.mark.case("I33")
def test_two_creators_never_meet_in_an_id_of_theirs() -> None:
    """Cyber-observables are everybody's; all else has other ids under another creator, and the same under the same."""
    ours, theirs = made(ALL), made(ALL, replace(BATCH, creator=THEM))
    shared = {one.id for one in ours} & {one.id for one in theirs}
    assert shared == {one.id for one in ours if "created_by_ref" not in one.content}
    assert own_id(US, "indicator", "ab", "c") != own_id(US, "indicator", "a", "bc")


def test_one_group_is_one_indicator_of_what_is_looked_for() -> None:
    """Hashes and a name of one file: the pattern asks for the hashes, the file has the name too."""
    group = (
        Finding(Kind.MD5, "a" * 32, "object 1", group="1"),
        Finding(Kind.SHA1, "b" * 40, "object 1", group="1"),
        Finding(Kind.FILE_NAME, "a.exe", "object 1", group="1", detect=False),
    )
    built = made(group)
    [indicator] = of(built, "indicator")
    assert indicator["pattern"] == (
        f"[file:hashes.MD5 = '{'a' * 32}' OR file:hashes.'SHA-1' = '{'b' * 40}']"
    )
    [file] = of(built, "file")
    assert file["name"] == "a.exe"
    assert set(file["hashes"]) == {"MD5", "SHA-1"}
    told = [replace(one, detect=False) for one in group]
    assert not of(made(told), "indicator")
    assert [one["object_refs"] for one in of(made(told), "report")] == [[file["id"]]]


def test_a_stricter_finding_keeps_its_marking_and_a_report_of_its_own() -> None:
    """RED in an AMBER batch is RED, GREEN is AMBER; the main report does not name the red one."""
    rows = (
        Finding(Kind.DOMAIN, "a.example", "1"),
        Finding(Kind.DOMAIN, "b.example", "2", markings=(TLP["RED"],)),
        Finding(Kind.DOMAIN, "c.example", "3", markings=(TLP["GREEN"],)),
    )
    built = made(rows)
    by_name = {one["name"]: one["object_marking_refs"] for one in of(built, "indicator")}
    assert by_name == {
        "a.example": [TLP["AMBER"]], "b.example": [TLP["RED"]], "c.example": [TLP["AMBER"]],
    }  # fmt: skip
    reports = {one["name"]: one for one in of(built, "report")}
    assert set(reports) == {"a list", "a list (TLP:RED)"}
    assert len(reports["a list"]["object_refs"]) == 2
    assert reports["a list (TLP:RED)"]["object_marking_refs"] == [TLP["RED"]]


def test_long_batches_are_named_in_parts_that_stay() -> None:
    """At most 1,000 references a part; one row more changes one part; grouping and none are possible."""
    rows = [Finding(Kind.DOMAIN, f"{n}.example", f"line {n}") for n in range(2_500)]
    batch = replace(BATCH, observables=False)
    reports = {one["id"]: one["object_refs"] for one in of(made(rows, batch), "report")}
    assert sum(len(refs) for refs in reports.values()) == 2_500
    assert max(len(refs) for refs in reports.values()) <= PART
    more = [*rows, Finding(Kind.DOMAIN, "one-more.example", "line 2501")]
    after = {one["id"]: one["object_refs"] for one in of(made(more, batch), "report")}
    assert reports.keys() == after.keys()
    assert sum(reports[key] != after[key] for key in reports) == 1
    grouped = made(rows[:3], replace(batch, around="grouping"))
    assert [one["context"] for one in of(grouped, "grouping")] == ["suspicious-activity"]
    assert not of(made(rows[:3], replace(batch, around="none")), "report")


def test_how_long_it_counts() -> None:
    """What the input says stays; the default per kind counts from today; what was over before it came is over."""
    stated = Finding(
        Kind.DOMAIN,
        "a.example",
        "1",
        valid_from="2024-01-01T00:00:00Z",
        valid_until="2024-02-01T00:00:00Z",
    )
    default = Finding(Kind.IPV4, "192.0.2.1", "2")
    over = Finding(Kind.DOMAIN, "b.example", "3", valid_until="2024-02-01T00:00:00Z")
    built = made((stated, default, over), replace(BATCH, valid_for={Kind.IPV4: 30 * DAY}))
    one, two, three = of(built, "indicator")
    assert (one["valid_from"], one["valid_until"]) == (stated.valid_from, stated.valid_until)
    assert two["valid_until"] > two["valid_from"] == two["created"]
    assert three["valid_until"] == over.valid_until > three["valid_from"]
    floating = {b.id: b.floating for b in built}
    assert "valid_until" not in floating[one["id"]]
    assert {"valid_from", "valid_until"} <= set(floating[two["id"]])


def test_a_value_said_twice_is_built_once() -> None:
    """Unless the second says something stricter: then both come, and the store keeps the stricter."""
    again = Finding(Kind.DOMAIN, "a.example", "2")
    assert len(of(made((again, again)), "indicator")) == 1
    red = replace(again, markings=(TLP["RED"],))
    assert len(of(made((again, red)), "indicator")) == 2
