"""Rows of feeds: what each gives, what its readers log in with, and the numbers that rules keep.

1. A credential is kept as a keyed digest only. Revoked ones stay, so that what logs in with one can be named.
2. The serial of a feed rises when its entries change and never falls; who makes the same entries again finds the same.
3. A rule's number is given once and never again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import feed_credentials, feeds, rule_numbers

SERIALS: Final = 2**32


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One feed. `options` as the service wrote them; the instant in micros."""

    id: int
    name: str
    options: str
    made_at: int
    made_by: str
    serial: int


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """What a reader of a feed logs in with. Instants in micros."""

    id: str
    feed: int
    feed_name: str
    digest: bytes
    label: str | None
    networks: str | None
    issued_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None


_FEED = (
    feeds.c.id, feeds.c.name, feeds.c.options, feeds.c.made_at, feeds.c.made_by, feeds.c.serial
)  # fmt: skip
_c = feed_credentials.c


def listing(tx: Transaction) -> list[FeedRow]:
    """Every feed, by name."""
    return [FeedRow(*row) for row in tx.execute(select(*_FEED).order_by(feeds.c.name))]


def named(tx: Transaction, name: str) -> FeedRow | None:
    """The feed of this name."""
    row = tx.execute(select(*_FEED).where(feeds.c.name == name)).one_or_none()
    return None if row is None else FeedRow(*row)


def add(tx: Transaction, name: str, options: str, *, at: int, by: str) -> int:
    """Write a feed down; its number. The caller looked whether the name is free."""
    done = tx.execute(
        insert(feeds).values(name=name, options=options, made_at=at, made_by=by, serial=0)
    )
    (number,) = done.inserted_primary_key or (0,)
    return int(number)


def change(tx: Transaction, feed: int, options: str) -> None:
    """Give it other options; its readers and its serial stay."""
    tx.execute(update(feeds).where(feeds.c.id == feed).values(options=options, digest=None))


def remove(tx: Transaction, feed: int) -> None:
    """Forget a feed and what opened it."""
    tx.execute(delete(feed_credentials).where(_c.feed == feed))
    tx.execute(delete(feeds).where(feeds.c.id == feed))


def serial_of(tx: Transaction, feed: int, digest: bytes) -> int | None:
    """The serial of the feed where its entries are these; None where they changed."""
    found: int | None = tx.execute(
        select(feeds.c.serial).where(feeds.c.id == feed, feeds.c.digest == digest)
    ).scalar()
    return found


def settle(tx: Transaction, feed: int, digest: bytes, *, seconds: int) -> int:
    """Note the entries that are served now; the serial. `seconds`: since 1970, where a new one begins."""
    row = tx.execute(
        select(feeds.c.serial, feeds.c.digest).where(feeds.c.id == feed).with_for_update()
    ).one_or_none()
    if row is None:
        return seconds  # removed meanwhile: what was asked before is answered
    if row[1] is not None and bytes(row[1]) == digest:
        return int(row[0])
    fresh = max(seconds, int(row[0]) + 1) % SERIALS
    tx.execute(update(feeds).where(feeds.c.id == feed).values(digest=digest, serial=fresh))
    return fresh


def issue(
    tx: Transaction,
    credential: str,
    feed: int,
    digest: bytes,
    *,
    label: str | None,
    networks: str | None,
    at: int,
    expires_at: int | None,
) -> None:
    """Write a credential down."""
    tx.execute(
        insert(feed_credentials).values(
            id=credential, feed=feed, digest=digest, label=label, networks=networks, issued_at=at,
            expires_at=expires_at,
        )
    )  # fmt: skip


def credential(tx: Transaction, credential_id: str) -> CredentialRow | None:
    """The credential of this id, also one that is not valid."""
    row = tx.execute(_CREDENTIALS.where(_c.id == credential_id)).one_or_none()
    return None if row is None else CredentialRow(*tuple(row))


def credentials(tx: Transaction, feed: int | None = None) -> list[CredentialRow]:
    """The credentials that were not revoked, by feed, the newest first."""
    wanted = _CREDENTIALS.where(_c.revoked_at.is_(None))
    if feed is not None:
        wanted = wanted.where(_c.feed == feed)
    found = tx.execute(wanted.order_by(feeds.c.name, _c.issued_at.desc(), _c.id))
    return [CredentialRow(*tuple(row)) for row in found]


def revoke(tx: Transaction, credential_id: str, *, at: int) -> bool:
    """End a credential; False where it had ended or there is none."""
    return bool(
        tx.execute(
            update(feed_credentials)
            .where(_c.id == credential_id, _c.revoked_at.is_(None))
            .values(revoked_at=at)
        ).rowcount
    )


def note_use(tx: Transaction, credential_id: str, *, at: int) -> None:
    """Note that it logged in."""
    tx.execute(update(feed_credentials).where(_c.id == credential_id).values(last_used_at=at))


def numbers_of(tx: Transaction, keys: Collection[bytes]) -> dict[bytes, int]:
    """Key -> number of the rules that have one."""
    found: dict[bytes, int] = {}
    for part in parts(sorted(keys)):
        rows = tx.execute(
            select(rule_numbers.c.key, rule_numbers.c.number).where(rule_numbers.c.key.in_(part))
        )
        found.update((bytes(row[0]), row[1]) for row in rows)
    return found


def number_anew(tx: Transaction, keys: Collection[bytes]) -> dict[bytes, int]:
    """Give numbers to rules that have none; all of them, from 1 on, in the order of their keys."""
    found = numbers_of(tx, keys)
    fresh = sorted(set(keys) - found.keys())
    if fresh:
        # Two that count at once meet at the primary key, and the second is tried again.
        last = tx.execute(select(func.coalesce(func.max(rule_numbers.c.number), 0))).scalar_one()
        rows = [{"number": last + place, "key": key} for place, key in enumerate(fresh, 1)]
        tx.execute(insert(rule_numbers), rows)
        found.update((row["key"], row["number"]) for row in rows)
    return found


_CREDENTIALS = select(
    _c.id, _c.feed, feeds.c.name, _c.digest, _c.label, _c.networks, _c.issued_at, _c.expires_at, _c.revoked_at,
    _c.last_used_at,
).join(feeds, feeds.c.id == _c.feed)  # fmt: skip
