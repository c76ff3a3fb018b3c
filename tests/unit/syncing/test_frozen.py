"""A freeze and a target: nothing is pushed, what was recalled is asked back all the same, and then all goes on."""

from __future__ import annotations

from tests.neighbour import Collection
from tests.scenes import Scene, indicator
from tests.unit.syncing.conftest import add_source, add_target, sync, target_row

from cert_exchange.node import Node
from cert_exchange.services import freezing, recalling
from cert_exchange.services.recalling import Has


def test_while_frozen_nothing_is_pushed_and_recalls_go_out(node: Node, neighbour):
    """The unsent object waits, the sent one is deleted there once, and after the freeze the rest goes once."""
    scene = Scene.set_up(node)
    scene.publish(indicator("sent"), indicator("wrong"))
    remote = Collection()
    add_target(node, neighbour(remote), delete=True)
    assert sync(node).ok
    cursor = target_row(node)["cursor"]
    posts = len(remote.posts)
    scene.publish(indicator("unsent"))
    done = recalling.recall(node, indicator("wrong")["id"], by="duty", reason="wrong")
    assert {(one.partner, one.has, one.target) for one in done.holders if one.partner == "b"} == {
        ("b", Has.FETCHED, "to-b")
    }
    report = sync(node)
    assert report.ok
    assert "frozen" in report.outcome
    assert len(remote.posts) == posts
    assert target_row(node)["cursor"] == cursor
    assert [one for one, _ in remote.deleted] == [indicator("wrong")["id"]]
    sync(node)
    assert len(remote.deleted) == 1
    freezing.unfreeze(node, "b", by="duty", reason="mended")
    assert sync(node).counts["sent"] == 2
    sent = [one for post in remote.posts[posts:] for one in post]
    assert [one for one in sent if not one.startswith("note--")] == [indicator("unsent")["id"]]
    assert len(sent) == 2  # and the notice, which the freeze had kept back


def test_without_the_right_to_delete_it_waits_and_says_so(sqlite_node: Node, neighbour):
    """Nothing is sent at all; afterwards the report says what the partner is asked to delete, or cannot be recalled."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("wrong"))
    remote = Collection()
    peer = neighbour(remote)
    add_target(sqlite_node, peer)
    sync(sqlite_node)
    recalling.recall(sqlite_node, indicator("wrong")["id"], by="duty", reason="wrong")
    assert sync(sqlite_node).counts["not_recalled"] == 0
    assert remote.deleted == []
    freezing.unfreeze(sqlite_node, "b", by="duty", reason="mended")
    report = sync(sqlite_node)
    gone = [one.stix_id for one in report.refusals]  # with what was carried for it
    assert indicator("wrong")["id"] in gone
    assert report.counts["noticed"] == 1
    assert report.counts["not_recalled"] == len(gone) - 1


def test_pulling_goes_on(sqlite_node: Node, neighbour):
    """A freeze is of what goes out."""
    from tests.scenes import B_IDENTITY

    Scene.set_up(sqlite_node)
    freezing.freeze_everyone(sqlite_node, by="duty", reason="r")
    rows = [("2026-05-01T00:00:00.000000Z", indicator("theirs", by=B_IDENTITY))]
    add_source(sqlite_node, neighbour(Collection(rows)))
    report = sync(sqlite_node)
    assert (report.ok, report.counts["accepted"]) == (True, 1)
