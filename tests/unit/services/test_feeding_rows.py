"""What each row of an output says of itself: what binds it, who the file is for, and what is to be removed."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from tests.scenes import B_IDENTITY, TLP, Scene, at, indicator, report, uid

from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION
from cert_exchange.services import feeding, overriding, revoking, terms
from cert_exchange.services.feeding import MAIN, Format, Shelf, choose
from cert_exchange.stix.markings import Tlp

BY: dict[str, Any] = {"by": "anna", "reason": "a reason of ours alone"}
BANKS = {
    "type": "marking-definition", "spec_version": "2.1", "id": f"marking-definition--{uid('banks')}",
    "created": at(0), "name": "Only for banks", "definition_type": "statement", "definition": {"statement": "Only for banks"},
}  # fmt: skip


def about(name: str, value: str, **more: Any) -> dict[str, Any]:
    return indicator(name, pattern=f"[ipv4-addr:value = '{value}']", pattern_version="2.1", **more)


def rows(body: bytes) -> dict[str, dict[str, str]]:
    return {one["value"]: one for one in csv.DictReader(io.StringIO(body.decode(), newline=""))}


def served(node: Node, form: Format) -> bytes:
    feeding.add(node, form.value, choose(form, tlp=Tlp.RED), by="anna")
    body = Shelf(node).serve(form.value).body
    assert body is not None
    return body


@pytest.mark.case("M19")
def test_each_row_says_what_binds_it_and_who_it_is_for(sqlite_node: Node) -> None:
    """Its own level though its report says another, a level beside it, none at all, PAP, statements and carried terms."""
    scene = Scene.set_up(sqlite_node)
    bound = {EXTENSION: {"extension_type": "property-extension", "only_to": ["country:DE"]}}
    plain, strict = about("a", "203.0.113.1", tlp="green"), about("b", "203.0.113.2", tlp="green")
    loose = about("c", "203.0.113.3", tlp=None, labels=["PAP:GREEN"])
    banks = about("d", "203.0.113.4", object_marking_refs=[TLP["amber"], BANKS["id"]])
    few = about("e", "203.0.113.5", tlp="amber", extensions=bound)
    inside = [plain, strict, loose, banks, few]
    scene.publish(BANKS, *inside, report("r", [one["id"] for one in inside], tlp="red"))
    terms.mark(sqlite_node, strict["id"], "amber", **BY)
    overriding.override(sqlite_node, plain["id"], "no-share", **BY)
    body = served(sqlite_node, Format.CSV)
    assert {value: (row["tlp"], row["pap"], row["markings"], row["audience"]) for value, row in rows(body).items()} == {
        "203.0.113.1": ("green", "", "", "own"),
        "203.0.113.2": ("amber", "", "", "own"),
        "203.0.113.3": ("amber+strict", "green", "", "own"),
        "203.0.113.4": ("amber", "", "Only for banks", "own"),
        "203.0.113.5": ("amber", "", "only to country:DE", "own"),
    }  # fmt: skip
    assert b"a reason of ours" not in body


@pytest.mark.case("M19")
def test_an_export_names_its_audience_and_nobody_else(sqlite_node: Node) -> None:
    """What our desk says beside an object is in no row for a partner, and the whole says its strictest level."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(about("a", "203.0.113.1", tlp="green"), about("b", "203.0.113.2", tlp="amber"))
    terms.set_terms(
        sqlite_node, about("a", "x")["id"], feeding_terms("c"), by="anna", reason="not for c"
    )
    output, _ = feeding.export_as(sqlite_node, "b/indicators", choose(Format.CSV))
    found = rows(output.files[MAIN])
    assert {row["audience"] for row in found.values()} == {"b"}
    assert {row["markings"] for row in found.values()} == {""}
    assert output.tlp == "amber"
    listed, _ = feeding.export_as(sqlite_node, "b/indicators", choose(Format.LIST))
    assert listed.tlp == "amber"


def feeding_terms(name: str) -> Any:
    from cert_exchange.policy.sharing_terms import SharingTerms

    return SharingTerms(not_to=frozenset({name}))


@pytest.mark.case("M21")
def test_the_level_that_stands_beside_an_object_goes_into_events(sqlite_node: Node) -> None:
    """What our desk marked up is marked up in MISP, attribute and event."""
    scene = Scene.set_up(sqlite_node)
    one = about("a", "203.0.113.1", tlp="green")
    scene.publish(one, report("r", [one["id"]], tlp="green"))
    terms.mark(sqlite_node, one["id"], "red", **BY)
    (event,) = json.loads(served(sqlite_node, Format.MISP))["response"]
    assert [tag["name"] for tag in event["Event"]["Attribute"][0]["Tag"]] == ["tlp:red"]
    assert event["Event"]["Tag"][0]["name"] == "tlp:red"


@pytest.mark.case("O06")
def test_what_is_revoked_is_marked_as_to_be_removed_where_that_can_be_said(node: Node) -> None:
    """STIX says revoked, MISP deleted; a list is whole and no longer has it. Its dates keep no removal back."""
    scene = Scene.set_up(node)
    ours = about("ours", "203.0.113.1")
    theirs = about("theirs", "203.0.113.2", by=B_IDENTITY)
    kept = about("kept", "203.0.113.3")
    scene.publish(ours, kept)
    scene.post("b", theirs)
    stix, misp, values = (served(node, form) for form in (Format.STIX, Format.MISP, Format.LIST))
    assert b"203.0.113.1" in values
    assert b'"revoked":true' not in stix
    revoking.revoke(node, ours["id"], **BY)
    scene.post("b", {**theirs, "modified": at(9), "revoked": True, "valid_until": at(8)})
    shelf = Shelf(node)
    stix, misp, values = (shelf.serve(form).body or b"" for form in ("stix", "misp", "list"))
    assert values == b"203.0.113.3\n"
    assert {
        one["id"]: one.get("revoked", False)
        for one in json.loads(stix)["objects"]
        if one["type"] == "indicator"
    } == {ours["id"]: True, theirs["id"]: True, kept["id"]: False}
    assert {
        one["value"]: one.get("deleted", False)
        for event in json.loads(misp)["response"]
        for one in event["Event"]["Attribute"]
    } == {"203.0.113.1": True, "203.0.113.2": True, "203.0.113.3": False}
    output, _ = feeding.export_as(node, "b/indicators", choose(Format.LIST))
    assert b"203.0.113.1" not in output.files[MAIN]
    assert output.left_out["its creator revoked it"] == [ours["id"]]
    bundle, _ = feeding.export_as(node, "b/indicators", choose(Format.STIX))
    assert [one["id"] for one in json.loads(bundle.files[MAIN])["objects"] if one.get("revoked")] == [ours["id"]]  # fmt: skip
