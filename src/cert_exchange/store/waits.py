"""How long this process waited until it could begin with the database, by pool (CASES D16).

1. Counted from asking until there is a connection: a free one of the pool or a new one, and on SQLite the turn to write
   before it. What the database then does with locks and statements is no part of it.
2. Sums only: how often and how long together; both only rise. Nothing is counted until there is a clock to count by.
3. Who waited in vain counts as well.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from sqlalchemy.pool.base import PoolProxiedConnection

WRITING: Final = "writing"
READING: Final = "reading"


@dataclass(frozen=True, slots=True)
class Waited:
    """How often one pool was asked for a connection, and how many seconds that took together."""

    pool: str
    times: int
    seconds: float


class Waits:
    """What one process waited. Safe in all threads."""

    def __init__(self) -> None:
        self._steady: Callable[[], float] | None = None
        self._lock = threading.Lock()
        self._times: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}

    def start(self, steady: Callable[[], float]) -> None:
        """Count from now on, by a clock of seconds that only rises."""
        self._steady = steady

    def so_far(self) -> list[Waited]:
        """Each pool that was asked, by name."""
        with self._lock:
            return [
                Waited(pool, self._times[pool], seconds)
                for pool, seconds in sorted(self._seconds.items())
            ]

    @contextmanager
    def waiting(self, pool: str, *, times: int = 1) -> Iterator[None]:
        """Count what is waited for here. `times` 0: what comes before asking the pool itself."""
        steady = self._steady
        if steady is None:
            yield
            return
        began = steady()
        try:
            yield
        finally:
            took = steady() - began
            with self._lock:
                self._times[pool] += times
                self._seconds[pool] = self._seconds.get(pool, 0.0) + took

    def counted(self, pool: str) -> type[QueuePool]:
        """SQLAlchemy's pool, which counts here what asking it takes."""
        waits = self

        class Counted(QueuePool):
            def connect(self) -> PoolProxiedConnection:
                with waits.waiting(pool):
                    return super().connect()

        return Counted
