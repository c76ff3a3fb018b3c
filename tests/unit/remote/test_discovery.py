"""What a remote offers, shown before anything is added."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.neighbour import Asked, Reply
from tests.unit.remote.conftest import connect

from cert_exchange.remote.discovery import discover
from cert_exchange.services import syncing


def server(roots: list[Any], collections: Any) -> Any:
    def behaviour(asked: Asked) -> Reply:
        if asked.path.endswith("/collections/"):
            if asked.path.startswith("/closed/"):
                return Reply(403)
            return Reply(body=json.dumps({"collections": collections}).encode())
        return Reply(body=json.dumps({"title": "T", "api_roots": roots}).encode())

    return behaviour


@pytest.mark.checklist(64)
def test_relative_and_absolute_roots(neighbour):
    """Relative ones are joined; another host's is named and never asked; a closed one says why."""
    other = neighbour(server([], []))
    one = {"id": "c1", "title": "<b>C</b>\x00", "alias": "a", "can_read": True, "can_write": "yes"}
    peer = neighbour(server(["/one/", "two", "/closed/", other.url], [one, 5, {"id": "c2"}]))
    offers = discover(connect(peer))
    assert [(offer.root.removeprefix(peer.origin), offer.collection) for offer in offers] == [
        ("/one/", "c1"),
        ("/one/", "c2"),
        ("/root/two/", "c1"),
        ("/root/two/", "c2"),
        ("/closed/", ""),
        (other.url, ""),
    ]
    assert (offers[0].title, offers[0].can_read, offers[0].can_write) == ("C", True, False)
    assert "403" in offers[4].trouble
    assert "another host" in offers[5].trouble
    assert other.requests == []


@pytest.mark.parametrize("document", [{}, {"api_roots": "x"}, {"api_roots": [1], "default": 3}])
def test_odd_discovery_documents(neighbour, document):
    """What is left out or of another type is read as absent."""
    peer = neighbour(lambda _: Reply(body=json.dumps(document).encode()))
    assert discover(connect(peer)) == ()


@pytest.mark.case("W25")
def test_looking_around_proves_the_credential(sqlite_node, neighbour, tmp_path):
    """The secret is sent and kept nowhere."""
    peer = neighbour(server(["/one/"], [{"id": "c1", "title": "C"}]))
    secret = tmp_path / "s"
    secret.write_text("tök:en\n")
    offers = syncing.look_around(
        sqlite_node, peer.origin + "/taxii2/", secret=secret, options={"insecure": True, "auth": "basic", "user": "u"}
    )  # fmt: skip
    assert [offer.collection for offer in offers] == ["c1"]
    assert peer.requests[0].headers["authorization"].startswith("Basic ")
    assert not list((sqlite_node.settings.home / "secrets").glob("*remote*"))
