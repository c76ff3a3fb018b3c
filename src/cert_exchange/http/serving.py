"""The process behind `cert-exchange serve`: listens, and keeps a worker beside it.

1. SIGTERM and SIGINT end it in order: no new connections, requests under way are answered, the children end.
2. A database that is not there yet is waited for: the socket listens, `/health/ready` says 503.
3. A worker that ends is started again, after a pause that grows.
4. Certificates, authorities and revocation lists are taken up while it runs (`renewing`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
import uvicorn

from cert_exchange import logs
from cert_exchange.errors import ConfigurationInvalid, StoreUnavailable
from cert_exchange.http.access_log import AccessLog
from cert_exchange.http.application import Application
from cert_exchange.http.entrance import BACKLOG, entrances
from cert_exchange.http.listening import Protocol
from cert_exchange.http.renewing import Renewing
from cert_exchange.node import Clock, Node, open_node
from cert_exchange.services.timekeeping import accept_clock
from cert_exchange.settings import Settings, load_settings

log = structlog.get_logger(__name__)

GRACE_SECONDS: Final = 15
KEEP_ALIVE_SECONDS: Final = 65
"""Longer than a poll a minute, so that such a client keeps its connection."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_CALM_SECONDS: Final = 60.0
WITH_CLERK: Final = True
"""Whether what is signed is answered by a process of its own."""


def serve(home: Path, *, with_worker: bool = True, clock_ok: bool = False) -> None:
    """Serve the node at `home` until SIGTERM or SIGINT. Raises ConfigurationInvalid.

    `clock_ok`: a person looked at the clock, releasing may go on (DECISIONS 9).
    """
    settings = load_settings(home)
    logs.configure(Clock().now)
    node: Node | None
    try:
        node = open_node(home)
    except StoreUnavailable as error:
        log.warning("database not there yet", detail=error.detail)
        node = None
    application = Application(node, AccessLog(sys.stderr), with_clerk=WITH_CLERK)
    server = _Server(application, settings, with_worker=with_worker, clock_ok=clock_ok)
    if node is not None and clock_ok:
        accept_clock(node, by="--clock-ok")
    server.attached = node
    try:
        server.config.load()
        server.run(sockets=_entrances(settings))
    finally:
        if server.attached is not None:
            server.attached.close()


def _entrances(settings: Settings) -> list[socket.socket]:
    try:
        return list(entrances(settings.host, settings.port, proxies=settings.trusted_proxies))
    except OSError as error:
        raise ConfigurationInvalid(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); another process may be"
            " there, or the address is not this machine's: set host and port."
        ) from None


def configured(
    application: Application, settings: Settings, renewing: Renewing | None = None
) -> uvicorn.Config:
    """Make uvicorn's configuration for a node's settings. Its `load` raises ConfigurationInvalid.

    Without `renewing` the server goes on with the certificates of its start.
    """
    tls = renewing or Renewing(application, settings)
    return uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        http=Protocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_context_factory=(lambda *_: tls.context()) if tls.secured else None,
    )


_FAREWELL_SECONDS: Final = 2.0
"""Also what the last bytes of an answer may take to a slow client."""


class _Server(uvicorn.Server):
    """Uvicorn's server, with our children and our way to end."""

    def __init__(
        self,
        application: Application,
        settings: Settings,
        *,
        with_worker: bool,
        clock_ok: bool,
    ) -> None:
        self._renewing = Renewing(application, settings)
        super().__init__(configured(application, settings, self._renewing))
        self._application = application
        self._settings = settings
        self._with_worker = with_worker
        self._clock_ok = clock_ok
        self._company: list[asyncio.Task[None]] = []
        self.attached: Node | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals, and unlike uvicorn do not raise them again: an orderly end is exit 0."""
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then look after database and children."""
        await super().startup(sockets)
        for listening in self.servers:
            for each in listening.sockets:
                log.info(
                    "listening", address=list(each.getsockname()[:2]), tls=bool(self.config.ssl)
                )
        self._company.append(asyncio.create_task(self._accompany()))
        self._company.append(
            asyncio.create_task(
                self._renewing.run(lambda: self.attached, self.server_state.connections)
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End our children first, then as uvicorn does."""
        log.info("ending")
        for task in self._company:
            task.cancel()
        await asyncio.gather(*self._company, return_exceptions=True)
        letting_go = asyncio.create_task(self._let_go())
        await super().shutdown(sockets)
        letting_go.cancel()

    async def _let_go(self) -> None:
        """Hang up on who was answered and does not say farewell in time (TLS: close_notify).

        A poller that keeps its connection and sleeps says none: each stop would take the whole grace.
        """
        await asyncio.sleep(_FAREWELL_SECONDS)
        for one in list(self.server_state.connections):
            if isinstance(one, Protocol) and (one.cycle is None or one.cycle.response_complete):
                with contextlib.suppress(OSError):
                    one.line.shutdown(socket.SHUT_RDWR)

    async def _accompany(self) -> None:
        pause = _FIRST_PAUSE
        while self.attached is None:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                node = await asyncio.to_thread(open_node, self._settings.home)
            except StoreUnavailable as error:
                log.warning("database not there yet", detail=error.detail)
                continue
            if self._clock_ok:
                await asyncio.to_thread(accept_clock, node, by="--clock-ok")
            self.attached = node
            self._application.attach(node)
            log.info("database is there")
        if self._with_worker:
            await self._keep_worker()

    async def _keep_worker(self) -> None:
        pause = _FIRST_PAUSE
        assert self.attached is not None  # the worker starts once the database is there
        clock = self.attached.clock
        while True:
            begun = clock.monotonic()
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "cert_exchange.worker",
                "--home",
                str(self._settings.home),
                "--parent",
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                # Its own group: Ctrl-C reaches us, and we end it.
                start_new_session=True,
            )
            try:
                code = await child.wait()
            except asyncio.CancelledError:
                await _end(child)
                raise
            log.error("worker ended", code=code)
            if clock.monotonic() - begun > _CALM_SECONDS:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


async def _end(child: asyncio.subprocess.Process) -> None:
    """End a child: ask, wait, and only then kill; it may be killed at any point (DESIGN)."""
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
