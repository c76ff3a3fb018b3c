"""An input that can be read more than once: to understand it, and to take it in.

1. It is read in chunks, unpacked on the way where it is gzip; nothing holds all of it but what must.
2. Unpacking never makes more than the limit, however small the file.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from cert_exchange.errors import BodyTooLarge, InputRefused

CHUNK: Final = 65_536
MOST_BYTES: Final = 4 * 1024**3
"""Bytes of one input, unpacked, that is read as a stream."""
_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Source:
    """One input under its name. `open` gives it from its beginning, each time anew; `size` is its bytes, if known."""

    name: str
    open: Callable[[], BinaryIO]
    size: int | None = None

    def head(self, size: int) -> bytes:
        """Its first bytes, unpacked. Raises InputRefused."""
        found = b""
        for chunk in self.chunks():
            found += chunk
            if len(found) >= size:
                break
        return found[:size]

    def chunks(self) -> Iterator[bytes]:
        """All of it, unpacked. Raises InputRefused, BodyTooLarge."""
        done = 0
        try:
            with self.open() as stream:
                first = stream.read(CHUNK)
                packed = first.startswith(_GZIP)
                for chunk in self._unpacked(stream, first) if packed else _plain(stream, first):
                    done += len(chunk)
                    if done > MOST_BYTES:
                        raise BodyTooLarge(
                            f"{self.name} holds more than {MOST_BYTES:,} bytes; publish it in parts."
                        )
                    yield chunk
        except OSError as error:
            raise InputRefused(f"{self.name} cannot be read: {error.strerror}.") from error

    def whole(self, *, limit: int) -> bytes:
        """All of it at once, for formats that cannot be read otherwise. Raises BodyTooLarge."""
        found = bytearray()
        for chunk in self.chunks():
            found += chunk
            if len(found) > limit:
                raise BodyTooLarge(
                    f"{self.name} holds more than {limit:,} bytes, unpacked; publish it in parts."
                )
        return bytes(found)

    def _unpacked(self, stream: BinaryIO, first: bytes) -> Iterator[bytes]:
        """Gzip, also of several members one after the other."""
        packed = first
        while packed:
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                try:
                    made = member.decompress(packed, CHUNK)
                except zlib.error as error:
                    raise InputRefused(
                        f"{self.name} begins like gzip but cannot be unpacked."
                    ) from error
                if made:
                    yield made
                packed = member.unconsumed_tail
                if (
                    not packed
                    and not member.eof
                    and not (packed := stream.read(CHUNK))
                    and not made
                ):
                    raise InputRefused(f"{self.name} is a gzip file that was cut off.")
            packed = member.unused_data or stream.read(CHUNK)


def _plain(stream: BinaryIO, first: bytes) -> Iterator[bytes]:
    while first:
        yield first
        first = stream.read(CHUNK)
