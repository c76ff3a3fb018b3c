"""How far each partner may have fetched each view (DECISIONS 24).

1. `advance` is durable when it returns; a page's snapshot is read only afterwards. So a mark may overstate by a page
   that failed, and never understates.
2. A mark only rises, whoever writes it in whatever order.
3. What this process knows of a mark is a lower bound: another process may have raised it, nobody lowers it.
4. On SQLite the marks are a file of their own, so that a poll never waits for a writer of the main one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, create_engine, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import SQLAlchemyError

from cert_exchange.store.database import Database
from cert_exchange.store.engines import make_private
from cert_exchange.store.failures import translated
from cert_exchange.store.raw import BUSY_SECONDS, Prepared, RawPool
from cert_exchange.store.tables import marks, marks_metadata
from cert_exchange.store.turns import Turns


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything of the view up to `position` may have been fetched; up to `ledgered` the ledger says so."""

    partner: int
    view: int
    position: int
    ledgered: int


class Marks:
    """The marks of one database. Safe to use from all threads of one process."""

    def __init__(self, database: Database) -> None:
        self._path = path = database.marks_path
        self._apart = path is not None
        self._url = url = database.url if path is None else database.url.set(database=str(path))
        self._pool = RawPool(url, database.dialect, writable=True)
        self._known: dict[tuple[int, int], int] = {}
        self._turns = (
            Turns(path.with_name(f"{path.name}-turn"), seconds=BUSY_SECONDS) if path else None
        )
        insert = sqlite_insert if self._apart else postgresql_insert
        fresh = insert(marks).values(
            partner=bindparam("p"), view=bindparam("w"), position=bindparam("at"), ledgered=0
        )
        raised = fresh.on_conflict_do_update(
            index_elements=[marks.c.partner, marks.c.view],
            set_={"position": fresh.excluded.position},
            where=fresh.excluded.position > marks.c.position,
        )
        self._raise: Final = database.compile(raised)
        self._all: Final = database.compile(
            select(marks.c.partner, marks.c.view, marks.c.position, marks.c.ledgered).order_by(
                marks.c.partner, marks.c.view
            )
        )
        self._one: Final = database.compile(
            select(marks.c.position).where(
                marks.c.partner == bindparam("p"), marks.c.view == bindparam("w")
            )
        )
        self._highest: Final = database.compile(
            select(func.coalesce(func.max(marks.c.position), 0)).where(
                marks.c.view == bindparam("w")
            )
        )
        self._ledger: Final = database.compile(
            update(marks)
            .where(
                marks.c.partner == bindparam("p"),
                marks.c.view == bindparam("w"),
                marks.c.ledgered < bindparam("at"),
            )
            .values(ledgered=bindparam("at"))
        )

    def create(self) -> bool:
        """Make the file of the marks if it is missing; True if so. On PostgreSQL the migrations made the table."""
        if self._path is None:
            return False
        missing = make_private(self._path)
        engine = create_engine(self._url, hide_parameters=True)
        try:
            marks_metadata.create_all(engine)
        except SQLAlchemyError as error:
            raise translated(error) from None
        finally:
            engine.dispose()
        return missing

    def reached(self, partner: int, view: int) -> int:
        """A lower bound of the mark: 0 when nothing is known. Micros."""
        known = self._known.get((partner, view))
        if known is None:
            row = self._run(self._one, {"p": partner, "w": view})
            known = int(row[0][0]) if row else 0
            self._note(partner, view, known)
        return known

    def advance(self, partner: int, view: int, position: int) -> None:
        """Raise the mark to `position`; durable when this returns. Raises StoreUnavailable."""
        if self._known.get((partner, view), 0) >= position:
            return
        self._run(self._raise, {"p": partner, "w": view, "at": position}, rows=False)
        self._note(partner, view, position)

    def highest(self, view: int) -> int:
        """The greatest position that anybody may have fetched; 0 when nobody did."""
        return int(self._run(self._highest, {"w": view})[0][0])

    def everything(self) -> list[Mark]:
        """All marks."""
        return [Mark(*row) for row in self._run(self._all, {})]

    def unledgered(self) -> list[Mark]:
        """The marks that the ledger does not know in full."""
        return [mark for mark in self.everything() if mark.ledgered < mark.position]

    def ledgered(self, known: Sequence[Mark]) -> None:
        """Remember that the ledger knows these marks up to their positions: one commit. Done again, nothing changes."""
        with self._one_writer(), self._pool.reader() as connection:
            connection.execute("BEGIN IMMEDIATE" if self._apart else "BEGIN")
            for mark in known:
                values = {"p": mark.partner, "w": mark.view, "at": mark.position}
                connection.execute(self._ledger.text, {**self._ledger.fixed, **values})
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()
        if self._turns is not None:
            self._turns.close()

    def _note(self, partner: int, view: int, position: int) -> None:
        key = (partner, view)
        self._known[key] = max(position, self._known.get(key, 0))

    def _one_writer(self) -> AbstractContextManager[None]:
        return nullcontext() if self._turns is None else self._turns.one()

    def _run(self, statement: Prepared, values: dict[str, int], *, rows: bool = True) -> list[Any]:
        if rows:
            with self._pool.reader() as connection:
                return statement.all(connection, values)
        with self._one_writer(), self._pool.reader() as connection:
            connection.execute(statement.text, {**statement.fixed, **values})
            return []
