"""The peer face: path, method, and the service sentence behind each.

1. Every request goes the way of TAXII (`taxii.routes`): credential and share, path, method, body, the sentence. Who asks
   is recognised by the same statement; a 401 or 404 is the same answer as there.
2. A sentence is given who asks, and a question that is JSON and bounded; it answers a JSON object. It runs in a thread, or
   where much is signed and committed in a process of its own (`clerk`).
3. Stock TAXII clients never come here: whatever stands here, the other side must do without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

import orjson

from cert_exchange.errors import (
    CertificateRefused,
    MediaTypeRefused,
    MethodRefused,
    NotAuthenticated,
    NotFound,
    NotJson,
    QueryInvalid,
)
from cert_exchange.node import Node
from cert_exchange.peering import resources
from cert_exchange.services.deliveries import (
    answer_delivered,
    answer_delivery,
    answer_receipt,
    answer_statement,
)
from cert_exchange.services.drift import answer_compared
from cert_exchange.services.introducing import answer_check, answer_renewal, show_our_card
from cert_exchange.services.partners import Caller
from cert_exchange.services.selftest import answer_selftest, try_objects
from cert_exchange.taxii.bodies import read_body
from cert_exchange.taxii.routes import Taxii
from cert_exchange.taxii.wire import Answer, Noted, Request

FIRST: Final = "exchange"
VERSION: Final = "v1"
JSON: Final = b"application/json"
BODY_BYTES: Final = 8 * 1024 * 1024
"""of a question, after decompression"""
BODIES_AT_ONCE: Final = 2
"""of one partner"""
_PARAMETERS: Final = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """What a peer asks: the parameters of a GET, or the JSON object of a POST."""

    query: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


Sentence = Callable[[Node, Caller, Asked], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One resource under /exchange/v1/, and what answers it by method (GET or POST)."""

    name: str
    sentences: Mapping[str, Sentence]
    signed: bool = False
    """whether what a POST answers is signed and committed, so that a process of its own does it"""


def _routes() -> Mapping[str, Route]:
    """Every resource by its one segment; who adds one adds a line here and a sentence in `resources`."""
    listed = (
        Route("keys", {"GET": lambda node, _caller, _asked: resources.keys(node)}),
        Route("card", {"GET": lambda node, _caller, _asked: show_our_card(node)}),
        Route(
            "check", {"POST": lambda node, caller, asked: answer_check(node, caller, asked.body)}
        ),
        Route(
            "selftest",
            {
                "GET": lambda node, caller, _asked: answer_selftest(node, caller),
                "POST": lambda node, caller, asked: try_objects(node, caller, asked.body),
            },
        ),
        Route(
            "renew", {"POST": lambda node, caller, asked: answer_renewal(node, caller, asked.body)}
        ),
        Route(
            "checkpoint",
            {"GET": lambda node, caller, asked: resources.checkpoint(node, caller, asked.query)},
        ),
        Route(
            "received",
            {"GET": lambda node, caller, asked: resources.received(node, caller, asked.query)},
        ),
        Route(
            "served",
            {"GET": lambda node, caller, asked: resources.served(node, caller, asked.query)},
        ),
        Route(
            "compared",
            {"GET": lambda node, caller, asked: answer_compared(node, caller, asked.query)},
        ),
        Route(
            "epoch",
            {
                "GET": lambda node, _caller, asked: resources.epoch(node, asked.query),
                "POST": lambda node, caller, asked: resources.hear_epoch(node, caller, asked.body),
            },
        ),
        Route(
            "returned",
            {"GET": lambda node, caller, asked: resources.returned(node, caller, asked.query)},
        ),
        Route(
            "statements",
            {"POST": lambda node, caller, asked: answer_statement(node, caller, asked.body)},
            signed=True,
        ),
        Route(
            "delivered",
            {"GET": lambda node, caller, asked: answer_delivered(node, caller, asked.query)},
        ),
        Route(
            "deliveries",
            {"POST": lambda node, caller, asked: answer_delivery(node, caller, asked.body)},
            signed=True,
        ),
        Route(
            "receipts",
            {"POST": lambda node, caller, asked: answer_receipt(node, caller, asked.body)},
            signed=True,
        ),
    )
    return MappingProxyType({route.name: route for route in listed})


ROUTES: Final = _routes()


class Clerk(Protocol):
    """Who answers, in a process of its own, what is signed (`peering.clerk`)."""

    async def answer(self, route: str, caller: Caller, body: Mapping[str, Any]) -> bytes:
        """The JSON that answers a POST."""
        ...


class Peering:
    """Answers what comes under /exchange/v1/."""

    def __init__(
        self, node: Node, threads: Executor, taxii: Taxii, clerk: Clerk | None = None
    ) -> None:
        self._node = node
        self._threads = threads
        self._clerk = clerk
        self._taxii = taxii
        self._rooms: dict[int, asyncio.Semaphore] = {}

    def owns(self, request: Request) -> bool:
        """Tell whether the path lies under the peer face."""
        return request.segments[0] == FIRST

    async def answer(self, request: Request, noted: Noted) -> Answer:
        """Answer a request. Raises CertExchangeError for all that is not a success."""
        loop = asyncio.get_running_loop()
        try:
            if self._node.database.run_inline:
                caller = self._taxii.recognise(request, noted)
            else:
                caller = await loop.run_in_executor(
                    self._threads, self._taxii.recognise, request, noted
                )
        except CertificateRefused:
            raise
        except NotAuthenticated:
            await loop.run_in_executor(self._threads, self._taxii.note_failure, request)
            raise
        route, sentence = _find(request, noted)
        if request.method == "POST":
            async with self._rooms.setdefault(caller.partner, asyncio.Semaphore(BODIES_AT_ONCE)):
                limit = min(BODY_BYTES, self._node.settings.max_content_length)
                asked = Asked(body=_read(request, await read_body(request, limit)))
                if self._clerk is not None and route.signed:
                    said = await self._clerk.answer(route.name, caller, asked.body)
                    return Answer(200, said, media=JSON)
                work = partial(self._say, sentence, caller, asked)
                return await loop.run_in_executor(self._threads, work)
        asked = Asked(query=_parameters(request.query))
        return await loop.run_in_executor(
            self._threads, partial(self._say, sentence, caller, asked)
        )

    def _say(self, sentence: Sentence, caller: Caller, asked: Asked) -> Answer:
        said = sentence(self._node, caller, asked)
        return Answer(200, orjson.dumps(dict(said)), media=JSON)


def _find(request: Request, noted: Noted) -> tuple[Route, Sentence]:
    if len(request.segments) != 3 or request.segments[1] != VERSION:
        raise NotFound(detail="no such path")
    route = ROUTES.get(request.segments[2])
    if route is None:
        raise NotFound(detail="no such path")
    noted.route = f"peer-{route.name}"
    method = "GET" if request.method == "HEAD" else request.method
    if method not in route.sentences:
        allowed = [*route.sentences, *(["HEAD"] if "GET" in route.sentences else [])]
        raise MethodRefused(tuple(allowed), detail=request.method)
    return route, route.sentences[method]


def _parameters(query: bytes) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"), strict_parsing=bool(query), max_num_fields=_PARAMETERS
        )
    except ValueError:
        raise QueryInvalid("The query cannot be read.") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise QueryInvalid("A parameter stands twice in the query.")
    return MappingProxyType(found)


def _read(request: Request, body: bytes) -> Mapping[str, Any]:
    media = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media not in (JSON, b"application/taxii+json"):
        raise MediaTypeRefused("Send Content-Type: application/json.")
    try:
        content = orjson.loads(body)
    except ValueError:
        raise NotJson from None
    if not isinstance(content, dict):
        raise NotJson("The body is no JSON object.")
    return MappingProxyType(content)
