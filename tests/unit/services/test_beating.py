"""Heartbeats through our own store: a TEST object arrives, or an alarm says that it does not; it costs and leaks little."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.unit.services.test_recalling import fetch

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.node import Node
from cert_exchange.services import beating, bundling, freezing, partners
from cert_exchange.services.beating import sending
from cert_exchange.services.doctoring import examine
from cert_exchange.services.introducing import proving
from cert_exchange.store import facts, heartbeats
from cert_exchange.store.tables import ledger_lines, node_facts, objects

HOUR = timedelta(hours=1)
TESTS = """\
partners: [{name}]
collections: [indicators, test]
ceiling: {{tlp: green, unmarked: green}}
rules:
  - name: tests
    match: {{origin: own, test: true}}
    allow: true
  - name: all of ours
    match: {{origin: own, type: [indicator]}}
    allow: true
"""
BLIND = TESTS.replace("test: true", "type: [malware]")


@pytest.fixture
def scene(node: Node) -> Scene:
    """B may read our TEST collection, and its policy shows it tests there."""
    made = Scene.set_up(node, policies_for=())
    proving.admit(node, "b", by="tester")
    made.apply("b", TESTS.format(name="b"))
    return made


def pulse(node: Node, name: str = "b") -> beating.Pulse:
    return next(one for one in beating.pulses(node) if one.partner == name)


def kinds(node: Node) -> list[str]:
    return [one.kind for one in beating.alarms(node)]


def count(node: Node, table: Any) -> int:
    with node.database.reading() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def beats(scene: Scene, partner: str, collection: str = "test") -> list[str]:
    """Versions of heartbeats that stand in a partner's view."""
    return [
        one["modified"]
        for one in scene.sees(partner, collection)
        if one.get("name", "").startswith("TEST heartbeat")
    ]


def test_a_beat_is_published_for_one_partner_and_its_fetch_is_seen(scene: Scene) -> None:
    """It stands in the TEST collection for B alone, and counts as arrived when B's client had the page with it."""
    node = scene.node
    state = sending.beat_now(node, "b")
    assert state.position is not None
    assert sending.look(node) == 0
    assert pulse(node).state.seen_at is None
    assert beats(scene, "b") == [state.version]
    fetch(scene, "b", "test")
    assert sending.look(node) == 1
    now = pulse(node).state
    assert (now.seen_at, now.way, now.trouble) == (now.sent_at, "its node fetched it", "")
    assert beats(scene, "b", "indicators") == []
    assert sending.beat_now(node, "c").trouble.startswith("no way")


def test_beats_come_each_hour_and_the_alarm_after_three_of_them(scene: Scene, wall: Wall) -> None:
    """A worker beats once an hour, whoever else does; nobody fetches, so an alarm comes and is told to the log once."""
    node = scene.node
    assert sending.beat_due(node) == len(beating.pulses(node))
    assert sending.beat_due(node) == 0
    first = pulse(node).state.version
    with structlog.testing.capture_logs() as logs:
        for _ in range(4):
            wall.forward(HOUR)
            sending.beat_due(node)
            sending.look(node)
    assert pulse(node).state.version > first
    (alarm,) = beating.alarms(node)
    assert (alarm.partner, alarm.kind, alarm.grade) == ("b", "unseen", "wrong")
    assert "for 4 hours (never)" in alarm.finding
    told = [one for one in logs if one["event"] == "heartbeat alarms"]
    assert [(one["alarms"], one["log_level"]) for one in told] == [(["unseen"], "error")]
    for found in (examine(node), examine(node, partner="b")):
        assert any("our heartbeat is not known to have arrived" in one.finding for one in found)
    fetch(scene, "b", "test")
    with structlog.testing.capture_logs() as logs:
        assert sending.look(node) == 1
    assert [one["alarms"] for one in logs if one["event"] == "heartbeat alarms"] == [[]]
    assert kinds(node) == []


def test_a_beat_that_arrived_is_noted_before_the_next(scene: Scene, wall: Wall) -> None:
    """Nobody looked between two beats: the first still counts as seen."""
    node = scene.node
    sending.beat_due(node)
    first = pulse(node).state.sent_at
    fetch(scene, "b", "test")
    wall.forward(HOUR)
    sending.beat_due(node)
    now = pulse(node).state
    assert (now.seen_at, now.sent_at != first) == (first, True)


def test_nothing_beats_at_whom_our_people_stopped(scene: Scene, wall: Wall) -> None:
    """Frozen, suspended or switched off: no object, no alarm; afterwards it goes on."""
    node = scene.node
    sending.beat_now(node, "b")
    made = count(node, objects)
    freezing.freeze(node, "b", by="tester", reason="trial")
    assert sending.beat_now(node, "b").trouble == "what goes out to it is stopped"
    wall.forward(10 * HOUR)
    assert kinds(node) == []
    freezing.unfreeze(node, "b", by="tester", reason="trial")
    partners.suspend(node, "b", by="tester")
    sending.beat_now(node, "b")
    partners.resume(node, "b", by="tester")
    beating.arrange(node, "b", off=True)
    sending.beat_now(node, "b")
    assert count(node, objects) == made
    beating.arrange(node, "b", off=False)
    sending.beat_now(node, "b")
    assert count(node, objects) == made + 1


def test_what_no_rule_shows_is_published_once_and_waits(scene: Scene) -> None:
    """A policy without `test: true` shows no beat: said, and no second version piles up behind the first."""
    node = scene.node
    scene.apply("b", BLIND.format(name="b"))
    made = count(node, objects)
    for _ in range(3):
        said = sending.beat_now(node, "b").trouble
        assert said == "our policy shows it nothing that is marked TEST"
    assert count(node, objects) == made + 1
    scene.apply("b", TESTS.format(name="b"))
    assert sending.beat_now(node, "b").position is not None


def test_a_beat_reaches_nobody_else_and_does_not_pile_up(scene: Scene) -> None:
    """Neither another partner that is shown tests has it, nor a real collection; a row is written over, a line added."""
    node = scene.node
    proving.admit(node, "c", by="tester")
    scene.apply("c", TESTS.format(name="c"))
    scene.publish(indicator("real"))
    sending.beat_now(node, "b")
    facts_before, lines = count(node, node_facts), count(node, ledger_lines)
    for _ in range(5):
        sending.beat_now(node, "b")
    assert count(node, node_facts) == facts_before
    assert count(node, ledger_lines) == lines + 5
    assert beats(scene, "b") == [
        pulse(node).state.version
    ]  # who polls anew gets the last one alone
    assert beats(scene, "c") == []
    file = io.BytesIO()
    done = bundling.export(node, "b/test", file, own_use=True)
    assert done.left_out == 1
    assert b"heartbeat" not in file.getvalue()
    assert [one for name in "bc" for one in beats(scene, name, "indicators")] == []


def test_a_partner_that_beats_is_missed_when_it_is_silent(scene: Scene, wall: Wall) -> None:
    """Its heartbeat is known by its id. Who never sent one raises no alarm, unless a person said after how many hours."""
    node = scene.node
    wall.forward(100 * HOUR)
    assert kinds(node) == []
    theirs = indicator("x", by=B_IDENTITY) | {"id": beating.beat_id(B_IDENTITY, node.identity)}
    scene.post("b", theirs)
    assert pulse(node).beat_heard_at is not None
    wall.forward(2 * HOUR)
    assert kinds(node) == []
    wall.forward(2 * HOUR)
    assert kinds(node) == ["silent"]
    freezing.freeze(node, "b", by="tester", reason="what goes out is another matter")
    assert kinds(node) == ["silent"]
    freezing.unfreeze(node, "b", by="tester", reason="trial")
    scene.post("b", indicator("real one", by=B_IDENTITY))
    assert kinds(node) == []
    beating.arrange(node, "c", silent_hours=2)
    (alarm,) = beating.alarms(node)
    assert (alarm.partner, alarm.finding) == (
        "c", "nothing ever came from it (alarm after 2 hours)",
    )  # fmt: skip
    beating.arrange(node, "c", silent_hours=0)
    assert kinds(node) == []
    with pytest.raises(ConfigurationInvalid, match="or 0 for the default"):
        beating.arrange(node, "c", silent_hours=0.1)
    with pytest.raises(NotFound):
        beating.arrange(node, "nobody", off=True)


def test_the_state_of_a_newer_release_is_read(sqlite_node: Node) -> None:
    """What it does not know is left out. One engine: a text is read."""

    def work(tx: Any) -> heartbeats.Heartbeat:
        facts.put_fact(tx, "heartbeat/7", json.dumps({"off": True, "colour": "red"}))
        return heartbeats.state_of(tx, 7)

    assert sqlite_node.database.transact(work) == heartbeats.Heartbeat(off=True)
