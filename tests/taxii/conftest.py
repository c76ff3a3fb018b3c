"""A real server on loopback over a node with partners, and a client that shows everything of an answer.

`server` is CERT A's node on both engines with partners `b` and `c` (see `scenes.Scene`), served by the same protocol
and configuration that `serve` uses. `Client` speaks plain HTTP; the stock clients are used where a test says so.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from tests import starting
from tests.conftest import Wall
from tests.scenes import Scene, uid

from cert_exchange.http import make_app
from cert_exchange.http import serving as server_process
from cert_exchange.http.access_log import AccessLog
from cert_exchange.http.entrance import entrances
from cert_exchange.node import Node
from cert_exchange.services import partners

TAXII = "application/taxii+json;version=2.1"
ROOT = "/api/"


def collection_id(alias: str) -> str:
    """The UUID that `Scene` gives a collection."""
    return uid("collection " + alias)


@dataclass(frozen=True)
class Got:
    """One answer, whole."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    all_headers: tuple[tuple[str, str], ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def objects(self) -> list[dict[str, Any]]:
        found = self.json.get("objects", [])
        assert isinstance(found, list)
        return found

    @property
    def ids(self) -> list[str]:
        return [one["id"] for one in self.objects]

    @property
    def next(self) -> str | None:
        found = self.json.get("next")
        assert found is None or isinstance(found, str)
        return found

    @property
    def first(self) -> str:
        return self.headers["x-taxii-date-added-first"]

    @property
    def last(self) -> str:
        return self.headers["x-taxii-date-added-last"]


@dataclass
class Client:
    """A client of one credential. Each request is a connection of its own unless `kept` is used."""

    port: int
    authorization: str | None = None
    accept: str | None = TAXII
    extra: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        path: str,
        query: Mapping[str, Any] | str | None = None,
        *,
        method: str = "GET",
        headers: Mapping[str, str | None] | None = None,
        body: Any = None,
        chunked: bool = False,
    ) -> Got:
        """Send one request. A header of None is left out."""
        text = query if isinstance(query, str) else urlencode(query or {})
        given: dict[str, str | None] = {
            "Authorization": self.authorization,
            "Accept": self.accept,
            **self.extra,
            **(headers or {}),
        }
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(
                method, path + (f"?{text}" if text else ""), skip_accept_encoding=True
            )
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
                connection.endheaders(body, encode_chunked=True)
            elif body is not None:
                connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
            else:
                connection.endheaders()
            return _got(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, query: Mapping[str, Any] | str | None = None, **more: Any) -> Got:
        return self.ask(path, query, **more)

    def post(
        self,
        path: str,
        body: bytes | Mapping[str, Any],
        *,
        media: str | None = TAXII,
        headers: Mapping[str, str | None] | None = None,
        **more: Any,
    ) -> Got:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": media, **(headers or {})}
        return self.ask(path, method="POST", body=raw, headers=given, **more)

    def delete(self, path: str, query: Mapping[str, Any] | str | None = None) -> Got:
        return self.ask(path, query, method="DELETE")

    def objects(
        self, query: Mapping[str, Any] | str | None = None, alias: str = "indicators"
    ) -> Got:
        return self.get(objects_path(alias), query)

    def drain(
        self, alias: str = "indicators", *, limit: int = 3, what: str = "objects", **query: Any
    ) -> list[Got]:
        """All pages by `next`."""
        pages = [self.get(f"{ROOT}collections/{alias}/{what}/", {"limit": limit, **query})]
        while pages[-1].next is not None:
            pages.append(
                self.get(
                    f"{ROOT}collections/{alias}/{what}/",
                    {"limit": limit, "next": pages[-1].next, **query},
                )
            )
        return pages

    def with_(self, **changes: Any) -> Client:
        return Client(
            **{
                "port": self.port,
                "authorization": self.authorization,
                "accept": self.accept,
                **changes,
            }
        )


def _got(response: HTTPResponse) -> Got:
    raw = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    if headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    return Got(response.status, headers, raw, tuple(response.getheaders()))


def objects_path(alias: str = "indicators", stix_id: str | None = None, tail: str = "") -> str:
    path = f"{ROOT}collections/{alias}/objects/"
    return path if stix_id is None else f"{path}{stix_id}/{tail}"


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    return f"{scheme} " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextmanager
def serving(node: Node, *, access_log: AccessLog | None = None) -> Iterator[int]:
    """Serve a node in a thread on a free port."""
    config = server_process.configured(
        make_app(node, access_log=access_log), node.settings.model_copy(update={"port": 0})
    )
    server = uvicorn.Server(config)
    sockets: list[socket.socket] = list(entrances(config.host, 0))
    thread = threading.Thread(target=lambda: asyncio.run(server._serve(sockets)))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            threading.Event().wait(0.005)
        yield sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@dataclass
class Served:
    """A served scene and its clients."""

    scene: Scene
    port: int
    wall: Wall
    tokens: dict[str, partners.IssuedSecret] = field(default_factory=dict)

    @property
    def node(self) -> Node:
        return self.scene.node

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def credential(self, partner: str) -> partners.IssuedSecret:
        if partner not in self.tokens:
            self.tokens[partner] = partners.issue(self.node, partner, lifetime=None)
        return self.tokens[partner]

    def client(self, partner: str = "b") -> Client:
        return Client(self.port, f"Bearer {self.credential(partner).token}")

    def stranger(self) -> Client:
        return Client(self.port)

    def rights(
        self, alias: str, *, read: str = "b, c", write: str = "b, c", title: str = ""
    ) -> None:
        """Say anew who may read and write a collection; one that is not there yet is made."""
        from cert_exchange.services import collections

        directory = self.node.settings.home / "collections"
        (directory / f"{alias}.yaml").write_text(
            f"id: {collection_id(alias)}\ntitle: {title or alias}\nalias: {alias}\n"
            f"read: [{read}]\nwrite: [{write}]\n"
        )
        collections.load_collections(self.node, directory)

    def publish_many(self, count: int, *, start: int = 0, to: str = "indicators") -> list[str]:
        from tests.scenes import indicator

        made = [indicator(f"many {n}") for n in range(start, start + count)]
        self.scene.publish(*made, to=to)
        return [one["id"] for one in made]


@contextmanager
def served(node: Node, wall: Wall, **more: Any) -> Iterator[Served]:
    scene = Scene.set_up(node, **more)
    with serving(node) as port:
        yield Served(scene, port, wall)


@pytest.fixture
def server(node: Node, wall: Wall) -> Iterator[Served]:
    with served(node, wall) as one:
        yield one


@pytest.fixture
def sqlite_server(sqlite_node: Node, wall: Wall) -> Iterator[Served]:
    with served(sqlite_node, wall) as one:
        yield one


@pytest.fixture
def sqlite_page_limit(new_node: Callable[..., Node], wall: Wall) -> Iterator[Served]:
    """A server whose own page limit is 5."""
    made = new_node("sqlite")
    with (made.settings.home / "node.yaml").open("a") as file:
        file.write("page_limit: 5\n")
    from tests.conftest import reopen

    node = reopen(made, wall)
    try:
        with served(node, wall) as one:
            yield one
    finally:
        node.close()


def fresh_id(kind: str = "indicator") -> str:
    return f"{kind}--{uuid.uuid4()}"


@contextmanager
def started(
    home: Path, *, worker: bool = False, log_name: str = "serve.log"
) -> Iterator[tuple[int, Path]]:
    """`serve` in a process of its own: its port and its log. It must end by SIGTERM with 0."""
    log = home / log_name
    program = starting.SERVE_WITH_WORKER if worker else starting.SERVE
    with log.open("w") as stream:
        process = starting.start(program, home, stderr=stream)
    try:
        port = None
        for _ in range(600):
            lines = [
                json.loads(line)
                for line in log.read_text().splitlines(keepends=True)
                if line.endswith("\n")
            ]
            port = next((one["address"][1] for one in lines if one["event"] == "listening"), None)
            if port is not None:
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        assert port is not None, log.read_text()
        yield port, log
    finally:
        process.terminate()
        code = process.wait(30)
    assert code == 0, log.read_text()
