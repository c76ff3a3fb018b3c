"""What happens to the machines: each trouble begins, lasts some steps and ends, and is counted where it hit."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from sqlalchemy.engine import make_url
from tests import engines
from tests.chaos.sides import Side

from cert_exchange.errors import StoreUnavailable

HOUR = 3600 * 1_000_000
Ending = Callable[[], None]


@dataclass
class Troubles:
    """All that is wrong with the two nodes' machines now. `step` lets time pass for them."""

    sides: tuple[Side, Side]
    dice: random.Random
    server: engines.Server | None
    kinds: tuple[str, ...] = ()
    hits: Counter[str] = field(default_factory=Counter)
    _going_on: list[tuple[int, Ending]] = field(default_factory=list)
    _busy: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._all: dict[str, Callable[[Side], Ending | None]] = {
            "server killed": lambda side: self._killed(side, "serve"),
            "worker killed": lambda side: self._killed(side, "worker"),
            "crashed before commit": lambda side: self._crash(side, after=False),
            "crashed after commit": lambda side: self._crash(side, after=True),
            "hung": self._hang,
            "disk full": self._full_disk,
            "database read-only": self._read_only,
            "database restarted": self._restart_database,
            "clock forward": lambda side: self._jump(side, self.dice.randrange(1, 50), far=False),
            "clock back": lambda side: self._jump(side, -self.dice.randrange(1, 50), far=False),
            "clock far off": lambda side: self._jump(
                side, self.dice.choice((-300, 90, 300)), far=True
            ),
            "backup restored": self._restore,
        }

    def begin(self) -> None:
        """One more trouble, on either side."""
        kind = self.dice.choice(self.kinds or tuple(self._all))
        side = self.dice.choice(self.sides)
        if (kind, side.name) in self._busy:
            return
        ending = self._all[kind](side)
        if ending is None:
            return
        self._busy.add((kind, side.name))

        def end() -> None:
            ending()
            self._busy.discard((kind, side.name))

        self._going_on.append((self.dice.randrange(1, 7), end))

    def step(self) -> None:
        """Let a step pass; what has lasted long enough ends."""
        waiting = []
        for left, end in self._going_on:
            if left > 1 or not self._ended(end):
                waiting.append((left - 1, end))
        self._going_on = waiting

    def end(self) -> None:
        """Everything ends; what needs the end of another goes after it."""
        late = [end for _, end in self._going_on if not self._ended(end)]
        for end in late:
            end()
        self._going_on = []

    @staticmethod
    def _ended(end: Ending) -> bool:
        """Whether it could end: what a person does then waits while the store takes nothing, as that person would."""
        try:
            end()
        except StoreUnavailable:
            return False
        return True

    def _hit(self, kind: str) -> None:
        self.hits[kind] += 1

    # -- processes -------------------------------------------------------------------------------------------------

    def _killed(self, side: Side, what: str) -> Ending | None:
        if not side.kill(what):
            return None
        self._hit("server killed" if what == "serve" else "worker killed")
        return side.keep_up

    def _crash(self, side: Side, *, after: bool) -> Ending:
        role = self.dice.choice(("server_crash", "worker_crash", "worker_crash"))
        pages = self.dice.random() < 0.6
        return self._armed(
            side, role, self.dice.randrange(1, 3 if pages else 6), pages, after=after
        )

    def crash_at_first_pages(self) -> None:
        """Both workers are to die right before the first commit that stores a page with its cursor."""
        for side in self.sides:
            self._going_on.append(
                (100, self._armed(side, "worker_crash", 1, pages=True, after=False))
            )

    def _armed(self, side: Side, role: str, at: int, pages: bool, *, after: bool) -> Ending:
        side.controls.set("crash_after", int(after))
        side.controls.set("crash_at_pages", int(pages))
        side.controls.set(role, at)

        def end() -> None:
            if side.controls.get(role) == -1:
                self._hit("crashed after commit" if after else "crashed before commit")
            side.controls.set(role, 0)
            side.keep_up()

        return end

    def _hang(self, side: Side) -> Ending | None:
        pids = side.processes()
        if not pids:
            return None
        pid = self.dice.choice(pids)
        os.kill(pid, signal.SIGSTOP)
        self._hit("hung")

        def end() -> None:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                return

        return end

    # -- storage ---------------------------------------------------------------------------------------------------

    def _full_disk(self, side: Side) -> Ending | None:
        if side.engine != "sqlite":
            return None
        log = side.home / "exchange.db-wal"
        size = log.stat().st_size if log.exists() else 0
        before = self._refusals(side)
        side.limit_files(size + self.dice.randrange(0, 20_000))

        def end() -> None:
            side.limit_files(None)
            if self._refusals(side) > before:
                self._hit("disk full")

        return end

    def _read_only(self, side: Side) -> Ending | None:
        before = self._refusals(side)
        if side.engine == "sqlite":
            side.controls.set("read_only", 1)
        else:
            self._set_read_only(side, on=True)

        def end() -> None:
            if side.engine == "sqlite":
                side.controls.set("read_only", 0)
            else:
                self._set_read_only(side, on=False)
            if self._refusals(side) > before:
                self._hit("database read-only")

        return end

    def _set_read_only(self, side: Side, *, on: bool) -> None:
        assert self.server is not None
        name = side.node.database.url.database
        with psycopg.connect(
            make_url(self.server.url)
            .set(drivername="postgresql")
            .render_as_string(hide_password=False),
            autocommit=True,
        ) as connection:
            connection.execute(
                f'ALTER DATABASE "{name}" SET default_transaction_read_only = {"on" if on else "off"}'
            )
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )

    def _restart_database(self, side: Side) -> Ending | None:
        if side.engine == "sqlite" or self.server is None:
            return None
        self.server.stop()
        self._hit("database restarted")
        self.server.start()
        return lambda: None

    @staticmethod
    def _refusals(side: Side) -> int:
        return side.log.read_text(errors="replace").count("StoreUnavailable")

    # -- clocks and backups ----------------------------------------------------------------------------------------

    def _jump(self, side: Side, minutes: int, *, far: bool) -> Ending | None:
        before = side.controls.get("shift")
        shift = before + minutes * 60 * 1_000_000
        if not far and abs(shift) > 0.9 * HOUR:
            return None
        side.controls.set("shift", shift)
        kind = "clock far off" if far else "clock back" if minutes < 0 else "clock forward"
        self._hit(kind)

        def end() -> None:
            if far:  # a person sets it right, and says so
                side.controls.set("shift", before)
                side.accept_clock()

        return end

    def _restore(self, side: Side) -> Ending | None:
        if any(one.rewound for one in self.sides) or not side.back_up():
            return None

        def end() -> None:
            if side.restore():
                self._hit("backup restored")

        return end
