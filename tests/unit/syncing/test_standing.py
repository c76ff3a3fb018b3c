"""A source or target shows what was last asked and answered, and how far it is behind: no secret, no content."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.neighbour import MEDIA, Asked, Collection, Reply
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import add_source, add_target, sync

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.services import holdings, partners, syncing
from cert_exchange.services.metering import measure

SECRET = b"correct-horse-battery-staple"


def theirs(*names: str) -> list[tuple[str | None, dict[str, Any]]]:
    return [
        (f"2026-05-01T00:00:{second:02d}.000000Z", indicator(name, by=B_IDENTITY))
        for second, name in enumerate(names)
    ]


def add_secret_source(node: Node, url: str, **options: Any) -> None:
    syncing.add_source(
        node, "from-b", partner="b", url=url, remote_collection="indicators", collection="indicators",
        secret=SECRET, options={"insecure": True, "read_seconds": 3.0, "auth": "bearer", **options},
    )  # fmt: skip


def test_the_last_request_and_its_answer_are_kept(node: Node, neighbour: Any) -> None:
    """Method, address, status and headers of an answer; of a good one nothing of the body."""
    Scene.set_up(node)
    add_secret_source(node, neighbour(Collection(theirs("a", "b"))).url)
    report = sync(node)
    found = syncing.stand(node, "pull", "from-b")
    exchanged = found.exchanged
    assert exchanged is not None
    assert (exchanged["method"], exchanged["status"]) == ("GET", 200)
    assert exchanged["request"].startswith(report.id)
    assert exchanged["address"].endswith("/collections/indicators/objects/?limit=1000")
    assert exchanged["headers"]["X-TAXII-Date-Added-Last"] == "2026-05-01T00:00:01.000000Z"
    assert (exchanged["error"], exchanged["trouble"]) == ("", "")
    assert (found.state, found.place) == ("active", "2026-05-01T00:00:01.000000Z")
    assert (found.lag.objects, found.lag.words) == (0, "nothing")
    said = json.dumps(syncing.document(found))
    assert SECRET.decode() not in said
    assert "pattern" not in said


@pytest.mark.case("U13")
def test_of_an_error_its_first_characters_are_kept_and_no_secret(
    sqlite_node: Node, neighbour: Any
) -> None:
    """A server that repeats our credential, also at the end of what is shown, learns nobody anything by `show`."""
    Scene.set_up(sqlite_node)
    echo = b"<html>" + b"x" * 170 + b" your token " + SECRET + b" is wrong</html>"
    add_secret_source(sqlite_node, neighbour(lambda _: Reply(403, echo, media="text/html")).url)
    report = sync(sqlite_node)
    found = syncing.stand(sqlite_node, "pull", "from-b")
    assert found.exchanged is not None
    assert found.exchanged["status"] == 403
    assert found.exchanged["error"].startswith("xxx")
    for text in (json.dumps(syncing.document(found)), report.outcome):
        assert SECRET.decode()[:8] not in text
    assert found.state == "failed 1 time in a row"
    assert "sync now from-b" in found.step


def test_what_a_server_repeats_of_our_objects_is_not_kept(
    sqlite_node: Node, neighbour: Any
) -> None:
    """An error that quotes the body of a POST: that it does so is kept, and nothing of it; ids may be named."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("a"))
    remote = Collection()
    quoting = [True]

    def refuse(asked: Asked) -> Reply | None:
        if asked.method != "POST":
            return None
        if quoting[0]:
            return Reply(500, asked.body, media="application/json")
        return Reply(500, f"no room for {indicator('a')['id']} today".encode(), media="text/plain")

    remote.before = refuse
    add_target(sqlite_node, neighbour(remote))
    sync(sqlite_node)
    found = syncing.stand(sqlite_node, "push", "to-b")
    assert found.exchanged is not None
    assert found.exchanged["error"] == "[it repeats what was sent]"
    assert found.exchanged["sent"] > 100
    quoting[0] = False
    sync(sqlite_node)
    after = syncing.stand(sqlite_node, "push", "to-b").exchanged
    assert after is not None
    assert indicator("a")["id"] in after["error"]


def test_a_server_that_does_not_answer_leaves_its_trouble(sqlite_node: Node) -> None:
    """No status, and why."""
    Scene.set_up(sqlite_node)
    add_secret_source(sqlite_node, "http://127.0.0.1:9/api/")
    sync(sqlite_node)
    exchanged = syncing.stand(sqlite_node, "pull", "from-b").exchanged
    assert exchanged is not None
    assert exchanged["status"] is None
    assert "no connection" in exchanged["trouble"]


def test_objects_under_another_type_are_not_quoted(sqlite_node: Node, neighbour: Any) -> None:
    """JSON that comes as something else may be a page of objects: the report says what to do and shows none of it."""
    Scene.set_up(sqlite_node)
    body = json.dumps({"objects": [indicator("a", by=B_IDENTITY)]}).encode()
    add_secret_source(
        sqlite_node, neighbour(lambda _: Reply(200, body, media="application/json")).url
    )
    report = sync(sqlite_node)
    assert "accept_types" in report.outcome
    assert "indicator" not in report.outcome.partition("Content-Type")[2]
    assert MEDIA not in report.outcome


def test_a_target_says_what_waits_and_since_when(node: Node, neighbour: Any, wall: Any) -> None:
    """Objects and the age of the oldest, before the first run, after a failure and when all went; as the figures say."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"), indicator("b"))
    waiting = len(scene.ids("b"))
    remote = Collection()
    add_target(node, neighbour(remote))
    wall.forward(timedelta(minutes=10))
    lag = syncing.stand(node, "push", "to-b").lag
    assert (lag.objects, lag.at_least) == (waiting, False)
    assert lag.seconds is not None
    assert 600 <= lag.seconds < 660
    assert lag.words == f"{waiting} objects, 10 min"
    assert holdings.status(node).lags["push", "to-b"].objects == waiting
    partners.suspend(node, "b")
    assert syncing.stand(node, "push", "to-b").lag.objects == waiting  # it waits all the same
    partners.resume(node, "b")
    samples = {(one.name, one.labels[0]): one.value for one in measure(node) if one.labels}
    assert samples["cert_exchange_channel_behind_objects", ("channel", "to-b")] == waiting
    assert samples["cert_exchange_channel_behind_seconds", ("channel", "to-b")] >= 600
    sync(node)
    assert syncing.stand(node, "push", "to-b").lag.words == "nothing"


def test_a_source_says_what_its_server_still_had(node: Node, neighbour: Any, wall: Any) -> None:
    """A run that its page cap ended asks the manifest once; drained there is nothing; asked by hand it counts anew."""
    Scene.set_up(node)
    remote = Collection(theirs(*(f"i{n}" for n in range(9))))
    add_source(node, neighbour(remote), limit=2, page_cap=2, server="cert-exchange")
    sync(node)
    found = syncing.stand(node, "pull", "from-b")
    assert (found.lag.objects, found.lag.at_least) == (2, True)
    assert found.lag.as_of is not None
    assert syncing.stand(node, "pull", "from-b", ask=True).lag.objects == 5
    sync(node)
    sync(node)
    wall.forward(timedelta(hours=3))
    drained = syncing.stand(node, "pull", "from-b")
    assert drained.lag.objects == 0
    assert drained.lag.seconds is not None
    assert 3 * 3600 <= drained.lag.seconds < 3 * 3600 + 60
    remote.before = lambda _: Reply(503)
    sync(node)
    failing = syncing.stand(node, "pull", "from-b").lag
    assert (failing.objects, failing.words) == (None, "not known since 3 h")
    assert syncing.stand(node, "pull", "from-b", ask=True).lag.objects is None


def test_a_name_of_the_other_way_is_not_found(sqlite_node: Node, neighbour: Any) -> None:
    """`source show` of a target's name says that there is no such source."""
    Scene.set_up(sqlite_node)
    add_target(sqlite_node, neighbour(Collection()))
    with pytest.raises(NotFound, match="no source to-b"):
        syncing.stand(sqlite_node, "pull", "to-b")
