"""What an authority signs: itself, certificates out of requests, revocation lists.

1. An authority signs no other authority (path length 0), and its certificates serve TLS servers or clients, nothing else.
2. Of a request only its public key is taken, after its own signature was checked; subject, hosts and purpose are ours to
   write, so that nobody asks himself into another name.
3. Instants begin five minutes early, so that a clock that is a little behind does not refuse what was just made.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.remote.pki.keys import PrivateKey, digest_of, strong_enough
from cert_exchange.remote.pki.reading import MOST_BYTES, moment_of

Purpose = Literal["server", "client"]
Reason = Literal["unspecified", "key_compromise", "superseded", "cessation_of_operation"]
_USES: Final = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
}
_EARLIER: Final = timedelta(minutes=5)
_HOST: Final = re.compile(
    r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    re.IGNORECASE,
)


def make_authority(name: str, key: PrivateKey, *, at: int, lifetime: timedelta) -> x509.Certificate:
    """Make a self-signed authority of this name; `at` in micros."""
    usage = _usage(authority=True)
    subject = _subject(name)
    return (
        _builder(subject, subject, key.public_key(), at, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, digest_of(key))
    )


def make_request(
    name: str, key: PrivateKey, *, hosts: Iterable[str]
) -> x509.CertificateSigningRequest:
    """Ask an authority for a certificate of our key. Raises ConfigurationInvalid for what is no host."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(name))
    names = _names(hosts)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, digest_of(key))


def read_request(raw: bytes, *, what: str) -> x509.CertificateSigningRequest:
    """Read a request whose sender holds its key (rule 2). Raises ConfigurationInvalid."""
    if len(raw) > MOST_BYTES:
        raise ConfigurationInvalid(f"{what} holds {len(raw)} bytes; at most {MOST_BYTES} are read.")
    try:
        request = (
            x509.load_pem_x509_csr(raw) if b"-----BEGIN" in raw else x509.load_der_x509_csr(raw)
        )
        right = _signed_by_itself(request)
        key = request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationInvalid(
            f"{what} is no certificate request in PEM or DER ({type(error).__name__})."
        ) from None
    if not right:
        raise ConfigurationInvalid(
            f"{what} is not signed by its own key: it was changed on its way."
        )
    if not strong_enough(key):
        raise ConfigurationInvalid(
            f"{what} has a key that is too weak or of a kind that we do not take: ask for RSA from 2048"
            " bits, an elliptic curve from 256, or Ed25519."
        )
    return request


def issue(
    public_key: CertificatePublicKeyTypes,
    name: str,
    purpose: Purpose,
    *,
    hosts: Iterable[str],
    authority: x509.Certificate,
    key: PrivateKey,
    at: int,
    lifetime: timedelta,
) -> x509.Certificate:
    """Certify a public key, never beyond the authority's own end. Raises ConfigurationInvalid for what is no host."""
    until = moment_of(at) + lifetime
    lifetime = min(until, authority.not_valid_after_utc) - moment_of(at)
    builder = (
        _builder(_subject(name), authority.subject, public_key, at, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USES[purpose]]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    names = _names(hosts)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, digest_of(key))


def make_list(
    authority: x509.Certificate,
    key: PrivateKey,
    revoked: Sequence[tuple[str, int, str | None]],
    *,
    number: int,
    at: int,
    lifetime: timedelta,
) -> x509.CertificateRevocationList:
    """Sign the list of what is revoked: (serial in hexadecimal, when in micros, why)."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(moment_of(at) - _EARLIER)
        .next_update(moment_of(at) + lifetime)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    for serial, when, reason in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(int(serial, 16))
            .revocation_date(moment_of(when))
        )
        if reason not in (None, "unspecified"):
            entry = entry.add_extension(
                x509.CRLReason(getattr(x509.ReasonFlags, str(reason))), critical=False
            )
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, digest_of(key))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificatePublicKeyTypes,
    at: int,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment_of(at) - _EARLIER)
        .not_valid_after(moment_of(at) + lifetime)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    if not name.strip() or not name.isprintable():
        raise ConfigurationInvalid(
            f"{name!r} cannot stand in a certificate; give a name of one line."
        )
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for host in hosts:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            if len(host) > 253 or not _HOST.fullmatch(host):
                raise ConfigurationInvalid(
                    f"{host!r} is neither a host name nor an address; a name of other letters is written"
                    " in its xn-- form."
                ) from None
            found.append(x509.DNSName(host.lower()))
    return found


def _signed_by_itself(request: x509.CertificateSigningRequest) -> bool:
    return request.is_signature_valid
