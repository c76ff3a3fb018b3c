"""The one door to the database, the same on SQLite and PostgreSQL.

1. `transact` is the only way to write. SQLite: BEGIN IMMEDIATE, behind a line in which threads and processes wait
   for their turn (store.turns). PostgreSQL: READ COMMITTED; rows are locked by who needs it.
2. What `transact` returned is durable: SQLite in WAL with synchronous=FULL, PostgreSQL with synchronous_commit=on.
3. Work may run several times (deadlock, serialisation, a link that broke before COMMIT), so it has no effects of its
   own. A link that breaks during COMMIT is not tried again: nobody knows whether it counted (`StoreUnavailable`).
4. Readers never wait for a writer, and cannot write (query_only, READ ONLY).
5. Foreign errors stop here. Neither statements' parameters nor the server's DETAIL, which quote content, leave it.
6. Connections are made after fork or spawn: a forked child forgets its parent's without closing them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    Integer,
    Select,
    Table,
    bindparam,
    func,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.sql import ClauseElement

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.store.engines import (
    BUSY_SECONDS,
    PoolState,
    make_private,
    on_postgresql,
    on_sqlite,
    pools,
)
from cert_exchange.store.failures import (
    Verdict,
    is_conflict,
    judge,
    of_a_driver,
    translated,
)
from cert_exchange.store.raw import Prepared, RawPool, RawReader, forgetful, prepare
from cert_exchange.store.statements import Kept, Pipeline
from cert_exchange.store.turns import Turns
from cert_exchange.store.waits import Waits

Transaction = Connection
Dialect = Literal["sqlite", "postgresql"]
T = TypeVar("T")

TRIES: Final = 5
STREAM_ROWS: Final = 500


class Unprepared(Exception):
    """Work in a transaction would keep others waiting for something that can be done before: `prepare` does it.

    Raise it once for one thing: the transaction is rolled back and repeated after it.
    """

    def __init__(self, prepare: Callable[[Transaction], None]) -> None:
        super().__init__()
        self.prepare = prepare


class Database:
    """A database and its connections. Safe to use from all threads of one process."""

    dialect: Dialect
    url: URL
    marks_path: Path | None
    """SQLite: the small file beside the main one that holds the marks (DECISIONS 24)."""

    def __init__(self, url: URL, dialect: Dialect) -> None:
        self.url = url
        self.dialect = dialect
        self.path = Path(url.database or "") if dialect == "sqlite" else None
        self.marks_path = (
            self.path.with_name(f"{self.path.stem}-marks{self.path.suffix}") if self.path else None
        )
        self.waits = Waits()
        self._turns: Turns | None = None
        if self.path:
            line = self.path.with_name(f"{self.path.name}-turn")
            self._turns = Turns(line, seconds=BUSY_SECONDS, waits=self.waits)
        self._held = threading.local()
        self._graves: list[object] = []
        engines = on_sqlite if self.path else on_postgresql
        self._writer, self._readers = engines(url, self.waits)
        self.raw = RawPool(url, dialect, writable=False)
        forgetful.add(self)

    @classmethod
    def open(cls, url: str) -> Database:
        """Open `sqlite:////absolute/path.db` or `postgresql+psycopg://user@host/name`.

        No connection is made yet. Raises ConfigurationInvalid for any other URL.
        """
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise ConfigurationInvalid(
                "database_url is no URL; give sqlite:////path/exchange.db or"
                " postgresql+psycopg://user@host/name."
            ) from None
        if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
            if not parsed.database or not Path(parsed.database).is_absolute():
                raise ConfigurationInvalid(
                    "database_url names no absolute path; SQLite needs four slashes:"
                    " sqlite:////path/exchange.db."
                )
            return cls(parsed, "sqlite")
        if parsed.drivername in ("postgresql", "postgresql+psycopg"):
            return cls(parsed.set(drivername="postgresql+psycopg"), "postgresql")
        raise ConfigurationInvalid(
            f"database_url starts with {parsed.drivername!r}; this node runs on sqlite or"
            " postgresql+psycopg."
        )

    @property
    def run_inline(self) -> bool:
        """Whether polls read in the event loop itself: a WAL reader never waits ('By trial')."""
        return self.dialect == "sqlite"

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a write transaction; it is durable when this returns.

        `work` may run up to TRIES times and must have no effects outside the transaction. Raises StoreUnavailable
        (disk full, locked for too long, link lost); what `work` raises of our own tree rolls back and passes.
        """
        if getattr(self._held, "inside", False):
            raise RuntimeError("transact inside transact: pass the transaction on instead")
        self._held.inside = True
        try:
            while True:
                try:
                    return self._tries(work)
                except Unprepared as missing:
                    with self.reading() as connection:
                        missing.prepare(connection)
        finally:
            self._held.inside = False

    def _tries(self, work: Callable[[Transaction], T]) -> T:
        for attempt in range(1, TRIES + 1):
            if attempt > 1:
                # Longer each time, and different in each process, so that two do not meet again.
                time.sleep(0.01 * attempt * (1 + os.urandom(1)[0] / 256))
            committing = False
            try:
                with self._one_writer(), self._writer.connect() as connection:
                    transaction = connection.begin()
                    try:
                        with self._pipelined(connection):
                            result = work(connection)
                            committing = True
                            # In the pipeline: COMMIT waits for no answer but its own, and what a statement before
                            # it broke is its answer too.
                            transaction.commit()
                    except BaseException:
                        transaction.rollback()
                        raise
                    return result
            except Exception as error:
                if not isinstance(error, SQLAlchemyError) and not of_a_driver(error):
                    raise
                verdict = judge(error)
                lost = verdict is Verdict.LOST and not committing
                again = verdict is Verdict.AGAIN or lost or is_conflict(error)
                # SQLite's one writer meets nobody: what failed would fail again, and "locked" has waited already.
                if not again or attempt == TRIES or self.dialect == "sqlite":
                    raise translated(error) from None
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _pipelined(self, connection: Connection) -> Iterator[None]:
        """Kept statements need not wait for each other (PostgreSQL)."""
        if self.dialect == "sqlite":
            yield
            return
        info = connection.info  # kept: a connection that was lost gives it no more
        pipeline = info[Pipeline.KEY] = Pipeline(connection.connection.driver_connection)
        try:
            yield
        except BaseException:
            with suppress(Exception):  # what follows from the error that is on its way
                pipeline.end()
            raise
        finally:
            del info[Pipeline.KEY]
        pipeline.end()

    def _one_writer(self) -> AbstractContextManager[None]:
        return nullcontext() if self._turns is None else self._turns.one()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A read-only snapshot: all statements see one state, and no writer is waited for.

        Raises StoreUnavailable.
        """
        try:
            with self._readers.connect() as connection, connection.begin():
                yield connection
        except Exception as error:
            if isinstance(error, SQLAlchemyError) or of_a_driver(error):
                raise translated(error) from None
            raise

    def raw_reader(self) -> RawReader:
        """A context manager that yields a DBAPI connection in autocommit, for single statements of the hot path.

        Each statement has a snapshot of its own. Raises StoreUnavailable at its exit.
        """
        return self.raw.reader()

    def compile(self, statement: ClauseElement) -> Prepared:
        """A Core statement as text with named parameters, for `raw_reader`. Raises ValueError for expanding ones."""
        return prepare(statement, self.dialect)

    def migrate(self) -> list[str]:
        """Bring the schema to the newest state; returns the revisions applied, none when it was there.

        Only adds; safe when several processes start at once. Raises ConfigurationInvalid when the database was made
        by a newer release, StoreUnavailable.
        """
        from cert_exchange.store.migrations import upgrade  # noqa: PLC0415 - alembic is loaded only when needed

        if self.path is not None:
            # SQLite gives its log and index files the mode of the main one.
            make_private(self.path)
        return upgrade(self)

    def writing_engine(self) -> Engine:
        """The engine behind `transact`, for migrations."""
        return self._writer

    def durability(self) -> Mapping[str, str]:
        """What the engine promises about a commit, as it reports it: for `doctor` and tests."""
        names = (
            ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            if self.dialect == "sqlite"
            else ("synchronous_commit", "fsync", "full_page_writes", "transaction_isolation")
        )
        verb = "PRAGMA" if self.dialect == "sqlite" else "SHOW"

        def ask(tx: Transaction) -> dict[str, str]:
            return {name: str(tx.execute(text(f"{verb} {name}")).scalar()) for name in names}

        return self.transact(ask)

    def pools(self) -> list[PoolState]:
        """The pools of transactions and snapshots: one for both on PostgreSQL. `raw` is apart."""
        return pools(self._writer, self._readers)

    def dispose(self) -> None:
        """Close all idle connections; the object can be used again."""
        self._writer.dispose()
        self._readers.dispose()
        self.raw.close()
        if self._turns is not None:
            self._turns.close()

    def forget(self) -> None:
        """In a forked child: leave the parent's connections alone, and make new ones."""
        # Kept, not closed: closing would say good-bye on a socket that the parent still uses.
        self._graves += [self._writer.pool, self._readers.pool]
        self._writer.dispose(close=False)
        self._readers.dispose(close=False)
        self._held = threading.local()


def reserve_ids(tx: Transaction, table: Table, count: int) -> Sequence[int]:
    """Ids for rows that this transaction inserts next, rising.

    SQLite has one writer, so the next after the greatest are free; PostgreSQL takes them from the sequence. On SQLite
    insert before reserving again.
    """
    [ids] = reserve_each(tx, {table: count})
    return ids


def reserve_each(tx: Transaction, counts: Mapping[Table, int]) -> list[Sequence[int]]:
    """`reserve_ids` for several tables at once. On PostgreSQL ids that are not used then are lost, which does no harm."""
    found: list[list[int]] = [[] for _ in counts]
    if tx.dialect.name == "sqlite":
        for place, last in _greatest(tuple(counts)).rows(tx):
            found[place].append(last + 1)
        return [
            range(first, first + count)
            for (first,), count in zip(found, counts.values(), strict=True)
        ]
    wanted = {f"count_{place}": count for place, count in enumerate(counts.values())}
    for place, value in _next_values(tuple(counts)).rows(tx, wanted):
        found[place].append(value)
    return [sorted(ids) for ids in found]


@lru_cache(maxsize=64)
def _greatest(tables: tuple[Table, ...]) -> Kept:
    keys = [table.primary_key.columns[0] for table in tables]
    return Kept(
        union_all(
            *(
                select(literal(place), func.coalesce(func.max(key), 0))
                for place, key in enumerate(keys)
            )
        )
    )


@lru_cache(maxsize=64)
def _next_values(tables: tuple[Table, ...]) -> Kept:
    parts = []
    for place, table in enumerate(tables):
        (key,) = table.primary_key.columns
        series = func.generate_series(1, bindparam(f"count_{place}", type_=Integer))
        value = func.nextval(f"{table.name}_{key.name}_seq")
        parts.append(select(literal(place), value).select_from(series.table_valued("n")))
    return Kept(union_all(*parts))


@contextmanager
def streamed(
    tx: Transaction, statement: Select[*tuple[Any, ...]]
) -> Iterator[Iterator[tuple[Any, ...]]]:
    """Rows in batches, so that memory does not depend on their number; the cursor is closed at the end."""
    result = tx.execute(statement.execution_options(yield_per=STREAM_ROWS))
    try:
        yield (tuple(row) for row in result)
    finally:
        result.close()
