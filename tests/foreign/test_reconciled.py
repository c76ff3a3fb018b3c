"""Two real nodes lay their accounts of each other side by side: what one says the other received, and the other way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from tests.attack.world import World, Worlds
from tests.foreign.test_compared_ledgers import connect
from tests.scenes import B_IDENTITY, address, indicator, malware, relationship

from cert_exchange.errors import NotFound
from cert_exchange.services import freezing, reconciling, releasing
from cert_exchange.services.comparing import asking
from cert_exchange.services.reconciling import Difference
from cert_exchange.store.tables import marks, memberships, objects, references, renditions


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    with Worlds() as made:
        yield made


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        connect(made, made.b, made.a)
        one, two = indicator("one"), malware("two")
        made.a.scene.publish(one, two, relationship(one, two), address("192.0.2.1"))
        assert made.b.syncs("from-a").ok
        yield made


def account(world: World) -> reconciling.Account:
    """A asks B; so B is a server to A."""
    if "b" not in asking.partners_to_ask(world.a.node):
        connect(world, world.a, world.b)
    return reconciling.reconcile(world.a.node, "b")


def differences(found: reconciling.Account) -> set[tuple[str, str]]:
    return {(str(one.what), one.stix_id) for one in found.differences}


def test_two_honest_nodes_agree(world: World) -> None:
    """Both directions, observables too, whose versions each node gives itself."""
    world.b.scene.publish(indicator("theirs", by=B_IDENTITY))
    first = account(world)
    assert first.whole
    assert first.differences == ()
    assert first.agreed_out >= 4
    assert world.a.syncs("from-b").ok
    again = reconciling.reconcile(world.a.node, "b")
    assert again.whole
    assert again.agreed_in >= 1
    back = reconciling.reconcile(world.b.node, "a")
    assert back.whole
    assert back.agreed_in == first.agreed_out


def test_each_difference_is_named(world: World) -> None:
    """Lost there, never released, other bytes, fetched without a mark: each under its own word."""
    b = world.b.node

    def tamper(tx: Any) -> None:
        rows = tx.execute(
            select(objects.c.id, objects.c.ident, objects.c.rendition, objects.c.type).where(
                objects.c.origin > 0
            )
        ).all()
        lost = next(row for row in rows if row.type == "relationship")
        tx.execute(delete(references).where(references.c.source == lost.id))
        tx.execute(delete(memberships).where(memberships.c.object == lost.id))
        tx.execute(delete(objects).where(objects.c.id == lost.id))
        other = next(row for row in rows if row.type == "malware")
        tx.execute(
            update(renditions).where(renditions.c.id == other.rendition).values(digest=bytes(32))
        )
        mine = tx.execute(select(objects).where(objects.c.origin == 0)).mappings().first()
        ours = next(row for row in rows if row.type == "indicator")
        tx.execute(
            insert(objects).values(
                {**mine, "id": 99_999, "origin": world.b.scene.partner("a"), "version": "2020-01-01T00:00:00.000Z",
                 "version_key": "2020-01-01T00:00:00", "ident": ours.ident, "observable": 0}
            )
        )  # fmt: skip

    from sqlalchemy import create_engine

    engine = create_engine(b.database.url)  # without foreign keys, as who tampers with the file
    with engine.begin() as tx:
        tamper(tx)
    engine.dispose()
    found = differences(account(world))
    one, two = indicator("one")["id"], malware("two")["id"]
    assert ("not there", relationship(indicator("one"), malware("two"))["id"]) in found
    assert ("other bytes", two) in found
    assert ("not released", one) in found
    assert not reconciling.reconcile(world.a.node, "b").whole


def test_a_fetch_without_a_mark_is_named(world: World) -> None:
    """Our marks gone back (an old copy of their file): the partner holds what we say it did not fetch."""
    import sqlite3

    path = world.a.node.database.marks_path
    assert path is not None
    with sqlite3.connect(path) as plain:
        plain.execute(f"UPDATE {marks.name} SET position = 0, ledgered = 0")
    plain.close()
    found = account(world)
    assert {one.what for one in found.differences} == {Difference.NOT_NOTED}


def test_what_was_taken_back_is_in_no_list(world: World) -> None:
    """A partner that keeps it does as it may; who asks is told of nothing that he may not see now."""
    gone = indicator("one")["id"]
    releasing.withdraw(
        world.a.node, gone, version=None, collection="indicators", by="desk", reason="wrong"
    )
    found = account(world)
    assert found.taken_back >= 1
    assert gone not in {name for _, name in differences(found)}
    answer = world.a.client("b").get("/exchange/v1/served")
    assert answer.status == 200
    assert gone.encode() not in answer.raw
    assert malware("two")["id"].encode() in answer.raw
    theirs = reconciling.reconcile(world.b.node, "a")
    assert ("not served", gone) in differences(theirs)
    assert theirs.whole


def test_a_freeze_and_a_stranger_get_nothing(world: World) -> None:
    """Frozen: 503 as for a poll. No credential: 401. A number that is none: 400."""
    client = world.a.client("b")
    assert world.a.stranger().get("/exchange/v1/served").status == 401
    assert client.get("/exchange/v1/served?after=x").status == 400
    assert client.get("/exchange/v1/received?after=-1").status == 400
    assert client.get("/exchange/v1/checkpoint?from=01").status == 400
    freezing.freeze(world.a.node, "b", by="anna", reason="stop")
    assert client.get("/exchange/v1/served").status == 503
    assert client.get("/exchange/v1/received").status == 200


def test_c_is_told_nothing_of_b(world: World) -> None:
    """Another partner's lists speak of that partner alone."""
    answer = world.a.client("c").get("/exchange/v1/served")
    assert answer.json["entries"] == []
    assert world.a.client("c").get("/exchange/v1/received").json["entries"] == []


def test_a_partner_without_a_channel_cannot_be_asked(world: World) -> None:
    """Said in words."""
    with pytest.raises(NotFound, match="neither a source nor a target"):
        reconciling.reconcile(world.a.node, "c")
    with pytest.raises(NotFound, match="no partner"):
        reconciling.reconcile(world.a.node, "nobody")
