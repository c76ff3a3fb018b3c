"""What the indicators of an observable say, foretold by previews, and what is kept out at the way in as well."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.invariants.foretelling import assert_as_foretold
from tests.scenes import Scene, address, indicator, relationship

from cert_exchange.node import Node
from cert_exchange.services import screening

OPEN = """\
partners: [b]
collections: [indicators]
ceiling: {tlp: amber, unmarked: green}
rules:
  - {name: all, match: {origin: any}, allow: true}
"""
ENDED = OPEN + "  - {name: ended, match: {origin: any, indicators: ended}, deny: true}\n"
ALONE = OPEN.replace("{origin: any}", "{type: ipv4-addr, indicators: none}")


@pytest.fixture
def scene(node: Node) -> Scene:
    """One address with an indicator that counts, one whose only indicator was revoked, one alone."""
    made = Scene.set_up(node, policies_for=())
    live, gone = indicator("live"), indicator("gone")
    one, other, alone = (address(f"192.0.2.{number}") for number in (1, 2, 3))
    made.publish(live, gone, one, other, alone, relationship(live, one), relationship(gone, other))
    made.publish(indicator("gone", version=1, revoked=True))
    return made


def addresses(scene: Scene) -> list[str]:
    return sorted(one["value"] for one in scene.sees("b") if one["type"] == "ipv4-addr")


def test_a_preview_foretells_what_indicators_decide(scene: Scene) -> None:
    """From one policy to the next and back, object for object."""
    for text, seen in (
        (ENDED, ["192.0.2.1", "192.0.2.3"]),
        (OPEN, ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        (ALONE, ["192.0.2.3"]),
        (ENDED, ["192.0.2.1", "192.0.2.3"]),
    ):
        assert_as_foretold(scene.node, "b", text)
        assert addresses(scene) == seen


def test_a_preview_foretells_what_is_kept_out(scene: Scene, tmp_path: Path) -> None:
    """It is gained by nobody, and what refers to it waits."""
    (tmp_path / "out.txt").write_text("198.51.100.0/24\n")
    found = screening.check(scene.node, "lists: [out.txt]\n", file="intake.yaml", folder=tmp_path)
    screening.apply(scene.node, found, by="anna", reason="agreed")
    kept, free = indicator("kept"), indicator("free", pattern="[ipv4-addr:value = '192.0.2.1']")
    host = address("198.51.100.9")
    scene.publish(kept, free, host, relationship(free, host), relationship(kept, free))
    assert_as_foretold(scene.node, "b", OPEN)
    assert "198.51.100.9" not in addresses(scene)
    assert "kept" not in scene.names("b")
    assert "free" in scene.names("b")
