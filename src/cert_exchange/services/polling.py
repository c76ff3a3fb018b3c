"""A partner reads: which collections it has, and one page of its view of one.

The steps of a page:
(1) where it starts: `next`, else `added_after`, else the beginning
(2) where it ends: an index says so, nothing of the page is read
(3) the mark: committed durably, and only when it advances
(4) the page: one row, whose snapshot is newer than the mark (DECISIONS 24)

1. Between (2) and (4) lines may come, beyond the end, or go, so that the page is shorter; none is skipped.
2. The same statements run for what is hidden and what is not there (invariant 1).
3. Nothing is parsed and no policy is asked. What must write to the main database or walk far raises `NeedsThread`
   when it was called in the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from cert_exchange.errors import NotFound, QueryInvalid, ReadRefused, SharingFrozen
from cert_exchange.node import Node
from cert_exchange.services import cursors, ledger
from cert_exchange.services.cursors import Cursor, Scope
from cert_exchange.services.partners import Caller
from cert_exchange.store import epochs, pages, poll_notes, rights
from cert_exchange.store.pages import RECORD, UNIT, Filters, Part, Versions
from cert_exchange.store.rights import Grant

__all__ = [
    "RECORD",
    "UNIT",
    "Filters",
    "Grant",
    "NeedsThread",
    "Page",
    "PageQuery",
    "Part",
    "Resource",
    "Versions",
    "find_collection",
    "is_ready",
    "list_collections",
    "note_ignored",
    "poll",
]

BEGINNING: Final = 0
"""Before every line of every log, and what an empty answer to a first question says as its dates."""
_LONG_PAGE: Final = 1_000
"""Rows; a longer page would hold the event loop for more than about 2 ms."""


class NeedsThread(Exception):
    """The event loop must not wait for this: call again from a thread."""


class Resource(IntEnum):
    """What is paged. The numbers stand in `next` tokens: never change them."""

    OBJECTS = 1
    MANIFEST = 2
    OBJECT = 3
    VERSIONS = 4


_PARTS: Final = {
    Resource.OBJECTS: Part.BODY,
    Resource.MANIFEST: Part.RECORD,
    Resource.OBJECT: Part.BODY,
    Resource.VERSIONS: Part.VERSION,
}


_UNFILTERED: Final = Filters()


@dataclass(frozen=True, slots=True)
class PageQuery:
    """A valid question for a page. Instants are micros."""

    resource: Resource
    stix_id: str = ""
    """of the resources OBJECT and VERSIONS"""
    added_after: int | None = None
    limit: int | None = None
    next: str | None = None
    filters: Filters = _UNFILTERED
    filtered: bool = False
    """whether any match[...] was given, so that it must agree with those of `next`"""
    upto: int | None = None
    """no line beyond this position; None: none is"""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, not yet in any format. `first` and `last` are the instants for the date headers (micros)."""

    part: Part
    text: bytes
    count: int
    first: int
    last: int
    next: str | None = None
    """None: there is no more"""


def find_collection(node: Node, connection: Any, caller: Caller, name: str) -> Grant:
    """Find a collection by UUID or alias. Raises NotFound, for hidden and absent alike."""
    grant = rights.find(
        node.database.dialect, connection, caller.partner, caller.audience, name, caller.scope
    )
    if grant is None:
        raise NotFound
    return grant


def list_collections(node: Node, connection: Any, caller: Caller) -> list[Grant]:
    """List what the caller may read or write, always in the same order."""
    return rights.every(
        node.database.dialect, connection, caller.partner, caller.audience, caller.scope
    )


def is_ready(node: Node) -> None:
    """Ask the database for something. Raises StoreUnavailable."""
    with node.database.raw_reader() as connection:
        rights.answers(node.database.dialect, connection)


def note_ignored(node: Node, caller: Caller, note: str) -> None:
    """Remember something a partner's client sends that means nothing to us, for `doctor` (once per partner)."""
    at = node.now()
    node.database.transact(lambda tx: poll_notes.add(tx, caller.partner, note, at=at))


def _what_else(node: Node, connection: Any, caller: Caller) -> str:
    """What the caller may read instead: what the list of collections tells it anyhow (U11)."""
    readable = [
        one.alias or one.uuid for one in list_collections(node, connection, caller) if one.can_read
    ]
    return f"{ReadRefused.public} You may read: {', '.join(readable) or 'no collection'}."


def poll(
    node: Node, connection: Any, caller: Caller, grant: Grant, query: PageQuery, *, inline: bool
) -> Page:
    """Read one page of the caller's view of a collection.

    Raises ReadRefused, SharingFrozen, NotFound (no version of the object is in the view), QueryInvalid (`next`),
    StoreUnavailable, and NeedsThread when `inline`.
    """
    if not grant.can_read:
        raise ReadRefused(_what_else(node, connection, caller))
    if caller.frozen:
        raise SharingFrozen(detail=f"what goes out to partner {caller.partner} is frozen")
    reader = _Reader(node, connection, caller, grant, query, inline)
    start = _start(reader)
    page = None
    if grant.view is not None and not start.filters.nothing:
        page = _page(reader, grant.view, start)
    if page is not None:
        return page
    if query.stix_id and not (
        grant.view is not None
        and pages.is_known(node.database.dialect, connection, grant.view, query.stix_id)
    ):
        raise NotFound
    return Page(_PARTS[query.resource], b"", 0, start.echo, start.echo)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who asks for what, and through which connection."""

    node: Node
    connection: Any
    caller: Caller
    grant: Grant
    query: PageQuery
    inline: bool

    def scope(self, view: int) -> Scope:
        """Bind a token of this question to its view."""
        query = self.query
        return Scope(
            self.caller.partner, self.grant.collection, view, query.resource, query.stix_id
        )


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a page starts. Instants are micros."""

    after: int
    echo: int
    """what an empty answer says as its dates"""
    filters: Filters


def _page(reader: _Reader, view: int, start: _Start) -> Page | None:
    """Do the steps 2 to 4; None when nothing is there."""
    node, query = reader.node, reader.query
    dialect = node.database.dialect
    part = _PARTS[query.resource]
    limit = min(query.limit or node.settings.page_limit, node.settings.page_limit)
    wanted = start.filters
    if query.stix_id:
        wanted = Filters((query.stix_id,), None, wanted.versions)
    if reader.inline and (limit > _LONG_PAGE or pages.shape_of(wanted).scans):
        raise NeedsThread
    after = start.after
    while True:
        # Step 2: where it ends.
        bounds = pages.bounds(
            dialect, reader.connection, view, wanted, part=part, after=after, limit=limit
        )
        end = bounds.end if query.upto is None else min(bounds.end, query.upto)
        more = bounds.more and end == bounds.end
        if not bounds.count or end <= after:
            return None
        # Step 3: the mark. From here on the partner counts as having fetched all this.
        if end > node.marks.reached(reader.caller.partner, view):
            node.marks.advance(reader.caller.partner, view, end)
        # Step 4: the page.
        joined = pages.joined(
            dialect,
            reader.connection,
            view,
            wanted,
            part=part,
            after=after,
            end=end,
            limit=limit,
        )
        if joined.count:
            break
        if not more:
            return None
        after = end  # all of it was taken back in between
    token = None
    if more:
        # A full page may end before the bounds did, when an older version became the first in between.
        end = joined.last if joined.count == limit else end
        cursor = Cursor(reader.grant.epoch, end, start.filters)
        token = cursors.sign(node.secrets, reader.scope(view), cursor)
    return Page(part, joined.text, joined.count, joined.first, joined.last, token)


def _start(reader: _Reader) -> _Start:
    """Do step 1."""
    query, grant = reader.query, reader.grant
    if query.next is None:
        after = BEGINNING if query.added_after is None else query.added_after
        return _Start(after, after, query.filters)
    view, cursor = _token(reader, query.next)
    if query.filtered and query.filters != cursor.filters:
        raise QueryInvalid(
            "next belongs to other match filters than these: send the same ones, or none beside it."
        )
    position = cursor.position
    if view != grant.view:
        # The partner has another audience now, whose log holds all that it may see.
        return _Start(BEGINNING, position, cursor.filters)
    restored = position > grant.head
    if restored or cursor.epoch != grant.epoch:
        if reader.inline:
            raise NeedsThread
        if restored:
            ledger.begin_epoch(reader.node, {view: position})
        with reader.node.database.reading() as tx:
            position = epochs.safe_position(tx, view, cursor.epoch, position)
    return _Start(position, position, cursor.filters)


def _token(reader: _Reader, token: str) -> tuple[int, Cursor]:
    """Read `next`, and say of which view of the partner it is: the present one or a former one."""
    grant, node = reader.grant, reader.node
    if grant.view is not None:
        cursor = cursors.verify(node.secrets, reader.scope(grant.view), token)
        if cursor is not None:
            return grant.view, cursor
    for view in rights.former_views(
        node.database.dialect, reader.connection, reader.caller.partner, grant.collection
    ):
        cursor = cursors.verify(node.secrets, reader.scope(view), token)
        if cursor is not None:
            return view, cursor
    raise QueryInvalid(
        "next is none that this collection gave you: send it back unchanged, or leave it out and"
        " use added_after."
    )
