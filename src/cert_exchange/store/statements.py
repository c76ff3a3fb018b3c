"""Statements of the write path: made once, then handed to the driver past SQLAlchemy's per-call work.

1. The text is Core's own, compiled once per engine; values stay parameters.
2. A list is one parameter: an array on PostgreSQL, a row of placeholders on SQLite, whose number is rounded up so that
   few texts are made; the places left over repeat the last value.
3. Rows are the driver's tuples: a Boolean of SQLite is 0 or 1, bytes are bytes.
4. It runs inside the transaction of the connection that it is given, and never begins or ends one.
5. In a write transaction on PostgreSQL statements go out one after the other without waiting (libpq's pipeline mode);
   only who wants rows waits, and whatever else uses the connection ends the pipeline first. What a statement broke
   is raised by the next one that waits, at the latest before COMMIT.

A small publication runs some thirty statements; SQLAlchemy's 60 microseconds for each were half of its time
(docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import ARRAY, Column, ColumnElement, Connection, any_, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from cert_exchange.store.raw import Prepared, prepare

PART: Final = 900
"""A longer list is cut: SQLite takes at most 32,766 parameters, and a server should not plan for more."""
_FEW: Final = 20
_NOTHING: Final[Mapping[str, Any]] = {}
Asked = Callable[[], list[Any]]
"""Rows that were asked for; call it for them."""
T = TypeVar("T")


class among(ColumnElement[bool]):  # noqa: N801 - reads as SQL does, as Core's own `any_` and `exists`
    """`column IN (the list parameter of this name)`; only for `Kept`."""

    inherit_cache = False

    def __init__(self, column: Column[Any], name: str) -> None:
        self.column = column
        self.name = name


def _marker(name: str) -> str:
    return f":[{name}]"


@compiles(among)
def _placeholders(element: among, compiler: SQLCompiler, **words: Any) -> str:
    return f"{compiler.process(element.column, **words)} IN ({_marker(element.name)})"


@compiles(among, "postgresql")
def _array(element: among, compiler: SQLCompiler, **words: Any) -> str:
    listed = bindparam(element.name, type_=ARRAY(element.column.type))
    return compiler.process(element.column == any_(listed), **words)


def parts(values: Iterable[T]) -> Iterator[list[T]]:
    """Cut values into lists of at most PART."""
    iterator = iter(values)
    while part := list(islice(iterator, PART)):
        yield part


class Kept:
    """A statement kept for as long as the process runs. `lists` names its `among` parameters."""

    __slots__ = ("_lists", "_prepared", "_statement", "_texts")

    def __init__(self, statement: ClauseElement, *lists: str) -> None:
        self._statement = statement
        self._lists = lists
        self._prepared: dict[str, Prepared] = {}
        self._texts: dict[tuple[int, ...], str] = {}

    def rows(self, tx: Connection, values: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """All rows, as tuples."""
        found: list[Any] = self._execute(tx, values).fetchall()
        return found

    def ask(self, tx: Connection, values: Mapping[str, Any] = _NOTHING) -> Asked:
        """The rows when they are called for: ask several things first, and PostgreSQL answers them at once."""
        cursor = self._execute(tx, values)
        if tx.dialect.name == "sqlite":
            # Its cursors read as they are fetched, and would see what is written in between.
            rows = cursor.fetchall()
            return lambda: rows
        fetch: Asked = cursor.fetchall
        return fetch

    def ask_among(self, tx: Connection, name: str, listed: Iterable[Any], **values: Any) -> Asked:
        """`ask` for a list of any length."""
        asked = [self.ask(tx, {**values, name: part}) for part in parts(listed)]
        return asked[0] if len(asked) == 1 else lambda: [row for one in asked for row in one()]

    def among(
        self, tx: Connection, name: str, listed: Iterable[Any], **values: Any
    ) -> Iterator[Any]:
        """The rows for a list of any length, part by part; no statement for an empty one."""
        for part in parts(listed):
            yield from self._execute(tx, {**values, name: part}).fetchall()

    def run(self, tx: Connection, values: Mapping[str, Any] = _NOTHING) -> None:
        """Execute what returns nothing."""
        self._execute(tx, values)

    def run_among(self, tx: Connection, name: str, listed: Iterable[Any], **values: Any) -> None:
        """`run` for a list of any length."""
        for part in parts(listed):
            self._execute(tx, {**values, name: part})

    def run_each(self, tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute once for each row of parameters; the statement has no list."""
        if rows:
            prepared = self._ready(tx.dialect.name)
            fixed = prepared.fixed
            _seen(prepared.text)
            execute_each(tx, prepared.text, [{**fixed, **row} for row in rows] if fixed else rows)

    def _execute(self, tx: Connection, values: Mapping[str, Any]) -> Any:
        engine = tx.dialect.name
        prepared = self._prepared.get(engine) or self._ready(engine)
        text = prepared.text
        given = {**prepared.fixed, **values} if prepared.fixed else values
        if self._lists:
            given = {**given, **{name: list(given[name]) for name in self._lists}}
            if engine == "sqlite":
                text, given = self._spread(text, given)
        _seen(text)
        return _driver(tx).execute(text, given)

    def _ready(self, engine: str) -> Prepared:
        if engine not in self._prepared:
            self._prepared[engine] = prepare(
                self._statement, "sqlite" if engine == "sqlite" else "postgresql"
            )
        return self._prepared[engine]

    def _spread(self, text: str, given: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """A placeholder for each value of the lists; SQLite has no arrays."""
        spread = dict(given)
        sizes = []
        for name in self._lists:
            values = spread.pop(name)
            size = 1 << (len(values) - 1).bit_length()
            values += values[-1:] * (size - len(values))
            spread.update(zip(_names(name, size), values, strict=True))
            sizes.append(size)
        key = tuple(sizes)
        if key not in self._texts:
            for name, size in zip(self._lists, sizes, strict=True):
                places = ", ".join(f":{one}" for one in _names(name, size))
                text = text.replace(_marker(name), places)
            self._texts[key] = text
        return self._texts[key], spread


def execute_each(tx: Connection, text: str, rows: Sequence[Any]) -> None:
    """A statement's text, made for the engine, once for each row of parameters."""
    driver = _driver(tx)
    if len(rows) > _FEW:
        driver.cursor().executemany(text, rows)
        return
    for row in rows:  # `executemany` waits for PostgreSQL's answer
        driver.execute(text, row)


def copy_rows(tx: Connection, text: str, rows: Sequence[Sequence[Any]]) -> None:
    """Send rows by PostgreSQL's COPY; its text names table and columns."""
    pipeline = tx.info.get(Pipeline.KEY)
    if pipeline is not None:
        pipeline.end()  # COPY talks in both directions
    driver: Any = tx.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(text) as copy:
        for row in rows:
            copy.write_row(row)


class Pipeline:
    """The pipeline of one write transaction on PostgreSQL; it lies in the connection's `info`."""

    KEY: Final = "cert_exchange.pipeline"

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._open: Any = None

    def begin(self) -> None:
        """From here on nothing waits that need not."""
        if self._open is None:
            self._open = self._driver.pipeline()
            self._open.__enter__()

    def end(self) -> None:
        """Wait for all answers. Raises what a statement broke, a driver's error."""
        if self._open is not None:
            pipeline, self._open = self._open, None
            pipeline.__exit__(None, None, None)


def _driver(tx: Connection) -> Any:
    """The driver's own connection, in its pipeline if it has one."""
    pipeline = tx.info.get(Pipeline.KEY)
    if pipeline is not None:
        pipeline.begin()
    return tx.connection.driver_connection


_NAMES: Final[dict[tuple[str, int], tuple[str, ...]]] = {}


def _names(name: str, size: int) -> tuple[str, ...]:
    found = _NAMES.get((name, size))
    if found is None:
        found = _NAMES[name, size] = tuple(f"{name}_{index}" for index in range(size))
    return found


_observers: Final[list[Callable[[str], None]]] = []


def _seen(text: str) -> None:
    for observer in _observers:
        observer(text)


@contextmanager
def observed(observer: Callable[[str], None]) -> Iterator[None]:
    """Report every kept statement's text while this lasts (invariant 1 compares traces)."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)
