from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.neighbour import COLLECTION, Asked, Neighbour, Reply

from cert_exchange.remote.connection import Connection, make_options
from cert_exchange.remote.identity import Credential, Trust
from cert_exchange.remote.pager import Pager

NOW = 1_790_000_000_000_000


@pytest.fixture
def neighbour() -> Iterator[Callable[..., Neighbour]]:
    """Makes neighbours that end with the test."""
    running: list[Neighbour] = []

    def make(behaviour: Callable[[Asked], Reply], **kwargs: Any) -> Neighbour:
        running.append(Neighbour(behaviour, **kwargs))
        return running[-1]

    yield make
    for one in running:
        one.close()


def connect(
    peer: Neighbour,
    *,
    credential: Credential | None = None,
    trust: Trust | None = None,
    **options: Any,
) -> Connection:
    return Connection(
        peer.url,
        make_options({"insecure": True, "read_seconds": 5.0, **options}),
        credential=credential or Credential("none"),
        trust=trust or Trust(),
        monotonic=time.monotonic,
    )


def pager(
    peer: Neighbour, *, cursor: str | None = None, token: str | None = None, **options: Any
) -> Pager:
    return Pager(
        connect(peer, **options),
        COLLECTION,
        cursor=cursor,
        token=token,
        now=NOW,
        monotonic=time.monotonic,
    )
