"""Who speaks of what it was never shown is told of to our people, and answered as everybody is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, address, at, indicator, note, uid
from tests.unit.services.test_reviewing import opinion

from cert_exchange.node import Node
from cert_exchange.services import answering, doctoring, releasing

SHOWN, HIDDEN = indicator("shown"), indicator("hidden", tlp="red")
CUT = (
    "partners: [{partner}]\ncollections: [indicators, reports]\nceiling: {{tlp: amber, unmarked: green}}\n"
    "rules:\n  - {{name: cut, match: {{origin: own}}, redact: {{remove: [description]}}}}\n"
)


def sighting(about: str, name: str) -> dict[str, Any]:
    return {
        "type": "sighting", "spec_version": "2.1", "id": f"sighting--{uid(name)}", "created": at(0),
        "modified": at(0), "created_by_ref": B_IDENTITY, "sighting_of_ref": about,
    }  # fmt: skip


def told(scene: Scene, partner: str | None = None) -> dict[str, tuple[str, ...]]:
    found = answering.heard(scene.node, never_shown=True, partner=partner)
    return {one.hit.stix_id: one.unshown for one in found}


def doctor(scene: Scene) -> list[tuple[str, str]]:
    return [
        (one.grade, one.about)
        for one in doctoring.answers.examine(scene.node)
        if "never showed it" in one.finding
    ]


def test_what_names_a_hidden_object_is_told_of_and_answered_alike(node: Node) -> None:
    """A sighting, an opinion and a note; what was shown once and taken back since is none."""
    scene = Scene.set_up(node)
    gone = indicator("gone")
    scene.publish(SHOWN, HIDDEN, gone)
    releasing.withdraw(node, gone["id"], by="anna", reason="wrong")
    fine = (sighting(SHOWN["id"], "1"), note("fine", [gone["id"]], by=B_IDENTITY))
    odd = (
        sighting(HIDDEN["id"], "2"), opinion(SHOWN["id"], HIDDEN["id"]),
        note("odd", [HIDDEN["id"]], by=B_IDENTITY),
    )  # fmt: skip
    answers = [
        (one.result, one.success, one.message)
        for each in (*fine, *odd)
        for one in scene.post("b", each)
    ]
    assert set(answers) == {("accepted", True, "")}
    assert told(scene) == {one["id"]: (HIDDEN["id"],) for one in odd}
    assert told(scene, "c") == {}
    assert doctor(scene) == [("note", "partner b")]
    listed = {one.hit.stix_id: one.unshown for one in answering.heard(node)}
    assert listed == {one["id"]: () for one in fine} | {one["id"]: (HIDDEN["id"],) for one in odd}


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    return Scene.set_up(sqlite_node)


def test_who_names_what_another_was_shown_is_told_of(scene: Scene) -> None:
    """A derivative's id is for its audience alone: C knows it from B."""
    scene.apply("b", CUT.format(partner="b"))
    scene.publish(indicator("cut", description="who told us"))
    (seen,) = (one for one in scene.sees("b") if "pattern" in one)
    scene.post("b", sighting(seen["id"], "b's"))
    assert told(scene) == {}
    odd = note("c's", [seen["id"]], by=C_IDENTITY)
    scene.post("c", odd)
    assert told(scene) == {odd["id"]: (seen["id"],)}
    (one,) = answering.heard(scene.node, never_shown=True)
    assert one.about == (indicator("cut")["id"],)
    assert doctor(scene) == [("note", "partner c")]


def test_what_anybody_may_know_is_nothing_to_tell_of(scene: Scene) -> None:
    """The id of an address is told by the address, and our identity goes about."""
    host = address("198.51.100.9", tlp="red")
    scene.publish(host)
    scene.post("b", note("host", [host["id"]], by=B_IDENTITY))
    scene.post("b", note("us", [scene.node.identity], by=B_IDENTITY))
    assert told(scene) == {}
    assert doctor(scene) == []
