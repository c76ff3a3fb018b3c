"""What a verification reads: ledger lines' rows in the lines' order, and what `live` should be. Streamed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text
from sqlalchemy.sql import FromClause

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


def live_unlike_log(tx: Transaction) -> tuple[int, int] | None:
    """(view, object) of a row that `live` lacks, has too much, or has otherwise than the log says; None if all agree.

    In force is the last line of each object version, where that is a release.
    """
    newest = (
        select(
            release_log.c.view, release_log.c.object, func.max(release_log.c.position).label("at")
        )
        .group_by(release_log.c.view, release_log.c.object)
        .subquery("newest")
    )
    in_force = (
        select(
            release_log.c.view,
            release_log.c.object,
            release_log.c.position,
            release_log.c.rendition,
        )
        .join(
            newest,
            and_(newest.c.view == release_log.c.view, newest.c.at == release_log.c.position),
        )
        .where(release_log.c.kind == LineKind.RELEASE.value)
        .subquery("in_force")
    )
    for statement in (_lacking(in_force), _differing(in_force), _mismatched()):
        row = tx.execute(statement.limit(1)).one_or_none()
        if row is not None:
            return row[0], row[1]
    return None


def _same_row(in_force: FromClause) -> ColumnElement[bool]:
    return and_(live.c.view == in_force.c.view, live.c.object == in_force.c.object)


def _lacking(in_force: FromClause) -> Select[int, int]:
    return (
        select(in_force.c.view, in_force.c.object)
        .outerjoin(live, _same_row(in_force))
        .where(live.c.view.is_(None))
    )


def _differing(in_force: FromClause) -> Select[int, int]:
    return (
        select(live.c.view, live.c.object)
        .outerjoin(in_force, _same_row(in_force))
        .where(
            or_(
                in_force.c.view.is_(None),
                in_force.c.position != live.c.position,
                in_force.c.rendition != live.c.rendition,
            )
        )
    )


def _mismatched() -> Select[int, int]:
    """Rows of `live` whose copied columns are not those of the object and its rendition."""
    return (
        select(live.c.view, live.c.object)
        .outerjoin(objects, objects.c.id == live.c.object)
        .outerjoin(renditions, renditions.c.id == live.c.rendition)
        .where(
            or_(
                objects.c.id.is_(None),
                renditions.c.id.is_(None),
                live.c.ident != objects.c.ident,
                live.c.type != objects.c.type,
                live.c.version != objects.c.version,
                live.c.version_key != objects.c.version_key,
                live.c.origin != objects.c.origin,
                live.c.size != renditions.c.size,
            )
        )
    )


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
        .join(objects, objects.c.id == live.c.object)
        .order_by(live.c.view, live.c.ident, live.c.object)
    )
    with streamed(tx, statement) as rows:
        for row in rows:
            yield LiveEnd(
                row[0], row[1], row[2], row[3], row[4], bool(row[5]), bool(row[6]), bool(row[7])
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
