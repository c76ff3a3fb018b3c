"""What our signed statements to a partner cover, line by line of the release logs, and what of its texts was kept as broken.

1. A commitment is opened by the release line that it was made for, also by one that was withdrawn since; a line whose salt
   was erased opens none, and is counted.
2. An observable's version is each node's own instant of storage: here it is empty, as it is in a statement.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import case, func, select

from cert_exchange.store.database import Transaction, streamed
from cert_exchange.store.tables import identifiers, objects, quarantine, release_log

_VERSION: Final = case((objects.c.observable, ""), else_=objects.c.version)


@dataclass(frozen=True, slots=True)
class Released:
    """A release line, as a commitment needs it. `position` in micros."""

    position: int
    stix_id: str
    version: str
    content: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """A text of a partner that was refused. `at`: when it came, micros."""

    text: str
    reason: str
    at: int


def released(
    tx: Transaction, view: int, *, after: int, upto: int
) -> Generator[Released, None, None]:
    """The release lines in (after, upto] of a log that still open something; close the iterator when it is left early."""
    statement = (
        select(
            release_log.c.position, identifiers.c.stix_id, _VERSION, objects.c.sameness,
            release_log.c.salt,
        )
        .join(objects, objects.c.id == release_log.c.object)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .where(
            release_log.c.view == view,
            release_log.c.position > after,
            release_log.c.position <= upto,
            release_log.c.kind == "release",
            release_log.c.salt.is_not(None),
        )
    )  # fmt: skip
    with streamed(tx, statement) as rows:
        for row in rows:
            yield Released(row[0], row[1], row[2], bytes(row[3]), bytes(row[4]))


def count_erased(tx: Transaction, view: int, *, after: int, upto: int) -> int:
    """How many lines of a span open nothing any more."""
    wanted = select(func.count()).where(
        release_log.c.view == view,
        release_log.c.position > after,
        release_log.c.position <= upto,
        release_log.c.salt.is_(None),
    )
    return int(tx.execute(wanted).scalar_one())


def kept_aside(tx: Transaction, partner: int, kind: str) -> list[Kept]:
    """What of a partner's was refused under this kind, in order."""
    c = quarantine.c
    rows = tx.execute(
        select(c.raw, c.reason, c.at)
        .where(c.origin == partner, c.kind == kind, c.raw.is_not(None))
        .order_by(c.id)
    )
    return [Kept(row[0], row[1], row[2]) for row in rows]
