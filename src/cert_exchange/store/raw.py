"""Kept DBAPI connections for single statements of the hot path.

1. A connection is used by one thread at a time and goes back to the top of the stack, so that an event loop always
   meets the same one with its prepared statements.
2. Autocommit: each statement is a snapshot, or a commit, of its own.
3. An idle PostgreSQL link that the server closed is seen before it is used (its socket is readable); after any
   failure all idle ones are dropped (D05).
"""

from __future__ import annotations

import os
import select
import sqlite3
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Literal, Protocol

from sqlalchemy.dialects.sqlite import pysqlite as sqlite_dialect
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from cert_exchange.store.failures import Verdict, judge, of_a_driver, translated

BUSY_SECONDS: Final = 5


class _HintingCompiler(SQLiteCompiler):
    """SQLAlchemy leaves `with_hint` out for SQLite; `INDEXED BY` keeps a page's cost from being guessed."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:  # noqa: ARG002 - the overridden form
        return text


@lru_cache(maxsize=2)
def _dialect(name: Literal["sqlite", "postgresql"]) -> Dialect:
    if name == "postgresql":
        return URL.create("postgresql+psycopg").get_dialect()()
    dialect = sqlite_dialect.dialect(paramstyle="named")
    dialect.statement_compiler = _HintingCompiler
    return dialect


@dataclass(frozen=True, slots=True)
class Prepared:
    """A Core statement as text with named parameters; `fixed` are those whose values it already has."""

    text: str
    fixed: Mapping[str, Any]

    def one(self, connection: Any, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row, or None. `connection` is that of a `RawReader`."""
        given = {**self.fixed, **values} if self.fixed else values
        row: tuple[Any, ...] | None = connection.execute(self.text, given).fetchone()
        return row

    def all(self, connection: Any, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows."""
        given = {**self.fixed, **values} if self.fixed else values
        rows: list[tuple[Any, ...]] = connection.execute(self.text, given).fetchall()
        return rows


def prepare(statement: ClauseElement, dialect: Literal["sqlite", "postgresql"]) -> Prepared:
    """Compile once what is executed often. Raises ValueError for parameters that expand into lists."""
    compiled = statement.compile(dialect=_dialect(dialect))
    if not isinstance(compiled, SQLCompiler) or compiled.post_compile_params:
        raise ValueError("an expanding parameter has no fixed text; use json_each or ANY")
    needed = {name for name, bind in compiled.binds.items() if bind.required}
    fixed = {name: value for name, value in compiled.params.items() if name not in needed}
    return Prepared(str(compiled), fixed)


class RawReader:
    """`with database.raw_reader() as connection:`."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: RawPool) -> None:
        self._pool = pool
        self._connection: Any = None

    def __enter__(self) -> Any:
        self._connection = self._pool.take()
        return self._connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._pool.give(self._connection)
            return
        self._pool.fail(self._connection, error)
        if of_a_driver(error):
            raise translated(error) from None


class _Forgetful(Protocol):
    def forget(self) -> None: ...


forgetful: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""What must leave a parent's connections and locks alone in a forked child (D04)."""


def _forget_all() -> None:
    one: _Forgetful
    for one in list(forgetful):
        one.forget()


os.register_at_fork(after_in_child=_forget_all)


class RawPool:
    """A stack of kept connections to one database."""

    def __init__(
        self, url: URL, dialect: Literal["sqlite", "postgresql"], *, writable: bool
    ) -> None:
        self._dialect = dialect
        self._idle: deque[Any] = deque()
        self._graves: list[Any] = []
        self._writable = writable
        self._observer: Callable[[str], None] | None = None
        self._path = url.database or ""
        forgetful.add(self)
        self._arguments = {} if dialect == "sqlite" else _conninfo(url, writable=writable)

    def reader(self) -> RawReader:
        """A context manager for one use of a connection."""
        return RawReader(self)

    def take(self) -> Any:
        """An idle connection that is not known to be broken, or a new one. Raises StoreUnavailable."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was first
                break
            if self._dialect == "sqlite" or _quiet(connection):
                return connection
            connection.close()
        try:
            connection = self._connect()
        except Exception as error:
            if of_a_driver(error):
                raise translated(error) from None
            raise
        self._observe(connection)
        return connection

    def give(self, connection: Any) -> None:
        """Put a connection back."""
        self._idle.append(connection)

    def fail(self, connection: Any, error: BaseException) -> None:
        """Take a connection out of use if the error is the engine's or left a transaction open; else keep it."""
        if not of_a_driver(error) and not _in_transaction(connection):
            self.give(connection)
            return
        connection.close()
        if judge(error) is Verdict.LOST:
            self.close()

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was first
                return
            connection.close()

    def forget(self) -> None:
        """In a forked child: keep the parent's connections out of use without closing them."""
        self._graves.extend(self._idle)
        self._idle = deque()

    @contextmanager
    def observed(self, observer: Callable[[str], None]) -> Iterator[None]:
        """Report every statement's text while this lasts (invariant 1 compares traces)."""
        self.close()
        self._observer = observer
        try:
            yield
        finally:
            self._observer = None
            self.close()

    def _observe(self, connection: Any) -> None:
        if self._observer is None:
            return
        if self._dialect == "sqlite":
            connection.set_trace_callback(self._observer)
            return
        report: Callable[[str], None] = self._observer

        import psycopg  # noqa: PLC0415 - only where it is the engine

        class Reporting(psycopg.Cursor[Any]):
            def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
                report(str(query))
                return super().execute(query, *args, **kwargs)

        connection.cursor_factory = Reporting

    def _connect(self) -> Any:
        if self._dialect == "postgresql":
            import psycopg  # noqa: PLC0415 - 5 MB that a node on SQLite does not need

            return psycopg.connect(autocommit=True, prepare_threshold=2, **self._arguments)
        connection = sqlite3.connect(
            self._path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        pragmas = [
            "journal_mode=WAL",
            "synchronous=FULL",
            "cache_size=-2048",
            f"mmap_size={1 << 30}",
        ]
        if not self._writable:
            pragmas.append("query_only=ON")
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        return connection


def _conninfo(url: URL, *, writable: bool) -> dict[str, Any]:
    _, given = _dialect("postgresql").create_connect_args(url)
    return {
        **given,
        "application_name": "cert-exchange",
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "tcp_user_timeout": 30_000,
        "options": "-c lock_timeout=20s -c statement_timeout=60s -c synchronous_commit=on"
        f" -c default_transaction_read_only={'off' if writable else 'on'}",
    }


def _quiet(connection: Any) -> bool:
    """Whether an idle link has nothing to say: the server speaks first only to say good-bye."""
    if connection.closed:
        return False
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    return not poller.poll(0)


def _in_transaction(connection: Any) -> bool:
    if isinstance(connection, sqlite3.Connection):
        return connection.in_transaction
    return bool(connection.info.transaction_status)  # 0: idle
