from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Table, select
from tests.neighbour import COLLECTION, Neighbour
from tests.scenes import Scene

from cert_exchange.node import Node
from cert_exchange.services import syncing
from cert_exchange.store.tables import quarantine, sources, targets


@pytest.fixture
def neighbour() -> Iterator[Callable[..., Neighbour]]:
    """Makes neighbours that end with the test."""
    running: list[Neighbour] = []

    def make(behaviour: Any, **kwargs: Any) -> Neighbour:
        running.append(Neighbour(behaviour, **kwargs))
        return running[-1]

    yield make
    for one in running:
        one.close()


def add_source(node: Node, peer: Neighbour, name: str = "from-b", **options: Any) -> None:
    syncing.add_source(
        node,
        name,
        partner="b",
        url=peer.url,
        remote_collection=COLLECTION,
        collection="indicators",
        options={"insecure": True, "read_seconds": 3.0, **options},
    )


def add_target(node: Node, peer: Neighbour, name: str = "to-b", **options: Any) -> None:
    syncing.add_target(
        node,
        name,
        partner="b",
        url=peer.url,
        remote_collection=COLLECTION,
        collection="indicators",
        options={"insecure": True, "read_seconds": 3.0, **options},
    )


def sync(node: Node, only: str | None = None) -> syncing.RunReport:
    """Run the one channel there is, or the one that is named."""
    (report,) = syncing.sync_once(node, only=only)
    return report


def row(node: Node, table: Table = sources) -> Any:
    with node.database.reading() as tx:
        return tx.execute(select(table)).mappings().one()


def counters(node: Node, table: Table = sources) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row(node, table)["counters"])
    return found


def target_row(node: Node) -> Any:
    return row(node, targets)


def quarantined(node: Node) -> list[tuple[str, str | None, str]]:
    with node.database.reading() as tx:
        return [
            (one.kind, one.stix_id, one.reason)
            for one in tx.execute(select(quarantine).order_by(quarantine.c.id))
        ]


def received(scene: Scene) -> list[str]:
    """Ids that came from b, each version once, by name of the object."""
    from cert_exchange.services import holdings

    hits, _ = holdings.received(scene.node, "b", limit=10_000)
    return sorted(hit.label for hit in hits)
