"""Rows of credentials and lock-outs, and the one statement that recognises a caller.

1. The statement always finds one row, with the same joins, whether the credential exists or not: what it costs tells
   nothing.
2. It reads credential, partner, audience, lock-out and freezes in one snapshot; nothing of it is kept (DECISIONS 26).
3. Lock-outs count per partner and network; failures that name no credential count for partner 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, and_, bindparam, delete, func, insert, literal, select, update

from cert_exchange.store.database import Dialect, Transaction
from cert_exchange.store.freezes import is_frozen
from cert_exchange.store.pki import (
    SHOWN_AUTHORITY,
    SHOWN_CERTIFICATE,
    SHOWN_COLUMNS,
    Shown,
    shown_of,
)
from cert_exchange.store.raw import Prepared, prepare
from cert_exchange.store.tables import (
    Exact,
    audience_members,
    credentials,
    lockouts,
    partners,
)

NOBODY = 0
"""The partner of lock-outs for credentials that do not exist."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What the store knows about a credential id and the network it came from. `partner` None: no such credential."""

    partner: int | None
    digest: bytes | None
    expires_at: int | None
    revoked_at: int | None
    name: str | None
    suspended_at: int | None
    empty_objects_list: bool
    requests_per_minute: int
    audience: int | None
    failures: int
    locked_until: int
    frozen: bool
    """whether a freeze keeps everything that goes out from the partner"""
    shown: Shown
    """the certificate that came with it"""
    receiving_suspended: bool
    """nothing is taken from the partner"""
    networks: str | None
    """where the credential may come from, by blanks; None: from anywhere"""
    scoped: bool
    """its scope says what it may"""


def presented(
    dialect: Dialect,
    connection: Any,
    credential_id: str,
    network: str,
    certificate: tuple[str, str] = ("", ""),
) -> Presented:
    """Look a credential up, and the certificate beside it: one statement, one row.

    `connection` is that of `Database.raw_reader`; `certificate` names authority and serial, both empty without one.
    """
    authority, serial = certificate
    given = {
        "credential": credential_id,
        "network": network,
        "authority": authority,
        "serial": serial,
    }
    row = _presented(dialect).one(connection, given)
    if row is None:
        raise AssertionError("a statement over one constant row found none")
    shown, row = shown_of(row[: len(SHOWN_COLUMNS)]), row[len(SHOWN_COLUMNS) :]
    return Presented(
        row[0], None if row[1] is None else bytes(row[1]), row[2], row[3], row[4], row[5],
        bool(row[6]), row[7] or 0, row[8], row[9] or 0, row[10] or 0, bool(row[11]),
        shown,
        row[12] is not None, row[13], row[14] is not None,
    )  # fmt: skip


@lru_cache(maxsize=2)
def _presented(dialect: Dialect) -> Prepared:
    given = select(
        literal(1, Integer).label("one"),
    ).subquery("given")
    return prepare(
        select(
            *SHOWN_COLUMNS,
            credentials.c.partner,
            credentials.c.digest,
            credentials.c.expires_at,
            credentials.c.revoked_at,
            partners.c.name,
            partners.c.suspended_at,
            partners.c.empty_objects_list,
            partners.c.requests_per_minute,
            audience_members.c.audience,
            lockouts.c.failures,
            lockouts.c.locked_until,
            is_frozen(credentials.c.partner),
            partners.c.receiving_suspended_at,
            credentials.c.networks,
            credentials.c.scoped_at,
        )
        .select_from(given)
        .outerjoin(credentials, credentials.c.id == bindparam("credential", type_=Exact))
        .outerjoin(partners, partners.c.id == credentials.c.partner)
        .outerjoin(
            audience_members,
            and_(
                audience_members.c.partner == credentials.c.partner,
                audience_members.c.until.is_(None),
            ),
        )
        .outerjoin(
            lockouts,
            and_(
                lockouts.c.partner == func.coalesce(credentials.c.partner, NOBODY),
                lockouts.c.network == bindparam("network", type_=Exact),
            ),
        )
        .outerjoin(*SHOWN_CERTIFICATE)
        .outerjoin(*SHOWN_AUTHORITY),
        dialect,
    )


def partner_of(tx: Transaction, credential_id: str) -> int:
    """The partner of a credential, NOBODY when it does not exist."""
    found = tx.execute(
        select(credentials.c.partner).where(credentials.c.id == credential_id)
    ).scalar()
    return NOBODY if found is None else int(found)


def revoke_credential(tx: Transaction, credential_id: str, at: int) -> bool:
    """End a credential now; False when there is none that is in force."""
    return bool(
        tx.execute(
            update(credentials)
            .where(credentials.c.id == credential_id, credentials.c.revoked_at.is_(None))
            .values(revoked_at=at)
        ).rowcount
    )


def failures(tx: Transaction, partner: int, network: str) -> tuple[int, int, int]:
    """(failures, instant of the last, locked until) of a partner in a network, its row locked."""
    row = tx.execute(
        select(lockouts.c.failures, lockouts.c.last_failure_at, lockouts.c.locked_until)
        .where(lockouts.c.partner == partner, lockouts.c.network == network)
        .with_for_update()
    ).one_or_none()
    return (row[0], row[1], row[2]) if row else (0, 0, 0)


def locked_until(tx: Transaction, partner: int, network: str) -> int:
    """Until when (micros) a partner is locked out of a network; 0: it never was. Feeds are counted below 0."""
    found: int | None = tx.execute(
        select(lockouts.c.locked_until).where(
            lockouts.c.partner == partner, lockouts.c.network == network
        )
    ).scalar()
    return found or 0


def put_failures(
    tx: Transaction, partner: int, network: str, *, count: int, at: int, locked_until: int
) -> None:
    """Write the failures of a partner in a network."""
    values = {"failures": count, "last_failure_at": at, "locked_until": locked_until}
    changed = tx.execute(
        update(lockouts)
        .where(lockouts.c.partner == partner, lockouts.c.network == network)
        .values(values)
    ).rowcount
    if not changed:
        tx.execute(insert(lockouts).values(partner=partner, network=network, **values))


def forget_failures(tx: Transaction, *, before: int) -> None:
    """Drop rows whose last failure is older than `before`, so that outsiders cannot fill the table."""
    tx.execute(delete(lockouts).where(lockouts.c.last_failure_at < before))


def clear_failures(tx: Transaction, partner: int) -> None:
    """Lift all lock-outs of a partner."""
    tx.execute(delete(lockouts).where(lockouts.c.partner == partner))


def failures_of_all(tx: Transaction) -> dict[int, list[tuple[str, int, int, int]]]:
    """Partner -> (network, failures, instant of the last, locked until)."""
    found: dict[int, list[tuple[str, int, int, int]]] = {}
    for row in tx.execute(
        select(
            lockouts.c.partner,
            lockouts.c.network,
            lockouts.c.failures,
            lockouts.c.last_failure_at,
            lockouts.c.locked_until,
        ).order_by(lockouts.c.last_failure_at.desc())
    ):
        found.setdefault(row[0], []).append((row[1], row[2], row[3], row[4]))
    return found
