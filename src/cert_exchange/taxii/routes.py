"""The resources of TAXII 2.1: path, methods, and the service sentence behind each.

Every request under a TAXII root goes the same way:
(1) credential and share  (2) path  (3) method  (4) media types  (5) rights  (6) query and body  (7) the sentence
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import structlog

from cert_exchange.errors import (
    CertExchangeError,
    CertificateRefused,
    DeleteRefused,
    MethodRefused,
    NotAuthenticated,
    NotFound,
    ReceivingSuspended,
    WriteRefused,
)
from cert_exchange.node import Node
from cert_exchange.services import polling, publishing, releasing
from cert_exchange.services.partners import Caller, Uses, note_failure
from cert_exchange.services.polling import Grant, NeedsThread, Resource
from cert_exchange.taxii import access, pages, queries, resources
from cert_exchange.taxii.allowance import Allowance
from cert_exchange.taxii.bodies import read_body
from cert_exchange.taxii.buckets import Buckets
from cert_exchange.taxii.negotiation import check_accept, check_content_type
from cert_exchange.taxii.paths import DISCOVERY, ROUTES, Route, allowed, match, methods_of
from cert_exchange.taxii.receiver import Receiver
from cert_exchange.taxii.wire import Answer, Noted, Request

__all__ = ["DISCOVERY", "ROUTES", "Route", "Taxii", "match"]

log = structlog.get_logger(__name__)

BODIES_AT_ONCE: Final = 4
"""of one partner, each up to max_content_length"""
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_NOTES_KEPT: Final = 50
"""of one partner: each is a transaction, and one request can name thousands"""


@dataclass(frozen=True, slots=True)
class _Met:
    """A request, its caller and its route."""

    request: Request
    caller: Caller
    route: Route
    names: tuple[str, ...]
    noted: Noted
    connection: Any
    inline: bool


class Taxii:
    """Answers what comes under a TAXII root."""

    def __init__(self, node: Node, threads: Executor) -> None:
        self._node = node
        self._threads = threads
        home = node.settings.home
        self._shares = access.Shares(Buckets(home / "serve-requests.shares"))
        self._allowance = Allowance(
            node.settings.megabytes_per_hour, Buckets(home / "serve-bytes.shares")
        )
        self._uses = Uses(node, threads)
        self._ignored: dict[int, set[str]] = {}
        self._rooms: dict[int, asyncio.Semaphore] = {}
        self.receiver = Receiver(node, threads)
        self._reads: Mapping[str, Callable[[_Met], Answer]] = MappingProxyType(
            {
                "discovery": self._discovery,
                "api-root": self._api_root,
                "status": self._status,
                "collections": self._collections,
                "collection": self._collection,
            }
        )

    def owns(self, request: Request) -> bool:
        """Tell whether the path lies under a TAXII root."""
        return request.segments[0] in (DISCOVERY, self._node.settings.api_root)

    async def answer(self, request: Request, noted: Noted) -> Answer:
        """Answer a request. Raises CertExchangeError for all that is not a success."""
        loop = asyncio.get_running_loop()
        try:
            if request.method == "POST":
                return await self._post(request, noted)
            if self._node.database.run_inline and request.method != "DELETE":
                try:
                    return self._read(request, noted, inline=True)
                except NeedsThread:
                    pass
            work = partial(self._read, request, noted, inline=False)
            return await loop.run_in_executor(self._threads, work)
        except CertificateRefused:
            raise
        except NotAuthenticated:
            await loop.run_in_executor(self._threads, self.note_failure, request)
            raise

    def recognise(self, request: Request, noted: Noted) -> Caller:
        """Say who asks, as for every request here, for a face beside this one. Raises NotAuthenticated, TooManyRequests."""
        given = access.presented(request.headers.get(b"authorization"))
        with self._node.database.raw_reader() as connection:
            return access.caller_of(
                self._node,
                connection,
                given,
                request.host,
                self._shares,
                noted,
                request.peer,
                self._uses,
            )

    def note_failure(self, request: Request) -> None:
        """Count a failed login. No credential at all is not a try to guess one."""
        try:
            given = access.presented(request.headers.get(b"authorization"))
        except NotAuthenticated:
            return
        note_failure(self._node, given.credential_id, network=request.host)

    def _read(self, request: Request, noted: Noted, *, inline: bool) -> Answer:
        """Do all steps of anything but a POST."""
        given = access.presented(request.headers.get(b"authorization"))
        with self._node.database.raw_reader() as connection:
            met = self._meet(request, given, noted, connection, inline=inline)
            if request.method == "OPTIONS":
                return Answer(204, headers=((b"allow", allowed(met.route)),), media=None)
            if request.method == "DELETE":
                grant = self._deletable(met)
            elif met.route.resource is not None:
                return self._page(met, met.route.resource)
            else:
                self._note_ignored(met, queries.ignored_names(request.query))
                return self._reads[met.route.name](met)
        return self._delete(met, grant)

    def _meet(
        self,
        request: Request,
        given: access.Presented,
        noted: Noted,
        connection: Any,
        *,
        inline: bool,
    ) -> _Met:
        """Do the steps 1 to 4."""
        caller = access.caller_of(
            self._node,
            connection,
            given,
            request.host,
            self._shares,
            noted,
            request.peer,
            self._uses,
        )
        route, names = match(request.segments)
        noted.route = route.name
        method = "GET" if request.method == "HEAD" else request.method
        if method != "OPTIONS":
            if method not in route.methods:
                raise MethodRefused(methods_of(route), detail=request.method)
            check_accept(
                request.headers.get(b"accept", b""),
                objects=route.resource in (Resource.OBJECTS, Resource.MANIFEST),
            )
        return _Met(request, caller, route, names, noted, connection, inline)

    def _grant(self, met: _Met) -> Grant:
        name = met.names[0]
        # Ids match whatever their letter case, aliases exactly; an alias never looks like an id.
        wanted = name.lower() if _UUID.fullmatch(name) else name
        grant = polling.find_collection(self._node, met.connection, met.caller, wanted)
        met.noted.collection = grant.collection
        return grant

    def _discovery(self, met: _Met) -> Answer:
        grants = polling.list_collections(self._node, met.connection, met.caller)
        return Answer(200, resources.discovery(self._node.settings, has_root=bool(grants)))

    def _api_root(self, met: _Met) -> Answer:
        if not polling.list_collections(self._node, met.connection, met.caller):
            raise NotFound(detail="no collection in this root")
        return Answer(200, resources.api_root(self._node.settings))

    def _collections(self, met: _Met) -> Answer:
        grants = polling.list_collections(self._node, met.connection, met.caller)
        return Answer(200, resources.collections(grants))

    def _collection(self, met: _Met) -> Answer:
        return Answer(200, resources.collection(self._grant(met)))

    def _status(self, met: _Met) -> Answer:
        return Answer(200, publishing.submission(self._node, met.caller, met.names[0]))

    def _page(self, met: _Met, resource: Resource) -> Answer:
        grant = self._grant(met)
        stix_id = met.names[1] if len(met.names) > 1 else ""
        asked = queries.page_query(met.request.query, resource, stix_id)
        if asked.ignored:
            self._note_ignored(met, asked.ignored)
        page = polling.poll(
            self._node, met.connection, met.caller, grant, asked.page, inline=met.inline
        )
        met.noted.count = page.count
        return Answer(
            200,
            pages.body(page, empty_list=met.caller.empty_objects_list),
            pages.dates(page),
        )

    def _deletable(self, met: _Met) -> Grant:
        grant = self._grant(met)
        if not (grant.can_read and grant.can_write):
            raise DeleteRefused
        _check_receiving(met.caller)
        return grant

    def _delete(self, met: _Met, grant: Grant) -> Answer:
        """Take back what the caller submitted; a transaction of its own, with no reader held."""
        asked = queries.deletion(met.request.query)
        stix_id = met.names[1]
        if asked.nothing or not queries.ID.fullmatch(stix_id):
            raise NotFound
        releasing.withdraw_submitted(
            self._node, met.caller, grant.collection, stix_id, versions=asked.versions
        )
        return Answer(200)

    async def _post(self, request: Request, noted: Noted) -> Answer:
        """Do all steps of a POST: the rights before the body is read, the body beside the event loop."""
        loop = asyncio.get_running_loop()
        if self._node.database.run_inline:
            caller, grant = self._admit(request, noted)
        else:
            work = partial(self._admit, request, noted)
            caller, grant = await loop.run_in_executor(self._threads, work)
        async with self._room(caller):
            self._allowance.check(caller.partner, self._node.clock.monotonic())
            body = await read_body(request, self._node.settings.max_content_length)
            self._allowance.take(caller.partner, len(body), self._node.clock.monotonic())
            status = await self.receiver.receive(
                body, partner=caller.partner, collection=grant.collection
            )
        return Answer(202, status)

    def _room(self, caller: Caller) -> asyncio.Semaphore:
        """Bound what one partner's bodies can take of our memory; a further one is read when there is room."""
        return self._rooms.setdefault(caller.partner, asyncio.Semaphore(BODIES_AT_ONCE))

    def _admit(self, request: Request, noted: Noted) -> tuple[Caller, Grant]:
        given = access.presented(request.headers.get(b"authorization"))
        with self._node.database.raw_reader() as connection:
            met = self._meet(request, given, noted, connection, inline=True)
            grant = self._grant(met)
            if not grant.can_write:
                raise WriteRefused
            _check_receiving(met.caller)
            check_content_type(request.headers.get(b"content-type", b""))
        return met.caller, grant

    def _note_ignored(self, met: _Met, names: tuple[str, ...]) -> None:
        """Show the operator, once per partner, what its client sends in vain."""
        told = self._ignored.setdefault(met.caller.partner, set())
        for name in names:
            note = f"ignored parameter {name} at {met.route.name}"
            if len(told) >= _NOTES_KEPT:
                return
            if note not in told:
                told.add(note)
                log.warning(
                    "parameter ignored", partner=met.caller.partner, name=name, route=met.route.name
                )
                self._threads.submit(self._write_note, met.caller, note)

    def _write_note(self, caller: Caller, note: str) -> None:
        try:
            polling.note_ignored(self._node, caller, note)
        except CertExchangeError as error:
            # A note is a courtesy: the log has it, and the next process writes it again.
            log.warning("note not written", partner=caller.partner, detail=error.detail)


def _check_receiving(caller: Caller) -> None:
    if not caller.receiving:
        raise ReceivingSuspended(detail=f"receiving from partner {caller.partner} is suspended")
