"""A request as it came, an answer as it goes. Neither knows what it is about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from cert_exchange.remote.pki import Peer

Header = tuple[bytes, bytes]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

NOTHING = "\0"
"""What a segment becomes that no resource can have."""

KEPT_BYTES: Final = 512
"""A longer path, header or name is read anew each time: what a stranger sends once must not stay in our memory."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `headers`: lower-case names; one that came more than once is joined by commas."""

    method: str
    segments: tuple[str, ...]
    query: bytes
    headers: Mapping[bytes, bytes]
    host: str
    head_bytes: int
    receive: Receive
    peer: Peer | None = None
    """the client certificate that came with it, believed by `http`"""

    @property
    def reads(self) -> bool:
        """Whether the method promises to change nothing."""
        return self.method in ("GET", "HEAD")


@dataclass(slots=True)
class Noted:
    """What is learnt of a request on its way, for the access log: numbers and names, never content."""

    partner: int | None = None
    route: str = "-"
    collection: int | None = None
    count: int | None = None
    request_id: str | None = None
    """what the client calls its request, where it says so in X-Request-Id and in a form that can do no harm"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whole."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()
    media: bytes | None = field(default=b"application/taxii+json;version=2.1")
    """None: an answer that says nothing (204)"""


def request_of(scope: Mapping[str, Any], receive: Receive) -> Request:
    """Read an ASGI scope."""
    path = scope.get("raw_path") or scope["path"].encode()
    size = len(path) + len(scope["query_string"])
    headers: dict[bytes, bytes] = {}
    repeated: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name in headers:
            repeated.setdefault(name, [headers[name]]).append(value)
        else:
            headers[name] = value
    # Joined once: thousands of one name cost no more than their bytes.
    for name, values in repeated.items():
        headers[name] = b", ".join(values)
    client = scope.get("client")
    return Request(
        scope["method"],
        segments_of(path),
        scope["query_string"],
        headers,
        client[0] if client else "",
        size,
        receive,
    )


def segments_of(path: bytes) -> tuple[str, ...]:
    """Split a path and decode its segments once; with or without a final slash is the same.

    A segment that holds a slash, a control character or no UTF-8 becomes NOTHING.
    """
    return _kept_segments(path) if len(path) <= KEPT_BYTES else _segments(path)


@lru_cache(maxsize=4096)
def _kept_segments(path: bytes) -> tuple[str, ...]:
    return _segments(path)


def _segments(path: bytes) -> tuple[str, ...]:
    if not path.startswith(b"/"):
        return (NOTHING,)
    return tuple(_segment(part) for part in path[1:].removesuffix(b"/").split(b"/"))


def _segment(raw: bytes) -> str:
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return NOTHING
    return text if text.isprintable() and "/" not in text else NOTHING
