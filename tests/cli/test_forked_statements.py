"""A partner's statements that fork, between two nodes of ours: found, kept with both texts, settled by a person, going on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.cli.conftest import Cli, Ran
from tests.conftest import Wall
from tests.scenes import Scene, indicator
from tests.taxii.conftest import serving
from tests.unit.syncing.peers import Channel, as_b, channel_between
from tests.unit.syncing.test_signed_delivery import covered, held, kinds, statements

from cert_exchange.errors import NotFound, QueryInvalid
from cert_exchange.messages.deliveries import Way
from cert_exchange.messages.evidence import decode_line
from cert_exchange.messages.signatures import verify
from cert_exchange.node import Node, open_node
from cert_exchange.services import deliveries, doctoring, ledger, syncing
from cert_exchange.services.comparing import asking
from cert_exchange.store import partner_keys
from cert_exchange.store.tables import delivery_statements, ledger_lines


@pytest.fixture
def channel(node: Node, new_node: Any, wall: Wall, tmp_path: Path) -> Iterator[Channel]:
    """A on both engines, B on the same one, each knowing the other's key."""
    other = as_b(new_node(node.database.dialect, "b"), wall)
    with channel_between(node, other, tmp_path) as made:
        yield made
    other.close()


@pytest.fixture
def on_files(sqlite_node: Node, new_node: Any, wall: Wall, tmp_path: Path) -> Iterator[Channel]:
    """Both on SQLite, where a home is copied as a disk is."""
    other = as_b(new_node("sqlite", "b"), wall)
    with channel_between(sqlite_node, other, tmp_path) as made:
        yield made
    other.close()


@pytest.fixture
def on(cli: Cli) -> Callable[..., Ran]:
    """`on(node, "statements", "forks")` runs the program on that node's home."""
    return lambda node, *words: cli(*words, "--home", str(node.settings.home))


@contextmanager
def copied(channel: Channel, wall: Wall) -> Iterator[Scene]:
    """A copy of A's home as it is now, opened beside it: nobody says that it is one."""
    home = channel.folder / "copy"
    shutil.copytree(channel.a.node.settings.home, home)
    node = open_node(home, clock=wall.clock())
    try:
        yield Scene(node)
    finally:
        node.close()


@contextmanager
def in_place_of_a(channel: Channel, scene: Scene) -> Iterator[None]:
    """B meets this node where it met A."""
    before = channel.to_a.port_behind
    with serving(scene.node) as port:
        channel.to_a.port_behind = port
        yield
    channel.to_a.port_behind = before


def body_of(scene: Scene, kind: str) -> list[Any]:
    with scene.node.database.reading() as tx:
        bodies = tx.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        lines = [decode_line(body) for body in bodies]
    return [line for line in lines if line.kind == kind]


def forget_what_was_said(channel: Channel) -> None:
    """A's store as it would be if statement 1 had never been made, and another were made in its place."""
    c = delivery_statements.c
    channel.a.node.database.transact(
        lambda tx: tx.execute(
            update(delivery_statements)
            .where(c.ours == 1, c.seq == 1)
            .values(digest=bytes(32), receipt=None)
        )
    )


def test_a_fork_is_kept_with_both_texts_and_settled_by_a_person(
    channel: Channel, on: Callable[..., Ran]
) -> None:
    """Nothing is taken in until then; afterwards all goes on from the text that came, and no evidence is gone."""
    channel.source()
    channel.a.publish(indicator("x"))
    assert channel.pull().ok
    (before,) = statements(channel.b, "a", ours=False)
    forget_what_was_said(channel)
    channel.a.publish(indicator("y"))
    for _ in range(2):
        report = channel.pull()
        assert not report.ok
        assert "forked" in report.outcome
    b = channel.b.node
    (fork,) = deliveries.forks(b)
    assert (fork.partner, fork.way, fork.held, fork.held_seq, fork.told_seq) == (
        "a", Way.SERVED, before.text, 1, 2
    )  # fmt: skip
    with b.database.reading() as tx:
        keys = partner_keys.keys_of(tx, channel.b.partner("a"))
    # Both are signed by A: they prove it to anybody who has A's key.
    assert verify(fork.held, keys, b.now()).content["seq"] == 1
    assert verify(fork.told, keys, b.now()).content["previous"] == bytes(32).hex()
    assert asking.breaks(b) == []  # of the ledgers nothing is said
    found = [one for one in doctoring.examine(b, partner="a") if "statements forked" in one.finding]
    assert [one.grade for one in found] == ["wrong"]

    shown = on(b, "statements", "forks", "--json").json()
    assert (shown[0]["held"], shown[0]["told"]) == (fork.held, fork.told)
    listed = on(b, "statements", "forks", "a")
    assert "statements settle" in listed.err
    said = on(b, "statements", "settle", "a", "--reason", "its disk was copied, says Anna of A")
    assert "goes on from statement 2" in said.err
    assert channel.pull().ok
    assert {indicator("x")["id"], indicator("y")["id"]} <= covered(channel.b)
    channel.a.publish(indicator("z"))
    assert channel.pull().ok
    assert [(row.branch, row.seq) for row in statements(channel.b, "a", ours=False)] == [
        (0, 1), (1, 2), (1, 3)
    ]  # fmt: skip
    ours = statements(channel.a, "b", ours=True)
    assert [row.receipt is not None for row in ours] == [False, True, True]
    # What was is there, before and after.
    assert statements(channel.b, "a", ours=False)[0].text == before.text
    assert deliveries.forks(b) == ()
    (settled,) = deliveries.forks(b, only_open=False)
    assert (settled.held, settled.told, settled.reason) == (
        fork.held, fork.told, "its disk was copied, says Anna of A"
    )  # fmt: skip
    (line,) = body_of(channel.b, "statement.settled")
    assert (line.facts["partner"], line.facts["seq"], line.facts["reason"]) == (
        "a", 2, settled.reason
    )  # fmt: skip
    assert kinds(channel.b).count("statement.forked") == 1
    assert not [
        one for one in doctoring.examine(b, partner="a") if "statements forked" in one.finding
    ]
    for scene in (channel.a, channel.b):
        ledger.seal(scene.node)
        ledger.verify(scene.node)


def test_a_copy_that_goes_on_is_found_without_a_text(
    on_files: Channel, wall: Wall, on: Callable[..., Ran]
) -> None:
    """The copy lacks what A signed and announces no restore: that is a fork too. Settled, the copy's statements count;
    and when A itself comes back, that is the next fork, settled from the number where the two parted."""
    channel = on_files
    channel.source()
    channel.a.publish(indicator("x"))
    assert channel.pull().ok
    with copied(channel, wall) as copy:
        channel.a.publish(indicator("y"))
        assert channel.pull().ok
        copy.publish(indicator("z"))
        with in_place_of_a(channel, copy):
            report = channel.pull()
            assert not report.ok
            assert "lacks its own statement 2 and announces no restore" in report.outcome
            assert indicator("z")["id"] not in held(channel.b)
            (fork,) = deliveries.forks(channel.b.node)
            assert (fork.held_seq, fork.told_seq) == (2, None)
            assert "it lacks what we hold" in on(channel.b.node, "statements", "forks").out
            (done,) = deliveries.settle_forks(channel.b.node, "a", by="boris", reason="they know")
            assert (done.seq, done.set_aside) == (2, 0)
            report = channel.pull()
            assert report.ok, report
            assert indicator("z")["id"] in covered(channel.b)
        # The copy has its receipt: it named the one before, which both histories share.
        assert [row.receipt is not None for row in statements(copy, "b", ours=True)] == [True, True]
        channel.a.publish(indicator("back"))
        report = channel.pull()
        assert not report.ok
        assert "forked" in report.outcome
        (done,) = deliveries.settle_forks(
            channel.b.node, "a", by="boris", reason="the copy is off", first=2
        )
        assert done.seq == 2
        report = channel.pull()
        assert report.ok, report
        assert indicator("back")["id"] in covered(channel.b)
    found = statements(channel.b, "a", ours=False)
    assert [(row.branch, row.seq) for row in found] == [(0, 1), (0, 2), (1, 2), (2, 2), (2, 3)]
    # Statement 2 came twice and has one receipt, the first: A showed us ours.
    assert found[1].receipt == found[3].receipt
    assert [row.receipt is not None for row in statements(channel.a, "b", ours=True)] == [True] * 3
    assert kinds(channel.a).count("statement.broken") == 0
    assert all(row.handed_over_at is not None for row in found)
    ledger.seal(channel.b.node)
    ledger.verify(channel.b.node)


def test_two_that_push_under_the_same_numbers(on_files: Channel, wall: Wall) -> None:
    """The second of them is refused, its people are told, and once it is settled its open statement counts."""
    channel = on_files
    channel.target()
    channel.a.publish(indicator("x"))
    assert channel.push().ok
    with copied(channel, wall) as copy:
        channel.a.publish(indicator("y"))
        assert channel.push().ok
        copy.publish(indicator("z"))
        (report,) = pushes(copy.node)
        assert any("a statement 2 of ours that we do not know" in note for note in report.notes)
        assert any("got no receipt" in note for note in report.notes)
        (fork,) = deliveries.forks(channel.b.node)
        assert (fork.way, fork.held_seq, fork.told_seq) == (Way.PUSHED, 2, 2)
        deliveries.settle_forks(channel.b.node, "a", by="boris", reason="they know")
        (report,) = pushes(copy.node)
        assert not any("no receipt" in note for note in report.notes), report.notes
        assert indicator("z")["id"] in covered(channel.b)
        assert statements(copy, "b", ours=True)[-1].receipt is not None


def pushes(node: Node) -> list[syncing.RunReport]:
    return syncing.sync_once(node, only="to-b")


def test_only_the_text_that_a_person_saw_is_let_in(on_files: Channel, wall: Wall) -> None:
    """Settled from the text that came: another one of that number, signed as well, is the next fork."""
    channel = on_files
    channel.source()
    channel.a.publish(indicator("x"))
    assert channel.pull().ok
    with copied(channel, wall) as copy:
        channel.a.publish(indicator("y"))
        assert channel.pull().ok
        copy.publish(indicator("z"))
        with in_place_of_a(channel, copy):
            channel.pull()
            deliveries.settle_forks(channel.b.node, "a", by="boris", reason="they know")
            assert channel.pull().ok
        # A's own third statement names its second, and not the copy's: refused, and that text settled.
        channel.a.publish(indicator("back"))
        assert not channel.pull().ok
        deliveries.settle_forks(channel.b.node, "a", by="boris", reason="they know")
        copy.publish(indicator("more"))
        with in_place_of_a(channel, copy):
            report = channel.pull()
            assert not report.ok
            assert "forked" in report.outcome
        (fork,) = deliveries.forks(channel.b.node)
        assert fork.told_seq in (None, 3)
        deliveries.settle_forks(channel.b.node, "a", by="boris", reason="A's own", first=1)
        assert channel.pull().ok
        assert indicator("back")["id"] in covered(channel.b)


def test_what_cannot_be_settled_is_said(on_files: Channel, on: Callable[..., Ran]) -> None:
    """Nothing forked, nobody of that name, a number that we do not hold: words, and nothing changes."""
    channel = on_files
    b = channel.b.node
    with pytest.raises(NotFound, match="No statements of a forked"):
        deliveries.settle_forks(b, "a", by="x", reason="x")
    with pytest.raises(NotFound, match="no partner"):
        deliveries.settle_forks(b, "nobody", by="x", reason="x")
    assert on(b, "statements", "settle", "a", "--reason", "x").code == 3
    channel.source()
    channel.a.publish(indicator("x"))
    channel.pull()
    forget_what_was_said(channel)
    channel.a.publish(indicator("y"))
    channel.pull()
    with pytest.raises(QueryInvalid, match="hold no statement 8"):
        deliveries.settle_forks(b, "a", by="x", reason="x", first=9)
    with pytest.raises(NotFound):
        deliveries.settle_forks(b, "a", by="x", reason="x", stream="another")
    assert len(deliveries.forks(b)) == 1
    assert not channel.pull().ok


def test_what_is_broken_otherwise_is_no_fork(on_files: Channel) -> None:
    """Nobody settles a wrong text away."""
    channel = on_files
    channel.source()
    channel.a.publish(indicator("x"))
    channel.to_a.answers["statements"] = lambda body: body.replace(b'"leaves":"', b'"leaves":"AAAA')
    assert not channel.pull().ok
    assert deliveries.forks(channel.b.node) == ()
