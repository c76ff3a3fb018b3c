"""When what markings say of an object begins or ends: the next such instant of each version, in micros.

1. Nothing here decides: whoever judges a version writes down its next date, and the worker has it decided again then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import handling_dates, objects


@dataclass(frozen=True, slots=True)
class Dated:
    """A version whose date has come."""

    object: int
    ident: int


def note(tx: Transaction, dates: Mapping[int, int]) -> None:
    """Write down the next date of each version, in place of the one that stood there."""
    fresh = sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert
    for part in parts(sorted(dates.items())):
        statement = fresh(handling_dates).values(
            [{"object": number, "due_at": due} for number, due in part]
        )
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=[handling_dates.c.object],
                set_={"due_at": statement.excluded.due_at},
            )
        )


def due(conn: Transaction, *, now: int, limit: int) -> list[Dated]:
    """The versions whose date has come, the earliest first."""
    rows = conn.execute(
        select(handling_dates.c.object, objects.c.ident)
        .join(objects, objects.c.id == handling_dates.c.object)
        .where(handling_dates.c.due_at <= now)
        .order_by(handling_dates.c.due_at, handling_dates.c.object)
        .limit(limit)
    )
    return [Dated(row[0], row[1]) for row in rows]


def passed(tx: Transaction, found: list[Dated]) -> None:
    """These were decided again."""
    for part in parts(found):
        tx.execute(
            delete(handling_dates).where(handling_dates.c.object.in_([one.object for one in part]))
        )
