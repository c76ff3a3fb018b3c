"""One line per request, written by a thread of its own: who asked for what kind of thing, and what it cost.

1. Numbers and names only: no path, no query, no header but X-Request-Id, of at most 64 letters, digits, dots and dashes.
2. A request never waits for the log; what was not written when the process is killed is lost (DECISIONS 24: what was
   fetched stands in the marks). A log that cannot be written, or not as fast as requests come, loses lines and says how many.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from typing import Final, TextIO

from cert_exchange.stix.instants import format_micros
from cert_exchange.taxii.wire import Noted

FLUSH_SECONDS: Final = 0.5
MOST_WAITING: Final = 50_000

_Line = tuple[int, str, int, Noted, int, float]


class AccessLog:
    """Writes to `stream`, which it flushes but does not close."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[_Line] = deque()
        self._lost = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def add(
        self, at: int, method: str, status: int, noted: Noted, size: int, seconds: float
    ) -> None:
        """Note one request: its end in micros, and how long it took."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append((at, method, status, noted, size, seconds))

    def close(self) -> None:
        """Write what waits, and end."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(FLUSH_SECONDS):
            self._write()
        self._write()

    def _write(self) -> None:
        lines = [_text(self._waiting.popleft()) for _ in range(len(self._waiting))]
        lost, self._lost = self._lost, 0
        if lost:
            lines.append(f'{{"event":"access log lines lost","count":{lost}}}')
        if lines:
            with contextlib.suppress(OSError, ValueError):  # rule 2
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()


def _text(line: _Line) -> str:
    at, method, status, noted, size, seconds = line
    named = {} if noted.request_id is None else {"request_id": noted.request_id}
    return json.dumps(
        {
            "at": format_micros(at),
            "event": "request",
            "partner": noted.partner,
            "method": method,
            "route": noted.route,
            "collection": noted.collection,
            "status": status,
            "count": noted.count,
            "bytes": size,
            "ms": round(seconds * 1_000, 2),
            **named,
        },
        separators=(",", ":"),
    )
