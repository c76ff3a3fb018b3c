"""Whose turn it is to write to a SQLite file: threads of one process, and processes, wait in line.

1. SQLite's own waiting sleeps and tries again, up to 100 ms at a time: with four writing processes the slowest commit
   took 2.9 s and throughput fell by 40 % (docs/decisions/store.md). Here the kernel wakes the next one.
2. It is only about waiting. BEGIN IMMEDIATE still guards the file: without this lock, or with its file deleted,
   nothing is lost but time.
3. The kernel frees a killed process's turn. Waiting is bounded: whoever waits in vain gets StoreUnavailable.
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


class Turns:
    """The line before one file."""

    def __init__(self, path: Path, *, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._thread = threading.Lock()
        self._file: int | None = None
        self._coming: threading.Event | None = None
        forgetful.add(self)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for the turn, hold it, pass it on. Raises StoreUnavailable."""
        if not self._thread.acquire(timeout=self._seconds):
            raise StoreUnavailable(detail="another thread writes for too long")
        try:
            number = self._wait()
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
        if self._coming is None:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._coming = threading.Event()
                # The kernel's line knows no time limit: a thread stands in it, and this one looks at the time.
                threading.Thread(
                    target=_stand_in_line, args=(number, self._coming), daemon=True
                ).start()
            else:
                return number
        if not self._coming.wait(self._seconds):
            # The thread still stands there: the next one to write waits for it.
            raise StoreUnavailable(detail="another process writes for too long")
        self._coming = None
        return number

    def forget(self) -> None:
        """In a forked child: the parent's place in the line is not ours. Closing does not free it."""
        if self._file is not None:
            os.close(self._file)
        self._file = None
        self._coming = None
        self._thread = threading.Lock()

    def close(self) -> None:
        """Close the file; the object can be used again."""
        with self._thread:
            if self._file is not None and self._coming is None:
                os.close(self._file)
                self._file = None


def _stand_in_line(number: int, coming: threading.Event) -> None:
    fcntl.flock(number, fcntl.LOCK_EX)
    coming.set()
