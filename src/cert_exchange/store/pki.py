"""Rows of certificate authorities and certificates, and what one request's statement reads of them.

1. An authority belongs to us (no partner) or is pinned to exactly one partner; it is never deleted, only ended.
2. Whoever changes what is believed counts `TRUST` up in the same transaction: servers look at it every second.
3. A revocation stands in a certificate's row before any list is signed, so that the next request already meets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, insert, select, update

from cert_exchange.store import facts
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import Exact, authorities, certificates, partners

TRUST: Final = "trust"
"""The fact that counts changes of what is believed."""


@dataclass(frozen=True, slots=True)
class AuthorityRow:
    """An authority. `partner` None: ours."""

    fingerprint: str
    partner: int | None
    certificate: str
    crl: str | None
    crl_number: int
    crl_ends_at: int | None
    named_only: bool
    ends_at: int
    added_at: int
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """A certificate that one of the authorities signed. `partner` None: this node's own."""

    authority: str
    serial: str
    fingerprint: str | None
    partner: int | None
    purpose: str
    subject: str
    certificate: str | None
    issued_at: int
    ends_at: int | None
    revoked_at: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the store knows of the certificate that a request showed, beside the partner that its credential names."""

    required_since: int | None
    """since when the partner must show one"""
    certificate_partner: int | None
    fingerprint: str | None
    revoked_at: int | None
    ends_at: int | None
    authority: str | None
    authority_partner: int | None
    authority_ended_at: int | None
    named_only: bool
    crl_ends_at: int | None


SHOWN_COLUMNS: Final[tuple[ColumnElement[Any], ...]] = (
    partners.c.certificates_since,
    certificates.c.partner,
    certificates.c.fingerprint,
    certificates.c.revoked_at,
    certificates.c.ends_at,
    authorities.c.fingerprint,
    authorities.c.partner,
    authorities.c.ended_at,
    authorities.c.named_only,
    authorities.c.crl_ends_at,
)
"""What the statement that recognises a caller reads besides; `shown_of` takes these columns."""
_AUTHORITY: Final = bindparam("authority", type_=Exact)
SHOWN_CERTIFICATE: Final = (
    certificates,
    and_(
        certificates.c.authority == _AUTHORITY,
        certificates.c.serial == bindparam("serial", type_=Exact),
    ),
)
"""Joined for SHOWN_COLUMNS; the parameters `authority` and `serial` are empty when no certificate is shown."""
SHOWN_AUTHORITY: Final = (authorities, authorities.c.fingerprint == _AUTHORITY)
"""Joined as well."""


def shown_of(values: Sequence[Any]) -> Shown:
    """The values of SHOWN_COLUMNS."""
    since, partner, fingerprint, revoked, ends, authority, pinned, ended, named, crl_ends = values
    return Shown(
        since, partner, fingerprint, revoked, ends, authority, pinned, ended, bool(named), crl_ends
    )


def insert_authority(tx: Transaction, row: AuthorityRow) -> None:
    """A new authority; no row has its fingerprint."""
    tx.execute(
        insert(authorities).values(
            fingerprint=row.fingerprint,
            partner=row.partner,
            certificate=row.certificate,
            crl=row.crl,
            crl_number=row.crl_number,
            crl_ends_at=row.crl_ends_at,
            named_only=row.named_only,
            ends_at=row.ends_at,
            added_at=row.added_at,
            ended_at=row.ended_at,
        )
    )
    count_change(tx)


def every_authority(tx: Transaction) -> list[AuthorityRow]:
    """All, oldest first, also those that ended."""
    rows = tx.execute(
        select(authorities).order_by(authorities.c.added_at, authorities.c.fingerprint)
    )
    return [AuthorityRow(*row) for row in rows]


def in_force(tx: Transaction) -> list[AuthorityRow]:
    """Those that nobody ended, oldest first."""
    return [row for row in every_authority(tx) if row.ended_at is None]


def end_authority(tx: Transaction, fingerprint: str, at: int) -> None:
    """Believe it no more."""
    tx.execute(
        update(authorities).where(authorities.c.fingerprint == fingerprint).values(ended_at=at)
    )
    count_change(tx)


def revive_authority(tx: Transaction, fingerprint: str, *, named_only: bool) -> None:
    """Believe it again, or otherwise."""
    tx.execute(
        update(authorities)
        .where(authorities.c.fingerprint == fingerprint)
        .values(ended_at=None, named_only=named_only)
    )
    count_change(tx)


def put_list(tx: Transaction, fingerprint: str, *, text: str, number: int, ends_at: int) -> None:
    """Write an authority's newest revocation list."""
    tx.execute(
        update(authorities)
        .where(authorities.c.fingerprint == fingerprint)
        .values(crl=text, crl_number=number, crl_ends_at=ends_at)
    )
    count_change(tx)


def lock_authority(tx: Transaction, fingerprint: str) -> AuthorityRow | None:
    """One authority, its row locked: lists of one authority are signed one after the other."""
    row = tx.execute(
        select(authorities).where(authorities.c.fingerprint == fingerprint).with_for_update()
    ).one_or_none()
    return None if row is None else AuthorityRow(*row)


def insert_certificate(tx: Transaction, row: CertificateRow) -> None:
    """A new certificate, or one that is named in a pinning."""
    tx.execute(
        insert(certificates).values(
            authority=row.authority,
            serial=row.serial,
            fingerprint=row.fingerprint,
            partner=row.partner,
            purpose=row.purpose,
            subject=row.subject,
            certificate=row.certificate,
            issued_at=row.issued_at,
            ends_at=row.ends_at,
            revoked_at=row.revoked_at,
            reason=row.reason,
        )
    )


def every_certificate(tx: Transaction, authority: str | None = None) -> list[CertificateRow]:
    """All certificates, or those of one authority, oldest first."""
    asked = select(certificates).order_by(certificates.c.issued_at, certificates.c.serial)
    if authority is not None:
        asked = asked.where(certificates.c.authority == authority)
    return [CertificateRow(*row) for row in tx.execute(asked)]


def standing(tx: Transaction, now: int) -> list[CertificateRow]:
    """The certificates that still let somebody in, oldest first: not revoked, not past their end, of an authority in force.

    One whose end nobody told us stands until it is revoked. The end itself still counts, as it does for a request.
    """
    believed = {row.fingerprint for row in in_force(tx) if row.ends_at > now}
    return [
        row
        for row in every_certificate(tx)
        if row.authority in believed
        and row.revoked_at is None
        and (row.ends_at is None or row.ends_at >= now)
    ]


def revoke_certificate(
    tx: Transaction, authority: str, serial: str, *, at: int, reason: str
) -> bool:
    """Mark it revoked; False when it was already, or is not known."""
    changed = tx.execute(
        update(certificates)
        .where(
            certificates.c.authority == authority,
            certificates.c.serial == serial,
            certificates.c.revoked_at.is_(None),
        )
        .values(revoked_at=at, reason=reason)
    ).rowcount
    count_change(tx)
    return bool(changed)


def require_certificate(tx: Transaction, partner: int, since: int | None) -> None:
    """From when on a partner must show a certificate; None: it need not."""
    tx.execute(update(partners).where(partners.c.id == partner).values(certificates_since=since))


def required_of(tx: Transaction) -> dict[str, int]:
    """Partner -> since when it must show a certificate."""
    rows = tx.execute(
        select(partners.c.name, partners.c.certificates_since).where(
            partners.c.certificates_since.is_not(None)
        )
    )
    return {row[0]: row[1] for row in rows}


def count_change(tx: Transaction) -> None:
    """Tell servers that what is believed changed (rule 2)."""
    facts.put_fact(tx, TRUST, str(int(facts.fact(tx, TRUST) or 0) + 1))


def changes(tx: Transaction) -> int:
    """How often what is believed changed."""
    return int(facts.fact(tx, TRUST) or 0)
