"""Invariant 1, from the other side: who posts an object under a hidden id learns nothing from what appears then.

An id may be public (ATT&CK), heard on another channel, or computable (cyber-observables, DECISIONS 17). What refers to a hidden
object stays hidden until policy shows that object, whatever a partner sends under its id.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenes import B_IDENTITY, Scene, address, at, indicator, malware, note, relationship, uid

from cert_exchange.node import Node

TERRITORY = """\
name: Protected
kind: protected
networks: [192.0.2.0/24]
"""
POLICY = """\
partners: [b]
collections: [indicators]
ceiling: {tlp: amber, unmarked: green}
territories: [protected.yaml]
rules:
  - {name: protected stays, match: {concerns: protected, origin: any}, deny: true}
  - {name: everything, match: {origin: any}, allow: true}
"""


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


@pytest.mark.parametrize("claimed", [None, B_IDENTITY])
@pytest.mark.parametrize("version", [-1, 0, 9])
def test_a_post_under_a_hidden_id_releases_nothing_that_refers_to_it(
    scene: Scene, claimed: str | None, version: int
) -> None:
    """A proposal, older or newer, by nobody or by the partner itself: ours stays as it was."""
    hidden = malware("hidden", tlp="red")
    seen = indicator("seen")
    scene.publish(hidden, seen, relationship(seen, hidden, name="secret tie"))
    before = scene.ids("b")
    assert seen["id"] in before
    forged: dict[str, Any] = malware("probe", version=max(version, 0), by=claimed)
    forged["id"] = hidden["id"]
    if version < 0:
        forged |= {"created": "2000-01-01T00:00:00.000Z", "modified": "2000-01-01T00:00:00.000Z"}
    scene.post("b", forged)
    assert scene.ids("b") == before
    scene.publish(note("later", [hidden["id"]]))
    assert scene.ids("b") == before


def test_a_posted_host_that_policy_keeps_back_opens_nothing_about_it(
    node: Node, tmp_path: Any
) -> None:
    """Before and after we hold the host ourselves, what we say of a protected one stays at home."""
    from cert_exchange.services import policies

    scene = Scene.set_up(node)
    (tmp_path / "protected.yaml").write_text(TERRITORY)
    policies.apply(node, POLICY, file="b.yaml", author="test", folder=tmp_path)
    protected, free = address("192.0.2.222"), address("198.51.100.9")
    scene.post("b", protected, free)
    scene.publish(_seen("protected", protected), _seen("free", free))
    shown = scene.ids("b")
    assert _seen("free", free)["id"] in shown
    assert _seen("protected", protected)["id"] not in shown
    scene.publish(protected, free)
    shown = scene.ids("b")
    assert _seen("protected", protected)["id"] not in shown


def _seen(name: str, host: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "observed-data",
        "spec_version": "2.1",
        "id": f"observed-data--{uid(name)}",
        "created": at(0),
        "modified": at(0),
        "first_observed": at(0),
        "last_observed": at(5),
        "number_observed": 7,
        "object_refs": [host["id"]],
        "object_marking_refs": ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"],
    }
