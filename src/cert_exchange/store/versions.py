"""What is stored of object versions, read in bulk.

1. Nothing here decides or changes anything; `objects` writes.
2. Lists have any length (`statements.Kept.among`).
3. Derivatives are no objects for policy: what walks over all objects leaves them out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import exists, func, select

from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Membership, Version
from cert_exchange.store.statements import Asked, Kept, among
from cert_exchange.store.tables import (
    ObjectStatus,
    derivatives,
    derived_ids,
    identifiers,
    memberships,
    objects,
    renditions,
)

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
        objects.c.kept_out,
    )
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .join(renditions, renditions.c.id == objects.c.rendition)
)

_VERSIONS_OF: Final = Kept(
    _VERSION.where(among(objects.c.ident, "idents")).order_by(
        objects.c.ident, objects.c.version_key, objects.c.id
    ),
    "idents",
)

_MEMBERSHIPS_OF: Final = Kept(
    select(
        memberships.c.object,
        memberships.c.collection,
        memberships.c.added_at,
        memberships.c.taken_back_at,
        memberships.c.taken_back_by,
    ).where(among(memberships.c.object, "objects")),
    "objects",
)

_BODIES: Final = Kept(
    select(renditions.c.id, renditions.c.body).where(among(renditions.c.id, "ids")), "ids"
)

_STIX_IDS: Final = Kept(
    select(identifiers.c.num, identifiers.c.stix_id).where(among(identifiers.c.num, "idents")),
    "idents",
)

_NUMBERED: Final = Kept(_VERSION.where(among(objects.c.id, "numbers")), "numbers")

_TARGETS: Final = Kept(
    select(identifiers.c.num, identifiers.c.stix_id, objects.c.origin, objects.c.status)
    .outerjoin(objects, objects.c.ident == identifiers.c.num)
    .where(among(identifiers.c.num, "idents"))
    .distinct(),
    "idents",
)

_HELD: Final = Kept(
    select(objects.c.ident)
    .where(among(objects.c.ident, "idents"), objects.c.status == ObjectStatus.ACCEPTED.value)
    .distinct(),
    "idents",
)

_ORIGINS: Final = Kept(
    select(objects.c.ident, objects.c.origin)
    .where(among(objects.c.ident, "idents"), objects.c.status == ObjectStatus.ACCEPTED.value)
    .distinct(),
    "idents",
)


def version_of(row: Sequence[Any]) -> Version:
    """A row of `_VERSION` as a value; SQLite and PostgreSQL give bytes in different types."""
    return Version(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8],
        bytes(row[9]), bytes(row[10]), row[11], bool(row[12]), bool(row[13]), row[14], row[15],
        bool(row[16]),
    )  # fmt: skip


def versions(tx: Transaction, idents: Iterable[int]) -> Iterator[Version]:
    """All versions of these ids, any status and origin, oldest first within an id."""
    for row in _VERSIONS_OF.among(tx, "idents", idents):
        yield version_of(row)


def numbered(tx: Transaction, object_ids: Iterable[int]) -> dict[int, Version]:
    """These versions, of any status, by their numbers."""
    return {row[0]: version_of(row) for row in _NUMBERED.among(tx, "numbers", object_ids)}


def ask_memberships(tx: Transaction, object_ids: Iterable[int]) -> Asked:
    """The rows of `Membership` of these versions."""
    return _MEMBERSHIPS_OF.ask_among(tx, "objects", object_ids)


def ask_bodies(tx: Transaction, rendition_ids: Iterable[int]) -> Asked:
    """(rendition id, stored text)."""
    return _BODIES.ask_among(tx, "ids", rendition_ids)


def ask_stix_ids(tx: Transaction, idents: Iterable[int]) -> Asked:
    """(number, STIX id)."""
    return _STIX_IDS.ask_among(tx, "idents", idents)


def ask_targets(tx: Transaction, idents: Iterable[int]) -> Asked:
    """What is known of ids that something refers to: (number, STIX id, origin, status) once for each pair of the last.

    An id of which we hold nothing has one row, with None for both.
    """
    return _TARGETS.ask_among(tx, "idents", idents)


def memberships_of(tx: Transaction, object_ids: Iterable[int]) -> dict[int, list[Membership]]:
    """The collections of each version, those it was taken back from included."""
    found: dict[int, list[Membership]] = {}
    for row in _MEMBERSHIPS_OF.among(tx, "objects", object_ids):
        found.setdefault(row[0], []).append(Membership(*row))
    return found


def stix_ids(tx: Transaction, idents: Iterable[int]) -> dict[int, str]:
    """The STIX ids of these numbers."""
    return dict(ask_stix_ids(tx, idents)())


def held(tx: Transaction, idents: Iterable[int]) -> set[int]:
    """Which of these ids we hold in an accepted version."""
    return {row[0] for row in _HELD.among(tx, "idents", idents)}


def origins_of(tx: Transaction, idents: Iterable[int]) -> dict[int, set[int]]:
    """Whose version of each of these ids we accepted."""
    found: dict[int, set[int]] = {}
    for ident, origin in _ORIGINS.among(tx, "idents", idents):
        found.setdefault(ident, set()).add(origin)
    return found


def sent_by(tx: Transaction, idents: Iterable[int], origins: Collection[int]) -> set[int]:
    """Of which of these ids one of the origins sent us a version that we accepted."""
    if not origins:
        return set()
    return {
        ident for ident, those in origins_of(tx, idents).items() if not those.isdisjoint(origins)
    }


def idents_between(tx: Transaction, *, after: int, limit: int) -> tuple[list[int], int | None]:
    """The ids of the next `limit` versions by number, derivatives aside, and the number to go on from (None at the end)."""
    rows = tx.execute(
        select(objects.c.id, objects.c.ident)
        .where(objects.c.id > after, objects.c.status != ObjectStatus.DERIVATIVE.value)
        .order_by(objects.c.id)
        .limit(limit)
    ).all()
    if not rows:
        return [], None
    return list(dict.fromkeys(row[1] for row in rows)), int(rows[-1][0])


def newest_idents(tx: Transaction, *, limit: int) -> list[int]:
    """The ids of the `limit` versions that we accepted last, each once, the newest first."""
    rows = tx.execute(
        select(objects.c.ident)
        .where(objects.c.status == ObjectStatus.ACCEPTED.value)
        .order_by(objects.c.id.desc())
        .limit(limit)
    )
    return list(dict.fromkeys(row[0] for row in rows))


def idents_after(tx: Transaction, *, after: int, limit: int) -> list[int]:
    """The next ids, in number order, of which we hold any version."""
    rows = tx.execute(
        select(objects.c.ident)
        .where(objects.c.ident > after, ~exists().where(derived_ids.c.ident == objects.c.ident))
        .distinct()
        .order_by(objects.c.ident)
        .limit(limit)
    )
    return [row[0] for row in rows]


def highest_ident(tx: Transaction) -> int:
    """The greatest number of an id of which we hold any version; 0 where there is none."""
    return int(tx.execute(select(func.max(objects.c.ident))).scalar() or 0)


def count_after(tx: Transaction, after: int) -> int:
    """How many versions have a greater number, derivatives aside."""
    stored = select(func.count()).where(objects.c.id > after).scalar_subquery()
    derived = select(func.count()).where(derivatives.c.object > after).scalar_subquery()
    return int(tx.execute(select(stored - derived)).scalar_one())
