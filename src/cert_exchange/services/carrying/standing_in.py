"""A carried file in the place of its sender's server: a source is run over it as over the link.

1. It answers what a cert-exchange answers who pulls: pages after an instant, statements by number, the list of keys. Every
   other question is answered by 404, as an older server would: our receipts stay here, and go with our next file.
2. What it answers was checked before; it is a stranger's all the same, and goes through every door of a pull.
3. Pages come in the order of the file, each once: a run that begins again needs another one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from cert_exchange import errors
from cert_exchange.remote.connection import Answer, Connection, Options
from cert_exchange.remote.envelope import cut
from cert_exchange.services.carrying.reading import Collection, Page
from cert_exchange.stix.instants import format_micros, parse_micros

ROOT: Final = "file:///carried/api/"


class CarriedConnection(Connection):
    """One collection of a file that was checked. `pages` gives its pages from the beginning."""

    def __init__(
        self,
        options: Options,
        collection: Collection,
        keys: Mapping[str, Any],
        pages: Callable[[], Iterator[Page]],
    ) -> None:
        # None of what the link needs is made: no session, no credential, no trust.
        self.root = ROOT
        # Each object has its own instant in its sender's log, whatever the source says of its server.
        self.options = replace(options, server="cert-exchange")
        self.run = ""
        self.tolerated = set()
        self._collection = collection
        self._keys = keys
        self.passed = 0
        """objects at places that the source is past already: they came by the link, or by this file before"""
        self._pages = pages()
        self._next: Page | None = next(self._pages, None)

    def fetch(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Answer one request from the file. Raises RemoteRefused (404) for what it does not hold."""
        place = urlsplit(url).path.rstrip("/").rpartition("/")[2]
        match method, place:
            case "GET", "objects":
                return self._objects(params or {})
            case "GET", "keys":
                return _answer(self._keys)
            case "POST", "statements":
                return _answer(self._statement(orjson.loads(body or b"{}")))
            case _:
                raise errors.RemoteRefused(
                    f"A carried file has no {place}: it answers what a pull asks.",
                    remote_status=404,
                )

    def _objects(self, params: Mapping[str, str]) -> Answer:
        after = parse_micros(params["added_after"]) if params.get("added_after") else 0
        while True:
            page = self._next
            if page is None:
                return _answer({})
            self._next = next(self._pages, None)
            objects = b""
            if page.last > after:
                objects = self._chosen(page.body)
            else:
                self.passed += self._many(page)
            if objects:
                break
        more = b"true" if self._next is not None else b"false"
        headers = {"X-TAXII-Date-Added-Last": format_micros(page.last)}
        if page.first > after:  # else a part of this page came over the link before
            headers["X-TAXII-Date-Added-First"] = format_micros(page.first)
        text = b'{"more":' + more + b',"objects":[' + objects + b"]}"
        return Answer(200, headers, text, len(text))

    def _chosen(self, objects: bytes) -> bytes:
        """What the source's filters let through: over the link the server would have left out the rest."""
        return b",".join(self._pieces(objects)) if self.options.match else objects

    def _many(self, page: Page) -> int:
        """How many of a page the source took in before, which asks for nothing from before its `start`."""
        start = self.options.start
        if start and page.last <= parse_micros(start):
            return 0
        return len(self._pieces(page.body)) if self.options.match else page.count

    def _pieces(self, objects: bytes) -> list[bytes]:
        _, pieces = cut(b'{"objects":[' + objects + b"]}")
        return [piece for piece in pieces if _fits(piece, self.options.match)]

    def _statement(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """The statement after the one that we have, or one again."""
        one = self._collection
        if "again" in question:
            wanted = question["again"]
        else:
            has = question.get("has", {}).get(one.uuid)
            first = one.seqs[0] if one.seqs else 0
            wanted = first if has is None else has[0] + 1
        if wanted not in one.seqs:
            return {"statement": None}
        told = one.statements[one.seqs.index(wanted)]
        return {name: told[name] for name in ("statement", "receipt", "entries") if name in told}


def _fits(piece: bytes, wanted: Mapping[str, str]) -> bool:
    """Whether an object is what `match[type]`, `match[id]` or `match[spec_version]` ask for; others were not asked."""
    try:
        said = orjson.loads(piece)
    except orjson.JSONDecodeError:
        return True  # judged as no object, and counted
    return all(
        not isinstance(said, dict) or str(said.get(name)) in value.split(",")
        for name, value in wanted.items()
        if name in ("type", "id", "spec_version")
    )


def _answer(document: Mapping[str, Any]) -> Answer:
    body = orjson.dumps(dict(document))
    return Answer(200, {}, body, len(body))
