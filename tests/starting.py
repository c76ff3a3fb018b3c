"""Programs of ours in processes of their own, born by fork: starting one costs no import (over a second each).

1. A nursery has imported the program and runs none of it; it forks what is asked for. `start` begins one with the first
   use in a test process, and it ends with that.
2. What is started is a process like any other: its own id, arguments, environment, working folder and standard streams;
   it can be killed at any point, and its exit code is told. It ends as an interpreter ends, not by `os._exit`.
3. Its parent is the nursery. What asks who its parent is, and what a test shows of the start itself (that it finds its
   modules, how soon it answers), is begun with the interpreter instead.

Run by `start` as `python -m tests.starting NUMBER`, the number of the socket that it is asked on.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

ROOT: Final = Path(__file__).parents[1]
SERVE: Final = (
    "import sys; from pathlib import Path; from cert_exchange.http import serve; "
    "serve(Path(sys.argv[1]), with_worker=False)"
)
SERVE_WITH_WORKER: Final = SERVE.replace("False", "True")
CLI: Final = "from cert_exchange.cli.main import run; run()"
_LONGEST: Final = 1024 * 1024
"""Bytes of what is asked for: a program, its arguments and its environment."""


class Started:
    """A process, with what tests use of `subprocess.Popen`."""

    def __init__(self, args: list[str], line: socket.socket, pid: int) -> None:
        self.args = args
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: BinaryIO | None = None
        self._line = line

    def poll(self) -> int | None:
        """Its exit code, minus the signal's number where one ended it; None while it runs."""
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self._hear()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; its exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self._hear()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _hear(self) -> None:
        with self._line:
            told = self._line.recv(32)
        assert told, "the nursery ended before its child"
        self.returncode = int(told)


def start(
    program: str,
    *arguments: object,
    name: str = "-c",
    stdin: Any = subprocess.DEVNULL,
    stdout: Any = None,
    stderr: Any = None,
    env: Mapping[str, str] | None = None,
) -> Started:
    """Run Python's `program` with these arguments, as `python -c` would.

    Streams are files, subprocess.DEVNULL or None for ours; `stdout` may be subprocess.PIPE, `stderr` subprocess.STDOUT.
    """
    words = [name, *(str(one) for one in arguments)]
    asked = json.dumps(
        {
            "program": program,
            "argv": words,
            "env": dict(env or os.environ),
            "folder": str(Path.cwd()),
        }
    ).encode()
    assert len(asked) < _LONGEST
    ours, theirs = socket.socketpair()
    pipe: int | None = None
    opened: list[int] = []

    def number(stream: Any, own: int) -> int:
        nonlocal pipe
        if stream is None:
            return own
        if stream == subprocess.STDOUT:
            return streams[1]
        if stream == subprocess.DEVNULL:
            opened.append(os.open(os.devnull, os.O_RDWR))
        elif stream == subprocess.PIPE:
            pipe, writing = os.pipe()
            opened.append(writing)
        else:
            return int(stream if isinstance(stream, int) else stream.fileno())
        return opened[-1]

    streams: list[int] = []
    for own, one in enumerate((stdin, stdout, stderr)):
        streams.append(number(one, own))
    with theirs:
        socket.send_fds(_nursery(), [len(asked).to_bytes(4, "big")], [*streams, theirs.fileno()])
    for one in opened:
        os.close(one)
    _nursery().sendall(asked)
    begun = Started(words, ours, int(ours.recv(32)))
    if pipe is not None:
        begun.stdout = os.fdopen(pipe, "rb")
    return begun


def run(program: str, *arguments: object, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """`start` and wait a minute at most, as `subprocess.run` would; what it wrote to its standard output is kept."""
    process = start(program, *arguments, stdout=subprocess.PIPE, **more)
    assert process.stdout is not None
    with process.stdout as stream:
        out = stream.read()
    return subprocess.CompletedProcess(process.args, process.wait(60), out)


@functools.cache
def _nursery() -> socket.socket:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.starting", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip

    def end() -> None:
        ours.close()
        process.wait(20)

    atexit.register(end)
    return ours


def _tend(asked: socket.socket) -> dict[str, Any] | None:
    """Fork what is asked for. Returns in each child what it has to be, and None at the end."""
    waiting = selectors.DefaultSelector()
    waiting.register(asked, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is asked:
                head, streams, _, _ = socket.recv_fds(asked, 4, 4)
                if not head:
                    return None
                given = json.loads(_exactly(asked, int.from_bytes(head, "big")))
                child = os.fork()
                if child == 0:
                    waiting.close()
                    asked.close()
                    for number, stream in enumerate(streams[:3]):
                        os.dup2(stream, number)
                    for stream in streams:
                        os.close(stream)
                    return dict(given)
                line = socket.socket(fileno=streams.pop())
                for stream in streams:
                    os.close(stream)
                line.sendall(b"%d" % child)
                waiting.register(os.pidfd_open(child), selectors.EVENT_READ, (child, line))
            else:
                child, line = key.data
                waiting.unregister(key.fileobj)
                os.close(key.fd)
                _, status = os.waitpid(child, 0)
                with line, contextlib.suppress(BrokenPipeError):  # nobody may wait for it any more
                    line.sendall(b"%d" % os.waitstatus_to_exitcode(status))


def _exactly(asked: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        found += asked.recv(length - len(found))
    return found


def _become(given: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(given["env"])
    os.chdir(given["folder"])
    # The nursery's own know what they were opened on: a terminal can be wound back where a pipe cannot.
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    sys.argv = given["argv"]
    exec(given["program"], {"__name__": "__main__"})


def main() -> None:
    import cert_exchange.cli.main
    import cert_exchange.http
    import cert_exchange.worker  # noqa: F401 - so that those who are forked have them

    gc.freeze()  # a collection in a child would copy every page of what stands here
    given = _tend(socket.socket(fileno=int(sys.argv[1])))
    if given is not None:
        _become(given)


if __name__ == "__main__":
    main()
