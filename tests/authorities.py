"""Certificates for tests: a partner's side of a request, authorities of others, clients that show what they have.

What is made here is made with `cryptography` as another product would, except where a test is about our own making.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cert_exchange.node import Node
from cert_exchange.services import pki

TAXII = "application/taxii+json;version=2.1"


@dataclass
class Holder:
    """Somebody with a private key."""

    folder: Path
    name: str = "b"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def request(self, subject: str = "whoever") -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        made = x509.CertificateSigningRequestBuilder().subject_name(name)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def pair(self, certificate: str | x509.Certificate) -> Path:
        """A file with this certificate and the key."""
        if isinstance(certificate, x509.Certificate):
            certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        key = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        file = self.folder / f"{self.name}-{len(list(self.folder.glob('*.pem')))}.pem"
        file.write_text(certificate + key)
        return file

    def certified_by(self, node: Node, partner: str, **more: Any) -> tuple[Any, Path]:
        described, text = pki.issue_for_partner(node, partner, self.request(), **more)
        return described, self.pair(text)


class Foreign:
    """Another side's authority, made without our code."""

    def __init__(self, name: str = "CERT B CA") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._unsigned(self.name, self.key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        ).sign(self.key, hashes.SHA256())  # fmt: skip

    def _unsigned(
        self, subject: x509.Name, key: Any, *, days: int = 30, since: int = 1
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=since))
            .not_valid_after(now + timedelta(days=days))
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def sign(
        self, holder: Holder, *, use: Any = ExtendedKeyUsageOID.CLIENT_AUTH, **more: Any
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, holder.name)])
        return (
            self._unsigned(subject, holder.key.public_key(), **more)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def crl(
        self, *revoked: x509.Certificate, number: int = 1, days: float = 7, since: float = 1
    ) -> bytes:
        now = datetime.now(UTC)
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(now - timedelta(days=since))
            .next_update(now + timedelta(days=days))
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for one in revoked:
            made = made.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(one.serial_number)
                .revocation_date(now)
                .build()
            )
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def trusting(node: Node, pair: Path | None = None) -> ssl.SSLContext:
    """A client's TLS that believes the node's server, and shows a certificate if it has one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for _, text in pki.describe_own(node):
        context.load_verify_locations(cadata=text)
    if pair is not None:
        context.load_cert_chain(pair)
    return context


@dataclass
class Caller:
    """A TAXII client on one connection that it keeps."""

    port: int
    context: ssl.SSLContext
    token: str
    kept: HTTPSConnection | None = None

    def poll(self, path: str = "/api/collections/", **headers: str) -> int:
        """Ask once more on the same connection; gives the status. Raises what TLS raises."""
        if self.kept is None:
            self.kept = HTTPSConnection("localhost", self.port, context=self.context, timeout=10)
        self.kept.request(
            "GET",
            path,
            headers={"Authorization": f"Bearer {self.token}", "Accept": TAXII, **headers},
        )
        got = self.kept.getresponse()
        got.read()
        return got.status

    def anew(self) -> int:
        """Ask on a new connection."""
        self.close()
        return self.poll()

    def close(self) -> None:
        if self.kept is not None:
            self.kept.close()
            self.kept = None

    def __del__(self) -> None:
        self.close()
