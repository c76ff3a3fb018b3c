"""Rows W and U of CASES.md: what strange servers do on the wire, and what the operator is shown of it; one engine is enough."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.conftest import Cli, cli  # noqa: F401 - a fixture
from tests.neighbour import Collection, Reply, page
from tests.scenes import B_IDENTITY, Scene, address, indicator
from tests.unit.syncing.conftest import add_source, add_target, quarantined, received, row, sync

from cert_exchange.node import Node
from cert_exchange.services import syncing


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY, **more)


def dated(*made: dict[str, Any]) -> list[tuple[str | None, dict[str, Any]]]:
    return [
        (f"2026-06-01T00:{n // 60:02d}:{n % 60:02d}.000000Z", one) for n, one in enumerate(made)
    ]


@pytest.mark.case("W22")
def test_bad_values_among_a_hundred_cost_only_themselves(sqlite_node: Node, neighbour: Any) -> None:
    """An empty address, a label of 64 letters, an object without a time: 97 come in, each other has its reason or comes in."""
    scene = Scene.set_up(sqlite_node)
    good = [theirs(f"i{n}") for n in range(97)]
    empty = address("198.51.100.1") | {"value": ""}
    long = {
        "type": "domain-name",
        "spec_version": "2.1",
        "id": "domain-name--00000000-0000-4000-8000-000000000064",
        "value": f"{'a' * 64}.example",
    }
    timeless = {key: value for key, value in theirs("timeless").items() if key != "modified"}
    made = [*good[:40], empty, *good[40:70], long, timeless, *good[70:]]
    add_source(sqlite_node, neighbour(Collection(dated(*made))))
    report = sync(sqlite_node)
    assert report.ok
    assert report.counts["received"] == 100
    assert len([one for one in received(scene) if one.startswith("i")]) == 97
    refused = {one.stix_id for one in report.refusals}
    assert timeless["id"] in refused
    assert refused <= {empty["id"], long["id"], timeless["id"]}
    assert {stix_id for _, stix_id, _ in quarantined(sqlite_node)} == refused
    assert all(one.reason for one in report.refusals)


@pytest.mark.case("W24")
def test_a_channel_in_the_clear_is_said_in_every_report_and_a_proxy_is_its_own(
    sqlite_node: Node, neighbour: Any
) -> None:
    """There is no switch against checking certificates; plain HTTP is for loopback alone, and each report says it. The proxy of
    one channel is asked by that channel and by no other."""
    Scene.set_up(sqlite_node)
    proxy = neighbour(lambda asked: page([theirs("by the proxy")]))
    peer = neighbour(Collection(dated(theirs("direct"))))
    add_source(sqlite_node, peer, "direct")
    add_source(sqlite_node, peer, "proxied", proxy=proxy.url.split("/root")[0])
    for _ in range(2):
        report = sync(sqlite_node, "direct")
        assert any("in the clear" in one for one in report.notes)
    assert proxy.requests == []
    assert sync(sqlite_node, "proxied").counts["received"] == 1
    assert len(proxy.requests) >= 1
    assert row_of(sqlite_node, "direct")["last_outcome"]


def row_of(node: Node, name: str) -> Any:
    from sqlalchemy import select

    from cert_exchange.store.tables import sources

    with node.database.reading() as tx:
        return tx.execute(select(sources).where(sources.c.name == name)).mappings().one()


@pytest.mark.case("U01")
@pytest.mark.case("U08")
@pytest.mark.parametrize(
    ("status", "state", "step"),
    [
        (401, "Failing since", "ask its people for a new one"),
        (403, "Failing since", "let our address in"),
        (404, "Failing since", "compare its id"),
        (429, "Waiting since", "nothing is to be done"),
        (503, "Waiting since", "nothing is lost"),
    ],
)
def test_a_state_has_a_plain_name_a_next_step_and_since_when(
    sqlite_node: Node, neighbour: Any, status: int, state: str, step: str
) -> None:
    """In the channel's row, which `status` shows with the last success and the next try."""
    Scene.set_up(sqlite_node)
    collection = Collection(dated(theirs("a")))
    add_source(sqlite_node, neighbour(collection))
    assert sync(sqlite_node).ok
    success = row(sqlite_node)["last_success_at"]
    collection.before = lambda _: Reply(status)
    first = sync(sqlite_node)
    again = sync(sqlite_node)
    for report in (first, again):
        assert not report.ok
        assert report.outcome.startswith(state)
        assert f": {status}" in report.outcome
        assert step in report.outcome
        assert "Next try at" in report.outcome
    assert first.outcome.split(": ")[0] == again.outcome.split(": ")[0]
    assert row(sqlite_node)["last_success_at"] == success
    assert row(sqlite_node)["last_outcome"] == again.outcome


@pytest.mark.case("U01")
def test_a_wrong_password_is_an_exit_code_and_stands_in_status(
    cli: Cli,  # noqa: F811 - the fixture
    neighbour: Any,
    tmp_path: Any,
) -> None:
    """`sync now` ends with 4, and `status` says 401, since when, and that it never worked."""
    assert cli("init", "--title", "CERT A").code == 0
    home = tmp_path / "node"
    assert cli("partner", "add", "b", "--title", "B", "--speaks-for", B_IDENTITY).code == 0
    (home / "collections" / "indicators.yaml").write_text(
        "id: 1fb3569d-497f-48ac-a1b9-50c29e9c31ee\ntitle: I\nalias: indicators\nread: []\nwrite: []\n"
    )
    assert cli("collection", "load").code == 0
    peer = neighbour(lambda _: Reply(401))
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    added = cli(
        "source", "add", "from-b", "--partner", "b", "--url", peer.url, "--remote-collection",
        peer.collection, "--collection", "indicators", "--auth", "basic", "--user", "us",
        "--secret-file", secret, "--option", "insecure=true",
    )  # fmt: skip
    assert added.code == 0, added.err
    ran = cli("sync", "now")
    assert ran.code == 4
    assert "401" in ran.out
    assert "wrong" not in ran.out + ran.err
    shown = cli("status").out
    assert "Failing since" in shown
    assert "never" in shown
    assert "Next try at" in shown


@pytest.mark.case("U04")
def test_a_proxys_403_is_shown_and_known_for_what_it_is(sqlite_node: Node, neighbour: Any) -> None:
    """The status, the first words cleaned, and that it did not come from a TAXII server."""
    Scene.set_up(sqlite_node)
    html = b"<html><title>Blocked</title><p>Your address \x1b[31m is not on the list.</p>" * 9
    add_source(sqlite_node, neighbour(lambda _: Reply(403, html, media="text/html")))
    outcome = sync(sqlite_node).outcome
    assert ": 403; the answer did not come from a TAXII server: 'Blocked Your address" in outcome
    assert "\x1b" not in outcome
    assert len(outcome) < 700


@pytest.mark.case("U10")
def test_after_some_empty_runs_it_is_said_what_was_asked_and_what_is_there(
    sqlite_node: Node, neighbour: Any
) -> None:
    """A start in the future and a filter: the query, the headers of the answer and the newest date_added over there."""
    Scene.set_up(sqlite_node)
    collection = Collection(dated(*(theirs(f"i{n}") for n in range(3))))
    peer = neighbour(collection)
    add_source(sqlite_node, peer, start="2099-01-01T00:00:00Z", match={"type": "malware"})
    outcomes = [sync(sqlite_node).outcome for _ in range(4)]
    assert "manifest" not in outcomes[1]
    for said in outcomes[2:]:
        assert "asked" in said
        assert "2099-01-01T00:00:00Z" in said
        assert "{'type': 'malware'}" in said
        assert "the newest of 2026-06-01T00:00:02.000000Z" in said
        assert "Content-Type: application/taxii+json" in said
    looks = [one for one in peer.requests if one.path.endswith("/manifest/")]
    assert len(looks) == 1
    assert set(looks[0].query) == {"limit"}
    syncing.restart_at(sqlite_node, "from-b")
    collection.before = lambda asked: (
        Reply(body=json.dumps({"objects": ["\x1b", {}, 7]}).encode())
        if asked.path.endswith("/manifest/")
        else None
    )
    assert "\x1b" not in sync(sqlite_node).outcome


@pytest.mark.case("U13")
def test_of_a_push_that_is_refused_as_a_whole_the_call_is_named(
    sqlite_node: Node, neighbour: Any
) -> None:
    """Other calls answer 200, the write alone 403: method, path and the server's words are in the outcome."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("a"))
    remote = Collection()
    words = json.dumps({"title": "No right to add"}).encode()
    remote.before = lambda asked: Reply(403, words) if asked.method == "POST" else None
    peer = neighbour(remote)
    add_target(sqlite_node, peer)
    outcome = sync(sqlite_node).outcome
    assert f"POST /root/collections/{peer.collection}/objects/: 403, 'No right to add'" in outcome
