"""What a verification reads: ledger lines' rows in the lines' order, and what `live` should be. Streamed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from sqlalchemy import and_, func, select, text

from cert_exchange.store.database import Transaction, streamed
from cert_exchange.store.tables import (
    LineKind,
    identifiers,
    ledger_lines,
    live,
    objects,
    release_log,
    renditions,
    views,
)

MISSING: Final = bytes(32)
"""In place of the digest of a rendition that is gone: fits no commitment."""


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """A stored object version, as its commitment needs it."""

    ledger_line: int
    id: int
    stix_id: str
    type: str
    version: str
    version_key: str
    origin: int
    digest: bytes
    salt: bytes | None
    commitment: bytes | None


@dataclass(frozen=True, slots=True)
class LogRow:
    """A line of a release log, as its commitment needs it."""

    ledger_line: int
    view: int
    position: int
    kind: str
    object: int
    policy: int | None
    rule: str
    digest: bytes
    salt: bytes | None
    commitment: bytes | None


@dataclass(frozen=True, slots=True)
class InForce:
    """A line in force: which rendition of which object, and since when."""

    view: int
    object: int
    position: int
    rendition: int


@dataclass(frozen=True, slots=True)
class LiveEnd:
    """A row of `live`, as last and first need it."""

    view: int
    ident: int
    object: int
    version_key: str
    origin: int
    observable: bool
    is_last: bool
    is_first: bool


@dataclass(frozen=True, slots=True)
class RenditionRow:
    """Stored bytes and what they should hash to."""

    id: int
    digest: bytes
    body: str
    size: int


def take_time(tx: Transaction) -> None:
    """Let this snapshot's statements run as long as they need."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("SET LOCAL statement_timeout = 0"))


def count_rows(tx: Transaction) -> int:
    """How many rows a verification walks over."""
    tables = (ledger_lines, objects, release_log, renditions)
    return sum(tx.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def count_views(tx: Transaction) -> int:
    """How many views there are."""
    return tx.execute(select(func.count()).select_from(views)).scalar_one()


def heads(tx: Transaction) -> dict[int, int]:
    """View -> last instant of its log."""
    return {row[0]: row[1] for row in tx.execute(select(views.c.id, views.c.head))}


def objects_by_line(tx: Transaction) -> Generator[ObjectRow, None, None]:
    """All objects in the order of their ledger lines; close the iterator when it is left early."""
    statement = (
        select(
            objects.c.ledger_line,
            objects.c.id,
            identifiers.c.stix_id,
            objects.c.type,
            objects.c.version,
            objects.c.version_key,
            objects.c.origin,
            renditions.c.digest,
            objects.c.salt,
            objects.c.commitment,
        )
        .outerjoin(identifiers, identifiers.c.num == objects.c.ident)
        .outerjoin(renditions, renditions.c.id == objects.c.rendition)
        .order_by(objects.c.ledger_line)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            yield ObjectRow(
                row[0], row[1], row[2] or "", row[3], row[4], row[5], row[6],
                _bytes(row[7]) or MISSING, _bytes(row[8]), _bytes(row[9]),
            )  # fmt: skip


def log_by_line(tx: Transaction) -> Generator[LogRow, None, None]:
    """All lines of all logs in the order of their ledger lines; close the iterator when it is left early."""
    statement = (
        select(
            release_log.c.ledger_line,
            release_log.c.view,
            release_log.c.position,
            release_log.c.kind,
            release_log.c.object,
            release_log.c.policy,
            release_log.c.rule,
            renditions.c.digest,
            release_log.c.salt,
            release_log.c.commitment,
        )
        .outerjoin(renditions, renditions.c.id == release_log.c.rendition)
        .order_by(release_log.c.ledger_line)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            yield LogRow(
                row[0], row[1], row[2], row[3], row[4], row[5], row[6],
                _bytes(row[7]) or MISSING, _bytes(row[8]), _bytes(row[9]),
            )  # fmt: skip


def in_force(tx: Transaction) -> Generator[InForce, None, None]:
    """What the logs leave in force: the last line of each object version, where that is a release.

    By view and object; close the iterator when it is left early.
    """
    statement = select(
        release_log.c.view,
        release_log.c.object,
        release_log.c.position,
        release_log.c.rendition,
        release_log.c.kind,
    ).order_by(release_log.c.view, release_log.c.object, release_log.c.position)
    with streamed(tx, statement) as rows:
        for _, lines in groupby(rows, key=lambda row: (row[0], row[1])):
            *_, last = lines
            if last[4] == LineKind.RELEASE.value:
                yield InForce(last[0], last[1], last[2], last[3])


def live_rows(tx: Transaction) -> Generator[tuple[InForce, bool], None, None]:
    """All rows of `live`, and whether their copied columns are those of the object and its rendition.

    By view and object; close the iterator when it is left early. Outer joins, because a planner that turns an inner
    one round walks a whole view for each object.
    """
    same = and_(
        live.c.ident == objects.c.ident,
        live.c.type == objects.c.type,
        live.c.version == objects.c.version,
        live.c.version_key == objects.c.version_key,
        live.c.origin == objects.c.origin,
        live.c.size == renditions.c.size,
    )
    statement = (
        select(live.c.view, live.c.object, live.c.position, live.c.rendition, same)
        .outerjoin(objects, objects.c.id == live.c.object)
        .outerjoin(renditions, renditions.c.id == live.c.rendition)
        .order_by(live.c.view, live.c.object)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            yield InForce(row[0], row[1], row[2], row[3]), bool(row[4])


def live_ends(tx: Transaction) -> Generator[LiveEnd, None, None]:
    """All rows of `live`, those of one id in one view together; close the iterator when it is left early."""
    statement = (
        select(
            live.c.view,
            live.c.ident,
            live.c.object,
            live.c.version_key,
            live.c.origin,
            objects.c.observable,
            live.c.is_last,
            live.c.is_first,
        )
        .outerjoin(objects, objects.c.id == live.c.object)
        .order_by(live.c.view, live.c.ident, live.c.object)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            # `== 1`, as polls ask: SQLite would keep other things there, which are true here and false to a poll.
            yield LiveEnd(
                row[0], row[1], row[2], row[3], row[4], bool(row[5]), row[6] == 1, row[7] == 1
            )


def every_rendition(tx: Transaction) -> Generator[RenditionRow, None, None]:
    """All stored bytes; close the iterator when it is left early."""
    statement = select(
        renditions.c.id, renditions.c.digest, renditions.c.body, renditions.c.size
    ).order_by(renditions.c.id)
    with streamed(tx, statement) as rows:
        for row in rows:
            yield RenditionRow(row[0], bytes(row[1]), row[2], row[3])


def _bytes(value: bytes | memoryview | None) -> bytes | None:
    return None if value is None else bytes(value)
