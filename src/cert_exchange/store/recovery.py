"""What a node finds out about its store when it is opened. The ordinary start does all recovery.

1. Marks are read before heads: a mark is never above the head that was committed when it was written, so a mark above
   a head shows a restored log, which starts a new epoch (DECISIONS 8).
2. Marks that are gone (SQLite: their file was lost) are rebuilt too high rather than too low: everything released to a
   partner may have been fetched by it (DECISIONS 24).
"""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import func, select

from cert_exchange.messages.evidence import Line, encode_line
from cert_exchange.store import epochs
from cert_exchange.store.database import Database, Transaction
from cert_exchange.store.facts import fact, put_fact
from cert_exchange.store.ledger import reserve_line, write_line
from cert_exchange.store.marks import Marks
from cert_exchange.store.tables import audience_members, views

log = structlog.get_logger(__name__)

_MARKS: Final = "marks.kept"


def recover(database: Database, marks: Marks, *, now: int) -> int:
    """Bring marks and epoch in order; returns the greatest instant of any log, 0 when nothing was released."""
    missing = marks.create()
    with database.reading() as tx:
        kept = fact(tx, _MARKS) is not None
    if not kept:
        database.transact(lambda tx: put_fact(tx, _MARKS, "1"))
    elif missing:
        _rebuild(database, marks, now=now)
    seen: dict[int, int] = {}
    for mark in marks.everything():
        seen[mark.view] = max(mark.position, seen.get(mark.view, 0))
    with database.reading() as tx:
        restored = epochs.below(tx, seen)
    if restored:
        epoch = database.transact(lambda tx: epochs.begin(tx, seen, at=now, by="node"))
        log.error("the logs are older than what partners fetched: a new epoch begins", epoch=epoch)
    with database.reading() as tx:
        return int(tx.execute(select(func.coalesce(func.max(views.c.head), 0))).scalar_one())


def _rebuild(database: Database, marks: Marks, *, now: int) -> None:
    with database.reading() as tx:
        reachable = tx.execute(
            select(audience_members.c.partner, views.c.id, views.c.head)
            .join(views, views.c.audience == audience_members.c.audience)
            .where(views.c.head > 0)
        ).all()
    for partner, view, head in reachable:
        marks.advance(partner, view, head)

    def note(tx: Transaction) -> None:
        line = Line("marks.rebuilt", now, "node", facts={"marks": len(reachable)})
        write_line(tx, reserve_line(tx), encode_line(line))

    database.transact(note)
    log.error("the marks were gone; everything released counts as fetched", marks=len(reachable))
