"""`show`: what binds whoever uses an object, although no rule will ever deny by it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenes import B_IDENTITY, OWN_IDENTITY, TLP, Scene, identity, indicator, uid

from cert_exchange.node import Node
from cert_exchange.services import holdings, policies
from cert_exchange.stix.handling import IEP_EXTENSION


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


def shown(scene: Scene, one: dict[str, Any]) -> str:
    return "\n".join(holdings.show(scene.node, one["id"])[0].markings)


def iep(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "marking-definition", "spec_version": "2.1", "id": f"marking-definition--{uid(name)}",
        "created": "2026-01-01T00:00:00.000Z", "name": name,
        "extensions": {IEP_EXTENSION: {"extension_type": "property-extension", "tlp": "green", "provider_attribution": "must-not", **fields}},
    }  # fmt: skip


def test_plain_objects_show_their_level(scene: Scene) -> None:
    """The strictest anywhere, or that there is none."""
    two = indicator("two", labels=["tlp:amber"])
    none = indicator("none", tlp=None)
    scene.publish(two, none)
    assert shown(scene, two) == "TLP:AMBER, the strictest that it bears anywhere"
    assert shown(scene, none).startswith("no TLP")


def test_iep_and_pap_are_shown_and_explained(scene: Scene) -> None:
    """Level, dates, terms of use, the source; `explain` has them in its tree, and shows PAP as passed on."""
    terms = iep("terms", end_date="2400-01-01T00:00:00Z", permitted_actions="none")
    other = f"marking-definition--{uid('other')}"
    marked = indicator("marked", tlp=None, object_marking_refs=[terms["id"], other], labels=["PAP:AMBER"])  # fmt: skip
    scene.publish(terms, marked)
    text = shown(scene, marked)
    for part in (
        "TLP:GREEN", "PAP:AMBER: passive checks", "shared until 2400-01-01", "must not be named",
        "created_by_ref", "permitted actions: none", f"{other}: only for audiences whose policy lists it",
    ):  # fmt: skip
        assert part in text, text
    found = policies.explain(scene.node, marked["id"], partner="b").versions[0]
    assert found.answer == "denied"
    assert "PAP:AMBER" in repr(found)


def test_a_partners_definition_is_read_as_decide_reads_it(scene: Scene) -> None:
    """What C says of B's marking is not shown as understood."""
    mark = iep("of c", provider_attribution="may")
    scene.post("c", mark)
    theirs = indicator("of b", tlp=None, by=B_IDENTITY, object_marking_refs=[mark["id"]])
    scene.post("b", identity(B_IDENTITY, "CERT B"), theirs)
    assert f"{mark['id']}: only for audiences" in shown(scene, theirs)


def test_a_translation_shows_what_it_inherits(scene: Scene) -> None:
    """The level of the version that it names; without its target, that it cannot be read."""
    text = {
        "type": "language-content", "spec_version": "2.1", "id": f"language-content--{uid('t')}",
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
        "created_by_ref": OWN_IDENTITY, "object_marking_refs": [TLP["clear"]], "object_ref": indicator("x")["id"],
        "object_modified": indicator("x")["modified"], "contents": {"de": {"name": "x"}},
    }  # fmt: skip
    scene.publish(text)
    assert "cannot be read" in shown(scene, text)
    scene.publish(indicator("x", tlp="amber"), indicator("x", version=1, tlp="red"))
    assert shown(scene, text).startswith("TLP:AMBER")
