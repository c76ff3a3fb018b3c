"""What a run reports: a number for each thing, ids and reasons, and one id that both nodes log."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from tests.neighbour import Collection, Reply, page
from tests.scenes import ALLOW_ALL, B_IDENTITY, THIRD_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import add_source, add_target, counters, sync

from cert_exchange.http.access_log import AccessLog
from cert_exchange.http.application import request_id_in
from cert_exchange.node import Node
from cert_exchange.services import quarantine
from cert_exchange.services.syncing.reporting import FATES
from cert_exchange.store import outgoing
from cert_exchange.taxii.wire import Noted, request_of


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=more.pop("by", B_IDENTITY), **more)


def dated(*made: dict[str, Any]) -> list[tuple[str | None, dict[str, Any]]]:
    return [(f"2026-06-01T00:00:{second:02d}.000000Z", one) for second, one in enumerate(made)]


@pytest.mark.case("U02")
@pytest.mark.case("U07")
def test_each_thing_has_a_number_of_its_own_and_they_add_up(node: Node, neighbour: Any) -> None:
    """New, updated, unchanged, refused, withheld and failed; what did not come in is named with its reason."""
    Scene.set_up(node)
    collection = Collection(dated(*(theirs(f"i{n}") for n in range(6))))
    add_source(node, neighbour(collection))
    first = sync(node)
    assert {name: number for name, number in first.fates.items() if number} == {"new": 6}
    broken = theirs("broken") | {"pattern": 7}
    clash = theirs("i0", description="other")
    collection.rows[0] = (collection.rows[0][0], clash)
    collection.rows += [
        (f"2026-06-01T00:01:{second:02d}.000000Z", one)
        for second, one in enumerate(
            [
                theirs("i1", version=2),
                theirs("fresh"),
                theirs("not its own", by=THIRD_IDENTITY),
                broken,
            ]
        )
    ]
    report = sync(node)
    assert report.fates == {
        "new": 1,
        "updated": 1,
        "unchanged": 5,
        "refused": 1,
        "withheld": 1,
        "held": 0,
        "failed": 1,
    }
    assert sum(report.fates.values()) == report.counts["received"] == 10
    reasons = {one.stix_id: one.reason for one in report.refusals}
    assert set(reasons) == {
        clash["id"],
        theirs("not its own")["id"],
        broken["id"],
    }
    assert all(reasons.values())
    again = sync(node)
    assert again.fates == dict.fromkeys(FATES, 0) | {
        "unchanged": again.counts["received"] - 1,
        "withheld": 1,
    }
    assert sum(again.fates.values()) == again.counts["received"]
    total = counters(node)["total"]
    assert sum(total[name] for name in FATES if name in total) == total["received"]
    assert len(quarantine.listed(node)) == 2


def test_a_push_says_what_is_held_here(sqlite_node: Node, neighbour: Any) -> None:
    """Confirmed, refused there, never confirmed, and what waits for a person before it may go."""
    scene = Scene.set_up(sqlite_node)
    held = "  - {name: look, match: {origin: own, labels: [ask]}, hold: approval, reason: look}\n"
    scene.apply("b", ALLOW_ALL.format(partner="b").replace("rules:\n", "rules:\n" + held))
    scene.publish(indicator("a"), indicator("b"), indicator("waits", labels=["ask"]))
    remote = Collection()
    remote.refuse[indicator("b")["id"]] = "no"
    add_target(sqlite_node, neighbour(remote))
    report = sync(sqlite_node)
    sent = report.counts["sent"]
    assert report.fates == {"new": sent - 1, "refused": 1, "held": 1, "failed": 0}
    with sqlite_node.database.reading() as tx:
        elsewhere = scene.collection("reports")
        assert outgoing.held(tx, partner=scene.partner("b"), collection=elsewhere) == 0


def test_each_request_names_its_run(sqlite_node: Node, neighbour: Any) -> None:
    """The report's id and a number that grows; the next run has another id."""
    Scene.set_up(sqlite_node)
    peer = neighbour(Collection(dated(*(theirs(f"i{n}") for n in range(4)))))
    add_source(sqlite_node, peer, limit=2)
    report = sync(sqlite_node)
    named = [one.headers["x-request-id"] for one in peer.requests]
    assert len(named) > 1
    assert named == [f"{report.id}-{number}" for number in range(1, len(named) + 1)]
    assert sync(sqlite_node).id != report.id


def test_a_name_that_could_do_harm_is_not_written_down() -> None:
    """At most 64 letters, digits, dots, dashes and underscores, once; it stands in the line of that request alone."""
    for given, kept in (
        (b"3f2a-1", "3f2a-1"),
        (b"A" * 64, "A" * 64),
        (b"A" * 65, None),
        (b"", None),
        (b'a"b', None),
        (b"a b", None),
        (b"a\nb", None),
        (b"a, b", None),
        ("é".encode(), None),
    ):
        scope = {
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "headers": [(b"x-request-id", given)],
        }
        assert request_id_in(request_of(scope, None)) == kept, given  # type: ignore[arg-type]  # nothing is received
    stream = io.StringIO()
    log = AccessLog(stream)
    log.add(0, "GET", 200, Noted(request_id="3f2a-1"), 1, 0.0)
    log.add(0, "GET", 200, Noted(), 1, 0.0)
    log.close()
    named, bare = (json.loads(line) for line in stream.getvalue().splitlines())
    assert named["request_id"] == "3f2a-1"
    assert "request_id" not in bare


@pytest.mark.case("U13")
def test_a_refused_write_is_told_with_method_path_status_and_words(
    sqlite_node: Node, neighbour: Any
) -> None:
    """The remote refuses only the write call: the report quotes it for each object."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("a"))
    remote = Collection()
    words = json.dumps({"title": "You may not write here"}).encode()
    remote.before = lambda asked: Reply(422, words) if asked.method == "POST" else None
    peer = neighbour(remote)
    add_target(sqlite_node, peer)
    report = sync(sqlite_node)
    assert report.refusals
    for one in report.refusals:
        assert f"POST /root/collections/{peer.collection}/objects/: 422" in one.reason
        assert "You may not write here" in one.reason


def test_an_empty_page_counts_nothing(sqlite_node: Node, neighbour: Any) -> None:
    """No object, no number."""
    Scene.set_up(sqlite_node)
    add_source(sqlite_node, neighbour(lambda _: page(None)))
    assert not any(sync(sqlite_node).fates.values())
