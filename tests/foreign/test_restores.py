"""One of two nodes is restored from a backup: the other is told, sends again what was lost, and gives back what is ours."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.conftest import Wall
from tests.foreign.test_two_nodes import held_from, other_scene
from tests.scenes import B_IDENTITY, Scene, indicator, uid
from tests.taxii.conftest import Client, serving
from tests.unit.syncing.conftest import sync

from cert_exchange.node import Clock, Node, make_home, open_node
from cert_exchange.services import (
    doctoring,
    freezing,
    holdings,
    ledger,
    partners,
    publishing,
    restoring,
    safekeeping,
    signing,
    syncing,
)
from cert_exchange.services.syncing import meeting
from cert_exchange.store import epochs, partner_epochs
from cert_exchange.store.tables import sources, targets


class Two:
    """A, whom the other node pulls from and pushes to; served in this process, as long as the test lasts."""

    def __init__(self, a: Node, other: Node, wall: Wall, folder: Path, stack: ExitStack) -> None:
        self.a, self.other = Scene.set_up(a), other_scene(other)
        self.wall, self.folder, self._stack = wall, folder, stack
        self.token = partners.issue(a, "b", lifetime=timedelta(days=30)).token
        secret = folder / "secret"
        secret.write_text(self.token)
        given = {"insecure": True, "auth": "bearer", "server": "cert-exchange"}
        port = self.serve(a)
        for add, theirs, ours in (
            (syncing.add_source, "indicators", "indicators"),
            (syncing.add_target, "reports", "reports"),
        ):
            add(
                other, f"{ours}-of-a", partner="a", url=f"http://127.0.0.1:{port}/api/",
                remote_collection=uid(f"collection {theirs}"), collection=ours, secret=secret, options=given,
            )  # fmt: skip

    def serve(self, node: Node) -> int:
        self.port = self._stack.enter_context(serving(node))
        return self.port

    def restored(self, scene: Scene, backup: Path) -> Scene:
        """The node as a restore makes it, its cause looked into by a person."""
        home = Path(tempfile.mkdtemp(prefix="again-", dir=self.folder))
        safekeeping.restore(backup, home, clock=self.wall.clock())
        node = open_node(home, clock=self.wall.clock())
        self._stack.callback(node.close)
        freezing.unfreeze(node, by="desk", reason="looked")
        return Scene(node)

    def moves_to(self, port: int) -> None:
        """The other node finds A at another port."""
        url = f"http://127.0.0.1:{port}/api/"

        def work(tx) -> None:
            for table in (sources, targets):
                tx.execute(update(table).values(url=url))

        self.other.node.database.transact(work)

    def epoch(self, node: Node) -> int:
        with node.database.reading() as tx:
            return epochs.current(tx)

    def epochs(self, node: Node) -> partner_epochs.PartnerEpoch:
        with node.database.reading() as tx:
            [(_, found)] = partner_epochs.every(tx)
        return found


@pytest.fixture
def two(
    sqlite_node: Node, wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Two]:
    # Asked at each run; an hour of the tests' clock would be an hour's skew to the other node's.
    monkeypatch.setattr(meeting, "EVERY", 0)
    home = make_home(tmp_path / "node-other", identity=B_IDENTITY, title="CERT B")
    other = open_node(home, clock=wall.clock())
    with ExitStack() as stack:
        yield Two(sqlite_node, other, wall, tmp_path, stack)
    other.close()


def pushed(name: str) -> dict:
    return indicator(name, by=B_IDENTITY)


def names_held(scene: Scene) -> set[str]:
    """Ids that a node holds from its partner."""
    return {one[0] for one in held_from(scene.node)}


def test_what_the_restored_node_lost_is_pushed_again(two: Two) -> None:
    """Also after a second restore, an hour later; the cursor of who pulls misses nothing."""
    two.other.publish(pushed("before"), to="reports")
    two.a.publish(indicator("theirs"))
    assert all(one.ok for one in syncing.sync_once(two.other.node))
    assert two.epochs(two.other.node).theirs == 1
    two.wall.forward(timedelta(minutes=5))
    backup = safekeeping.backup(two.a.node, two.folder / "backup")
    two.wall.forward(timedelta(minutes=5))
    two.other.publish(pushed("after"), to="reports")
    assert sync(two.other.node, "reports-of-a").ok
    assert pushed("after")["id"] in names_held(two.a)

    again = two.restored(two.a, backup)
    assert pushed("after")["id"] not in names_held(again)
    two.moves_to(two.serve(again.node))
    two.wall.forward(timedelta(minutes=5))
    assert sync(two.other.node, "indicators-of-a").ok  # hears of it
    told = two.epochs(two.other.node)
    assert any(
        "says that it was restored" in one.finding for one in doctoring.examine(two.other.node)
    )
    assert (told.theirs, told.heard_at is not None) == (two.epoch(again.node), True)
    second = sync(two.other.node, "reports-of-a")
    assert second.ok, second.outcome
    assert {pushed("before")["id"], pushed("after")["id"]} <= names_held(again)
    again.publish(indicator("new"))
    assert sync(two.other.node, "indicators-of-a").ok
    assert {indicator("theirs")["id"], indicator("new")["id"]} <= names_held(two.other)
    assert sync(two.other.node, "reports-of-a").outcome == "Nothing new to push."
    ledger.verify(two.other.node)
    ledger.verify(again.node)


def test_a_second_restore_from_the_same_backup_is_heard_of_too(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each restore has an epoch of its own, though the node knows nothing of the one before: what it lost comes again."""
    monkeypatch.setattr(
        restoring, "PAUSE", 0
    )  # an hour of the tests' clock would be a skew, as above
    assert all(one.ok for one in syncing.sync_once(two.other.node))
    backup = safekeeping.backup(two.a.node, two.folder / "backup")
    heard = set()
    for name in ("first", "second"):
        two.wall.forward(timedelta(minutes=10))
        two.other.publish(pushed(name), to="reports")
        assert sync(two.other.node, "reports-of-a").ok
        again = two.restored(two.a, backup)
        two.moves_to(two.serve(again.node))
        assert names_held(again) == set()
        two.wall.forward(timedelta(minutes=5))
        assert sync(two.other.node, "indicators-of-a").ok  # hears of it
        assert sync(two.other.node, "reports-of-a").ok
        heard.add(two.epochs(two.other.node).theirs)
        assert pushed(name)["id"] in names_held(again)
    assert len(heard) == 2


def test_what_was_lost_is_sent_again_by_a_node_whose_clock_is_behind(
    sqlite_node: Node, wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it pushed after the backup has instants of its own clock, before that of the backup (found by `make chaos`)."""
    monkeypatch.setattr(meeting, "EVERY", 0)
    behind = Clock(lambda: wall.read() - 20 * 60 * 1_000_000, steady=wall.steady)
    other = open_node(
        make_home(tmp_path / "node-other", identity=B_IDENTITY, title="CERT B"), clock=behind
    )
    with ExitStack() as stack:
        stack.callback(other.close)
        two = Two(sqlite_node, other, wall, tmp_path, stack)
        assert all(one.ok for one in syncing.sync_once(other))
        backup = safekeeping.backup(two.a.node, tmp_path / "backup")
        wall.forward(timedelta(minutes=5))
        two.other.publish(pushed("after"), to="reports")
        assert sync(other, "reports-of-a").ok
        again = two.restored(two.a, backup)
        two.moves_to(two.serve(again.node))
        wall.forward(timedelta(minutes=5))
        assert sync(other, "indicators-of-a").ok  # hears of it
        assert sync(other, "reports-of-a").ok
        assert pushed("after")["id"] in names_held(again)


def test_the_restored_node_tells_and_gets_back_what_only_its_partner_holds(two: Two) -> None:
    """What it had published and pushed after the backup comes into a file; published from there it is the same again."""
    two.other.publish(pushed("before"), to="reports")
    assert all(one.ok for one in syncing.sync_once(two.other.node))
    two.wall.forward(timedelta(minutes=5))
    backup = safekeeping.backup(two.other.node, two.folder / "backup")
    two.wall.forward(timedelta(minutes=5))
    two.other.publish(pushed("lost"), to="reports")
    assert sync(two.other.node, "reports-of-a").ok

    again = two.restored(two.other, backup)
    assert holdings.search(again.node, text=pushed("lost")["id"]) == ()
    report = sync(again.node, "reports-of-a")
    assert report.ok, report.outcome
    [file] = (again.node.settings.home / "recovered").iterdir()
    assert any(str(file) in note for note in report.notes)
    assert file.stat().st_mode & 0o777 == 0o600
    given = json.loads(file.read_text())
    assert [one["id"] for one in given["objects"]] == [pushed("lost")["id"]]
    with two.a.node.database.reading() as tx:
        [(name, heard)] = partner_epochs.every(tx)
    epoch = two.epoch(again.node)
    assert (name, heard.theirs) == ("b", epoch)
    known = two.epochs(again.node)
    assert (known.told, known.asked, known.brought) == (epoch, epoch, 1)

    publishing.publish(again.node, file.read_bytes(), collection="reports", by="desk")
    last = sync(again.node, "reports-of-a")
    assert last.ok, last.outcome
    assert last.counts["refused"] == 0
    assert len([one for one in held_from(two.a.node) if one[0] == pushed("lost")["id"]]) == 1
    about = [one.finding for one in doctoring.examine(again.node) if one.about == "restore"]
    assert [str(file) in one for one in about] == [True]
    before = file.read_bytes()
    two.wall.forward(timedelta(minutes=5))
    assert sync(again.node, "reports-of-a").ok
    assert file.read_bytes() == before  # asked for once


def test_a_partner_gets_back_only_what_it_sent(two: Two) -> None:
    """Not our own objects, not another partner's, nothing while it is frozen; and a page at a time."""
    two.a.publish(indicator("ours"))
    two.a.post("c", indicator("of c", by=uid("identity c")))
    for start in range(0, 1200, 400):
        two.a.post("b", *(pushed(f"b{n}") for n in range(start, start + 400)), to="reports")
    client = Client(two.port, f"Bearer {two.token}")
    got, pages = [], 0
    more = True
    while more:
        answer = client.ask(
            f"/exchange/v1/returned?since=2020-01-01T00:00:00Z&skip={len(got)}",
            headers={"Accept": "application/json"},
        )
        assert answer.status == 200
        document = json.loads(answer.raw)
        got += [one["id"] for one in document["objects"]]
        more, pages = document["more"], pages + 1
    assert sorted(got) == sorted(pushed(f"b{n}")["id"] for n in range(1200))
    assert pages == 3
    freezing.freeze_everyone(two.a.node, by="desk", reason="test")
    assert client.ask("/exchange/v1/returned?since=2020-01-01T00:00:00Z").status == 503


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("returned?since=yesterday", 400),
        ("returned?since=2020-01-01T00:00:00Z&skip=-1", 400),
        ("returned?since=2020-01-01T00:00:00Z&skip=99999999999999999999", 400),
        ("epoch?known=x", 400),
        ("epoch?known=1", 200),
    ],
)
def test_what_is_asked_wrongly_is_said(two: Two, path: str, status: int) -> None:
    client = Client(two.port, f"Bearer {two.token}")
    assert client.ask(f"/exchange/v1/{path}").status == status


def test_crying_restore_makes_nobody_send_for_ever(two: Two) -> None:
    """Within an hour a second one does not count, an older epoch never does, and nonsense is refused."""
    node = two.other.node
    partner = syncing.due_channels(node)[0].partner
    assert not restoring.hear(node, partner, {"epoch": 1, "lost_since": None})
    assert restoring.hear(node, partner, {"epoch": 2, "lost_since": "2026-01-01T00:00:00Z"})
    assert not restoring.hear(node, partner, {"epoch": 2, "lost_since": "2026-01-01T00:00:00Z"})
    with pytest.raises(restoring.TooManyRequests):
        restoring.hear(node, partner, {"epoch": 3, "lost_since": "2026-01-01T00:00:00Z"})
    two.wall.forward(timedelta(hours=2))
    assert restoring.hear(node, partner, {"epoch": 3, "lost_since": "2026-01-01T00:00:00Z"})
    for wrong in ({}, {"epoch": True}, {"epoch": 0}, {"epoch": 9, "lost_since": 5}):
        with pytest.raises(restoring.QueryInvalid):
            restoring.hear(node, partner, wrong)


def test_signed_deliveries_go_on_after_a_restore(two: Two) -> None:
    """With keys pinned on both sides: what is sent again is stated again, and nothing of it ends in quarantine."""
    for node, partner, other in (
        (two.a.node, "b", two.other.node),
        (two.other.node, "a", two.a.node),
    ):
        signing.pin(node, partner, signing.our_keys(other)[0].public, by="desk")
    two.a.publish(indicator("one"))
    two.other.publish(pushed("before"), to="reports")
    assert all(one.ok for one in syncing.sync_once(two.other.node))
    backup = safekeeping.backup(two.a.node, two.folder / "backup")
    two.wall.forward(timedelta(minutes=5))
    two.a.publish(indicator("two"))
    two.other.publish(pushed("after"), to="reports")
    assert all(one.ok for one in syncing.sync_once(two.other.node))
    again = two.restored(two.a, backup)
    two.moves_to(two.serve(again.node))
    two.wall.forward(timedelta(minutes=5))
    again.publish(indicator("three"))
    for _ in range(3):
        reports = syncing.sync_once(two.other.node)
        assert all(one.ok for one in reports), [one.outcome for one in reports]
    assert {pushed("before")["id"], pushed("after")["id"]} <= names_held(again)
    assert {indicator(name)["id"] for name in ("one", "two", "three")} <= names_held(two.other)
    ledger.verify(two.other.node)
    ledger.verify(again.node)
