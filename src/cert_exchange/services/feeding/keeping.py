"""A feed as it is now, made anew only when something changed.

1. What is given out is one state of the node that was committed before the request was answered: nothing that was
   withdrawn, revoked or has expired by then stands in it.
2. Three looks, each dearer than the one before: whether any transaction wrote since (the count of ledger lines), whether
   the versions in force or what is said beside them changed, and only then the objects themselves.
3. The same entries give the same bytes and the same tag (ETag), in every process: `serial` is settled in the database.
4. What is kept is bounded: `MOST_KEPT` bytes of all feeds together; what was used longest ago goes first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import orjson

from cert_exchange.node import Node
from cert_exchange.services.feeding.administering import existing
from cert_exchange.services.feeding.choosing import MEDIA, Choice, Format, from_text
from cert_exchange.services.feeding.fitting import Fitting, fitting
from cert_exchange.services.feeding.making import (
    MAIN,
    Gathered,
    Output,
    Progress,
    Source,
    gather,
    write,
)
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import feeds as rows
from cert_exchange.store import holdings
from cert_exchange.store import terms as term_rows
from cert_exchange.store import usable as in_force
from cert_exchange.store.database import Transaction
from cert_exchange.store.feeds import FeedRow
from cert_exchange.store.tables import ObjectStatus
from cert_exchange.store.usable import Wanted

MOST_KEPT: Final = 256 * 1024 * 1024
_NOBODY: Final = -(2**31)
"""An origin that nothing has: a name that is gone restricts to nothing, and never widens."""
_BESIDE: Final = frozenset({"marking-definition", "extension-definition"})


@dataclass(frozen=True, slots=True)
class Served:
    """One file of a feed as it is now. `tag` is the same as long as the bytes are; `body` None: there is no such file."""

    body: bytes | None
    tag: str
    media: str
    held: int
    left_out: int


@dataclass(frozen=True, slots=True)
class _Kept:
    feed: FeedRow
    lines: int
    state: bytes
    output: Output
    left: int
    tags: Mapping[str, str]
    media: str

    @property
    def size(self) -> int:
        return sum(map(len, self.output.files.values()))


class Shelf:
    """What one process keeps of the feeds that it was asked for. Used by one thread at a time."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._kept: dict[int, _Kept] = {}

    def serve(self, name: str, file: str = MAIN) -> Served:
        """One file of a feed. Raises NotFound for a feed that is gone, ConfigurationInvalid, StoreUnavailable."""
        kept = self._now(name)
        body = kept.output.files.get(file)
        return Served(body, kept.tags.get(file, ""), kept.media, kept.output.held, kept.left)

    def _now(self, name: str) -> _Kept:
        node, now = self._node, self._node.now()
        with node.database.reading() as tx:
            feed = existing(tx, name)
            kept = self._kept.pop(feed.id, None)
            lines = in_force.count_lines(tx)
            due = None if kept is None else kept.output.due
            fresh = kept is not None and kept.feed.options == feed.options
            fresh = fresh and (due is None or due > now)
            if fresh and kept is not None and kept.lines == lines:
                return self._keep(kept)
            choice = from_text(feed.options)
            state = _state(tx, choice)
            if fresh and kept is not None and kept.state == state:
                return self._keep(replace(kept, lines=lines))
            found = _gathered(tx, choice, now=now)
        output = _written(node, feed, choice, found)
        tags = {file: hashlib.sha256(body).hexdigest()[:32] for file, body in output.files.items()}
        # Ids by the hundred thousand are for `feeds show`; of what is kept, their number is enough.
        left = sum(map(len, output.left_out.values()))
        output = replace(output, left_out={})
        return self._keep(_Kept(feed, lines, state, output, left, tags, MEDIA[choice.format]))

    def _keep(self, kept: _Kept) -> _Kept:
        """Keep it as the one that was used last."""
        self._kept[kept.feed.id] = kept
        while len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return kept


def look(node: Node, name: str, *, progress: Progress | None = None) -> tuple[Choice, Output]:
    """What a feed gives now, with every id that it leaves out: for our own people. Raises NotFound, ConfigurationInvalid."""
    with node.database.reading() as tx:
        feed = existing(tx, name)
        choice = from_text(feed.options)
        found = _gathered(tx, choice, now=node.now(), progress=progress)
    return choice, _written(node, feed, choice, found)


def preview(node: Node, choice: Choice, *, progress: Progress | None = None) -> Output:
    """What a feed would give that is not there yet; nothing is written down. Raises NotFound, ConfigurationInvalid."""
    with node.database.reading() as tx:
        found = _gathered(tx, choice, now=node.now(), progress=progress)
    return write(node, choice, found, name="preview", serial=lambda _digest: 1)


def _gathered(
    tx: Transaction, choice: Choice, *, now: int, progress: Progress | None = None
) -> Gathered:
    asked: Fitting = fitting(tx, choice, now=now)
    with in_force.usable(tx, _wanted(tx, choice)) as found:
        gathered = gather(_sources(found), asked, progress=progress)
    if gathered.bodies:
        gathered.bodies[:0] = _needed(tx, gathered.bodies)
    return gathered


def _needed(tx: Transaction, bodies: list[str]) -> list[str]:
    """The definitions and identities that these objects name and that stand in no collection, as ours before a partner's."""
    there: set[str] = set()
    named: set[str] = set()
    for body in bodies:
        content = orjson.loads(body)
        there.add(content["id"])
        named.update(content.get("object_marking_refs", ()))
        if "created_by_ref" in content:
            named.add(content["created_by_ref"])
    found: list[str] = []
    for stix_id in sorted(named - there):
        asked = holdings.Wanted(stix_id=stix_id, status=ObjectStatus.ACCEPTED)
        held = [one for one in holdings.find(tx, asked) if one.status == ObjectStatus.ACCEPTED]
        found += [one.body for one in sorted(held, key=lambda one: one.origin)[:1]]
    return found


def _sources(found: Iterator[in_force.UsableRow]) -> Iterator[Source]:
    return (Source(one.stix_id, one.type, one.origin, one.body, one.stored_at) for one in found)


def _written(node: Node, feed: FeedRow, choice: Choice, found: Gathered) -> Output:
    def serial(digest: bytes) -> int:
        with node.database.reading() as tx:
            known = rows.serial_of(tx, feed.id, digest)
        if known is not None:
            return known
        seconds = node.now() // 1_000_000
        return node.database.transact(lambda tx: rows.settle(tx, feed.id, digest, seconds=seconds))

    return write(node, choice, found, name=feed.name, serial=serial)


def _wanted(tx: Transaction, choice: Choice) -> Wanted:
    whole = choice.format in (Format.STIX, Format.MISP)
    numbers = {name: number for number, name in holdings.names_of_origins(tx).items()}
    places = [collection_rows.find_collection(tx, one, retired=True) for one in choice.collections]
    return Wanted(
        types=frozenset() if whole else frozenset({"indicator"}),
        origins=frozenset(numbers.get(one, _NOBODY) for one in choice.origins),
        collections=frozenset(_NOBODY if one is None else one.id for one in places),
    )


def _state(tx: Transaction, choice: Choice) -> bytes:
    """A digest of what the output is made of: the versions in force, and what is said beside them."""
    digest = hashlib.sha256()
    for number in in_force.usable_ids(tx, _wanted(tx, choice)):
        digest.update(number.to_bytes(8, "big"))
    digest.update(b"marks")
    for number in in_force.usable_ids(tx, Wanted(types=_BESIDE)):
        digest.update(number.to_bytes(8, "big"))
    for row in sorted(term_rows.texts(tx, holding="")):
        digest.update(repr(row).encode())
    digest.update(repr(sorted(in_force.doubted(tx))).encode())
    digest.update(repr(sorted(in_force.policies_in_force(tx))).encode())
    digest.update(repr(sorted(holdings.names_of_origins(tx).items())).encode())
    return digest.digest()
