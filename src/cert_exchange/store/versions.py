"""What is stored of object versions, read in bulk.

1. Nothing here decides or changes anything; `objects` writes.
2. Every list that goes into one statement is cut into parts (`objects.parts`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import bindparam, func, select

from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Membership, Version, parts
from cert_exchange.store.tables import ObjectStatus, identifiers, memberships, objects, renditions

_IDENTS: Final[Any] = bindparam("idents", expanding=True)
_VERSION = (
    select(
        objects.c.id,
        objects.c.ident,
        identifiers.c.stix_id,
        objects.c.type,
        objects.c.version,
        objects.c.version_key,
        objects.c.origin,
        objects.c.rendition,
        renditions.c.size,
        renditions.c.digest,
        objects.c.sameness,
        objects.c.creator,
        objects.c.revoked,
        objects.c.observable,
        objects.c.status,
        objects.c.stored_at,
    )
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .join(renditions, renditions.c.id == objects.c.rendition)
)

_VERSIONS_OF = _VERSION.where(objects.c.ident.in_(bindparam("idents", expanding=True))).order_by(
    objects.c.ident, objects.c.version_key, objects.c.id
)

_MEMBERSHIPS_OF: Final = select(
    memberships.c.object,
    memberships.c.collection,
    memberships.c.added_at,
    memberships.c.taken_back_at,
    memberships.c.taken_back_by,
).where(memberships.c.object.in_(bindparam("objects", expanding=True)))

_BODIES: Final = select(renditions.c.id, renditions.c.body).where(
    renditions.c.id.in_(bindparam("ids", expanding=True))
)

_STIX_IDS: Final = select(identifiers.c.num, identifiers.c.stix_id).where(
    identifiers.c.num.in_(_IDENTS)
)

_HELD: Final = (
    select(objects.c.ident)
    .where(objects.c.ident.in_(_IDENTS), objects.c.status == ObjectStatus.ACCEPTED.value)
    .distinct()
)

_ORIGINS: Final = (
    select(objects.c.ident, objects.c.origin).where(objects.c.ident.in_(_IDENTS)).distinct()
)


def version_of(row: Sequence[Any]) -> Version:
    """A row of `_VERSION` as a value; SQLite and PostgreSQL give bytes in different types."""
    return Version(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8],
        bytes(row[9]), bytes(row[10]), row[11], bool(row[12]), bool(row[13]), row[14], row[15],
    )  # fmt: skip


def versions(tx: Transaction, idents: Iterable[int]) -> Iterator[Version]:
    """All versions of these ids, any status and origin, oldest first within an id."""
    for part in parts(idents):
        for row in tx.execute(_VERSIONS_OF, {"idents": part}):
            yield version_of(row)


def memberships_of(tx: Transaction, object_ids: Iterable[int]) -> dict[int, list[Membership]]:
    """The collections of each version, those it was taken back from included."""
    found: dict[int, list[Membership]] = {}
    for part in parts(object_ids):
        for row in tx.execute(_MEMBERSHIPS_OF, {"objects": part}):
            found.setdefault(row[0], []).append(Membership(*row))
    return found


def bodies(tx: Transaction, rendition_ids: Iterable[int]) -> dict[int, bytes]:
    """Stored bytes by rendition id."""
    found: dict[int, bytes] = {}
    for part in parts(rendition_ids):
        rows = tx.execute(_BODIES, {"ids": part})
        found.update((row[0], row[1].encode("utf-8")) for row in rows)
    return found


def stix_ids(tx: Transaction, idents: Iterable[int]) -> dict[int, str]:
    """The STIX ids of these numbers."""
    found: dict[int, str] = {}
    for part in parts(idents):
        found.update((row[0], row[1]) for row in tx.execute(_STIX_IDS, {"idents": part}))
    return found


def held(tx: Transaction, idents: Iterable[int]) -> set[int]:
    """Which of these ids we hold in an accepted version."""
    found: set[int] = set()
    for part in parts(idents):
        found.update(tx.execute(_HELD, {"idents": part}).scalars())
    return found


def origins_of(tx: Transaction, idents: Iterable[int]) -> dict[int, set[int]]:
    """Who sent each of these ids, in whatever state we keep it."""
    found: dict[int, set[int]] = {}
    for part in parts(idents):
        for row in tx.execute(_ORIGINS, {"idents": part}):
            found.setdefault(row[0], set()).add(row[1])
    return found


def sent_by(tx: Transaction, idents: Iterable[int], origins: Collection[int]) -> set[int]:
    """Which of these ids one of the origins sent us, in whatever state we keep it."""
    if not origins:
        return set()
    return {
        ident for ident, those in origins_of(tx, idents).items() if not those.isdisjoint(origins)
    }


def idents_between(tx: Transaction, *, after: int, limit: int) -> tuple[list[int], int | None]:
    """The ids of the next `limit` versions by number, and the number to go on from (None at the end)."""
    rows = tx.execute(
        select(objects.c.id, objects.c.ident)
        .where(objects.c.id > after)
        .order_by(objects.c.id)
        .limit(limit)
    ).all()
    if not rows:
        return [], None
    return list(dict.fromkeys(row[1] for row in rows)), int(rows[-1][0])


def count_after(tx: Transaction, after: int) -> int:
    """How many versions have a greater number."""
    return int(tx.execute(select(func.count()).where(objects.c.id > after)).scalar_one())
