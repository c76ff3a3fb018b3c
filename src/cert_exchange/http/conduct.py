"""What one connection may cost us, whoever is at its other end.

1. A connection that waits for a head waits HEAD_SECONDS (or the keep-alive time after an answer); blank lines do not
   begin the time anew.
2. Whoever was answered before its body was there gets READ_OFF_SECONDS and READ_OFF_BYTES to end it, then we hang up.
3. Trailers are no headers (RFC 9110 section 6.5.1): they are dropped, and what is neither head nor body is bounded.
4. Whoever does not read what we send is cut off after STALL_SECONDS in which it took less than a piece.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cert_exchange.taxii.bodies import READ_OFF_BYTES, READ_OFF_SECONDS

HEAD_SECONDS: Final = 30
STALL_SECONDS: Final = 60
"""A reader that takes 4 KiB a second is never cut off: `application.PIECE` is 256 KiB."""
MOST_FRAMING: Final = 256 * 1024
"""Bytes of one request that are neither head nor body: chunk extensions and trailers, which no client of ours sends."""
_PER_CHUNK: Final = 12
"""What the frame of one chunk may cost: its size in hexadecimal and two line ends."""


class Conduct(HttpToolsProtocol):
    """A connection that is left when it goes on for too long. The sub-class says what is answered then."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._message_done = True
        self._framing = 0
        self._read_off = READ_OFF_BYTES
        self._patience: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget every timer."""
        self._stop_waiting()
        for timer in (self._leaving, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head, self._message_done = True, False
        self._framing = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; what comes after the body is none (rule 3)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End a head."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._framing -= len(body)
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Allow a chunk its frame."""
        self._framing -= _PER_CHUNK

    def on_message_complete(self) -> None:
        """End a request."""
        self._message_done = True
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Read a piece."""
        self._framing += len(data)
        super().data_received(data)
        if self._in_head:
            if self._patience is None:
                self._wait()
        elif not self._message_done:
            self._read_off -= len(data) if self._leaving is not None else 0
            if self._framing > MOST_FRAMING or self._read_off < 0:
                self._leave()
        elif self._patience is None and self._rests():
            self._wait()  # what came was no request, and ended the keep-alive time (rule 1)

    def on_response_complete(self) -> None:
        """Go on to the next request, or wait for the rest of this one (rule 2)."""
        unread = not self._message_done and not self.pipeline
        super().on_response_complete()
        if self.transport.is_closing():
            self._cut_off_later()
        elif unread:
            self._read_off = READ_OFF_BYTES
            self._leaving = self.loop.call_later(READ_OFF_SECONDS, self._leave)

    def pause_writing(self) -> None:
        """Watch a reader that falls behind (rule 4)."""
        super().pause_writing()
        self._cut_off_later()

    def resume_writing(self) -> None:
        """It reads."""
        if self._stall is not None and not self.transport.is_closing():
            self._stall.cancel()
            self._stall = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection; one that did not even read the last answer at once."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def too_slow(self) -> None:
        """Say that no head came in time, and hang up."""
        self.transport.close()

    def _rests(self) -> bool:
        resting = self.cycle is None or self.cycle.response_complete
        return resting and self.timeout_keep_alive_task is None

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._waited)

    def _waited(self) -> None:
        self._patience = None
        self.too_slow()
        self._cut_off_later()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _leave(self) -> None:
        """Hang up on whoever sends on and on."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # its request is nobody's any more: the application hears of a disconnect
            return
        self.transport.close()
        self._cut_off_later()

    def _cut_off_later(self) -> None:
        """Closing waits until all is written: for whoever reads nothing that is for ever."""
        if self._stall is None and self.transport.get_write_buffer_size():
            self._stall = self.loop.call_later(STALL_SECONDS, self.transport.abort)
