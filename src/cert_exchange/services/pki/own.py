"""This node's own certificates: for our server, and for us as a client of partners' servers.

1. Certificate and key stand in one file of the vault (`pki/NAME.pem`), replaced as a whole: whoever reads meanwhile has a
   pair that belongs together.
2. Each certificate has a new key; the key of a request waits (`pki/NAME.next.key`) until its certificate comes.
3. What our own authority signed is renewed by the worker when a third of its life is left, by the same authority while that
   lasts: a person changes over to the next one, once partners know it (`issue_own`). What a partner's authority
   signed needs a new request, of which `doctor` reminds in time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog
from cryptography import x509

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.remote import pki
from cert_exchange.services.ledger import record
from cert_exchange.services.pki.authorities import FOLDER, Signer, key_file, signer, vault_of
from cert_exchange.services.pki.certifying import CERTIFICATE_LIFETIME, check_lifetime, note_issued
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import pki as rows
from cert_exchange.store.database import Transaction

log = structlog.get_logger(__name__)

RENEW_AT: Final = 3
"""Renewed when the part of its life that is left is one in so many."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


def pair_file(name: str) -> str:
    """The name of a certificate with its key in the vault."""
    return f"{FOLDER}/{name}.pem"


def issue_own(
    node: Node,
    purpose: pki.Purpose,
    *,
    hosts: Sequence[str] = (),
    lifetime: timedelta = CERTIFICATE_LIFETIME,
    by: str = "administrator",
) -> pki.Described:
    """Make a key and certify it with our authority, for our server or for us as a client.

    Running servers and the next connections take it up by themselves. Raises ConfigurationInvalid, NotFound.
    """
    check_lifetime(lifetime)
    if purpose == "server" and not hosts:
        raise ConfigurationInvalid(
            "a server's certificate needs the host names or addresses that partners connect to: --host."
        )
    return _issue(node, signer(node), purpose, hosts, lifetime, by)


def _issue(
    node: Node,
    whom: Signer,
    purpose: pki.Purpose,
    hosts: Sequence[str],
    lifetime: timedelta,
    by: str,
) -> pki.Described:
    now = node.now()
    key = pki.new_key(node.settings.pki_algorithm)
    name = hosts[0] if hosts else node.settings.title
    certificate = pki.issue(
        key.public_key(), name, purpose,
        hosts=hosts, authority=whom.certificate, key=whom.key, at=now, lifetime=lifetime,
    )  # fmt: skip
    described, text = pki.describe(certificate), pki.pem(certificate)

    def work(tx: Transaction) -> None:
        note_issued(tx, whom, described, text, partner=None, purpose=purpose, now=now, by=by)

    node.database.transact(work)
    # Written down before it is used: a kill in between leaves a certificate that nobody holds the key of.
    vault_of(node).write(pair_file(purpose), text.encode("ascii") + pki.key_pem(key))
    return described


def request(node: Node, name: str, *, hosts: Sequence[str] = ()) -> str:
    """Make a key and a request for another side's authority to sign (rule 2); returns the request in PEM.

    Raises ConfigurationInvalid.
    """
    _check_name(name)
    key = pki.new_key(node.settings.pki_algorithm)
    asked = pki.make_request(node.settings.title, key, hosts=hosts)
    vault_of(node).write(f"{FOLDER}/{name}.next.key", pki.key_pem(key))
    return pki.pem(asked)


def accept(
    node: Node, name: str, certificate: bytes, *, by: str = "administrator"
) -> pki.Described:
    """Take up the certificate that another side's authority made of our request. Raises ConfigurationInvalid."""
    _check_name(name)
    found = pki.read_certificate(certificate, what="the certificate")
    described = pki.describe(found)
    vault, waiting = vault_of(node), f"{FOLDER}/{name}.next.key"
    if not vault.exists(waiting):
        raise ConfigurationInvalid(
            f"no request of the name {name} waits for its certificate; `cert-exchange pki request {name}`"
            " makes one."
        )
    key = pki.read_key(vault.read(waiting), what=waiting)
    if not pki.same_key(found.public_key(), key):
        raise ConfigurationInvalid(
            f"the certificate is of another key than the one that was asked for by `pki request {name}`."
        )
    now = node.now()
    if described.ends_at <= now:
        raise ConfigurationInvalid("the certificate has expired already; ask for a new one.")
    vault.write(pair_file(name), pki.pem(found).encode("ascii") + pki.key_pem(key))
    vault.remove(waiting)
    facts = {"name": name, "fingerprint": described.fingerprint, "issuer": described.issuer}
    node.database.transact(
        lambda tx: record(tx, Line("certificate.accept", now, by, facts=dict(facts)))
    )
    return described


def pairs(node: Node) -> dict[str, x509.Certificate]:
    """Our own certificates by name."""
    vault = vault_of(node)
    return {
        name.removeprefix(f"{FOLDER}/").removesuffix(".pem"): _certificate(vault.read(name), name)
        for name in vault.names()
        if name.startswith(f"{FOLDER}/") and name.endswith(".pem")
    }


def _certificate(raw: bytes, name: str) -> x509.Certificate:
    head, end, _ = raw.partition(b"-----END CERTIFICATE-----")
    return pki.read_certificate(head + end, what=name)


def renew_due(node: Node, *, at_once: bool = False, by: str = "node") -> list[pki.Described]:
    """Renew what our own authority signed and what is due (rule 3), or all of it; returns what was made."""
    now = node.now()
    made = []
    with node.database.reading() as tx:
        ours = {row.fingerprint: row.ends_at for row in rows.in_force(tx) if row.partner is None}
        known = {
            row.fingerprint: row for row in rows.every_certificate(tx) if row.authority in ours
        }
    for name, certificate in pairs(node).items():
        described = pki.describe(certificate)
        row = known.get(described.fingerprint)
        if row is None or name not in ("server", "client"):
            continue
        lifetime = described.ends_at - row.issued_at
        if not at_once and (described.ends_at - now) * RENEW_AT > lifetime:
            continue
        if not vault_of(node).exists(key_file(row.authority)):
            continue  # the authority's key is on another machine: that one renews
        purpose: pki.Purpose = "server" if row.purpose == "server" else "client"
        lives = timedelta(microseconds=max(lifetime, 3_600_000_000))
        lasts = ours[row.authority] > now + lives // timedelta(microseconds=1)
        whom = signer(node, row.authority if lasts else None)
        made.append(_issue(node, whom, purpose, described.hosts, lives, by))
        log.info("certificate renewed", purpose=purpose, serial=made[-1].serial)
    return made


def leaning_on(node: Node, fingerprint: str) -> tuple[str, ...]:
    """Who is cut off when this authority of ours is retired: our server or client, and partners by name.

    `fingerprint`: its beginning. A partner that holds a certificate of another authority of ours goes on.
    """
    now = node.now()
    wanted = fingerprint.replace(" ", "").replace(":", "").lower()
    with node.database.reading() as tx:
        ours = {row.fingerprint for row in rows.in_force(tx) if row.partner is None}
        names = {row.id: row.name for row in partner_rows.every_partner(tx)}
        standing = [row for row in rows.standing(tx, now) if row.authority in ours]
    by_it = [row for row in standing if row.authority.startswith(wanted)]
    others = {row.partner for row in standing if not row.authority.startswith(wanted)}
    shown = {pki.describe(one).fingerprint: name for name, one in pairs(node).items()}
    own = [f"our {shown[row.fingerprint]}" for row in by_it if row.fingerprint in shown]
    partners = {names[row.partner] for row in by_it if row.partner and row.partner not in others}
    return (*own, *sorted(partners))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationInvalid(
            f"{name!r} is no name; give a-z, 0-9 and dashes, such as client."
        )
