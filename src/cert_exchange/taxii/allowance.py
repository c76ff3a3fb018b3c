"""How much a partner may send: bytes of bodies, an hour's worth at once, filled evenly.

1. A share of requests bounds how often a partner asks; this bounds how fast it can fill our disk. Who sends more is told
   when to go on, before anything of the body is parsed.
2. A bucket is a partner's own: nobody's flood uses up another's. As with requests, all processes of `serve` count in one.
3. A body that is larger than what is left is taken while the bucket is not empty, and paid back by waiting: no body that
   `max_content_length` allows is refused for ever.
"""

from __future__ import annotations

import threading
from math import ceil
from typing import Final

from cert_exchange.errors import TooManyRequests
from cert_exchange.taxii.buckets import Buckets

MEGABYTE: Final = 1024 * 1024
HOUR: Final = 3_600


class Allowance:
    """A bucket of bytes per partner. Safe in all threads."""

    def __init__(self, megabytes_per_hour: int, buckets: Buckets | None = None) -> None:
        self._share = megabytes_per_hour * MEGABYTE
        self._lock = threading.Lock()
        self._buckets = buckets or Buckets()

    def check(self, partner: int, now: float) -> None:
        """Refuse who has nothing left; `now` in monotonic seconds. Raises TooManyRequests."""
        left, rate = self._now(partner, now), self._share / HOUR
        if left <= 0:
            wait = max(1, ceil((1 - left) / rate))
            raise TooManyRequests(
                wait,
                "More was sent than this server takes in an hour; go on when Retry-After says.",
                detail=f"partner {partner} used up {self._share // MEGABYTE} MiB an hour",
            )

    def take(self, partner: int, size: int, now: float) -> None:
        """Count a body of `size` bytes, as it was after unpacking."""
        with self._lock:
            self._buckets.put(partner, self._level(partner, now) - size, now)

    def _now(self, partner: int, now: float) -> float:
        with self._lock:
            return self._level(partner, now)

    def _level(self, partner: int, now: float) -> float:
        return self._buckets.level(
            partner, full=float(self._share), per_second=self._share / HOUR, now=now
        )
