"""Our own certificate authorities and their revocation lists.

1. An authority's key is in the vault (`pki/ID.key`) before the authority is known, and never leaves this machine.
2. The newest one signs; older ones go on being believed until they end or a person retires them, so that partners
   change over one by one.
3. A list is signed while the authority's row is locked, with a number that only rises, and holds every revocation that
   was committed before. It is signed anew long before it ends: an expired one refuses everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from cryptography import x509

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.remote import pki
from cert_exchange.services.ledger import record
from cert_exchange.store import pki as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.pki import AuthorityRow
from cert_exchange.vault.files import SecretFiles

log = structlog.get_logger(__name__)

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
FOLDER: Final = "pki"
_MICRO: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Signer:
    """An authority of ours with its key."""

    row: AuthorityRow
    certificate: x509.Certificate
    key: pki.PrivateKey


def vault_of(node: Node) -> SecretFiles:
    """Where private keys are."""
    return node.secret_files


def init(
    node: Node,
    *,
    algorithm: pki.Algorithm | None = None,
    lifetime: timedelta = AUTHORITY_LIFETIME,
    another: bool = False,
    by: str = "administrator",
) -> pki.Described:
    """Make an authority of ours, with its first list. `another`: beside the one that there is, to change over.

    `algorithm` None: the node's setting. Raises ConfigurationInvalid.
    """
    now = node.now()
    with node.database.reading() as tx:
        before = [row for row in rows.in_force(tx) if row.partner is None and row.ends_at > now]
    if before and not another:
        raise ConfigurationInvalid(
            "this node has a certificate authority; to change over to a new one beside it give --another."
        )
    key = pki.new_key(algorithm or node.settings.pki_algorithm)
    # Two of one name could not be told apart by who reads a chain.
    name = f"{node.settings.title[:40]} CA {len(before) + 1}"
    certificate = pki.make_authority(name, key, at=now, lifetime=lifetime)
    described = pki.describe(certificate)
    vault_of(node).write(key_file(described.fingerprint), pki.key_pem(key))
    row = AuthorityRow(
        described.fingerprint, None, pki.pem(certificate), None, 0, None,
        named_only=True, ends_at=described.ends_at, added_at=now, ended_at=None,
    )  # fmt: skip

    def work(tx: Transaction) -> None:
        rows.insert_authority(tx, row)
        sign_list(tx, node, Signer(row, certificate, key), now=now)
        facts = {"fingerprint": described.fingerprint, "name": described.subject}
        record(tx, Line("pki.authority", now, by, facts=dict(facts)))

    node.database.transact(work)
    return described


def key_file(fingerprint: str) -> str:
    """The name of an authority's key in the vault."""
    return f"{FOLDER}/authority-{fingerprint[:16]}.key"


def signer(node: Node, fingerprint: str | None = None) -> Signer:
    """The authority of ours that signs, or the one of this name. Raises ConfigurationInvalid, NotFound."""
    now = node.now()
    with node.database.reading() as tx:
        ours = [row for row in rows.in_force(tx) if row.partner is None]
    if fingerprint is None:
        ours = [row for row in ours if row.ends_at > now]
    else:
        ours = [row for row in ours if row.fingerprint == fingerprint]
    if not ours:
        raise NotFound(
            "this node has no certificate authority; `cert-exchange pki init` makes one."
        )
    row = ours[-1]
    return _with_key(node, row)


def _with_key(node: Node, row: AuthorityRow) -> Signer:
    name = key_file(row.fingerprint)
    key = pki.read_key(vault_of(node).read(name), what=name)
    return Signer(row, _certificate(row), key)


def sign_list(tx: Transaction, node: Node, by: Signer, *, now: int) -> None:
    """Sign an authority's next list (rule 3)."""
    row = rows.lock_authority(tx, by.row.fingerprint)
    assert row is not None  # authorities are never deleted
    lifetime = timedelta(days=node.settings.crl_days)
    revoked = [
        (one.serial, one.revoked_at, one.reason)
        for one in rows.every_certificate(tx, row.fingerprint)
        if one.revoked_at is not None
    ]
    number = row.crl_number + 1
    crl = pki.make_list(by.certificate, by.key, revoked, number=number, at=now, lifetime=lifetime)
    assert crl.next_update_utc is not None  # we have just set it
    rows.put_list(
        tx,
        row.fingerprint,
        text=pki.pem(crl),
        number=number,
        ends_at=pki.instant_of(crl.next_update_utc),
    )


def renew_lists(node: Node, *, at_once: bool = False) -> int:
    """Sign anew the lists of our authorities that are past half their life; returns how many.

    `at_once`: all of them. An authority whose key is on another machine is left to that one.
    """
    now = node.now()
    half = timedelta(days=node.settings.crl_days) / 2 // _MICRO
    vault = vault_of(node)
    with node.database.reading() as tx:
        due = [
            row
            for row in rows.in_force(tx)
            if row.partner is None
            and row.ends_at > now
            and (at_once or row.crl_ends_at is None or row.crl_ends_at - now < half)
            and vault.exists(key_file(row.fingerprint))
        ]
    for row in due:
        by = _with_key(node, row)
        node.database.transact(lambda tx, by=by: sign_list(tx, node, by, now=now))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        log.info("revocation list signed", authority=row.fingerprint[:16])
    return len(due)


def retire(node: Node, fingerprint: str, *, by: str = "administrator") -> None:
    """Believe an older authority of ours no more; all that it signed is refused from now on. Raises NotFound."""
    now = node.now()

    def work(tx: Transaction) -> None:
        row = _find(tx, fingerprint)
        rows.end_authority(tx, row.fingerprint, now)
        record(tx, Line("pki.retire", now, by, facts={"fingerprint": row.fingerprint}))

    node.database.transact(work)


def _find(tx: Transaction, beginning: str) -> AuthorityRow:
    wanted = beginning.replace(" ", "").replace(":", "").lower()
    found = [
        row
        for row in rows.in_force(tx)
        if row.partner is None and len(wanted) >= 8 and row.fingerprint.startswith(wanted)
    ]
    if len(found) != 1:
        raise NotFound(
            f"{beginning!r} names no authority of ours; `cert-exchange pki show` shows their fingerprints."
        )
    return found[0]


def newest_list(node: Node) -> str:
    """The revocation lists of our authorities in PEM, to hand to partners that pin us. Raises NotFound."""
    with node.database.reading() as tx:
        texts = [
            row.crl for row in rows.in_force(tx) if row.partner is None and row.crl is not None
        ]
    if not texts:
        raise NotFound(
            "this node has no certificate authority; `cert-exchange pki init` makes one."
        )
    return "".join(texts)


def describe_own(node: Node) -> list[tuple[pki.Described, str]]:
    """Our authorities in force, oldest first, each with its certificate in PEM."""
    with node.database.reading() as tx:
        ours = [row for row in rows.in_force(tx) if row.partner is None]
    return [(pki.describe(_certificate(row)), row.certificate) for row in ours]


def _certificate(row: AuthorityRow) -> x509.Certificate:
    return pki.read_certificate(row.certificate.encode("ascii"), what="an authority")
