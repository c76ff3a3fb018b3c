"""What `publish` makes beside an indicator goes nowhere without it, whatever a rule looks at."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from tests.conftest import Wall
from tests.scenes import TLP, Scene, address, indicator

from cert_exchange.node import Node
from cert_exchange.services import holding, policies, releasing, revoking, taking
from cert_exchange.services.taking import Format, Order, Source

POLICY = """\
partners: [b]
collections: [indicators]
ceiling: {tlp: amber, unmarked: green}
rules:
"""
INTERNAL = "  - {name: internal, match: {labels: [do-not-share]}, deny: true}\n"
WEAK = "  - {name: weak, match: {confidence: {at_most: 30}}, deny: true}\n"
OURS = "  - {name: all of ours, match: {origin: own}, allow: true}\n"
ROWS = "value,tags,confidence\nkept.badzone.top,do-not-share,90\nweak.badzone.top,,10\ngood.badzone.top,,90\n"


def publish(scene: Scene, wall: Wall, rows: str, name: str = "list.csv") -> None:
    wall.forward(timedelta(minutes=1))
    order = Order(markings=(TLP["green"],), form=Format.CSV)
    source = Source(name, lambda: io.BytesIO(rows.encode()), len(rows))
    how = taking.understand(source, order)
    taking.take(scene.node, source, how, order, collection="indicators", by="desk")


def values(scene: Scene, partner: str) -> set[str]:
    return {one["value"] for one in scene.sees(partner) if one["type"] == "domain-name"}


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


def test_the_value_goes_where_its_indicator_goes(scene: Scene, wall: Wall) -> None:
    """By label and by confidence, from the first instant; who may have the indicator has the value."""
    scene.apply("b", POLICY + INTERNAL + WEAK + OURS)
    publish(scene, wall, ROWS)
    assert values(scene, "b") == {"good.badzone.top"}
    assert values(scene, "c") == {"kept.badzone.top", "weak.badzone.top", "good.badzone.top"}
    assert "kept" not in str(scene.sees("b"))


def test_a_policy_that_is_applied_later_takes_the_value_as_well(scene: Scene, wall: Wall) -> None:
    """And gives it back; the preview says the same of it as of the indicator."""
    publish(scene, wall, ROWS)
    narrow = POLICY + INTERNAL + OURS
    seen = policies.preview(scene.node, policies.check(scene.node, narrow, file="b.yaml").policy)
    scene.apply("b", narrow)
    assert "kept" not in str(scene.sees("b"))
    lost = {stix_id for _, kind, stix_id in scene.log("b") if kind == "withdrawal"}
    assert {one.partition("--")[0] for one in lost} == {
        "domain-name",
        "indicator",
        "relationship",
        "grouping",
    }
    assert (seen.lost, seen.gained) == (len(lost), 0)
    scene.apply("b", POLICY + OURS)
    assert values(scene, "b") == {"kept.badzone.top", "weak.badzone.top", "good.badzone.top"}


def test_a_label_that_comes_later_takes_the_value_back(scene: Scene, wall: Wall) -> None:
    """A new version of the indicator that may not go takes along what was made for it."""
    scene.apply("b", POLICY + INTERNAL + OURS)
    publish(scene, wall, ROWS)
    publish(scene, wall, "value,tags\ngood.badzone.top,do-not-share\n")
    assert values(scene, "b") == {"weak.badzone.top"}
    assert "good" not in str(scene.sees("b"))


def test_what_a_person_releases_goes_with_its_value(scene: Scene, wall: Wall) -> None:
    """A rule that holds indicators holds what was made for them; released, both go, and stay together."""
    held = "  - {name: two eyes, match: {type: indicator}, hold: approval}\n"
    scene.apply("b", POLICY + held + OURS)
    publish(scene, wall, ROWS)
    assert not values(scene, "b")
    one = holding.list_holds(scene.node)[0].stix_id
    holding.release_hold(scene.node, [one], audience="b", by="anna", reason="looked")
    assert len(values(scene, "b")) == 1
    publish(scene, wall, ROWS, "again.csv")
    assert len(values(scene, "b")) == 1


def test_what_stands_for_itself_is_bound_by_nothing_of_this(scene: Scene, wall: Wall) -> None:
    """An observable that somebody published alone, a partner's, and one whose indicator was revoked."""
    scene.apply("b", POLICY + INTERNAL + OURS)
    alone = address("203.0.113.9")
    scene.publish(alone, indicator("one", labels=["do-not-share"]))
    publish(scene, wall, ROWS)
    assert alone["id"] in scene.ids("b")
    good = next(one for one in scene.sees("b") if one.get("name") == "good.badzone.top")
    revoking.revoke(scene.node, good["id"], by="anna", reason="wrong")
    assert "good.badzone.top" in values(scene, "b")


def test_who_could_not_have_it_does_not_get_it_when_its_indicator_ends(
    scene: Scene, wall: Wall
) -> None:
    """Revoking or withdrawing what was denied lets nothing of it out."""
    scene.apply("b", POLICY + INTERNAL + OURS)
    publish(scene, wall, ROWS + "kept2.badzone.top,do-not-share,90\n")
    before = scene.log("b")
    ids = {one["name"]: one["id"] for one in scene.sees("c") if one["type"] == "indicator"}
    revoking.revoke(scene.node, ids["kept.badzone.top"], by="anna", reason="wrong")
    releasing.withdraw(scene.node, ids["kept2.badzone.top"], by="anna", reason="ours")
    assert "kept.badzone.top" in values(scene, "c")
    assert scene.log("b") == before
