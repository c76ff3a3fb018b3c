"""Marks: durable, monotone, known as a lower bound, and never too low (DECISIONS 24)."""

from __future__ import annotations

import random
import threading
import time

from sqlalchemy import Connection, select
from tests.conftest import reopen
from tests.scenes import Scene, indicator

from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store.facts import put_fact
from cert_exchange.store.marks import Mark, Marks
from cert_exchange.store.tables import views


def test_a_mark_only_rises(node: Node) -> None:
    """In whatever order processes write it, the greatest position stands."""
    other = Marks(node.database)
    for marks, position in ((node.marks, 50), (other, 40), (other, 60), (node.marks, 55)):
        marks.advance(1, 2, position)
    fresh = Marks(node.database)
    assert fresh.reached(1, 2) == 60
    fresh.close()
    assert node.marks.everything() == [Mark(1, 2, 60, 0)]
    # What a process knows is a lower bound: at least what it wrote, never more than what stands.
    assert 50 <= node.marks.reached(1, 2) <= 60
    other.close()


def test_threads_and_instances_leave_the_maximum(node: Node) -> None:
    """Four writers, random positions, two partners: the marks are the maxima."""
    positions = [[random.Random(seed).randrange(1, 10_000) for _ in range(25)] for seed in range(4)]
    writers = [Marks(node.database) for _ in positions]

    def write(marks: Marks, mine: list[int]) -> None:
        for position in mine:
            marks.advance(position % 2, 1, position)

    threads = [
        threading.Thread(target=write, args=pair) for pair in zip(writers, positions, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [position for mine in positions for position in mine]
    assert {mark.partner: mark.position for mark in node.marks.everything()} == {
        side: max(position for position in every if position % 2 == side) for side in (0, 1)
    }
    for marks in writers:
        marks.close()


def test_a_poll_never_waits_for_a_writer(node: Node) -> None:
    """While a write transaction is open, marks advance at once."""

    def work(tx: Connection) -> float:
        put_fact(tx, "n", "1")
        begun = time.monotonic()
        node.marks.advance(1, 1, 10)
        return time.monotonic() - begun

    assert node.database.transact(work) < 2


def test_highest_is_over_all_partners(node: Node) -> None:
    """The greatest position that anybody may have fetched, by view."""
    for partner, view, position in ((1, 1, 5), (2, 1, 9), (3, 2, 7)):
        node.marks.advance(partner, view, position)
    assert [node.marks.highest(view) for view in (1, 2, 3)] == [9, 7, 0]


def test_what_is_ledgered_is_remembered_up_to_there(node: Node) -> None:
    """A mark that rose meanwhile is owed the rest."""
    node.marks.advance(1, 1, 10)
    (mark,) = node.marks.unledgered()
    node.marks.advance(1, 1, 20)
    node.marks.ledgered([mark])
    assert node.marks.unledgered() == [Mark(1, 1, 20, 10)]
    node.marks.ledgered([mark])
    assert node.marks.unledgered() == [Mark(1, 1, 20, 10)]


def test_a_lost_file_is_rebuilt_too_high(sqlite_node: Node) -> None:
    """The marks' file is gone: everything released counts as fetched, and the ledger says why."""
    node = sqlite_node
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    view = scene.view("b")
    node.close()
    path = node.database.marks_path
    assert path is not None
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    again = reopen(node)
    with again.database.reading() as tx:
        head = tx.execute(select(views.c.head).where(views.c.id == view)).scalar_one()
        kinds = [decode_line(row.body).kind for row in ledger_rows.every_line(tx)]
    assert again.marks.reached(scene.partner("b"), view) == head > 0
    assert kinds[-1] == "marks.rebuilt"
    assert path.stat().st_mode & 0o077 == 0
    again.close()
    once_more = reopen(node)
    with once_more.database.reading() as tx:
        assert sum(1 for _ in ledger_rows.every_line(tx)) == len(kinds)
    once_more.close()
