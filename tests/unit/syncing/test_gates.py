"""The gate of a source: it shuts when too much comes, loses nothing, and what comes may wait for a person's approval."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.conftest import Wall
from tests.neighbour import Collection
from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, indicator, malware
from tests.unit.syncing.conftest import add_source, received, row, sync
from tests.unit.syncing.peers import as_b, channel_between

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import HOUR, Node
from cert_exchange.policy.volumes import in_window
from cert_exchange.services import (
    doctoring,
    holdings,
    ledger,
    metering,
    quarantine,
    screening,
    selftest,
    undoing,
)
from cert_exchange.services.gating import opening, previewing
from cert_exchange.store import objects
from cert_exchange.store.tables import ledger_lines, sources

ON = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - name: passed on
    match: {{origin: [b]}}
    allow: true
"""


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY, **more)


def dated(*objects: dict[str, Any], minute: int = 0) -> list[tuple[str | None, dict[str, Any]]]:
    return [(f"2026-05-01T00:{minute:02d}:{n:02d}.000000Z", one) for n, one in enumerate(objects)]


def passing_on(node: Node) -> Scene:
    """What b sends goes on to c."""
    scene = Scene.set_up(node)
    scene.apply("c", ON.format(partner="c"))
    return scene


def lines(node: Node) -> list[str]:
    with node.database.reading() as tx:
        texts = tx.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        return [decode_line(one).kind for one in texts]


def seen_by_c(scene: Scene) -> set[str]:
    return {one["name"] for one in scene.sees("c") if "name" in one and one["type"] == "indicator"}


# -- the volume breaker


def test_too_much_shuts_it_and_nothing_is_lost(node: Node, neighbour):
    """The page that passes the limit is not taken in; cursor, reason, alarm; opened it comes, each object once."""
    scene = Scene.set_up(node)
    collection = Collection(dated(theirs("first")))
    peer = neighbour(collection)
    add_source(node, peer, limit=2, most_objects=3, server="cert-exchange")
    assert sync(node).ok
    collection.rows += dated(*(theirs(f"i{n}") for n in range(7)), minute=1)
    foreseen = previewing.preview(node, "from-b")
    assert foreseen.gate is not None
    assert (foreseen.gate.shut, foreseen.ok, foreseen.whole) == (False, False, True)
    assert len(foreseen.verdicts) > foreseen.gate.before > 0
    assert {one.name for one in foreseen.verdicts[: foreseen.gate.before]} == {"i0", "i1"}
    assert "taken in" not in foreseen.outcome
    shut = sync(node)
    assert not shut.ok
    assert "Shut by its gate" in shut.outcome
    assert "5 new objects within 24 hours, more than 3" in shut.outcome
    assert received(scene) == ["first", "i0", "i1"]
    assert row(node)["paused_at"] is not None
    assert row(node)["cursor"] == "2026-05-01T00:01:01.000000Z"
    asked = len(peer.gets())
    assert sync(node, "from-b").outcome == shut.outcome
    assert len(peer.gets()) == asked
    gate = opening.gate_of(node, "from-b")
    assert gate.shut is not None
    assert (gate.shut.what, gate.counted["objects"], gate.limits["objects"]) == ("objects", 3, 3)

    assert [
        (one.grade, one.step) for one in doctoring.examine(node) if one.about == "source from-b"
    ] == [("wrong", "cert-exchange source gate from-b, sync preview from-b, and a call to b")]
    assert [
        one.value for one in metering.measure(node) if one.name == "cert_exchange_source_shut"
    ] == [1.0]
    (shown,) = holdings.status(node).channels
    assert (shown.stopped, shown.shut) == ("shut", gate.shut.words)

    look = previewing.preview(node, "from-b")
    assert (look.fates["new"], look.whole) == (5, True)
    assert any("its gate would shut" in note for note in look.notes)
    assert look.gate is not None
    assert (look.gate.shut, look.gate.before, look.gate.words) == (True, 0, gate.shut.words)
    assert look.outcome == f"its gate is shut: {gate.shut.words}"

    opening.go_on(node, "from-b", by="tester", reason="looked at it")
    assert "Shut by its gate" in sync(node).outcome  # the limits are as before
    opening.go_on(node, "from-b", take_in=True, by="tester", reason="announced by their people")
    assert sync(node).ok
    assert received(scene) == ["first", *(f"i{n}" for n in range(7))]
    assert opening.gate_of(node, "from-b").counted["objects"] == 0
    assert [one for one in lines(node) if one.startswith("gate.")] == [
        "gate.shut", "gate.opened", "gate.shut", "gate.opened",
    ]  # fmt: skip
    ledger.verify(node)


def test_a_first_full_sync_may_be_large(node: Node, neighbour):
    """Until all came once, twenty times as much may come; from then on the limit is as it is set."""
    scene = Scene.set_up(node)
    collection = Collection(dated(*(theirs(f"i{n}") for n in range(20))))
    add_source(node, neighbour(collection), limit=7, most_objects=1, server="cert-exchange")
    assert sync(node).ok
    assert len(received(scene)) == 20
    assert not opening.gate_of(node, "from-b").first
    collection.rows += dated(theirs("one more"), minute=1)
    assert "Shut by its gate" in sync(node).outcome


def test_revocations_proposals_and_rejects_have_limits_of_their_own(sqlite_node: Node, neighbour):
    """What takes out of use, what is another's, and what is no STIX; what comes again is not counted."""
    node = sqlite_node
    Scene.set_up(node)
    collection = Collection(dated(theirs("a"), theirs("b"), theirs("c")))
    add_source(node, neighbour(collection), most_revocations=1, most_proposals=1, most_rejects=1)
    assert sync(node).ok
    for what, sent in {
        "revocations": [theirs(name, version=5, revoked=True) for name in "ab"],
        "proposals": [indicator(f"p{n}", by=C_IDENTITY) for n in range(2)],
        "rejects": [theirs(f"r{n}") | {"pattern": "[ no"} for n in range(2)],
    }.items():
        before = list(collection.rows)
        collection.rows += dated(*sent, minute=2)
        assert not sync(node).ok
        gate = opening.gate_of(node, "from-b")
        assert gate.shut is not None
        assert (gate.shut.what, gate.shut.number, gate.shut.most) == (what, 2, 1)
        collection.rows = [*before, *dated(sent[0], minute=2)]
        opening.go_on(node, "from-b", by="tester")
        assert sync(node).ok
        assert sync(node).ok  # asked for with overlap: it comes again, and counts for nothing
        collection.rows = before
        assert opening.gate_of(node, "from-b").counted[what] == 1


def test_a_window_passes():
    """What came in an hour outside the window counts no more, nor one that lies ahead since the clock was set back."""
    gate = {
        "hours": {"97": [5, 0, 0, 0], "98": [1, 2, 3, 4], "100": [10, 0, 0, 1], "101": [7, 7, 7, 7]}
    }
    assert in_window(gate, now=100 * HOUR + 5, window_hours=3) == {
        "objects": 11, "revocations": 2, "proposals": 3, "rejects": 5,
    }  # fmt: skip
    assert in_window({}, now=100 * HOUR, window_hours=3)["objects"] == 0


def test_a_gate_is_set_with_a_reason(sqlite_node: Node, neighbour):
    """Its settings change for the next run; what is none of them is refused, and a target has no gate."""
    node = sqlite_node
    Scene.set_up(node)
    collection = Collection(dated(theirs("a"), theirs("b")))
    add_source(node, neighbour(collection))
    opening.set_gate(
        node, "from-b", {"most_objects": 7, "approval": True}, by="tester", reason="new"
    )
    gate = opening.gate_of(node, "from-b")
    assert (gate.limits["objects"], gate.approval) == (
        140,
        True,
    )  # its first full sync may be large
    with pytest.raises(ConfigurationInvalid, match="url"):
        opening.set_gate(node, "from-b", {"url": "x"}, by="tester", reason="no")
    with pytest.raises(ConfigurationInvalid, match="above 0"):
        opening.set_gate(node, "from-b", {"most_rejects": 0}, by="tester", reason="no")
    with pytest.raises(NotFound):
        opening.gate_of(node, "to-b")
    assert lines(node)[-1] == "gate.set"


# -- approval


def test_what_comes_waits_for_approval(node: Node, neighbour):
    """Kept with its bytes, seen by nobody, until a person approves or refuses; each later version is asked about."""
    scene = passing_on(node)
    collection = Collection(dated(theirs("good"), theirs("bad"), theirs("late")))
    add_source(node, neighbour(collection), approval=True)
    report = sync(node)
    assert report.fates["held"] == 3
    assert seen_by_c(scene) == set()
    waiting = screening.list_kept(node, what="approval from-b")
    assert {one.stix_id for one in waiting} == {one["id"] for _, one in collection.rows}
    assert opening.gate_of(node, "from-b").waiting == 3

    def came() -> tuple[str, str]:
        steps = selftest.try_partner(node, "b", write=False).steps
        (one,) = (one for one in steps if one.step == "what came")
        return one.said, one.todo

    assert came() == (
        "3 came; of all that b brought, at the way in: 3 held, 0 refused",
        "cert-exchange intake list",
    )
    screening.let_in(node, [theirs("good")["id"]], by="tester", reason="checked")
    screening.refuse(node, [theirs("bad")["id"]], by="tester", reason="a false alarm")
    assert seen_by_c(scene) == {"good"}
    assert came() == (
        "3 came; of all that b brought, at the way in: 1 held, 1 refused",
        "cert-exchange intake list; intake list --state refused",
    )
    collection.rows += dated(theirs("good", version=4, description="other"), minute=1)
    assert sync(node).fates["held"] == 1
    assert [one["modified"] for one in scene.sees("c") if one.get("name") == "good"] == [
        theirs("good")["modified"]
    ]
    (story, *_) = holdings.show(node, theirs("late")["id"])
    assert "way in" in story.hit.status
    ledger.verify(node)


def test_a_revocation_waits_for_nobody_unless_its_object_does(node: Node, neighbour):
    """What counts is taken back at once; of what nobody approved, the revocation waits with it."""
    scene = passing_on(node)
    collection = Collection(dated(theirs("used"), theirs("waiting")))
    add_source(node, neighbour(collection), approval=True)
    sync(node)
    screening.let_in(node, [theirs("used")["id"]], by="tester", reason="checked")
    collection.rows += dated(
        *(theirs(name, version=3, revoked=True) for name in ("used", "waiting")), minute=1
    )
    assert sync(node).fates["held"] == 1
    assert [one.get("revoked") for one in scene.sees("c") if one.get("name") == "used"] == [True]
    assert "waiting" not in seen_by_c(scene)


def test_what_was_there_stays_in_use_and_a_replay_waits(sqlite_node: Node, neighbour):
    """Approval asked for later holds what comes from then on, also out of the quarantine."""
    node = sqlite_node
    scene = passing_on(node)
    add_source(node, neighbour(Collection(dated(theirs("old")))))
    sync(node)
    opening.set_gate(node, "from-b", {"approval": True}, by="tester", reason="new people there")
    assert sync(node).fates["held"] == 0
    with node.database.reading() as tx:
        collection = tx.execute(select(sources.c.collection)).scalar_one()
    node.database.transact(
        lambda tx: objects.keep_refused(
            tx, origin=scene.partner("b"), collection=collection, kind="rejected", at=node.now(),
            stix_id=theirs("again")["id"], version=None, reason="of an older release",
            raw=json.dumps(theirs("again")),
        )
    )  # fmt: skip
    (done,) = quarantine.replay(node, [quarantine.listed(node)[0].number], by="tester")
    assert done.result == "accepted"
    assert seen_by_c(scene) == {"old"}
    assert [one.what for one in screening.list_kept(node)] == ["approval from-b"]


def test_undone_and_sent_again_it_waits_again(node: Node, neighbour):
    """`undo` takes an approved flood out of use, proposals aside; what comes again is asked about again."""
    scene = passing_on(node)
    collection = Collection(dated(theirs("a"), theirs("b")))
    add_source(node, neighbour(collection), approval=True)
    since = node.now()
    sync(node)
    screening.let_in(node, what="approval from-b", by="tester", reason="looked right")
    assert seen_by_c(scene) == {"a", "b"}
    done = undoing.undo(node, "b", since, by="tester", reason="their key was stolen")
    assert (done.accepted, seen_by_c(scene)) == (2, set())
    assert sync(node).fates["held"] == 2  # asked for with overlap, it comes again
    assert seen_by_c(scene) == set()
    assert {one.stix_id for one in screening.list_kept(node)} == {
        one["id"] for _, one in collection.rows
    }
    screening.let_in(node, [theirs("a")["id"]], by="tester", reason="genuine")
    assert seen_by_c(scene) == {"a"}


def test_what_waits_is_receipted_as_any_other(
    new_node: Callable[..., Node], wall: Wall, tmp_path: Path
):
    """The partner signs and gets its receipt; it cannot tell that a person has not looked yet.

    On one engine: what is asked is what goes over the wire.
    """
    receipts = []
    for number, approval in enumerate((False, True)):
        a = new_node("sqlite", f"a{number}")
        b = as_b(new_node("sqlite", f"b{number}"), wall)
        with channel_between(a, b, tmp_path) as channel:
            channel.source(statements="require", approval=approval)
            channel.a.publish(indicator("one"), malware("two"))
            report = channel.pull()
            assert report.ok
            assert bool(report.fates["held"]) is approval
            receipts.append((report.counts["signed"], channel.to_a.count("receipts")))
        b.close()
    assert receipts[0] == receipts[1]
