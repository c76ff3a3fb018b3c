"""Group M of CASES.md: what a rule takes away leaves by no path, and what is left is an object of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cases_m.conftest import everything
from tests.conftest import Wall
from tests.neighbour import Collection, Neighbour
from tests.scenes import OWN_IDENTITY, TLP, Scene, at, indicator, malware, note, report, uid
from tests.taxii.conftest import served
from tests.unit.syncing.conftest import add_target, sync

from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.stix.handling import IEP_EXTENSION

CANARY = "canary-7f3a91"
STRIPPING = """\
  - name: what stays in this house
    match: {origin: any}
    redact: {remove: [x_desk], custom: true}
"""
ABOVE = """\
  - name: without what is above
    match: {origin: any}
    redact: {above_ceiling: true}
"""
CUTTING = """\
  - name: as far as it is visible
    match: {type: report, origin: any}
    redact: {references: cut}
"""


def everywhere(scene: Scene, partner: str = "b") -> str:
    """All that a partner sees in both collections, every version."""
    return json.dumps([scene.sees(partner, one, last=False) for one in ("indicators", "reports")])


@pytest.mark.case("M07")
def test_a_stripped_property_leaves_by_no_path(node: Node, wall: Wall) -> None:
    """Neither when the partner pulls nor when we push, in its first version and in the next, and under no id of ours."""
    with served(node, wall) as server, Neighbour(target := Collection()) as peer:
        server.scene.apply("b", everything("b", more=STRIPPING))
        for version in (0, 1):
            server.scene.publish(
                indicator("of the desk", version=version, x_desk=f"{CANARY} {version}", description=f"see {CANARY} {version}"),
                note("about it", [indicator("of the desk")["id"]], version=version),
            )  # fmt: skip
            add_target(node, peer) if not version else None
            assert sync(node).ok
        pages = b"".join(page.raw for page in server.client("b").drain(limit=2))
        pages += server.client("b").get("/api/collections/indicators/manifest/").raw
        sent = b"".join(one.body for one in peer.requests)
        for told in (pages, sent):
            assert b"of the desk" in told
            assert CANARY.encode() not in told
            assert indicator("of the desk")["id"].encode() not in told
        assert {one["id"] for _, one in target.rows} == set(server.scene.ids("b", last=False))
        ledger.verify(node)


@pytest.mark.case("M27")
@pytest.mark.case("M28")
def test_a_rule_that_redacts_shows_the_rest_under_an_id_of_its_own(scene: Scene) -> None:
    """GREEN object, RED description: the rest comes from us, without a link to what is hidden; RED readers get the whole."""
    scene.apply("b", everything("b", tlp="green", more=ABOVE))
    scene.apply("c", everything("c", tlp="red"))
    secret = indicator(
        "mostly green", description="the source is Ada",
        granular_markings=[{"selectors": ["description"], "marking_ref": TLP["red"]}],
    )  # fmt: skip
    scene.publish(secret)
    (left,) = [one for one in scene.sees("b") if one["type"] == "indicator"]
    assert left["id"] != secret["id"]
    assert left["created_by_ref"] == OWN_IDENTITY
    assert (left["name"], left["pattern"]) == (secret["name"], secret["pattern"])
    assert not left.keys() & {"description", "granular_markings"}
    told = everywhere(scene)
    assert "Ada" not in told
    assert secret["id"] not in told
    assert "derived-from" not in told
    assert [one for one in scene.sees("c") if one["type"] == "indicator"] == [secret]
    ledger.verify(scene.node)


@pytest.mark.case("M36")
def test_a_report_goes_out_without_the_member_above_the_ceiling(scene: Scene) -> None:
    """Only as an object of its own, on create and on update; nobody reads the member's id."""
    scene.apply("b", everything("b", more=CUTTING))
    green, red = indicator("green"), malware("red", tlp="red")
    both = [green["id"], red["id"]]
    scene.publish(green, red, report("from the start", both), report("later", [green["id"]]))
    assert reports(scene) == {"from the start": [green["id"]], "later": [green["id"]]}
    scene.publish(report("later", both, version=1))
    assert reports(scene) == {"from the start": [green["id"]], "later": [green["id"]]}
    told = everywhere(scene)
    assert red["id"] not in told
    assert report("from the start", both)["id"] not in told
    ledger.verify(scene.node)


@pytest.mark.case("M36")
def test_a_first_sync_gets_the_report_without_the_member(node: Node) -> None:
    """The policy comes after the objects; one whose every member is hidden waits."""
    scene = Scene.set_up(node, policies_for=[])
    green, red = indicator("green"), malware("red", tlp="red")
    scene.publish(green, red, report("mixed", [green["id"], red["id"]]), report("all", [red["id"]]))
    scene.apply("b", everything("b", more=CUTTING))
    assert reports(scene) == {"mixed": [green["id"]]}
    assert red["id"] not in everywhere(scene)


def test_what_must_name_its_source_is_never_rewritten(scene: Scene) -> None:
    """DECISIONS 14: neither where a rule redacts it nor for the sake of what it refers to; whole it goes out."""
    terms = {
        "type": "marking-definition", "spec_version": "2.1", "created": at(0), "name": "terms",
        "id": f"marking-definition--{uid('terms')}", "object_marking_refs": [TLP["green"]],
        "external_references": [{"source_name": "first", "url": "https://first.example/iep"}],
        "extensions": {
            IEP_EXTENSION: {
                "extension_type": "property-extension", "iep_version": 2.0, "tlp": "green",
                "name": "terms", "provider_attribution": "must",
            }
        },
    }  # fmt: skip
    bound = {"tlp": None, "object_marking_refs": [TLP["green"], terms["id"]]}
    scene.apply("b", everything("b", more=STRIPPING))
    one = indicator("one", x_desk=CANARY)
    about = note("about one", [one["id"]], **bound)
    scene.publish(
        terms, one, about, indicator("plain", **bound), indicator("mine", x_desk=CANARY, **bound)
    )
    assert {"one", "plain"} <= set(scene.names("b"))
    assert not {"mine"} & set(scene.names("b"))
    assert [kind for kind in (o["type"] for o in scene.sees("b")) if kind == "note"] == []
    assert len([o for o in scene.sees("c") if o["type"] == "note"]) == 1


def reports(scene: Scene) -> dict[str, list[Any]]:
    return {
        one["name"]: one["object_refs"]
        for one in scene.sees("b")
        if one["type"] == "report" and not one.get("revoked")
    }
