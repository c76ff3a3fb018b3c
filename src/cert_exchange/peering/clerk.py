"""The process beside a server that answers what is signed: statements, receipts and deliveries.

1. A statement reads thousands of lines, is signed and committed: in a thread of the server it would make every poll
   beside it wait for Python's lock (docs/performance.md).
2. Who asks is recognised by the server, as for every request; what it may see is asked here again, by the same statement.
3. It starts with the first question, and ends when none came for a while (`taxii.side_process`).

    to the child:   {"route", "caller", "body"}
    from the child: the answer's JSON
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from cert_exchange.node import Node
from cert_exchange.peering.routes import ROUTES, Asked
from cert_exchange.services.partners import Caller
from cert_exchange.taxii import side_process
from cert_exchange.taxii.side_process import SideProcess


class Clerk:
    """Answers for one server process. Used by one event loop."""

    def __init__(self, node: Node) -> None:
        self.side = SideProcess(node, __name__)

    async def answer(self, route: str, caller: Caller, body: Mapping[str, Any]) -> bytes:
        """The JSON that answers a POST. Raises what its sentence raises, StoreUnavailable."""
        return await self.side.ask(
            orjson.dumps({"route": route, "caller": asdict(caller), "body": dict(body)})
        )

    async def stop(self) -> None:
        """Let it finish what it has, and end it."""
        await self.side.stop()


def say(node: Node, message: bytes) -> bytes:
    """Answer one question."""
    asked = orjson.loads(message)
    sentence = ROUTES[asked["route"]].sentences["POST"]
    return orjson.dumps(dict(sentence(node, Caller(**asked["caller"]), Asked(body=asked["body"]))))


if __name__ == "__main__":
    side_process.run(Path(sys.argv[1]), say)
