"""The cases: what is asked of a server, and the request lines that ask it.

A target knows how its server spells a request; a case knows what shall be asked. Every plan is drawn
from a seed, so two runs send the same requests.
"""

from __future__ import annotations

import base64
import http.client
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from benchmarks import corpus, peers

PLAN_LENGTH: Final = 3000
INCREMENT: Final = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request. `advances`: each poll reaches further than its credential's mark."""

    name: str
    limit: int
    advances: bool = False


PAGE100: Final = Case("page100", 100)
ADVANCING: Final = Case("page100_advancing", 100, advances=True)
PAGE1000: Final = Case("page1000", 1000)
INCREMENTAL: Final = Case("incremental", 100)
FILTERED: Final = Case("filtered", 100)
DEEP: Final = Case("deep", 100)
OBJECT: Final = Case("object", 100)


class Target(Protocol):
    """A running server that can be asked."""

    name: str
    engine: str
    objects: int
    port: int

    def plan(self, case: Case) -> list[str] | None:
        """The requests of a case in order; None where the server cannot answer it."""


class YardstickTarget:
    """The bare server; it answers case number n with a body of the size that our node returned."""

    name = "yardstick"
    engine = "none"
    objects = 0

    def __init__(self, port: int, numbers: dict[str, int]) -> None:
        self.port = port
        self._numbers = numbers

    def plan(self, case: Case) -> list[str] | None:
        """One request, as long as ours are."""
        number = self._numbers[case.name]
        return [peers.request(f"/{number}", "Bearer " + "x" * 60)]


class PeerTarget:
    """Medallion or OpenTAXII, holding `lines` objects that are not withdrawn."""

    def __init__(
        self, name: str, port: int, root: str, items: Sequence[dict[str, Any]], authorization: str
    ) -> None:
        self.name = name
        self.engine = "memory" if name == "medallion" else "sqlite"
        self.objects = len(items)
        self.port = port
        self._base = f"{root}collections/{peers.COLLECTION}/objects/"
        self._items = items
        self._authorization = authorization

    def plan(self, case: Case) -> list[str] | None:
        """Random positions; what never stops at a full page starts where one is left."""
        rng = random.Random(f"{corpus.SEED} {case.name}")  # a repeatable plan
        last = max(1, self.objects - case.limit)
        if case.advances:
            return None
        match case.name:
            case "page100" | "page1000":
                queries = [
                    f"?limit={case.limit}&added_after={peers.added(rng.randrange(last))}"
                    for _ in range(PLAN_LENGTH)
                ]
            case "incremental":
                queries = [f"?limit=100&added_after={peers.added(self.objects - INCREMENT - 1)}"]
            case "filtered":
                queries = [
                    f"?limit=100&match[type]=malware&added_after={peers.added(rng.randrange(max(1, last // 2)))}"
                    for _ in range(PLAN_LENGTH)
                ]
            case "deep":
                queries = self._deep(int(self.objects * 0.9))
            case "object":
                queries = [f"{rng.choice(self._items)['id']}/" for _ in range(PLAN_LENGTH)]
            case _:
                return None
        return [peers.request(self._base + query, self._authorization) for query in queries]

    def _deep(self, number: int) -> list[str]:
        query = f"?limit=100&added_after={peers.added(min(number, max(0, self.objects - 201)))}"
        page = json.loads(fetch(self.port, peers.request(self._base + query, self._authorization)))
        return [f"?limit=100&next={quote(page['next'])}"] if page.get("next") else [query]


@dataclass(frozen=True, slots=True)
class Listing:
    """What one audience sees: ids and instants of its lines, in order."""

    ids: list[str]
    added: list[str]


class OwnTarget:
    """Our node: 20 credentials of five audiences, each with a log of its own."""

    name = "cert-exchange"

    def __init__(
        self,
        port: int,
        *,
        engine: str,
        objects: int,
        root: str,
        collection: str,
        tokens: Sequence[tuple[str, int]],
        listings: Sequence[Listing],
    ) -> None:
        self.engine = engine
        self.objects = objects
        self.port = port
        self._base = f"{root}collections/{collection}/objects/"
        self._tokens = tokens  # (Authorization value, audience)
        self._listings = listings
        self._advanced = 0

    def request(self, credential: int, query: str) -> str:
        """A GET of the collection by one of the credentials."""
        return peers.request(self._base + query, self._tokens[credential][0])

    def lines(self) -> int:
        """Live lines of the shortest log."""
        return min(len(listing.ids) for listing in self._listings)

    def plan(self, case: Case) -> list[str] | None:
        """Random credential and position for each request; advancing plans go on where the last one ended."""
        if case.advances:
            return self.advancing(case, PLAN_LENGTH)
        rng = random.Random(f"{corpus.SEED} {case.name}")  # a repeatable plan
        if case.name == "deep":
            return self._deep(case)
        return [self._one(case, rng) for _ in range(PLAN_LENGTH)]

    def _one(self, case: Case, rng: random.Random) -> str:
        credential = rng.randrange(len(self._tokens))
        listing = self._listings[self._tokens[credential][1]]
        last = max(1, len(listing.added) - case.limit)
        match case.name:
            case "incremental":
                query = f"?limit=100&added_after={listing.added[-1 - INCREMENT]}"
            case "filtered":
                after = listing.added[rng.randrange(max(1, last // 2))]
                query = f"?limit=100&match[type]=malware&added_after={after}"
            case "object":
                query = f"{rng.choice(listing.ids)}/"
            case _:
                query = f"?limit={case.limit}&added_after={listing.added[rng.randrange(last)]}"
        return self.request(credential, query)

    def _deep(self, case: Case) -> list[str]:
        requests = []
        for credential, (_, audience) in enumerate(self._tokens):
            listing = self._listings[audience]
            start = listing.added[min(int(len(listing.added) * 0.9), len(listing.added) - 201)]
            first = fetch(self.port, self.request(credential, f"?limit=100&added_after={start}"))
            token = json.loads(first)["next"]
            requests.append(self.request(credential, f"?limit=100&next={quote(token)}"))
        return requests

    def advancing(self, case: Case, count: int) -> list[str]:
        """The next `count` polls of cursors that step one line at a time, each credential in turn.

        Every full page reaches one line further than its credential ever did, so every poll has to
        write its mark. Fewer are returned when the log's end is reached.
        """
        requests = []
        room = self.lines() - case.limit
        for _ in range(count):
            step, credential = divmod(self._advanced, len(self._tokens))
            if step >= room:
                break
            added = self._listings[self._tokens[credential][1]].added
            requests.append(
                self.request(credential, f"?limit={case.limit}&added_after={added[step]}")
            )
            self._advanced += 1
        return requests

    def unsent(self, requests: int) -> None:
        """Give back what a round did not use of its advancing plan."""
        self._advanced -= requests

    def to_the_end(self) -> list[str]:
        """Polls that bring every credential's mark to the end of its log: none advances after that."""
        return [
            self.request(
                credential,
                f"?limit=1000&added_after={self._listings[audience].added[-min(900, self.lines())]}",
            )
            for credential, (_, audience) in enumerate(self._tokens)
        ]


def fetch(port: int, request: str) -> bytes:
    """The body of one answer. Raises RuntimeError for any status but 200."""
    head, _, _ = request.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    link.request(method, path, headers=headers)
    answer = link.getresponse()
    body = answer.read()
    link.close()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}: {body[:300]!r}")
    return body


def basic(secret: str) -> str:
    """The Basic form of a credential `id.secret`."""
    user, _, password = secret.partition(".")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def typical_bodies(target: OwnTarget, cases: Sequence[Case], folder: Path) -> dict[str, Path]:
    """For each case a file with one real answer of ours, of median size: the yardstick's bodies."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for case in cases:
        plan = target.plan(Case("page100", case.limit) if case.advances else case)
        assert plan
        bodies = sorted((fetch(target.port, request) for request in plan[:9]), key=len)
        found[case.name] = folder / f"{case.name}.json"
        found[case.name].write_bytes(bodies[len(bodies) // 2])
    return found
