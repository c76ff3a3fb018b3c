"""SQLAlchemy's engines as this node needs them: how a connection is made, and how its transactions begin.

1. SQLite: WAL with synchronous=FULL; one connection that writes, from BEGIN IMMEDIATE on; readers are query_only.
2. PostgreSQL: synchronous_commit=on; every wait has its limit; readers see one snapshot (REPEATABLE READ, READ ONLY).
3. No statement's parameters are ever in an error of SQLAlchemy's: they quote content.
4. A statement is compiled once in a process for each kind of engine, whichever of its engines runs it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import LRUCache

from cert_exchange.errors import StoreUnavailable
from cert_exchange.store.statements import Pipeline
from cert_exchange.store.waits import READING, WRITING, Waits

BUSY_SECONDS: Final = 15
"""How long a writer waits for a writer of another process before `StoreUnavailable`."""
STATEMENT_SECONDS: Final = 60
LOCK_SECONDS: Final = 20
WRITER_CACHE_KIB: Final = 32 * 1024
READER_CACHE_KIB: Final = 2 * 1024
MMAP_BYTES: Final = 0x7FFF0000
"""The most that SQLite maps. File-backed pages that the system may drop at any time; no memory of ours."""
CHECKPOINT_PAGES: Final = 4_000
WAL_BYTES: Final = 64 * 1024 * 1024


class _Compiled(LRUCache[Any, Compiled]):
    """What statements were compiled to. SQLAlchemy's keys begin with the engine's own dialect: here those of one kind are one."""

    __slots__ = ()

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_a_kind(key), default)

    def __setitem__(self, key: Any, value: Compiled) -> None:
        super().__setitem__(_of_a_kind(key), value)


def _of_a_kind(key: Any) -> Any:
    dialect, *rest = key
    return dialect.name, dialect.server_version_info, *rest


_compiled: Final = _Compiled(1_000)


@dataclass(frozen=True, slots=True)
class PoolState:
    """How many connections one pool of this process has now; `kept`: how many it leaves open at most."""

    name: str
    in_use: int
    idle: int
    kept: int


def pools(writer: Engine, readers: Engine) -> list[PoolState]:
    """How the pools behind the two stand; one pool for both on PostgreSQL."""
    found = {WRITING: writer.pool}
    if readers.pool is not writer.pool:
        found[READING] = readers.pool
    return [
        PoolState(name, pool.checkedout(), pool.checkedin(), pool.size())
        for name, pool in found.items()
        if isinstance(pool, QueuePool)
    ]


def on_sqlite(url: URL, waits: Waits) -> tuple[Engine, Engine]:
    """The engine that writes and the one that reads."""

    def make(begin: str, pool: str, size: int, overflow: int, pragmas: Sequence[str]) -> Engine:
        engine = create_engine(
            url,
            poolclass=waits.counted(pool),
            pool_size=size,
            max_overflow=overflow,
            pool_timeout=BUSY_SECONDS,
            hide_parameters=True,
            connect_args={
                "timeout": BUSY_SECONDS,
                "check_same_thread": False,
                "cached_statements": 512,
            },
        )

        def connected(connection: Any, _record: Any) -> None:
            connection.isolation_level = (
                None  # transactions begin where `begun` says, not in pysqlite
            )
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")

        def begun(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        engine.update_execution_options(compiled_cache=_compiled)
        event.listen(engine, "connect", connected)
        event.listen(engine, "begin", begun)
        return engine

    shared = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"mmap_size={MMAP_BYTES}")
    writer = make(
        "BEGIN IMMEDIATE",
        WRITING,
        1,
        0,
        (
            *shared,
            f"cache_size=-{WRITER_CACHE_KIB}",
            f"wal_autocheckpoint={CHECKPOINT_PAGES}",
            f"journal_size_limit={WAL_BYTES}",
        ),
    )
    pragmas = (*shared, f"cache_size=-{READER_CACHE_KIB}", "query_only=ON")
    readers = make("BEGIN", READING, 4, 60, pragmas)
    return writer, readers


def on_postgresql(url: URL, waits: Waits) -> tuple[Engine, Engine]:
    """The engine that writes and the one that reads: one pool, two ways to begin."""
    engine = create_engine(
        url,
        poolclass=waits.counted(WRITING),
        pool_size=5,
        max_overflow=15,
        pool_timeout=LOCK_SECONDS,
        pool_pre_ping=True,
        pool_use_lifo=True,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        connect_args={
            "application_name": "cert-exchange",
            "connect_timeout": 10,
            "keepalives_idle": 30,
            "tcp_user_timeout": 30_000,
            "options": f"-c lock_timeout={LOCK_SECONDS}s -c statement_timeout={STATEMENT_SECONDS}s"
            f" -c idle_in_transaction_session_timeout=300s -c synchronous_commit=on -c timezone=UTC"
            " -c random_page_cost=1.1 -c jit=off",
        },
    )
    engine.update_execution_options(compiled_cache=_compiled)
    event.listen(engine, "connect", _steady)
    event.listen(engine, "before_cursor_execute", _end_pipeline)
    readers = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine, readers


def make_private(path: Path) -> bool:
    """Make an empty file that only its owner may read, if there is none; True if so. Raises StoreUnavailable."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    except OSError as error:
        raise StoreUnavailable(detail=f"{path}: {error.strerror}") from None
    return True


def _steady(connection: Any, _record: Any) -> None:
    """Keep a statement's parameter types the same whatever its values, so that it is prepared once and stays so."""
    from psycopg.types.numeric import Int8Dumper  # noqa: PLC0415 - only where it is the engine

    connection.adapters.register_dumper(int, Int8Dumper)
    connection.prepare_threshold = 2
    connection.prepared_max = 500


def _end_pipeline(connection: Connection, *_: object) -> None:
    """SQLAlchemy's own statements want their answer at once."""
    pipeline = connection.info.get(Pipeline.KEY)
    if pipeline is not None:
        pipeline.end()
