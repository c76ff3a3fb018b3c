"""What a remote shows, read page by page: by digests between nodes of ours, else by its TAXII manifest.

1. Nothing of a remote is believed but what it shows: ids and versions, and from a node of ours the digests of the bytes.
2. A walk that was cut off says so: what it did not reach is not missing.
3. Nor is what a source's `start` and `match` leave out. What a target sent does not depend on them: its walk asks for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import orjson

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.remote import peering
from cert_exchange.remote.connection import Connection
from cert_exchange.remote.pager import End, Pager
from cert_exchange.services.drift.answering import EVERY, RESOURCE
from cert_exchange.services.drift.bucketing import (
    Buckets,
    Entry,
    entry,
    part_name,
    read_buckets,
    read_entries,
)
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.store.channels import Channel
from cert_exchange.store.drift import MOST

MANY: Final = 16
"""Buckets that are asked for one by one; where more differ, all is listed."""
_PAGES: Final = 10_000
_PATIENCE: Final = 60.0
_TRIES: Final = 5
T = TypeVar("T")
_DONE: Final = (End.DRAINED, End.EMPTY_TWICE)


@dataclass(slots=True)
class Walk:
    """One remote collection that is read. `newest`: the greatest date_added that it showed, micros."""

    node: Node
    channel: Channel
    connection: Connection
    newest: int | None = None
    whole: bool = True
    notes: list[str] = field(default_factory=list)
    requests: int = 0

    @property
    def limits(self) -> str:
        """By which of its options a source is shown a part alone, in words; empty: it is shown all."""
        options = self.connection.options
        said = [f"start {options.start}"] if options.start else []
        return ", ".join(said + [f"match {name}={one}" for name, one in options.match.items()])

    def would_show(self, stix_id: str) -> bool:
        """Whether an id lies surely within what is asked for: when the remote got it nobody here knows."""
        options = self.connection.options
        if options.start or set(options.match) - {"type"}:
            return False
        wanted = options.match.get("type")
        return wanted is None or stix_id.partition("--")[0] in wanted.split(",")

    def buckets(self, of: str) -> Buckets | None:
        """Ask a node of ours for its digests; None where the remote has none such."""
        document = self._compared(of)
        return None if document is None else read_buckets(document)

    def listed(self, of: str, parts: list[int]) -> Iterator[list[Entry]]:
        """The entries of these buckets, or of all where they are many, answer by answer."""
        if len(parts) > MANY:
            yield from self._listed(of, EVERY)
            return
        for bucket in parts:
            yield from self._listed(of, part_name(bucket))

    def _listed(self, of: str, part: str) -> Iterator[list[Entry]]:
        after = 0
        for _ in range(_PAGES):
            document = self._compared(of, part=part, after=str(after))
            if document is None:
                raise errors.RemoteAnswerInvalid("It listed what it holds, and does not any more.")
            yield read_entries(document, most=MOST)
            last = document.get("next")
            if last is None:
                return
            if isinstance(last, bool) or not isinstance(last, int) or last <= after:
                raise errors.RemoteAnswerInvalid("The partner's list does not go on.")
            after = last
        raise errors.RemoteAnswerInvalid("The partner's list does not end.")

    def _compared(self, of: str, **more: str) -> Any:
        asked = {"collection": self.channel.remote_collection, "of": of, **more}
        self.requests += 1
        return patiently(lambda: peering.ask(self.connection, RESOURCE, asked))

    def manifest(self) -> Iterator[list[Entry]]:
        """What its manifest shows without filter but the source's own, page by page."""
        if self.channel.direction == "push":
            self.connection.options = replace(self.connection.options, start="", match={})
        walk = Pager(
            self.connection,
            self.channel.remote_collection,
            cursor=None,
            now=self.node.now(),
            monotonic=self.node.clock.monotonic,
            resource="manifest",
        )
        for page in walk:
            self.requests += 1
            yield [one for one in map(self._record, _records(page.body)) if one is not None]
        if walk.end not in _DONE:
            self.whole = False
            self.notes.append(
                "the walk through its manifest ended before its end"
                + (f": {walk.end.value}" if walk.end is not None else "")
            )
        self.notes += [note.value for note in sorted(walk.notes)]

    def _record(self, record: Any) -> Entry | None:
        if not isinstance(record, dict) or not isinstance(record.get("id"), str):
            return None
        try:
            added = parse_micros(str(record.get("date_added", "")))
        except InstantInvalid:
            pass
        else:
            self.newest = added if self.newest is None else max(self.newest, added)
        return entry(record["id"], str(record.get("version", "")))


def _records(body: bytes) -> list[Any]:
    try:
        value = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise errors.RemoteAnswerInvalid("Its manifest is no JSON.") from error
    found = value.get("objects") if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def patiently(ask: Callable[[], T]) -> T:
    """Ask, and again after what a busy server asked us to wait, a minute at most each time. Raises errors.Remote*."""
    for _ in range(_TRIES):
        try:
            return ask()
        except errors.RemoteRefused as refusal:
            wait = refusal.retry_after
            if refusal.remote_status != 429 or wait is None or wait > _PATIENCE:
                raise
            time.sleep(wait)
    return ask()
