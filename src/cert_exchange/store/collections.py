"""Rows of collections and of who may read and write them. Declared by files; services.collections brings both together.

1. A collection is never deleted: one whose file is gone is retired, and its log stays.
2. Names are looked up by UUID in any letter case, or by alias; an alias never looks like a UUID.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, insert, or_, select, update

from cert_exchange.store.database import Transaction, reserve_ids
from cert_exchange.store.statements import Kept
from cert_exchange.store.tables import collection_rights, collections, partners


@dataclass(frozen=True, slots=True)
class Declared:
    """A collection as its file declared it."""

    id: int
    uuid: str
    alias: str | None
    title: str
    description: str | None
    file_digest: bytes
    retired_at: int | None


_ROW = select(
    collections.c.id,
    collections.c.uuid,
    collections.c.alias,
    collections.c.title,
    collections.c.description,
    collections.c.file_digest,
    collections.c.retired_at,
)

_FIND: Final = Kept(
    _ROW.where(
        or_(collections.c.uuid == bindparam("uuid_"), collections.c.alias == bindparam("alias_"))
    ).order_by(collections.c.retired_at.is_not(None), collections.c.id)
)


def declared(tx: Transaction) -> dict[str, Declared]:
    """Every collection by its UUID, retired ones too."""
    rows = tx.execute(_ROW.order_by(collections.c.uuid))
    return {row[1]: Declared(*row[:5], bytes(row[5]), row[6]) for row in rows}


def find_collection(tx: Transaction, name: str, *, retired: bool = False) -> Declared | None:
    """The collection of this UUID or alias: one in force, or, with `retired`, also one that was."""
    for number, uuid, alias, title, description, digest, retired_at in _FIND.rows(
        tx, {"uuid_": name.lower(), "alias_": name}
    ):
        if retired or retired_at is None:
            return Declared(number, uuid, alias, title, description, bytes(digest), retired_at)
    return None


def collection_labels(tx: Transaction) -> list[str]:
    """What people call the collections in force: the alias, else the UUID."""
    rows = tx.execute(
        select(collections.c.alias, collections.c.uuid).where(collections.c.retired_at.is_(None))
    )
    return sorted(row[0] or row[1] for row in rows)


def put_collection(
    tx: Transaction,
    *,
    uuid: str,
    alias: str | None,
    title: str,
    description: str | None,
    file_digest: bytes,
) -> int:
    """Insert or update by UUID; one that was retired is in force again. Returns its id."""
    values = {
        "alias": alias,
        "title": title,
        "description": description,
        "file_digest": file_digest,
        "retired_at": None,
    }
    known = tx.execute(
        select(collections.c.id).where(collections.c.uuid == uuid).with_for_update()
    ).scalar()
    if known is not None:
        tx.execute(update(collections).where(collections.c.id == known).values(values))
        return int(known)
    number = reserve_ids(tx, collections, 1)[0]
    tx.execute(insert(collections).values(id=number, uuid=uuid, **values))
    return number


def clear_aliases(tx: Transaction, ids: Collection[int]) -> None:
    """Take the aliases away, so that they can move between collections within one transaction."""
    tx.execute(update(collections).where(collections.c.id.in_(list(ids))).values(alias=None))


def retire_collection(tx: Transaction, collection_id: int, at: int) -> None:
    """Its file is gone: nobody may read or write it; its alias is free."""
    tx.execute(
        update(collections)
        .where(collections.c.id == collection_id, collections.c.retired_at.is_(None))
        .values(retired_at=at, alias=None)
    )


def set_rights(
    tx: Transaction, collection_id: int, rights: Mapping[int, tuple[bool, bool]]
) -> bool:
    """Replace who may (read, write), by partner id; True when anything changed."""
    before = {
        row[0]: (bool(row[1]), bool(row[2]))
        for row in tx.execute(
            select(
                collection_rights.c.partner,
                collection_rights.c.may_read,
                collection_rights.c.may_write,
            ).where(collection_rights.c.collection == collection_id)
        )
    }
    if before == dict(rights):
        return False
    tx.execute(delete(collection_rights).where(collection_rights.c.collection == collection_id))
    if rights:
        tx.execute(
            insert(collection_rights),
            [
                {
                    "collection": collection_id,
                    "partner": partner,
                    "may_read": read,
                    "may_write": write,
                }
                for partner, (read, write) in sorted(rights.items())
            ],
        )
    return True


def partners_by_name(tx: Transaction) -> dict[str, int]:
    """Partner name -> id."""
    return {row[0]: row[1] for row in tx.execute(select(partners.c.name, partners.c.id))}


def may_write(tx: Transaction, collection_id: int, partner: int) -> bool:
    """Whether the collection's file lets this partner write into it."""
    found = tx.execute(
        select(collection_rights.c.may_write).where(
            collection_rights.c.collection == collection_id, collection_rights.c.partner == partner
        )
    ).scalar_one_or_none()
    return bool(found)


def may_read(tx: Transaction, collection_id: int, partner: int) -> bool:
    """Whether the collection's file lets this partner read it."""
    found = tx.execute(
        select(collection_rights.c.may_read).where(
            collection_rights.c.collection == collection_id, collection_rights.c.partner == partner
        )
    ).scalar_one_or_none()
    return bool(found)
