"""What a partner's node is answered that compares: digests of what it may poll from us, or of what it handed in here.

1. Under the rights of a poll: the same statement finds the collection, hidden and absent are answered alike, a credential
   that may not read it learns nothing, and nothing is told while what goes out to the partner is frozen.
2. `shown` is what a poll without filter shows, and counts as fetched like a page of the manifest: the mark is raised before
   anything is read (DECISIONS 24).
3. `received` is what came from the partner into that collection, as `/exchange/v1/received` shows it.
4. Digests over a log that has not moved are not made twice, and who had others made waits five times as long as that took
   before the next: no partner keeps us busy with sums.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final
from weakref import WeakKeyDictionary

from cert_exchange.errors import QueryInvalid, ReadRefused, SharingFrozen, TooManyRequests
from cert_exchange.node import Node
from cert_exchange.services import polling
from cert_exchange.services.drift.bucketing import Buckets, Entry, entry
from cert_exchange.services.partners import Caller
from cert_exchange.services.polling import Grant
from cert_exchange.store import drift as rows
from cert_exchange.store.database import Database, Transaction
from cert_exchange.store.drift import Line

RESOURCE: Final = "compared"
SHOWN: Final = "shown"
RECEIVED: Final = "received"
EVERY: Final = "all"
"""In place of a part: every entry."""
_PART: Final = re.compile(r"[0-9a-f]{2}")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_KEPT: Final = 64
_PAUSE: Final = 5


def answer_compared(node: Node, caller: Caller, query: Mapping[str, str]) -> Mapping[str, Any]:
    """Digests by bucket, or the entries of a part after a place. Raises QueryInvalid, AccessRefused."""
    of, part, after = _asked(query)
    with node.database.raw_reader() as connection:
        grant = polling.find_collection(node, connection, caller, query.get("collection", ""))
    if not grant.can_read:
        raise ReadRefused
    if caller.frozen:
        raise SharingFrozen(detail=f"what goes out to partner {caller.partner} is frozen")
    if of == SHOWN:
        return _shown(node, caller, grant, part, after)
    return _received(node, caller, grant, part, after)


def _asked(query: Mapping[str, str]) -> tuple[str, str | None, int]:
    of, part, after = query.get("of", ""), query.get("part"), query.get("after", "0")
    if of not in (SHOWN, RECEIVED):
        raise QueryInvalid(f"`of` is {SHOWN} or {RECEIVED}.")
    if part is not None and part != EVERY and not _PART.fullmatch(part):
        raise QueryInvalid(f"`part` is two digits of 0-9a-f, or {EVERY}.")
    if not _NUMBER.fullmatch(after):
        raise QueryInvalid("`after` is a number.")
    return of, part, int(after)


def _shown(
    node: Node, caller: Caller, grant: Grant, part: str | None, after: int
) -> Mapping[str, Any]:
    view = grant.view
    if view is None:
        return _entries([]) if part is not None else {"buckets": Buckets().document()}
    # The log may move on in between: what is read then lies above the mark, and is left out.
    reach = grant.head
    if reach > node.marks.reached(caller.partner, view):
        node.marks.advance(caller.partner, view, reach)
    if part is None:
        made = _making_of(node).made(
            node,
            caller.partner,
            lambda tx: (one for one in rows.all_shown_in(tx, view) if one.place <= reach),
            view=view,
            head=reach,
        )
        return {"buckets": made.document()}
    with node.database.reading() as tx:
        found = rows.shown_in(tx, view, after=after, part=None if part == EVERY else part)
    return _entries([one for one in found if one.place <= reach])


def _received(
    node: Node, caller: Caller, grant: Grant, part: str | None, after: int
) -> Mapping[str, Any]:
    partner, collection = caller.partner, grant.collection
    if part is None:
        made = _making_of(node).made(
            node, partner, lambda tx: rows.all_handed_in(tx, partner, collection)
        )
        return {"buckets": made.document()}
    with node.database.reading() as tx:
        listed = rows.handed_in(
            tx, partner, collection, after=after, part=None if part == EVERY else part
        )
    return _entries(listed)


def entries_of(lines: Iterator[Line]) -> Iterator[Entry]:
    """Rows as entries."""
    return (entry(one.stix_id, one.version, one.digest) for one in lines)


def _entries(lines: list[Line]) -> Mapping[str, Any]:
    named = [entry(one.stix_id, one.version, one.digest) for one in lines]
    return {
        "entries": [[one.stix_id, one.version, one.digest.hex()] for one in named],
        "next": lines[-1].place if lines else None,
    }


@dataclass(slots=True)
class _Making:
    """Digests of one database's views as they were last made, and when each partner may have the next made (rule 4)."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: dict[int, tuple[int, Buckets]] = field(default_factory=dict)
    """view -> (its head then, digests)"""
    ready: dict[int, float] = field(default_factory=dict)
    """partner -> monotonic seconds"""

    def made(
        self,
        node: Node,
        partner: int,
        read: Callable[[Transaction], Iterator[Line]],
        *,
        view: int | None = None,
        head: int = 0,
    ) -> Buckets:
        """Give the digests of what is read. Raises TooManyRequests."""
        begun = node.clock.monotonic()
        with self.lock:
            kept = None if view is None else self.kept.get(view)
            if kept is not None and kept[0] == head:
                return kept[1]
            wait = self.ready.get(partner, 0.0) - begun
            if wait > 0:
                raise TooManyRequests(ceil(wait), detail=f"digests for partner {partner}")
            self.ready[partner] = begun + 1  # while they are made; at one time once
        buckets = Buckets()
        with node.database.reading() as tx:
            buckets.add(entries_of(read(tx)))
        ended = node.clock.monotonic()
        with self.lock:
            self.ready[partner] = ended + _PAUSE * (ended - begun)
            if view is not None:
                if len(self.kept) >= _KEPT:
                    self.kept.clear()
                self.kept[view] = (head, buckets)
        return buckets


_makings: Final[WeakKeyDictionary[Database, _Making]] = WeakKeyDictionary()
_lock: Final = threading.Lock()


def _making_of(node: Node) -> _Making:
    with _lock:
        return _makings.setdefault(node.database, _Making())
