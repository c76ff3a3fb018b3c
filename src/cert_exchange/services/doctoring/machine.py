"""The machine under the node: files, disk, TLS, clock, database, ledger.

1. Looks and never mends: what it says to do is for a person to do.
2. Each check gives at least one finding, so that a reader sees what was looked at.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.services import pki
from cert_exchange.services.doctoring import certificates
from cert_exchange.services.doctoring.findings import Finding
from cert_exchange.store import figures

if TYPE_CHECKING:
    from cert_exchange.node import Node

GIB: Final = 1 << 30
DISK_LOW_BYTES: Final = 5 * GIB
DISK_FULL_BYTES: Final = GIB
CERTIFICATE_NOTE_DAYS: Final = 30
LEDGER_OPEN_LINES: Final = 1_000
"""The worker seals every few seconds: so many open lines mean that none runs."""

DURABLE: Final = {
    "sqlite": {"journal_mode": {"wal"}, "synchronous": {"2", "3"}, "foreign_keys": {"1"}},
    "postgresql": {
        "synchronous_commit": {"on", "remote_write", "remote_apply"},
        "fsync": {"on"},
        "full_page_writes": {"on"},
    },
}
"""What DESIGN invariant 2 rests on (SQLite: synchronous 2 is FULL, 3 EXTRA)."""


def examine(node: Node) -> list[Finding]:
    """Look at everything under the node."""
    return [
        finding
        for check in (_files, _disk, _certificate, certificates.examine, _clock, _database, _ledger)
        for finding in check(node)
    ]


def _files(node: Node) -> Iterator[Finding]:
    settings = node.settings
    for path in (settings.home, settings.path(settings.secrets_directory)):
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            yield Finding(
                "wrong", "files", f"{path} is open to others (mode {mode:o})", f"chmod 700 {path}"
            )
        else:
            yield Finding("ok", "files", f"{path} is closed to others")


def _disk(node: Node) -> Iterator[Finding]:
    free = shutil.disk_usage(node.settings.home).free
    told = f"{free / GIB:.1f} GiB free at {node.settings.home}"
    if free < DISK_FULL_BYTES:
        yield Finding("wrong", "disk", told, "make room now: a full disk refuses every write")
    elif free < DISK_LOW_BYTES:
        yield Finding("note", "disk", told, "make room soon")
    else:
        yield Finding("ok", "disk", told)


def _certificate(node: Node) -> Iterator[Finding]:
    settings = node.settings
    if settings.tls_certificate is None or settings.tls_key is None:
        yield Finding(
            "note", "TLS", "no certificate is set: the node listens on loopback only",
            "set tls_certificate and tls_key before partners connect",
        )  # fmt: skip
        return
    certificate_file, key_file = (
        settings.path(settings.tls_certificate),
        settings.path(settings.tls_key),
    )
    try:
        material = pki.load_material(settings)
        certificate = x509.load_pem_x509_certificate(material.certificate)
        key = load_pem_private_key(material.key, password=None)
    except (ConfigurationInvalid, OSError, ValueError, TypeError) as error:
        yield Finding(
            "wrong", "TLS", f"{certificate_file} and {key_file} cannot be read ({type(error).__name__})",
            "put a PEM certificate and its key without a password there",
        )  # fmt: skip
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        yield Finding(
            "wrong",
            "TLS",
            "the key does not belong to the certificate",
            "set the pair that belongs together",
        )
    yield from _expiry(node, certificate, certificate_file)
    if key_file.stat().st_mode & 0o077:
        yield Finding("wrong", "TLS", f"{key_file} is open to others", f"chmod 600 {key_file}")


def _expiry(node: Node, certificate: x509.Certificate, file: Path) -> Iterator[Finding]:
    now = datetime.fromtimestamp(node.now() / 1_000_000, UTC)
    days = (certificate.not_valid_after_utc - now).days
    if certificate.not_valid_after_utc <= now:
        yield Finding(
            "wrong",
            "TLS",
            f"{file} has expired",
            "install a new certificate; partners cannot connect",
        )
    elif certificate.not_valid_before_utc > now:
        yield Finding(
            "wrong", "TLS", f"{file} is not valid yet", "check the clock and the certificate"
        )
    elif days < CERTIFICATE_NOTE_DAYS:
        yield Finding("note", "TLS", f"{file} expires in {days} days", "renew it")
    else:
        yield Finding("ok", "TLS", f"{file} is valid for {days} days")


def _clock(node: Node) -> Iterator[Finding]:
    if node.clock.doubt is not None:
        yield Finding(
            "wrong", "clock", f"releasing has stopped: {node.clock.doubt}",
            "set the clock right, then start once with --clock-ok",
        )  # fmt: skip
    else:
        yield Finding("ok", "clock", "no jump and no skew is known")


def _database(node: Node) -> Iterator[Finding]:
    found = node.database.durability()
    weak = {
        name: found.get(name, "unknown")
        for name, allowed in DURABLE[node.database.dialect].items()
        if found.get(name, "").lower() not in allowed
    }
    if weak:
        told = ", ".join(f"{name}={value}" for name, value in weak.items())
        yield Finding(
            "wrong", "database", f"commits are not durable: {told}",
            "set them back; what is acknowledged may be lost until then",
        )  # fmt: skip
    else:
        yield Finding("ok", "database", f"{node.database.dialect}: commits are durable")


def _ledger(node: Node) -> Iterator[Finding]:
    with node.database.reading() as tx:
        sealed, unsealed = figures.ledger_state(tx)
    told = f"lines sealed: {sealed:,}, waiting: {unsealed:,}"
    if unsealed > LEDGER_OPEN_LINES:
        yield Finding("wrong", "ledger", told, "start the worker: `cert-exchange serve` or `work`")
    else:
        yield Finding("ok", "ledger", told, "`cert-exchange ledger verify` checks every line")
