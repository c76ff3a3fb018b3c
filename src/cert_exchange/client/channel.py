"""One server, spoken to by a program: what a partner's automation, or a sensor of ours, does with a node.

1. Reading goes on from a bookmark that the caller keeps: `Page.cursor`, stored after the page's objects are. Killed in
   between, the page comes again; nothing is skipped.
2. A push is cut into parts that the server takes, by its max_content_length and by count; each part's outcome is
   waited for. What no part could carry is refused, with its size or what is no JSON in it; the others go all the same.
3. Answers are objects of somebody else: bounded in bytes by the connection, and given on as they came.
4. Each poll and manifest keeps its own filter and place: several may be under way in one client, one inside the other.

    with Client(url, credential=...) as server:
        server.collections()
        server.poll("indicators", since=None)     -> pages
        server.push("from-b", objects)            -> Pushed
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import orjson

from cert_exchange import errors
from cert_exchange.client.showing import check_files, shown_as
from cert_exchange.client.values import (
    NOTHING_PUSHED,
    Collection,
    Page,
    Pushed,
    Record,
    Refused,
    objects_of,
    outcome_of,
    read_collection,
    read_record,
)
from cert_exchange.node import Clock
from cert_exchange.remote.connection import Connection, Options
from cert_exchange.remote.identity import Trust
from cert_exchange.remote.pager import Pager

_FIRST_LOOK: Final = 0.05
_LONGEST_PAUSE: Final = 5.0


class Client:
    """A TAXII 2.1 API root, with our credential. Not for several threads at once: make one client for each.

    `url` is the API root, such as https://cert-a.example/api/. `credential` is the text `id.secret` that
    `cert-exchange partner issue` printed, or a file that holds it; for other servers give `user` as well (Basic). `ca` is
    the authority that signed the server's certificate, without it the public ones; `certificate` and `key` are ours,
    where it asks for one. `options` change limits and waits (`cert_exchange.remote.connection.Options`).

    Raises ConfigurationInvalid for an address or a file that cannot be used. Every method raises errors.Remote* for what
    the server does or fails to do: RemoteUnreachable, RemoteTimeout, RemoteTlsFailed, RemoteRefused (with its status),
    RemoteAnswerInvalid.
    """

    def __init__(
        self,
        url: str,
        *,
        credential: str | Path,
        user: str = "",
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        options: Options | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._options = options or Options(server="cert-exchange")
        check_files(ca, certificate, key)
        self._connection = Connection(
            url,
            self._options,
            credential=shown_as(credential, user),
            trust=Trust(ca, certificate, key),
            monotonic=self._clock.monotonic,
        )
        self._root = self._connection.root
        self._most_bytes: int | None = None

    def __enter__(self) -> Self:
        """Use it in a `with`, so that its connections are closed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections. The client cannot be used after it."""
        self._connection.session.close()

    # -- what there is ---------------------------------------------------------------------------------------------

    def collections(self) -> tuple[Collection, ...]:
        """The collections that our credential may read or write (TAXII 2.1 section 5.1)."""
        found = self._get("collections/").get("collections")
        entries = found if isinstance(found, list) else []
        return tuple(read_collection(entry) for entry in entries if isinstance(entry, dict))

    def manifest(
        self, collection: str, *, since: str | None = None, match: Mapping[str, str] | None = None
    ) -> Iterator[Record]:
        """What is in a collection, without the objects (TAXII 2.1 section 5.3), oldest first."""
        pager = self._pager(collection, since, match)
        pager.resource = "manifest"
        for page in pager:
            for record in objects_of(_document(page.body))[0]:
                yield read_record(record)

    # -- reading ---------------------------------------------------------------------------------------------------

    def poll(
        self, collection: str, *, since: str | None = None, match: Mapping[str, str] | None = None
    ) -> Iterator[Page]:
        """Pages of what was added after `since`, oldest first, until there is nothing more (section 5.4).

        `collection` is its id or alias; `match` filters: `{"type": "indicator"}`, also id, version, spec_version. Keep
        `Page.cursor` once the page's objects are kept, and give it as `since` the next time. When the caller asks for
        the next page, the one before counts as kept.
        """
        for page in self._pager(collection, since, match):
            objects, unreadable = objects_of(_document(page.body))
            yield Page(objects, page.cursor, unreadable)

    def find(
        self, collection: str, stix_id: str, *, version: str = "last"
    ) -> tuple[Mapping[str, Any], ...]:
        """One object by its id (section 5.6). `version`: last, first, all, or an instant. Empty where we see none of it."""
        place = f"collections/{quote(collection, safe='')}/objects/{quote(stix_id, safe='')}/"
        try:
            found = self._get(place, {"match[version]": version})
        except errors.RemoteRefused as refusal:
            if refusal.remote_status == 404:  # hidden and absent are alike
                return ()
            raise
        return tuple(objects_of(found)[0])

    # -- writing ---------------------------------------------------------------------------------------------------

    def push(
        self,
        collection: str,
        objects: Iterable[Mapping[str, Any]],
        *,
        wait_seconds: float = 60.0,
        batch: int = 1000,
    ) -> Pushed:
        """Add STIX objects to a collection (section 5.5), and wait until each has its outcome.

        Sent in parts of at most `batch` objects, and of no more bytes than the server takes. The same objects again
        change nothing. Each part is waited for at most `wait_seconds`; what is not done then is `pending`. What is too
        large or no JSON is `refused` here, and not sent.
        """
        total = NOTHING_PUSHED
        for part in self._parts(objects, batch):
            if isinstance(part, Refused):
                total += Pushed(1, 0, (part,), 0)
            else:
                total += self._send(collection, *part, wait_seconds)
        return total

    def status(self, status_id: str, *, sent: int = 0) -> Pushed:
        """What became of an earlier push of `sent` objects, by one of its `status_ids` (section 4.3)."""
        return outcome_of(self._get(f"status/{quote(status_id, safe='')}/"), sent)

    # ----------------------------------------------------------------------------------------------------------------

    def _pager(self, collection: str, since: str | None, match: Mapping[str, str] | None) -> Pager:
        now, monotonic = self._clock.now(), self._clock.monotonic
        own = dict(match or {})  # a copy: the caller may fill its own for the next
        return Pager(self._connection, collection, since, now, monotonic, match=own)

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._connection.fetch("GET", self._root + path, params=params).document()

    def _room(self) -> int:
        """Bytes of a body that the server takes (section 4.2)."""
        if self._most_bytes is None:
            said = self._get("").get("max_content_length")
            sound = isinstance(said, int) and not isinstance(said, bool) and said > 0
            self._most_bytes = said if sound else 1024 * 1024
        assert self._most_bytes is not None
        return self._most_bytes

    def _parts(
        self, objects: Iterable[Mapping[str, Any]], batch: int
    ) -> Iterator[tuple[bytes, int] | Refused]:
        """Bodies with how many objects each holds, and each object that no body can hold."""
        opening, closing = b'{"objects":[', b"]}"
        room = self._room() - len(opening) - len(closing)
        waiting: list[bytes] = []
        size = 0
        for content in objects:
            try:
                body = orjson.dumps(dict(content))
            except (TypeError, ValueError) as error:  # a caller's slip: what JSON cannot say
                yield Refused(_id_of(content), None, f"it is no JSON object: {error}")
                continue
            if len(body) > room:
                reason = f"{len(body):,} bytes are more than the server's max_content_length of {self._room():,}"
                yield Refused(_id_of(content), None, reason)
                continue
            if waiting and (len(waiting) >= batch or size + 1 + len(body) > room):
                yield opening + b",".join(waiting) + closing, len(waiting)
                waiting, size = [], 0
            size += len(body) + bool(waiting)
            waiting.append(body)
        if waiting:
            yield opening + b",".join(waiting) + closing, len(waiting)

    def _send(self, collection: str, body: bytes, count: int, wait_seconds: float) -> Pushed:
        url = f"{self._root}collections/{quote(collection, safe='')}/objects/"
        pushed = outcome_of(self._connection.fetch("POST", url, body=body).document(), count)
        until = self._clock.monotonic() + wait_seconds
        pause = _FIRST_LOOK
        while not pushed.complete and pushed.status_ids and self._clock.monotonic() < until:
            time.sleep(min(pause, max(until - self._clock.monotonic(), 0.0)))
            pause = min(pause * 2, _LONGEST_PAUSE)
            pushed = self.status(pushed.status_ids[0], sent=count)
        return pushed


def _document(body: bytes) -> dict[str, Any]:
    """A page as JSON. Raises RemoteAnswerInvalid."""
    if not body.strip():
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise errors.RemoteAnswerInvalid("A page is no JSON.") from error
    return value if isinstance(value, dict) else {}


def _id_of(content: Any) -> str:
    named = content.get("id") if isinstance(content, Mapping) else None
    return named if isinstance(named, str) else ""
