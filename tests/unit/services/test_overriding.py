"""What our own desk does with an object stands beside it: never a byte of it, never a new version, and its bearer decides."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from tests.conftest import OUR_IDENTITY, Wall
from tests.scenes import ALLOW_ALL, B_IDENTITY, Scene, indicator

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node, open_node
from cert_exchange.services import bundling, holdings, overriding, policies, terms

FROM_B = indicator("from b", by=B_IDENTITY, tlp="green")
LATER = indicator("from b", by=B_IDENTITY, tlp="green", version=1)


def received(node: Node) -> Scene:
    """b sent an indicator, which c sees as well as ours."""
    scene = Scene.set_up(node)
    passed_on = "  - {name: from others, match: {origin: partners}, allow: true}\n"
    scene.apply("c", ALLOW_ALL.format(partner="c") + passed_on)
    scene.publish(indicator("ours"))
    scene.post("b", FROM_B)
    return scene


def written(scene: Scene, *, own_use: bool) -> tuple[set[str], bundling.Exported]:
    out = io.BytesIO()
    done = bundling.export(scene.node, "c/indicators", out, own_use=own_use)
    return {one["id"] for one in json.loads(out.getvalue()).get("objects", ())}, done


@pytest.mark.case("S33")
def test_what_is_not_shared_on_leaves_every_audience_and_no_version_is_made(node: Node) -> None:
    """At once and for the versions that come; lifted, it comes back. The object keeps its bytes and its origin."""
    scene = received(node)
    before = holdings.show(node, FROM_B["id"])
    assert FROM_B["id"] in scene.ids("c")
    done = overriding.override(node, FROM_B["id"], "no-share", by="anna", reason="told in trust")
    assert [one.kind for one in done.lines] == ["withdrawal"]
    assert FROM_B["id"] not in scene.ids("c")
    scene.post("b", LATER)
    assert FROM_B["id"] not in scene.ids("c")
    after = holdings.show(node, FROM_B["id"])
    assert [one.hit.origin for one in after] == ["b", "b"]
    assert before[0].content in [one.content for one in after]
    assert "told in trust" in str(policies.explain(node, FROM_B["id"], partner="c"))
    terms.set_terms(node, FROM_B["id"], None, by="anna", reason="nothing else binds it")
    assert FROM_B["id"] not in scene.ids("c")  # other terms are said anew, and this stays
    overriding.lift(node, FROM_B["id"], "no-share", by="anna", reason="the source agreed")
    assert FROM_B["id"] in scene.ids("c")
    with pytest.raises(InputRefused, match="no no-share beside"):
        overriding.lift(node, FROM_B["id"], "no-share", by="anna", reason="again")


@pytest.mark.case("S33")
def test_what_is_not_for_detection_is_left_out_of_our_own_files_alone(node: Node) -> None:
    """Partners see what they saw, by poll and by file; what our defenders load lacks it, and says so."""
    scene = received(node)
    done = overriding.override(node, FROM_B["id"], "no-detect", by="anna", reason="alarms all day")
    assert done.lines == ()
    scene.post("b", LATER)
    assert FROM_B["id"] in scene.ids("c")
    ids, exported = written(scene, own_use=True)
    assert FROM_B["id"] not in ids
    assert indicator("ours")["id"] in ids
    assert exported.not_detected == 1
    ids, exported = written(scene, own_use=False)
    assert FROM_B["id"] in ids
    assert exported.not_detected == 0


def test_both_stand_side_by_side_with_their_reasons(sqlite_node: Node) -> None:
    """Listed with who set them; one lifted leaves the other; a marking of ours stays too."""
    received(sqlite_node)
    stix_id = FROM_B["id"]
    overriding.override(sqlite_node, stix_id, "no-share", by="anna", reason="one")
    overriding.override(sqlite_node, stix_id, "no-detect", by="bert", reason="two")
    terms.mark(sqlite_node, stix_id, "amber", by="anna", reason="stricter")
    assert {(one.kind, one.reason) for one in overriding.overrides(sqlite_node)} == {
        ("no-share", "one"),
        ("no-detect", "two"),
    }
    overriding.lift(sqlite_node, stix_id, "no-share", by="anna", reason="over")
    assert [one.kind for one in overriding.overrides(sqlite_node)] == ["no-detect"]
    (said,) = terms.show_terms(sqlite_node, stix_id).beside
    assert said.said == ("marked TLP:AMBER here", "not for detection: two")
    with pytest.raises(NotFound):
        overriding.override(
            sqlite_node, indicator("nobody's")["id"], "no-share", by="anna", reason="x"
        )


def grouped(node: Node, wall: Wall) -> Node:
    """The node with b as another server of our own organisation."""
    file = node.settings.home / "node.yaml"
    node.close()
    file.write_text(file.read_text() + "owner_group: [b]\n")
    return open_node(node.settings.home, clock=wall.clock())


@pytest.mark.case("S33")
def test_another_server_of_ours_brings_what_we_made_and_nothing_is_locked(
    sqlite_node: Node, wall: Wall
) -> None:
    """Versions from either server follow each other; without the setting our identity comes from nobody else."""
    made = indicator("twin", by=OUR_IDENTITY)
    scene = Scene.set_up(sqlite_node)
    (refused,) = scene.post("b", made)
    assert refused.result == "proposal"
    node = grouped(sqlite_node, wall)
    try:
        scene = Scene(node)
        (taken,) = scene.post("b", indicator("second", by=OUR_IDENTITY))
        assert taken.result == "accepted"
        (edited,) = scene.publish(indicator("second", by=OUR_IDENTITY, version=1))
        assert (edited.result, edited.message) == ("accepted", "")
        (again,) = scene.post("b", indicator("second", by=OUR_IDENTITY, version=2))
        assert again.result == "accepted"
        (other,) = scene.post("c", indicator("third", by=OUR_IDENTITY))
        assert other.result == "proposal"
        assert _newest(node, indicator("second")["id"]) == again.version
    finally:
        node.close()


def _newest(node: Node, stix_id: str) -> Any:
    found = holdings.show(node, stix_id)
    return max(one.hit.version for one in found if one.hit.status == "accepted")
