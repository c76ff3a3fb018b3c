"""Invariant 2: what was acknowledged is never lost, by kill -9 at any point.

A child process does one thing and is killed at one of its commits, in two forms: not done (just before it), or done and
only the answer lost (just after it). Then the node is opened anew and asked:

1. not done: every table is as it was; nothing is half there.
2. done: everything that belongs to it is there, in log, live, heads, ledger and status.
3. in both: all that was acknowledged before is there, the ledger verifies, and doing it again by the ordinary way ends
   in the same state, with no line twice.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from tests.conftest import Wall, reopen
from tests.scenes import B_IDENTITY, Scene, identity, indicator, malware, relationship

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.services import holding, ledger, policies, publishing, releasing
from cert_exchange.store.tables import metadata, submissions

ANY_ORIGIN = """\
name: {partner}
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - name: asked first
    match: {{origin: any, labels: [ask]}}
    hold: approval
  - name: a while
    match: {{origin: any, labels: [embargo]}}
    hold: {{for: 1 hours}}
  - name: all
    match: {{origin: any}}
    allow: true
"""
NARROW = ANY_ORIGIN.replace("match: {{origin: any}}", "match: {{origin: any, type: indicator}}")
WIDE = ANY_ORIGIN
BATCH = (indicator("new"), malware("new"), relationship(indicator("new"), malware("new")))
SENT = (identity(B_IDENTITY, "CERT B"), indicator("theirs", by=B_IDENTITY))


@dataclass(frozen=True)
class Deed:
    """One thing that a process does. `done` tells whether a partner, or we, would find it done in full."""

    work: Callable[[Scene], Any]
    done: Callable[[Scene], bool]
    commits: int
    """how many commits it has; each is a point to be killed at"""
    final: int
    """the commit after which it counts as done"""
    prepare: Callable[[Scene], Any] = lambda scene: None
    again: Callable[[Scene], Any] | None = None
    """how it goes on after a break, where that is not simply doing it once more"""


def _posted(scene: Scene) -> bool:
    with scene.node.database.reading() as conn:
        bodies = conn.execute(select(submissions.c.body)).scalars().all()
    seen = [one["id"] for one in scene.sees("c")]
    found = [one["id"] in seen for one in SENT]
    # The status and what it counts are one: never the one without the other.
    assert all(found) == bool(bodies) == any(found)
    return all(found) and all('"success_count":2' in body for body in bodies)


def _submitted_again(scene: Scene) -> None:
    try:
        releasing.withdraw_submitted(
            scene.node, scene.caller("b"), scene.collection("indicators"), SENT[1]["id"]
        )
    except NotFound:
        assert SENT[1]["id"] not in scene.ids("c")


def _let_go(scene: Scene) -> None:
    try:
        holding.release_hold(
            scene.node, [indicator("asked")["id"]], audience=None, by="duty", reason="fine"
        )
    except NotFound:
        assert "asked" in scene.names("b")


def _names(scene: Scene, *wanted: str) -> bool:
    return set(wanted) <= {one.get("name") for one in scene.sees("b")}


def _whole_batch(scene: Scene) -> bool:
    found = [one["id"] in scene.ids("b") for one in BATCH]
    assert all(found) == any(found), "half of a batch"
    return all(found)


DEEDS = {
    "publish": Deed(lambda s: s.publish(*BATCH), _whole_batch, 1, 1),
    "receive": Deed(lambda s: s.post("b", *SENT), _posted, 1, 1),
    "withdraw": Deed(
        lambda s: releasing.withdraw(s.node, indicator("before")["id"], by="desk", reason="wrong"),
        lambda s: not _names(s, "before"), 1, 1,
    ),
    "delete": Deed(
        _submitted_again, lambda s: SENT[1]["id"] not in s.ids("c"), 1, 1,
        prepare=lambda s: s.post("b", *SENT),
    ),
    "new version": Deed(
        lambda s: s.publish(indicator("before", version=1, description="newer")),
        lambda s: any(one.get("description") == "newer" for one in s.sees("b")), 1, 1,
    ),
    "narrow": Deed(  # (1) stage (2) switch and losses (3) the end of the gains
        lambda s: s.apply("b", NARROW.format(partner="b")),
        lambda s: s.names("b") == ["before"], 3, 2,
        prepare=lambda s: s.publish(*BATCH[1:2]),
        again=lambda s: s.apply("b", NARROW.format(partner="b")),
    ),
    "widen": Deed(  # (1) switch (2) gains (3) their end
        lambda s: s.apply("b", WIDE.format(partner="b")),
        lambda s: _names(s, "new", "before"), 3, 2,
        prepare=lambda s: (s.apply("b", NARROW.format(partner="b")), s.publish(*BATCH[1:2])),
        again=lambda s: (s.apply("b", WIDE.format(partner="b")), policies.continue_gains(s.node)),
    ),
    "release a hold": Deed(
        _let_go, lambda s: _names(s, "asked"), 1, 1,
        prepare=lambda s: s.publish(indicator("asked", labels=["ask"])),
    ),
    "seal": Deed(lambda s: ledger.seal(s.node), lambda s: _unsealed(s) == 0, 2, 1),
}  # fmt: skip


def _unsealed(scene: Scene) -> int:
    sealed = ledger.verify(scene.node)
    return int(sealed.unsealed)


def snapshot(node: Node) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with node.database.reading() as conn:
        return {
            table.name: sorted(map(repr, conn.execute(select(table))))
            for table in metadata.sorted_tables
        }


def killed(node: Node, work: Callable[[], object], *, commit: int, after: bool) -> None:
    """Run `work` in a child that dies by kill -9 at its n-th commit, just before it or just after."""
    with warnings.catch_warnings():
        # From Python 3.12 on, forking beside threads of the test runner is frowned upon; this child never returns.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            _die_at(node, commit, after=after)
            work()
        finally:
            os._exit(3)  # it was not killed: it came through, or failed before
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the child ended by itself ({status}): no commit {commit}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def _die_at(node: Node, wanted: int, *, after: bool) -> None:
    dialect = node.database.writing_engine().dialect
    real = dialect.do_commit
    count = 0

    def commit(connection: Any) -> None:
        nonlocal count
        if getattr(connection, "read_only", None):  # PostgreSQL: the end of a reading
            real(connection)
            return
        count += 1
        if count == wanted and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        real(connection)
        if count == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    dialect.do_commit = commit  # type: ignore[method-assign]  # in the child only


POINTS = [
    pytest.param(name, commit, after, id=f"{name}-{commit}-{'done' if after else 'not done'}")
    for name, deed in DEEDS.items()
    for commit in range(1, deed.commits + 1)
    for after in (False, True)
]


@pytest.mark.parametrize(("name", "commit", "after"), POINTS)
def test_killed_at_a_commit(node: Node, wall: Wall, name: str, commit: int, after: bool) -> None:
    """Not done: nothing of it. Done and the answer lost: all of it. Again: the same end, no line twice."""
    deed = DEEDS[name]
    scene = Scene.set_up(node, policies_for=())
    for partner in ("b", "c"):
        scene.apply(partner, WIDE.format(partner=partner))
    scene.publish(indicator("before"))
    deed.prepare(scene)
    acknowledged = scene.log("b"), scene.log("c")
    before = snapshot(node)

    killed(node, lambda: deed.work(scene), commit=commit, after=after)

    fresh = reopen(node, wall)
    try:
        again = Scene(fresh)
        if commit == 1 and not after:
            assert snapshot(fresh) == before
        for partner, lines in zip(("b", "c"), acknowledged, strict=True):
            assert again.log(partner)[: len(lines)] == lines
        ledger.verify(fresh)
        assert deed.done(again) == (commit > deed.final or (commit == deed.final and after))
        (deed.again or deed.work)(again)
        assert deed.done(again)
        ledger.verify(fresh)
        for partner in ("b", "c"):
            positions = [line[0] for line in again.log(partner)]
            assert len(positions) == len(set(positions))
            standing = again.ids(partner, last=False)
            assert len(standing) == len(set(standing)) or name == "new version"
    finally:
        fresh.close()


@pytest.mark.parametrize("after", [False, True], ids=["not done", "done"])
def test_killed_while_a_hold_passes(node: Node, wall: Wall, after: bool) -> None:
    """The clock's release is one commit too."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("b", WIDE.format(partner="b"))
    scene.publish(indicator("later", labels=["embargo"]))
    wall.forward(timedelta(hours=2))
    killed(node, lambda: holding.release_due(node), commit=1, after=after)
    fresh = reopen(node, wall)
    try:
        again = Scene(fresh)
        assert _names(again, "later") == after
        while holding.release_due(fresh):
            pass
        assert _names(again, "later")
        assert [kind for _, kind, i in again.log("b") if i == indicator("later")["id"]] == [
            "release"
        ]
        ledger.verify(fresh)
    finally:
        fresh.close()


@pytest.mark.parametrize("after", [False, True], ids=["not done", "done"])
def test_a_mark_may_overstate_and_never_understates(node: Node, wall: Wall, after: bool) -> None:
    """Killed before the mark is durable, no byte has left; killed after it, the mark stands."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    partner, view, position = scene.partner("b"), scene.view("b"), scene.log("b")[-1][0]

    def advance_and_die() -> None:
        if after:
            node.marks.advance(partner, view, position)
        os.kill(os.getpid(), signal.SIGKILL)

    killed(node, advance_and_die, commit=99, after=False)
    fresh = reopen(node, wall)
    try:
        assert fresh.marks.reached(partner, view) == (position if after else 0)
        assert fresh.marks.highest(view) == (position if after else 0)
        assert ledger.note_fetches(fresh) == (1 if after else 0)
        ledger.verify(fresh)
    finally:
        fresh.close()


@pytest.mark.parametrize("after", [False, True], ids=["not done", "done"])
def test_killed_between_a_mark_and_its_ledger_line(node: Node, wall: Wall, after: bool) -> None:
    """The line may be said twice, and is never left out."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    view, position = scene.view("b"), scene.log("b")[-1][0]
    node.marks.advance(scene.partner("b"), view, position)
    killed(node, lambda: ledger.note_fetches(node), commit=1, after=after)
    fresh = reopen(node, wall)
    try:
        ledger.note_fetches(fresh)
        assert fresh.marks.unledgered() == []
        ledger.verify(fresh)
    finally:
        fresh.close()


def test_the_engine_is_set_to_keep_what_it_commits(node: Node) -> None:
    """SQLite: WAL, and every commit reaches the disk, also that of the marks; PostgreSQL: commits are synchronous."""
    said = node.database.durability()
    if node.database.dialect == "sqlite":
        assert (said["journal_mode"], said["synchronous"], said["foreign_keys"]) == (
            "wal",
            "2",
            "1",
        )
        with node.marks._pool.reader() as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    else:
        assert said["synchronous_commit"] == "on"
        assert said["transaction_isolation"] == "read committed"
        with node.marks._pool.reader() as connection:
            assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_a_submission_survives_the_loss_of_its_answer(node: Node, wall: Wall) -> None:
    """The sender that never got its 202 posts again: successes, nothing new, and both statuses can be read."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("c", WIDE.format(partner="c"))
    killed(node, lambda: scene.post("b", *SENT), commit=1, after=True)
    fresh = reopen(node, wall)
    try:
        again = Scene(fresh)
        lines = again.log("c")
        told = again.posted("b", *SENT)
        assert all(one.success for one in told.outcomes)
        assert again.log("c") == lines
        assert publishing.submission(fresh, again.caller("b"), told.id)
    finally:
        fresh.close()
