"""The receiver of signed deliveries is restored: its receipts of before stand, and nothing looks like an accusation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from tests.attack.world import World, Worlds
from tests.foreign.test_compared_ledgers import connect
from tests.foreign.test_sender_restored import broken, lines, restored, run, statements
from tests.scenes import Scene, indicator

from cert_exchange.services import deliveries, doctoring, ledger, safekeeping, signing
from cert_exchange.services.deliveries import checking


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Two nodes, both on one engine or both on the other."""
    server = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
    with Worlds(server) as worlds, worlds.world() as made:
        yield made


@pytest.fixture
def on_files() -> Iterator[World]:
    """Both on SQLite: what is tested is whose key signed a receipt."""
    with Worlds() as worlds, worlds.world() as made:
        yield made


def received_twice(world: World, stack: ExitStack, *, rotate: bool = False) -> Scene:
    """B pulled two statements of A and receipted both; then it is restored from a backup between the two."""
    connect(world, world.b, world.a)
    connect(world, world.a, world.b)
    a, b = world.a.scene, world.b.scene
    a.publish(indicator("kept"))
    run(b.node, "from-a")
    safekeeping.backup(b.node, world.folder / "backup")
    world.wall.forward(timedelta(minutes=5))
    if rotate:
        signing.rotate(b.node, by="desk")
    a.publish(indicator("lost"))
    run(b.node, "from-a")
    assert [row.receipt is not None for row in statements(a.node, ours=True)] == [True, True]
    again = restored(world, stack, found_by=world.a)
    world.wall.forward(timedelta(minutes=5))
    return again


def nothing_is_wrong(world: World, again: Scene) -> None:
    assert (broken(again.node), broken(world.a.node)) == ([], [])
    for node, partner in ((world.a.node, "b"), (again.node, "a")):
        findings = doctoring.examine(node, partner=partner)
        assert not [one for one in findings if "broken" in one.finding], findings
        assert deliveries.count_open(node) == 0
        ledger.seal(node)
        ledger.verify(node)


def test_a_receipt_that_was_signed_anew_gives_way_to_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B signed another receipt before it saw its own: A shows the one that stands, and B takes it back."""
    with ExitStack() as stack:
        again = received_twice(world, stack)
        # As a node did that passed over what the partner shows beside its statement.
        monkeypatch.setattr(checking, "is_ours", lambda *_: False)
        report = run(again.node, "from-a")
        assert not any("receipt" in note for note in report.notes), report.notes
        ours, theirs = statements(world.a.node, ours=True), statements(again.node, ours=False)
        assert [row.receipt for row in theirs] == [row.receipt for row in ours]
        (line,) = lines(again.node, "receipt.returned")
        assert (line.facts["seq"], line.facts["partner"]) == (2, "a")
        assert line.facts["receipt"] != line.facts["instead"]
        world.a.scene.publish(indicator("after"))
        run(again.node, "from-a")
        assert all(row.receipt is not None for row in statements(world.a.node, ours=True))
        nothing_is_wrong(world, again)


def test_a_receipt_whose_key_the_restore_lost_stands_with_the_partner(on_files: World) -> None:
    """B had changed its key since the backup: it cannot know its own receipt again, and hands over no other for ever."""
    world = on_files
    with ExitStack() as stack:
        again = received_twice(world, stack, rotate=True)
        before = [row.receipt for row in statements(world.a.node, ours=True)]
        report = run(again.node, "from-a")
        assert any("signed with a key that the restore lost" in one for one in report.notes)
        assert [row.receipt for row in statements(world.a.node, ours=True)] == before
        world.a.scene.publish(indicator("after"))
        report = run(again.node, "from-a")
        assert not any("receipt" in one for one in report.notes), report.notes
        assert all(row.receipt is not None for row in statements(world.a.node, ours=True))
        nothing_is_wrong(world, again)
