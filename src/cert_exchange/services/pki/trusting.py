"""What a server needs for TLS: its certificate and key, and whom it believes; looked at again and again.

1. `trust_changes` and `Material.stamp` cost one statement and two calls of the system: servers ask every second.
2. What cannot be read raises; whoever serves goes on with what it had, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.node import Node, secret_files_of
from cert_exchange.remote import pki
from cert_exchange.settings import Settings
from cert_exchange.store import pki as rows

Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Material:
    """A server's certificate with its chain, and its key, in PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Material()"


def load_material(settings: Settings) -> Material:
    """Read what `tls_certificate` and `tls_key` name, which are set. Raises ConfigurationInvalid."""
    assert settings.tls_certificate is not None  # the caller looked
    assert settings.tls_key is not None  # they belong together
    certificate = _read(settings, settings.path(settings.tls_certificate))
    return Material(certificate, _read(settings, settings.path(settings.tls_key)))


def material_stamp(settings: Settings) -> Stamp:
    """Something that changes with the two files."""
    return tuple(
        None if file is None else _stamp(settings.path(file))
        for file in (settings.tls_certificate, settings.tls_key)
    )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(settings: Settings, path: Path) -> bytes:
    vault = settings.path(settings.secrets_directory)
    if path.is_relative_to(vault):
        return secret_files_of(settings).read(str(path.relative_to(vault)))
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationInvalid(f"{path} cannot be read: {error.strerror}.") from error


def load_trust(node: Node) -> pki.Trust:
    """Read whom we believe now."""
    now = node.now()
    with node.database.reading() as tx:
        found = [row for row in rows.in_force(tx) if row.ends_at > now]
    anchors = []
    for row in found:
        authority = pki.read_certificate(row.certificate.encode("ascii"), what="an authority")
        crl = (
            None
            if row.crl is None
            else pki.read_list(row.crl.encode("ascii"), authority, what="a revocation list")
        )
        anchors.append(pki.Anchor(authority, crl))
    return pki.Trust(anchors)


def trust_changes(node: Node) -> int:
    """How often what is believed changed, so far."""
    with node.database.reading() as tx:
        return rows.changes(tx)
