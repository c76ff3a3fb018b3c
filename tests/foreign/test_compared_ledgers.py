"""Partners compare ledgers each day: two real nodes, served over HTTP, and copies of one that part from it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update
from tests.attack.world import Side, World, Worlds
from tests.invariants.test_6_heads import Forger
from tests.scenes import B_IDENTITY, indicator, uid
from tests.taxii.conftest import serving

from cert_exchange.messages import checkpoints as notes
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node, open_node
from cert_exchange.services import doctoring, ledger, signing, syncing
from cert_exchange.services.comparing import asking, judging
from cert_exchange.services.comparing.judging import Break
from cert_exchange.services.ledger import checkpointing
from cert_exchange.signing_keys import add_signing_key
from cert_exchange.store.tables import checkpoints, ledger_lines, partner_checkpoints, sources
from cert_exchange.worker import Worker


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    with Worlds() as made:
        yield made


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


def connect(world: World, asker: Side, server: Side) -> None:
    """`asker` pulls from `server` and has its public key pinned."""
    secret = world.folder / f"secret-{asker.name}"
    secret.write_text(server.credential(asker.name).token)
    syncing.add_source(
        asker.node, f"from-{server.name}", partner=server.name, url=server.url,
        remote_collection=uid("collection indicators"), collection="indicators", secret=secret,
        options={"insecure": True, "auth": "bearer", "server": "cert-exchange"},
    )  # fmt: skip
    signing.pin(asker.node, server.name, signing.our_keys(server.node)[0].public, by="test")


@pytest.fixture
def met(world: World) -> World:
    """B pulls from A, and has seen a head of A's ledger."""
    connect(world, world.b, world.a)
    world.a.scene.publish(indicator("one"))
    checkpointing.issue(world.a.node)
    found = asking.compare(world.b.node, "a")
    assert (found.trouble, found.breaks, found.first) == ("", (), True)
    return world


def line(node: Node, kind: str = "partner.amend") -> None:
    node.database.transact(
        lambda tx: ledger.record(tx, Line(kind, node.now(), "anna", facts={"partner": "c"}))
    )


def grow(node: Node, *, lines: int) -> None:
    for _ in range(lines):
        line(node)
    checkpointing.issue(node)


@contextmanager
def copied(world: World, side: Side, name: str) -> Iterator[Node]:
    """A copy of a node's home as it is now, opened beside it."""
    home = world.folder / name
    shutil.copytree(side.home, home)
    node = open_node(home, clock=world.wall.clock(), **world.copy_of(side.node))
    try:
        yield node
    finally:
        node.close()


@contextmanager
def in_its_place(world: World, node: Node) -> Iterator[None]:
    """B meets this node where it met A."""
    with serving(node) as port:
        url = f"http://127.0.0.1:{port}/api/"
        before = world.a.url
        world.b.node.database.transact(lambda tx: tx.execute(update(sources).values(url=url)))
        yield
        world.b.node.database.transact(lambda tx: tx.execute(update(sources).values(url=before)))


def told(node: Node, kind: str) -> list[str]:
    with node.database.reading() as tx:
        bodies = tx.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        return [body for body in bodies if f'"kind":"{kind}"' in body]


def test_an_honest_history_goes_on(met: World) -> None:
    """Day after day: the head grows, the proof holds, and what was shown stands in our own ledger."""
    for size in (1, 3, 60):
        grow(met.a.node, lines=size)
        found = asking.compare(met.b.node, "a")
        assert (found.trouble, found.breaks, found.first) == ("", (), False)
    again = asking.compare(met.b.node, "a")
    assert again.size == found.size
    lines = told(met.b.node, "checkpoint.compared")
    assert len(lines) == 4
    assert '"found":"first"' in lines[0]
    assert '"found":"continues"' in lines[-1]
    assert asking.breaks(met.b.node) == []


@pytest.mark.parametrize(
    ("honest", "forked", "kind"),
    [
        (2, 2, Break.FORKED),
        (2, 5, Break.REWRITTEN),
        (5, 2, Break.CUT_OFF),
        (5, 0, Break.CUT_OFF),
    ],
)
def test_a_fork_is_found_whatever_its_length(
    met: World, honest: int, forked: int, kind: Break
) -> None:
    """A home copied, both go on with the same key: whoever was shown the one finds the other."""
    with copied(met, met.a, "fork") as fork:
        grow(met.a.node, lines=honest)
        assert asking.compare(met.b.node, "a").breaks == ()
        if forked:
            grow(fork, lines=forked)
        with in_its_place(met, fork):
            found = asking.compare(met.b.node, "a")
            assert found.breaks == (kind,)
            asking.compare(met.b.node, "a")
    (broken,) = asking.breaks(met.b.node)
    assert broken.kind == kind
    # Both heads are signed by A: they prove it to anybody who has A's key.
    keys = [key.public for key in met.a.node.secrets.signing_keys]
    held, shown = (notes.checked(note, keys) for note in (broken.held, broken.told))
    assert held.origin == shown.origin
    assert (held.size, held.root) != (shown.size, shown.root)
    assert f'"found":"{kind}"' in told(met.b.node, "checkpoint.compared")[-1]
    findings = [one for one in doctoring.examine(met.b.node, partner="a") if one.grade == "wrong"]
    assert judging.WORDS[kind] in "".join(one.finding for one in findings)
    # The honest one is still believed, and the break stays until a person settles it.
    assert asking.compare(met.b.node, "a").breaks == ()
    assert len(asking.breaks(met.b.node)) == 1


def test_a_rewritten_history_is_found_though_its_own_node_verifies(met: World) -> None:
    """The administrator of A takes a line out, makes chain and tree anew, and forgets what was signed. B does not."""
    grow(met.a.node, lines=5)
    assert asking.compare(met.b.node, "a").breaks == ()

    def forge(tx) -> None:
        victim = select(ledger_lines.c.id).where(ledger_lines.c.body.contains("partner.amend"))
        tx.execute(
            delete(ledger_lines).where(ledger_lines.c.id == victim.limit(1).scalar_subquery())
        )
        tx.execute(delete(checkpoints))
        forger = Forger(tx)
        forger.tree(forger.chain())

    met.a.node.database.transact(forge)
    ledger.verify(met.a.node)  # nothing in his own house tells on him
    grow(met.a.node, lines=4)
    ledger.verify(met.a.node)
    assert asking.compare(met.b.node, "a").breaks == (Break.REWRITTEN,)


def test_a_restored_node_learns_it_from_its_partner(met: World) -> None:
    """A's store goes back to a copy: A's own comparison says so, from the head that B holds."""
    connect(met, met.a, met.b)
    checkpointing.issue(met.b.node)
    with copied(met, met.a, "backup") as restored:
        grow(met.a.node, lines=3)
        assert asking.compare(met.b.node, "a").breaks == ()
        assert asking.compare(met.a.node, "b").breaks == ()
        grow(restored, lines=5)
        found = asking.compare(restored, "b")
        assert found.breaks == (Break.OURS,)
        assert asking.breaks(restored)[0].told == ""
        # Talked over and settled on both sides, the new history is the one that counts.
        with in_its_place(met, restored):
            assert asking.compare(met.b.node, "a").breaks != ()
            assert asking.settle(met.b.node, "a", by="boris", reason="A restored") == 1
            assert asking.settle(restored, "b", by="anna", reason="we restored") == 1
            assert asking.compare(met.b.node, "a").first
            grow(restored, lines=2)
            assert asking.compare(met.b.node, "a").breaks == ()
            assert asking.compare(restored, "b").breaks == ()
    assert asking.breaks(met.b.node) == []
    (settled,) = asking.breaks(met.b.node, only_open=False)
    assert (settled.settled_by, settled.reason) == ("boris", "A restored")
    assert len(told(met.b.node, "checkpoint.settled")) == 1
    assert asking.settle(met.b.node, "a", by="boris", reason="nothing") == 0
    assert len(told(met.b.node, "checkpoint.settled")) == 1


def test_heads_that_came_with_something_else_are_proved_too(met: World) -> None:
    """A head that came with a statement waits for its proof; one of a fork is found by the next comparison, or at once."""
    with copied(met, met.a, "fork") as fork:
        grow(met.a.node, lines=2)
        grow(fork, lines=1)
        a = met.b.scene.partner("a")
        honest = checkpointing.newest(met.a.node)
        parted = checkpointing.newest(fork)
        assert honest is not None
        assert parted is not None
        judging.note_seen(met.b.node, a, honest.note)
        grow(met.a.node, lines=2)
        assert asking.compare(met.b.node, "a").breaks == ()
        judging.note_seen(met.b.node, a, parted.note)
        assert asking.breaks(met.b.node) == []
        assert asking.compare(met.b.node, "a").breaks == (Break.REWRITTEN,)
        asking.settle(met.b.node, "a", by="boris", reason="talked")
        # The same size as one that is held: the two notes are the proof.
        judging.note_seen(met.b.node, a, honest.note)
        grow(fork, lines=1)
        same = checkpointing.newest(fork)
        assert same is not None
        assert same.size == honest.size
        judging.note_seen(met.b.node, a, same.note)
        assert [one.kind for one in asking.breaks(met.b.node)] == [Break.FORKED]


def test_a_rotated_key_is_followed(met: World) -> None:
    """A new key, vouched for by the one that is pinned, signs heads that are believed."""
    for _ in range(3):
        add_signing_key(met.a.node.secret_files, now=met.a.node.now())
        grow(met.a.node, lines=1)
        found = asking.compare(met.b.node, "a")
        assert (found.trouble, found.breaks) == ("", ())


def test_what_shows_nothing_is_said_and_breaks_nothing(world: World) -> None:
    """No pinned key, no head yet, a strange key: trouble, in words; no evidence of anything."""
    connect(world, world.b, world.a)
    found = asking.compare(world.b.node, "a")
    assert "no head" in found.trouble
    world.a.scene.publish(indicator("one"))
    checkpointing.issue(world.a.node)
    for key in signing.pinned(world.b.node):
        signing.end(world.b.node, "a", key.key.kid, by="test")
    assert asking.compare(world.b.node, "a").trouble
    assert asking.breaks(world.b.node) == []
    with world.b.node.database.reading() as tx:
        assert tx.execute(select(partner_checkpoints)).all() == []


def test_a_partner_without_our_program_is_no_trouble_of_ours(world: World) -> None:
    """A stock server knows no such question: that is said, and nothing is broken."""
    from tests.neighbour import Reply

    neighbour = world.neighbour(lambda _asked: Reply(404, b"{}"))
    syncing.add_source(
        world.b.node, "stock", partner="a", url=neighbour.url, remote_collection=uid("c"),
        collection="indicators", options={"insecure": True},
    )  # fmt: skip
    signing.pin(world.b.node, "a", signing.our_keys(world.a.node)[0].public, by="test")
    found = asking.compare(world.b.node, "a")
    assert "no cert-exchange" in found.trouble
    assert asking.breaks(world.b.node) == []


def test_the_worker_compares_each_day(met: World) -> None:
    """Of itself, in a thread of its own; after a try that told nothing, again within the hour."""
    worker = Worker(met.b.node, stop=threading.Event())

    def day() -> None:
        worker.tick(30)
        worker._beside["ledgers"].join(30)

    asked = asking.comparisons(met.b.node)[0].tried_at
    day()
    assert asking.comparisons(met.b.node)[0].tried_at == asked
    with copied(met, met.a, "fork") as fork:
        grow(met.a.node, lines=2)
        grow(fork, lines=2)
        met.wall.forward(timedelta(hours=25))
        day()
        assert asking.comparisons(met.b.node)[0].tried_at > asked
        with in_its_place(met, fork):
            met.wall.forward(timedelta(hours=25))
            day()
    assert len(asking.breaks(met.b.node)) == 1


def test_only_the_partner_whose_ledger_it_is_is_believed(met: World) -> None:
    """B's own head, signed by B's own key, is no head of A's: neither key nor ledger fits."""
    checkpointing.issue(met.b.node)
    mine = checkpointing.newest(met.b.node)
    assert mine is not None
    with pytest.raises(Exception, match="no key that we know"):
        judging.note_seen(met.b.node, met.b.scene.partner("a"), mine.note)
    # A key that A pinned for itself, over the ledger of somebody else.
    key = met.a.node.secrets.signing_keys[0]
    head = notes.Checkpoint(notes.origin_of(B_IDENTITY), 1, bytes(32), met.a.node.now())
    with pytest.raises(Exception, match="somebody else"):
        judging.note_seen(met.b.node, met.b.scene.partner("a"), notes.signed(head, key))


def test_a_person_is_told(met: World) -> None:
    """`ledger compare` says it in capitals and ends with code 5, `breaks` lists it, `settle` closes it."""
    ran = met.run("ledger", "compare", "a", side=met.b)
    assert ran.code == 0, ran.err
    assert "going on from what it showed before" in ran.err
    with copied(met, met.a, "fork") as fork:
        grow(met.a.node, lines=1)
        grow(fork, lines=3)
        assert met.run("ledger", "compare", side=met.b).code == 0
        with in_its_place(met, fork):
            ran = met.run("ledger", "compare", side=met.b)
    assert ran.code == 5
    assert "a: REWRITTEN: its ledger does not go on" in ran.err
    assert "a\trewritten\t20" in met.run("ledger", "breaks", side=met.b).out
    assert "/identity--" in met.run("ledger", "breaks", "--json", side=met.b).out
    assert "does not go on" in met.run("doctor", side=met.b).out
    ran = met.run("ledger", "settle", "a", "--reason", "talked", side=met.b)
    assert "1 break settled" in ran.err
    assert met.run("ledger", "compare", side=met.b).code == 0


def test_a_head_that_a_statement_named_first_is_shown_back_as_a_note(met: World) -> None:
    """The newest head is mostly seen in a statement before it is compared: who signed it can check it all the same."""
    connect(met, met.a, met.b)
    checkpointing.issue(met.b.node)
    grow(met.a.node, lines=3)
    met.a.scene.publish(indicator("two"))
    checkpointing.issue(met.a.node)
    assert met.b.syncs("from-a").ok
    found = asking.compare(met.b.node, "a")
    assert (found.trouble, found.breaks) == ("", ())
    newest = checkpointing.newest(met.a.node)
    assert newest is not None
    assert asking.show(met.b.node, met.b.scene.partner("a"), None)["yours"] == newest.note
    found = asking.compare(met.a.node, "b")
    assert (found.trouble, found.breaks) == ("", ())
    # And ours is judged by it: who holds a head of a life that our ledger does not have, says so.
    with copied(met, met.a, "before") as before:
        grow(met.a.node, lines=2)
        met.a.scene.publish(indicator("three"))
        checkpointing.issue(met.a.node)
        assert met.b.syncs("from-a").ok
        assert asking.compare(met.b.node, "a").breaks == ()
        assert asking.compare(before, "b").breaks == (Break.OURS,)


def test_a_comparison_that_tells_nothing_is_said(met: World) -> None:
    """A partner whose key is pinned and whose ledger was never compared: a line of the doctor, and not exit code 0."""
    signing.pin(met.a.node, "b", signing.our_keys(met.b.node)[0].public, by="test")
    ran = met.run("ledger", "compare", "b", side=met.a)
    assert "b: nothing was told: " in ran.err
    assert ran.code == 4
    assert "its ledger was never compared: " in met.run("doctor", side=met.a).out


def test_each_statement_names_a_head_that_is_proved_later(met: World) -> None:
    """With every signed delivery comes the sender's last head; the next comparison proves that the history goes on from it."""
    grow(met.a.node, lines=3)
    met.a.scene.publish(indicator("two"))
    assert met.b.syncs("from-a").ok
    grow(met.a.node, lines=1)

    def standing() -> dict[str, str]:
        with met.b.node.database.reading() as tx:
            rows = tx.execute(
                select(partner_checkpoints.c.note, partner_checkpoints.c.standing)
            ).all()
        return {"stated" if row.note.startswith("ey") else "shown": row.standing for row in rows}

    assert standing() == {"shown": "proved", "stated": "seen"}
    assert asking.compare(met.b.node, "a").breaks == ()
    assert standing() == {"shown": "proved", "stated": "proved"}
