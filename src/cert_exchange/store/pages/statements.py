"""The statements of a page: the same Core statement on both engines, compiled once for each form.

1. Every form but one that `scans` walks an index from `after` and stops at the limit.
2. On SQLite the index is named: without statistics its planner guesses, and a guess may walk the whole view.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, assert_never

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    bindparam,
    cast,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import LargeBinary, Text

from cert_exchange.store.database import Dialect
from cert_exchange.store.pages.shapes import RECORD, UNIT, Part, Shape
from cert_exchange.store.raw import Prepared, prepare
from cert_exchange.store.tables import identifiers, live, renditions


class _JoinedText(FunctionElement[str]):
    """`value` of all rows in the order of `position`, joined by `separator`."""

    type = Text()
    inherit_cache = True


class _JoinedBytes(_JoinedText):
    """The same, as bytes where the driver would decode them for nothing."""

    type = LargeBinary()  # type: ignore[assignment]  # what the driver gives differs, not what it means
    inherit_cache = True


@compiles(_JoinedText, "sqlite")
def _join_sqlite(element: _JoinedText, compiler: SQLCompiler, **kw: Any) -> str:
    # Rows come in the order of the sub-query, the outer side of a LEFT JOIN; SQLite promises it from 3.44 on, a
    # test compares it before.
    value, separator, _ = element.clauses
    return f"group_concat({compiler.process(value, **kw)}, {compiler.process(separator, **kw)})"


@compiles(_JoinedBytes, "sqlite")
def _join_sqlite_bytes(element: _JoinedBytes, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({_join_sqlite(element, compiler, **kw)} AS BLOB)"


@compiles(_JoinedText, "postgresql")
def _join_postgresql(element: _JoinedText, compiler: SQLCompiler, **kw: Any) -> str:
    value, separator, position = (compiler.process(each, **kw) for each in element.clauses)
    return f"string_agg(CAST({value} AS TEXT), {separator} ORDER BY {position})"


def _index(*columns: str) -> str:
    """Name the SQLite hint for the index of `live` that begins with these columns."""
    for index in live.indexes:
        if tuple(column.name for column in index.columns)[: len(columns)] == columns:
            return f"INDEXED BY {index.name}"
    raise LookupError(columns)


_LAST: Final = _index("view", "is_last", "position")
_TYPE: Final = _index("view", "type", "is_last", "position")
_IDENT: Final = _index("view", "ident", "object")
_Columns = tuple[Column[Any], ...]
_Rows = Select[*tuple[Any, ...]]
_NEEDS: Final[Mapping[Part | None, _Columns]] = {
    # No more than is shown, so that the index alone answers `bounds` and BODY.
    None: (live.c.position, live.c.size),
    Part.BODY: (live.c.position, live.c.rendition),
    Part.RECORD: (live.c.position, live.c.ident, live.c.version),
    Part.VERSION: (live.c.position, live.c.version),
}
_IN_RANGE: Final = and_(
    live.c.view == bindparam("view"),
    live.c.position > bindparam("after"),
    live.c.position <= bindparam("end"),
)


@lru_cache(maxsize=512)
def page_statement(dialect: Dialect, part: Part | None, shape: Shape) -> Prepared:
    """Give the statement that joins this part of a page, or with None its bounds."""
    rows = _rows(shape, _NEEDS[part])
    return prepare(
        _bounds_statement(rows) if part is None else _joined_statement(rows, part), dialect
    )


@lru_cache(maxsize=2)
def known_statement(dialect: Dialect) -> Prepared:
    """Give the statement that finds a row when the id `id_0` is in force in `view`."""
    chosen = select(identifiers.c.num).where(identifiers.c.stix_id == bindparam("id_0"))
    return prepare(
        select(literal(1))
        .select_from(live)
        .where(live.c.view == bindparam("view"), live.c.ident == chosen.scalar_subquery())
        .with_hint(live, _IDENT, "sqlite")
        .limit(1),
        dialect,
    )


def _bounds_statement(rows: Subquery) -> _Rows:
    comma = literal(",")
    return select(
        func.count(),
        func.sum(rows.c.size),
        _JoinedText(rows.c.position, comma, rows.c.position),
        _JoinedText(rows.c.size, comma, rows.c.position),
    ).select_from(rows)


def _joined_statement(rows: Subquery, part: Part) -> _Rows:
    text: ColumnElement[Any]
    source: FromClause
    # The LEFT JOINs are never empty on their right (foreign keys); they fix which side is walked first.
    match part:
        case Part.BODY:
            text = _JoinedBytes(renditions.c.body, literal(","), rows.c.position)
            source = rows.outerjoin(renditions, renditions.c.id == rows.c.rendition)
        case Part.RECORD:
            unit = literal(UNIT)
            fields = identifiers.c.stix_id + unit + rows.c.version + unit
            record = fields.concat(cast(rows.c.position, Text()))
            text = _JoinedText(record, literal(RECORD), rows.c.position)
            source = rows.outerjoin(identifiers, identifiers.c.num == rows.c.ident)
        case Part.VERSION:
            text = _JoinedText(rows.c.version, literal(RECORD), rows.c.position)
            source = rows
        case _:
            assert_never(part)
    return select(
        text, func.min(rows.c.position), func.max(rows.c.position), func.count()
    ).select_from(source)


def _rows(shape: Shape, columns: _Columns) -> Subquery:
    """Choose the rows of a page, in order: see rule 2."""
    if shape.ids is not None:
        found = _of_ids(shape, columns)
    elif shape.types is not None:
        found = _of_types(shape, shape.types, columns)
    elif shape.only_last:
        found = _ordered(select(*columns).where(_IN_RANGE, live.c.is_last == 1), _LAST)
    else:
        found = _ordered(select(*columns).where(_IN_RANGE, _version(shape)), None)
    return found.subquery("rows")


def _of_ids(shape: Shape, columns: _Columns) -> _Rows:
    """Find a few ids: all their rows through the index by id, then in order."""
    assert shape.ids is not None
    wanted = [bindparam(f"id_{n}", type_=Text()) for n in range(shape.ids)]
    chosen = select(identifiers.c.num).where(identifiers.c.stix_id.in_(wanted))
    statement = select(*columns).where(_IN_RANGE, live.c.ident.in_(chosen), _version(shape))
    if shape.types is not None:
        types = [bindparam(f"type_{n}", type_=Text()) for n in range(shape.types)]
        statement = statement.where(live.c.type.in_(types))
    few = statement.with_hint(live, _IDENT, "sqlite").cte("few")
    # Else PostgreSQL may walk the whole view in order, in the hope of meeting these ids soon.
    few = few.prefix_with("MATERIALIZED", dialect="postgresql")
    return select(few).order_by(few.c.position).limit(bindparam("limit"))


def _of_types(shape: Shape, count: int, columns: _Columns) -> _Rows:
    """Find types: each through its own index, ordered and limited, then merged."""
    parts: list[_Rows] = []
    states = (1,) if shape.only_last else (1, 0)
    for n in range(count):
        for state in states:
            part = select(*columns).where(
                _IN_RANGE,
                live.c.type == bindparam(f"type_{n}", type_=Text()),
                live.c.is_last == state,
                _version(shape),
            )
            parts.append(_ordered(part, _TYPE))
    if len(parts) == 1:
        return parts[0]
    merged = union_all(*(select(part.subquery()) for part in parts))
    rows = merged.subquery()
    return select(rows).order_by(rows.c.position).limit(bindparam("limit"))


def _ordered(statement: _Rows, hint: str | None) -> _Rows:
    if hint is not None:
        statement = statement.with_hint(live, hint, "sqlite")
    return statement.order_by(live.c.position).limit(bindparam("limit"))


def _version(shape: Shape) -> ColumnElement[bool]:
    if shape.every:
        return true()
    chosen: list[ColumnElement[bool]] = []
    if shape.last:
        chosen.append(live.c.is_last == 1)
    if shape.first:
        chosen.append(live.c.is_first == 1)
    if shape.keys:
        keys = [bindparam(f"key_{n}", type_=Text()) for n in range(shape.keys)]
        chosen.append(live.c.version_key.in_(keys))
    return or_(*chosen)
