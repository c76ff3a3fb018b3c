"""The body of a POST, counted while it is read.

1. A body that is larger than `max_content_length` ends in 413 as soon as that is known: by its Content-Length, while it
   comes in pieces, or while it unpacks. No more than that is ever kept.
2. A compressed body counts by what it unpacks to; it is unpacked piece by piece, each bounded.
3. A smaller body is never refused for its size (TAXII 2.1 section 4.2.1).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from typing import Final

from cert_exchange.errors import BodyTooLarge, BodyTooSlow, MediaTypeRefused, NotJson
from cert_exchange.taxii.wire import Request

READ_SECONDS: Final = 120
READ_OFF_SECONDS: Final = 10
READ_OFF_BYTES: Final = 64 * 1024 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_STEP: Final = 256 * 1024


class Disconnected(Exception):
    """The client left before its body was complete: nothing is stored."""


async def read_body(request: Request, limit: int) -> bytes:
    """Read the whole body, at most `limit` bytes after decompression.

    Raises BodyTooLarge, MediaTypeRefused (a Content-Encoding other than gzip), NotJson (damaged gzip), BodyTooSlow,
    Disconnected.
    """
    encoding = request.headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b"gzip", b"x-gzip"):
        raise MediaTypeRefused("Content-Encoding is gzip or left out; no other is understood.")
    unpacker = Unpacker(limit) if encoding != b"identity" else None
    pieces = _Pieces(request)
    try:
        declared = request.headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        async with asyncio.timeout(READ_SECONDS):
            body = await _read(pieces, limit, unpacker)
    except BodyTooLarge:
        if (
            b"expect" not in request.headers
        ):  # else it waits for leave to send, and reads our answer instead
            await _read_off(pieces)
        raise
    except TimeoutError:
        raise BodyTooSlow from None
    if unpacker:
        unpacker.close()
    return body


class _Pieces:
    """A body as it comes. `more`: whether any of it is still to come; who asks for more than there is waits in vain."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.more = True

    async def following(self) -> bytes:
        """Wait for the next piece. Raises Disconnected."""
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        self.more = message.get("more_body", False)
        found: bytes = message.get("body", b"")
        return found


async def _read(pieces: _Pieces, limit: int, unpacker: Unpacker | None) -> bytes:
    kept = bytearray()
    received = 0
    while pieces.more:
        piece = await pieces.following()
        received += len(piece)
        if received > limit:
            raise _too_large(limit)
        if unpacker is None:
            kept += piece
            continue
        for part in unpacker.feed(piece):
            kept += part
            await asyncio.sleep(0)  # others are answered in between
    return bytes(kept)


async def _read_off(pieces: _Pieces) -> None:
    """Let a client that sends all before it reads come to our answer; drop what it sends, for a while."""
    left = READ_OFF_BYTES
    try:
        async with asyncio.timeout(READ_OFF_SECONDS):
            while pieces.more and left > 0:
                left -= len(await pieces.following())
    except TimeoutError:
        return


class Unpacker:
    """Unpacks gzip, one or more members, in pieces of at most _STEP bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Unpack a piece. Raises BodyTooLarge, NotJson."""
        pending = False
        while piece or pending:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            try:
                part = self._member.decompress(piece, _STEP)
            except zlib.error:
                raise _damaged() from None
            self._begun = True
            self._total += len(part)
            if self._total > self._limit:
                raise _too_large(self._limit)
            yield part
            ended = self._member.eof
            piece = self._member.unused_data if ended else self._member.unconsumed_tail
            pending = not ended and len(part) == _STEP  # more may wait inside

    def close(self) -> None:
        """Tell whether all of it came. Raises NotJson."""
        if not self._begun or not self._member.eof:
            raise _damaged()


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body is larger than max_content_length, {limit} bytes; send it in parts."
    )


def _damaged() -> NotJson:
    return NotJson("The body is no complete gzip stream.")
