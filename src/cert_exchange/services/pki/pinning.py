"""Another side's authority is pinned to its partner, and believed for nothing and nobody else (DECISIONS 29).

1. An authority is pinned to one partner at most, and never one of ours.
2. Without a revocation list in time, nothing that it signed is accepted.
3. A list never goes back to an older one, and a serial that a list once named stays revoked.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.remote import pki
from cert_exchange.services.ledger import record
from cert_exchange.services.pki.certifying import partner_of
from cert_exchange.store import credentials as credential_rows
from cert_exchange.store import pki as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.pki import AuthorityRow, CertificateRow


def pin(
    node: Node,
    name: str,
    authority: bytes,
    *,
    crl: bytes | None = None,
    only: Sequence[bytes] = (),
    required: bool = True,
    by: str = "administrator",
) -> pki.Described:
    """Believe a partner's authority for this partner alone; with `only`, just these certificates of it.

    `required`: the partner gets nothing without a certificate from now on. Raises ConfigurationInvalid, NotFound.
    """
    certificate = pki.read_certificate(authority, what="the authority's certificate")
    described = pki.describe(certificate)
    if not described.authority:
        raise ConfigurationInvalid(
            "the certificate is no authority's; pin the one that signed it, and name it by --only."
        )
    now = node.now()
    if described.ends_at <= now:
        raise ConfigurationInvalid("the authority's certificate has expired.")
    named = [_named(one, certificate) for one in only]
    read = None if crl is None else _in_time(node, crl, certificate)

    def work(tx: Transaction) -> None:
        partner = partner_of(tx, name)
        before = rows.lock_authority(tx, described.fingerprint)
        if before is not None and before.partner != partner.id:
            raise ConfigurationInvalid(
                "this authority is "
                + ("our own" if before.partner is None else "pinned to another partner already")
                + "; nobody else is believed by it."
            )
        if before is None:
            rows.insert_authority(
                tx,
                AuthorityRow(
                    described.fingerprint, partner.id, pki.pem(certificate), None, 0, None,
                    named_only=bool(named), ends_at=described.ends_at, added_at=now, ended_at=None,
                ),
            )  # fmt: skip
        else:
            rows.revive_authority(tx, described.fingerprint, named_only=bool(named))
        _name(tx, described.fingerprint, partner.id, named, now=now)
        if read is not None:
            _take(tx, described.fingerprint, read, now=now)
        if required:
            rows.require_certificate(tx, partner.id, now)
        credential_rows.clear_failures(tx, partner.id)
        facts: dict[str, Fact] = {"partner": name, "fingerprint": described.fingerprint}
        if named:
            facts["only"] = sorted(one.fingerprint for one in named)
        record(tx, Line("pki.pin", now, by, facts=facts))

    node.database.transact(work)
    return described


def _named(raw: bytes, authority: x509.Certificate) -> pki.Described:
    one = pki.read_certificate(raw, what="the certificate of --only")
    try:
        one.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise ConfigurationInvalid(
            "the certificate of --only is not signed by the authority that is pinned with it."
        ) from None
    return pki.describe(one)


def _name(
    tx: Transaction, authority: str, partner: int, named: Sequence[pki.Described], *, now: int
) -> None:
    known = {row.serial for row in rows.every_certificate(tx, authority)}
    for one in named:
        if one.serial not in known:
            rows.insert_certificate(
                tx,
                CertificateRow(
                    authority, one.serial, one.fingerprint, partner, "client", one.subject, None,
                    now, one.ends_at, None, None,
                ),
            )  # fmt: skip


def new_list(node: Node, name: str, crl: bytes, *, by: str = "administrator") -> int:
    """Take a partner's newer revocation list; returns how many certificates it names. Raises ConfigurationInvalid."""
    now = node.now()
    with node.database.reading() as tx:
        partner = partner_of(tx, name)
        pinned = [row for row in rows.in_force(tx) if row.partner == partner.id]
    if not pinned:
        raise NotFound(f"no authority is pinned to {name}; `cert-exchange pki pin` does that.")
    row, read = _signed_by_one(node, crl, pinned)

    def work(tx: Transaction) -> None:
        _take(tx, row.fingerprint, read, now=now)
        facts: dict[str, Fact] = {
            "partner": name,
            "fingerprint": row.fingerprint,
            "number": pki.list_number(read),
        }
        record(tx, Line("pki.list", now, by, facts=facts))

    node.database.transact(work)
    return len(list(read))


def _signed_by_one(
    node: Node, crl: bytes, pinned: Sequence[AuthorityRow]
) -> tuple[AuthorityRow, x509.CertificateRevocationList]:
    refused: ConfigurationInvalid | None = None
    for row in pinned:
        authority = pki.read_certificate(row.certificate.encode("ascii"), what="an authority")
        try:
            return row, _in_time(node, crl, authority)
        except ConfigurationInvalid as error:
            refused = error
    assert refused is not None  # there was at least one
    raise refused


def _in_time(node: Node, crl: bytes, authority: x509.Certificate) -> x509.CertificateRevocationList:
    read = pki.read_list(crl, authority, what="the revocation list")
    assert read.next_update_utc is not None  # `read_list` refuses one without
    if pki.instant_of(read.next_update_utc) <= node.now():
        raise ConfigurationInvalid(
            "the revocation list has expired; ask the partner for the newest one."
        )
    return read


def _take(
    tx: Transaction, authority: str, crl: x509.CertificateRevocationList, *, now: int
) -> None:
    """Write a list and what it names (rule 3)."""
    row = rows.lock_authority(tx, authority)
    assert row is not None  # the caller has it
    assert crl.next_update_utc is not None  # `read_list` refuses one without
    number, ends_at = pki.list_number(crl), pki.instant_of(crl.next_update_utc)
    _check_newer(row, number, ends_at)
    known = {one.serial: one for one in rows.every_certificate(tx, authority)}
    for entry in crl:
        serial = f"{entry.serial_number:x}"
        if serial in known:
            rows.revoke_certificate(tx, authority, serial, at=now, reason="listed")
        else:
            rows.insert_certificate(
                tx,
                CertificateRow(
                    authority,
                    serial,
                    None,
                    row.partner,
                    "listed",
                    "",
                    None,
                    now,
                    None,
                    now,
                    "listed",
                ),
            )
    rows.put_list(tx, authority, text=pki.pem(crl), number=number, ends_at=ends_at)


def _check_newer(row: AuthorityRow, number: int, ends_at: int) -> None:
    if (number, ends_at) < (row.crl_number, row.crl_ends_at or 0):
        raise ConfigurationInvalid(
            f"the revocation list (number {number}) is older than the one that is here"
            f" (number {row.crl_number}); an older list would bring back what was revoked since."
        )


def unpin(node: Node, name: str, *, by: str = "administrator") -> int:
    """Believe none of a partner's authorities any more; returns how many that were. Raises NotFound.

    The partner must still show a certificate, if it had to: whoever wants it otherwise says so by `require`.
    """
    now = node.now()

    def work(tx: Transaction) -> int:
        partner = partner_of(tx, name)
        pinned = [row for row in rows.in_force(tx) if row.partner == partner.id]
        if not pinned:
            raise NotFound(f"no authority is pinned to {name}.")
        for row in pinned:
            rows.end_authority(tx, row.fingerprint, now)
            facts: dict[str, Fact] = {"partner": name, "fingerprint": row.fingerprint}
            record(tx, Line("pki.unpin", now, by, facts=facts))
        return len(pinned)

    return node.database.transact(work)


def require(node: Node, name: str, *, required: bool, by: str = "administrator") -> None:
    """Say whether a partner must show a certificate, besides its credential. Raises NotFound."""
    now = node.now()

    def work(tx: Transaction) -> None:
        partner = partner_of(tx, name)
        rows.require_certificate(tx, partner.id, now if required else None)
        facts: dict[str, Fact] = {"partner": name, "required": "yes" if required else "no"}
        record(tx, Line("pki.require", now, by, facts=facts))

    node.database.transact(work)
