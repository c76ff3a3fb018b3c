"""A feed of a node, fetched by a program: a firewall's block list, a resolver's zone, rules of a sensor.

1. A feed has its own address and credential (`cert-exchange feeds add` and `feeds issue` print them); it is no TAXII.
2. Give the tag of what you have: an unchanged feed costs one small answer.
3. An error is never an empty feed. Who replaces a list by what came, does so only when something came.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlunsplit

import requests

from cert_exchange.client.showing import check_files, shown_as
from cert_exchange.client.values import Feed
from cert_exchange.node import Clock
from cert_exchange.remote.connection import Answer, Connection, Options, check_url
from cert_exchange.remote.identity import Trust

_UNCHANGED: Final = 304


class _FeedConnection(Connection):
    """A connection that takes any media type, and 304 for the tag that it named."""

    tag = ""

    def _headers(self, body: bytes | None) -> dict[str, str]:
        headers = super()._headers(body) | {"Accept": "*/*"}
        return headers | {"If-None-Match": self.tag} if self.tag else headers

    def _is_expected(self, response: requests.Response) -> bool:
        del response
        return True

    def _answer(self, what: str, response: requests.Response, ends: float) -> Answer:
        if response.status_code == _UNCHANGED and self.tag:
            return Answer(_UNCHANGED, response.headers, b"", 0)
        return super()._answer(what, response, ends)


def fetch_feed(
    url: str,
    *,
    credential: str | Path,
    user: str = "",
    tag: str = "",
    ca: Path | None = None,
    options: Options | None = None,
    clock: Clock | None = None,
) -> Feed:
    """Fetch a feed by its address, such as https://cert-a.example/feeds/blocklist.

    `tag` is that of the feed that the caller has: where it is the same still, `Feed.body` is None. The other arguments
    are those of `Client`. Raises ConfigurationInvalid, errors.Remote*.
    """
    check_files(ca)
    clock = clock or Clock()
    options = options or Options()
    parts = check_url(url, insecure=options.insecure)
    connection = _FeedConnection(
        urlunsplit((parts.scheme, parts.netloc, "/", "", "")),
        options,
        credential=shown_as(credential, user),
        trust=Trust(ca),
        monotonic=clock.monotonic,
    )
    connection.tag = tag
    try:
        answer: Any = connection.fetch("GET", url)
    finally:
        connection.session.close()
    return Feed(
        None if answer.status == _UNCHANGED else answer.body,
        answer.headers.get("ETag", tag),
        answer.headers.get("Content-Type", ""),
    )
