"""The self-test of a partner against servers as they are: medallion, and a node of ours. One engine: no SQL is its subject."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from sqlalchemy import select
from tests.conftest import OUR_IDENTITY, Wall
from tests.foreign.conftest import COLLECTION
from tests.foreign.test_medallion import add, theirs
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.unit.services.test_beating import TESTS
from tests.unit.syncing.conftest import sync
from tests.unit.syncing.peers import as_b, channel_between

from cert_exchange.node import Node
from cert_exchange.services import beating, holdings, selftest, syncing
from cert_exchange.services.beating import sending
from cert_exchange.services.introducing import proving
from cert_exchange.store.tables import objects, submissions

LOOKS = {"write", "status", "read back", "microseconds", "Unicode", "markings", "taken away"}


def results(done: selftest.SelfTest) -> dict[str, str]:
    return {one.step: one.result for one in done.steps}


def test_medallion(sqlite_node: Node, medallion: Any, tmp_path: Path) -> None:
    """Every step runs against the stock server; what was written for it is gone afterwards, and what was there stays."""
    node = sqlite_node
    Scene.set_up(node).publish(indicator("ours"))
    date = "2026-05-01T00:00:00.000000Z"
    peer = medallion([(date, theirs(f"i{n:03d}")) for n in range(3)])
    add(node, peer.url, tmp_path)
    add(node, peer.url, tmp_path, push=True)
    assert [one.ok for one in syncing.sync_once(node)] == [True, True]
    before = peer.objects()

    done = selftest.try_partner(node, "b")
    assert {one.step for one in done.steps if one.result == "not run"} == LOOKS
    assert "no collection for tests is known there" in {one.said for one in done.steps}
    assert (done.wrong, done.verdict) == (0, selftest.NOTHING_WRONG), done

    beating.arrange(node, "b", test_collection=COLLECTION, by="tester")
    done = selftest.try_partner(node, "b")
    assert done.wrong == 0, done
    assert all(results(done)[step] == "ok" for step in LOOKS), done
    assert results(done)["repeatable next"] == "note"  # medallion forgets it once it was asked
    assert all(one.ms is not None for one in done.steps)
    assert peer.objects() == before
    assert done.left_behind == ()
    state = sending.beat_now(node, "b")
    assert (state.way, state.trouble) == ("written and read back", "")
    assert peer.objects() == before
    written = [
        one for one in selftest.try_partner(node, "b", write=False).steps if one.step in LOOKS
    ]
    assert {one.said for one in written} == {"nothing was to be written"}


def test_a_wrong_password_ends_it_with_its_own_words(
    sqlite_node: Node, medallion: Any, tmp_path: Path
) -> None:
    """What comes after the step that failed is named, and said not to have run."""
    Scene.set_up(sqlite_node)
    add(sqlite_node, medallion().url, tmp_path, user="nobody")
    assert not sync(sqlite_node).ok
    done = selftest.try_partner(sqlite_node, "b")
    found = results(done)
    assert found["HTTP"] == "wrong"
    assert found["rights"] == found["read"] == found["write"] == "not run"
    assert done.verdict.startswith(selftest.CAUSES["not let in"])


def test_a_node_of_ours(new_node: Any, wall: Wall, tmp_path: Path) -> None:
    """A cert-exchange gives back on request what came from us, so that a round trip shows; nobody sees the test meanwhile."""
    a, b = new_node("sqlite", "a"), as_b(new_node("sqlite", "b"), wall)
    with channel_between(a, b, tmp_path) as channel:
        channel.source()
        channel.a.publish(indicator("real"))
        assert channel.pull().ok
        beating.arrange(b, "a", test_collection="indicators", by="tester")
        done = selftest.try_partner(b, "a")
        assert (done.wrong, done.verdict) == (0, selftest.NOTHING_WRONG), done
        assert all(results(done)[step] == "ok" for step in LOOKS), done
        assert channel.a.names("b") == ["real"]
        token = channel.secret(channel.a, "b").read_text()

        def ask(body: Any = None) -> Any:
            request = Request(
                f"http://127.0.0.1:{channel.to_a.port_behind}/exchange/v1/selftest",
                data=None if body is None else json.dumps(body).encode(),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )
            with urlopen(request, timeout=10) as answer:
                return json.load(answer)

        said = ask()
        assert (said["you_are"], said["you_speak_for"]) == ("b", [B_IDENTITY])
        counts = {one["alias"]: one["object_versions_for_you"] for one in said["collections"]}
        assert counts == {"indicators": 3, "reports": 0}  # its creator and marking come with it

        def held() -> tuple[int, int]:
            with a.database.reading() as tx:
                return len(tx.execute(select(objects)).all()), len(
                    tx.execute(select(submissions)).all()
                )

        before = held()
        good, stranger = indicator("x", by=B_IDENTITY), indicator("y", by=OUR_IDENTITY)
        tried = ask({"objects": [good, stranger, {"type": "indicator"}]})
        assert [one["valid"] for one in tried["objects"]] == [True, True, False]
        assert json.loads(tried["objects"][0]["we_would_keep"]) == good
        assert "kept as a proposal" in tried["objects"][1]["message"]
        assert held() == before


def test_a_heartbeat_comes_back_as_a_receipt(new_node: Any, wall: Wall, tmp_path: Path) -> None:
    """From A's store through its policy to B's node, which signs that it has it; B knows it as a heartbeat, and uses it not."""
    a, b = new_node("sqlite", "a"), as_b(new_node("sqlite", "b"), wall)
    with channel_between(a, b, tmp_path) as channel:
        ground = proving.ground(a)
        proving.admit(a, "b", by="tester")
        channel.a.apply("b", TESTS.format(name="b"))
        proving.ground(b)
        proving.admit(b, "a", by="tester")
        syncing.add_source(
            b, "tests", partner="a", url=channel.to_a.url, remote_collection=ground, collection="test",
            secret=channel.secret(channel.a, "b"),
            options={"insecure": True, "auth": "bearer", "server": "cert-exchange"},
        )  # fmt: skip
        sending.beat_now(a, "b")
        for _ in range(2):  # the receipt of a run is handed over by the same run, or by the next
            assert sync(b).ok
        sending.look(a)
        (state,) = [one.state for one in beating.pulses(a) if one.partner == "b"]
        assert (state.seen_at, state.way) == (state.sent_at, "it signed a receipt")
        (theirs_,) = [one for one in beating.pulses(b) if one.partner == "a"]
        assert theirs_.beat_heard_at == theirs_.heard_at is not None
        known = beating.beat_id(OUR_IDENTITY, B_IDENTITY)
        (hit,) = holdings.search(b, text=known)
        assert hit.test
