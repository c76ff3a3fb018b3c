"""The link is out for 72 hours; 400 objects go by file into B's node, whose clock is 11 minutes slow; the link returns.

0 lost, 0 doubled, the receipts are back before the link is, and both nodes' accounts of each other agree. Here both run
this version; `test_carried_older.py` plays it with B one release older, by the programs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.conftest import Wall
from tests.scenes import Scene, indicator
from tests.unit.syncing.peers import Channel, as_b, channel_between

from cert_exchange.messages.deliveries import Way
from cert_exchange.node import Node
from cert_exchange.services import carrying, drift, ledger, reconciling
from cert_exchange.services.carrying import Made, Wanted
from cert_exchange.store import deliveries as rows
from cert_exchange.store.tables import identifiers, objects

SLOW = timedelta(minutes=11)
OUT = timedelta(hours=72)
FILES, EACH = 4, 100


@pytest.fixture
def slow() -> Wall:
    """B's clock."""
    clock = Wall()
    clock.jump(-SLOW)
    return clock


@pytest.fixture
def channel(sqlite_node: Node, new_node: Any, slow: Wall, tmp_path: Path) -> Iterator[Channel]:
    """SQLite alone: nothing here asks SQL anything that the tests of carrying do not."""
    other = as_b(new_node("sqlite", "b"), slow)
    try:
        with channel_between(sqlite_node, other, tmp_path) as made:
            yield made
    finally:
        other.close()


def held(scene: Scene) -> Counter[str]:
    """How often B holds each indicator of A's."""
    with scene.node.database.reading() as tx:
        found = tx.execute(
            select(identifiers.c.stix_id)
            .join(objects, objects.c.ident == identifiers.c.num)
            .where(objects.c.origin == scene.partner("a"))
        ).scalars()
        return Counter(one for one in found if one.startswith("indicator--"))


def carried(scene: Scene, to: str, folder: Path) -> Made:
    number = carrying.next_number(scene.node, to)
    made = carrying.take_out(
        scene.node, to, folder / f"to-{to}-{number}.cxc", Wanted(), by="courier"
    )
    assert made is not None
    return made


def bring(scene: Scene, made: Made) -> carrying.Brought:
    return carrying.bring_in(scene.node, made.path, by="desk", progress=lambda _done, _all: None)


def test_72_hours_without_a_link(channel: Channel, wall: Wall, slow: Wall, tmp_path: Path) -> None:
    a, b = channel.a, channel.b
    channel.to_a.now, channel.to_b.now = wall.read, slow.read
    channel.source()
    channel.target()
    a.publish(*(indicator(f"before {n}") for n in range(20)))
    assert channel.pull().ok
    assert held(b).total() == 20

    # The link breaks, and A goes on.
    channel.to_a.lose = channel.to_b.lose = Everything()
    assert not channel.pull().ok
    published: set[str] = set()
    for number in range(FILES):
        made = [indicator(f"out {number} {n}") for n in range(EACH)]
        a.publish(*made)
        published |= {one["id"] for one in made}
        brought = bring(b, carried(a, "b", tmp_path))
        assert brought.ok
        assert sum(run.fates["new"] for run in brought.runs) == EACH
        answered = bring(a, carried(b, "a", tmp_path))
        assert answered.receipts == 1
        for clock in (wall, slow):
            clock.forward(OUT / FILES)
    assert not channel.pull().ok
    assert len(published) == FILES * EACH
    assert open_at(a) == []
    before = held(b)
    assert published <= before.keys()

    # It returns: nothing is new by either way, and one object that is, comes once.
    channel.to_a.lose = channel.to_b.lose = set()
    report = channel.pull()
    assert (report.ok, report.counts["received"]) == (True, 0), report
    assert drifted(b, "a") == {}
    late = indicator("after")
    a.publish(late)
    assert channel.pull().counts["accepted"] == 1
    pushed = channel.push()
    assert pushed.counts["confirmed"] == pushed.counts["sent"]
    assert held(b) == before + Counter([late["id"]])
    assert set(held(b).values()) == {1}
    for one, other in ((a, "b"), (b, "a")):
        account = reconciling.reconcile(one.node, other)
        assert account.differences == ()
        assert account.odd == ()
        assert drifted(one, other) == {}
        ledger.note_fetches(one.node)
        ledger.seal(one.node)
        ledger.verify(one.node)


def drifted(scene: Scene, partner: str) -> dict[str, int]:
    """What `sync reconcile` says of a partner: nothing, where both show the same."""
    account = drift.reconcile(scene.node, partner)
    assert account.whole, account
    return {
        str(kind): count for part in account.parts for kind, count in part.counts.items() if count
    }


def open_at(scene: Scene) -> list[int]:
    """Statements of A's without B's receipt."""
    with scene.node.database.reading() as tx:
        found = rows.without_receipt(tx, scene.partner("b"), ours=True, way=Way.SERVED)
        return [row.seq for row in found]


class Everything(set[str]):
    """What a relay loses while the link is out: whatever it is asked."""

    def __contains__(self, _: object) -> bool:
        return True

    def discard(self, _: object) -> None:
        """It stays out."""
