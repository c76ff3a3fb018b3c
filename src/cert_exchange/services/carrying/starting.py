"""Where each collection goes on in the next file for a partner, and what we signed of it from there.

1. It goes on after the file before; without one after the last statement that the partner receipted, else at the beginning.
2. Statements say up to where the pages go: what is released while a file is made stands in the next one.
3. A partner that has statements of ours which a restore lost us says so in its own file: ours go on after those.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from cert_exchange.errors import NotFound
from cert_exchange.messages.carried import FORMAT
from cert_exchange.messages.deliveries import Way
from cert_exchange.messages.evidence import DIGEST_BYTES
from cert_exchange.node import Node
from cert_exchange.services import deliveries, polling
from cert_exchange.services.deliveries import Told
from cert_exchange.services.partners import Caller
from cert_exchange.services.polling import Grant
from cert_exchange.store import carrying as files
from cert_exchange.store import deliveries as statements
from cert_exchange.store.carrying import Span
from cert_exchange.store.database import Transaction
from cert_exchange.store.statement_rows import StatementHead, Stream

MOST_OBJECTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for. `again_from`: from the beginning of our file of that number on."""

    collections: Collection[str] = ()
    again_from: int | None = None
    whole: bool = False
    most: int = MOST_OBJECTS
    anyway: bool = False
    """also where there is nothing to carry: it says how far we are"""
    form: int = FORMAT


@dataclass(frozen=True, slots=True)
class Part:
    """What goes of one collection."""

    grant: Grant
    view: int
    after: int
    told: tuple[Told, ...]
    """those of a log that the partner left cover nothing any more, and keep the chain"""

    @property
    def upto(self) -> int:
        """Where it ends."""
        return self.told[-1].row.upto

    @property
    def has_pages(self) -> bool:
        """Whether anything of the log that the partner reads now is in it."""
        return self.told[-1].row.view == self.view

    def span(self) -> Span:
        """As it is kept."""
        first, last = self.told[0].row.seq, self.told[-1].row.seq
        return Span(self.grant.uuid, self.view, self.after, self.upto, first, last)


def parts_for(node: Node, caller: Caller, wanted: Wanted) -> tuple[list[Part], bool]:
    """What goes of each collection that the partner may read, and whether more is left."""
    with node.database.raw_reader() as connection:
        grants = polling.list_collections(node, connection, caller)
    readable = [one for one in grants if one.can_read]
    unknown = set(wanted.collections) - {
        name for one in readable for name in (one.uuid, one.alias) if name is not None
    }
    if unknown:
        raise NotFound(
            f"{caller.name} may read no collection {', '.join(sorted(unknown))}; see `collection list`."
        )
    parts, room, left = [], wanted.most, False
    for grant in readable:
        chosen = not wanted.collections or {grant.uuid, grant.alias} & set(wanted.collections)
        if not chosen or grant.view is None:
            continue
        after, has = _start(node, caller.partner, grant, wanted)
        after, has = _lost(node, caller.partner, grant) or (after, has)
        told: list[Told] = []
        span = deliveries.Span(
            caller.partner, grant.collection, grant.uuid, Way.SERVED, grant.uuid, after
        )
        while room > 0:
            one = deliveries.tell_next(node, span, has)
            if one is None:
                break
            told.append(one)
            has = one.row.seq, one.row.digest
            room -= len(one.row.leaves) // DIGEST_BYTES
        left = left or (room <= 0 and _is_more(node, span, has))
        if told:
            begins = [one.row.after for one in told if one.row.view == grant.view]
            parts.append(Part(grant, grant.view, min([after, *begins]), tuple(told)))
    return parts, left


def _is_more(node: Node, span: deliveries.Span, has: tuple[int, bytes] | None) -> bool:
    """Whether anything follows after a statement of ours."""
    with node.database.reading() as tx:
        last = statements.last(tx, span.place)
    made = last is not None and last.seq > (0 if has is None else has[0])
    return made or deliveries.owes(node, span)


def _start(
    node: Node, partner: int, grant: Grant, wanted: Wanted
) -> tuple[int, tuple[int, bytes] | None]:
    """After which position of the log a collection goes on, and after which statement of ours."""
    if wanted.whole:
        return 0, None
    stream = Stream(partner, ours=True, way=Way.SERVED, name=grant.uuid)
    with node.database.reading() as tx:
        found = [
            (row.number, span)
            for row in files.made(tx, partner)
            for span in row.spans
            if span.collection == grant.uuid
        ]
        if wanted.again_from is not None:
            again = [span for number, span in found if number >= wanted.again_from]
            if again:  # the newest is first, so the last one is where it began
                return _after(grant, again[-1].view, again[-1].after), _named(
                    tx, stream, again[-1].first - 1
                )
        if found:
            span = found[0][1]
            return _after(grant, span.view, span.upto), _named(tx, stream, span.last)
        row = _receipted(tx, stream)
    if row is None:
        return 0, None
    return _after(grant, row.view, row.upto), (row.seq, row.digest)


def _lost(node: Node, partner: int, grant: Grant) -> tuple[int, tuple[int, bytes] | None] | None:
    """Rule 3: after which statement it goes on that only the partner still has; None where there is none such."""
    stream = Stream(partner, ours=True, way=Way.SERVED, name=grant.uuid)
    with node.database.reading() as tx:
        theirs = files.last(tx, partner, ours=False)
        last = statements.last(tx, stream)
    said = None if theirs is None else theirs.heard.get("has", {}).get(grant.uuid)
    if said is None or said[0] <= (0 if last is None else last.seq):
        return None
    after = 0 if last is None else _after(grant, last.view, last.upto)
    return after, (said[0], bytes.fromhex(said[1]))


def _after(grant: Grant, view: int | None, position: int) -> int:
    """A position counts in its own log; another one begins at its beginning."""
    return position if view == grant.view else 0


def _named(tx: Transaction, stream: Stream, seq: int) -> tuple[int, bytes] | None:
    row = statements.numbered(tx, stream, seq) if seq > 0 else None
    return None if row is None else (row.seq, row.digest)


def _receipted(tx: Transaction, stream: Stream) -> StatementHead | None:
    """The last statement of ours up to which the partner signed receipts: what it has for certain."""
    last = statements.last(tx, stream)
    open_ = statements.without_receipt(
        tx, stream.partner, ours=True, way=stream.way, stream=stream.name
    )
    if last is None or not open_:
        return last
    return statements.numbered(tx, stream, min(one.seq for one in open_) - 1)
