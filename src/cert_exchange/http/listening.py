"""The wire under the application: uvicorn's httptools protocol with bounds on what comes before a request is one.

1. A head that does not end within HEAD_SECONDS or that is larger than MOST_HEAD_BYTES ends the connection.
2. Also what is no HTTP gets an error resource, since TAXII clients read nothing else.
3. What else one connection may cost us: `conduct`.
4. The certificate that the other end showed goes with each of its requests, as `state["certificate"]` in DER.
"""

from __future__ import annotations

import asyncio
from secrets import token_hex
from typing import Any, Final

from cert_exchange.http.application import HEAD_BYTES
from cert_exchange.http.conduct import HEAD_SECONDS, Conduct
from cert_exchange.taxii.resources import error as error_resource

__all__ = ["HEAD_SECONDS", "MOST_HEAD_BYTES", "Protocol"]

MOST_HEAD_BYTES: Final = 2 * HEAD_BYTES
"""Bytes; between HEAD_BYTES and this the application itself answers, and logs who it was."""


class Protocol(Conduct):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self.certificate: bytes | None = None
        self.line: Any = None
        """the socket below, which a transport that was closed does not give any more"""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take the certificate that was shown in the handshake, which OpenSSL has verified."""
        super().connection_made(transport)
        self.line = transport.get_extra_info("socket")
        secured = transport.get_extra_info("ssl_object")
        if secured is not None:
            self.certificate = secured.getpeercert(binary_form=True)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self.scope["state"]["certificate"] = self.certificate
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """End a head."""
        if len(self.url) > HEAD_BYTES:
            # httptools cannot cut a longer one up, and would have us say 400.
            self._refuse_head()
            raise ValueError("URL too long")
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Read a piece."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self._refuse_head()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "Bad request", msg)

    def too_slow(self) -> None:
        """Answer a head that never ended."""
        self._refuse(408, "Request timeout", "The request did not arrive in time.")

    def _refuse_head(self) -> None:
        self._refuse(431, "Request header fields too large", "The request's head is too large.")

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
