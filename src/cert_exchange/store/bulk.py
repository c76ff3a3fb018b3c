"""Many rows of one table in one go, past the per-row work of SQLAlchemy.

The statement is made once per table and dialect; only the rows bypass Core. With five audiences a POST
of a thousand objects writes some fifteen thousand rows, and a fifth of its time went into building a dictionary of
each (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Column, Table
from sqlalchemy.engine import Dialect

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import copy_rows, execute_each

_FEW: Final = 16
"""So many rows go as one statement; more are the driver's to repeat."""
_MANY: Final = 100
"""So many go to PostgreSQL by COPY, which takes a fifth of the time of as many INSERTs."""


def insert_rows(
    tx: Transaction, columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert rows whose values stand in the order of `columns`, all of one table.

    Values are what the driver takes: int, str, bytes, bool, None.
    """
    if not rows:
        return
    if len(rows) <= _FEW:
        values = [value for row in rows for value in row]
        execute_each(tx, _statement(tuple(columns), tx.dialect, len(rows)), [values])
    elif len(rows) >= _MANY and tx.dialect.name == "postgresql":
        copy_rows(tx, f"COPY {_place(tuple(columns), tx.dialect)} FROM STDIN", rows)
    else:
        execute_each(tx, _statement(tuple(columns), tx.dialect, 1), rows)


@lru_cache(maxsize=512)
def _statement(columns: tuple[Column[Any], ...], dialect: Dialect, rows: int) -> str:
    style = "?" if dialect.paramstyle == "qmark" else "%s"
    row = f"({', '.join([style] * len(columns))})"
    return f"INSERT INTO {_place(columns, dialect)} VALUES {', '.join([row] * rows)}"


def _place(columns: tuple[Column[Any], ...], dialect: Dialect) -> str:
    """Table and columns. Names come from the schema and are quoted by the dialect; values stay parameters."""
    table = columns[0].table
    assert isinstance(table, Table)
    assert all(column.table is table for column in columns)
    quote = dialect.identifier_preparer
    names = ", ".join(quote.format_column(column) for column in columns)
    return f"{quote.format_table(table)} ({names})"
