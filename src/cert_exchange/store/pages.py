"""The read side of `live`: where a page ends, and its text joined to one row in SQL.

1. Only `live`, and what its rows name, is read. No object is parsed and no policy asked here.
2. The cost of a page does not depend on the size of its view: every statement walks an index from `after` and stops
   at the limit. The exception says so: `Shape.scans`.
3. `bounds` says where a page ends before anything of it is read; `joined` reads it up to there. Between the two the
   caller commits the mark (DECISIONS 24), so what `joined` shows was marked before its snapshot.
4. The statements depend on the form of a question only, never on who asks or on what exists (invariant 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
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
from cert_exchange.store.raw import Prepared, prepare
from cert_exchange.store.tables import identifiers, live, renditions

BYTES_OF_A_PAGE: Final = 8 * 1024 * 1024
"""A page ends at the object that would exceed this, but has at least one (DECISIONS 7)."""
FOREVER: Final = 2**63 - 1

UNIT: Final = "\x1f"
RECORD: Final = "\x1e"
"""ASCII separators of fields and records: neither ids nor versions hold control characters."""


class Part(Enum):
    """What of each row a page shows."""

    BODY = "body"
    RECORD = "record"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Versions:
    """`match[version]` (TAXII 2.1 section 3.4.1): a union; `every` stands alone. Keys are order keys."""

    last: bool = True
    first: bool = False
    every: bool = False
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """`match[...]`: None means no such filter. `nothing`: no object of ours has that spec_version."""

    ids: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    versions: Versions = Versions()
    nothing: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of a question, without its values: one statement each."""

    ids: int | None
    types: int | None
    last: bool
    first: bool
    every: bool
    keys: int

    @property
    def scans(self) -> bool:
        """Whether no index leads to the versions asked for, so that rows are passed over."""
        return self.ids is None and not self.every and not self.only_last

    @property
    def only_last(self) -> bool:
        """Whether the last version of each object is asked for and no other."""
        return self.last and not self.first and not self.keys


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a page ends."""

    count: int
    end: int
    """position of its last row; the given `after` when there is none"""
    more: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """A page's text and what is known of it without reading the text."""

    text: bytes
    count: int
    first: int
    last: int


def shape_of(filters: Filters) -> Shape:
    """Tell the form of these filters. Numbers of ids and keys are rounded up, so that statements are few."""
    return Shape(
        None if filters.ids is None else _rounded(len(filters.ids)),
        None if filters.types is None else len(filters.types),
        filters.versions.last,
        filters.versions.first,
        filters.versions.every,
        _rounded(len(filters.versions.keys)),
    )


def bounds(
    dialect: Dialect,
    connection: Any,
    view: int,
    filters: Filters,
    *,
    part: Part,
    after: int,
    limit: int,
) -> Bounds:
    """Say where the page of at most `limit` rows after the position `after` (micros) ends.

    The size of the objects counts for BODY only.
    """
    prepared = _statement(dialect, None, shape_of(filters))
    row = prepared.one(connection, _values(view, filters, after, FOREVER, limit + 1))
    if row is None or not row[0]:
        return Bounds(0, after, more=False)
    found, size, positions, sizes = row
    if part is not Part.BODY or size <= BYTES_OF_A_PAGE:
        if found <= limit:
            return Bounds(found, int(positions.rpartition(",")[2]), more=False)
        return Bounds(limit, int(positions.rsplit(",", 2)[-2]), more=True)
    fits = 0
    room = BYTES_OF_A_PAGE
    for each in sizes.split(","):
        room -= int(each)
        if fits == limit or (room < 0 and fits):
            break
        fits += 1
    return Bounds(fits, int(positions.split(",", fits)[fits - 1]), more=fits < found)


def joined(
    dialect: Dialect,
    connection: Any,
    view: int,
    filters: Filters,
    *,
    part: Part,
    after: int,
    end: int,
    limit: int,
) -> Joined:
    """Join the rows after `after` up to `end` (micros, inclusive), at most `limit`, oldest first, to one text.

    BODY: the stored bytes joined by commas. RECORD: id, version and position of each row, divided by UNIT and
    RECORD. VERSION: versions divided by RECORD.
    """
    prepared = _statement(dialect, part, shape_of(filters))
    row = prepared.one(connection, _values(view, filters, after, end, limit))
    if row is None or not row[3]:
        return Joined(b"", 0, after, after)
    text = row[0]
    return Joined(text.encode() if isinstance(text, str) else text, row[3], row[1], row[2])


def is_known(dialect: Dialect, connection: Any, view: int, stix_id: str) -> bool:
    """Tell whether any version of the id is in force in the view."""
    row = _known(dialect).one(connection, {"view": view, "id_0": stix_id})
    return row is not None


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
def _statement(dialect: Dialect, part: Part | None, shape: Shape) -> Prepared:
    rows = _rows(shape, _NEEDS[part])
    return prepare(
        _bounds_statement(rows) if part is None else _joined_statement(rows, part), dialect
    )


@lru_cache(maxsize=2)
def _known(dialect: Dialect) -> Prepared:
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


def _values(view: int, filters: Filters, after: int, end: int, limit: int) -> dict[str, Any]:
    values: dict[str, Any] = {"view": view, "after": after, "end": end, "limit": limit}
    if filters.ids is not None:
        values.update(_numbered("id", filters.ids, _rounded(len(filters.ids))))
    if filters.types is not None:
        values.update(_numbered("type", filters.types, len(filters.types)))
    if filters.versions.keys:
        keys = filters.versions.keys
        values.update(_numbered("key", keys, _rounded(len(keys))))
    return values


def _numbered(name: str, values: tuple[str, ...], count: int) -> dict[str, str]:
    """Parameters `name_0` ...; the last value is repeated, which changes nothing in a set."""
    return {f"{name}_{n}": values[min(n, len(values) - 1)] for n in range(count)}


def _rounded(count: int) -> int:
    """Round up to a power of two: 0, 1, 2, 4, 8 ..."""
    return 1 << (count - 1).bit_length() if count else 0
