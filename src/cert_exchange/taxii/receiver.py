"""Bodies are taken in beside the event loop: small ones in a thread, large ones in a process of their own.

1. Parsing and validating hold Python's lock: a large body in a thread would stall every poll for its whole time.
2. If the process dies over a body, nobody knows whether it was stored. The sender is told to send again; what was stored
   is then a duplicate. The rest is `side_process`'s.

    to the child:   partner, collection, body
    from the child: the status resource
"""

from __future__ import annotations

import asyncio
import struct
import sys
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Final

from cert_exchange.node import Node
from cert_exchange.services import publishing
from cert_exchange.taxii import side_process
from cert_exchange.taxii.side_process import SideProcess

SMALL: Final = 64 * 1024
"""Bytes; a body up to here holds Python's lock for a few milliseconds at most."""
_WHOSE: Final = struct.Struct(">qq")


class Receiver:
    """Takes bodies in for one server process. Used by one event loop."""

    def __init__(self, node: Node, threads: Executor) -> None:
        self._node = node
        self._threads = threads
        self.side = SideProcess(node, __name__)

    async def receive(self, body: bytes, *, partner: int, collection: int) -> bytes:
        """Take a body in; the status resource. Raises what `publishing.receive` raises, StoreUnavailable."""
        if len(body) <= SMALL:
            work = partial(
                publishing.receive, self._node, body, partner=partner, collection=collection
            )
            submission = await asyncio.get_running_loop().run_in_executor(self._threads, work)
            return submission.status
        return await self.side.ask(_WHOSE.pack(partner, collection), body)

    async def stop(self) -> None:
        """Let the process finish what it has, and end it."""
        await self.side.stop()


def take_in(node: Node, message: bytes) -> bytes:
    """Be the child: take one body in."""
    partner, collection = _WHOSE.unpack_from(message)
    body = message[_WHOSE.size :]
    return publishing.receive(node, body, partner=partner, collection=collection).status


if __name__ == "__main__":
    side_process.run(Path(sys.argv[1]), take_in)
