"""A server of TAXII 2.0, as those that are in use answer: what we say of it names what it is and what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.neighbour import COLLECTION, Asked, Reply
from tests.scenes import Scene, indicator, uid
from tests.unit.syncing.conftest import add_source, add_target, received, target_row

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.services import syncing

TAXII = "application/vnd.oasis.taxii+json; version=2.0"
STIX = "application/vnd.oasis.stix+json; version=2.0"
WORDS = ("it is a TAXII 2.0 server", "the address of a 2.1 API root")


def strict(asked: Asked) -> Reply:
    """medallion 1, and what is built on it: nobody is answered who does not ask for 2.0."""
    if "vnd.oasis" in asked.headers["accept"]:
        return lenient(asked)
    error = {
        "title": "ProcessingError",
        "description": "Media type in the Accept header is invalid or not found",
        "http_status": "406",
    }
    return Reply(406, json.dumps(error).encode(), media=TAXII)


def lenient(asked: Asked) -> Reply:
    """The public feeds that never look at Accept: objects as a bundle of STIX 2.0, paged by Content-Range."""
    if asked.method == "POST":
        status = {"id": uid("status"), "status": "complete", "total_count": 1, "success_count": 1}
        return Reply(202, json.dumps(status).encode(), media=TAXII)
    if asked.path.endswith("/objects/"):
        one = {k: v for k, v in indicator("a", by=None).items() if k != "spec_version"}
        bundle = {
            "type": "bundle",
            "id": f"bundle--{uid('x')}",
            "spec_version": "2.0",
            "objects": [one],
        }
        headers = {"Content-Range": "items 0-0/1"}
        return Reply(206, json.dumps(bundle).encode(), headers=headers, media=STIX)
    document: dict[str, Any] = {"title": "A feed", "default": "/root/", "api_roots": ["/root/"]}
    if asked.path.startswith("/root/"):
        document = {"title": "A root", "versions": ["taxii-2.0"], "max_content_length": 9765625}
    if asked.path.endswith("/collections/"):
        document = {
            "collections": [{"id": COLLECTION, "title": "C", "can_read": True, "can_write": True}]
        }
    return Reply(body=json.dumps(document).encode(), media=TAXII)


def other_spelling(asked: Asked) -> Reply:
    """2.0 under the name that 2.1 gave the type."""
    return Reply(body=lenient(asked).body, media="application/taxii+json; version=2.0")


@pytest.mark.checklist(68)
@pytest.mark.case("W03")
@pytest.mark.case("U04")
@pytest.mark.parametrize("server", [strict, lenient, other_spelling], ids=lambda one: one.__name__)
def test_it_is_named_for_what_it_is_wherever_we_meet_it(
    sqlite_node: Node, neighbour: Any, server: Any
) -> None:
    """By `source look`, pull and push: nothing is taken in, nothing counts as sent, and the state says what to ask for."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("ours"))
    peer = neighbour(server)
    with pytest.raises(errors.RemoteError) as caught:
        syncing.look_around(sqlite_node, f"{peer.origin}/taxii/", options={"insecure": True})
    assert all(words in caught.value.public for words in WORDS)
    add_source(sqlite_node, peer)
    add_target(sqlite_node, peer)
    reports = syncing.sync_once(sqlite_node)
    assert [report.ok for report in reports] == [False, False]
    for report in reports:
        assert all(words in report.outcome for words in WORDS), report.outcome
        assert "did not come from a TAXII server" not in report.outcome
    assert received(scene) == []
    assert not target_row(sqlite_node)["cursor"]
    assert all(words in target_row(sqlite_node)["last_outcome"] for words in WORDS)
