"""Our indicators end by their own valid_until where we chose so, and when a list of ours drops them; nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenes import B_IDENTITY, Scene, indicator, report

from cert_exchange.errors import InputRefused
from cert_exchange.node import Node
from cert_exchange.services import ending, screening

REVOKE = "expired: revoke\n"


def set_up(node: Node) -> Scene:
    made = Scene.set_up(node)
    made.apply(
        "c",
        "partners: [c]\ncollections: [indicators, reports]\nceiling: {tlp: amber}\n"
        "rules:\n  - {name: all, match: {origin: any}, allow: true}\n",
    )
    return made


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    """One engine: the SQL is asked of both below."""
    return set_up(sqlite_node)


def look_for(scene: Scene, text: str) -> None:
    found = screening.check(scene.node, text, file="intake.yaml")
    screening.apply(scene.node, found, by="anna", reason="agreed")


def revoked(scene: Scene, partner: str) -> set[str]:
    return {one["name"] for one in scene.sees(partner) if one.get("revoked")}


@pytest.mark.case("I26")
def test_what_a_source_says_of_its_validity_is_passed_on_as_it_is(scene: Scene) -> None:
    """With an end, passed or ahead, and without: from us and from a partner, also where we revoke what expired."""
    look_for(scene, f"{REVOKE}lives: {{ipv4: 1 day}}\n")
    ends: dict[str, Any] = {"ahead": "2199-03-01T00:00:00Z", "passed": "2026-01-01T01:00:00.5Z"}
    for name, end in ends.items():
        scene.publish(indicator(name, valid_until=end))
        scene.post("b", indicator(f"their {name}", by=B_IDENTITY, valid_until=end))
    scene.publish(indicator("open"))
    scene.post("b", indicator("their open", by=B_IDENTITY))
    sent = {one["name"]: one for one in scene.sees("c") if one["type"] == "indicator"}
    assert {name: one.get("valid_until") for name, one in sent.items()} == {
        **ends, "open": None, **{f"their {name}": end for name, end in ends.items()}, "their open": None,
    }  # fmt: skip
    assert ending.end_expired(scene.node) == 1
    after = {one["name"]: one for one in scene.sees("c") if one["type"] == "indicator"}
    assert revoked(scene, "c") == revoked(scene, "b") == {"passed"}
    assert after["passed"]["valid_until"] == ends["passed"]
    del after["passed"], sent["passed"]
    assert after == sent  # byte for byte what it was
    assert ending.end_expired(scene.node) == 0


def test_nothing_is_revoked_by_the_clock_unless_we_chose_so(scene: Scene) -> None:
    """And then a day late: its author may be late with a longer life."""
    scene.publish(indicator("passed", valid_until="2026-01-01T01:00:00Z"))
    assert ending.end_expired(scene.node) == 0
    look_for(scene, REVOKE)
    assert ending.end_expired(scene.node, most=0) == 0
    scene.publish(indicator("passed", version=1, valid_until="2199-01-01T00:00:00Z"))
    assert ending.end_expired(scene.node) == 0


def test_what_a_list_drops_is_revoked_for_everyone(node: Node) -> None:
    """Only ours, only what no other list of ours names, and nothing in a dry look; what is past its end goes as well."""
    scene = set_up(node)
    one, two, three, four = (indicator(name) for name in ("one", "two", "three", "four"))
    whole = [item["id"] for item in (one, two, three)]
    scene.publish(one, two, three, four, report("list", whole), report("other", [two["id"]]))
    (listed,) = (item["id"] for item in scene.sees("b") if item.get("name") == "list")
    assert not ending.look(scene.node, listed).indicators
    scene.publish(report("list", [three["id"], four["id"]], version=1))
    found = ending.look(scene.node, listed)
    assert found.indicators == ((one["id"], one["pattern"]),)
    assert ending.look(scene.node, "list") == found
    done = ending.delist(scene.node, [one["id"]], by="anna", reason="no longer listed")
    assert done.revoked == 1
    for partner in ("b", "c"):
        assert revoked(scene, partner) == {"one"}
    assert not ending.look(scene.node, listed).indicators
    with pytest.raises(InputRefused):
        ending.look(scene.node, one["id"])
    look_for(scene, REVOKE)
    scene.publish(indicator("past", valid_until="2026-01-01T01:00:00Z"))
    assert ending.end_expired(scene.node) == 1
