"""Real processes of a node, born by fork: `serve` and its worker child, with their times made short.

1. A nursery has imported the program once and forks what is asked for, so that a start costs no import. What runs is
   `serve` and the worker's `main`, each in a process of its own that can be killed at any point.
2. The worker's parent is a cradle that dies with its server: the worker sees its parent gone, as behind `serve`.
3. Nothing here is in the program: times, clock, crash points and guards that are off are set in these processes alone.
4. What a run changes meanwhile stands in a small file that all of them map (`Controls`).

Started by `Nursery` as `python -m tests.chaos.nursery`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

FIELDS = ("shift", "server_crash", "worker_crash", "crash_after", "crash_at_pages", "read_only")
_SIZE = 8 * len(FIELDS)
_DIES_WITH_PARENT = 1
_PAGES = ("_store_part.<locals>.work", "_Pusher._keep.<locals>.work")
"""The work that ends at the commits which syncing/pulling and syncing/pushing name."""


class Controls:
    """Numbers shared with the processes of a node.

    `shift`: of the wall clock, micros. `*_crash`: at which write transaction from now on the process kills itself, of a
    worker only those of its channels, 0 for none; -1 when it did. `crash_after`: 1 for after the commit, else before it.
    `crash_at_pages`: 1 where only those of a worker's transactions count that store a page or a batch with its cursor. `read_only`: 1 while SQLite refuses writes.
    """

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(bytes(_SIZE))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), _SIZE)

    def get(self, name: str) -> int:
        return int(struct.unpack_from("<q", self._map, 8 * FIELDS.index(name))[0])

    def set(self, name: str, value: int) -> None:
        struct.pack_into("<q", self._map, 8 * FIELDS.index(name), value)

    def wall(self) -> int:
        """The wall clock of the node, micros."""
        return time.time_ns() // 1_000 + self.get("shift")


class Nursery:
    """The process that forks the others; it ends with us, and they end with it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def bear(
        self, what: str, *, home: Path, log: Path, controls: Path, without: str, **environment: str
    ) -> int:
        """Start `serve` or `work` for the node at `home`; returns its process id."""
        given = {
            "what": what, "home": str(home), "log": str(log), "controls": str(controls),
            "without": without, "environment": environment,
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(given).encode() + b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()


def main() -> None:
    """Fork what each line asks for, and print its process id."""
    import cert_exchange.cli.main
    import cert_exchange.http
    import cert_exchange.worker  # noqa: F401 - so that those who are forked have it

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        # Unbuffered: what stands behind this line belongs to the next child, not to this one.
        line = _line(0)
        if not line:
            return
        child = os.fork()
        if child == 0:
            _run(json.loads(line))
        os.write(1, b"%d\n" % child)


def _line(number: int) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        one = os.read(number, 1)
        if not one:
            return b""
        found += one
    return found


def _run(given: dict[str, Any]) -> None:
    code = 1
    try:
        _die_with_parent()
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        log = os.open(given["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for number, to in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(number, to)
        os.environ.update(given["environment"])
        if given["what"] == "serve":
            cradle = _cradle(given)
            _prepare(given, "server")
            asyncio.create_subprocess_exec = _born_in(cradle)  # type: ignore[assignment]  # a worker by fork
            from cert_exchange.http import serve

            serve(Path(given["home"]))
        else:
            _prepare(given, "worker")
            from cert_exchange import worker

            worker.work(Path(given["home"]))
        code = 0
    except BaseException:  # noqa: BLE001 - a forked child goes nowhere else
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)


def _cradle(given: dict[str, Any]) -> socket.socket:
    """Fork the process that bears this server's workers, one after the other."""
    ours, theirs = socket.socketpair()
    if os.fork() != 0:
        theirs.close()
        return ours
    ours.close()
    _die_with_parent()
    while True:
        line = _line(theirs.fileno())
        if not line:
            os._exit(0)
        child = os.fork()
        if child == 0:
            theirs.close()
            code = 1
            try:
                os.setsid()
                _prepare(given, "worker")
                from cert_exchange import worker

                sys.argv = ["worker", "--home", given["home"], "--parent", str(os.getppid())]
                worker.main()
                code = 0
            except BaseException:  # noqa: BLE001 - a forked child goes nowhere else
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        theirs.sendall(b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        theirs.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


class _Child:
    """As much of asyncio's process as `serve` uses."""

    def __init__(self, pid: int, cradle: socket.socket) -> None:
        self.pid = pid
        self._cradle = cradle
        self._ended: asyncio.Task[int] | None = None

    async def wait(self) -> int:
        if self._ended is None:
            self._ended = asyncio.create_task(self._code())
        return await asyncio.shield(self._ended)

    async def _code(self) -> int:
        return int(await _told(self._cradle))

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


async def _told(cradle: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        found += await asyncio.get_running_loop().sock_recv(cradle, 1)
    return found


def _note_worker(pid: int) -> None:
    Path(os.environ["CHAOS_WORKER_PID"]).write_text(str(pid))


def _born_in(cradle: socket.socket) -> Callable[..., Any]:
    cradle.setblocking(False)

    async def create(*_arguments: str, **_more: Any) -> _Child:
        await asyncio.get_running_loop().sock_sendall(cradle, b"work\n")
        child = int(await _told(cradle))
        _note_worker(child)
        return _Child(child, cradle)

    return create


def _prepare(given: dict[str, Any], role: str) -> None:
    """Short times, a clock that can be moved, crash points, and the guard that is off."""
    from tests.chaos import guards

    from cert_exchange import node, worker
    from cert_exchange.http import serving
    from cert_exchange.remote.connection import session
    from cert_exchange.services.syncing import meeting, reporting, running
    from cert_exchange.store import channels

    controls = Controls(Path(given["controls"]))
    node._wall = controls.wall
    node.Clock.__init__.__defaults__ = (controls.wall,)
    patches: list[tuple[Any, str, Any]] = [
        (worker, "TICK_SECONDS", 0.2), (serving, "_FIRST_PAUSE", 0.2), (serving, "_LONGEST_PAUSE", 0.5),
        (serving, "WITH_CLERK", False),  # a process that is not forked here has the real clock
        (running, "FIRST_PAUSE", 0.2), (running, "LONGEST_PAUSE", 1.0), (meeting, "EVERY", 1_000_000),
        (channels, "APART", 1_000_000), (running, "_jitter", _Soon()),
    ]  # fmt: skip
    for module, name, value in patches:
        assert hasattr(module, name)
        setattr(module, name, value)
    asked = session.retry_after
    session.retry_after = lambda headers: (
        None if asked(headers) is None else min(asked(headers) or 0.0, 0.5)
    )
    reporting.Run.lease_until = lambda run: run.node.now() + 3_000_000  # type: ignore[method-assign]  # for this process
    _set_crash_points(controls, role)
    if given["without"]:
        guards.switch_off(given["without"])


class _Soon:
    """In place of the jitter of waits: a third of what was meant."""

    @staticmethod
    def uniform(_low: float, _high: float) -> float:
        return 0.3


def _set_crash_points(controls: Controls, role: str) -> None:
    from cert_exchange.store.database import Database

    transact = Database.transact
    counter = f"{role}_crash"

    def die() -> None:
        controls.set(counter, -1)
        os.kill(os.getpid(), signal.SIGKILL)

    def counts(work: Callable[[Any], Any]) -> bool:
        if role == "server":
            return True
        if not threading.current_thread().name.startswith("sync-"):
            return False
        return not controls.get("crash_at_pages") or work.__qualname__ in _PAGES

    def crashing(self: Database, work: Callable[[Any], Any]) -> Any:
        if controls.get("read_only") and self.dialect == "sqlite":
            work = _refused_by_sqlite(work)
        left = controls.get(counter)
        if left <= 0 or not counts(work):
            return transact(self, work)
        controls.set(counter, left - 1)
        if left > 1:
            return transact(self, work)
        if controls.get("crash_after"):
            transact(self, work)
            die()

        def dying(tx: Any) -> None:
            work(tx)
            die()

        return transact(self, dying)

    Database.transact = crashing  # type: ignore[method-assign]  # for this process


def _refused_by_sqlite(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def refused(tx: Any) -> Any:
        tx.exec_driver_sql("PRAGMA query_only = 1")
        try:
            return work(tx)
        finally:
            with contextlib.suppress(Exception):
                tx.exec_driver_sql("PRAGMA query_only = 0")

    return refused


if __name__ == "__main__":
    main()
