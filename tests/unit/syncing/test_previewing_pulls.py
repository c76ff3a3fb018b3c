"""`sync preview`: what a pull would change is what it then changes, and the look itself changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.conftest import Wall
from tests.neighbour import Collection, Reply
from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import add_source, add_target, sync
from tests.unit.syncing.peers import as_b, channel_between

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.node import Node
from cert_exchange.services import partners, syncing
from cert_exchange.services.gating import previewing
from cert_exchange.store.tables import metadata


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY, **more)


def dated(*objects: dict[str, Any], minute: int = 0) -> list[tuple[str | None, dict[str, Any]]]:
    return [(f"2026-05-01T00:{minute:02d}:{n:02d}.000000Z", one) for n, one in enumerate(objects)]


def everything(node: Node) -> dict[str, list[str]]:
    """All rows of all tables, and what stands in files of the home beside them."""
    with node.database.reading() as tx:
        found = {
            table.name: sorted(map(str, tx.execute(select(table)).all()))
            for table in metadata.sorted_tables
        }
    found["files"] = sorted(
        f"{file} {file.stat().st_mtime_ns}"
        for file in node.settings.home.rglob("*")
        if file.is_file() and not file.name.startswith("exchange")
    )
    return found


def counted(counts: Any) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number}


@pytest.mark.case("U05")
def test_it_is_the_pull_and_leaves_nothing(node: Node, neighbour):
    """Objects, counts, places and reasons: what the look says, over several pages, is what the pull then does."""
    scene = Scene.set_up(node)
    collection = Collection(dated(theirs("old"), theirs("same")))
    peer = neighbour(collection)
    add_source(node, peer, limit=2)
    assert sync(node).ok
    collection.rows += dated(
        theirs("old", version=9, revoked=True),
        theirs("fresh"),
        theirs("bad") | {"pattern": "[ not a pattern"},
        indicator("strange", by=C_IDENTITY),
        theirs("same", tlp="amber"),
        minute=1,
    )
    before = everything(node)
    seen = previewing.preview(node, "from-b")
    assert everything(node) == before
    assert (seen.ok, seen.whole, seen.fetched) == (True, True, 7)
    assert {(one.name, one.becomes, one.place, one.rule) for one in seen.verdicts[2:]} == {
        ("old", "updated", "in use", ""),
        ("fresh", "new", "in use", ""),
        ("", "failed", "quarantine", "validation"),
        ("strange", "withheld", "proposals", "ownership"),
        ("same", "refused", "quarantine", "conflict"),
    }
    assert (seen.ends, seen.quarantined) == (1, 2)
    asked = len(peer.gets())
    report = sync(node)
    assert [one.query for one in peer.gets()[asked:]] == [
        one.query for one in peer.gets()[asked - seen.requests : asked]
    ]
    assert counted(seen.counts) == counted(report.counts)
    assert seen.outcome == report.outcome
    assert [(one.id, one.version, one.reason) for one in seen.verdicts if one.rule] == [
        (one.stix_id, one.version, one.reason) for one in report.refusals
    ]
    assert scene.sees("c") == []


def test_it_ends_where_it_is_told_to(node: Node, neighbour):
    """With much to come it looks at the first pages, and says that this is not all."""
    Scene.set_up(node)
    peer = neighbour(Collection(dated(*(theirs(f"i{n}") for n in range(9)))))
    add_source(node, peer, limit=2)
    seen = previewing.preview(node, "from-b", most=3)
    assert (len(seen.verdicts), seen.whole, seen.ok) == (4, False, True)
    assert seen.requests == len(peer.gets()) == 2


def test_a_remote_that_fails_says_so_and_what_came_before(sqlite_node: Node, neighbour):
    """The line breaks on page 2: the look shows page 1 and the error, as the pull would."""
    Scene.set_up(sqlite_node)
    collection = Collection(dated(*(theirs(f"i{n}") for n in range(4))))
    peer = neighbour(collection)
    collection.before = lambda _: Reply(body=b" " * 100, cut=10) if len(peer.gets()) == 2 else None
    add_source(sqlite_node, peer, limit=2)
    seen = previewing.preview(sqlite_node, "from-b")
    assert (seen.ok, seen.whole, len(seen.verdicts)) == (False, False, 2)
    assert "broke off" in seen.outcome
    assert sync(sqlite_node).ok


def test_what_may_not_be_pulled_is_not_looked_at(sqlite_node: Node, neighbour):
    """Neither a target, nor what nobody knows, nor the source of a suspended partner: nothing is asked."""
    Scene.set_up(sqlite_node)
    peer = neighbour(Collection())
    add_source(sqlite_node, peer)
    add_target(sqlite_node, peer)
    with pytest.raises(NotFound, match="give a source"):
        previewing.preview(sqlite_node, "to-b")
    with pytest.raises(NotFound):
        previewing.preview(sqlite_node, "from-x")
    partners.suspend(sqlite_node, "b", by="tester")
    with pytest.raises(ConfigurationInvalid, match="suspended"):
        previewing.preview(sqlite_node, "from-b")
    assert not peer.requests
    assert syncing.sync_once(sqlite_node) is not None


def test_signed_statements_are_asked_for_and_not_kept(
    new_node: Callable[..., Node], wall: Wall, tmp_path: Path
):
    """Of a source that requires statements: the look asks for them and judges by them; receipts come with the pull.

    On one engine: the statements are asked for between two passes, and SQL has no part in that.
    """
    a, b = new_node("sqlite", "a"), as_b(new_node("sqlite", "b"), wall)
    with channel_between(a, b, tmp_path) as channel:
        channel.source(statements="require", limit=3)
        for n in range(2):
            channel.a.publish(*(indicator(f"i{n}{m}") for m in range(4)))
        before = everything(b)
        seen = previewing.preview(b, "from-a")
        assert everything(b) == before
        assert (seen.ok, seen.counts["signed"]) == (True, seen.counts["received"])
        assert channel.to_a.count("receipts") == 0
        report = channel.pull()
        assert counted(seen.counts) == counted(report.counts)
        assert channel.to_a.count("receipts") > 0
    b.close()
