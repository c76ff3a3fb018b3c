"""The ASGI application: health, figures, TAXII, what peers ask beside it, and feeds for our own tools.

1. Whatever happens, a request gets exactly one answer.
2. While the database is not there (`attach` has not been called), health says so and everything else is 503.
3. Each request leaves one line in the access log, written later (`access_log`).
4. A large answer goes out in pieces, as fast as it is read, and one partner has at most MOST_UNDER_WAY of them: who
   fetches and does not read fills nobody's memory.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Final

from cert_exchange.errors import (
    CertExchangeError,
    HeadTooLarge,
    MethodRefused,
    NotFound,
    StoreUnavailable,
    TooManyRequests,
)
from cert_exchange.http.access_log import AccessLog
from cert_exchange.http.answers import (
    WORTH_PACKING,
    failed,
    headers_of,
    pack,
    refused,
    wants_gzip,
)
from cert_exchange.http.feeds import Feeds
from cert_exchange.http.scraping import Scraping
from cert_exchange.http.visitors import Visitors
from cert_exchange.node import Node
from cert_exchange.peering.clerk import Clerk
from cert_exchange.peering.routes import Peering
from cert_exchange.services import polling
from cert_exchange.services.pki import load_trust
from cert_exchange.taxii.bodies import Disconnected
from cert_exchange.taxii.routes import Taxii
from cert_exchange.taxii.wire import Answer, Noted, Request, request_of

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

THREADS: Final = 16
HEAD_BYTES: Final = 64 * 1024
"""Path, query and headers together; `match[id]` with 200 ids needs about 12 KiB."""
PIECE: Final = 256 * 1024
"""Bytes of an answer that are handed to the connection at once."""
MOST_UNDER_WAY: Final = 64 * 1024 * 1024
"""Bytes of one partner's large answers that wait for it to read."""
_PACK_INLINE: Final = 16 * 1024
_SECONDS_TO_READ: Final = 5
_JSON: Final = b"application/json"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Application:
    """One node's HTTP application."""

    def __init__(
        self, node: Node | None, access_log: AccessLog | None = None, *, with_clerk: bool = False
    ) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="http")
        self._access_log = access_log
        self._node: Node | None = None
        self._taxii: Taxii | None = None
        self._peering: Peering | None = None
        self._with_clerk = with_clerk
        self._clerk: Clerk | None = None
        self._feeds: Feeds | None = None
        self._scraping: Scraping | None = None
        self._under_way: dict[int | None, int] = {}
        self.visitors = Visitors()
        if node is not None:
            self.attach(node)

    def attach(self, node: Node) -> None:
        """Serve this node from now on."""
        self._node, self._taxii = node, Taxii(node, self._threads)
        self.visitors = Visitors(node.settings.trusted_proxies, load_trust(node))
        self._clerk = Clerk(node) if self._with_clerk else None
        self._peering = Peering(node, self._threads, self._taxii, self._clerk)
        self._feeds = Feeds(node, self._threads, with_child=self._with_clerk)
        if node.settings.metrics_from:
            self._scraping = Scraping(node, self._threads, node.settings.metrics_from)

    async def stop(self) -> None:
        """End children and threads, after their work."""
        if self._taxii is not None:
            await self._taxii.receiver.stop()
        if self._clerk is not None:
            await self._clerk.stop()
        if self._feeds is not None:
            await self._feeds.stop()
        self._threads.shutdown(wait=True)
        if self._access_log is not None:
            self._access_log.close()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Be called as ASGI 3 says."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request = request_of(scope, receive)
        noted = Noted(request_id=request_id_in(request))
        started = self._node.clock.monotonic() if self._node is not None else 0.0
        scraping = self._scraping
        try:
            if scraping is not None and scraping.owns(request):
                answer = await scraping.answer(request, noted)
            else:
                if request.segments[0] != "health":
                    certificate = scope.get("state", {}).get("certificate")
                    now = 0 if self._node is None else self._node.now()
                    request = self.visitors.meet(request, certificate, now=now)
                answer = await self._answer(request, noted)
        except Disconnected:
            return
        except CertExchangeError as error:
            answer = refused(error, noted)
        except Exception as error:  # noqa: BLE001 - the one door: what escapes here becomes a 500
            answer = failed(error, noted)
        body = answer.body
        packed = len(body) >= WORTH_PACKING and wants_gzip(
            request.headers.get(b"accept-encoding", b"")
        )
        if packed and len(body) > _PACK_INLINE:
            body = await asyncio.get_running_loop().run_in_executor(self._threads, pack, body)
        elif packed:
            body = pack(body)
        if len(body) > PIECE and self._under_way.get(noted.partner, 0) > MOST_UNDER_WAY:
            full = TooManyRequests(_SECONDS_TO_READ, detail="answers that were not read yet")
            answer, packed = refused(full, noted), False
            body = answer.body
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": headers_of(answer, len(body), packed=packed, method=request.method),
            }
        )
        if request.method == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        elif len(body) <= PIECE:
            await send({"type": "http.response.body", "body": body})
        else:
            await self._send_large(body, noted.partner, send)
        took = 0.0 if self._node is None else self._node.clock.monotonic() - started
        if scraping is not None:
            scraping.count(noted, answer.status, took)
        if self._access_log is not None and self._node is not None:
            self._access_log.add(
                self._node.now(), request.method, answer.status, noted, len(body), took
            )

    async def _send_large(self, body: bytes, partner: int | None, send: Send) -> None:
        """Send piece by piece: each waits until the one before has mostly left (rule 4)."""
        self._under_way[partner] = self._under_way.get(partner, 0) + len(body)
        try:
            for start in range(0, len(body), PIECE):
                more = start + PIECE < len(body)
                piece = body[start : start + PIECE]
                await send({"type": "http.response.body", "body": piece, "more_body": more})
        finally:
            self._under_way[partner] -= len(body)

    async def _answer(self, request: Request, noted: Noted) -> Answer:
        if request.head_bytes > HEAD_BYTES:
            raise HeadTooLarge(detail=f"{request.head_bytes} bytes")
        taxii = self._taxii
        if taxii is not None and taxii.owns(request):
            return await taxii.answer(request, noted)
        if self._peering is not None and self._peering.owns(request):
            return await self._peering.answer(request, noted)
        if self._feeds is not None and self._feeds.owns(request):
            return await self._feeds.answer(request, noted)
        if request.segments[0] == "health" and len(request.segments) == 2:
            return await self._health(request, noted)
        if taxii is None:
            raise StoreUnavailable(detail="the database is not there yet")
        raise NotFound(detail="no such path")

    async def _health(self, request: Request, noted: Noted) -> Answer:
        noted.route = "health"
        if not request.reads:
            raise MethodRefused(("GET", "HEAD"))
        match request.segments[1]:
            case "live":
                return Answer(HTTPStatus.OK, b'{"status":"live"}', media=_JSON)
            case "ready":
                return await self._ready()
            case _:
                raise NotFound(detail="no such path")

    async def _ready(self) -> Answer:
        node = self._node
        if node is not None:
            try:
                await asyncio.get_running_loop().run_in_executor(
                    self._threads, polling.is_ready, node
                )
            except CertExchangeError:
                node = None
        if node is None:
            body = b'{"status":"not ready","reason":"database"}'
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, body, media=_JSON)
        return Answer(HTTPStatus.OK, b'{"status":"ready"}', media=_JSON)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def request_id_in(request: Request) -> str | None:
    """What the client calls its request, None where it does not say or says it in a form that we do not write down."""
    named = request.headers.get(b"x-request-id")
    return named.decode("ascii") if named is not None and _REQUEST_ID.fullmatch(named) else None


def make_app(node: Node, *, access_log: AccessLog | None = None) -> Application:
    """Make the application of an open node. Whoever serves it sends the lifespan messages, or calls `stop`."""
    return Application(node, access_log)
