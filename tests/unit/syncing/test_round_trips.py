"""Heartbeats and self-tests at servers that answer as told. One engine: no SQL is their subject."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.conftest import Wall
from tests.neighbour import COLLECTION, MEDIA, Asked, Collection, Reply
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.unit.services.test_beating import TESTS
from tests.unit.syncing.conftest import add_source, add_target, sync

from cert_exchange.node import Node
from cert_exchange.services import beating, selftest, syncing
from cert_exchange.services.beating import sending
from cert_exchange.services.introducing import proving
from cert_exchange.services.selftest import CAUSES
from cert_exchange.store.tables import objects

ROOT = {"title": "x", "versions": [MEDIA], "max_content_length": 1_000_000}


class Stock(Collection):
    """A small TAXII server with all that a self-test asks for; `rights`, `deletes` and `spoil` change it."""

    def __init__(self, *held: dict[str, Any]) -> None:
        super().__init__([(f"2026-06-01T00:00:0{n}.000000Z", one) for n, one in enumerate(held)])
        self.rights = {"can_read": True, "can_write": True}
        self.deletes = True
        self.spoil: Callable[[dict[str, Any]], dict[str, Any]] = lambda one: one

    def __call__(self, asked: Asked) -> Reply:
        special = self.before(asked)
        if special is not None:
            return special
        parts = [part for part in asked.path.split("/") if part]
        if asked.path.startswith(("/exchange/", "/taxii2/")):
            return Reply(404)
        if parts == ["root"]:
            return Reply(body=json.dumps(ROOT).encode())
        if parts == ["root", "collections"]:
            mine = {"id": COLLECTION, "title": "c", **self.rights}
            return Reply(body=json.dumps({"collections": [mine]}).encode())
        if len(parts) == 3 and parts[1] == "collections":
            if parts[2] != COLLECTION:
                return Reply(404)
            return Reply(body=json.dumps({"id": COLLECTION, "title": "c", **self.rights}).encode())
        if asked.method == "DELETE":
            if not self.deletes:
                return Reply(403)
            self.rows = [(date, one) for date, one in self.rows if one["id"] != parts[4]]
            return Reply(body=b"")
        if len(parts) == 5 and parts[3] == "objects":
            found = [self.spoil(one) for _, one in self.rows if one["id"] == parts[4]]
            return Reply(body=json.dumps({"objects": found}).encode()) if found else Reply(404)
        return super().__call__(asked)


@pytest.fixture
def node(sqlite_node: Node) -> Node:
    Scene.set_up(sqlite_node)
    return sqlite_node


def theirs(name: str) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY)


def steps(done: selftest.SelfTest) -> dict[str, selftest.Step]:
    return {one.step: one for one in done.steps}


def html(status: int) -> Reply:
    return Reply(status, body=b"<html><h1>Denied by policy</h1></html>", media="text/html")


def kinds(node: Node) -> list[str]:
    return [one.kind for one in beating.alarms(node)]


def versions(node: Node) -> int:
    with node.database.reading() as tx:
        return tx.execute(select(func.count()).select_from(objects)).scalar_one()


@pytest.mark.case("U01", "U04", "U05", "U10")
def test_each_cause_has_its_own_sentence(node: Node, neighbour: Any) -> None:
    """A credential, something in between, our own question, our own rules: four who have to mend it, four sentences."""
    held = Stock(*(theirs(f"i{n}") for n in range(3)))
    add_source(node, neighbour(held), "good")
    assert sync(node).ok

    def verdict(name: str = "") -> str:
        done = selftest.try_partner(node, "b", write=False)
        assert not name or any(one.where == f"source {name}" for one in done.steps)
        return done.verdict

    assert verdict("good") == selftest.NOTHING_WRONG
    held.before = lambda _asked: Reply(401)
    assert verdict().startswith(CAUSES["not let in"])
    held.before = lambda _asked: html(403)
    assert verdict().startswith(CAUSES["blocked"])
    held.before = lambda _asked: None
    syncing.restart_at(node, "good", "2099-01-01T00:00:00Z")
    assert verdict().startswith(CAUSES["question"])
    syncing.restart_at(node, "good")
    add_source(node, neighbour(held), "filtered", match={"type": "malware"})
    held.before = lambda asked: Reply() if "match[type]" in asked.query else None
    found = selftest.try_partner(node, "b", write=False)
    assert found.verdict == f"{CAUSES['question']} (source filtered, question.)"
    syncing.remove(node, "pull", "filtered", by="tester")
    syncing.remove(node, "pull", "good", by="tester")
    held.before = lambda _asked: None
    held.rows = [("2026-06-01T00:00:00.000000Z", {"type": "indicator", "id": "indicator--1"})]
    add_source(node, neighbour(held), "bad")
    sync(node)
    assert verdict("bad").startswith(CAUSES["kept out here"])
    assert "quarantine list --from b" in steps(selftest.try_partner(node, "b"))["what came"].todo
    assert (
        len({CAUSES[name] for name in ("not let in", "blocked", "question", "kept out here")}) == 4
    )


def test_what_else_keeps_objects_from_arriving(node: Node, neighbour: Any, wall: Wall) -> None:
    """No right, another collection, nothing there, no worker, our own pause, a server that is gone."""
    held = Stock(theirs("i"))
    peer = neighbour(held)
    add_source(node, peer)

    def verdict() -> str:
        return selftest.try_partner(node, "b", write=False).verdict

    held.rights = {"can_read": False, "can_write": True}
    assert verdict().startswith(CAUSES["no right"])
    held.before = lambda asked: Reply(404) if asked.path.endswith(f"{COLLECTION}/") else None
    step = steps(selftest.try_partner(node, "b", write=False))["rights"]
    assert "It offers us c (" in step.said
    held.before = lambda _asked: None
    held.rights, held.rows = {"can_read": True, "can_write": True}, []
    assert verdict().startswith(CAUSES["nothing there"])
    assert sync(node).ok
    held.rows = [("2026-06-01T00:00:00.000000Z", theirs("i"))]
    wall.forward(timedelta(hours=2))
    assert verdict().startswith(CAUSES["no worker"])
    syncing.pause(node, "from-b")
    assert verdict().startswith(CAUSES["stopped here"])
    syncing.resume(node, "from-b")
    peer.close()
    done = selftest.try_partner(node, "b")
    assert done.verdict.startswith(CAUSES["unreached"])
    assert steps(done)["TCP"].result == "wrong"
    assert {one.result for one in done.steps if one.step in ("HTTP", "rights", "write")} == {
        "not run"
    }


def test_what_a_server_spoils_is_named(node: Node, neighbour: Any) -> None:
    """Milliseconds, letters and markings: three steps, each with what it means."""
    held = Stock(theirs("i"))
    add_source(node, neighbour(held))
    beating.arrange(node, "b", test_collection=COLLECTION)
    done = selftest.try_partner(node, "b")
    assert (done.wrong, done.left_behind) == (0, ()), done
    assert [one["id"] for _, one in held.rows] == [theirs("i")["id"]]

    def spoil(one: dict[str, Any]) -> dict[str, Any]:
        rest = {name: value for name, value in one.items() if name != "granular_markings"}
        cut = one["modified"][:-5] + "Z"
        return rest | {
            "modified": cut,
            "description": one["description"].encode("ascii", "replace").decode(),
        }

    held.spoil, held.deletes = spoil, False
    done = selftest.try_partner(node, "b")
    found = steps(done)
    assert {one: found[one].result for one in ("read back", "microseconds", "Unicode", "markings")} == {
        "read back": "ok", "microseconds": "wrong", "Unicode": "wrong", "markings": "wrong",
    }  # fmt: skip
    assert "the marking of a part of it" in found["markings"].said
    assert len(done.left_behind) == 1
    assert done.left_behind[0] in found["taken away"].said


def test_a_target_that_is_refused_says_so(node: Node, neighbour: Any) -> None:
    """Nothing leaves by policy, or everything is refused there: two sentences."""
    held = Stock()
    add_target(node, neighbour(held))
    assert selftest.try_partner(node, "b", write=False).verdict.startswith(
        CAUSES["nothing to send"]
    )
    scene = Scene(node)
    ours = indicator("ours")
    scene.publish(ours)
    held.before = lambda asked: Reply(422) if asked.method == "POST" else None
    sync(node)
    assert selftest.try_partner(node, "b", write=False).verdict.startswith(CAUSES["refused there"])


def test_a_stock_server_keeps_nothing_of_a_beat(node: Node, neighbour: Any) -> None:
    """Written, read back, deleted; neither side has more afterwards."""
    there = Stock()
    add_source(node, neighbour(there))
    assert sending.beat_now(node, "b").trouble.startswith("no way")
    beating.arrange(node, "b", test_collection=COLLECTION)
    made = versions(node)
    for _ in range(2):
        state = sending.beat_now(node, "b")
        assert (state.trouble, state.way) == ("", "written and read back"), state
    assert there.rows == []
    assert len(there.posts) == 2
    assert versions(node) == made
    assert state.skew is not None
    assert kinds(node) == []


def test_a_server_that_deletes_nothing_gets_one_version_a_day(
    node: Node, neighbour: Any, wall: Wall
) -> None:
    """What stays behind does not grow each hour."""
    there = Stock()
    there.deletes = False
    add_source(node, neighbour(there))
    beating.arrange(node, "b", test_collection=COLLECTION)
    for _ in range(6):
        state = sending.beat_now(node, "b")
        assert state.way == "written and read back", state
        wall.forward(timedelta(minutes=1))
    assert state.leaves
    # The first, and one for each day that these minutes touch.
    assert len({one["modified"] for _, one in there.rows}) <= 3


def test_a_server_that_is_gone_is_an_alarm_and_so_is_its_clock(
    node: Node, neighbour: Any, wall: Wall
) -> None:
    """Refused for hours, and then back with a clock that is hours wrong."""
    there = Stock()
    add_source(node, neighbour(there))
    beating.arrange(node, "b", test_collection=COLLECTION)
    there.before = lambda _asked: Reply(401)
    for _ in range(5):
        assert "401" in sending.beat_now(node, "b").trouble
        wall.forward(timedelta(hours=1))
    assert kinds(node) == ["unseen"]
    there.before = lambda _asked: None
    sending.beat_now(node, "b")
    (alarm,) = beating.alarms(node)
    assert (alarm.kind, alarm.grade) == ("skew", "wrong")
    assert "behind ours" in alarm.finding


def test_a_target_of_another_make_is_tried_and_not_filled(node: Node, neighbour: Any) -> None:
    """Our TEST collection is pushed there and shows tests: still nothing of an hour's beat stays on either side."""
    there = Stock()
    ground = proving.ground(node)
    proving.admit(node, "b", by="tester")
    Scene(node).apply("b", TESTS.format(name="b"))
    syncing.add_target(
        node, "tests", partner="b", url=neighbour(there).url, remote_collection=COLLECTION,
        collection=ground, options={"insecure": True},
    )  # fmt: skip
    made = versions(node)
    assert sending.beat_now(node, "b").way == "written and read back"
    assert there.rows == []
    assert versions(node) == made


def test_a_silent_server_delays_nobody(node: Node, neighbour: Any) -> None:
    """B's server takes the connection and says nothing; C's beat comes back meanwhile."""
    there, silent = Stock(), Stock()
    came = threading.Event()

    def quiet(_asked: Asked) -> Reply:
        assert came.wait(20), "C waited for B"
        return Reply(503)

    def heard(asked: Asked) -> None:
        if asked.method == "DELETE":
            came.set()

    silent.before, there.before = quiet, heard
    add_source(node, neighbour(silent), read_seconds=30.0)
    syncing.add_source(
        node, "from-c", partner="c", url=neighbour(there).url, remote_collection=COLLECTION,
        collection="indicators", options={"insecure": True},
    )  # fmt: skip
    for name in "bc":
        beating.arrange(node, name, test_collection=COLLECTION)
    sending.beat_due(node)
    state = {one.partner: one.state for one in beating.pulses(node)}
    assert state["c"].way == "written and read back"
    assert "503" in state["b"].trouble
