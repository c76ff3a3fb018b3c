"""What has bytes and a salt to be erased: versions by id or by sender, derivatives made of them, what still names an id.

1. A row without a salt is erased already, and is never given.
2. Reading only; `erasing` writes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    ObjectStatus,
    derivatives,
    identifiers,
    live,
    notices,
    objects,
    references,
    renditions,
    views,
)


@dataclass(frozen=True, slots=True)
class Erasable:
    """A stored version with its salt, or a derivative."""

    object: int
    ident: int
    stix_id: str
    version: str
    version_key: str
    origin: int
    status: str
    stored_at: int
    rendition: int
    digest: bytes
    salt: bytes


_ERASABLE: Final[Select[Any]] = (
    select(
        objects.c.id, objects.c.ident, identifiers.c.stix_id, objects.c.version,
        objects.c.version_key, objects.c.origin, objects.c.status, objects.c.stored_at,
        objects.c.rendition, renditions.c.digest, objects.c.salt,
    )
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .join(renditions, renditions.c.id == objects.c.rendition)
    .where(objects.c.salt.is_not(None))
    .order_by(objects.c.id)
)  # fmt: skip
_ORIGINALS: Final = objects.c.status != ObjectStatus.DERIVATIVE.value


def of_ident(tx: Transaction, ident: int) -> list[Erasable]:
    """The versions of an id that have not been erased, of any origin and status, derivatives aside."""
    return _read(tx, objects.c.ident == ident, _ORIGINALS)


def of_origin(
    tx: Transaction,
    origin: int,
    *,
    after: int,
    limit: int,
    stored_before: int | None = None,
) -> list[Erasable]:
    """The next versions (by objects.id) that a partner sent and that have not been erased."""
    wanted = _ERASABLE.where(objects.c.origin == origin, objects.c.id > after, _ORIGINALS)
    if stored_before is not None:
        wanted = wanted.where(objects.c.stored_at <= stored_before)
    return [_erasable(row) for row in tx.execute(wanted.limit(limit))]


def count_of_origin(tx: Transaction, origin: int, *, stored_before: int | None = None) -> int:
    """How many versions a partner sent that have not been erased."""
    wanted = select(func.count()).where(
        objects.c.origin == origin, objects.c.salt.is_not(None), _ORIGINALS
    )
    if stored_before is not None:
        wanted = wanted.where(objects.c.stored_at <= stored_before)
    return int(tx.execute(wanted).scalar_one())


def bodies_of_origin(
    tx: Transaction, origin: int, *, after: int, limit: int
) -> list[tuple[int, str]]:
    """(objects.id, stored text) of the next versions that a partner sent and that have not been erased."""
    rows = tx.execute(
        select(objects.c.id, renditions.c.body)
        .join(renditions, renditions.c.id == objects.c.rendition)
        .where(
            objects.c.origin == origin,
            objects.c.id > after,
            objects.c.salt.is_not(None),
            _ORIGINALS,
        )
        .order_by(objects.c.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def _read(tx: Transaction, *terms_: ColumnElement[bool]) -> list[Erasable]:
    return [_erasable(row) for row in tx.execute(_ERASABLE.where(*terms_))]


def _erasable(row: Sequence[Any]) -> Erasable:
    return Erasable(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8],
        bytes(row[9]), bytes(row[10]),
    )  # fmt: skip


def in_force(tx: Transaction, idents: Collection[int], object_ids: Collection[int]) -> set[int]:
    """Which of these versions, or of the derivatives made of them, a view serves."""
    made = made_of(tx, object_ids)
    wanted = {*object_ids, *(one.object for one in made)}
    known_as = {*idents, *(one.ident for one in made)}
    numbers = tx.execute(select(views.c.id)).scalars().all()
    found: set[int] = set()
    for part in parts(sorted(known_as)):
        rows = tx.execute(
            select(live.c.object).where(live.c.view.in_(numbers), live.c.ident.in_(part))
        )
        found.update(rows.scalars())
    return found & wanted


def made_of(tx: Transaction, object_ids: Collection[int]) -> list[Erasable]:
    """The derivatives made of these versions that have not been erased."""
    found: list[Erasable] = []
    for part in parts(object_ids):
        sources = select(derivatives.c.object).where(derivatives.c.source.in_(part))
        found += _read(tx, objects.c.id.in_(sources))
    return found


def naming_idents(tx: Transaction, idents: Collection[int]) -> list[int]:
    """The ids of stored objects whose bytes name one of these, by number; a derivative's stands for its original."""
    found: set[int] = set()
    for part in parts(sorted(idents)):
        rows = tx.execute(
            select(func.coalesce(derivatives.c.original, objects.c.ident))
            .join(references, references.c.source == objects.c.id)
            .outerjoin(derivatives, derivatives.c.object == objects.c.id)
            .where(references.c.target.in_(part))
        )
        found.update(rows.scalars())
    return sorted(found - set(idents))


def naming(tx: Transaction, ident: int, *, limit: int) -> list[str]:
    """The ids of stored objects whose bytes name this one, in order; notices aside, which must name what they take back."""
    rows = tx.execute(
        select(identifiers.c.stix_id)
        .join(objects, objects.c.ident == identifiers.c.num)
        .join(references, references.c.source == objects.c.id)
        .where(
            references.c.target == ident,
            objects.c.ident != ident,
            identifiers.c.stix_id.not_in(select(notices.c.stix_id)),
        )
        .distinct()
        .order_by(identifiers.c.stix_id)
        .limit(limit)
    )
    return list(rows.scalars())
