"""`cert_exchange.client` and `examples/`, against a real node over TLS, and against medallion."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.foreign.conftest import COLLECTION, PASSWORD, USER, Peer
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.taxii.test_certificates import Place, placed

from cert_exchange.client import Client, Pushed, Refused, fetch_feed
from cert_exchange.client.values import outcome_of
from cert_exchange.errors import (
    ConfigurationInvalid,
    RemoteRefused,
    RemoteTlsFailed,
)
from cert_exchange.node import Node
from cert_exchange.remote.connection import Options
from cert_exchange.services import feeding, pki, releasing
from cert_exchange.services.feeding import Format, choose

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def tls_node(sqlite_node: Node, tmp_path: Path) -> Iterator[Place]:
    """How a client speaks is the subject, and the store is not: one engine is enough."""
    with placed(sqlite_node, tmp_path) as made:
        (tmp_path / "authority.pem").write_text(
            "".join(text for _, text in pki.describe_own(sqlite_node))
        )
        (tmp_path / "credential.txt").write_text(made.tokens["b"] + "\n")
        yield made


def client_of(place: Place, **more: Any) -> Client:
    return Client(
        f"https://localhost:{place.port}/api/",
        credential=place.folder / "credential.txt",
        ca=place.folder / "authority.pem",
        **more,
    )


def desk(place: Place) -> Scene:
    """The scene that is served, for its desk."""
    return Scene(place.node)


def example(place: Place, name: str, *said: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), f"https://localhost:{place.port}/api/", *said,
         "--credential", str(place.folder / "credential.txt"), "--ca", str(place.folder / "authority.pem")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_it_reads_each_object_once_and_goes_on_from_its_bookmark(tls_node: Place) -> None:
    """Pages with a cursor to keep; what is hidden from us is absent everywhere."""
    ours = [indicator(f"n{n}") for n in range(5)]
    hidden = indicator("hidden", tlp="red")
    desk(tls_node).publish(*ours, hidden)
    wanted = {one["id"] for one in ours}
    with client_of(tls_node, options=Options(server="cert-exchange", limit=2)) as client:
        [shown] = [one for one in client.collections() if one.alias == "indicators"]
        assert (shown.can_read, shown.title) == (True, "indicators")
        pages = list(client.poll("indicators", match={"type": "indicator"}))
        assert [len(page.objects) for page in pages] == [2, 2, 1]
        assert {one["id"] for page in pages for one in page.objects} == wanted
        assert list(client.poll("indicators", since=pages[-1].cursor))[-1].objects == []
        later = indicator("later")
        desk(tls_node).publish(later)
        since = pages[-1].cursor
        new = [one["id"] for page in client.poll("indicators", since=since) for one in page.objects]
        assert new == [later["id"]]
        records = [one for one in client.manifest("indicators") if one.id in wanted]
        assert [(one.id, one.version) for one in records] == [
            (one["id"], one["modified"]) for one in ours
        ]
        assert client.find("indicators", ours[0]["id"])[0]["pattern"] == ours[0]["pattern"]
        assert client.find("indicators", hidden["id"]) == ()


def test_each_poll_keeps_its_own_filter(tls_node: Place) -> None:
    """One inside the other, over one client: neither is shown what it did not ask for, and neither skips anything."""
    ours = [indicator(f"m{n}") for n in range(5)]
    desk(tls_node).publish(*ours)
    with client_of(tls_node, options=Options(server="cert-exchange", limit=2)) as client:
        asked = {"type": "indicator"}
        outer = client.poll("indicators", match=asked)
        seen = [one["id"] for one in next(outer).objects]
        asked["type"] = "note"
        assert list(client.manifest("indicators", match={"type": "note"})) == []
        every = client.poll("indicators")
        assert {one["type"] for page in every for one in page.objects} > {"indicator"}
        for page in outer:
            seen += [one["id"] for one in page.objects]
            assert next(client.poll("indicators", match={"type": "malware"})).objects == []
        assert seen == [one["id"] for one in ours]


def test_a_push_says_of_each_object_what_became_of_it(tls_node: Place) -> None:
    """In parts, all waited for; what is refused comes with the server's reason, and what no part can carry with its size."""
    sound = [indicator(f"s{n}", by=B_IDENTITY) for n in range(3)]
    broken = {**indicator("broken", by=B_IDENTITY), "pattern": "no pattern"}
    huge = {**indicator("huge", by=B_IDENTITY), "description": "x" * (9 * 1024 * 1024)}
    odd: list[Any] = [{1: "a"}, {"id": "x", "n": {3}}, {"s": "\ud800"}, {"n": 2**70}, "text"]
    with client_of(tls_node) as client:
        none = client.push("indicators", odd)
        assert (none.sent, none.accepted, len(none.refused)) == (5, 0, 5)
        assert [one.id for one in none.refused] == ["", "x", "", "", ""]
        assert all(one.message.startswith("it is no JSON object: ") for one in none.refused)
        pushed = client.push("indicators", [*sound, broken, huge, odd[1]], batch=2)
        assert (pushed.sent, pushed.accepted, pushed.pending) == (6, 3, 0)
        assert {one.id for one in pushed.refused} == {broken["id"], huge["id"], "x"}
        assert all(one.message for one in pushed.refused)
        assert client.status(pushed.status_ids[0], sent=2).accepted == 2
        again = client.push("indicators", sound)
        assert (again.accepted, again.refused) == (3, ())
        with pytest.raises(RemoteRefused) as refused:
            client.push("reports-of-nobody", sound)
        assert refused.value.remote_status == 404


def test_a_feed_is_fetched_when_it_changed_and_replaces_its_file(tls_node: Place) -> None:
    """Its own address and credential; an unchanged one has no body, and a refusal leaves the file as it is."""
    desk(tls_node).publish(indicator("f1", pattern="[domain-name:value = 'bad.example']"))
    feeding.add(tls_node.node, "names", choose(Format.LIST), by="x")
    key = tls_node.folder / "feed.txt"
    key.write_text(feeding.issue(tls_node.node, "names", by="x").token)
    url, ca = f"https://localhost:{tls_node.port}/feeds/names", tls_node.folder / "authority.pem"
    first = fetch_feed(url, credential=key, ca=ca)
    assert first.body is not None
    assert b"bad.example" in first.body
    assert fetch_feed(url, credential=key, ca=ca, tag=first.tag).body is None
    file = tls_node.folder / "names.txt"

    def update(*more: str, into: Path = file) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(EXAMPLES / "update_blocklist.py"), url, str(into),
             "--credential", str(key), "--ca", str(ca), *more],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    for _ in range(2):  # a firewall that was not reloaded is reloaded by the next run
        failed = update("--after", f"{sys.executable} -c 'import sys; sys.exit(3)'")
        assert (failed.returncode, file.read_bytes()) == (1, first.body)
        assert "ended with 3; the next run runs it again" in failed.stderr
    reloaded = tls_node.folder / "reloaded"
    assert update("--after", f"touch {reloaded}").returncode == 0
    assert reloaded.exists()
    assert "up to date" in update().stdout
    for given in ({"into": tls_node.folder / "nowhere" / "names.txt"}, {}):
        file.with_name("names.txt.tag").unlink(missing_ok=True)
        nothing = update("--after", "/no/such/command", **given)
        assert (nothing.returncode, nothing.stderr.count("\n")) == (1, 1), nothing.stderr
        assert "No such file" in nothing.stderr
    assert update().returncode == 0
    releasing.withdraw(tls_node.node, indicator("f1")["id"], by="x", reason="x")
    assert update().returncode == 0
    assert b"bad.example" not in file.read_bytes()
    feeding.remove(tls_node.node, "names", by="x")
    kept = file.read_bytes()
    refused = update()
    assert (refused.returncode, file.read_bytes()) == (1, kept)
    assert "stays as it is" in refused.stderr


def test_it_believes_nobody_whom_it_was_not_told_to(tls_node: Place) -> None:
    """The server's certificate is verified, its own is shown where one is asked for, and a file that is none is named."""
    with (
        Client(f"https://localhost:{tls_node.port}/api/", credential="x.y") as stranger,
        pytest.raises(RemoteTlsFailed),
    ):
        stranger.collections()
    _, pair = tls_node.holder().certified_by(tls_node.node, "b")
    with client_of(tls_node, certificate=pair) as shown:
        assert shown.collections()
    with pytest.raises(ConfigurationInvalid, match="There is no file"):
        client_of(tls_node, certificate=Path("/nowhere.pem"))
    table = tls_node.folder / "table.txt"
    table.write_text("name secret\n")
    with pytest.raises(ConfigurationInvalid, match="holds no credential"):
        Client("https://localhost/api/", credential=table)
    with pytest.raises(ConfigurationInvalid, match="https"):
        Client("http://cert-a.example/api/", credential="x.y")
    with pytest.raises(ConfigurationInvalid, match="malformed"):
        fetch_feed("https://[x/feeds/names", credential="x.y")


def test_it_speaks_to_another_server(medallion: Callable[..., Peer]) -> None:
    """medallion, with user and password."""
    rows = [(f"2026-01-0{n + 1}T00:00:00.000001Z", indicator(f"m{n}")) for n in range(3)]
    peer = medallion(rows, page=2)
    with Client(peer.url, credential=PASSWORD, user=USER, options=Options(insecure=True)) as client:
        found = [one["id"] for page in client.poll(COLLECTION) for one in page.objects]
        assert set(found) == {one["id"] for _, one in rows}
        fresh = indicator("pushed")
        assert client.push(COLLECTION, [fresh]).accepted == 1
        assert client.find(COLLECTION, fresh["id"])[0]["id"] == fresh["id"]


def test_a_status_that_a_server_writes_badly_is_read_as_far_as_it_goes() -> None:
    """Counts without lists, lists without counts, ids that no path may hold: nothing raises, nothing is called done."""
    unnamed = outcome_of({"status": "complete", "success_count": 1, "failure_count": 1}, 2)
    assert [one.message for one in unnamed.refused] == ["the server does not say which, or why"]
    listed = outcome_of({"status": "complete", "successes": [{}], "failures": ["odd", {}]}, 3)
    assert (listed.accepted, [one.id for one in listed.refused]) == (1, ["", ""])
    assert outcome_of({"id": "../x", "status": "pending"}, 2) == Pushed(2, 0, (), 2)
    assert outcome_of({}, 1).complete is False
    both = Pushed(1, 1, (), 0, ("a",)) + Pushed(1, 0, (Refused("x", None, "no"),), 0, ("b",))
    assert (both.sent, both.accepted, len(both.refused), both.status_ids) == (2, 1, 1, ("a", "b"))


def test_the_examples_do_what_they_say(tls_node: Place) -> None:
    """Started as a user would: kept once over two runs and a kill in between, pushed with its exit code."""
    desk(tls_node).publish(*[indicator(f"e{n}") for n in range(3)])
    into = tls_node.folder / "received"
    first = example(tls_node, "keep_new_objects", "--into", str(into))
    assert first.returncode == 0, first.stderr
    assert "indicators: " in first.stdout
    [kept] = [file for file in into.glob("*.jsonl") if "e0" in file.read_text()]
    lines = kept.read_text().splitlines()
    kept.with_suffix(".bookmark").unlink()  # as if it had been killed before the bookmark
    again = example(tls_node, "keep_new_objects", "--into", str(into))
    assert "indicators: 0 new objects" in again.stdout
    assert kept.read_text().splitlines() == lines
    kept.write_bytes(kept.read_bytes()[:-40])  # as if it had been killed within the line
    kept.with_suffix(".bookmark").write_text("")
    torn = example(tls_node, "keep_new_objects", "--into", str(into))
    assert (torn.returncode, "indicators: 1 new objects" in torn.stdout) == (0, True), torn.stderr
    assert kept.read_text().splitlines() == lines
    kept.write_text("5\n" + kept.read_text())
    for where in (into, kept / "in-a-file"):
        failed = example(tls_node, "keep_new_objects", "--into", str(where))
        assert (failed.returncode, failed.stderr.count("\n")) == (1, 1), failed.stderr
    bundle = tls_node.folder / "bundle.json"
    bundle.write_text(json.dumps({"type": "bundle", "objects": [indicator("p", by=B_IDENTITY)]}))
    pushed = example(tls_node, "push_objects", "indicators", str(bundle))
    assert (pushed.returncode, pushed.stdout) == (
        0,
        "1 sent, 1 accepted, 0 refused, 0 pending\n",
    )
    bundle.write_text(json.dumps({**indicator("q", by=B_IDENTITY), "pattern": "none"}))
    refused = example(tls_node, "push_objects", "indicators", str(bundle))
    assert refused.returncode == 1
    assert refused.stderr.startswith(indicator("q")["id"])
