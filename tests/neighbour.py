"""A neighbour that misbehaves as told: a real HTTP server on loopback whose answers a test scripts.

`Neighbour(behaviour)` serves until closed; `behaviour(request)` returns a Reply. What came in is kept in `requests`.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from cert_exchange.stix.instants import parse_micros

MEDIA = "application/taxii+json;version=2.1"
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """One answer. `hang`: after the headers nothing comes until the test ends. `cut`: bytes sent before the line
    breaks. `drip`: seconds between single bytes, `drip_headers` between header bytes
    without end, `cut_headers`: the line breaks among them. `silent`: not even headers."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    silent: bool = False
    cut: int | None = None
    drip: float = 0.0
    drip_headers: float = 0.0
    cut_headers: bool = False
    media: str | None = MEDIA


def page(
    objects: list[Any] | None,
    *,
    more: bool | None = None,
    next: str | None = None,  # noqa: A002 - the standard calls it so
    first: str | None = None,
    last: str | None = None,
    **kwargs: Any,
) -> Reply:
    """A reply that holds an envelope and the two date headers."""
    envelope: dict[str, Any] = {}
    if objects is not None:
        envelope["objects"] = objects
    if more is not None:
        envelope["more"] = more
    if next is not None:
        envelope["next"] = next
    headers = dict(kwargs.pop("headers", {}))
    if first:
        headers["X-TAXII-Date-Added-First"] = first
    if last:
        headers["X-TAXII-Date-Added-Last"] = last
    return Reply(body=json.dumps(envelope).encode(), headers=headers, **kwargs)


class Neighbour:
    """The server. Use as a context manager; `url` is its API root, `collection` the id that tests use."""

    collection = COLLECTION

    def __init__(
        self, behaviour: Callable[[Asked], Reply], *, context: ssl.SSLContext | None = None
    ):
        self.requests: list[Asked] = []
        self.behaviour = behaviour
        self.released = threading.Event()
        neighbour = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                parts = urlsplit(self.path)
                asked = Asked(
                    self.command,
                    unquote(parts.path),
                    {k: v[-1] for k, v in parse_qs(parts.query, keep_blank_values=True).items()},
                    {k.lower(): v for k, v in self.headers.items()},
                    self.rfile.read(length),
                )
                neighbour.requests.append(asked)
                reply = neighbour.behaviour(asked)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    self._send(reply)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - http.server's names

            def _send(self, reply: Reply) -> None:
                if reply.silent:
                    neighbour.released.wait(30)
                    self.close_connection = True
                    return
                if reply.drip_headers:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    while not neighbour.released.wait(reply.drip_headers):
                        self.wfile.write(b"X")
                        self.wfile.flush()
                    self.close_connection = True
                    return
                if reply.cut_headers:
                    self.wfile.write(
                        b"HTTP/1.1 200 OK\r\nContent-Type: " + MEDIA.encode() + b"\r\nX-TAX"
                    )
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                if reply.media is not None and reply.status != 204:
                    self.send_header("Content-Type", reply.media)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if "Transfer-Encoding" not in reply.headers and reply.status != 204:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.flush()
                if reply.hang:
                    neighbour.released.wait(30)
                    self.close_connection = True
                elif reply.cut is not None:
                    self.wfile.write(reply.body[: reply.cut])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.close()
                elif reply.drip:
                    for at in range(len(reply.body)):
                        self.wfile.write(reply.body[at : at + 1])
                        self.wfile.flush()
                        if neighbour.released.wait(reply.drip):
                            break
                else:
                    self.wfile.write(reply.body)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: Any) -> None:
                """A client that hangs up is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.port = self._server.server_address[1]
        host = "localhost" if context is not None else "127.0.0.1"
        self.origin = f"{scheme}://{host}:{self.port}"
        self.url = f"{self.origin}/root/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def gets(self) -> list[Asked]:
        """The requests for objects, in order."""
        return [
            one for one in self.requests if one.method == "GET" and one.path.endswith("/objects/")
        ]


def scripted(*replies: Reply) -> Callable[[Asked], Reply]:
    """Answer the requests for objects one after the other; the last reply is repeated."""
    at: Iterator[Reply] = iter(replies)
    state: list[Reply] = []

    def behaviour(asked: Asked) -> Reply:
        state[:] = [next(at, state[-1] if state else Reply())]
        return state[0]

    return behaviour


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


class Collection:
    """A small TAXII collection that does as told: rows of (date, object), paged by `next` or by date alone.

    Set `before` to answer some requests otherwise: it returns a Reply, or None to go on. What is POSTed is stored with
    a status; `refuse` names ids that end as failures. A server that rewrites what it holds (`tests/rewriting.py`) has
    `rewrite`, asked about each object that comes, and `spell`, which writes each object that goes.
    """

    def __init__(
        self,
        rows: list[tuple[str | None, dict[str, Any]]] | None = None,
        *,
        with_next: bool = True,
        inclusive: bool = False,
        max_content_length: int = 1_000_000,
    ):
        self.rows = rows or []
        self.with_next, self.inclusive = with_next, inclusive
        self.max_content_length = max_content_length
        self.before: Callable[[Asked], Reply | None] = lambda _: None
        self.refuse: dict[str, str] = {}
        self.posts: list[list[str]] = []
        self.deleted: list[tuple[str, str | None]] = []
        self.statuses: dict[str, dict[str, Any]] = {}
        self.rewrite: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self.spell: Callable[[Any], str] = json.dumps

    def __call__(self, asked: Asked) -> Reply:
        special = self.before(asked)
        if special is not None:
            return special
        parts = [part for part in asked.path.split("/") if part]
        if asked.method == "POST":
            return self._post(json.loads(asked.body)["objects"])
        if asked.method == "DELETE":
            self.deleted.append((parts[4], asked.query.get("match[version]")))
            return Reply(body=b"")
        if parts[1:2] == ["status"]:
            status = self.statuses.get(parts[2])
            return Reply(404) if status is None else Reply(body=json.dumps(status).encode())
        if parts[-1] == "versions":
            found = [
                one["modified"]
                for _, one in self.rows
                if one["id"] == parts[4] and "modified" in one
            ]
            return Reply(body=json.dumps({"versions": found}).encode()) if found else Reply(404)
        if parts[-1] == "objects":
            return self._page(asked, self.rows)
        if parts[-1] == "manifest":
            return self._page(
                asked, [(date, {"id": one["id"], "date_added": date}) for date, one in self.rows]
            )
        root = {"title": "N", "versions": [MEDIA], "max_content_length": self.max_content_length}
        return Reply(body=json.dumps(root).encode())

    def _page(self, asked: Asked, rows: list[tuple[str | None, dict[str, Any]]]) -> Reply:
        after = parse_micros(asked.query["added_after"]) if "added_after" in asked.query else -1
        start = int(asked.query["next"].removeprefix("t")) if "next" in asked.query else 0
        limit = int(asked.query["limit"])
        wanted = [
            row
            for row in rows
            if row[0] is None
            or parse_micros(row[0]) > after
            or (self.inclusive and parse_micros(row[0]) == after)
        ][start:]
        some = wanted[:limit]
        if not some:
            return page([], more=False)
        more = len(wanted) > limit
        made = page(
            None,
            more=more,
            next=f"t{start + limit}" if more and self.with_next else None,
            first=some[0][0],
            last=some[-1][0],
        )
        listed = ",".join(self.spell(row[1]) for row in some)
        return replace(made, body=b'{"objects":[' + listed.encode() + b"]," + made.body[1:])

    def _post(self, objects: list[dict[str, Any]]) -> Reply:
        self.posts.append([one["id"] for one in objects])
        failures = []
        for one in map(self.rewrite, objects):
            if one["id"] in self.refuse:
                failures.append(
                    {
                        "id": one["id"],
                        "version": one.get("modified", ""),
                        "message": self.refuse[one["id"]],
                    }
                )
            elif all(row[1] != one for row in self.rows):
                date = f"2026-06-01T00:{len(self.rows) // 60:02d}:{len(self.rows) % 60:02d}.000000Z"
                self.rows.append((date, one))
        status = {
            "id": f"00000000-0000-4000-8000-{len(self.posts):012d}",
            "status": "complete",
            "total_count": len(objects),
            "success_count": len(objects) - len(failures),
            "failure_count": len(failures),
            "pending_count": 0,
            "failures": failures,
        }
        self.statuses[status["id"]] = status
        return Reply(202, json.dumps(status).encode())
