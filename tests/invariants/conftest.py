"""What the random walks of several invariants start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.invariants.expectation import Terms
from tests.invariants.small_world import PARTNERS
from tests.scenes import Scene
from tests.staging import Original

from cert_exchange.node import open_node


@pytest.fixture(scope="module")
def home_with_partners(
    _sqlite_original: Original, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The small world's home before its first step: partners, collections and their policies."""
    home = tmp_path_factory.mktemp("walks") / "home"
    _sqlite_original.copy(home)
    node = open_node(home)
    scene = Scene.set_up(node, policies_for=())
    for partner in PARTNERS:
        scene.apply(partner, Terms().text(partner))
    node.close()
    return home
