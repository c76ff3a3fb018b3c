"""A feed as it is now, made anew only when something changed.

1. What is given out is one state of the node that was committed before the request was answered: nothing that was
   withdrawn, revoked or has expired by then stands in it.
2. Three looks, each dearer than the one before: whether any transaction wrote since (the count of ledger lines), whether
   the versions in force or what is said beside them changed, and only then the versions that are new or fell due.
3. The same entries give the same bytes and the same tag (ETag), in every process: `serial` is settled in the database.
4. What is kept is bounded: `MOST_KEPT` bytes of all feeds together; what was used longest ago goes first.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from cert_exchange.node import Node
from cert_exchange.services.feeding.administering import existing
from cert_exchange.services.feeding.choosing import MEDIA, Choice, Format, from_text
from cert_exchange.services.feeding.completing import completed
from cert_exchange.services.feeding.fitting import OBJECTS, PASS, Fitting, fitting
from cert_exchange.services.feeding.gathering import Gathered, Source, Taken, fold
from cert_exchange.services.feeding.making import (
    MAIN,
    Output,
    Progress,
    gather,
    take,
    write,
)
from cert_exchange.services.recalled import honoured
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import feeds as rows
from cert_exchange.store import holdings, screening
from cert_exchange.store import terms as term_rows
from cert_exchange.store import usable as in_force
from cert_exchange.store.database import Transaction
from cert_exchange.store.feeds import FeedRow
from cert_exchange.store.usable import Wanted

MOST_KEPT: Final = 256 * 1024 * 1024
MOST_PARTS: Final = 200_000
"""Versions of all feeds together of which it is kept what goes in of them; a feed of more is made anew each time."""
MOST_BODIES: Final = 50_000
_HELPING: Final = Wanted(types=PASS, anywhere=True)
_NOBODY: Final = -(2**31)
"""An origin that nothing has: a name that is gone restricts to nothing, and never widens."""


@dataclass(frozen=True, slots=True)
class Served:
    """One file of a feed as it is now. `tag` is the same as long as the bytes are; `body` None: there is no such file."""

    body: bytes | None
    tag: str
    media: str
    held: int
    left_out: int | None
    """None of a feed for constituents: how many there are besides is not theirs to know"""
    tlp: str
    """the strictest level of what the feed holds; empty where it holds nothing"""


@dataclass(frozen=True, slots=True)
class _Kept:
    feed: FeedRow
    lines: int
    beside: bytes
    numbers: bytes  # digest of the versions in force
    parts: Mapping[int, Taken]  # by the number of the version; none where they are too many to keep
    output: Output
    left: int | None
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
        output = kept.output
        tag = kept.tags.get(file, "")
        return Served(body, tag, kept.media, output.held, kept.left, output.tlp)

    def _now(self, name: str) -> _Kept:
        node, now = self._node, self._node.now()
        with node.database.reading() as tx:
            feed = existing(tx, name)
            kept = self._kept.pop(feed.id, None)
            if kept is not None and kept.feed.options != feed.options:
                kept = None
            lines = in_force.count_lines(tx)
            fresh = kept is not None and (kept.output.due is None or kept.output.due > now)
            if kept is not None and fresh and kept.lines == lines:
                return self._keep(kept)
            choice = from_text(feed.options)
            numbers = in_force.usable_ids(tx, _wanted(tx, choice))
            beside = _beside(tx)
            known = kept.parts if kept is not None and kept.beside == beside else {}
            helping = in_force.usable_ids(tx, _HELPING) if choice.format in OBJECTS else []
            digest = hashlib.sha256(array("q", [*numbers, -1, *helping])).digest()
            same = kept is not None and (kept.beside, kept.numbers) == (beside, digest)
            if kept is not None and fresh and same:
                return self._keep(replace(kept, lines=lines))
            asked = fitting(tx, choice, now=now)
            parts = _taken(tx, asked, numbers, known)
            found = completed(fold(parts.values()), asked, look=partial(_beside_what, tx))
        output = _written(node, feed, choice, found)
        tags = {file: hashlib.sha256(body).hexdigest()[:32] for file, body in output.files.items()}
        # Ids by the hundred thousand are for `feeds show`; of what is kept, their number is enough.
        left = None if asked.for_constituents else sum(map(len, output.left_out.values()))
        most = MOST_BODIES if choice.format in OBJECTS else MOST_PARTS
        return self._keep(
            _Kept(
                feed, lines, beside, digest, parts if len(parts) <= most else {},
                replace(output, left_out={}), left, tags, MEDIA[choice.format],
            )
        )  # fmt: skip

    def _keep(self, kept: _Kept) -> _Kept:
        """Keep it as the one that was used last."""
        self._kept[kept.feed.id] = kept
        while len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        for number, one in list(self._kept.items()):
            if sum(len(each.parts) for each in self._kept.values()) <= MOST_PARTS:
                break
            self._kept[number] = replace(one, parts={})
        return kept


def _taken(
    tx: Transaction, asked: Fitting, numbers: list[int], known: Mapping[int, Taken]
) -> dict[int, Taken]:
    """What goes in of each version, in their order; what is known and has not fallen due is not read again."""
    found = {
        number: known[number]
        for number in numbers
        if number in known and (known[number].due is None or (known[number].due or 0) > asked.now)
    }
    missing = [number for number in numbers if number not in found]
    if missing:
        for row in in_force.rows_of(tx, missing):
            found[row.object] = take(_source(row), asked)
    return {number: found[number] for number in numbers if number in found}


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
        gathered = gather(map(_source, found), asked, progress=progress)
    return completed(gathered, asked, look=partial(_beside_what, tx))


def _beside_what(tx: Transaction, ids: Collection[str]) -> Iterator[Source]:
    """What is in force under these ids, also what stands in no collection."""
    return map(_source, in_force.named(tx, ids, kept=honoured(tx).kept))


def _source(row: in_force.UsableRow) -> Source:
    return Source(row.stix_id, row.type, row.origin, row.body, row.stored_at)


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
        ended=whole,
        kept=honoured(tx).kept,
    )


def _beside(tx: Transaction) -> bytes:
    """A digest of all that is said beside objects and that decides whether they go in."""
    said = (
        in_force.definitions(tx),
        sorted(term_rows.texts(tx, holding="")),
        sorted(in_force.policies_in_force(tx)),
        sorted(holdings.names_of_origins(tx).items()),
        screening.digest_in_force(tx),
        screening.count_let_in(tx),
    )
    return hashlib.sha256(repr(said).encode()).digest()
