"""Two nodes of ours, each served by a process of its own: pulled from, pushed to, at rest, and under kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests import starting
from tests.conftest import Wall
from tests.scenes import (
    ALLOW_ALL,
    OWN_IDENTITY,
    Scene,
    indicator,
    malware,
    relationship,
    report,
    uid,
)
from tests.unit.syncing.conftest import row, sync

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.notices import Reply
from cert_exchange.node import Node
from cert_exchange.services import (
    holding,
    holdings,
    ledger,
    noticing,
    partners,
    publishing,
    receipts,
    releasing,
    revoking,
    syncing,
)
from cert_exchange.store.tables import ledger_lines, objects, targets


class Pair:
    """CERT A, served; and the other node, which knows A as its partner `b`... by A's identity and credential."""

    def __init__(self, a: Node, other: Node, served: Callable[..., str], folder: Path) -> None:
        self.a = Scene.set_up(a)
        self.other = other_scene(other)
        self.url = served(a.settings.home)
        issued = partners.issue(a, "b", lifetime=timedelta(days=1))
        self.secret = folder / "secret"
        self.secret.write_text(issued.token)

    def add_source(self, **options: object) -> None:
        syncing.add_source(
            self.other.node, "from-a", partner="a", url=self.url,
            remote_collection=uid("collection indicators"), collection="indicators",
            secret=self.secret, options={"insecure": True, "auth": "bearer", "server": "cert-exchange", **options},
        )  # fmt: skip

    def add_target(self, **options: object) -> None:
        syncing.add_target(
            self.other.node, "to-a", partner="a", url=self.url,
            remote_collection="reports", collection="reports",
            secret=self.secret, options={"insecure": True, "auth": "bearer", "server": "cert-exchange", **options},
        )  # fmt: skip

    def held(self) -> set[tuple[str, str]]:
        """(id, version) of all that the other node holds from A."""
        return held_from(self.other.node)


def held_from(node: Node) -> set[tuple[str, str]]:
    from cert_exchange.store.tables import identifiers

    with node.database.reading() as tx:
        rows = tx.execute(
            select(identifiers.c.stix_id, objects.c.version)
            .join(objects, objects.c.ident == identifiers.c.num)
            .where(objects.c.origin > 0)
        )
        found = [(one[0], one[1]) for one in rows]
    assert len(found) == len(set(found))
    return set(found)


def travelling(ids: list[str]) -> set[str]:
    """Ids without the TLP definitions, which every node holds from the start and keeps as its own."""
    return {one for one in ids if not one.startswith("marking-definition--")}


def other_scene(node: Node) -> Scene:
    """The other node: its own identity is not A's, and it knows A as `a`."""
    from cert_exchange.services import collections

    scene = Scene(node)
    publishing.seed(node)
    partners.add(node, "a", title="CERT A", speaks_for=[OWN_IDENTITY], relays_any=True)
    directory = node.settings.home / "collections"
    directory.mkdir(exist_ok=True)
    for alias in ("indicators", "reports"):
        (directory / f"{alias}.yaml").write_text(
            f"id: {uid('collection ' + alias)}\ntitle: {alias}\nalias: {alias}\nread: [a]\nwrite: [a]\n"
        )
    collections.load_collections(node, directory)
    scene.apply("a", ALLOW_ALL.format(partner="a"))
    return scene


@pytest.fixture
def other(tmp_path: Path, wall: Wall):
    """A node with the identity that A knows as its partner b's."""
    from tests.scenes import B_IDENTITY

    from cert_exchange.node import make_home, open_node

    home = make_home(tmp_path / "node-other", identity=B_IDENTITY, title="CERT B")
    node = open_node(home, clock=wall.clock())
    yield node
    node.close()


@pytest.fixture
def pair(node: Node, other: Node, served, tmp_path: Path) -> Pair:
    return Pair(node, other, served, tmp_path)


def test_what_a_releases_the_other_holds(pair: Pair):
    """Exactly A's view for b, several pages, one page each object; then what comes later, also late."""
    from tests.scenes import B_IDENTITY

    pair.a.publish(*(indicator(f"i{n}") for n in range(25)), indicator("red", tlp="red"))
    pair.a.publish(relationship(indicator("i1"), malware("later")))
    pair.add_source(limit=10)
    first = sync(pair.other.node)
    assert first.ok, first.outcome
    assert {one[0] for one in pair.held()} == travelling(pair.a.ids("b"))
    assert indicator("red")["id"] not in {one[0] for one in pair.held()}
    again = sync(pair.other.node)
    assert again.counts.get("received", 0) == 0
    pair.a.publish(malware("later"))
    pair.a.publish(indicator("i2", version=5), indicator("red", version=1, tlp="green"))
    third = sync(pair.other.node)
    assert third.ok
    assert {one[0] for one in pair.held()} == travelling(pair.a.ids("b"))
    assert third.counts.get("duplicate", 0) == 0
    assert B_IDENTITY not in {one[0] for one in pair.held()}


def test_a_rotated_credential_is_put_in_without_a_new_beginning(pair: Pair, tmp_path: Path) -> None:
    """`partner rotate` there, `source secret` here: place and mark stay, and the old one can be ended."""
    pair.a.publish(indicator("one"))
    pair.add_source()
    pair.add_target()
    assert all(report.ok for report in syncing.sync_once(pair.other.node))
    at = row(pair.other.node)["cursor"]
    fresh = partners.rotate(pair.a.node, "b", overlap=timedelta(0))
    assert not sync(pair.other.node, "from-a").ok
    changed = syncing.change_secret(pair.other.node, "from-a", fresh.issued.token, by="tester")
    assert {one.name for one in changed} == {"from-a", "to-a"}
    after = row(pair.other.node)
    assert (after["cursor"], after["attempts"], after["next_attempt_at"]) == (at, 0, 0)
    pair.a.publish(indicator("two"))
    reports = {report.name: report for report in syncing.sync_once(pair.other.node)}
    assert all(one.ok for one in reports.values())
    assert reports["from-a"].counts["received"] == 1
    with pytest.raises(NotFound):
        syncing.change_secret(pair.other.node, "nobody", fresh.issued.token, by="tester")
    with pytest.raises(ConfigurationInvalid, match="control character"):
        syncing.change_secret(pair.other.node, "from-a", "two\nlines", by="tester")


def test_push_to_our_own_node(pair: Pair):
    """The other node's reports arrive at A as b's, with a status that adds up; nothing comes back to it."""
    from tests.scenes import B_IDENTITY

    reported = report("r", [indicator("mine", by=B_IDENTITY)["id"]], by=B_IDENTITY)
    pair.other.publish(indicator("mine", by=B_IDENTITY), reported, to="reports")
    pair.add_target()
    result = sync(pair.other.node)
    assert result.ok, result.outcome
    assert result.counts["confirmed"] == result.counts["sent"]
    assert result.counts["refused"] == 0
    got = {one[0] for one in held_from(pair.a.node)}
    assert {indicator("mine")["id"], reported["id"]} <= got
    assert reported["id"] not in pair.a.ids("b", "reports")
    assert sync(pair.other.node).outcome == "Nothing new to push."


def test_a_withdrawal_reaches_our_own_kind_by_delete(pair: Pair):
    """What was pushed and taken back is deleted there, where the option allows."""
    from tests.scenes import B_IDENTITY

    pair.other.publish(indicator("mine", by=B_IDENTITY), to="reports")
    pair.add_target(delete=True)
    assert sync(pair.other.node).ok
    pair.other.apply(
        "a",
        "partners: [a]\ncollections: [indicators, reports]\nceiling: {tlp: amber, unmarked: green}\nrules:\n  - name: nothing\n    match: {type: [grouping], origin: own}\n    allow: true\n",
    )
    result = sync(pair.other.node)
    assert result.ok, result.outcome
    assert result.counts["recalled"] >= 1
    assert result.counts["not_recalled"] == 0


def told_to_b(pair: Pair, count: int) -> None:
    """Wait until A has made so many notices: it does, or its served worker was first."""
    for _ in range(100):
        noticing.tell(pair.a.node)
        if len(receipts.receipts(pair.a.node)) >= count:
            return
        time.sleep(0.05)
    raise AssertionError("no notice was made")


@pytest.mark.case("S26")
def test_what_a_takes_back_ends_at_the_other_and_is_answered(pair: Pair):
    """Marked and in use no more, never deleted; shared again, it is in use again. The answer closes A's receipt."""
    wrong = indicator("wrong")
    pair.a.publish(wrong, indicator("fine"))
    pair.add_source()
    assert sync(pair.other.node).ok
    releasing.withdraw(pair.a.node, wrong["id"], by="desk", reason="names a victim")
    told_to_b(pair, 1)
    assert sync(pair.other.node).ok
    (hit,) = holdings.search(pair.other.node, text=wrong["id"])
    assert hit.status == "withdrawn by its sender"
    (fine,) = holdings.search(pair.other.node, text=indicator("fine")["id"])
    assert fine.status == "accepted"
    (notice,) = receipts.told(pair.other.node)
    assert (notice.partner, notice.subjects) == ("a", (wrong["id"],))
    receipts.answer(
        pair.other.node, notice.notice, Reply.DONE, text="", collection="reports", by="duty"
    )
    pair.add_target()
    assert sync(pair.other.node, "to-a").ok
    (receipt,) = receipts.receipts(pair.a.node)
    assert (receipt.fetched, receipt.answer) == (True, "done")
    pair.a.publish(wrong)
    assert sync(pair.other.node, "from-a").ok
    assert holdings.search(pair.other.node, text=wrong["id"])[0].status == "accepted"


def test_a_revocation_reaches_the_other_and_stays(pair: Pair):
    """The last version arrives with its notice, and the object is not in use: nothing newer is taken from A."""
    wrong = indicator("wrong")
    pair.a.publish(wrong)
    pair.add_source()
    assert sync(pair.other.node).ok
    revoking.revoke(pair.a.node, wrong["id"], by="desk", reason="wrong")
    told_to_b(pair, 1)
    assert sync(pair.other.node).ok
    (hit,) = holdings.search(pair.other.node, text=wrong["id"])
    assert hit.revoked
    assert [one.reason for one in receipts.told(pair.other.node)] == ["revoked"]


@pytest.mark.case("S09")
def test_both_ways_come_to_rest(pair: Pair):
    """Pull and push between two nodes: after the first cycles no object, line or position is added."""
    from tests.scenes import B_IDENTITY

    pair.a.publish(indicator("ours"), indicator("ours", version=1))
    pair.other.publish(
        indicator("mine", by=B_IDENTITY), indicator("mine", version=1, by=B_IDENTITY), to="reports"
    )
    pair.add_source()
    pair.add_target()
    for _ in range(2):
        assert all(one.ok for one in syncing.sync_once(pair.other.node))
    before = state(pair)
    for _ in range(10):
        syncing.sync_once(pair.other.node)
    assert state(pair) == before


def state(pair: Pair) -> object:
    found = []
    for node in (pair.a.node, pair.other.node):
        with node.database.reading() as tx:
            found.append(len(tx.execute(select(ledger_lines.c.id)).all()))
            found.append(len(tx.execute(select(objects.c.id)).all()))
    return found


KILLER = """
import os, signal, sys
from pathlib import Path
from cert_exchange.node import open_node
from cert_exchange.services import syncing
from cert_exchange.store.database import Database

home, name, where, number = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
node = open_node(home)
real = Database.transact
done = 0

def transact(self, work):
    global done
    if name not in work.__qualname__:
        return real(self, work)
    done += 1
    if done != number:
        return real(self, work)
    if where == "after":
        real(self, work)
    else:
        def inside(tx):
            work(tx)
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, inside)
    os.kill(os.getpid(), signal.SIGKILL)

Database.transact = transact
syncing.sync_once(node)
"""


def killed(node: Node, name: str, where: str, number: int) -> None:
    """Sync in a process that is killed -9 before or after its n-th commit of a kind; then let its lease end."""
    process = starting.run(
        KILLER, node.settings.home, name, where, number, stderr=subprocess.STDOUT
    )
    assert process.returncode == -signal.SIGKILL, process.stdout.decode()[-2000:]


@pytest.mark.case("S35")
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_kill_9_while_pulling(
    sqlite_node: Node, other: Node, served, tmp_path: Path, wall: Wall, where, number
):
    """Killed before or after the commit of a page: whole pages are there, and the next run ends with all, once."""
    pair = Pair(sqlite_node, other, served, tmp_path)
    pair.a.publish(*(indicator(f"i{n}") for n in range(6)))
    pair.add_source(limit=2)
    killed(other, "_store_part.", where, number)
    pages = number - (where == "before")
    assert {one[0] for one in pair.held()} == travelling(pair.a.ids("b")[: 2 * pages])
    assert "runs this channel now" in sync(other).outcome  # the lease of the dead
    wall.forward(timedelta(minutes=30))
    result = sync(other)
    assert result.ok, result.outcome
    assert {one[0] for one in pair.held()} == travelling(pair.a.ids("b"))
    definitions = sum(one.startswith("marking") for one in pair.a.ids("b")[2 * pages :])
    assert result.counts.get("duplicate", 0) == definitions
    ledger.seal(other)
    ledger.verify(other)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2])
def test_kill_9_while_pushing(
    sqlite_node: Node, other: Node, served, tmp_path: Path, wall: Wall, where, number
):
    """Killed before or after the commit that follows a POST: A holds all, once; nothing is refused."""
    from tests.scenes import B_IDENTITY

    pair = Pair(sqlite_node, other, served, tmp_path)
    pair.other.publish(*(indicator(f"i{n}", by=B_IDENTITY) for n in range(6)), to="reports")
    pair.add_target(batch_objects=3)
    killed(other, "_Pusher._keep", where, number)
    wall.forward(timedelta(minutes=30))
    result = sync(other)
    assert result.ok, result.outcome
    assert {one[0] for one in held_from(pair.a.node)} == travelling(pair.other.ids("a", "reports"))
    assert result.counts["refused"] == result.counts["unconfirmed"] == 0
    with other.database.reading() as tx:
        view = pair.other.view("a", "reports")
        assert row(other, targets)["cursor"] == pair.other.log("a", "reports")[-1][0]
        assert row(other, targets)["view"] == view
        del tx
    ledger.seal(other)
    ledger.verify(other)


def test_the_worker_does_it_by_itself_and_ends_on_sigterm(
    sqlite_node: Node, other: Node, served, tmp_path: Path
):
    """A worker process pulls, pushes, lets embargoes end, seals; SIGTERM ends it with exit 0."""
    from tests.scenes import B_IDENTITY

    pair = Pair(sqlite_node, other, served, tmp_path)
    pair.a.publish(indicator("ours"))
    pair.other.publish(indicator("mine", by=B_IDENTITY), to="reports")
    pair.add_source(every_seconds=1)
    pair.add_target(every_seconds=1)
    log = (tmp_path / "worker.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "cert_exchange.worker", "--home", str(other.settings.home), "--parent", str(os.getpid())],
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        wanted = travelling(pair.a.ids("b"))
        wait_until(lambda: {one[0] for one in pair.held()} >= wanted)
        wait_until(lambda: indicator("mine")["id"] in {one[0] for one in held_from(pair.a.node)})
        pair.a.publish(indicator("second"))
        wait_until(lambda: indicator("second")["id"] in {one[0] for one in pair.held()})
        wait_until(lambda: unsealed(other) == 0)
    finally:
        process.terminate()
        code = process.wait(20)
        log.close()
    text = (tmp_path / "worker.log").read_text()
    assert code == 0, text
    assert "fault of ours" not in text
    assert pair.secret.read_text() not in text
    assert "198.51.100.7" not in text


def unsealed(node: Node) -> int:
    with node.database.reading() as tx:
        return len(tx.execute(select(ledger_lines.c.id).where(ledger_lines.c.seq.is_(None))).all())


def wait_until(done: Callable[[], bool]) -> None:
    for _ in range(300):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within 30 s")


def test_a_worker_ends_with_its_parent(sqlite_node: Node, tmp_path: Path):
    """Its parent is killed -9: the worker ends by itself, and does not run on alone."""
    Scene.set_up(sqlite_node)
    code = (
        "import os, subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-m', 'cert_exchange.worker', '--home', sys.argv[1],"
        " '--parent', str(os.getpid())], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL); "
        "print(child.pid, flush=True); child.wait()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(sqlite_node.settings.home)], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(1)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_one_failing_step_stops_no_other(sqlite_node: Node, monkeypatch):
    """A fault of ours in one step is logged once, and the others go on at each tick."""
    import threading

    from cert_exchange import worker

    Scene.set_up(sqlite_node).publish(indicator("a"))

    def broken(_node: Node) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(worker, "release_due", broken)
    made = worker.Worker(sqlite_node, stop=threading.Event())
    assert unsealed(sqlite_node) > 0
    made.tick(0)
    made.tick(1)
    assert unsealed(sqlite_node) == 0
    assert "holds" in made._troubles
    monkeypatch.setattr(worker, "release_due", holding.release_due)
    made.tick(2)
    assert made._troubles == {}


def test_a_request_and_its_answers_go_over_http(pair: Pair):
    """A asks, B polls and answers by a push; then A polls nothing and still reads what B reads, word by word."""
    from cert_exchange.messages.requests import Kind, State
    from cert_exchange.services import requesting

    asked = requesting.send(
        pair.a.node, Kind.TAKEDOWN, "b", text="Take it down.", ticket="A-1", due="2 hours",
        collection="reports", by="anna",
    )  # fmt: skip
    syncing.add_source(
        pair.other.node, "asked", partner="a", url=pair.url, remote_collection="reports", collection="reports",
        secret=pair.secret, options={"insecure": True, "auth": "bearer", "server": "cert-exchange"},
    )  # fmt: skip
    pair.add_target()
    assert sync(pair.other.node, "asked").ok
    (theirs,) = requesting.threads(pair.other.node)
    assert (theirs.ours, theirs.state, theirs.request.text) == (False, "open", "Take it down.")
    assert dict(theirs.tickets) == {"asker": "A-1", "asked": ""}
    for state, text in ((State.RECEIVED, ""), (State.DONE, "It is down.")):
        requesting.answer(
            pair.other.node, asked.stix_id, state, text=text, ticket="B-7", collection="reports", by="eva"
        )  # fmt: skip
        assert sync(pair.other.node, "to-a").ok
        ours, theirs = (
            requesting.find(node, asked.stix_id) for node in (pair.a.node, pair.other.node)
        )
        assert ours.state == theirs.state == state
        assert ours.check == theirs.check
    assert [(one.side, one.said, one.text, one.ticket) for one in ours.lines] == [
        (one.side, one.said, one.text, one.ticket) for one in theirs.lines
    ]
    assert [one.reached for one in ours.lines] == ["fetched", "", ""]
    assert [one.reached for one in theirs.lines] == ["", "fetched", "fetched"]
    assert (ours.settled, dict(ours.tickets)) == (True, {"asker": "A-1", "asked": "B-7"})
    before = len(pair.a.ids("b", "reports"))
    assert sync(pair.other.node, "asked").ok
    assert len(pair.a.ids("b", "reports")) == before
