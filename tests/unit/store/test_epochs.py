"""A log below what it handed out starts a new epoch by itself (DECISIONS 8)."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import select, update
from tests.conftest import Wall, reopen
from tests.scenes import Scene, indicator

from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.store import epochs
from cert_exchange.store.tables import views


def heads(node: Node) -> dict[int, int]:
    with node.database.reading() as tx:
        return {row[0]: row[1] for row in tx.execute(select(views.c.id, views.c.head))}


def current(node: Node) -> int:
    with node.database.reading() as tx:
        return epochs.current(tx)


def safe(node: Node, view: int, epoch: int, position: int) -> int:
    with node.database.reading() as tx:
        return epochs.safe_position(tx, view, epoch, position)


def test_an_ordinary_start_keeps_the_epoch(node: Node, wall: Wall) -> None:
    """Marks at the head are no sign of a restore."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    view = scene.view("b")
    node.marks.advance(scene.partner("b"), view, heads(node)[view])
    again = reopen(node, wall)
    assert current(again) == 1
    assert heads(again) == heads(node)
    again.close()


def test_a_log_that_lost_what_was_fetched_starts_a_new_epoch(node: Node, wall: Wall) -> None:
    """All heads rise above the greatest mark; tokens fall back to the restored head; the ledger verifies."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    view, restored = scene.view("b"), heads(node)
    # What a restore looks like: partners fetched more than the log has.
    node.marks.advance(scene.partner("b"), view, restored[view] + 5_000)
    again = reopen(node, wall)
    epoch = current(again)
    assert epoch > 1
    assert all(head == restored[view] + 5_000 for head in heads(again).values())
    assert safe(again, view, 1, restored[view] + 3_000) == restored[view]
    assert safe(again, view, 1, restored[view] - 1) == restored[view] - 1
    assert safe(again, view, epoch, restored[view] + 5_000) == restored[view] + 5_000
    Scene(again).publish(indicator("two"))
    assert heads(again)[view] > restored[view] + 5_000
    ledger.verify(again)
    reopened = reopen(node, wall)
    assert current(reopened) == epoch
    again.close()
    reopened.close()


def test_a_token_can_tell_too(node: Node) -> None:
    """An authentic token above its head: the same, once; the next one finds nothing to do."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    view = scene.view("b")
    seen = {view: heads(node)[view] + 1}
    before = node.now() // 1_000_000
    epoch = ledger.begin_epoch(node, seen)
    assert before <= epoch <= node.now() // 1_000_000
    assert ledger.begin_epoch(node, seen) == epoch
    ledger.verify(node)


def test_a_token_falls_back_over_several_restores(node: Node) -> None:
    """Each later epoch began with a head: the lowest of them is safe."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    view = scene.view("b")
    first = heads(node)[view]
    epoch = ledger.begin_epoch(node, {view: first + 100})
    second = heads(node)[view]
    ledger.begin_epoch(node, {view: second + 100})
    assert (safe(node, view, 1, second), safe(node, view, epoch, second + 50)) == (first, second)


def test_a_copied_back_file_is_noticed(sqlite_node: Node, wall: Wall, tmp_path: Path) -> None:
    """The main file put back by hand, without our `restore`: the marks beside it tell."""
    node = sqlite_node
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    view = scene.view("b")
    node.close()
    path = node.database.path
    assert path is not None
    shutil.copy(path, tmp_path / "old.db")
    again = reopen(node, wall)
    Scene(again).publish(indicator("two"))
    again.marks.advance(1, view, heads(again)[view])
    lost = heads(again)[view]
    again.close()
    shutil.copy(tmp_path / "old.db", path)
    restored = reopen(node, wall)
    assert current(restored) > 1
    assert heads(restored)[view] >= lost
    ledger.verify(restored)
    restored.close()


def test_heads_are_the_only_thing_that_rises(node: Node) -> None:
    """A log that is not below anything stays in its epoch, whatever else was seen."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    before = heads(node)
    assert ledger.begin_epoch(node, {999: 1}) == 1
    assert ledger.begin_epoch(node, before) == 1
    node.database.transact(lambda tx: tx.execute(update(views).values(head=views.c.head)))
    assert heads(node) == before
