"""Orders to erase: who gave them and why, what they keep from coming back, and what verification reads of them.

1. `identifiers.barred_at` only says that something of an id was erased, so that whoever takes objects in looks here.
2. An order that names an id keeps all of it out; any other order keeps out the versions that it erased, from whom they
   came. Lifting it lets them come again: the rows that were erased give way, and prove what they proved.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import Select, func, insert, literal, or_, select, union_all, update

from cert_exchange.stix.instants import format_micros
from cert_exchange.store.database import Transaction, streamed
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    erased_objects,
    erasures,
    identifiers,
    objects,
    partners,
    release_log,
)

Kind = Literal["object", "partner", "retention"]
GIVES_WAY: Final = "~"
"""Behind the version's order of a row that was erased and may come again: no other order has it."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One order. Instants in micros."""

    id: int
    kind: str
    stix_id: str | None
    partner: str | None
    """whose copies; None: everybody's"""
    reason: str
    ordered_at: int
    ordered_by: str
    lifted_at: int | None
    lifted_by: str | None
    versions: int
    """how many rows it erased, derivatives included"""

    def sentence(self) -> str:
        """What it says to a person who asks after one of its ids."""
        back = "it may come again" if self.lifted_at is not None else "it is not taken in again"
        return (
            f"erased {format_micros(self.ordered_at)} by {self.ordered_by}, order {self.id}"
            f" ({self.reason}); {back}"
        )


@dataclass(slots=True)
class Barred:
    """What of one id may not come in."""

    whole: set[int | None] = field(default_factory=set)
    """every version: from these partners, None from everybody"""
    versions: set[tuple[str, int]] = field(default_factory=set)
    """(order of the version, origin)"""

    def covers(self, version_key: str | None, origin: int) -> bool:
        """Whether an object is kept out; `version_key` None of a cyber-observable, which has no version of its own."""
        if None in self.whole or origin in self.whole:
            return True
        return version_key is not None and (version_key, origin) in self.versions


def order(
    tx: Transaction,
    kind: Kind,
    *,
    ident: int | None = None,
    partner: int | None = None,
    reason: str,
    at: int,
    by: str,
) -> int:
    """Write an order down; its number."""
    return int(
        tx.execute(
            insert(erasures)
            .values(
                kind=kind, ident=ident, partner=partner, reason=reason, ordered_at=at, ordered_by=by
            )
            .returning(erasures.c.id)
        ).scalar_one()
    )  # fmt: skip


def bar(tx: Transaction, idents: Collection[int], *, at: int) -> None:
    """From now on whoever takes in something under these ids looks at the orders."""
    for part in parts(sorted(idents)):
        tx.execute(update(identifiers).where(identifiers.c.num.in_(part)).values(barred_at=at))


def barred(tx: Transaction, idents: Collection[int]) -> dict[int, Barred]:
    """What may not come in of these ids, by their numbers."""
    found: dict[int, Barred] = {}
    for part in parts(sorted(idents)):
        for ident, partner in tx.execute(
            select(erasures.c.ident, erasures.c.partner).where(
                erasures.c.ident.in_(part), erasures.c.lifted_at.is_(None)
            )
        ):
            found.setdefault(ident, Barred()).whole.add(partner)
        for ident, key, origin in tx.execute(
            select(objects.c.ident, objects.c.version_key, objects.c.origin)
            .join(erased_objects, erased_objects.c.object == objects.c.id)
            .where(objects.c.ident.in_(part))
        ):
            found.setdefault(ident, Barred()).versions.add((key, origin))
    return found


_LISTED: Final[Select[Any]] = (
    select(
        erasures.c.id, erasures.c.kind, identifiers.c.stix_id, partners.c.name, erasures.c.reason,
        erasures.c.ordered_at, erasures.c.ordered_by, erasures.c.lifted_at, erasures.c.lifted_by,
        select(func.count())
        .where(erased_objects.c.erasure == erasures.c.id)
        .scalar_subquery(),
    )
    .outerjoin(identifiers, identifiers.c.num == erasures.c.ident)
    .outerjoin(partners, partners.c.id == erasures.c.partner)
    .order_by(erasures.c.id.desc())
)  # fmt: skip


def listing(tx: Transaction, *, limit: int) -> list[Erasure]:
    """All orders, the newest first."""
    return [Erasure(*row) for row in tx.execute(_LISTED.limit(limit))]


def find(tx: Transaction, number: int) -> Erasure | None:
    """The order of this number."""
    row = tx.execute(_LISTED.where(erasures.c.id == number)).one_or_none()
    return None if row is None else Erasure(*row)


def of_id(tx: Transaction, stix_id: str) -> list[Erasure]:
    """The orders that erased something of an id, the newest first."""
    ident = tx.execute(
        select(identifiers.c.num).where(identifiers.c.stix_id == stix_id)
    ).scalar_one_or_none()
    if ident is None:
        return []
    touched = (
        select(erased_objects.c.erasure)
        .join(objects, objects.c.id == erased_objects.c.object)
        .where(objects.c.ident == ident)
    )
    rows = tx.execute(_LISTED.where(or_(erasures.c.ident == ident, erasures.c.id.in_(touched))))
    return [Erasure(*row) for row in rows]


def lift(tx: Transaction, number: int, *, at: int, by: str) -> int:
    """What an order keeps out may come again; of how many ids."""
    tx.execute(update(erasures).where(erasures.c.id == number).values(lifted_at=at, lifted_by=by))
    rows = select(erased_objects.c.object).where(erased_objects.c.erasure == number)
    touched = set(tx.execute(select(objects.c.ident).where(objects.c.id.in_(rows))).scalars())
    touched |= set(
        tx.execute(
            select(erasures.c.ident).where(erasures.c.id == number, erasures.c.ident.is_not(None))
        ).scalars()
    )
    tx.execute(
        update(objects)
        .where(objects.c.id.in_(rows), ~objects.c.version_key.contains(GIVES_WAY))
        .values(version_key=objects.c.version_key + literal(GIVES_WAY) + objects.c.id.cast(_TEXT))
    )
    still: set[int] = set()
    for part in parts(sorted(touched)):
        others = union_all(
            select(erasures.c.ident).where(
                erasures.c.ident.in_(part), erasures.c.lifted_at.is_(None)
            ),
            select(objects.c.ident)
            .join(erased_objects, erased_objects.c.object == objects.c.id)
            .where(objects.c.ident.in_(part), ~objects.c.version_key.contains(GIVES_WAY)),
        )
        still.update(row[0] for row in tx.execute(others))
    for part in parts(sorted(touched - still)):
        tx.execute(update(identifiers).where(identifiers.c.num.in_(part)).values(barred_at=None))
    return len(touched)


_TEXT: Final[Any] = objects.c.version_key.type


def by_line(tx: Transaction) -> Generator[tuple[int, bytes | None, bool], None, None]:
    """Every erased row by the ledger line that tells of it: (line, commitment, whether its salt is gone), streamed.

    Rows of both tables; close the iterator when it is left early.
    """
    of_objects = select(
        erased_objects.c.ledger_line.label("line"), objects.c.commitment, objects.c.salt.is_(None)
    ).join(objects, objects.c.id == erased_objects.c.object)
    of_lines = select(
        erased_objects.c.ledger_line, release_log.c.commitment, release_log.c.salt.is_(None)
    ).join(erased_objects, erased_objects.c.object == release_log.c.object)
    both = union_all(of_objects, of_lines).subquery()
    statement = select(both).order_by(both.c.line)
    with streamed(tx, statement) as rows:
        for row in rows:
            yield row[0], None if row[1] is None else bytes(row[1]), bool(row[2])


def unordered(tx: Transaction) -> tuple[int, int]:
    """Rows without a salt that no erasure tells of: stored versions, and lines of the logs."""
    told = select(erased_objects.c.object)
    return tuple(  # type: ignore[return-value]  # two tables, two counts
        int(
            tx.execute(
                select(func.count()).where(table.c.salt.is_(None), column.not_in(told))
            ).scalar_one()
        )
        for table, column in ((objects, objects.c.id), (release_log, release_log.c.object))
    )
