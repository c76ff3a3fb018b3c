"""The same id and version with other content, by every way in: kept as a conflict, our side told, its sender only what it may know."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import OUR_IDENTITY, Wall
from tests.neighbour import Collection
from tests.scenes import B_IDENTITY, C_IDENTITY, THIRD_IDENTITY, TLP, Scene, indicator
from tests.unit.syncing.conftest import add_source, sync
from tests.unit.syncing.peers import as_b, channel_between

from cert_exchange.messages.deliveries import Ended, read_receipt
from cert_exchange.messages.signatures import verify
from cert_exchange.node import Node
from cert_exchange.services import carrying, holdings, partners, quarantine
from cert_exchange.store import deliveries as rows
from cert_exchange.store import partner_keys

OTHER = {"x_other": "content"}
DATE = "2026-06-01T00:00:00.000000Z"


def kept(scene: Scene) -> list[tuple[str, str | None, bool]]:
    """(kind, id, whether its bytes are kept) of the quarantine."""
    rows = quarantine.listed(scene.node)
    return [(one.kind, one.stix_id, one.size is not None) for one in rows]


def stands(scene: Scene, stix_id: str) -> dict[str, Any]:
    """The content that counts here."""
    first = holdings.show(scene.node, stix_id)[0]
    assert first.hit.status == "accepted"
    return first.content


@pytest.mark.case("S02")
@pytest.mark.case("S20")
@pytest.mark.parametrize("way", ["pulled", "posted"])
@pytest.mark.parametrize(
    "first", ["its own", "the desk's", "another partner's", "another's, hidden"]
)
def test_the_first_content_stands_and_the_other_is_kept(
    sqlite_node: Node, neighbour: Any, way: str, first: str
) -> None:
    """Whoever brought the first: we see both, and b reads what it would read of its own object, or of an id nobody knows."""
    scene = Scene.set_up(sqlite_node)
    for name in ("b", "c"):
        partners.amend(
            sqlite_node,
            name,
            speaks_for=[{"b": B_IDENTITY, "c": C_IDENTITY}[name]],
            relays=[THIRD_IDENTITY],
        )
    known = indicator("one", by=THIRD_IDENTITY)
    match first:
        case "its own":
            scene.post("b", known)
        case "the desk's":
            scene.publish(known)
            assert known["id"] in scene.ids("b")
        case _:
            scene.apply("b", ALLOW_ANY if first == "another partner's" else DENY_ALL)
            scene.post("c", known)
    hidden = known["id"] not in scene.ids("b") and first != "its own"
    assert hidden is (first == "another's, hidden")
    if way == "posted":
        status = json.loads(scene.posted("b", known | OTHER).status)
        fresh = json.loads(scene.posted("b", indicator("new", by=THIRD_IDENTITY)).status)
        told = (status["success_count"], status["failure_count"])
        assert told == ((1, 0) if hidden else (0, 1))
        if hidden:
            assert shape(status) == shape(fresh)
        else:
            assert "other content is already known" in status["failures"][0]["message"]
    else:
        add_source(sqlite_node, neighbour(Collection([(DATE, known | OTHER)])))
        report = sync(sqlite_node)
        assert report.counts["conflict"] + report.counts["proposal"] == 1
        assert report.refusals[0].stix_id == known["id"]
    assert stands(scene, known["id"]).get("x_other") is None
    assert ("conflict", known["id"], True) in kept(scene)
    before = kept(scene)
    if way == "posted":
        scene.post("b", known | OTHER)
    else:
        sync(sqlite_node)
    assert kept(scene) == before


ALLOW_ANY = """\
partners: [b]
collections: [indicators, reports]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: all
    match: {origin: any}
    allow: true
"""
DENY_ALL = ALLOW_ANY.replace("origin: any", "origin: own, type: [tool]")


def shape(status: dict[str, Any]) -> str:
    """A status without what is its own: ids and instants."""
    text = json.dumps(status, sort_keys=True)
    own = [status["id"], status["request_timestamp"], *(one["id"] for one in status["successes"])]
    for value in own:
        text = text.replace(value, "-")
    return text


@pytest.mark.case("S02")
def test_a_conflict_that_comes_by_file_is_kept_and_its_sender_reads_received(
    new_node: Callable[..., Node], wall: Wall, tmp_path: Path
) -> None:
    """Other content than our desk's, hidden from the sender: the run names it, the quarantine has it, the receipt does not say."""
    other = as_b(new_node("sqlite", "b"), wall)
    try:
        with channel_between(new_node("sqlite"), other, tmp_path) as channel:
            channel.source()
            partners.amend(other, "a", speaks_for=[OUR_IDENTITY], relays=[THIRD_IDENTITY])
            known = indicator("one", by=THIRD_IDENTITY)
            channel.b.publish(known | {"object_marking_refs": [TLP["red"]]})
            assert known["id"] not in channel.b.ids("a")
            channel.a.publish(known | OTHER)
            path = tmp_path / "out.cxc"
            wanted = carrying.Wanted()
            assert carrying.take_out(channel.a.node, "b", path, wanted, by="courier") is not None
            (run,) = carrying.bring_in(other, path, by="desk", progress=lambda *_: None).runs
            assert run.fates["withheld"] == 1
            assert [one.stix_id for one in run.refusals] == [known["id"]]
            assert stands(channel.b, known["id"]).get("x_other") is None
            assert kept(channel.b) == [("conflict", known["id"], True)]
            back = tmp_path / "back.cxc"
            assert carrying.take_out(other, "a", back, wanted, by="courier") is not None
            carrying.bring_in(channel.a.node, back, by="desk", progress=lambda *_: None)
            with channel.a.node.database.reading() as tx:
                (row,) = rows.listing(tx, partner=channel.a.partner("b"), ours=True)
                keys = partner_keys.keys_of(tx, channel.a.partner("b"))
            assert row.receipt is not None
            receipt = read_receipt(verify(row.receipt, keys, channel.a.node.now()))
            assert {how for _, how in receipt.outcomes} == {Ended.RECEIVED}
            assert receipt.reasons == ()
    finally:
        other.close()
