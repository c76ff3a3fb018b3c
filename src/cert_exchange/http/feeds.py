"""Feeds for defenders' tools: `/feeds/NAME`, and the files of a MISP feed under it.

1. Every request under `/feeds` needs a credential of a feed; without one the answer is the same whatever is asked for. With
   one, its own feed is there and nothing else.
2. An answer is one state of the node, committed before it was made. A tool that sends back the tag it got (If-None-Match)
   is told 304 as long as nothing changed; what stands between may keep nothing without asking.
3. Who reads a feed below amber+strict learns nothing of what is not in it: no header counts it, and no tag changes with it.
4. A feed is asked for at most `REQUESTS_PER_MINUTE` times, by all its readers together.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import Final

from cert_exchange.errors import MethodRefused, NotFound, TooManyRequests
from cert_exchange.http.feed_press import Made, Press
from cert_exchange.node import Node
from cert_exchange.services import feeding
from cert_exchange.services.feeding import MAIN, Reader
from cert_exchange.taxii import access
from cert_exchange.taxii.buckets import Buckets
from cert_exchange.taxii.wire import Answer, Noted, Request

ROOT: Final = "feeds"
REQUESTS_PER_MINUTE: Final = 300
_MOST_TAGS: Final = 20
_TAG: Final = re.compile(r'(?:W/)?"([\x21\x23-\x7e]{1,64})"|(\*)')
_FILE: Final = re.compile(r"manifest\.json|[0-9a-f-]{36}\.json")
_ENDINGS: Final = {
    "text/csv": "csv",
    "application/stix+json": "json",
    "application/json": "json",
    "application/yaml": "yml",
}


class Feeds:
    """Answers what comes under `/feeds`. Used by one event loop."""

    def __init__(self, node: Node, threads: Executor, *, with_child: bool) -> None:
        self._node = node
        self._threads = threads
        self._lock = threading.Lock()
        self._buckets = Buckets(node.settings.home / "serve-feeds.shares")
        self._press = Press(node, with_child=with_child)

    def owns(self, request: Request) -> bool:
        """Whether the path lies under `/feeds`."""
        return request.segments[0] == ROOT

    async def answer(self, request: Request, noted: Noted) -> Answer:
        """Answer a request. Raises CertExchangeError for all that is not a success."""
        noted.route = "feed"
        loop = asyncio.get_running_loop()
        reader = await loop.run_in_executor(self._threads, self._recognise, request)
        self._take(reader)
        name, file = _asked(request)
        if name != reader.feed_name:
            raise NotFound(detail=f"credential {reader.credential} is of another feed")
        if not request.reads:
            raise MethodRefused(("GET", "HEAD"), detail=request.method)
        tags = _tags(request)
        if self._press.side is not None:
            made = await self._press.by_child(name, file, tags)
        else:
            made = await loop.run_in_executor(
                self._threads, partial(self._press.here, name, file, tags)
            )
        if not made.there:
            raise NotFound(detail=f"feed {name} has no such file")
        noted.count = made.held
        return _answer(name, file, made)

    async def stop(self) -> None:
        """End the child, after its work."""
        await self._press.stop()

    def _recognise(self, request: Request) -> Reader:
        given = access.presented(request.headers.get(b"authorization"))
        return feeding.recognise(
            self._node, given.credential_id, given.secret, network=request.host
        )

    def _take(self, reader: Reader) -> None:
        """Count one request of the feed's share (rule 4)."""
        now = self._node.clock.monotonic()
        rate = REQUESTS_PER_MINUTE / 60
        with self._lock:
            left = self._buckets.level(
                reader.feed, full=float(REQUESTS_PER_MINUTE), per_second=rate, now=now
            )
            self._buckets.put(reader.feed, max(0.0, left - 1), now)
        if left < 1:
            raise TooManyRequests(
                ceil((1 - left) / rate), detail=f"feed {reader.feed_name} used up its share"
            )


def _asked(request: Request) -> tuple[str, str]:
    """Name and file. Raises NotFound for any other path."""
    match request.segments:
        case (_, name):
            return name, MAIN
        case (_, name, file) if _FILE.fullmatch(file):
            return name, file
        case _:
            raise NotFound(detail="no such path")


def _tags(request: Request) -> tuple[str, ...]:
    """The tags that the client has; what cannot be read is none of ours."""
    text = request.headers.get(b"if-none-match", b"").decode("latin-1")
    found = [one[1] or one[2] for one in _TAG.finditer(text[:4096])]
    return tuple(found[:_MOST_TAGS])


def _left_out(made: Made) -> Iterator[tuple[bytes, bytes]]:
    """How many there are that the reader does not get: constituents are not told even that (rule 3)."""
    if made.left_out is not None:
        yield b"x-feed-left-out", b"%d" % made.left_out


def _answer(name: str, file: str, made: Made) -> Answer:
    kind = made.media.partition(";")[0]
    saved_as = file or f"{name}.{_ENDINGS.get(kind, 'txt')}"
    headers = (
        # Weak: with and without compression it is one tag.
        (b"etag", f'W/"{made.tag}"'.encode("ascii")),
        (b"cache-control", b"private, no-cache"),
        (b"x-feed-entries", b"%d" % made.held),
        (b"x-feed-tlp", made.tlp.encode("ascii")),
        *_left_out(made),
    )
    if made.same:
        return Answer(HTTPStatus.NOT_MODIFIED, b"", headers, media=None)
    disposition = f'attachment; filename="{saved_as}"'.encode("ascii")
    return Answer(
        HTTPStatus.OK,
        made.body,
        (*headers, (b"content-disposition", disposition)),
        media=made.media.encode("ascii"),
    )
