"""Status resources of what partners posted, kept for 24 hours."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, insert, select

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Kept
from cert_exchange.store.tables import submissions

_KEEP: Final = Kept(insert(submissions))


def keep(
    tx: Transaction, submission_id: str, *, partner: int, collection: int, at: int, body: str
) -> None:
    """Store a status resource as it will be served."""
    _KEEP.run(
        tx,
        {
            "id": submission_id,
            "partner": partner,
            "collection": collection,
            "requested_at": at,
            "body": body,
        },
    )


def find(conn: Transaction, submission_id: str, *, partner: int, since: int) -> str | None:
    """The status resource of this partner's submission, if it is not older than `since`."""
    row = conn.execute(
        select(submissions.c.body).where(
            submissions.c.id == submission_id,
            submissions.c.partner == partner,
            submissions.c.requested_at > since,
        )
    ).one_or_none()
    return None if row is None else str(row[0])


def forget(tx: Transaction, *, before: int) -> int:
    """Delete what nobody can read any more; how many."""
    return tx.execute(delete(submissions).where(submissions.c.requested_at <= before)).rowcount
