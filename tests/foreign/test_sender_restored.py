"""The sender of signed deliveries is restored from an older backup: its partner notices, says so, and gives back what only it
holds; nothing is lost, and no fork is seen. Without an announced restore the same is a fork."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.attack.world import Side, World, Worlds
from tests.foreign.test_compared_ledgers import connect
from tests.scenes import Scene, indicator, uid
from tests.taxii.conftest import serving

from cert_exchange.messages.deliveries import Way
from cert_exchange.messages.evidence import decode_line
from cert_exchange.messages.signatures import said_in
from cert_exchange.node import Node, open_node
from cert_exchange.services import (
    deliveries,
    doctoring,
    freezing,
    ledger,
    publishing,
    safekeeping,
    syncing,
)
from cert_exchange.services.comparing import asking
from cert_exchange.services.ledger import checkpointing
from cert_exchange.services.syncing import meeting
from cert_exchange.store import delivered, epochs
from cert_exchange.store import deliveries as rows
from cert_exchange.store.statement_rows import StatementRow
from cert_exchange.store.tables import ledger_lines, quarantine, sources, targets


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
    """Both on SQLite: what is tested are two sentences about numbers, and no SQL of their own."""
    with Worlds() as worlds, worlds.world() as made:
        yield made


@pytest.fixture(autouse=True)
def _meets_at_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "EVERY", 0)


def pushes(world: World, sender: Side, receiver: Side) -> None:
    """`sender` has a target at `receiver`; each has the other's key pinned."""
    secret = world.folder / f"push-secret-{sender.name}"
    secret.write_text(receiver.credential(sender.name).token)
    syncing.add_target(
        sender.node, f"to-{receiver.name}", partner=receiver.name, url=receiver.url,
        remote_collection=uid("collection indicators"), collection="indicators", secret=secret,
        options={"insecure": True, "auth": "bearer", "server": "cert-exchange"},
    )  # fmt: skip


def restored(world: World, stack: ExitStack, *, found_by: Side) -> Scene:
    """A node as `restore` makes it out of `backup`, looked at by a person, and found by the other side."""
    home = world.folder / "again"
    safekeeping.restore(
        world.folder / "backup", home, clock=world.wall.clock(), database_url=world.empty_database()
    )
    node = open_node(home, clock=world.wall.clock())
    stack.callback(node.close)
    freezing.unfreeze(node, by="desk", reason="looked")
    found_at(found_by.node, stack.enter_context(serving(node)))
    return Scene(node)


def found_at(node: Node, port: int) -> None:
    """The node finds its partner at another port."""
    url = f"http://127.0.0.1:{port}/api/"

    def work(tx: Any) -> None:
        for table in (sources, targets):
            tx.execute(update(table).values(url=url))

    node.database.transact(work)


def statements(node: Node, *, ours: bool, way: Way = Way.SERVED) -> list[StatementRow]:
    with node.database.reading() as tx:
        return [row for row in rows.listing(tx, ours=ours)[::-1] if row.way is way]


def covered(scene: Scene, *names: str) -> list[bool]:
    """Whether a statement of its partner's covers what the node holds under each of these names."""
    with scene.node.database.reading() as tx:
        found = []
        for name in names:
            partner = scene.partner("a")
            held = delivered.held(tx, partner, [indicator(name)["id"]])
            found.append(bool(delivered.covered(tx, [one.object for one in held])))
        return found


def broken(node: Node) -> list[str]:
    """What stands in the quarantine as broken, and what forked."""
    with node.database.reading() as tx:
        kept = tx.execute(select(quarantine.c.reason).where(quarantine.c.kind == "statement"))
        return [*kept.scalars(), *(one.stream for one in deliveries.forks(node, only_open=False))]


def lines(node: Node, kind: str) -> list[Any]:
    with node.database.reading() as tx:
        bodies = tx.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        return [line for line in map(decode_line, bodies) if line.kind == kind]


def run(node: Node, name: str) -> syncing.RunReport:
    (report,) = syncing.sync_once(node, only=name)
    assert report.ok, report
    return report


def test_a_restored_sender_is_noticed_and_gets_back_what_only_its_partner_holds(
    world: World,
) -> None:
    """All of it between two served nodes, from the first statement to the published file."""
    connect(world, world.b, world.a)
    connect(world, world.a, world.b)
    a, b = world.a.scene, world.b.scene
    a.publish(indicator("kept"))
    run(b.node, "from-a")
    run(a.node, "from-b")
    checkpointing.issue(a.node)
    assert asking.compare(b.node, "a").breaks == ()
    world.wall.forward(timedelta(minutes=5))
    safekeeping.backup(a.node, world.folder / "backup")
    world.wall.forward(timedelta(minutes=5))
    a.publish(indicator("lost"))
    run(b.node, "from-a")
    assert covered(b, "kept", "lost") == [True, True]
    before = statements(b.node, ours=False)
    assert [row.seq for row in before] == [1, 2]

    with ExitStack() as stack:
        again = restored(world, stack, found_by=world.b)
        assert [row.seq for row in statements(again.node, ours=True)] == [1]
        world.wall.forward(timedelta(minutes=5))
        again.publish(indicator("after"))
        report = run(b.node, "from-a")
        # B notices, and says so in its run, its ledger and `doctor`.
        assert any(
            "its statement 3 says that its store was restored" in one for one in report.notes
        )
        assert any("was restored from a backup" in one for one in report.notes)
        (line,) = lines(b.node, "partner.restored")
        with again.node.database.reading() as tx:
            assert line.facts["epoch"] == epochs.current(tx) > 1
        found = [one.finding for one in doctoring.examine(b.node, partner="a")]
        assert not [one for one in found if "forked" in one], found
        third = statements(b.node, ours=False)[2]
        said = said_in(third.text)
        assert (said["seq"], said["restored"], said["previous"]) == (
            3,
            True,
            before[1].digest.hex(),
        )
        assert covered(b, "kept", "lost", "after") == [True, True, True]
        assert statements(b.node, ours=False)[:2] == before

        # What only B holds of A's comes back, and goes out as what it was.
        report = run(again.node, "from-b")
        [file] = (again.node.settings.home / "recovered").iterdir()
        assert any(str(file) in one for one in report.notes)
        given = json.loads(file.read_text())
        assert [one["id"] for one in given["objects"]] == [indicator("lost")["id"]]
        publishing.publish(again.node, file.read_bytes(), collection="indicators", by="desk")
        again.publish(indicator("last"))
        run(b.node, "from-a")
        assert covered(b, "kept", "lost", "after", "last") == [True] * 4
        with b.node.database.reading() as tx:
            assert len(delivered.held(tx, b.partner("a"), [indicator("lost")["id"]])) == 1

        # Nobody saw a fork, every statement has its receipt, and both ledgers verify.
        assert (broken(again.node), broken(b.node)) == ([], [])
        for node, ours in ((again.node, True), (b.node, False)):
            assert all(row.handed_over_at is not None for row in statements(node, ours=ours))
            assert all(row.receipt is not None for row in statements(node, ours=ours))
            ledger.seal(node)
            ledger.verify(node)

        # The ledger of A did go back: that is found as ever, and `doctor` says what explains it. A person settles it.
        checkpointing.issue(again.node)
        compared = asking.compare(b.node, "a")
        if compared.breaks:
            texts = [one.finding for one in doctoring.examine(b.node, partner="a")]
            assert any("it told us" in one and "restored a backup" in one for one in texts), texts
            asking.settle(b.node, "a", by="boris", reason="A restored, says Anna")
        assert asking.compare(b.node, "a").breaks == ()


def test_without_an_announced_restore_it_is_a_fork(on_files: World) -> None:
    """The disk of A as it was, marks and all: nothing in A's house knows, and B says so."""
    world = on_files
    connect(world, world.b, world.a)
    a, b = world.a.scene, world.b.scene
    a.publish(indicator("kept"))
    run(b.node, "from-a")
    shutil.copytree(world.a.home, world.folder / "older")
    a.publish(indicator("lost"))
    run(b.node, "from-a")
    older = open_node(world.folder / "older", clock=world.wall.clock())
    with serving(older) as port:
        found_at(b.node, port)
        Scene(older).publish(indicator("after"))
        report = world.b.syncs("from-a")
        assert not report.ok
        assert "lacks its own statement 2 and announces no restore" in report.outcome
        assert len(deliveries.forks(b.node)) == 1
        found = [one.finding for one in doctoring.examine(b.node, partner="a")]
        assert [one for one in found if "statements forked" in one], found
        assert covered(b, "after") == [False]
    older.close()


def test_a_restored_sender_of_pushes_goes_on_where_its_partner_is(on_files: World) -> None:
    """Its next statement says that it was restored, and names the partner's last one; the receipt comes with it."""
    world = on_files
    connect(world, world.b, world.a)
    connect(world, world.a, world.b)
    pushes(world, world.a, world.b)
    a, b = world.a.scene, world.b.scene
    a.publish(indicator("kept"))
    run(a.node, "to-b")
    safekeeping.backup(a.node, world.folder / "backup")
    world.wall.forward(timedelta(minutes=5))
    a.publish(indicator("lost"))
    run(a.node, "to-b")
    with ExitStack() as stack:
        again = restored(world, stack, found_by=world.b)
        world.wall.forward(timedelta(minutes=5))
        again.publish(indicator("after"))
        report = run(again.node, "to-b")
        assert not any("no receipt" in one for one in report.notes), report.notes
        pushed = statements(b.node, ours=False, way=Way.PUSHED)
        assert [row.seq for row in pushed] == [1, 2, 3]
        assert said_in(pushed[2].text)["restored"] is True
        assert covered(b, "kept", "lost", "after") == [True, True, True]
        assert statements(again.node, ours=True, way=Way.PUSHED)[-1].receipt is not None
        again.publish(indicator("last"))
        run(again.node, "to-b")
        assert covered(b, "last") == [True]
        assert (broken(again.node), broken(b.node)) == ([], [])


def test_a_restored_receiver_of_pushes_gets_what_it_lacks_with_its_receipts(
    on_files: World,
) -> None:
    """B lost a statement and its receipt: A tells it once more and shows B's own receipt, which stands."""
    world = on_files
    connect(world, world.b, world.a)
    connect(world, world.a, world.b)
    pushes(world, world.a, world.b)
    a, b = world.a.scene, world.b.scene
    a.publish(indicator("kept"))
    run(a.node, "to-b")
    run(b.node, "from-a")
    safekeeping.backup(b.node, world.folder / "backup")
    world.wall.forward(timedelta(minutes=5))
    a.publish(indicator("lost"))
    run(a.node, "to-b")
    run(b.node, "from-a")
    with ExitStack() as stack:
        again = restored(world, stack, found_by=world.a)
        world.wall.forward(timedelta(minutes=5))
        run(a.node, "to-b")  # hears of it
        run(a.node, "to-b")  # sends again what was lost
        a.publish(indicator("after"))
        report = run(a.node, "to-b")
        assert not any("no receipt" in one for one in report.notes), report.notes
        run(again.node, "from-a")
        assert covered(again, "kept", "lost", "after") == [True, True, True]
        for way in Way:
            sent = statements(a.node, ours=True, way=way)
            got = statements(again.node, ours=False, way=way)
            assert [row.text for row in got] == [row.text for row in sent]
            assert [row.receipt for row in got] == [row.receipt for row in sent]
            assert all(row.receipt is not None for row in got)
            assert all(row.handed_over_at is not None for row in got)
        assert (broken(again.node), broken(a.node)) == ([], [])
        ledger.seal(again.node)
        ledger.verify(again.node)


def test_a_receipt_for_what_a_restore_lost_is_noted_and_breaks_nothing(on_files: World) -> None:
    """B's receipt was still on its way when A went back: A's ledger says that it came, and B waits for nothing."""
    world = on_files
    connect(world, world.b, world.a)
    connect(world, world.a, world.b)
    a, b = world.a.scene, world.b.scene
    a.publish(indicator("kept"))
    run(b.node, "from-a")
    safekeeping.backup(a.node, world.folder / "backup")
    world.wall.forward(timedelta(minutes=5))
    a.publish(indicator("lost"))
    run(b.node, "from-a")
    c = rows._C

    def not_yet(tx: Any) -> None:
        tx.execute(update(c.id.table).where(c.ours == 0, c.seq == 2).values(handed_over_at=None))

    b.node.database.transact(not_yet)
    with ExitStack() as stack:
        again = restored(world, stack, found_by=world.b)
        world.wall.forward(timedelta(minutes=5))
        again.publish(indicator("after"))
        run(b.node, "from-a")
        (line,) = [one for one in lines(again.node, "receipt.received") if "lost" in one.facts]
        assert line.facts["seq"] == 2
        assert deliveries.count_open(b.node) == 0
        assert (broken(again.node), broken(b.node)) == ([], [])
