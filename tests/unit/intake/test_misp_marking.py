"""What an event of MISP says about who may see it, and that no part of it ever says less."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cert_exchange.intake.building import Batch, build
from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.intake.misp import Event, read_misp
from cert_exchange.intake.misp.marking import PAP_DEFINITIONS, TLP_IDS, circle_of, tags_of
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.handling import Definition, Pap, read_handling
from cert_exchange.stix.markings import Tlp, read_markings
from cert_exchange.stix.validation import validate

OWN = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"


def number(count: int) -> str:
    return f"11111111-2222-4333-8444-{count:012d}"


def tags(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, **more} for name in names]


def built(event: dict[str, Any]) -> tuple[Event, list[dict[str, Any]], list[Loss]]:
    """An event, everything that is made of it, and what is lost."""
    items = list(
        read_misp(json.dumps({"Event": {"info": "x", "uuid": number(0), **event}}).encode())
    )
    head = items[0]
    assert isinstance(head, Event)
    findings = [one for one in items if isinstance(one, Finding)]
    batch = Batch(
        "x", OWN, at=1, markings=head.markings, labels=head.labels, definitions=head.definitions
    )
    return (
        head,
        [one.content for one in build(findings, batch)],
        [one for one in items if isinstance(one, Loss)],
    )


def domain(count: int, **more: Any) -> dict[str, Any]:
    return {
        "uuid": number(count),
        "type": "domain",
        "value": f"c{count}.evil.example",
        "to_ids": True,
        **more,
    }


@pytest.mark.parametrize(
    ("names", "level"),
    [
        (["tlp:white"], Tlp.CLEAR), (["tlp:clear"], Tlp.CLEAR), (["tlp:green", "tlp:red"], Tlp.RED), (["TLP:AMBER"], Tlp.AMBER),
        (["tlp:amber+strict"], Tlp.AMBER_STRICT), (["TLP_AMBER-STRICT"], Tlp.AMBER_STRICT), (["tlp:unclear"], Tlp.RED),
        (["tlp:violet"], Tlp.RED), (['iep:traffic-light-protocol="AMBER"'], Tlp.AMBER), ([], None), (["osint"], None),
        (["tlp:ex:chr"], None),
    ],
)  # fmt: skip
def test_tags_are_read_as_policies_read_labels(names: list[str], level: Tlp | None) -> None:
    """In any spelling; what is unknown is RED, what says nothing says nothing."""
    assert circle_of(tags(*names)).tlp is level


def test_the_events_circle_is_on_every_object() -> None:
    """TLP and PAP on indicators, observables, relationships and the report; definitions of PAP come along."""
    head, objects, _ = built(
        {"Tag": tags("tlp:amber", "PAP:RED"), "Attribute": [domain(1), domain(2, to_ids=False)]}
    )
    assert set(head.markings) == {TLP_IDS[Tlp.AMBER], PAP_DEFINITIONS[Pap.RED]["id"]}
    assert objects[0] == PAP_DEFINITIONS[Pap.RED]
    assert {tuple(one["object_marking_refs"]) for one in objects[1:]} == {
        tuple(sorted(head.markings))
    }
    assert {one["type"] for one in objects[1:]} == {
        "domain-name",
        "indicator",
        "relationship",
        "report",
    }


@pytest.mark.parametrize("pap", list(Pap))
def test_definitions_of_pap_are_understood_and_never_change(pap: Pap) -> None:
    """They are valid, policy reads them as the PAP that they name, and their ids are fixed."""
    definition = dict(PAP_DEFINITIONS[pap])
    validate(definition, limits=Limits())
    marked = {"type": "ipv4-addr", "value": "192.0.2.1", "object_marking_refs": [definition["id"]]}
    read = read_handling(
        marked, read_markings(marked), lambda _: [Definition(definition, trusted=True)]
    )
    assert (read.pap, read.understood) == (pap, {definition["id"]})
    assert list(tags_of([definition["id"]])) == [f"PAP:{pap.name}"]
    assert (
        PAP_DEFINITIONS[Pap.RED]["id"] == "marking-definition--94c8b2e6-5f7e-5767-a8ba-94c38efa46f9"
    )


def test_a_part_may_be_marked_more_strictly_and_never_less() -> None:
    """Of event, object and attribute the strictest counts, and what differs stands in a report of its own."""
    file_object = {
        "name": "file", "uuid": number(9), "Tag": tags("tlp:amber"),
        "Attribute": [
            {"uuid": number(3), "type": "md5", "value": "a" * 32, "to_ids": True},
            {"uuid": number(4), "type": "filename", "value": "secret.exe", "to_ids": True, "Tag": tags("tlp:red")},
        ],
    }  # fmt: skip
    parts = [domain(1, Tag=tags("tlp:white")), domain(2, Tag=tags("tlp:amber+strict"))]
    _, objects, _ = built({"Tag": tags("tlp:green"), "Attribute": parts, "Object": [file_object]})
    levels = {
        one["pattern"]: read_markings(one).tlp for one in objects if one["type"] == "indicator"
    }
    assert levels == {
        "[domain-name:value = 'c1.evil.example']": Tlp.GREEN,
        "[domain-name:value = 'c2.evil.example']": Tlp.AMBER_STRICT,
        f"[file:hashes.MD5 = '{'a' * 32}']": Tlp.AMBER,
        "[file:name = 'secret.exe']": Tlp.RED,
    }
    by_id = {one["id"]: one for one in objects}
    reports = [one for one in objects if one["type"] == "report"]
    assert len(reports) == 4
    for report in reports:
        assert {read_markings(by_id[ref]).tlp for ref in report["object_refs"]} == {
            read_markings(report).tlp
        }
    # A name that only RED readers may know stands in no object of the AMBER file.
    assert [
        one["type"]
        for one in objects
        if "secret.exe" in json.dumps(one) and read_markings(one).tlp is not Tlp.RED
    ] == []


@pytest.mark.parametrize(
    ("whole", "part", "kept"),
    [
        ("3", "0", True), ("1", "0", True), (None, "0", True), ("0", "0", False), ("3", "4", True), ("3", "5", False),
        ("3", "1", False), ("4", "4", False), (None, None, False), ("0", "4", True), (3, 0, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["attribute", "object"])
def test_what_misp_keeps_closer_than_the_event_is_red(
    whole: object, part: object, where: str, *, kept: bool
) -> None:
    """Your organisation only, and a sharing group whose members nobody here knows."""
    raw = {"distribution": part, "sharing_group_id": "7"}
    event = {"distribution": whole, "sharing_group_id": "7", "Tag": tags("tlp:green")}
    if where == "attribute":
        event["Attribute"] = [domain(1, **raw)]
    else:
        event["Object"] = [{"name": "file", "uuid": number(9), "Attribute": [domain(1)], **raw}]
    _, objects, losses = built(event)
    (indicator,) = (one for one in objects if one["type"] == "indicator")
    assert read_markings(indicator).tlp is (Tlp.RED if kept else Tlp.GREEN)
    assert any("TLP:RED" in one.reason for one in losses) is kept


def test_a_local_tag_goes_no_further_and_still_restricts() -> None:
    """Its words are for its own system; a level in it is borne all the same."""
    head, objects, losses = built(
        {
            "Tag": [
                *tags("customer-4711", local=True),
                *tags("tlp:red", local=True),
                *tags("osint"),
            ],
            "Attribute": [domain(1, Tag=tags("case-12", local=1))],
        }
    )
    assert head.tlp is Tlp.RED
    assert head.labels == ("osint",)
    assert "4711" not in json.dumps(objects)
    assert "case-12" not in json.dumps(objects)
    assert [one.reason for one in losses] == ["local tags are not for others"] * 2


def test_who_must_not_be_named_is_not() -> None:
    """`tlp:ex:chr`: neither the organisation nor its links, and every indicator says so for those who pass it on."""
    head, objects, losses = built(
        {
            "Tag": tags("tlp:green", "tlp:ex:chr"), "Orgc": {"name": "Quiet Org"},
            "Attribute": [domain(1), {"uuid": number(2), "type": "link", "value": "https://quiet.example/a"}],
        }
    )  # fmt: skip
    assert head.source == ""
    assert "quiet" not in json.dumps([objects, [one.url for one in head.references]]).lower()
    assert [one["labels"][-1] for one in objects if one["type"] == "indicator"] == ["tlp:ex:chr"]
    assert [one.place for one in losses] == [f"attribute {number(2)}"]
