"""The public keys that are pinned to a partner: whose signatures we take as its own.

1. A key is pinned by a person, or vouched for by a pinned key that counts; nothing else makes one count.
2. A key is never deleted: old statements must verify for ever. It ends by its `until`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from cert_exchange.messages.keys import VerifyingKey
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Kept
from cert_exchange.store.tables import partner_keys, partners


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A partner's public key as it is pinned. Instants are micros."""

    partner: str
    key: VerifyingKey
    pinned_at: int
    vouched_by: str | None
    """the name of the key that vouched for it; None: a person compared it"""


_C: Final = partner_keys.c
_KEYS_OF: Final = Kept(
    select(_C.kid, _C.public, _C.since, _C.until)
    .where(_C.partner == bindparam("partner"))
    .order_by(_C.pinned_at.desc(), _C.kid)
)


def keys_of(tx: Transaction, partner: int) -> tuple[VerifyingKey, ...]:
    """All keys of a partner, the newest pinned first, also those whose time is over."""
    rows = _KEYS_OF.rows(tx, {"partner": partner})
    return tuple(VerifyingKey(row[0], bytes(row[1]), row[2], row[3]) for row in rows)


def every_key(tx: Transaction) -> tuple[PinnedKey, ...]:
    """All pinned keys, by partner's name, the newest first."""
    c = partner_keys.c
    rows = tx.execute(
        select(partners.c.name, c.kid, c.public, c.since, c.until, c.pinned_at, c.vouched_by)
        .join(partners, partners.c.id == c.partner)
        .order_by(partners.c.name, c.pinned_at.desc(), c.kid)
    )
    return tuple(
        PinnedKey(row[0], VerifyingKey(row[1], bytes(row[2]), row[3], row[4]), row[5], row[6])
        for row in rows
    )


def pin(
    tx: Transaction, partner: int, key: VerifyingKey, *, now: int, vouched_by: str | None = None
) -> bool:
    """Pin a key to a partner; False where it is pinned already, and then nothing changes."""
    c = partner_keys.c
    if tx.execute(select(c.kid).where(c.partner == partner, c.kid == key.kid)).first() is not None:
        return False
    tx.execute(
        insert(partner_keys).values(
            partner=partner,
            kid=key.kid,
            public=key.public,
            since=key.since,
            until=key.until,
            pinned_at=now,
            vouched_by=vouched_by,
        )
    )
    return True


def extend(tx: Transaction, partner: int, kid: str, *, until: int) -> None:
    """Let a key that ended count again until then."""
    c = partner_keys.c
    tx.execute(update(partner_keys).where(c.partner == partner, c.kid == kid).values(until=until))


def end(tx: Transaction, partner: int, kid: str, *, until: int) -> bool:
    """Let a key count until then and no longer; False where there is none such, or it ends earlier already."""
    c = partner_keys.c
    moved = tx.execute(
        update(partner_keys)
        .where(c.partner == partner, c.kid == kid, (c.until.is_(None)) | (c.until > until))
        .values(until=until)
    ).rowcount
    return moved == 1
