"""Object versions, their renditions, memberships and references.

1. A version is stored once, by (identifier, version, origin); its bytes once, by digest.
2. Nothing here decides: the caller says what is new (services.publishing) and who may see it (services.releasing).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Asked, Kept, among
from cert_exchange.store.tables import (
    ObjectStatus,
    identifiers,
    memberships,
    objects,
    quarantine,
    references,
    renditions,
)


class Version(NamedTuple):
    """One stored object version, without its bytes. A tuple, as the two below: one transaction makes thousands."""

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
    kept_out: bool = False
    """held at the way in: released nowhere until a person lets it in (`store.screening`)"""


class Membership(NamedTuple):
    """A version's place in a collection. Taken back: it is released nowhere in this collection."""

    object: int
    collection: int
    added_at: int
    taken_back_at: int | None
    taken_back_by: int | None


class NewVersion(NamedTuple):
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


_IDENTS_OF: Final = Kept(
    select(identifiers.c.stix_id, identifiers.c.num).where(among(identifiers.c.stix_id, "ids")),
    "ids",
)
_NUMBERS_OF: Final = Kept(
    select(identifiers.c.stix_id, identifiers.c.num, identifiers.c.barred_at).where(
        among(identifiers.c.stix_id, "ids")
    ),
    "ids",
)
_RENDITIONS_OF: Final = Kept(
    select(renditions.c.digest, renditions.c.id).where(among(renditions.c.digest, "digests")),
    "digests",
)
_BLOCKED: Final = Kept(
    select(identifiers.c.num).where(
        among(identifiers.c.num, "idents"), identifiers.c.blocked_at.is_not(None)
    ),
    "idents",
)
_TAKE_BACK = (
    update(memberships)
    .where(among(memberships.c.object, "objects"), memberships.c.taken_back_at.is_(None))
    .values(taken_back_at=bindparam("at"), taken_back_by=bindparam("by"))
    .returning(memberships.c.object)
)
_TAKE_BACK_EVERYWHERE: Final = Kept(_TAKE_BACK, "objects")
_TAKE_BACK_HERE: Final = Kept(
    _TAKE_BACK.where(memberships.c.collection == bindparam("place")), "objects"
)
_PUT_BACK: Final = Kept(
    update(memberships)
    .where(
        memberships.c.object == bindparam("number"),
        memberships.c.collection == bindparam("place"),
    )
    .values(taken_back_at=None, taken_back_by=None, added_at=bindparam("at"))
)


def ask_idents(tx: Transaction, stix_ids: Collection[str]) -> Asked:
    """(STIX id, number) of the ids that are known."""
    return _IDENTS_OF.ask_among(tx, "ids", sorted(stix_ids))


def ask_numbers(tx: Transaction, stix_ids: Collection[str]) -> Asked:
    """(STIX id, number, since when something of it is erased and barred) of the ids that are known."""
    return _NUMBERS_OF.ask_among(tx, "ids", sorted(stix_ids))


def ask_renditions(tx: Transaction, digests: Collection[bytes]) -> Asked:
    """(digest, rendition id) of the bytes that are stored."""
    return _RENDITIONS_OF.ask_among(tx, "digests", sorted(digests))


def idents_of(tx: Transaction, stix_ids: Collection[str]) -> dict[str, int]:
    """The numbers of the ids that are known; unknown ones are left out."""
    return dict(ask_idents(tx, stix_ids)())


def number_and_store(
    tx: Transaction,
    stix_ids: Collection[str],
    bodies: Mapping[bytes, bytes],
    known_ids: Mapping[str, int],
    known_bodies: Mapping[bytes, int],
    reserved: tuple[Sequence[int], Sequence[int]],
) -> tuple[dict[str, int], set[int], dict[bytes, int]]:
    """Numbers for all ids, which of them are new, and rendition ids by digest; what is new is inserted in order.

    `bodies` maps SHA-256 digests to canonical UTF-8 JSON; the known ones are what `ask_idents` and `ask_renditions` said,
    and `reserved` are enough new numbers for both, read before anything was inserted.
    """
    new_ids = sorted(set(stix_ids) - known_ids.keys())
    new_bodies = [digest for digest in bodies if digest not in known_bodies]
    nums, numbers = reserved[0][: len(new_ids)], reserved[1][: len(new_bodies)]
    insert_rows(
        tx, (identifiers.c.num, identifiers.c.stix_id), list(zip(nums, new_ids, strict=True))
    )
    c = renditions.c
    insert_rows(
        tx,
        (c.id, c.digest, c.body, c.size),
        [
            (number, digest, bodies[digest].decode("utf-8"), len(bodies[digest]))
            for number, digest in zip(numbers, new_bodies, strict=True)
        ],
    )
    idents = {**known_ids, **dict(zip(new_ids, nums, strict=True))}
    return idents, set(nums), {**known_bodies, **dict(zip(new_bodies, numbers, strict=True))}


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
    if collection is None:
        taken = _TAKE_BACK_EVERYWHERE.among(tx, "objects", object_ids, at=at, by=by)
    else:
        taken = _TAKE_BACK_HERE.among(tx, "objects", object_ids, at=at, by=by, place=collection)
    return sum(1 for _ in taken)


def put_back(tx: Transaction, object_id: int, *, collection: int, at: int) -> None:
    """Its owner posts again what it had taken back (DECISIONS 6)."""
    _PUT_BACK.run(tx, {"number": object_id, "place": collection, "at": at})


def block(tx: Transaction, ident: int, *, at: int | None) -> None:
    """Keep a cyber-observable out of every view, or free it again (`at` None) (DECISIONS 5)."""
    tx.execute(update(identifiers).where(identifiers.c.num == ident).values(blocked_at=at))


def ask_blocked(tx: Transaction, idents: Collection[int]) -> Asked:
    """Which of these ids the desk blocked: rows of (number,)."""
    return _BLOCKED.ask_among(tx, "idents", idents)


def blocked(tx: Transaction, ident: int) -> bool:
    """Whether the desk blocked this id."""
    return bool(ask_blocked(tx, [ident])())


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
