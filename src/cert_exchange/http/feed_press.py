"""The process beside a server that makes feeds.

1. A feed of a hundred thousand indicators is read, taken apart and written in seconds: in a thread of the server every poll
   beside it would wait for Python's lock.
2. Who asks is recognised by the server, as for every request; here only the feed's name is known.
3. It keeps what it made (`feeding.Shelf`), and looks at each question whether anything changed since.

    to the child:   {"name", "file", "tags"}
    from the child: the length of a head, the head {"tag", "media", "held", "left_out", "tlp", "there", "same"}, the file
"""

from __future__ import annotations

import struct
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from cert_exchange.node import Node
from cert_exchange.services.feeding import Shelf
from cert_exchange.taxii import side_process
from cert_exchange.taxii.side_process import SideProcess

_HEAD: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Made:
    """One file of a feed. `same`: the client has it, so `body` is empty; `there`: the feed has such a file."""

    body: bytes
    tag: str
    media: str
    held: int
    left_out: int | None
    tlp: str
    there: bool
    same: bool


class Press:
    """Makes feeds for one server process: in a child, or, where a server has none, in its threads."""

    def __init__(self, node: Node, *, with_child: bool) -> None:
        self.side = SideProcess(node, __name__) if with_child else None
        self._shelf = Shelf(node)
        self._lock = threading.Lock()

    async def by_child(self, name: str, file: str, tags: tuple[str, ...]) -> Made:
        """Ask the child. Raises what making raises, StoreUnavailable where it died."""
        assert self.side is not None
        answer = await self.side.ask(orjson.dumps({"name": name, "file": file, "tags": tags}))
        (length,) = _HEAD.unpack_from(answer)
        head = orjson.loads(answer[_HEAD.size : _HEAD.size + length])
        return Made(answer[_HEAD.size + length :], **head)

    def here(self, name: str, file: str, tags: tuple[str, ...]) -> Made:
        """Make it in this thread. Raises NotFound, ConfigurationInvalid, StoreUnavailable."""
        with self._lock:
            return _make(self._shelf, name, file, tags)

    async def stop(self) -> None:
        """Let the child finish what it has, and end it."""
        if self.side is not None:
            await self.side.stop()


def _make(shelf: Shelf, name: str, file: str, tags: tuple[str, ...]) -> Made:
    served = shelf.serve(name, file)
    same = served.body is not None and bool({served.tag, "*"} & set(tags))
    body = b"" if same or served.body is None else served.body
    return Made(
        body, served.tag, served.media, served.held, served.left_out, served.tlp,
        there=served.body is not None, same=same,
    )  # fmt: skip


class _Child:
    """The child's shelf, made with its first question."""

    shelf: Shelf | None = None


def say(node: Node, message: bytes) -> bytes:
    """Answer one question."""
    asked = orjson.loads(message)
    if _Child.shelf is None:
        _Child.shelf = Shelf(node)
    made = _make(_Child.shelf, asked["name"], asked["file"], tuple(asked["tags"]))
    head = orjson.dumps(
        {
            "tag": made.tag, "media": made.media, "held": made.held, "left_out": made.left_out,
            "tlp": made.tlp, "there": made.there, "same": made.same,
        }
    )  # fmt: skip
    return _HEAD.pack(len(head)) + head + made.body


if __name__ == "__main__":
    side_process.run(Path(sys.argv[1]), say)
