"""Where erased bytes may still lie: copies of the node, SQLite's log file, unused places of the database's files.

1. Every copy that the node makes of itself is written down, so that an erasure can say which of them still hold what it
   erased, and so that they can be removed when their days are over. A restored node writes down the copy that it was made
   from, and until when it does not know what copies there are.
2. `forget_freed` empties SQLite's log file: older states of pages lie there until then. It may find readers in its way.
3. `rewrite` makes the database's files anew, without what unused places of pages still held. It keeps writers waiting.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from cert_exchange.store.database import Database, Transaction
from cert_exchange.store.engines import BUSY_SECONDS
from cert_exchange.store.facts import facts_like, put_fact
from cert_exchange.store.failures import translated
from cert_exchange.store.tables import (
    backups_made,
    erased_objects,
    erasures,
    identifiers,
    objects,
    partners,
)

PATIENCE_SECONDS: Final = 2
"""How long emptying the log waits for readers: it is tried again."""
_UNKNOWN: Final = "copies.unknown."
"""Facts: when the node was restored -> from a copy of when."""
_REWRITTEN: Final = (
    "renditions",
    "objects",
    "release_log",
    "derivatives",
    "quarantine",
    "references_to",
    "kept_out",
)


_whose = partners.alias("whose")


@dataclass(frozen=True, slots=True)
class BackupMade:
    """A copy of this node that it made itself. Instants in micros."""

    id: int
    folder: str
    made_at: int
    gone_at: int | None


def note_backup(tx: Transaction, folder: str, *, at: int) -> None:
    """Write down where a copy was made."""
    tx.execute(insert(backups_made).values(folder=folder, made_at=at))


def note_restored(tx: Transaction, folder: str, *, made_at: int, at: int) -> None:
    """Write down the copy that this node was made from; what it copied between then and now it cannot know. Micros."""
    if folder not in {one.folder for one in backups(tx, standing_only=True)}:
        note_backup(tx, folder, at=made_at)
    put_fact(tx, f"{_UNKNOWN}{at}", str(made_at))


def unknown_copies(tx: Transaction) -> list[tuple[int, int]]:
    """The spans (after, until) of which this node does not know what copies it made, since it was restored. Micros."""
    found = facts_like(tx, _UNKNOWN)
    return sorted((int(made), int(name.removeprefix(_UNKNOWN))) for name, made in found.items())


def backups(tx: Transaction, *, standing_only: bool) -> list[BackupMade]:
    """The copies that were made, the oldest first; `standing_only`: without those that are known to be gone."""
    wanted = select(
        backups_made.c.id, backups_made.c.folder, backups_made.c.made_at, backups_made.c.gone_at
    ).order_by(backups_made.c.id)
    if standing_only:
        wanted = wanted.where(backups_made.c.gone_at.is_(None))
    return [BackupMade(*row) for row in tx.execute(wanted)]


def note_gone(tx: Transaction, number: int, *, at: int) -> None:
    """A copy is no more."""
    tx.execute(update(backups_made).where(backups_made.c.id == number).values(gone_at=at))


def last_erased_at(tx: Transaction) -> int | None:
    """When something was erased last; None: never."""
    return tx.execute(select(func.max(erased_objects.c.erased_at))).scalar()


def erased_by(tx: Transaction, order: int) -> list[dict[str, Any]]:
    """What an order erased, as the journal keeps it: an object for each id, version and sender."""
    rows = tx.execute(
        select(
            erasures.c.id, erasures.c.kind, erasures.c.ident, erasures.c.reason,
            erasures.c.ordered_at, erasures.c.ordered_by, identifiers.c.stix_id,
            objects.c.version, partners.c.name, _whose.c.name.label("of"),
        )
        .join(erased_objects, erased_objects.c.erasure == erasures.c.id)
        .join(objects, objects.c.id == erased_objects.c.object)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .outerjoin(partners, partners.c.id == objects.c.origin)
        .outerjoin(_whose, _whose.c.id == erasures.c.partner)
        .where(erasures.c.id == order, objects.c.status == "erased")
        .order_by(objects.c.id)
    )  # fmt: skip
    return [
        {
            "order": row.id, "kind": row.kind, "whole": row.ident is not None,
            "reason": row.reason, "at": row.ordered_at, "by": row.ordered_by,
            "id": row.stix_id, "version": row.version, "from": row.name or "own", "of": row.of,
        }
        for row in rows
    ]  # fmt: skip


def names(tx: Transaction) -> set[str]:
    """Whose copies there can be: ours, and every partner's."""
    return {"own", *tx.execute(select(partners.c.name)).scalars()}


def forget_freed(database: Database) -> bool:
    """Empty SQLite's log file; whether nothing is left in it. True on PostgreSQL, whose log is the server's matter."""
    if database.path is None:
        return True
    try:
        with sqlite3.connect(
            database.path, timeout=PATIENCE_SECONDS, isolation_level=None
        ) as plain:
            busy, _, _ = plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        plain.close()
    except sqlite3.Error as error:
        raise translated(error) from None
    return not busy


def rewrite(database: Database) -> None:
    """Make the database's files anew. Raises StoreUnavailable when others do not let go of it in time."""
    if database.path is None:
        engine = database.writing_engine().execution_options(isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text("SET statement_timeout = 0"))
                for table in _REWRITTEN:
                    connection.execute(text(f"VACUUM FULL {table}"))
                connection.execute(text("RESET statement_timeout"))
        except SQLAlchemyError as error:
            raise translated(error) from None
        return
    try:
        plain = sqlite3.connect(database.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            plain.execute("VACUUM")
            plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            plain.close()
    except sqlite3.Error as error:
        raise translated(error) from None
