"""An end to every wait, also where `requests` has none.

Its read limit counts from byte to byte: a server that sends its header lines drop by drop holds a thread for days
without ever passing it. So each request has a watch that shuts the sockets of its session when the whole answer took
too long; the blocked read then ends as a broken line, and who asks sees `fired`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from types import TracebackType
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Sockets:
    """The open sockets of one session."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, sock: socket.socket | None) -> None:
        """Remember a socket as long as it lives."""
        if sock is not None:
            with self._lock:
                self._open.add(sock)

    def shut(self) -> None:
        """End every read and write on them, from any thread."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


class WatchedAdapter(HTTPAdapter):
    """The adapter of `requests`, whose connections tell `sockets` of the socket they opened."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools out of connections that tell."""
        super().init_poolmanager(*args, **kwargs)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Do the same behind a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        self._watch(manager)
        return manager

    def _watch(self, manager: Any) -> None:
        sockets = self._sockets

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


class Watch:
    """A context in which the sockets are shut when it lasts longer than `seconds`; `fired` says that they were."""

    def __init__(self, sockets: Sockets, seconds: float) -> None:
        self.fired = False
        self._sockets = sockets
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True

    def _fire(self) -> None:
        self.fired = True
        self._sockets.shut()

    def __enter__(self) -> Self:
        """Start the watch."""
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self._timer.cancel()
