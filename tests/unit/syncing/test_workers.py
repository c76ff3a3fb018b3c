"""Workers share the channels by their leases, and a silent partner holds two places of one worker at most."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest
from tests.neighbour import Collection, Reply
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import add_source

from cert_exchange.node import Node
from cert_exchange.services import syncing
from cert_exchange.store import channels
from cert_exchange.worker import Worker


def succeeded(node: Node) -> set[str]:
    with node.database.reading() as tx:
        return {one.name for one in channels.channels(tx) if one.last_success_at}


def add(node: Node, name: str, partner: str, url: str, remote: str) -> None:
    syncing.add_source(
        node, name, partner=partner, url=url, remote_collection=remote, collection="indicators",
        options={"insecure": True, "read_seconds": 20.0},
    )  # fmt: skip


@pytest.mark.case("W07")
def test_a_silent_partner_with_many_sources_delays_nobody(
    sqlite_node: Node, neighbour: Any
) -> None:
    """Ten of b's sources hang; c's one comes with the same look of the worker, though its name is the last."""
    Scene.set_up(sqlite_node)
    silent = neighbour(lambda _: Reply(silent=True))
    for number in range(10):
        add(sqlite_node, f"b{number}", "b", silent.url, f"x{number}")
    add(sqlite_node, "z", "c", neighbour(Collection()).url, "x")
    stop = threading.Event()
    worker = Worker(sqlite_node, stop=stop)
    worker.tick(1)
    ends = time.monotonic() + 10
    while not succeeded(sqlite_node) and time.monotonic() < ends:
        time.sleep(0.02)
    worker.tick(2)
    assert succeeded(sqlite_node) == {"z"}
    assert len(silent.requests) <= syncing.OF_ONE_PARTNER
    stop.set()
    silent.released.set()


def test_two_workers_run_each_channel_once(node: Node, neighbour: Any) -> None:
    """Both look at the same time again and again: every source is asked once, and nothing is stored twice."""
    Scene.set_up(node)
    rows = [("2026-05-01T00:00:00.000000Z", indicator("a", by=B_IDENTITY))]
    peer = neighbour(Collection(list(rows)))
    names = [f"s{number}" for number in range(4)]
    for number, name in enumerate(names):
        add(node, name, "bc"[number % 2], peer.url, name)
    stop = threading.Event()
    workers = [Worker(node, stop=stop) for _ in range(2)]
    ends = time.monotonic() + 20
    number = 1
    while succeeded(node) != set(names) and time.monotonic() < ends:
        threads = [threading.Thread(target=one.tick, args=(number,)) for one in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        number += 1
    stop.set()
    assert succeeded(node) == set(names)
    asked = Counter(one.path.split("/")[3] for one in peer.gets())
    assert asked == dict.fromkeys(names, 1)


def test_a_dead_workers_lease_ends(sqlite_node: Node, neighbour: Any) -> None:
    """A lease that stands keeps a channel from the list of those that are due, until it ends."""
    Scene.set_up(sqlite_node)
    add_source(sqlite_node, neighbour(Collection()))
    with sqlite_node.database.reading() as tx:
        (source,) = channels.channels(tx)
    now = sqlite_node.now()
    taken = sqlite_node.database.transact(
        lambda tx: channels.take_lease(tx, source, owner="dead", now=now, until=now + 60_000_000)
    )
    assert taken
    assert syncing.due_channels(sqlite_node) == []
    other = sqlite_node.database.transact(
        lambda tx: channels.take_lease(
            tx, source, owner="second", now=now + 30_000_000, until=now + 90_000_000
        )
    )
    assert not other
    after = sqlite_node.database.transact(
        lambda tx: channels.take_lease(
            tx, source, owner="second", now=now + 61_000_000, until=now + 120_000_000
        )
    )
    assert after
