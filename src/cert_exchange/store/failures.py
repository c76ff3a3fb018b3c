"""What the engines' errors mean to us.

1. Every error of sqlite3, psycopg or SQLAlchemy is one of: worth another try, the link is lost, the store cannot do it
   now (503), or a fault of ours (500).
2. The text of a driver's error quotes content; only codes and names of constraints are kept.
"""

from __future__ import annotations

import sqlite3
import sys
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeGuard

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cert_exchange.errors import CertExchangeError, StoreUnavailable

if TYPE_CHECKING:
    import psycopg


class Verdict(Enum):
    """What to do about an error of the engine."""

    AGAIN = "again"
    LOST = "lost"
    UNAVAILABLE = "unavailable"
    OURS = "ours"


_SQLITE_AGAIN: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_SQLITE_OURS: Final = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_TOOBIG,
}
_PG_LINK: Final = {"OperationalError", "ConnectionTimeout"}
_PG_AGAIN: Final = {"40001", "40P01", "55P03"}
_PG_UNAVAILABLE: Final = {"53", "57", "58", "25"}
"""Classes: resources, operator's intervention, system error, a standby that may not write."""


def of_postgresql(error: object) -> TypeGuard[psycopg.Error]:
    """Whether an error is psycopg's. A node on SQLite never loads that driver (5 MB in each process)."""
    driver = sys.modules.get("psycopg")
    return driver is not None and isinstance(error, driver.Error)


def of_a_driver(error: object) -> bool:
    """Whether an error comes from a driver itself, beside SQLAlchemy."""
    return isinstance(error, sqlite3.Error) or of_postgresql(error)


def is_conflict(error: BaseException) -> bool:
    """Whether a constraint was broken: of two writers that met, the second may find now what the first made."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.IntegrityError):
        return True
    return of_postgresql(cause) and (cause.sqlstate or "").startswith("23")


def judge(error: BaseException) -> Verdict:
    """What an error of the engine or driver means."""
    if isinstance(error, PoolTimeout):
        return Verdict.UNAVAILABLE
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return _judge_sqlite(cause)
    if of_postgresql(cause):
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        return _judge_postgresql(cause, lost=lost)
    return Verdict.OURS


def _judge_sqlite(error: sqlite3.Error) -> Verdict:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Verdict.OURS
    code &= 0xFF
    if code in _SQLITE_AGAIN:
        return Verdict.AGAIN
    return Verdict.OURS if code in _SQLITE_OURS else Verdict.UNAVAILABLE


def _judge_postgresql(error: psycopg.Error, *, lost: bool) -> Verdict:
    state = error.sqlstate
    if state in _PG_AGAIN:
        return Verdict.AGAIN
    if lost or (state or "").startswith(("08", "57P")):
        return Verdict.LOST
    if state is None:
        # The driver's own words: a refused or broken link, or a wrong call of ours.
        return Verdict.LOST if type(error).__name__ in _PG_LINK else Verdict.OURS
    return Verdict.UNAVAILABLE if state[:2] in _PG_UNAVAILABLE else Verdict.OURS


def translated(error: BaseException) -> CertExchangeError:
    """Our error for an engine's, without a word of content."""
    name = f"{type(error).__name__}: {_words(error)}"
    if judge(error) is Verdict.OURS:
        return CertExchangeError(detail=name)
    return StoreUnavailable(detail=name)


def _words(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.IntegrityError):
        # "UNIQUE constraint failed: partners.name": names of columns, never values.
        return str(cause)
    if isinstance(cause, sqlite3.Error):
        return f"{getattr(cause, 'sqlite_errorname', '')} {cause}".strip()
    if of_postgresql(cause):
        parts = (cause.sqlstate, cause.diag.constraint_name, cause.diag.table_name)
        primary = cause.diag.message_primary or ""
        # Messages of classes 22 and 23 quote values.
        safe = (
            primary
            if (cause.sqlstate or "").startswith(("08", "40", "42", "53", "55", "57"))
            else ""
        )
        return " ".join(part for part in (*parts, safe) if part)
    if isinstance(error, PoolTimeout):
        return "no free connection"
    return type(cause).__name__
