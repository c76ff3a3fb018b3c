"""Comparing with stock servers that do as told: what they lost, hold back, hold too long, or will not let us read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.neighbour import Asked, Collection, Neighbour, Reply, page
from tests.scenes import B_IDENTITY, Scene, address, indicator
from tests.unit.syncing.conftest import add_source, add_target, row, sync, target_row

from cert_exchange.errors import NotFound, StoreUnavailable
from cert_exchange.node import Node
from cert_exchange.services import drift, partners, releasing, syncing
from cert_exchange.services.drift import Compared, Kind
from cert_exchange.services.drift.bucketing import Buckets, Entry, bucket_of
from cert_exchange.store.notebook import Found, Notebook

DATES = [f"2026-05-01T00:00:{second:02d}.000000Z" for second in range(60)]


@dataclass
class Stock:
    """A stock server: its manifest says versions, `match[id]` and an object's own address are answered."""

    held: Collection
    deaf: bool = False
    """to match[id]"""
    shut: bool = False
    """for who reads"""
    broken: bool = False
    asked: list[str] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Reply:
        parts = [part for part in asked.path.split("/") if part]
        if asked.method != "GET" or len(parts) < 4 or parts[-1] == "versions":
            return self.held(asked)
        if self.shut or self.broken:
            return Reply(403 if self.shut else 500)
        last: dict[str, tuple[str | None, dict[str, Any]]] = {}
        for row_ in sorted(self.held.rows, key=lambda each: str(each[1].get("modified"))):
            last[row_[1]["id"]] = row_
        rows = sorted(last.values(), key=lambda each: str(each[0]))
        if parts[-1] == "manifest":
            self.asked.append("manifest")
            rows = [
                (date, {"id": one["id"], "date_added": date, "version": one.get("modified", date)})
                for date, one in rows
            ]
        elif "match[id]" in asked.query and not self.deaf:
            self.asked.append("match")
            wanted = asked.query["match[id]"].split(",")
            return page([one for _, one in rows if one["id"] in wanted])
        elif parts[-1] != "objects":
            self.asked.append(parts[-1])
            found = [one for _, one in rows if one["id"] == parts[-1]]
            return page(found) if found else Reply(404)
        kinds = asked.query.get("match[type]")
        if kinds is not None:
            rows = [each for each in rows if each[1]["id"].partition("--")[0] in kinds.split(",")]
        other = Collection(rows, with_next=self.held.with_next)
        path = asked.path.replace("/manifest/", "/objects/")
        return other(Asked("GET", path, asked.query, asked.headers, b""))


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY, **more)


def rows(*objects: dict[str, Any]) -> list[tuple[str | None, dict[str, Any]]]:
    return list(zip(DATES, objects, strict=False))


def one(node: Node, **more: Any) -> Compared:
    (found,) = drift.reconcile(node, "b", **more).parts
    return found


def named(compared: Compared, kind: Kind) -> list[str]:
    return [each.stix_id for each in compared.examples if each.what == kind]


Peers = Callable[..., Neighbour]


def test_a_stock_server_that_went_back_is_noticed_and_never_followed(
    node: Node, neighbour: Peers
) -> None:
    """Its newest object is older than our cursor, others are gone, one stands in an older version; we keep what we hold."""
    Scene.set_up(node)
    newest = [theirs("x", version=1), theirs("last")]
    server = Stock(Collection(rows(*(theirs(f"i{n}") for n in range(5)), *newest)))
    add_source(node, neighbour(server), limit=3)
    assert sync(node).counts["accepted"] == 7
    assert one(node).whole
    cursor = row(node)["cursor"]
    server.held.rows[:] = rows(*(theirs(f"i{n}") for n in range(3)), theirs("x"))
    found = one(node, repair=True)
    lost = [theirs("i3"), theirs("i4"), theirs("last")]
    assert sorted(named(found, Kind.NOT_SHOWN)) == sorted(each["id"] for each in lost)
    assert named(found, Kind.OLDER_THERE) == [theirs("x")["id"]]
    newest_there, older = found.went_back
    assert "its newest object was added at 2026-05-01T00:00:03" in newest_there
    assert "of what we hold from it 3 are not shown any more" in newest_there
    assert older.startswith("1 of its objects stand in older versions")
    assert found.repaired == {}
    assert (found.there, found.here, found.agreed) == (4, 7, 3)
    assert row(node)["cursor"] == cursor


@pytest.mark.parametrize("deaf", [False, True])
def test_what_never_came_is_fetched_by_id(
    sqlite_node: Node, neighbour: Peers, *, deaf: bool
) -> None:
    """By match[id], or one by one from a server that does not know it; judged as in a pull; nothing is fetched twice."""
    Scene.set_up(sqlite_node)
    server = Stock(Collection(rows(*(theirs(f"i{n}") for n in range(4)))), deaf=deaf)
    add_source(sqlite_node, neighbour(server))
    sync(sqlite_node)
    bad = {**theirs("bad"), "pattern": "[no pattern"}
    late = [
        theirs("late"),
        theirs("late too"),
        bad,
        indicator("not hers", by="identity--d0000000-0000-4000-8000-00000000000d"),
    ]
    server.held.rows += [("2026-04-01T00:00:00.000000Z", each) for each in late]
    before = row(sqlite_node)["cursor"]
    found = one(sqlite_node)
    assert sorted(named(found, Kind.NEVER_SEEN)) == sorted(each["id"] for each in late)
    mended = one(sqlite_node, repair=True).repaired
    assert mended is not None
    assert mended["new"] == 2
    assert mended["failed"] == 1
    assert mended["withheld"] == 1
    again = one(sqlite_node)
    assert again.drifted == 0
    assert (again.counts[Kind.REFUSED], again.counts[Kind.PROPOSAL]) == (1, 1)
    assert again.there == again.agreed + 2
    assert row(sqlite_node)["cursor"] == before
    assert one(sqlite_node, repair=True).repaired == {}


def test_what_a_target_lost_is_sent_again_and_what_we_took_back_is_named(
    node: Node, neighbour: Peers
) -> None:
    """Not what it refused, not what is not in force any more; the cursor stays, and others' objects are no business of ours."""
    scene = Scene.set_up(node)
    scene.publish(*(indicator(f"i{n}") for n in range(6)), address("198.51.100.7"))
    server = Stock(Collection())
    server.held.refuse[indicator("i5")["id"]] = "no"
    add_target(node, neighbour(server))
    sync(node)
    server.held.rows.append((DATES[59], theirs("somebody else's")))
    found = one(node)
    assert found.counts == {Kind.REFUSED_THERE: 1}
    assert found.drifted == 0
    releasing.withdraw(node, indicator("i4")["id"], by="desk", reason="wrong")
    sync(node)
    lost = {indicator("i0")["id"], address("198.51.100.7")["id"]}
    server.held.rows[:] = [each for each in server.held.rows if each[1]["id"] not in lost]
    position = target_row(node)["cursor"]
    found = one(node)
    assert set(named(found, Kind.MISSING_THERE)) == lost
    assert named(found, Kind.STILL_THERE) == [indicator("i4")["id"]]
    posts = len(server.held.posts)
    mended = one(node, repair=True, by="anna").repaired
    assert mended == {"sent": 2, "confirmed": 2, "refused": 0, "unconfirmed": 0, "gone": 0}
    assert [set(each) for each in server.held.posts[posts:]] == [lost]
    assert one(node).drifted == 0
    assert target_row(node)["cursor"] == position


def test_nothing_is_sent_again_while_the_partner_is_frozen_or_suspended(
    sqlite_node: Node, neighbour: Peers
) -> None:
    """The comparison says so; a suspended partner is not even asked."""
    from cert_exchange.services import freezing

    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("one"))
    server = Stock(Collection())
    add_target(sqlite_node, neighbour(server))
    sync(sqlite_node)
    server.held.rows.clear()
    freezing.freeze_everyone(sqlite_node, by="desk", reason="test")
    found = one(sqlite_node, repair=True)
    assert "frozen" in found.unrepaired
    assert found.counts[Kind.MISSING_THERE] >= 1
    assert server.held.rows == []
    partners.suspend(sqlite_node, "b", by="desk")
    asked = len(server.asked)
    assert "suspended" in one(sqlite_node, repair=True).trouble
    assert len(server.asked) == asked


def test_a_server_that_cannot_be_read_spoils_no_other_comparison(
    sqlite_node: Node, neighbour: Peers
) -> None:
    """Write-only for us, out of order, or cut off: each says so, and what was not read is not missing."""
    Scene.set_up(sqlite_node).publish(indicator("one"))
    fine = Stock(Collection(rows(theirs("a"))))
    closed = Stock(Collection())
    add_source(sqlite_node, neighbour(fine))
    add_target(sqlite_node, neighbour(closed))
    assert sync(sqlite_node, "from-b").ok
    assert sync(sqlite_node, "to-b").ok
    closed.shut = True
    pulled, pushed = drift.reconcile(sqlite_node, "b").parts
    assert pulled.whole
    assert "We may write there and not read" in pushed.trouble
    assert pushed.counts == {}
    fine.broken = True
    pulled, _ = drift.reconcile(sqlite_node, "b").parts
    assert pulled.failed
    assert pulled.counts == {}
    with pytest.raises(NotFound):
        drift.reconcile(sqlite_node, "c")


def test_two_sources_of_one_collection_are_compared_together(
    sqlite_node: Node, neighbour: Peers
) -> None:
    """What only one of them shows is not missing, and each is asked for what it showed itself."""
    Scene.set_up(sqlite_node)
    first, second = Stock(Collection(rows(theirs("a")))), Stock(Collection(rows(theirs("b"))))
    add_source(sqlite_node, neighbour(first), "one")
    add_source(sqlite_node, neighbour(second), "two")
    for name in ("one", "two"):
        assert sync(sqlite_node, name).ok
    second.held.rows.append(("2026-04-01T00:00:00.000000Z", theirs("late")))
    found = one(sqlite_node, channel="one", repair=True)
    assert found.names == ("one", "two")
    assert found.counts == {Kind.NEVER_SEEN: 1}
    assert found.repaired is not None
    assert (found.repaired["new"], found.repaired["gone"]) == (1, 0)
    assert first.asked.count("match") == 0
    assert one(sqlite_node).whole


def test_what_a_source_does_not_ask_for_is_not_called_gone(
    sqlite_node: Node, neighbour: Peers
) -> None:
    """Nobody looked before `start` or outside `match`: both are said, with how many we hold there; they are no drift."""
    Scene.set_up(sqlite_node)
    server = Stock(Collection(rows(theirs("a"), theirs("b"), address("192.0.2.1"), theirs("c"))))
    peer = neighbour(server)
    add_source(sqlite_node, peer)
    sync(sqlite_node)
    syncing.reset(sqlite_node, "from-b", DATES[2], by="desk")
    found = one(sqlite_node)
    assert found.whole
    assert (found.there, found.here, found.agreed, found.drifted) == (1, 4, 1, 0)
    (note,) = found.notes
    assert f"from-b has start {DATES[2]}" in note
    assert "among it 3 that we hold from there and that were not shown" in note
    assert sync(sqlite_node).ok
    last = (
        server.held.rows.pop()
    )  # nobody asks for it any more, and none of this is a sign of its age
    assert one(sqlite_node).whole
    server.held.rows.append(last)
    syncing.remove(sqlite_node, "pull", "from-b", by="desk")

    add_source(sqlite_node, peer, match={"type": "malware,ipv4-addr"})
    sync(sqlite_node)
    found = one(sqlite_node)
    assert found.whole
    assert (found.there, found.here, found.agreed, found.drifted) == (1, 4, 1, 0)
    (note,) = found.notes
    assert "from-b has match type=malware,ipv4-addr" in note
    assert "among it 3 " in note
    del server.held.rows[1:3]  # an indicator, and the address
    found = one(sqlite_node)
    assert named(found, Kind.NOT_SHOWN) == [address("192.0.2.1")["id"]]
    assert found.drifted == 1
    assert found.went_back == []


def test_older_versions_that_a_source_asks_for_are_no_drift(
    sqlite_node: Node, neighbour: Peers
) -> None:
    """With match[version], an older version than ours is what the source's own filter shows."""
    Scene.set_up(sqlite_node)
    server = Stock(Collection(rows(theirs("a", version=1))))
    peer = neighbour(server)
    add_source(sqlite_node, peer)
    sync(sqlite_node)
    syncing.remove(sqlite_node, "pull", "from-b", by="desk")
    server.held.rows[:] = rows(theirs("a"))
    for version, drifted in (("first", 0), ("last", 1)):
        add_source(sqlite_node, peer, match={"version": version})
        assert one(sqlite_node).drifted == drifted
        syncing.remove(sqlite_node, "pull", "from-b", by="desk")


def test_a_target_is_compared_with_all_that_its_server_shows(
    sqlite_node: Node, neighbour: Peers
) -> None:
    """What it was sent does not depend on `start` or `match`, which are a source's: nothing of it is called missing."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("one"), address("198.51.100.7"))
    add_target(
        sqlite_node,
        neighbour(Stock(Collection())),
        start="2026-12-01T00:00:00Z",
        match={"type": "malware"},
    )
    assert sync(sqlite_node).ok
    found = one(sqlite_node)
    assert found.whole
    assert found.there == found.agreed >= 2


def test_digests_find_the_part_that_differs() -> None:
    """Whatever the order; another version, other bytes and one more each change their own part alone."""
    entries = [
        Entry(theirs(f"i{n}")["id"], "2026-01-01T00:00:00.000Z", bytes([n]) * 32) for n in range(50)
    ]
    ours, other = Buckets(), Buckets()
    ours.add(entries)
    other.add(reversed(entries))
    assert ours.differing(other) == []
    assert json.loads(json.dumps(ours.document())) == other.document()
    for changed in (
        Entry(entries[0].stix_id, "2026-01-02T00:00:00.000Z", entries[0].digest),
        Entry(entries[0].stix_id, entries[0].version, bytes(32)),
    ):
        differs = Buckets()
        differs.add([changed, *entries[1:]])
        if changed != entries[0]:
            assert ours.differing(differs) == [bucket_of(entries[0].stix_id)]


def test_a_notebook_keeps_what_memory_would_not() -> None:
    """Each entry once; differences by kind in their order, and crossed out; a disk without room is said."""
    with Notebook() as book:
        assert book.show([("a", "1", b""), ("a", "1", b"")]) == [("a", "1", b"")]
        assert book.show([("a", "1", b""), ("b", "", b"x")]) == [("b", "", b"x")]
        assert book.shown(["a", "b", "c"]) == {"a": [("1", b"")], "b": [("", b"x")]}
        book.find(Found("odd", f"i{n}", "", "why", n) for n in range(1_000))
        assert [each.place for each in book.found("odd", limit=3)] == [0, 1, 2]
        assert len(list(book.found("odd"))) == 1_000
        book.forget([Found("odd", "i1", "")])
        assert book.counts() == {"odd": 999}
    with pytest.raises(StoreUnavailable), Notebook():
        raise sqlite3.OperationalError("database or disk is full")


def test_a_repair_stops_at_the_gate_of_its_source(sqlite_node: Node, neighbour: Peers) -> None:
    """As a pull does: what would pass the limit stays there, the source is shut, and another repair fetches nothing."""
    Scene.set_up(sqlite_node)
    server = Stock(Collection(rows(theirs("i0"))))
    add_source(sqlite_node, neighbour(server), most_objects=3)
    sync(sqlite_node)
    server.held.rows += [("2026-04-01T00:00:00.000000Z", theirs(f"late {n}")) for n in range(5)]
    found = one(sqlite_node, repair=True)
    assert "Shut by its gate" in found.unrepaired
    assert found.repaired is not None
    assert found.repaired["new"] == 0
    assert row(sqlite_node)["paused_at"] is not None
    asked = server.asked.count("match")
    assert "Shut by its gate" in one(sqlite_node, repair=True).unrepaired
    assert server.asked.count("match") == asked + 1
    assert one(sqlite_node).counts == {Kind.NEVER_SEEN: 5}
