"""What an export says: nothing revoked as live, nobody who sent something, and what may be done with it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from tests.scenes import B_IDENTITY, TLP, Scene, indicator, uid

from cert_exchange.node import Node
from cert_exchange.services import feeding, revoking
from cert_exchange.services.feeding import MAIN, Format, Shelf, Use, choose
from cert_exchange.stix.markings import Tlp

BY: dict[str, Any] = {"by": "anna", "reason": "r"}
SHARE_ALL = """\
partners: [c]
collections: [indicators]
ceiling: {tlp: amber, unmarked: green}
rules:
  - {name: everything, match: {origin: any}, allow: true}
"""
VALUES = [one for one in Format if one not in (Format.STIX, Format.MISP)]


def about(name: str, pattern: str, **more: Any) -> dict[str, Any]:
    return indicator(name, pattern=pattern, **more)


@pytest.mark.parametrize("form", list(Format))
def test_nothing_revoked_is_given_out_as_live(sqlite_node: Node, form: Format) -> None:
    """In no format, of a view as of a feed: lists, zones and rules are without it, STIX and MISP say what it is."""
    node = sqlite_node
    scene = Scene.set_up(node)
    ended = [
        about("name", "[domain-name:value = 'upper53.com']"),
        about("yara", "rule upper53 { condition: true }", pattern_type="yara"),
        about("sigma", "title: upper53\ndetection:\n  condition: x", pattern_type="sigma"),
        about("snort", 'alert ip any any -> any any (msg:"upper53"; sid:7;)', pattern_type="snort"),
    ]
    scene.publish(*ended, about("kept", "[domain-name:value = 'kept.example.com']"))
    before, _ = feeding.export_as(node, "b/indicators", choose(form))
    assert b"upper53" in before.files[MAIN]
    for one in ended:
        revoking.revoke(node, one["id"], **BY)
    for own_use in (False, True):
        output, _ = feeding.export_as(node, "b/indicators", choose(form), own_use=own_use)
        body = output.files[MAIN]
        if form in VALUES:
            assert b"upper53" not in body
            assert len(output.left_out["its creator revoked it"]) == 4
        elif form is Format.STIX:
            found = json.loads(body)["objects"]
            assert {one["id"] for one in found if one.get("revoked")} == {one["id"] for one in ended}  # fmt: skip
        else:
            (event,) = json.loads(body)["response"]
            said = [one for one in event["Event"]["Attribute"] if "upper53" in one["value"]]
            assert {(one["deleted"], one["to_ids"]) for one in said} == {(True, False)}


def test_nobody_else_reads_who_sent_what(sqlite_node: Node) -> None:
    """In a file for an audience and in a feed for constituents; our own people do."""
    node = sqlite_node
    scene = Scene.set_up(node)
    scene.apply("c", SHARE_ALL)
    scene.post("b", about("anonymous", "[domain-name:value = 'a.example.com']", by=None))
    scene.publish(about("ours", "[domain-name:value = 'b.example.com']"))

    def sources(body: bytes | None) -> dict[str, str]:
        rows = csv.DictReader(io.StringIO((body or b"").decode(), newline=""))
        return {one["value"]: one["source"] for one in rows}

    for form in (Format.CSV, Format.CSV_PEOPLE):
        files = [
            feeding.export_as(node, "c/indicators", choose(form), own_use=own_use)[0].files[MAIN]
            for own_use in (False, True)
        ]
        for name, level in ((f"green-{form}", Tlp.GREEN), (f"own-{form}", Tlp.AMBER_STRICT)):
            feeding.add(node, name, choose(form, tlp=level), by="anna")
            files.append(Shelf(node).serve(name).body or b"")
        nobody = {"a.example.com": "", "b.example.com": ""}
        known = {"a.example.com": "b", "b.example.com": "own"}
        assert [sources(body) for body in files] == [nobody, known, nobody, known]


def test_misp_flags_what_may_be_done_with_it(sqlite_node: Node) -> None:
    """PAP and IEP, by label or definition, of a feed as of an export; where MISP only watches, AMBER is flagged."""
    node = sqlite_node
    scene = Scene.set_up(node)
    red = {
        "type": "marking-definition", "spec_version": "2.1", "id": f"marking-definition--{uid('pap')}",
        "created": "2026-01-01T00:00:00.000Z", "created_by_ref": B_IDENTITY, "name": "PAP:RED",
        "definition_type": "statement", "definition": {"statement": "PAP:RED"}, "object_marking_refs": [TLP["amber"]],
    }  # fmt: skip
    scene.post(
        "b", red,
        about("d", "[domain-name:value = 'd.example.com']", by=B_IDENTITY, object_marking_refs=[TLP["green"], red["id"]]),
    )  # fmt: skip
    scene.publish(
        about("a", "[domain-name:value = 'a.example.com']", labels=["PAP:AMBER"]),
        about("g", "[domain-name:value = 'g.example.com']", labels=["PAP:GREEN"]),
        about("i", "[domain-name:value = 'i.example.com']", labels=['iep2-policy:permitted_actions="internally-visible-actions"']),
    )  # fmt: skip
    feeding.add(node, "misp", choose(Format.MISP, tlp=Tlp.GREEN), by="anna")
    feeding.add(node, "watch", choose(Format.MISP, use=Use.MONITOR), by="anna")
    shelf = Shelf(node)

    def flags(body: bytes | None) -> dict[str, tuple[bool, set[str]]]:
        found = [one for event in json.loads(body or b"")["response"] for one in event["Event"]["Attribute"]]  # fmt: skip
        return {
            one["value"][0]: (
                one["to_ids"],
                {tag["name"] for tag in one["Tag"] if tag["name"].startswith("PAP")},
            )
            for one in found
        }

    expected = {"a": (False, {"PAP:AMBER"}), "g": (True, {"PAP:GREEN"}), "i": (False, set())}
    assert flags(shelf.serve("misp").body) == {**expected, "d": (False, {"PAP:RED"})}
    assert flags(shelf.serve("watch").body) == {"a": (True, {"PAP:AMBER"}), "g": (True, {"PAP:GREEN"})}  # fmt: skip
    exported, _ = feeding.export_as(node, "b/indicators", choose(Format.MISP))
    assert flags(exported.files[MAIN]) == expected
