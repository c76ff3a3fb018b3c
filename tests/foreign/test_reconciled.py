"""Two real nodes lay their accounts of each other side by side: what one says the other received, and the other way; and what
the other one signed of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from tests.attack.world import World, Worlds
from tests.foreign.test_compared_ledgers import connect, grow
from tests.scenes import B_IDENTITY, address, indicator, malware, relationship

from cert_exchange.errors import NotFound, SignatureBroken
from cert_exchange.messages.signatures import canonical, said_in, sign
from cert_exchange.services import deliveries, erasing, freezing, reconciling, releasing
from cert_exchange.services.acknowledging import Odd
from cert_exchange.services.comparing import asking
from cert_exchange.services.reconciling import Difference
from cert_exchange.store.tables import (
    delivery_statements,
    ledger_breaks,
    marks,
    memberships,
    objects,
    references,
    renditions,
)


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    with Worlds() as made:
        yield made


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        connect(made, made.b, made.a)
        connect(made, made.a, made.b)
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
    assert first.acknowledged == first.agreed_out
    assert first.odd == ()
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
    told = account(world)
    found = differences(told)
    # It signed that it received what it does not hold any more: that contradiction proves itself.
    lost = [item for item in told.differences if item.what is Difference.NOT_THERE]
    assert {item.signed for item in lost} == {"received"}
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
    assert client.get("/exchange/v1/received").status == 503


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


def takes(world: World, **changes: Any) -> None:
    """B signs a receipt like its first one with something changed, and A is handed it."""
    with world.b.node.database.reading() as tx:
        text = tx.execute(
            select(delivery_statements.c.receipt).where(delivery_statements.c.ours == 0)
        ).scalar_one()
    signed = sign(canonical({**said_in(text), **changes}), world.b.node.secrets.signing_keys[0])
    with pytest.raises(SignatureBroken):
        deliveries.take_receipt(world.a.node, world.a.scene.partner("b"), {"receipt": signed})


def test_what_its_signed_receipts_do_not_acknowledge_is_listed(world: World) -> None:
    """Released, fetched and not receipted: open for a day, then a difference; receipted otherwise: a difference at once."""
    a = world.a.node
    c = delivery_statements.c

    def receipt(text: str | None) -> None:
        a.database.transact(
            lambda tx: tx.execute(
                update(delivery_statements)
                .where(c.ours == 1)
                .values(receipt=text, handed_over_at=None if text is None else 1)
            )
        )

    with a.database.reading() as tx:
        signed = tx.execute(select(c.receipt).where(c.ours == 1)).scalar_one()
    receipt(None)
    found = account(world)
    assert {one.what for one in found.differences} == {Difference.RECEIPT_OPEN}
    assert (found.whole, found.acknowledged) == (True, 0)
    world.wall.forward(timedelta(days=2))
    found = account(world)
    assert {one.what for one in found.differences} == {Difference.NO_RECEIPT}
    assert (found.whole, len(found.differences)) == (False, found.agreed_out)
    many = said_in(signed)["outcomes"][0][0]
    other = {**said_in(signed), "outcomes": [[many - 1, "received"], [1, "missing"]]}
    receipt(sign(canonical(other), world.b.node.secrets.signing_keys[0]))
    found = account(world)
    (one,) = found.differences
    assert (one.what, one.signed) == (Difference.RECEIPT_DIFFERS, "missing")
    assert found.acknowledged == found.agreed_out - 1
    ran = world.run("ledger", "reconcile", "b", side=world.a)
    assert ran.code == 1
    assert f"receipt differs\t{one.stix_id}\t{one.version}\tmissing" in ran.out
    assert f"signed receipts of b say the same of {found.acknowledged:,}" in ran.err


def test_receipts_that_fit_nothing_are_listed(world: World) -> None:
    """Another digest under our number, a number that we never made, a second receipt: each under its own word."""
    takes(world, statement="00" * 32)
    takes(world, seq=9, statement="11" * 32)
    takes(world, at=1)
    found = account(world)
    assert {(one.what, one.seq) for one in found.odd} == {
        (Odd.OTHER_DIGEST, 1), (Odd.NEVER_STATED, 9), (Odd.OTHERWISE, 1)
    }  # fmt: skip
    assert not found.whole
    assert "receipt of nothing: statement 9" in world.run("ledger", "reconcile", "b").err


def test_what_was_stated_and_never_released_is_found(world: World) -> None:
    """A release line taken out of the store: the partner's receipt speaks of what we have no line for. Erased is not that."""
    from cert_exchange.store.tables import live, release_log

    a = world.a.node
    erasing.erase(a, malware("two")["id"], by="anna", reason="a court")
    found = account(world)
    assert found.odd == ()

    def tamper(tx: Any) -> None:
        row = tx.execute(
            select(release_log.c.view, release_log.c.position)
            .join(objects, objects.c.id == release_log.c.object)
            .where(objects.c.type == "indicator", release_log.c.kind == "release")
        ).first()
        for table in (live, release_log):
            tx.execute(
                delete(table).where(table.c.view == row.view, table.c.position == row.position)
            )

    a.database.transact(tamper)
    found = account(world)
    assert [(one.what, one.objects) for one in found.odd] == [(Odd.UNRELEASED, 1)]
    assert ("not released", indicator("one")["id"]) in differences(found)


def test_who_signs_nothing_is_said_to(world: World) -> None:
    """Without a pinned key no receipt is expected, and none is missed."""
    from cert_exchange.store.tables import partner_keys

    world.a.node.database.transact(lambda tx: tx.execute(delete(partner_keys)))
    found = account(world)
    assert (found.whole, found.acknowledged, found.differences) == (True, None, ())
    assert "no key of b is pinned" in world.run("ledger", "reconcile", "b").err


def test_on_postgresql_too(postgresql_server: Any) -> None:
    """One scene: both nodes there; heads compared, a fork of the ledger found, accounts and receipts laid side by side."""
    with Worlds(postgresql_server) as worlds, worlds.world() as world:
        connect(world, world.b, world.a)
        connect(world, world.a, world.b)
        one, two = indicator("one"), malware("two")
        world.a.scene.publish(one, two, relationship(one, two), address("192.0.2.1"))
        world.b.scene.publish(indicator("theirs", by=B_IDENTITY))
        assert world.b.syncs("from-a").ok
        assert world.a.syncs("from-b").ok
        for side, other in ((world.a, "b"), (world.b, "a")):
            found = reconciling.reconcile(side.node, other)
            assert (found.differences, found.odd) == ((), ())
            assert found.acknowledged == found.agreed_out > 0
        grow(world.a.node, lines=3)
        assert asking.compare(world.b.node, "a").breaks == ()
        grow(world.a.node, lines=40)
        first = asking.compare(world.b.node, "a")
        assert (first.breaks, first.trouble) == ((), "")
        # A's administrator cuts the last lines off, heads and tree with them.
        cut_off(world.a.node, lines=20)
        assert [str(kind) for kind in asking.compare(world.b.node, "a").breaks] == ["cut off"]
        with world.b.node.database.reading() as tx:
            assert tx.execute(select(ledger_breaks.c.kind)).scalars().all() == ["cut off"]
        assert asking.settle(world.b.node, "a", by="boris", reason="talked") == 1
        world.b.node.database.transact(
            lambda tx: tx.execute(
                update(renditions)
                .where(
                    renditions.c.id.in_(
                        select(objects.c.rendition).where(
                            objects.c.type == "malware", objects.c.origin > 0
                        )
                    )
                )
                .values(digest=bytes(32))
            )
        )
        found = reconciling.reconcile(world.a.node, "b")
        assert {(str(item.what), item.stix_id, item.signed) for item in found.differences} == {
            ("other bytes", two["id"], "received")
        }


def cut_off(node: Any, *, lines: int) -> None:
    """Take the last lines of a node's ledger out, make chain and tree anew, and forget what was signed of them."""
    from tests.invariants.test_6_heads import Forger

    from cert_exchange.services.ledger import checkpointing
    from cert_exchange.store.tables import checkpoints, ledger_lines

    def forge(tx: Any) -> None:
        last = tx.execute(
            select(ledger_lines.c.seq).order_by(ledger_lines.c.seq.desc()).limit(1)
        ).scalar_one()
        tx.execute(delete(ledger_lines).where(ledger_lines.c.seq > last - lines))
        tx.execute(delete(checkpoints))
        forger = Forger(tx)
        forger.tree(forger.chain())

    node.database.transact(forge)
    checkpointing.issue(node)
