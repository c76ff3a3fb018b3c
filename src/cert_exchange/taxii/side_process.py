"""A process beside a server, for work that would hold Python's lock for longer than a poll may wait.

1. It is a child that opens the node itself; it ends when our end of its pipe closes, however we end.
2. One thing at a time: writing is one transaction at a time anyway. Who waits longer than ANSWER_SECONDS is told so.
3. It starts with the first thing that is asked of it, and ends when nothing was for a while.
4. If it dies over something, nobody knows whether that was done. Who asked is told to ask again.
5. An error comes back as the error that it was: its class, its words and its detail apart.

    to the child:   length, message
    from the child: 0 and the answer, or 1 and an error (class, public, detail, retry_after), with length
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
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from cert_exchange import errors, logs
from cert_exchange.errors import CertExchangeError, StoreUnavailable
from cert_exchange.node import Node, open_node

ANSWER_SECONDS: Final = 300
IDLE_SECONDS: Final = 600
READ_AHEAD: Final = 1024 * 1024
"""Bytes of an answer that are read at once."""
_COLLECT_EACH: Final = 50
"""Small messages after which what they left is collected."""
_LARGE: Final = 64 * 1024
"""Bytes of a message that leaves memory behind worth giving back."""
_ASK: Final = struct.Struct(">Q")
_TELL: Final = struct.Struct(">BQ")
_DONE: Final = 0
_FAILED: Final = 1

log = structlog.get_logger(__name__)

Say = Callable[[Node, bytes], bytes]
"""What a child does with a message."""


class SideProcess:
    """The process that runs `module`, for one server process. Used by one event loop."""

    def __init__(self, node: Node, module: str) -> None:
        self._node = node
        self._module = module
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def ask(self, *pieces: bytes) -> bytes:
        """Hand a message over; its answer. Raises what the child met, StoreUnavailable where it died."""
        async with self._turn:
            self._stay()
            try:
                return await self._by_child(pieces)
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

    async def _by_child(self, pieces: tuple[bytes, ...]) -> bytes:
        child = await self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                child.stdin.write(_ASK.pack(sum(map(len, pieces))))
                for piece in pieces:
                    child.stdin.write(piece)
                await child.stdin.drain()
                kind, length = _TELL.unpack(await child.stdout.readexactly(_TELL.size))
                answer = await child.stdout.readexactly(length)
        except (OSError, EOFError, TimeoutError) as error:
            await self._bury(child)
            what = f"{self._module} ended: {type(error).__name__}"
            raise StoreUnavailable(detail=what) from None
        except asyncio.CancelledError:
            await self._bury(child)  # its answer would be taken for that of the next message
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
            self._module,
            str(self._node.settings.home),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "MALLOC_ARENA_MAX": "1"},
            limit=READ_AHEAD,
            # Its own group: a Ctrl-C at the terminal is ours to handle, and its message is finished first.
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
    kind = getattr(errors, facts["class"], CertExchangeError)
    error: CertExchangeError = kind.__new__(kind)
    CertExchangeError.__init__(error, facts["public"], detail=facts["detail"])
    if facts["retry_after"] is not None:
        error.retry_after = facts["retry_after"]  # type: ignore[attr-defined]  # of those classes that have it
    return error


def _tell(error: CertExchangeError) -> bytes:
    return json.dumps(
        {
            "class": type(error).__name__,
            "public": error.public,
            "detail": error.detail,
            "retry_after": getattr(error, "retry_after", None),
        }
    ).encode()


def serve(node: Node, source: BinaryIO, answers: BinaryIO, say: Say) -> None:
    """Be the child: do one thing after the other until `source` ends."""
    done = 0
    while len(head := source.read(_ASK.size)) == _ASK.size:
        (length,) = _ASK.unpack(head)
        message = source.read(length)
        if len(message) < length:
            return
        kind, answer = _FAILED, b""
        try:
            answer = say(node, message)
            kind = _DONE
        except CertExchangeError as error:
            answer = _tell(error)
        except Exception as error:
            log.exception("it could not be done", by=say.__module__)
            answer = _tell(CertExchangeError(detail=type(error).__name__))
        answers.write(_TELL.pack(kind, len(answer)) + answer)
        answers.flush()
        del message, answer
        if length > _LARGE:
            _give_memory_back()
        elif (done := done + 1) % _COLLECT_EACH == 0:
            gc.collect()


def _give_memory_back() -> None:
    """Return what a large message took to the system; glibc keeps it otherwise."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such call
        ctypes.CDLL(None).malloc_trim(0)


def run(home: Path, say: Say) -> None:
    """Be the child of a server for the node at `home`."""
    # Whatever prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    node = open_node(home)
    logs.configure(node.now)
    # Nothing is collected in the middle of a body (a tenth of its time went there): what the process began with is set
    # aside, and the rest is collected between messages.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        serve(node, sys.stdin.buffer, answers, say)
    finally:
        node.close()
