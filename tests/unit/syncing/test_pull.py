"""A source: what comes is stored with its cursor, whatever the server does."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from tests.neighbour import Asked, Collection, Reply, page
from tests.scenes import B_IDENTITY, Scene, indicator, malware, relationship
from tests.unit.syncing.conftest import add_source, counters, quarantined, received, row, sync

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.services import ledger, syncing
from cert_exchange.services.syncing import reading
from cert_exchange.store import channels


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY, **more)


def dated(*objects: dict[str, Any], start: int = 0) -> list[tuple[str | None, dict[str, Any]]]:
    return [(f"2026-05-01T00:00:{start + n:02d}.000000Z", one) for n, one in enumerate(objects)]


@pytest.mark.case("P16")
@pytest.mark.case("P11")
def test_each_object_comes_once(node: Node, neighbour):
    """A run drains the collection; the next asks from the stored cursor and takes nothing twice."""
    scene = Scene.set_up(node)
    peer = neighbour(Collection(dated(*(theirs(f"i{n}") for n in range(7)))))
    add_source(node, peer, limit=3, server="cert-exchange")
    report = sync(node)
    assert report.ok
    assert (report.counts["received"], report.counts["accepted"]) == (7, 7)
    assert received(scene) == [f"i{n}" for n in range(7)]
    assert row(node)["cursor"] == "2026-05-01T00:00:06.000000Z"
    assert row(node)["next_token"] is None
    again = sync(node)
    assert again.ok
    assert again.counts.get("received", 0) == 0
    assert peer.gets()[-1].query["added_after"] == "2026-05-01T00:00:06.000000Z"
    assert counters(node)["total"]["accepted"] == 7


def test_overlap_is_dropped_as_duplicates(node: Node, neighbour):
    """A foreign server is asked for the last ten minutes again; what we hold is counted and not stored again."""
    scene = Scene.set_up(node)
    add_source(node, neighbour(Collection(dated(*(theirs(f"i{n}") for n in range(4))))))
    sync(node)
    again = sync(node)
    assert (again.counts["duplicate"], again.counts.get("accepted", 0)) == (4, 0)
    assert len(received(scene)) == 4


@pytest.mark.case("S12")
@pytest.mark.case("W22")
def test_a_bad_object_is_parked_once_and_the_rest_goes_on(node: Node, neighbour):
    """One object that fails always: quarantined with its reason, not again at each poll, and the cursor moves on."""
    scene = Scene.set_up(node)
    bad = theirs("bad") | {"pattern": "[ not a pattern"}
    add_source(node, neighbour(Collection(dated(theirs("a"), bad, theirs("c")))))
    first = sync(node)
    assert (first.counts["accepted"], first.counts["rejected"]) == (2, 1)
    assert first.refusals[0].stix_id == bad["id"]
    assert first.refusals[0].reason
    assert received(scene) == ["a", "c"]
    assert [one[:2] for one in quarantined(node)] == [("rejected", bad["id"])]
    second = sync(node)
    assert second.counts["known"] == 1
    assert len(quarantined(node)) == 1
    assert row(node)["cursor"] == "2026-05-01T00:00:02.000000Z"


@pytest.mark.case("S12")
def test_a_page_that_no_parser_reads_loses_only_its_poison(node: Node, neighbour):
    """A lone surrogate, a key twice and endless nesting spoil their own object only."""
    scene = Scene.set_up(node)
    good = [json.dumps(theirs(f"i{n}")).encode() for n in range(2)]
    poison = [
        json.dumps(theirs("s")).encode().replace(b'"s"', b'"\\ud800"'),
        json.dumps(theirs("d")).encode().replace(b"{", b'{"name": "d", ', 1),
        json.dumps(theirs("n"))
        .encode()
        .replace(b"{", b'{"x_n": ' + b"[" * 9000 + b"]" * 9000 + b", ", 1),
    ]
    body = b'{"objects": [' + b",".join([good[0], *poison, good[1]]) + b"]}"
    date = "2026-05-01T00:00:00.000000Z"
    headers = {"X-TAXII-Date-Added-First": date, "X-TAXII-Date-Added-Last": date}
    add_source(node, neighbour(lambda _: Reply(body=body, headers=headers)))
    report = sync(node)
    assert report.ok
    assert (report.counts["accepted"], report.counts["rejected"]) == (2, 3)
    assert received(scene) == ["i0", "i1"]
    assert row(node)["cursor"] == date


@pytest.mark.case("S02")
def test_other_content_under_the_same_version_is_a_conflict(node: Node, neighbour):
    """A change without a new modified is reported, once, and the first content stays."""
    scene = Scene.set_up(node)
    collection = Collection(dated(theirs("a")))
    add_source(node, neighbour(collection))
    sync(node)
    collection.rows = dated(theirs("a", tlp="amber"))
    report = sync(node)
    assert report.counts["conflict"] == 1
    assert sync(node).counts["known"] == 1
    assert [one[0] for one in quarantined(node)] == ["conflict"]
    assert received(scene) == ["a"]


@pytest.mark.case("S08")
@pytest.mark.case("P23")
def test_pages_before_a_broken_line_are_kept(node: Node, neighbour):
    """The line breaks on page 3 of 4: pages 1 and 2 stay, the next run goes on after them and never at an old next."""
    scene = Scene.set_up(node)
    collection = Collection(dated(*(theirs(f"i{n}") for n in range(8))))
    peer = neighbour(collection)
    collection.before = lambda _: Reply(body=b" " * 100, cut=10) if len(peer.gets()) == 3 else None
    add_source(node, peer, limit=2, server="cert-exchange")
    broken = sync(node)
    assert not broken.ok
    assert "broke off" in broken.outcome
    assert len(received(scene)) == 4
    assert row(node)["attempts"] == 1
    assert row(node)["next_attempt_at"] > node.now()
    whole = sync(node)
    assert whole.ok
    assert received(scene) == [f"i{n}" for n in range(8)]
    after = peer.gets()[3].query
    assert after["added_after"] == "2026-05-01T00:00:03.000000Z"
    assert "next" not in after
    assert "the run before was interrupted" in " ".join(whole.notes)


@pytest.mark.case("P01")
def test_paging_that_does_not_advance_is_a_visible_error(node: Node, neighbour):
    """The same tail for ever: the objects are kept, the failure says what is wrong."""
    scene = Scene.set_up(node)
    date = "2026-05-01T00:00:00.000000Z"
    objects = [theirs(f"i{n}") for n in range(5)]
    add_source(node, neighbour(lambda _: page(objects, more=True, first=date, last=date)))
    report = sync(node)
    assert not report.ok
    assert "does not advance" in row(node)["last_outcome"]
    assert len(received(scene)) == 5


@pytest.mark.case("P13")
def test_an_ignored_filter_is_reported(node: Node, neighbour):
    """The full set at each poll: dropped as duplicates, noted in the report."""
    Scene.set_up(node)
    objects = [theirs(f"i{n}") for n in range(6)]
    first, last = "2026-04-01T00:00:00.000000Z", "2026-05-01T00:00:00.000000Z"
    add_source(node, neighbour(lambda _: page(objects, first=first, last=last)))
    sync(node)
    report = sync(node)
    assert report.counts["duplicate"] == 6
    assert any("ignored added_after" in note for note in report.notes)


@pytest.mark.case("P16")
def test_without_date_headers_the_cursor_comes_from_the_manifest(node: Node, neighbour):
    """X-TAXII-Date-Added-Last is missing: the manifest's date is the cursor, never our clock."""
    scene = Scene.set_up(node)
    collection = Collection(dated(theirs("a"), theirs("b")))

    def undated(asked: Asked) -> Reply | None:
        if asked.path.endswith("/objects/") and "added_after" not in asked.query:
            return page([one for _, one in collection.rows])
        return None

    collection.before = undated
    peer = neighbour(collection)
    add_source(node, peer)
    assert sync(node).ok
    assert row(node)["cursor"] == "2026-05-01T00:00:01.000000Z"
    collection.rows += dated(theirs("c"), start=30)
    assert sync(node).counts["accepted"] == 1
    assert received(scene) == ["a", "b", "c"]


@pytest.mark.case("P16")
def test_without_any_dates_everything_is_asked_again(node: Node, neighbour):
    """Neither headers nor a manifest: the whole range again, duplicates dropped, nothing lost."""
    scene = Scene.set_up(node)
    objects = [theirs("a")]
    peer = neighbour(
        lambda asked: page(objects) if asked.path.endswith("/objects/") else Reply(404)
    )
    add_source(node, peer)
    sync(node)
    objects.append(theirs("b"))
    report = sync(node)
    assert (report.counts["accepted"], report.counts["duplicate"]) == (1, 1)
    assert row(node)["cursor"] is None
    assert received(scene) == ["a", "b"]


@pytest.mark.case("W06")
def test_churn_pauses_the_source(node: Node, neighbour):
    """The same things under new ids at each poll: paused at the second, before the store fills."""
    scene = Scene.set_up(node)
    run = [0]

    def fresh(_: Asked) -> Reply:
        run[0] += 1
        return page([theirs(f"{run[0]}-{n}") | {"name": f"n{n}"} for n in range(8)])

    add_source(node, neighbour(fresh))
    assert sync(node).counts["accepted"] == 8
    report = sync(node)
    assert not report.ok
    assert report.outcome.startswith("Paused")
    assert row(node)["paused_at"] is not None
    assert len(received(scene)) == 8
    assert syncing.sync_once(node) == []
    assert syncing.due_channels(node) == []


def test_relationships_of_one_kind_are_no_churn(sqlite_node: Node, neighbour):
    """What only ties others together is alike by nature."""
    Scene.set_up(sqlite_node)
    run = [0]

    def more(_: Asked) -> Reply:
        run[0] += 1
        ends = [malware(f"m{run[0]}-{n}", by=B_IDENTITY) for n in range(9)]
        links = [relationship(ends[n], ends[n + 1], by=B_IDENTITY) for n in range(8)]
        return page(links)

    add_source(sqlite_node, neighbour(more))
    assert sync(sqlite_node).counts["accepted"] == 8
    assert sync(sqlite_node).counts["accepted"] == 8


@pytest.mark.case("W01")
@pytest.mark.case("W10")
@pytest.mark.case("U01")
def test_silence_is_said_and_the_next_pages_are_smaller(node: Node, neighbour):
    """A time-out: the sentence names the limit and since when; smaller pages are asked next, and grow again."""
    Scene.set_up(node)
    collection = Collection(dated(theirs("a")))
    collection.before = lambda _: Reply(silent=True)
    peer = neighbour(collection)
    add_source(node, peer, read_seconds=0.2)
    report = sync(node)
    assert "silent for too long (limit 0.2 s)" in report.outcome
    assert "Failing since" in row(node)["last_outcome"]
    first_since = counters(node)["failing_since"]
    sync(node)
    assert counters(node)["failing_since"] == first_since
    collection.before = lambda _: None
    peer.released.set()
    assert sync(node).ok
    assert [one.query["limit"] for one in peer.gets()] == ["1000", "500", "250"]
    assert counters(node)["failing_since"] is None
    assert row(node)["attempts"] == 0
    sync(node)
    assert peer.gets()[-1].query["limit"] == "500"


@pytest.mark.case("W07")
def test_one_silent_partner_delays_nobody(sqlite_node: Node, neighbour):
    """Ten sources, one silent: nine have finished long before its limit ends it."""
    Scene.set_up(sqlite_node)
    silent = neighbour(lambda _: Reply(silent=True))
    add_source(sqlite_node, silent, "a-silent", read_seconds=5.0)
    for n in range(9):
        add_source(sqlite_node, neighbour(Collection(dated(theirs(f"i{n}")))), f"source-{n}")
    stop = threading.Event()
    thread = threading.Thread(target=lambda: syncing.sync_once(sqlite_node, stop=stop))
    begun = time.monotonic()
    thread.start()
    while time.monotonic() - begun < 4.5:
        with sqlite_node.database.reading() as tx:
            from cert_exchange.store import channels

            done = [one.name for one in channels.channels(tx) if one.last_success_at]
        if len(done) == 9:
            break
        time.sleep(0.05)
    assert len(done) == 9
    silent.released.set()
    thread.join()


@pytest.mark.checklist(68)
@pytest.mark.parametrize("status", [401, 403, 404])
def test_refused_or_gone_is_an_alarm(sqlite_node: Node, neighbour, status):
    """401, 403 and a collection's 404 are no empty poll: an hour until the next try, and a sentence."""
    Scene.set_up(sqlite_node)
    add_source(sqlite_node, neighbour(lambda _: Reply(status)))
    report = sync(sqlite_node)
    assert not report.ok
    assert str(status) in report.outcome
    assert report.next_attempt_at - sqlite_node.now() > 3_500_000_000


@pytest.mark.checklist(68)
def test_retry_after_is_obeyed_and_backoff_grows(sqlite_node: Node, neighbour):
    """429 with Retry-After: not before; without: each pause about twice the last, kept in the row."""
    Scene.set_up(sqlite_node)
    reply = [Reply(429, headers={"Retry-After": "1234"})]
    add_source(sqlite_node, neighbour(lambda _: reply[0]))
    assert sync(sqlite_node).next_attempt_at - sqlite_node.now() > 1_230_000_000
    reply[0] = Reply(503)
    waits = [sync(sqlite_node).next_attempt_at - sqlite_node.now() for _ in range(10)]
    assert 40_000_000 < waits[0] < 80_000_000
    assert waits[2] > waits[0]
    assert max(waits) < 4_600_000_000
    assert row(sqlite_node)["attempts"] == 11


def test_a_source_that_is_not_due_is_left_alone(sqlite_node: Node, neighbour, wall):
    """The worker sees a channel when its time has come and nobody has it."""
    from datetime import timedelta

    Scene.set_up(sqlite_node)
    add_source(sqlite_node, neighbour(Collection(dated(theirs("a")))), every_seconds=300)
    assert [one.name for one in syncing.due_channels(sqlite_node)] == ["from-b"]
    sync(sqlite_node)
    assert syncing.due_channels(sqlite_node) == []
    wall.forward(timedelta(seconds=330))
    assert len(syncing.due_channels(sqlite_node)) == 1
    syncing.pause(sqlite_node, "from-b")
    assert syncing.due_channels(sqlite_node) == []
    syncing.resume(sqlite_node, "from-b")
    assert len(syncing.due_channels(sqlite_node)) == 1


@pytest.mark.case("W09")
def test_a_new_start_drops_what_was_stored(node: Node, neighbour):
    """The operator sets the start back: the next request begins there, without the old cursor or next."""
    Scene.set_up(node)
    peer = neighbour(Collection(dated(*(theirs(f"i{n}") for n in range(4)))))
    add_source(node, peer, server="cert-exchange")
    sync(node)
    syncing.restart_at(node, "from-b", "2026-05-01T00:00:00.5Z")
    report = sync(node)
    assert report.counts["duplicate"] == 3
    assert peer.gets()[-1].query["added_after"] == "2026-05-01T00:00:00.500000Z"
    with pytest.raises(errors.ConfigurationInvalid, match="yesterday"):
        syncing.restart_at(node, "from-b", "yesterday")


@pytest.mark.case("S35")
@pytest.mark.parametrize("fault", ["not_done", "done_answer_lost"])
@pytest.mark.parametrize("page_number", [1, 2, 3])
def test_a_fault_at_any_commit_loses_and_doubles_nothing(
    node: Node, neighbour, monkeypatch, page_number, fault
):
    """The commit of a page fails, or it is done and only its answer is lost: the next run ends with the whole."""
    scene = Scene.set_up(node)
    collection = Collection(dated(*(theirs(f"i{n}") for n in range(6))))
    add_source(node, neighbour(collection), limit=2, server="cert-exchange")
    original = type(node.database).transact
    pages = [0]

    def transact(self: Any, work: Any) -> Any:
        if not work.__qualname__.startswith("_store_part."):
            return original(self, work)
        pages[0] += 1
        if pages[0] == page_number and fault == "not_done":
            raise errors.StoreUnavailable(detail="injected")
        result = original(self, work)
        if pages[0] == page_number:
            raise errors.StoreUnavailable(detail="injected")
        return result

    monkeypatch.setattr(type(node.database), "transact", transact)
    broken = sync(node)
    assert not broken.ok
    kept = 2 * (page_number - (fault == "not_done"))
    assert len(received(scene)) == kept
    assert sync(node).ok
    monkeypatch.undo()
    assert received(scene) == [f"i{n}" for n in range(6)]
    assert counters(node)["total"]["accepted"] == 6
    assert counters(node)["total"].get("duplicate", 0) == 0
    ledger.seal(node)


def test_a_worker_that_was_overtaken_stores_nothing(node: Node, neighbour):
    """The lease went to another in the middle of a page: its transaction leaves nothing."""
    scene = Scene.set_up(node)
    collection = Collection(dated(theirs("a")))

    def overtake(asked: Asked) -> Reply | None:
        if asked.path.endswith("/objects/"):
            node.database.transact(
                lambda tx: tx.execute(
                    sources_table()
                    .update()
                    .values(lease_owner="another", lease_until=node.now() + 60_000_000)
                )
            )
        return None

    def sources_table() -> Any:
        from cert_exchange.store.tables import sources

        return sources

    collection.before = overtake
    add_source(node, neighbour(collection))
    report = sync(node)
    assert not report.ok
    assert "took this channel over" in report.outcome
    assert received(scene) == []
    assert row(node)["lease_owner"] == "another"
    assert "runs this channel now" in sync(node).outcome


def test_a_source_that_is_removed_while_it_runs_stores_nothing_more(node: Node, neighbour):
    """The run in hand finds its row gone: the page leaves nothing, and a new source of that name is not its own."""
    scene = Scene.set_up(node)
    collection = Collection(dated(theirs("a")))

    def take_away(asked: Asked) -> Reply | None:
        if asked.path.endswith("/objects/"):
            syncing.remove(node, "pull", "from-b", by="tester")
        return None

    collection.before = take_away
    add_source(node, neighbour(collection))
    report = sync(node)
    assert not report.ok
    assert received(scene) == []
    collection.before = lambda _asked: None
    add_source(node, neighbour(collection))
    assert sync(node).ok
    assert len(received(scene)) == 1


def test_two_workers_race_for_one_source(node: Node, neighbour):
    """Four at once: one runs it, the others say so; nothing is doubled."""
    scene = Scene.set_up(node)
    collection = Collection(dated(*(theirs(f"i{n}") for n in range(4))))
    add_source(node, neighbour(collection), limit=1, server="cert-exchange")
    reports: list[syncing.RunReport] = []
    threads = [
        threading.Thread(target=lambda: reports.extend(syncing.sync_once(node))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert received(scene) == [f"i{n}" for n in range(4)]
    assert counters(node)["total"]["accepted"] == 4
    assert sum(report.counts.get("accepted", 0) for report in reports) == 4


def test_a_doubtful_clock_stops_taking_in(sqlite_node: Node, neighbour, wall):
    """The wall clock jumps: nothing is stored, the cursor stays."""
    from datetime import timedelta

    scene = Scene.set_up(sqlite_node)
    add_source(sqlite_node, neighbour(Collection(dated(theirs("a")))))
    wall.jump(timedelta(days=2))
    assert not sync(sqlite_node).ok
    assert received(scene) == []
    assert row(sqlite_node)["cursor"] is None


def test_unexpected_members_do_no_harm(sqlite_node: Node, neighbour):
    """Objects that are no objects are refused one by one; the page's rest is taken."""
    scene = Scene.set_up(sqlite_node)
    add_source(
        sqlite_node,
        neighbour(
            lambda _: page(
                [
                    17,
                    None,
                    "x",
                    theirs("a"),
                    [],
                    {"type": "bundle", "id": "bundle--1", "objects": [theirs("b")]},
                ]
            )
        ),
    )
    report = sync(sqlite_node)
    assert (report.counts["accepted"], report.counts["rejected"]) == (1, 5)
    assert received(scene) == ["a"]


def test_a_secret_is_copied_and_sent(sqlite_node: Node, neighbour, tmp_path):
    """The row names the file; only its owner may read it; the server sees the secret."""
    Scene.set_up(sqlite_node)
    secret = tmp_path / "given"
    secret.write_text("pass:wörd\n")
    peer = neighbour(Collection(dated(theirs("a"))))
    syncing.add_source(
        sqlite_node, "s", partner="b", url=peer.url, remote_collection=peer.collection, collection="indicators",
        secret=secret, options={"insecure": True, "auth": "basic", "user": "me"},
    )  # fmt: skip
    assert sync(sqlite_node).ok
    import base64

    assert base64.b64decode(peer.gets()[0].headers["authorization"][6:]).decode() == "me:pass:wörd"
    kept = sqlite_node.settings.home / "secrets" / "remote-pull-s.secret"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "wörd" not in row(sqlite_node)["options"]
    kept.chmod(0o644)
    report = sync(sqlite_node)
    assert not report.ok
    assert "can be read by others" in report.outcome


def test_what_is_refused_when_adding(sqlite_node: Node, neighbour):
    """Unknown partner or collection, a second of that name, plain http, unknown options: one sentence each."""
    Scene.set_up(sqlite_node)
    peer = neighbour(Collection())
    good: dict[str, Any] = {
        "partner": "b", "url": peer.url, "remote_collection": "c", "collection": "indicators",
        "options": {"insecure": True},
    }  # fmt: skip
    syncing.add_source(sqlite_node, "one", **good)
    for name, wrong, words in (
        ("one", {}, "already"),
        ("Two", {}, "no name"),
        ("two", {"partner": "x"}, "no partner x"),
        ("two", {"collection": "x"}, "no collection x"),
        ("two", {"options": {}}, "https"),
        ("two", {"options": {"limit": 0, "nope": 1}}, "nope"),
        ("two", {"options": {"insecure": True, "ca_file": "missing.pem"}}, "missing.pem"),
    ):
        with pytest.raises(errors.CertExchangeError, match=words):
            syncing.add_source(sqlite_node, name, **(good | wrong))
    with pytest.raises(errors.NotFound):
        syncing.sync_once(sqlite_node, only="nobody")


def test_progress_is_told(sqlite_node: Node, neighbour):
    """The caller's bar sees how many objects went."""
    Scene.set_up(sqlite_node)
    add_source(
        sqlite_node, neighbour(Collection(dated(*(theirs(f"i{n}") for n in range(4))))), limit=2
    )
    seen: list[int] = []
    syncing.sync_once(sqlite_node, progress=lambda done, _: seen.append(done))
    assert seen[-1] == 4


def test_reading_a_page_keeps_places(sqlite_node: Node):
    """Each piece of a page that cannot be parsed whole keeps its index."""
    from cert_exchange.remote.envelope import read_envelope
    from cert_exchange.remote.pager import Page

    body = b'{"objects": [{"a": "\\ud800"}, ' + json.dumps(theirs("a")).encode() + b"]}"
    (batch,) = reading.parts_of(
        Page(1, body, read_envelope(body), None, None, 0), sqlite_node.limits
    )
    assert [(one.index, one.item is None) for one in batch.items] == [(0, True), (1, False)]


@pytest.mark.case("S09")
@pytest.mark.case("S29")
def test_nothing_moves_after_the_first_exchange(new_node, neighbour):
    """What came from b never goes back to b, and ten more cycles write nothing new."""
    node = new_node("sqlite")
    scene = Scene.set_up(node)
    scene.publish(indicator("ours"))
    add_source(node, neighbour(Collection(dated(theirs("a"), theirs("a", version=1)))))
    sync(node)
    before = (scene.log("b"), scene.log("c"), received(scene))
    for _ in range(10):
        assert sync(node).counts.get("accepted", 0) == 0
    assert (scene.log("b"), scene.log("c"), received(scene)) == before
    assert scene.names("b") == ["ours"]


def test_what_was_planned_before_the_clock_was_set_back_is_not_waited_for(
    node: Node, neighbour, wall
):
    """A clock three hours ahead for a minute: neither the next attempt nor a dead worker's lease stands when it is right."""
    scene = Scene.set_up(node)
    collection = Collection(dated(theirs("a")))
    collection.before = lambda _: Reply(503)
    add_source(node, neighbour(collection))
    wall.jump(timedelta(hours=3))
    assert not sync(node).ok
    assert syncing.due_channels(node) == []
    wall.jump(timedelta(hours=-3))
    collection.before = lambda _: None
    (channel,) = syncing.due_channels(node)
    ahead = node.now() + 3 * 3600 * 1_000_000
    assert node.database.transact(
        lambda tx: channels.take_lease(
            tx, channel, owner="dead", now=ahead, until=ahead + 480_000_000
        )
    )
    (channel,) = syncing.due_channels(node)
    report = syncing.run_channel(node, channel, owner="next", stop=threading.Event())
    assert report.ok
    assert received(scene) == ["a"]
    assert syncing.due_channels(node) == []


@pytest.mark.case("S12")
@pytest.mark.case("S29")
def test_hundreds_that_are_refused_at_each_poll_are_kept_once(node: Node, neighbour):
    """More than a row remembers, from a server that is asked for the same time again: nothing is added at the later polls."""
    Scene.set_up(node)
    many = [theirs(f"i{n}") | {"pattern": "[ no pattern"} for n in range(300)]
    date = "2026-05-01T00:00:00.000000Z"
    add_source(node, neighbour(lambda _: page(many, first=date, last=date)))
    assert sync(node).counts["rejected"] == 300
    kept = quarantined(node)
    assert len(kept) == 300
    for _ in range(2):
        sync(node)
        assert quarantined(node) == kept
