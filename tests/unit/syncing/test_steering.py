"""Orders to a source or target: one way only, seen before they act, and in the ledger."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from tests.neighbour import Collection
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import add_source, add_target, row, sync, target_row

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.services import syncing
from cert_exchange.services.syncing.running import in_turn
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import channels
from cert_exchange.store.tables import ledger_lines, sources


def theirs(*names: str) -> list[tuple[str | None, dict[str, Any]]]:
    return [
        (f"2026-05-01T00:00:{second:02d}.000000Z", indicator(name, by=B_IDENTITY))
        for second, name in enumerate(names)
    ]


def kinds(node: Node) -> list[str]:
    with node.database.reading() as tx:
        bodies = tx.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        return [str(json.loads(body)["kind"]) for body in bodies]


def test_a_target_sends_again_what_was_released_since(
    node: Node, neighbour: Any, wall: Any
) -> None:
    """The count that was shown before is what goes; nothing older, nothing that was withdrawn since, and no doubles there."""
    scene = Scene.set_up(node)
    scene.publish(indicator("old"))
    wall.forward(timedelta(hours=1))
    since = format_micros(node.now())
    wall.forward(timedelta(seconds=1))
    scene.publish(indicator("a"), indicator("b"))
    remote = Collection()
    add_target(node, neighbour(remote))
    sync(node)
    sent = [one for post in remote.posts for one in post]
    before = target_row(node)["cursor"]
    seen = syncing.resend_since(node, "to-b", since, by="anna", dry_run=True)
    assert (seen.objects, target_row(node)["cursor"]) == (2, before)
    done = syncing.resend_since(node, "to-b", since, by="anna")
    assert done == seen
    remote.posts.clear()
    report = sync(node)
    assert report.counts["sent"] == report.counts["confirmed"] == 2
    assert [one for post in remote.posts for one in post] == sent[-2:]
    assert len(remote.rows) == len(sent)
    assert target_row(node)["cursor"] == before
    assert "target.resend" in kinds(node)


def test_nothing_to_send_again_says_so(sqlite_node: Node, neighbour: Any) -> None:
    """Before anything was sent, later than what was sent, and for what is no instant."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("a"))
    add_target(sqlite_node, neighbour(Collection()))
    with pytest.raises(errors.InputRefused, match="it has sent nothing"):
        syncing.resend_since(sqlite_node, "to-b", "2020-01-01T00:00:00Z", by="anna")
    sync(sqlite_node)
    with pytest.raises(errors.InputRefused, match="goes on by itself"):
        syncing.resend_since(sqlite_node, "to-b", "2999-01-01T00:00:00Z", by="anna")
    with pytest.raises(errors.InputRefused, match="no instant"):
        syncing.resend_since(sqlite_node, "to-b", "yesterday", by="anna")
    with pytest.raises(errors.NotFound, match="no source or target from-b"):
        syncing.resend_since(sqlite_node, "from-b", "2020-01-01T00:00:00Z", by="anna")


def test_a_source_is_reset_and_its_preview_changes_nothing(node: Node, neighbour: Any) -> None:
    """What the manifest shows from there, then everything comes again as duplicates."""
    Scene.set_up(node)
    add_source(node, neighbour(Collection(theirs("a", "b", "c"))), server="cert-exchange")
    sync(node)
    cursor = row(node)["cursor"]
    start = "2026-05-01T00:00:00Z"
    seen = syncing.reset(node, "from-b", start, by="anna", dry_run=True)
    assert (seen.before, seen.objects, seen.at_least) == (cursor, 2, False)
    assert row(node)["cursor"] == cursor
    syncing.reset(node, "from-b", by="anna")
    assert row(node)["cursor"] is None
    report = sync(node)
    assert (report.counts["received"], report.counts["duplicate"]) == (3, 3)
    assert "source.reset" in kinds(node)
    with pytest.raises(errors.ConfigurationInvalid, match="yesterday"):
        syncing.reset(node, "from-b", "yesterday", by="anna", dry_run=True)


def test_an_order_means_one_way(sqlite_node: Node, neighbour: Any) -> None:
    """A source and a target of one name: pausing the source leaves the target, and the other way round."""
    Scene.set_up(sqlite_node)
    peer = neighbour(Collection())
    add_source(sqlite_node, peer, name="b")
    add_target(sqlite_node, peer, name="b")
    syncing.pause(sqlite_node, "b", direction="pull", by="anna")
    assert [one.direction for one in syncing.due_channels(sqlite_node)] == ["push"]
    syncing.pause(sqlite_node, "b", direction="push", by="anna")
    syncing.resume(sqlite_node, "b", direction="pull", by="anna")
    assert [one.direction for one in syncing.due_channels(sqlite_node)] == ["pull"]
    assert [one for one in kinds(sqlite_node) if one.startswith(("source.", "target."))] == [
        "source.pause",
        "target.pause",
        "source.resume",
    ]


@pytest.mark.case("W12")
def test_a_run_that_was_killed_is_marked_at_the_next_start(node: Node, neighbour: Any) -> None:
    """Its lease ends, another worker goes on from its last page, and the run says which one never ended."""
    Scene.set_up(node)
    remote = Collection(theirs(*(f"i{n}" for n in range(6))))
    peer = neighbour(remote)
    add_source(node, peer, limit=2, server="cert-exchange")

    class KilledError(BaseException):
        """As a process ends: nothing of ours catches it."""

    with node.database.reading() as tx:
        (source,) = channels.channels(tx)
    original = type(node.database).transact
    pages = [0]

    def transact(self: Any, work: Any) -> Any:
        if work.__qualname__.startswith("_store_part."):
            pages[0] += 1
            if pages[0] == 2:
                raise KilledError
        return original(self, work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(node.database), "transact", transact)
        with pytest.raises(KilledError):
            syncing.run_channel(node, source, owner="first", stop=threading.Event())
    stand = syncing.stand(node, "pull", "from-b")
    assert stand.state == "running now"  # as far as anybody can know: its lease stands
    busy = syncing.run_channel(node, source, owner="second", stop=threading.Event())
    assert "Another worker" in busy.outcome
    node.database.transact(
        lambda tx: tx.execute(sources.update().values(lease_until=node.now() - 1))
    )
    assert "never ended" in syncing.stand(node, "pull", "from-b").state
    report = syncing.run_channel(node, source, owner="second", stop=threading.Event())
    assert report.counts["received"] == 4
    assert "was interrupted" in " ".join(report.notes)
    after = syncing.stand(node, "pull", "from-b")
    assert (after.state, after.interrupted) == ("active", 1)
    assert "was interrupted" not in " ".join(sync(node).notes)


def test_partners_take_turns(sqlite_node: Node, neighbour: Any) -> None:
    """One with many sources does not stand before the others, also where a worker has few places."""
    Scene.set_up(sqlite_node)
    peer = neighbour(Collection())
    for number in range(10):
        add_source(sqlite_node, peer, name=f"a{number}")
    syncing.add_source(
        sqlite_node, "z", partner="c", url=peer.url, remote_collection="x", collection="indicators",
        options={"insecure": True},
    )  # fmt: skip
    assert "z" in [one.name for one in syncing.due_channels(sqlite_node)][:2]
    assert in_turn([]) == []
