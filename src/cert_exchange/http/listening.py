"""The wire under the application: uvicorn's httptools protocol with bounds on what comes before a request is one.

1. A head that does not end within HEAD_SECONDS or that is larger than MOST_HEAD_BYTES ends the connection.
2. Also what is no HTTP gets an error resource, since TAXII clients read nothing else.
"""

from __future__ import annotations

import asyncio
from secrets import token_hex
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cert_exchange.http.application import HEAD_BYTES
from cert_exchange.taxii.resources import error as error_resource

HEAD_SECONDS: Final = 30
MOST_HEAD_BYTES: Final = 2 * HEAD_BYTES
"""Bytes; between HEAD_BYTES and this the application itself answers, and logs who it was."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._head_bytes = 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """End a head."""
        self._in_head = False
        if len(self.url) > HEAD_BYTES:
            # httptools cannot cut a longer one up, and would have us say 400.
            self._refuse_head()
            raise ValueError("URL too long")
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Read a piece."""
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head:
            if self._patience is not None:
                self._stop_waiting()
        elif self._head_bytes > MOST_HEAD_BYTES:
            self._refuse_head()
        elif self._patience is None:
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "Bad request", msg)

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse_head(self) -> None:
        self._refuse(431, "Request header fields too large", "The request's head is too large.")

    def _too_slow(self) -> None:
        self._patience = None
        self._refuse(408, "Request timeout", "The request did not arrive in time.")

    def _refuse(self, status: int, title: str, description: str) -> None:
        if self.transport.is_closing():
            return
        body = error_resource(
            title=title, description=description, error_id=token_hex(16), status=status
        )
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/taxii+json;version=2.1\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s"
            % (status, title.encode("ascii"), len(body), body)
        )
        self.transport.close()
