"""A sender whose disk was put back: what it lacks is a fork, also where it was restored once before."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from tests.attack.world import World, Worlds
from tests.foreign.test_compared_ledgers import connect
from tests.foreign.test_sender_restored import covered, found_at, restored, run, statements
from tests.scenes import Scene, indicator
from tests.taxii.conftest import serving

from cert_exchange.node import open_node
from cert_exchange.services import deliveries, doctoring, safekeeping


@pytest.fixture
def world() -> Iterator[World]:
    """Both on SQLite, whose home is copied while it stands: what is tested are two sentences about numbers."""
    with Worlds() as worlds, worlds.world() as made:
        yield made


def test_a_restore_of_before_does_not_explain_a_disk_that_was_put_back_since(world: World) -> None:
    """Restored, stated again, then put back behind that: its partner sees the fork, and takes nothing of it in."""
    connect(world, world.b, world.a)
    a, b = world.a.scene, world.b.scene
    a.publish(indicator("kept"))
    run(b.node, "from-a")
    safekeeping.backup(a.node, world.folder / "backup")
    world.wall.forward(timedelta(minutes=5))
    a.publish(indicator("lost"))
    run(b.node, "from-a")
    with ExitStack() as stack:
        again = restored(world, stack, found_by=world.b)
        world.wall.forward(timedelta(minutes=5))
        again.publish(indicator("after"))
        run(b.node, "from-a")
        assert [row.seq for row in statements(again.node, ours=True)] == [1, 3]
        shutil.copytree(world.folder / "again", world.folder / "older")
        again.publish(indicator("more"))
        run(b.node, "from-a")
        older = open_node(world.folder / "older", clock=world.wall.clock())
        stack.callback(older.close)
        found_at(b.node, stack.enter_context(serving(older)))
        Scene(older).publish(indicator("other"))
        report = world.b.syncs("from-a")
        assert not report.ok
        assert "lacks its own statement 4 and announces no restore" in report.outcome
        assert len(deliveries.forks(b.node)) == 1
        assert covered(b, "more", "other") == [True, False]
        found = [one.finding for one in doctoring.examine(b.node, partner="a")]
        assert [one for one in found if "statements forked" in one], found
