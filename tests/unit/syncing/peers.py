"""Two nodes of ours over loopback, with what stands between them: a relay that looks, alters, and loses answers.

A (`channel.a`) knows the partner `b`, B (`channel.b`) knows `a`; each has pinned the other's signing key.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.conftest import OUR_IDENTITY, Wall, reopen
from tests.scenes import ALLOW_ALL, B_IDENTITY, Scene
from tests.taxii.conftest import serving

from cert_exchange.messages.keys import public_text
from cert_exchange.node import Node
from cert_exchange.services import partners, signing, syncing

Alter = Callable[[bytes], bytes]


@dataclass
class Relay:
    """Stands between a client and a node: what passes is counted, altered by `alter[name]`, or lost on its way back.

    Names are the last segment of a path. `requests` are altered on their way in, `answers` on their way out.
    """

    port_behind: int
    seen: list[str] = field(default_factory=list)
    answers: dict[str, Alter] = field(default_factory=dict)
    requests: dict[str, Alter] = field(default_factory=dict)
    lose: set[str] = field(default_factory=set)
    now: Callable[[], int] | None = None
    """Micros: what the Date header says, where the node's clock is moved (its HTTP server reads the machine's)."""
    port: int = 0

    def count(self, name: str) -> int:
        return self.seen.count(name)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.partition("?")[0].rstrip("/").rpartition("/")[2]
        self.seen.append(name)
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        if name in self.requests:
            body = self.requests[name](body)
        kept = {
            key: value
            for key, value in handler.headers.items()
            if key.lower() not in ("content-length", "accept-encoding", "host", "connection")
        }
        connection = HTTPConnection("127.0.0.1", self.port_behind, timeout=30)
        connection.request(handler.command, handler.path, body or None, kept)
        response = connection.getresponse()
        content = response.read()
        status = response.status
        connection.close()
        if name in self.lose:
            self.lose.discard(name)
            status, content = 502, b"{}"
        elif name in self.answers and status < 300:
            content = self.answers[name](content)
        (handler.send_response if self.now is None else handler.send_response_only)(status)
        for key, value in response.getheaders():
            if key.lower() == "date" and self.now is not None:
                handler.send_header(key, formatdate(self.now() / 1_000_000, usegmt=True))
            elif key.lower() not in ("content-length", "transfer-encoding", "connection"):
                handler.send_header(key, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@contextmanager
def relaying(port_behind: int) -> Iterator[Relay]:
    relay = Relay(port_behind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            relay.pass_on(self)

        do_POST = do_GET  # noqa: N815 - http.server's own names
        do_DELETE = do_GET  # noqa: N815 - as above, the standard library's

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    relay.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield relay
    finally:
        server.shutdown()
        thread.join(20)
        server.server_close()


def altered(change: Callable[[Any], None]) -> Alter:
    """Change the JSON of a body."""

    def alter(body: bytes) -> bytes:
        document = json.loads(body)
        change(document)
        return json.dumps(document).encode()

    return alter


@dataclass
class Channel:
    """Two nodes and what stands before each."""

    a: Scene
    b: Scene
    to_a: Relay
    to_b: Relay
    folder: Path

    def secret(self, of: Scene, partner: str) -> Path:
        path = self.folder / f"secret-{partner}"
        path.write_text(partners.issue(of.node, partner, lifetime=None).token)
        return path

    def source(self, name: str = "from-a", **options: Any) -> None:
        """B pulls from A."""
        syncing.add_source(
            self.b.node, name, partner="a", url=self.to_a.url, remote_collection="indicators",
            collection="indicators", secret=self.secret(self.a, "b"),
            options={
                "insecure": True, "auth": "bearer", "server": "cert-exchange", "read_seconds": 5.0,
                **options,
            },
        )  # fmt: skip

    def target(self, **options: Any) -> None:
        """A pushes to B."""
        syncing.add_target(
            self.a.node, "to-b", partner="b", url=self.to_b.url, remote_collection="indicators",
            collection="indicators", secret=self.secret(self.b, "a"),
            options={
                "insecure": True, "auth": "bearer", "server": "cert-exchange", "read_seconds": 5.0,
                **options,
            },
        )  # fmt: skip

    def pull(self) -> syncing.RunReport:
        (report,) = syncing.sync_once(self.b.node, only="from-a")
        return report

    def push(self) -> syncing.RunReport:
        (report,) = syncing.sync_once(self.a.node, only="to-b")
        return report


def public_key(node: Node) -> str:
    """The key that a node signs with now, as its people send it."""
    return public_text(node.secrets.signing_keys[0].public)


def as_b(node: Node, wall: Wall) -> Node:
    """The same home as CERT B's, opened anew."""
    file = node.settings.home / "node.yaml"
    node.close()
    file.write_text(file.read_text().replace(OUR_IDENTITY, B_IDENTITY))
    (node.settings.home / "secrets" / "signing-keys.json").unlink(missing_ok=True)  # the template's
    return reopen(node, wall)


@contextmanager
def channel_between(a: Node, b: Node, folder: Path, *, pinned: bool = True) -> Iterator[Channel]:
    """Set both nodes up as partners of each other, serve them, and pin their keys."""
    ours = Scene.set_up(a)
    theirs = Scene.set_up(b, partners_named=("a",), policies_for=())
    partners.amend(b, "a", speaks_for=[OUR_IDENTITY], relays=[])
    theirs.apply("a", ALLOW_ALL.format(partner="a"))
    if pinned:
        signing.pin(a, "b", public_key(b), by="tester")
        signing.pin(b, "a", public_key(a), by="tester")
    with (
        serving(a) as port_a,
        serving(b) as port_b,
        relaying(port_a) as to_a,
        relaying(port_b) as to_b,
    ):
        yield Channel(ours, theirs, to_a, to_b, folder)
