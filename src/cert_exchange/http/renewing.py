"""Keeps what a server shows and whom it believes as they are in the node, while it runs.

1. Looked at every second: a certificate that was renewed, an authority that was pinned, a list that was signed is in
   force for the next handshake and the next request, in every process.
2. What cannot be read changes nothing: the server goes on with what it had, and says so once.
3. A connection that showed no certificate when none was asked for, or one that is not believed any more, ends after the
   answer that is under way: its client comes back by a handshake of today.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import structlog

from cert_exchange.errors import CertExchangeError
from cert_exchange.http.tls import Refusals, Renewable, make_context
from cert_exchange.node import Clock, Node
from cert_exchange.remote.pki import NotBelieved, Trust
from cert_exchange.services import pki

if TYPE_CHECKING:
    from cert_exchange.http.application import Application
    from cert_exchange.settings import Settings

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.5


class Renewing:
    """The TLS of one server process, and the trust of its application."""

    def __init__(self, application: Application, settings: Settings) -> None:
        self._application = application
        self._settings = settings
        self._context: Renewable | None = None
        self._seen: tuple[pki.Stamp, int] | None = None
        self._trouble: str | None = None

    @property
    def secured(self) -> bool:
        """Whether the server speaks TLS itself."""
        return self._settings.tls_certificate is not None

    def context(self) -> Renewable:
        """The context to listen with. Raises ConfigurationInvalid."""
        if self._context is None:
            self._context = Renewable(
                self._made(self._application.visitors.trust), Refusals(Clock().monotonic)
            )
        return self._context

    def look(self, node: Node) -> bool:
        """Take up what changed; tells whether anything did. Raises ConfigurationInvalid, StoreUnavailable."""
        seen = (pki.material_stamp(self._settings), pki.trust_changes(node))
        if seen == self._seen:
            return False
        trust = pki.load_trust(node)
        if self._context is not None:
            self._context.newest = self._made(trust)
        self._application.visitors.trust = trust
        first, self._seen = self._seen is None, seen
        if not first:
            log.info("certificates taken up", authorities=len(trust.anchors))
        return True

    async def run(self, attached: Callable[[], Node | None], connections: Iterable[Any]) -> None:
        """Look again and again; `connections` are those of the server, as they are at each look."""
        while True:
            node = attached()
            if node is not None:
                try:
                    asked = bool(self._application.visitors.trust)
                    if await asyncio.to_thread(self.look, node):
                        self._end_outdated(connections, asked=asked, now=node.now())
                    self._trouble = None
                except CertExchangeError as error:
                    self._tell(error.detail or error.public)
            await asyncio.sleep(LOOK_SECONDS)

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.error("certificates not taken up, the old ones stay", detail=trouble)
        self._trouble = trouble

    def _made(self, trust: Trust) -> Any:
        required = self._settings.client_certificates == "required"
        return make_context(pki.load_material(self._settings), trust, required=required)

    def _end_outdated(self, connections: Iterable[Any], *, asked: bool, now: int) -> None:
        """Do as rule 3 says; `asked`: whether a connection was asked for a certificate so far."""
        trust = self._application.visitors.trust
        for one in list(connections) if self.secured else ():
            certificate = getattr(one, "certificate", None)
            if certificate is None:
                outdated = bool(trust) and not asked
            else:
                outdated = isinstance(trust.recognise(certificate, now=now), NotBelieved)
            if outdated:
                one.shutdown()
