"""To whom one object went out: its lines in all logs, who reads those, and what the ledger says of fetches.

1. Reading only, and nothing decides here; a line that was taken back still tells that it was there.
2. The log has no index by object. An object has no line from before it was stored, so each log is read from there on;
   MARGIN allows for a clock that was set back (node.HOUR is what passes without a doubt).
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import case, func, or_, select, union_all

from cert_exchange.messages.evidence import Line, decode_line
from cert_exchange.store.database import Transaction, streamed
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    LineKind,
    audience_members,
    audiences,
    collections,
    derivatives,
    identifiers,
    ledger_lines,
    objects,
    partners,
    release_log,
    renditions,
    targets,
    views,
)

MARGIN: Final = 2 * 3_600_000_000
FETCH_KINDS: Final = ("fetched", "marks.rebuilt", "recall", "carried.out", "carried.answered")
# What is erased has no salt; what stands in place of its bytes is nobody's business.
_KEPT: Final = objects.c.salt.is_not(None)
_DIGEST: Final = case((_KEPT, renditions.c.digest)).label("digest")
_SIZE: Final = case((_KEPT, renditions.c.size), else_=0).label("size")


@dataclass(frozen=True, slots=True)
class Disclosed:
    """One object version, or the derivative that was shown in its place, that became visible in a view.

    Instants are micros.
    """

    view: int
    audience: str
    collection: str
    stix_id: str
    """under which the audience has it: the object's own, or its derivative's"""
    object: int
    version: str
    rule: str
    digest: bytes
    """SHA-256 of the bytes that were served; empty where they were erased since"""
    size: int
    """of those bytes; 0 where they were erased"""
    since: int
    """its position in the log, and when it became visible"""
    until: int | None
    """when it was taken back; None: it is in force"""
    ledger_line: int
    """of the transaction that released it"""


@dataclass(frozen=True, slots=True)
class Reader:
    """A partner who reads a view, or read it until it left the audience. Instants are micros."""

    view: int
    partner: int
    name: str
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Pushed:
    """A target that pushes a view, up to a position."""

    view: int
    name: str
    position: int


def lines_of(tx: Transaction, ident: int) -> list[Disclosed]:
    """Each time a version of this id, or a derivative of it, became visible in a view, the oldest first."""
    made = select(derivatives.c.object, derivatives.c.made_at)
    own = select(objects.c.id, objects.c.stored_at).where(objects.c.ident == ident)
    everything = union_all(own, made.where(derivatives.c.original == ident))
    stored: dict[int, int] = {row[0]: row[1] for row in tx.execute(everything)}
    if not stored:
        return []
    start = min(stored.values()) - MARGIN
    rows: list[Any] = []
    for view in tx.execute(select(views.c.id).order_by(views.c.id)).scalars().all():
        for part in parts(sorted(stored)):
            rows += tx.execute(
                select(
                    release_log.c.view,
                    release_log.c.position,
                    release_log.c.kind,
                    release_log.c.object,
                    release_log.c.rule,
                    release_log.c.ledger_line,
                    identifiers.c.stix_id,
                    objects.c.version,
                    _DIGEST,
                    _SIZE,
                    audiences.c.name,
                    func.coalesce(collections.c.alias, collections.c.uuid).label("collection"),
                )
                .join(objects, objects.c.id == release_log.c.object)
                .join(identifiers, identifiers.c.num == objects.c.ident)
                .join(renditions, renditions.c.id == release_log.c.rendition)
                .join(views, views.c.id == release_log.c.view)
                .join(audiences, audiences.c.id == views.c.audience)
                .join(collections, collections.c.id == views.c.collection)
                .where(
                    release_log.c.view == view,
                    release_log.c.position >= start,
                    release_log.c.object.in_(part),
                )
            ).all()
    rows.sort(key=lambda row: (row.position, row.view))
    standing: dict[tuple[int, int], int] = {}
    found: list[Disclosed] = []
    for row in rows:
        key = (row.view, row.object)
        if row.kind == LineKind.RELEASE.value:
            if key in standing:
                continue  # it returned as the last one: a new line of what was visible all the time
            standing[key] = len(found)
            found.append(
                Disclosed(
                    row.view, row.name, row.collection, row.stix_id, row.object, row.version, row.rule,
                    bytes(row.digest or b""), row.size, row.position, None, row.ledger_line,
                )
            )  # fmt: skip
        elif key in standing:
            index = standing.pop(key)
            found[index] = replace(found[index], until=row.position)
    return found


def readers_of(tx: Transaction, views_: Collection[int]) -> list[Reader]:
    """Who reads these views, or did."""
    rows = tx.execute(
        select(
            views.c.id,
            partners.c.id,
            partners.c.name,
            audience_members.c.since,
            audience_members.c.until,
        )
        .join(audience_members, audience_members.c.audience == views.c.audience)
        .join(partners, partners.c.id == audience_members.c.partner)
        .where(views.c.id.in_(views_))
        .order_by(partners.c.name, views.c.id)
    )
    return [Reader(*row) for row in rows]


def pushed_by(tx: Transaction, views_: Collection[int]) -> list[Pushed]:
    """The targets whose cursor belongs to one of these views."""
    rows = tx.execute(
        select(targets.c.view, targets.c.name, targets.c.cursor)
        .where(targets.c.view.in_(views_))
        .order_by(targets.c.name)
    )
    return [Pushed(*row) for row in rows]


def fetch_lines(tx: Transaction, *, after: int) -> Generator[Line, None, None]:
    """The lines of FETCH_KINDS from this ledger line on, in order; close the iterator when it is left early."""
    kinds = [ledger_lines.c.body.like(f'%"kind":"{kind}"%') for kind in FETCH_KINDS]
    statement = (
        select(ledger_lines.c.body)
        .where(ledger_lines.c.id >= after, or_(*kinds))
        .order_by(ledger_lines.c.id)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            line = decode_line(row[0])
            if line.kind in FETCH_KINDS:
                yield line


def views_of(tx: Transaction, partner: int) -> list[int]:
    """The views that a partner reads, or read once."""
    rows = tx.execute(
        select(views.c.id)
        .join(audience_members, audience_members.c.audience == views.c.audience)
        .where(audience_members.c.partner == partner)
        .distinct()
        .order_by(views.c.id)
    )
    return [row[0] for row in rows]


def lines_to(tx: Transaction, reader: Reader, *, until: int) -> Generator[Disclosed, None, None]:
    """Each time a version became visible in a reader's view up to an instant, and when it was taken back until then.

    By object; close the iterator when it is left early.
    """
    statement = (
        select(
            release_log.c.position,
            release_log.c.kind,
            release_log.c.object,
            release_log.c.rule,
            release_log.c.ledger_line,
            identifiers.c.stix_id,
            objects.c.version,
            _DIGEST,
            _SIZE,
            audiences.c.name,
            func.coalesce(collections.c.alias, collections.c.uuid),
        )
        .join(objects, objects.c.id == release_log.c.object)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(renditions, renditions.c.id == release_log.c.rendition)
        .join(views, views.c.id == release_log.c.view)
        .join(audiences, audiences.c.id == views.c.audience)
        .join(collections, collections.c.id == views.c.collection)
        .where(release_log.c.view == reader.view, release_log.c.position <= until)
        .order_by(release_log.c.object, release_log.c.position)
    )
    standing: Disclosed | None = None
    with streamed(tx, statement) as rows:
        for (
            position,
            kind,
            number,
            rule,
            line,
            stix_id,
            version,
            digest,
            size,
            audience,
            alias,
        ) in rows:
            released = kind == LineKind.RELEASE.value
            if standing is not None and standing.object != number:
                yield standing
                standing = None
            if standing is not None and not released:
                yield replace(standing, until=position)
                standing = None
            elif standing is None and released:
                standing = Disclosed(
                    reader.view, audience, alias, stix_id, number, version, rule,
                    bytes(digest or b""),
                    size, position, None, line,
                )  # fmt: skip
        if standing is not None:
            yield standing
