"""Token buckets that all `serve` processes of a home share, so that a partner has one share however many there are.

1. A partner's bucket lies at its place in a small file of the home, which every process maps: what one counts the others see at
   once, without a lock and without a system call. Two processes that count in the same microsecond may count once for
   both: a share bounds load, and is no money.
2. Instants are the machine's monotonic seconds, the same in all its processes. One that lies ahead is from before the machine's
   last start, and the bucket is full.
3. A home that cannot be written, or a partner whose number has no place, is counted by each process for itself; so are
   processes on several machines.
4. The file's bytes are taken from the disk when it is made: a full disk must not end a server that counts.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

PLACES: Final = 4_096
_RECORD: Final = struct.Struct("=dd?7x")
"""What is left, when that was, and whether anything was counted yet."""
_SIZE: Final = PLACES * _RECORD.size


class Buckets:
    """The buckets in one file; without a path those of this process alone. Callers hold a lock of their own among threads."""

    def __init__(self, path: Path | None = None) -> None:
        self._own: dict[int, tuple[float, float]] = {}
        self._shared = None if path is None else _mapped(path)

    def level(self, partner: int, *, full: float, per_second: float, now: float) -> float:
        """What a partner has left at `now`: a bucket is full at first, and fills evenly."""
        left, at = self._read(partner) or (full, now)
        if at > now:
            return full  # rule 2
        return min(full, left + (now - at) * per_second)

    def put(self, partner: int, left: float, now: float) -> None:
        """Note what a partner has left."""
        if self._shared is None or not 0 <= partner < PLACES:
            self._own[partner] = left, now
        else:
            _RECORD.pack_into(self._shared, partner * _RECORD.size, left, now, True)  # noqa: FBT003 - a field of the record

    def _read(self, partner: int) -> tuple[float, float] | None:
        if self._shared is None or not 0 <= partner < PLACES:
            return self._own.get(partner)
        left, at, counted = _RECORD.unpack_from(self._shared, partner * _RECORD.size)
        return (left, at) if counted else None


def _mapped(path: Path) -> mmap.mmap | None:
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(file, 0, _SIZE)
            return mmap.mmap(file, _SIZE)
        finally:
            os.close(file)
    except (OSError, ValueError) as error:
        log.warning(
            "shares are counted by each process for itself", detail=getattr(error, "strerror", "")
        )
        return None
