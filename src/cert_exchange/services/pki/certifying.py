"""What our authority certifies for partners, and takes back.

1. A private key never travels: a partner sends a request, we send a certificate back.
2. A revocation is committed with its list: the next request on any connection meets the row, the next handshake in every
   process meets the list.
3. Issuing to a partner means that it must show a certificate from now on, unless it is said otherwise.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.remote import pki
from cert_exchange.services.ledger import record
from cert_exchange.services.pki.authorities import Signer, key_file, sign_list, signer, vault_of
from cert_exchange.store import credentials as credential_rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import pki as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.partners import PartnerRow
from cert_exchange.store.pki import CertificateRow

CERTIFICATE_LIFETIME: Final = timedelta(days=90)
LONGEST: Final = timedelta(days=398)


def partner_of(tx: Transaction, name: str) -> PartnerRow:
    """The partner of this name. Raises NotFound."""
    found = partner_rows.find_partner(tx, name)
    if found is None:
        names = ", ".join(row.name for row in partner_rows.every_partner(tx))
        raise NotFound(f"there is no partner {name!r}; there are: {names or 'none yet'}.")
    return found


def check_lifetime(lifetime: timedelta) -> None:
    """Certificates live short. Raises ConfigurationInvalid."""
    if not timedelta(hours=1) <= lifetime <= LONGEST:
        raise ConfigurationInvalid(
            f"a certificate lives from an hour to {LONGEST.days} days, not {lifetime}; a short one that is"
            " renewed in time is the better one."
        )


def issue_for_partner(
    node: Node,
    name: str,
    request: bytes,
    *,
    lifetime: timedelta = CERTIFICATE_LIFETIME,
    required: bool = True,
    by: str = "administrator",
) -> tuple[pki.Described, str]:
    """Certify a partner's key for connecting to us; returns what it says and its PEM.

    Older certificates of it stay valid, so that a change needs no pause. Raises ConfigurationInvalid, NotFound.
    """
    check_lifetime(lifetime)
    asked = pki.read_request(request, what="the request")
    now = node.now()
    by_whom = signer(node)
    certificate = pki.issue(
        asked.public_key(), name, "client",
        hosts=(), authority=by_whom.certificate, key=by_whom.key, at=now, lifetime=lifetime,
    )  # fmt: skip
    described, text = pki.describe(certificate), pki.pem(certificate)

    def work(tx: Transaction) -> None:
        partner = partner_of(tx, name)
        note_issued(tx, by_whom, described, text, partner=partner, purpose="client", now=now, by=by)
        if required:
            rows.require_certificate(tx, partner.id, now)
        credential_rows.clear_failures(tx, partner.id)

    node.database.transact(work)
    return described, text


def note_issued(
    tx: Transaction,
    by_whom: Signer,
    described: pki.Described,
    text: str,
    *,
    partner: PartnerRow | None,
    purpose: pki.Purpose,
    now: int,
    by: str,
) -> None:
    """Write down a certificate that our authority signed, with its ledger line."""
    rows.insert_certificate(
        tx,
        CertificateRow(
            by_whom.row.fingerprint, described.serial, described.fingerprint,
            None if partner is None else partner.id, purpose, described.subject, text,
            now, described.ends_at, None, None,
        ),
    )  # fmt: skip
    facts: dict[str, Fact] = {
        "serial": described.serial,
        "fingerprint": described.fingerprint,
        "purpose": purpose,
        "expires_at": described.ends_at,
    }
    if partner is not None:
        facts["partner"] = partner.name
    record(tx, Line("certificate.issue", now, by, facts=facts))


def revoke(
    node: Node, serial: str, *, reason: pki.Reason = "unspecified", by: str = "administrator"
) -> CertificateRow:
    """Take a certificate of ours back, from the next request on. `serial`: its beginning, or that of its fingerprint.

    Raises NotFound.
    """
    now = node.now()
    wanted = serial.replace(" ", "").replace(":", "").lower()
    with node.database.reading() as tx:
        ours = {row.fingerprint: row for row in rows.every_authority(tx) if row.partner is None}
        found = [
            row
            for row in rows.every_certificate(tx)
            if row.authority in ours
            and len(wanted) >= 8
            and (row.serial.startswith(wanted) or (row.fingerprint or "").startswith(wanted))
        ]
    if len(found) != 1:
        raise NotFound(
            f"{serial!r} names {'no' if not found else 'more than one'} certificate of our authority;"
            " `cert-exchange pki show` shows serials and fingerprints."
        )
    row = found[0]
    signs = ours[row.authority].ended_at is None and vault_of(node).exists(key_file(row.authority))
    by_whom = signer(node, row.authority) if signs else None

    def work(tx: Transaction) -> None:
        if not rows.revoke_certificate(tx, row.authority, row.serial, at=now, reason=reason):
            raise NotFound(f"the certificate {row.serial} is revoked already.")
        if by_whom is not None:
            sign_list(tx, node, by_whom, now=now)
        facts: dict[str, Fact] = {"serial": row.serial, "reason": reason}
        record(tx, Line("certificate.revoke", now, by, facts=facts))

    node.database.transact(work)
    return row
