"""Rows of credentials as people manage them: issued, replaced, limited, last used.

1. The statement that recognises a caller is elsewhere (`credentials`); nothing here runs with a request.
2. A last use is exact to a minute, and only rises, whoever writes it in whatever order.
3. What a scope does not list is out of its credential's reach, also a collection that comes later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import (
    collections,
    credential_scopes,
    credential_uses,
    credentials,
)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a credential may do in one collection, as far as its partner may."""

    may_read: bool
    may_write: bool


@dataclass(frozen=True, slots=True)
class Life:
    """A credential without its secret. Instants are micros."""

    id: str
    partner: int
    issued_at: int
    expires_at: int | None
    label: str | None
    networks: str | None
    """where it may come from, by blanks; None: from anywhere"""
    replaces: str | None
    """the credential that it follows"""
    scope: Mapping[str, Reach] | None
    """collection (alias or UUID) -> what it may there; None: all that its partner may"""
    last_used_at: int | None
    last_network: str | None
    refused_at: int | None
    """when it last came, its secret right, from outside its networks"""
    refused_network: str | None


def insert_credential(
    tx: Transaction,
    credential_id: str,
    *,
    partner: int,
    digest: bytes,
    at: int,
    expires_at: int | None,
    label: str | None = None,
    networks: str | None = None,
    replaces: str | None = None,
    scope: Mapping[int, Reach] | None = None,
) -> None:
    """A new credential of a partner; `scope` by collections.id, None for all that the partner may."""
    tx.execute(
        insert(credentials).values(
            id=credential_id,
            partner=partner,
            digest=digest,
            issued_at=at,
            expires_at=expires_at,
            label=label,
            networks=networks,
            replaces=replaces,
            scoped_at=None if scope is None else at,
        )
    )
    if scope:
        tx.execute(
            insert(credential_scopes),
            [
                {
                    "credential": credential_id,
                    "collection": number,
                    "may_read": reach.may_read,
                    "may_write": reach.may_write,
                }
                for number, reach in sorted(scope.items())
            ],
        )


def end_credential(tx: Transaction, credential_id: str, at: int) -> None:
    """Let a credential end at an instant, unless it ends before."""
    tx.execute(
        update(credentials)
        .where(
            credentials.c.id == credential_id,
            or_(credentials.c.expires_at.is_(None), credentials.c.expires_at > at),
        )
        .values(expires_at=at)
    )


def scope_numbers(tx: Transaction, credential_id: str) -> dict[int, Reach] | None:
    """The scope of a credential by collections.id; None: all that its partner may."""
    scoped = tx.execute(
        select(credentials.c.scoped_at).where(credentials.c.id == credential_id)
    ).scalar()
    if scoped is None:
        return None
    rows = tx.execute(
        select(
            credential_scopes.c.collection,
            credential_scopes.c.may_read,
            credential_scopes.c.may_write,
        ).where(credential_scopes.c.credential == credential_id)
    )
    return {row[0]: Reach(bool(row[1]), bool(row[2])) for row in rows}


def lives(tx: Transaction, now: int, *, partner: int | None = None) -> dict[int, list[Life]]:
    """Partner -> its credentials in force, oldest first."""
    reaches: dict[str, dict[str, Reach]] = {}
    for row in tx.execute(
        select(
            credential_scopes.c.credential,
            func.coalesce(collections.c.alias, collections.c.uuid),
            credential_scopes.c.may_read,
            credential_scopes.c.may_write,
        ).join(collections, collections.c.id == credential_scopes.c.collection)
    ):
        reaches.setdefault(row[0], {})[row[1]] = Reach(bool(row[2]), bool(row[3]))
    wanted = (
        select(credentials, credential_uses)
        .outerjoin(credential_uses, credential_uses.c.credential == credentials.c.id)
        .where(
            credentials.c.revoked_at.is_(None),
            or_(credentials.c.expires_at.is_(None), credentials.c.expires_at > now),
        )
        .order_by(credentials.c.issued_at, credentials.c.id)
    )
    if partner is not None:
        wanted = wanted.where(credentials.c.partner == partner)
    found: dict[int, list[Life]] = {}
    for one in tx.execute(wanted).mappings():
        scope = None if one["scoped_at"] is None else reaches.get(one["id"], {})
        found.setdefault(one["partner"], []).append(_life(one, scope))
    return found


def _life(row: Mapping[Any, Any], scope: Mapping[str, Reach] | None) -> Life:
    return Life(
        row["id"],
        row["partner"],
        row["issued_at"],
        row["expires_at"],
        row["label"],
        row["networks"],
        row["replaces"],
        scope,
        row["last_used_at"],
        row["last_network"],
        row["refused_at"],
        row["refused_network"],
    )


def note_use(tx: Transaction, credential_id: str, *, network: str, at: int) -> None:
    """A credential was used from this network."""
    fresh = _insert(tx)(credential_uses).values(
        credential=credential_id, first_used_at=at, last_used_at=at, last_network=network
    )
    tx.execute(
        fresh.on_conflict_do_update(
            index_elements=[credential_uses.c.credential],
            set_={
                "first_used_at": func.coalesce(credential_uses.c.first_used_at, at),
                "last_used_at": at,
                "last_network": network,
            },
            where=func.coalesce(credential_uses.c.last_used_at, 0) < at,
        )
    )


def note_refused(tx: Transaction, credential_id: str, *, network: str, at: int) -> None:
    """A credential came, its secret right, from this network, which is none of its own."""
    fresh = _insert(tx)(credential_uses).values(
        credential=credential_id, refused_at=at, refused_network=network
    )
    tx.execute(
        fresh.on_conflict_do_update(
            index_elements=[credential_uses.c.credential],
            set_={"refused_at": at, "refused_network": network},
            where=func.coalesce(credential_uses.c.refused_at, 0) < at,
        )
    )


def _insert(tx: Transaction) -> Any:
    return postgresql_insert if tx.dialect.name == "postgresql" else sqlite_insert
