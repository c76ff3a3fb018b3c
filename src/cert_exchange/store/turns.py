"""Whose turn it is to write to a SQLite file: threads of one process, and processes, wait in line.

1. SQLite's own waiting sleeps and tries again, up to 100 ms at a time: with four writing processes the slowest commit
   took 2.9 s and throughput fell by 40 % (docs/decisions/store.md). Here the kernel wakes the next one.
2. It is only about waiting. BEGIN IMMEDIATE still guards the file: without this lock, or with its file deleted,
   nothing is lost but time.
3. The kernel frees a killed process's turn. Waiting is bounded: whoever waits in vain gets StoreUnavailable.
4. A turn that comes when nobody waits for it any more is passed on at once: a process that waited in vain may not write
   again for hours.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cert_exchange.errors import StoreUnavailable
from cert_exchange.store.raw import forgetful
from cert_exchange.store.waits import WRITING, Waits


class _Place:
    """A place in the kernel's line, which knows no time limit: a thread stands there, and the writer looks at the time."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._came = threading.Event()
        self._wanted = True
        threading.Thread(target=self._stand, daemon=True).start()

    def _stand(self) -> None:
        fcntl.flock(self._number, fcntl.LOCK_EX)
        with self._lock:
            self._came.set()
            if not self._wanted:
                fcntl.flock(self._number, fcntl.LOCK_UN)

    @property
    def over(self) -> bool:
        """Whether the turn came, so that nobody stands here."""
        return self._came.is_set()

    def taken_up(self) -> bool:
        """Wait here again, after somebody else gave up; False when the turn came meanwhile and was passed on."""
        with self._lock:
            self._wanted = not self._came.is_set()
            return self._wanted

    def came(self, seconds: float) -> bool:
        """Whether the turn comes in time; it is ours then. If not, it is passed on when it comes."""
        if self._came.wait(seconds):
            return True
        with self._lock:
            self._wanted = self._came.is_set()
            return self._wanted


class Turns:
    """The line before one file."""

    def __init__(self, path: Path, *, seconds: float, waits: Waits | None = None) -> None:
        self._path = path
        self._seconds = seconds
        self._waits = waits or Waits()
        self._thread = threading.Lock()
        self._file: int | None = None
        self._place: _Place | None = None
        forgetful.add(self)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for the turn, hold it, pass it on. Raises StoreUnavailable."""
        with self._waits.waiting(WRITING, times=0):
            if not self._thread.acquire(timeout=self._seconds):
                raise StoreUnavailable(detail="another thread writes for too long")
            try:
                number = self._wait()
            except BaseException:
                self._thread.release()
                raise
        try:
            try:
                yield
            finally:
                fcntl.flock(number, fcntl.LOCK_UN)
        finally:
            self._thread.release()

    def _wait(self) -> int:
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise StoreUnavailable(detail=f"{self._path}: {error.strerror}") from None
        number = self._file
        if self._place is None or not self._place.taken_up():
            self._place = None
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._place = _Place(number)
            else:
                return number
        if not self._place.came(self._seconds):
            # Its thread stands there on: the next one to write waits with it.
            raise StoreUnavailable(detail="another process writes for too long")
        self._place = None
        return number

    def forget(self) -> None:
        """In a forked child: the parent's place in the line is not ours. Closing does not free it."""
        if self._file is not None:
            os.close(self._file)
        self._file = None
        self._place = None
        self._thread = threading.Lock()

    def close(self) -> None:
        """Close the file; the object can be used again."""
        with self._thread:
            if self._file is not None and (self._place is None or self._place.over):
                os.close(self._file)
                self._file = None
