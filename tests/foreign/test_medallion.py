"""medallion, the reference TAXII 2.1 server, as a foreign peer: pulled from and pushed to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.foreign.conftest import COLLECTION, PASSWORD, USER
from tests.scenes import (
    B_IDENTITY,
    Scene,
    address,
    envelope,
    identity,
    indicator,
    malware,
    relationship,
)
from tests.unit.syncing.conftest import quarantined, received, sync

from cert_exchange.node import Node
from cert_exchange.services import releasing, syncing


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY, **more)


def add(node: Node, url: str, tmp_path: Path, *, push: bool = False, **options: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    (syncing.add_target if push else syncing.add_source)(
        node, "medallion", partner="b", url=url, remote_collection=COLLECTION, collection="indicators",
        secret=secret, options={"insecure": True, "auth": "basic", "user": USER, **options},
    )  # fmt: skip


def test_pull_with_one_instant_for_all(node: Node, medallion, tmp_path):
    """One POST gave 250 objects one date_added, over three pages of one and the same `next`: all arrive, once."""
    scene = Scene.set_up(node)
    date = "2026-05-01T00:00:00.000000Z"
    peer = medallion([(date, theirs(f"i{n:03d}")) for n in range(250)])
    add(node, peer.url, tmp_path)
    report = sync(node)
    assert report.ok, report.outcome
    assert report.counts["accepted"] == 250
    assert report.counts["pages"] == 3
    assert received(scene) == [f"i{n:03d}" for n in range(250)]
    again = sync(node)
    assert again.ok
    assert again.counts.get("accepted", 0) == 0


def test_pull_goes_on_where_it_was(node: Node, medallion, tmp_path):
    """What is POSTed to medallion between two runs comes with the next, whatever instant it got."""
    scene = Scene.set_up(node)
    peer = medallion()
    add(node, peer.url, tmp_path)
    for number in range(4):
        peer.post(
            f"collections/{COLLECTION}/objects/",
            envelope(theirs(f"i{number}"), theirs("x", version=number)),
        )
        report = sync(node)
        assert report.ok, report.outcome
        assert report.counts["accepted"] == 2
    assert len(received(scene)) == 8


def test_a_wrong_password_is_said(sqlite_node: Node, medallion, tmp_path):
    """401 from the real server: an alarm with its words."""
    Scene.set_up(sqlite_node)
    peer = medallion()
    add(sqlite_node, peer.url, tmp_path, user="nobody")
    report = sync(sqlite_node)
    assert not report.ok
    assert "401" in report.outcome
    assert PASSWORD not in report.outcome


def test_push(node: Node, medallion, tmp_path):
    """Everything of the view arrives byte for value; a second run sends nothing; what is withdrawn is deleted."""
    scene = Scene.set_up(node)
    scene.publish(
        identity("identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11", "CERT A"),
        *(indicator(f"i{n:03d}") for n in range(130)),
        malware("m"), relationship(indicator("i000"), malware("m")), address("198.51.100.7"),
    )  # fmt: skip
    peer = medallion(max_content_length=20_000)
    add(node, peer.url, tmp_path, push=True, delete=True)
    report = sync(node)
    assert report.ok, report.outcome
    assert report.counts["refused"] == 0
    assert report.counts["confirmed"] == report.counts["sent"] == len(scene.ids("b"))
    held = {one["id"]: one for page in pages(peer) for one in page}
    assert held == {one["id"]: one for one in scene.sees("b")}
    assert sync(node).outcome == "Nothing new to push."
    releasing.withdraw(node, indicator("i005")["id"], by="desk", reason="wrong")
    scene.publish(indicator("late"))
    assert sync(node).ok
    now = {one["id"] for page in pages(peer) for one in page}
    assert indicator("late")["id"] in now


def pages(peer: Any) -> list[list[dict[str, Any]]]:
    found = []
    token = ""
    while True:
        page = peer.get(f"collections/{COLLECTION}/objects/?limit=100{token}")
        found.append(page.get("objects", []))
        if not page.get("more"):
            return found
        token = f"&next={page['next']}"


def test_a_lost_answer_is_no_refusal(node: Node, medallion, tmp_path):
    """medallion calls what it holds a failure: pushed again after a lost answer it counts as confirmed."""
    from cert_exchange.store.tables import targets

    scene = Scene.set_up(node)
    scene.publish(indicator("a"), indicator("b"), address("198.51.100.7"))
    peer = medallion()
    add(node, peer.url, tmp_path, push=True)
    sync(node)
    node.database.transact(lambda tx: tx.execute(targets.update().values(cursor=0)))
    report = sync(node)
    assert report.ok
    assert report.counts["confirmed"] == report.counts["sent"]
    assert quarantined(node) == []


@pytest.mark.case("S09")
def test_push_and_pull_of_one_collection_comes_to_rest(node: Node, medallion, tmp_path):
    """Both ways through one foreign collection: after the first exchange nothing moves any more."""
    scene = Scene.set_up(node)
    scene.publish(indicator("ours"))
    peer = medallion([("2026-05-01T00:00:00.000000Z", theirs("a"))])
    add(node, peer.url, tmp_path)
    add(node, peer.url, tmp_path, push=True)
    syncing.sync_once(node)
    syncing.sync_once(node)
    before = (scene.log("b"), len(peer.objects()), received(scene))
    for _ in range(5):
        reports = syncing.sync_once(node)
        assert all(report.ok for report in reports)
        assert (
            sum(
                report.counts.get("accepted", 0) + report.counts.get("sent", 0)
                for report in reports
            )
            == 0
        )
    assert (scene.log("b"), len(peer.objects()), received(scene)) == before
