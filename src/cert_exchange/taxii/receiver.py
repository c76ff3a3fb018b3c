"""Bodies are taken in beside the event loop: small ones in a thread, large ones in a process of their own.

1. Parsing and validating hold Python's lock: a large body in a thread would stall every poll for its whole time.
2. The process is a child that opens the node itself; it ends when our end of its pipe closes, however we end.
3. One body at a time: writing is one transaction at a time anyway.
4. It starts with the first large body, gives memory back after each, and ends when none came for a while.
5. If the child dies over a body, nobody knows whether it was stored. The sender is told to send again; what was stored
   is then a duplicate.

    to the child:   partner, collection, length, body
    from the child: 0 and the status resource, or 1 and an error (class's status, title, public, detail), with length
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import struct
import sys
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from cert_exchange import logs
from cert_exchange.errors import CertExchangeError, StoreUnavailable
from cert_exchange.node import Node, open_node
from cert_exchange.services import publishing

SMALL: Final = 64 * 1024
"""Bytes; a body up to here holds Python's lock for a few milliseconds at most."""
ANSWER_SECONDS: Final = 300
IDLE_SECONDS: Final = 600
_ASK: Final = struct.Struct(">qqQ")
_TELL: Final = struct.Struct(">BQ")
_DONE: Final = 0
_FAILED: Final = 1

log = structlog.get_logger(__name__)


class Receiver:
    """Takes bodies in for one server process. Used by one event loop."""

    def __init__(self, node: Node, threads: Executor) -> None:
        self._node = node
        self._threads = threads
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def receive(self, body: bytes, *, partner: int, collection: int) -> bytes:
        """Take a body in; the status resource. Raises what `publishing.receive` raises, StoreUnavailable."""
        if len(body) <= SMALL:
            work = partial(
                publishing.receive, self._node, body, partner=partner, collection=collection
            )
            submission = await asyncio.get_running_loop().run_in_executor(self._threads, work)
            return submission.status
        async with self._turn:
            self._stay()
            try:
                return await self._by_child(body, partner, collection)
            finally:
                self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end)

    async def stop(self) -> None:
        """Let the child finish what it has, and end it."""
        async with self._turn:
            self._stay()
            child, self._child = self._child, None
            if child is not None and child.stdin is not None:
                child.stdin.close()
                await child.wait()

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _end(self) -> None:
        self._ending = asyncio.get_running_loop().create_task(self.stop())

    async def _by_child(self, body: bytes, partner: int, collection: int) -> bytes:
        child = await self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                child.stdin.write(_ASK.pack(partner, collection, len(body)))
                child.stdin.write(body)
                await child.stdin.drain()
                kind, length = _TELL.unpack(await child.stdout.readexactly(_TELL.size))
                answer = await child.stdout.readexactly(length)
        except (OSError, EOFError, TimeoutError) as error:
            await self._bury(child)
            raise StoreUnavailable(detail=f"the receiver ended: {type(error).__name__}") from None
        except asyncio.CancelledError:
            await self._bury(child)  # its answer would be taken for that of the next body
            raise
        if kind == _FAILED:
            raise _told(answer)
        return answer

    async def _running(self) -> asyncio.subprocess.Process:
        if self._child is not None and self._child.returncode is None:
            return self._child
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            str(self._node.settings.home),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "MALLOC_ARENA_MAX": "1"},
            # Its own group: a Ctrl-C at the terminal is ours to handle, and its body is finished first.
            start_new_session=True,
        )
        return self._child

    async def _bury(self, child: asyncio.subprocess.Process) -> None:
        self._child = None
        if child.returncode is None:
            child.kill()
        await child.wait()


def _told(answer: bytes) -> CertExchangeError:
    """Make the error that the child met."""
    facts = json.loads(answer)
    error = CertExchangeError(facts["public"], detail=facts["detail"])
    error.status, error.title = facts["status"], facts["title"]
    return error


def _tell(error: CertExchangeError) -> bytes:
    return json.dumps(
        {
            "status": error.status,
            "title": error.title,
            "public": error.public,
            "detail": error.detail,
        }
    ).encode()


def serve(node: Node, source: BinaryIO, answers: BinaryIO) -> None:
    """Be the child: take in one body after the other until `source` ends."""
    while len(head := source.read(_ASK.size)) == _ASK.size:
        partner, collection, length = _ASK.unpack(head)
        body = source.read(length)
        if len(body) < length:
            return
        kind, answer = _FAILED, b""
        try:
            submission = publishing.receive(node, body, partner=partner, collection=collection)
            kind, answer = _DONE, submission.status
        except CertExchangeError as error:
            answer = _tell(error)
        except Exception as error:
            log.exception("a body could not be taken in", partner=partner, collection=collection)
            answer = _tell(CertExchangeError(detail=type(error).__name__))
        answers.write(_TELL.pack(kind, len(answer)) + answer)
        answers.flush()
        del body, answer
        _give_memory_back()


def _give_memory_back() -> None:
    """Return what a large body took to the system; glibc keeps it otherwise."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such call
        ctypes.CDLL(None).malloc_trim(0)


def _main(home: Path) -> None:
    # Whatever prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    node = open_node(home)
    logs.configure(node.now)
    # Nothing is collected in the middle of a body (a tenth of its time went there): what the process began with is set
    # aside, and each body's rest is collected after its answer.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        serve(node, sys.stdin.buffer, answers)
    finally:
        node.close()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
