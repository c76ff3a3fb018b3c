"""Whose certificates are believed, and for whom: our own authorities, and those pinned to one partner each.

1. A certificate is believed only if an authority that stands here signed it itself, it is for TLS clients, it is in
   time, and that authority's revocation list is there, in time, and does not name it. Whatever is missing refuses.
2. Who may use it is not said here: each request asks the store (`store.pki`).
3. OpenSSL checks the same in the handshake. This is the second look, and the only one behind a proxy that ends TLS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from cert_exchange.remote.pki.keys import strong_enough
from cert_exchange.remote.pki.reading import (
    fingerprint,
    instant_of,
    is_authority,
    name_of,
    pem,
    serial_of,
)

MOST_DER_BYTES: Final = 16 * 1024
_KEPT: Final = 1_024


@dataclass(frozen=True, slots=True)
class Anchor:
    """An authority that we believe, with its newest revocation list."""

    certificate: x509.Certificate
    crl: x509.CertificateRevocationList | None


@dataclass(frozen=True, slots=True)
class Peer:
    """A certificate that is believed: what it and its authority are called."""

    authority: str
    serial: str
    fingerprint: str
    ends_at: int
    """micros since 1970 UTC, of itself, its authority and the list, whichever is first"""


@dataclass(frozen=True, slots=True)
class NotBelieved:
    """Why a certificate is not believed; for the log, no partner reads it."""

    reason: str


class Trust:
    """The authorities of one moment. Never changed; a newer one takes its place."""

    def __init__(self, anchors: Iterable[Anchor] = ()) -> None:
        self.anchors = tuple(anchors)
        self._named = {fingerprint(one.certificate): one for one in self.anchors}
        self._recognised: dict[bytes, Peer] = {}

    def __bool__(self) -> bool:
        """Whether there is any authority."""
        return bool(self.anchors)

    def bundle(self) -> str:
        """All authorities and lists in PEM, as OpenSSL loads them."""
        texts = []
        for one in self.anchors:
            texts.append(pem(one.certificate))
            if one.crl is not None:
                texts.append(pem(one.crl))
        return "".join(texts)

    def recognise(self, der: bytes, *, now: int) -> Peer | NotBelieved:
        """Do as `judge`, which costs some signatures, once for a certificate; later only whether it is in time."""
        known = self._recognised.get(der)
        if known is not None and now <= known.ends_at:
            return known
        found = self.judge(der, now=now)
        if isinstance(found, Peer) and len(self._recognised) < _KEPT:
            self._recognised[der] = found
        return found

    def judge(self, der: bytes, *, now: int) -> Peer | NotBelieved:
        """Say whether a certificate is believed (rule 1); `now` in micros."""
        if len(der) > MOST_DER_BYTES:
            return NotBelieved(f"a certificate of {len(der)} bytes")
        try:
            certificate = x509.load_der_x509_certificate(der)
            return self._judge(certificate, now)
        except (
            ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion
        ) as error:  # fmt: skip
            return NotBelieved(f"an unreadable certificate ({type(error).__name__})")

    def _judge(self, certificate: x509.Certificate, now: int) -> Peer | NotBelieved:
        told = f"{name_of(certificate.subject)}, serial {serial_of(certificate)}"
        if is_authority(certificate) or not strong_enough(certificate.public_key()):
            return NotBelieved(f"{told}: no end entity's certificate, or a weak key")
        if not _for_clients(certificate):
            return NotBelieved(f"{told}: not for TLS clients")
        anchor = self._signer(certificate)
        if anchor is None:
            return NotBelieved(f"{told}: signed by no authority that we know")
        for one in (anchor.certificate, certificate):
            if (
                not instant_of(one.not_valid_before_utc)
                <= now
                <= instant_of(one.not_valid_after_utc)
            ):
                return NotBelieved(f"{told}: {name_of(one.subject)} is not in time")
        crl = anchor.crl
        if crl is None or crl.next_update_utc is None:
            return NotBelieved(f"{told}: its authority has no revocation list here")
        if now > instant_of(crl.next_update_utc):
            return NotBelieved(f"{told}: its authority's revocation list has expired")
        if _is_listed(certificate, crl):
            return NotBelieved(f"{told}: revoked")
        ends = (
            certificate.not_valid_after_utc,
            anchor.certificate.not_valid_after_utc,
            crl.next_update_utc,
        )
        return Peer(
            fingerprint(anchor.certificate),
            serial_of(certificate),
            fingerprint(certificate),
            min(map(instant_of, ends)),
        )

    def _signer(self, certificate: x509.Certificate) -> Anchor | None:
        for one in self._named.values():
            if one.certificate.subject == certificate.issuer and _signed(certificate, one):
                return one
        return None


def _signed(certificate: x509.Certificate, by: Anchor) -> bool:
    """Whether it was this authority, and not another one of the same name."""
    try:
        certificate.verify_directly_issued_by(by.certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_listed(certificate: x509.Certificate, crl: x509.CertificateRevocationList) -> bool:
    return crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def _for_clients(certificate: x509.Certificate) -> bool:
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True  # RFC 5280 4.2.1.12: without it any use is meant
    return ExtendedKeyUsageOID.CLIENT_AUTH in uses
