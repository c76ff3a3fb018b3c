"""What a node says by itself of disputes that wait and of feeds that nobody reads: doctor, figures, status."""

from __future__ import annotations

from datetime import timedelta

from tests.conftest import Wall
from tests.scenes import B_IDENTITY, TLP, Scene, at, indicator, uid

from cert_exchange.node import Node
from cert_exchange.services import doctoring, feeding, metering, reviewing
from cert_exchange.services.feeding import Format, choose
from cert_exchange.services.partners import split_token
from cert_exchange.store import feeds

DAY = timedelta(days=1)
OURS = indicator("ours")
NO = {
    "type": "opinion", "spec_version": "2.1", "id": f"opinion--{uid('no')}", "created": at(0), "modified": at(0),
    "created_by_ref": B_IDENTITY, "opinion": "strongly-disagree", "object_refs": [OURS["id"]],
    "object_marking_refs": [TLP["green"]],
}  # fmt: skip


def findings(node: Node, about: str, partner: str | None = None) -> list[tuple[str, str]]:
    return [
        (one.grade, one.finding)
        for one in doctoring.examine(node, partner=partner)
        if one.about == about
    ]


def figures(node: Node, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(value for _, value in one.labels): one.value
        for one in metering.measure(node)
        if one.name == f"cert_exchange_{name}"
    }


def test_a_dispute_that_waits_is_told_by_its_partner(node: Node, wall: Wall) -> None:
    """A note at first, wrong after three days, gone once a person has looked; of one partner, and of no other."""
    scene = Scene.set_up(node)
    scene.publish(OURS, indicator("other"))
    scene.post("b", NO)
    ((grade, said),) = (one for one in findings(node, "partner b") if "disagree" in one[1])
    assert (grade, "disagree with 1 of our objects" in said) == ("note", True)
    assert figures(node, "reviews_waiting") == {("b",): 1, ("c",): 0}
    wall.forward(4 * DAY)
    grade, _ = next(one for one in findings(node, "partner b", "b") if "disagree" in one[1])
    assert grade == "wrong"
    assert not [one for one in findings(node, "partner c", "c") if "disagree" in one[1]]
    assert figures(node, "review_oldest_seconds")["b",] >= 4 * 86_400
    reviewing.keep(node, [OURS["id"]], by="anna", reason="it is right")
    assert figures(node, "reviews_waiting") == {("b",): 0, ("c",): 0}
    assert figures(node, "review_oldest_seconds")["b",] == 0


def test_a_feed_that_nobody_reads_is_told(node: Node, wall: Wall) -> None:
    """Without a credential, with one that was never used, that asks no more, that ends soon, and that has ended."""
    Scene.set_up(node)
    feeding.add(node, "names", choose(Format.RPZ), by="anna")
    assert findings(node, "feed names") == [
        ("note", "nothing can read it: it has no credential in force")
    ]
    issued = feeding.issue(
        node, "names", label="resolver-1", lifetime=timedelta(days=20), by="anna"
    )
    assert findings(node, "feed names") == []
    wall.forward(3 * DAY)
    ((_, said),) = findings(node, "feed names")
    assert "(resolver-1) was never used, for 3 days" in said
    feeding.recognise(node, *split_token(issued.token), network="192.0.2.1")
    assert findings(node, "feed names") == []
    assert 0 <= figures(node, "feed_unread_seconds")["names", "resolver-1"] < 600
    wall.forward(5 * DAY)
    told = [said for _, said in findings(node, "feed names")]
    assert len(told) == 2
    assert "asks no more" in told[0]
    assert " ends at " in told[1]
    assert ("credential of feed names", "own") in figures(node, "expires_timestamp_seconds")
    wall.forward(20 * DAY)
    assert findings(node, "feed names") == [
        ("note", "nothing can read it: it has no credential in force")
    ]
    assert figures(node, "feed_unread_seconds") == {}


def test_a_feed_of_another_release_is_wrong(sqlite_node: Node) -> None:
    """It gives nothing, and its reader would take that for peace."""
    Scene.set_up(sqlite_node)
    feeding.add(sqlite_node, "d", choose(Format.LIST), by="anna")
    feeding.issue(sqlite_node, "d", by="anna")
    assert findings(sqlite_node, "feed d") == []
    sqlite_node.database.transact(lambda tx: feeds.change(tx, 1, '{"format": "of tomorrow"}'))
    assert findings(sqlite_node, "feed d") == [
        ("wrong", "gives nothing: it was written by another release")
    ]
