"""The yardstick: uvicorn with httptools and nothing else, answering with prebuilt bodies.

`python -m benchmarks.yardstick PORT FILE...`: `/0` answers with the first file, `/1` with the second.
What our node does beyond this (who asks, what may they see, which lines, their bytes) is what the
ratio of a case measures.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn


def application(bodies: list[bytes]) -> Callable[..., Awaitable[None]]:
    """The ASGI application; headers as a TAXII page has them."""
    starts = [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/taxii+json;version=2.1"),
                (b"content-length", str(len(body)).encode()),
                (b"x-taxii-date-added-first", b"2026-01-01T00:00:00.000000Z"),
                (b"x-taxii-date-added-last", b"2026-01-01T00:00:00.000000Z"),
            ],
        }
        for body in bodies
    ]
    ends = [{"type": "http.response.body", "body": body} for body in bodies]

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        number = int(scope["path"][1:])
        await send(starts[number])
        await send(ends[number])

    return app


def main() -> None:
    """Serve until killed."""
    port, *files = sys.argv[1:]
    bodies = [Path(name).read_bytes() for name in files]
    uvicorn.run(
        application(bodies),
        host="127.0.0.1",
        port=int(port),
        http="httptools",
        loop="asyncio",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
