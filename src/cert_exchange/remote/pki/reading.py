"""Certificates and revocation lists as they come from outside: read strictly, named by their digest.

1. A file holds exactly one; what is not readable, too large or too weak is refused with a sentence.
2. The name of a certificate is the SHA-256 of its DER, in lower-case hexadecimal; a serial is hexadecimal too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.remote.pki.keys import strong_enough

MOST_BYTES: Final = 1 << 20
_ARMOUR: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = b"-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Described:
    """What a person is shown of a certificate. Instants in micros since 1970 UTC."""

    fingerprint: str
    serial: str
    subject: str
    issuer: str
    hosts: tuple[str, ...]
    begins_at: int
    ends_at: int
    authority: bool


def fingerprint(certificate: x509.Certificate) -> str:
    """The name of a certificate (rule 2)."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def spoken(text: str) -> str:
    """A digest as people compare it: capitals, in groups of four."""
    return " ".join(text[at : at + 4].upper() for at in range(0, len(text), 4))


def serial_of(certificate: x509.Certificate) -> str:
    """A certificate's serial number in lower-case hexadecimal."""
    return f"{certificate.serial_number:x}"


def instant_of(moment: datetime) -> int:
    """Micros since 1970 UTC."""
    return round((moment - _EPOCH).total_seconds()) * 1_000_000


def moment_of(micros: int) -> datetime:
    """A whole second, UTC, as certificates have it."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC)


def pem(
    one: x509.Certificate | x509.CertificateRevocationList | x509.CertificateSigningRequest,
) -> str:
    """Its text."""
    return one.public_bytes(Encoding.PEM).decode("ascii")


def read_certificate(raw: bytes, *, what: str) -> x509.Certificate:
    """Read one certificate in PEM or DER; `what` names it in the refusal. Raises ConfigurationInvalid."""
    _bounded(raw, what)
    try:
        if _ARMOUR.search(raw):
            found = x509.load_pem_x509_certificates(raw)
            if len(found) != 1:
                raise ConfigurationInvalid(
                    f"{what} holds {len(found)} certificates; give a file with the one that is meant."
                )
            certificate = found[0]
        else:
            certificate = x509.load_der_x509_certificate(raw)
        key = certificate.public_key()
        _ = certificate.extensions, certificate.subject, certificate.issuer
    except (
        ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion
    ) as error:  # fmt: skip
        raise ConfigurationInvalid(
            f"{what} is no certificate in PEM or DER ({type(error).__name__})."
        ) from None
    if not strong_enough(key):
        raise ConfigurationInvalid(
            f"{what} has a key that is too weak or of a kind that we do not take: give RSA from 2048 bits,"
            " an elliptic curve from 256, or Ed25519."
        )
    return certificate


def read_bundle(raw: bytes, *, what: str) -> list[x509.Certificate]:
    """Read the certificates of a PEM text, one at least, in their order. Raises ConfigurationInvalid."""
    _bounded(raw, what)
    pieces = raw.split(_END)
    return [
        read_certificate(piece + _END, what=what) for piece in pieces[: max(len(pieces) - 1, 1)]
    ]


def read_list(
    raw: bytes, authority: x509.Certificate, *, what: str
) -> x509.CertificateRevocationList:
    """Read a revocation list in PEM or DER that `authority` signed. Raises ConfigurationInvalid."""
    _bounded(raw, what)
    try:
        crl = x509.load_pem_x509_crl(raw) if _ARMOUR.search(raw) else x509.load_der_x509_crl(raw)
        right = crl.issuer == authority.subject and crl.is_signature_valid(
            authority.public_key()  # type: ignore[arg-type]  # `strong_enough` let no other kind in
        )
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise ConfigurationInvalid(
            f"{what} is no revocation list in PEM or DER ({type(error).__name__})."
        ) from None
    if not right:
        raise ConfigurationInvalid(f"{what} is not signed by {name_of(authority.subject)}.")
    if crl.next_update_utc is None:
        raise ConfigurationInvalid(f"{what} does not say when the next one comes (nextUpdate).")
    return crl


def list_number(crl: x509.CertificateRevocationList) -> int:
    """Its CRL number; 0 when it has none."""
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (x509.ExtensionNotFound, ValueError):
        return 0


def describe(certificate: x509.Certificate) -> Described:
    """What a person is shown of it."""
    return Described(
        fingerprint(certificate),
        serial_of(certificate),
        name_of(certificate.subject),
        name_of(certificate.issuer),
        hosts_of(certificate),
        instant_of(certificate.not_valid_before_utc),
        instant_of(certificate.not_valid_after_utc),
        is_authority(certificate),
    )


def hosts_of(one: x509.Certificate | x509.CertificateSigningRequest) -> tuple[str, ...]:
    """The DNS names and addresses that it is for."""
    try:
        names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign others."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return found.value.ca


def name_of(name: x509.Name) -> str:
    """A subject as text of one line, without what would move a terminal."""
    text = name.rfc4514_string()
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:200]


def _bounded(raw: bytes, what: str) -> None:
    if len(raw) > MOST_BYTES:
        raise ConfigurationInvalid(f"{what} holds {len(raw)} bytes; at most {MOST_BYTES} are read.")
