"""A partner that is suspended one way: the worker stops that way at the next page or batch, and goes on the other way."""

from __future__ import annotations

from typing import Any

from tests.neighbour import Asked, Collection, Reply
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import add_source, add_target, row, sync, target_row

from cert_exchange.node import Node
from cert_exchange.services import partners, syncing
from cert_exchange.services.partners import Direction


def offering(*names: str) -> Collection:
    """A remote collection that holds indicators of these names."""
    rows: list[tuple[str | None, dict[str, Any]]] = [
        (f"2026-05-01T00:00:{n:02d}.000000Z", indicator(name, by=B_IDENTITY))
        for n, name in enumerate(names)
    ]
    return Collection(rows)


def due(node: Node) -> list[str]:
    return [one.direction for one in syncing.due_channels(node)]


def test_sending_alone_pushes_nothing_and_goes_on_pulling(node: Node, neighbour):
    """No POST leaves, the pull comes; taken up again, all that waits goes out once."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"))
    inbox, outbox = Collection(), offering("x")
    add_target(node, neighbour(inbox))
    add_source(node, neighbour(outbox))
    partners.suspend(node, "b", direction=Direction.SENDING)
    pushed = sync(node, only="to-b")
    assert "suspended" in pushed.outcome
    assert inbox.posts == []
    assert sync(node, only="from-b").counts["accepted"] == 1
    seen = partners.would_resume(node, "b")
    assert [(one.collection, one.way, one.versions) for one in seen.backlogs] == [
        ("indicators", "polls", len(scene.ids("b"))),
        ("indicators", "to-b", len(scene.ids("b"))),
    ]
    partners.resume(node, "b")
    assert sync(node, only="to-b").counts["sent"] == len(scene.ids("b"))


def test_sending_stopped_in_the_middle_of_a_run(node: Node, neighbour):
    """The batch that is on its way ends; no further one is begun, and the cursor stands where it was."""
    scene = Scene.set_up(node)
    scene.publish(*[indicator(f"i{n}") for n in range(6)])
    inbox = Collection()

    def stop(asked: Asked) -> Reply | None:
        if asked.method == "POST":
            partners.suspend(node, "b", direction=Direction.SENDING)
        return None

    inbox.before = stop
    add_target(node, neighbour(inbox), batch_objects=2)
    sync(node)
    assert len(inbox.posts) == 1
    before = target_row(node)["cursor"]
    sync(node)
    assert (len(inbox.posts), target_row(node)["cursor"]) == (1, before)
    partners.resume(node, "b")
    inbox.before = lambda _asked: None
    sync(node)
    assert [one for post in inbox.posts for one in post] == scene.ids("b")


def test_receiving_alone_pulls_nothing_and_goes_on_pushing(node: Node, neighbour):
    """The source is not due and refuses by hand; a page that was fetched before is not stored, and no cursor moves."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"))
    inbox = Collection()
    outbox = offering("x")

    def stop(asked: Asked) -> Reply | None:
        if "objects" in asked.path:
            partners.suspend(node, "b", direction=Direction.RECEIVING)
        return None

    outbox.before = stop
    add_target(node, neighbour(inbox))
    add_source(node, neighbour(outbox))
    report = sync(node, only="from-b")
    assert not report.ok
    assert row(node)["cursor"] is None
    assert indicator("x")["id"] not in scene.ids("c")
    assert due(node) == ["push"]
    assert sync(node, only="to-b").ok
    assert len(inbox.posts) == 1
    refused = sync(node, only="from-b")
    for one in (report, refused):
        assert "is suspended by us: nothing is pulled from it" in one.outcome
        assert "Failing" not in one.outcome
        assert one.suspended
    assert row(node)["attempts"] == 0
    partners.resume(node, "b", direction=Direction.RECEIVING)
    outbox.before = lambda _asked: None
    assert sync(node, only="from-b").counts["accepted"] == 1
