"""Object versions, their renditions, memberships and references.

1. A version is stored once, by (identifier, version, origin); its bytes once, by digest.
2. Nothing here decides: the caller says what is new (services.publishing) and who may see it (services.releasing).
3. Every list that goes into one statement is cut into parts of `PART` values: SQLite takes at most 32,766.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import bindparam, insert, select, update

from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction, reserve_ids
from cert_exchange.store.tables import (
    ObjectStatus,
    identifiers,
    memberships,
    objects,
    quarantine,
    references,
    renditions,
)

PART: Final = 900
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Version:
    """One stored object version, without its bytes."""

    id: int
    ident: int
    stix_id: str
    type: str
    version: str
    version_key: str
    origin: int
    rendition: int
    size: int
    digest: bytes
    sameness: bytes
    creator: int | None
    revoked: bool
    observable: bool
    status: str
    stored_at: int


@dataclass(frozen=True, slots=True)
class Membership:
    """A version's place in a collection. Taken back: it is released nowhere in this collection."""

    object: int
    collection: int
    added_at: int
    taken_back_at: int | None
    taken_back_by: int | None


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What `insert_versions` writes: ids were reserved by the caller."""

    id: int
    ident: int
    type: str
    version: str
    version_key: str
    origin: int
    rendition: int
    sameness: bytes
    creator: int | None
    revoked: bool
    observable: bool
    status: ObjectStatus
    salt: bytes
    references: tuple[tuple[int, int], ...]
    """(target ident, role)"""


# Statements of the write path are made once: building them anew was a third of a small transaction's time.
_IDENTS: Final[Any] = bindparam("idents", expanding=True)
_IDENTS_OF: Final = select(identifiers.c.stix_id, identifiers.c.num).where(
    identifiers.c.stix_id.in_(bindparam("ids", expanding=True))
)
_RENDITIONS_OF: Final = select(renditions.c.digest, renditions.c.id).where(
    renditions.c.digest.in_(bindparam("digests", expanding=True))
)
_BLOCKED: Final = select(identifiers.c.num).where(
    identifiers.c.num.in_(_IDENTS), identifiers.c.blocked_at.is_not(None)
)


def parts(values: Iterable[T]) -> Iterator[list[T]]:
    """Cut values into lists of at most PART."""
    iterator = iter(values)
    while part := list(islice(iterator, PART)):
        yield part


def idents_of(tx: Transaction, stix_ids: Collection[str]) -> dict[str, int]:
    """The numbers of the ids that are known; unknown ones are left out."""
    found: dict[str, int] = {}
    for part in parts(sorted(stix_ids)):
        found.update((row[0], row[1]) for row in tx.execute(_IDENTS_OF, {"ids": part}))
    return found


def number_idents(tx: Transaction, stix_ids: Collection[str]) -> tuple[dict[str, int], set[int]]:
    """Numbers for all ids, new ones inserted in order; and which of the numbers are new."""
    found = idents_of(tx, stix_ids)
    missing = sorted(set(stix_ids) - found.keys())
    if not missing:
        return found, set()
    nums = reserve_ids(tx, identifiers, len(missing))
    insert_rows(
        tx, (identifiers.c.num, identifiers.c.stix_id), list(zip(nums, missing, strict=True))
    )
    found.update(zip(missing, nums, strict=True))
    return found, set(nums)


def store_renditions(tx: Transaction, bodies: Mapping[bytes, bytes]) -> dict[bytes, int]:
    """Bytes by digest -> rendition ids; each stored once.

    `bodies` maps SHA-256 digests to canonical UTF-8 JSON.
    """
    found: dict[bytes, int] = {}
    for part in parts(sorted(bodies)):
        found.update(
            (bytes(row[0]), row[1]) for row in tx.execute(_RENDITIONS_OF, {"digests": part})
        )
    missing = [digest for digest in bodies if digest not in found]
    if missing:
        ids = reserve_ids(tx, renditions, len(missing))
        c = renditions.c
        insert_rows(
            tx,
            (c.id, c.digest, c.body, c.size),
            [
                (number, digest, bodies[digest].decode("utf-8"), len(bodies[digest]))
                for number, digest in zip(ids, missing, strict=True)
            ],
        )
        found.update(zip(missing, ids, strict=True))
    return found


def insert_versions(
    tx: Transaction, news: Sequence[NewVersion], *, stored_at: int, ledger_line: int
) -> None:
    """Store new versions and what they refer to."""
    if not news:
        return
    c = objects.c
    insert_rows(
        tx,
        (
            c.id, c.ident, c.type, c.version, c.version_key, c.origin, c.rendition, c.sameness,
            c.creator, c.revoked, c.observable, c.status, c.stored_at, c.salt, c.ledger_line,
        ),
        [
            (
                new.id, new.ident, new.type, new.version, new.version_key, new.origin,
                new.rendition, new.sameness, new.creator, new.revoked, new.observable,
                new.status.value, stored_at, new.salt, ledger_line,
            )
            for new in news
        ],
    )  # fmt: skip
    insert_rows(
        tx,
        (references.c.source, references.c.target, references.c.role),
        [(new.id, target, role) for new in news for target, role in new.references],
    )


def join_collection(
    tx: Transaction, object_ids: Sequence[int], *, collection: int, at: int
) -> None:
    """Make versions members of a collection that they are not in yet."""
    c = memberships.c
    insert_rows(
        tx,
        (c.object, c.collection, c.added_at),
        [(number, collection, at) for number in object_ids],
    )


def take_back(
    tx: Transaction,
    object_ids: Sequence[int],
    *,
    collection: int | None,
    by: int,
    at: int,
) -> int:
    """Mark memberships as taken back (in one collection, or in all); how many were not so before."""
    changed = 0
    for part in parts(object_ids):
        statement = (
            update(memberships)
            .where(memberships.c.object.in_(part), memberships.c.taken_back_at.is_(None))
            .values(taken_back_at=at, taken_back_by=by)
        )
        if collection is not None:
            statement = statement.where(memberships.c.collection == collection)
        changed += tx.execute(statement).rowcount
    return changed


def put_back(tx: Transaction, object_id: int, *, collection: int, at: int) -> None:
    """Its owner posts again what it had taken back (DECISIONS 6)."""
    tx.execute(
        update(memberships)
        .where(memberships.c.object == object_id, memberships.c.collection == collection)
        .values(taken_back_at=None, taken_back_by=None, added_at=at)
    )


def block(tx: Transaction, ident: int, *, at: int | None) -> None:
    """Keep a cyber-observable out of every view, or free it again (`at` None) (DECISIONS 5)."""
    tx.execute(update(identifiers).where(identifiers.c.num == ident).values(blocked_at=at))


def blocked(tx: Transaction, idents: Collection[int]) -> set[int]:
    """Which of these ids the desk blocked."""
    found: set[int] = set()
    for part in parts(idents):
        found.update(tx.execute(_BLOCKED, {"idents": part}).scalars())
    return found


def promote(tx: Transaction, object_id: int) -> None:
    """A proposal counts from now on: its sender may bring it by now."""
    tx.execute(
        update(objects).where(objects.c.id == object_id).values(status=ObjectStatus.ACCEPTED.value)
    )


def rendition_of(tx: Transaction, object_id: int) -> tuple[int, bytes]:
    """The rendition id and digest of a version."""
    row = tx.execute(
        select(renditions.c.id, renditions.c.digest)
        .join(objects, objects.c.rendition == renditions.c.id)
        .where(objects.c.id == object_id)
    ).one()
    return int(row[0]), bytes(row[1])


def keep_refused(
    tx: Transaction,
    *,
    origin: int,
    collection: int | None,
    kind: str,
    stix_id: str | None,
    version: str | None,
    reason: str,
    raw: str | None,
    at: int,
) -> None:
    """Put what was not taken into quarantine, with its reason."""
    tx.execute(
        insert(quarantine).values(
            origin=origin, collection=collection, kind=kind, stix_id=stix_id, version=version,
            reason=reason, raw=raw, at=at,
        )
    )  # fmt: skip
