"""Who is believed by certificate, without any server: the second look beside OpenSSL's, the only one behind a proxy."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.authorities import Foreign, Holder

from cert_exchange.errors import NotAuthenticated
from cert_exchange.http.visitors import Visitors, certificate_in
from cert_exchange.remote.pki import Anchor, NotBelieved, Peer, Trust
from cert_exchange.taxii.wire import Request

NOW = time.time_ns() // 1_000
DAY = 86_400_000_000


def anchored(foreign: Foreign, *revoked: x509.Certificate) -> Trust:
    crl = x509.load_pem_x509_crl(foreign.crl(*revoked))
    return Trust([Anchor(foreign.certificate, crl)])


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@pytest.fixture
def holder(tmp_path: Path) -> Holder:
    return Holder(tmp_path)


def test_each_missing_condition_refuses(holder: Holder) -> None:
    """One certificate is believed; with one condition changed each is not, and the reason says which."""
    foreign = Foreign()
    good = foreign.sign(holder)
    assert isinstance(anchored(foreign).judge(der(good), now=NOW), Peer)
    cases = {
        "no authority that we know": (anchored(Foreign()), good, NOW),
        "revoked": (anchored(foreign, good), good, NOW),
        "revocation list has expired": (anchored(foreign), good, NOW + 8 * DAY),
        "is not in time": (anchored(foreign), good, NOW + 40 * DAY),
        "no revocation list here": (Trust([Anchor(foreign.certificate, None)]), good, NOW),
        "not for TLS clients": (
            anchored(foreign), foreign.sign(holder, use=ExtendedKeyUsageOID.SERVER_AUTH), NOW,
        ),
        "no end entity": (anchored(foreign), foreign.certificate, NOW),
        "unreadable": (anchored(foreign), None, NOW),
    }  # fmt: skip
    for words, (trust, certificate, now) in cases.items():
        raw = b"\x30\x03nonsense" if certificate is None else der(certificate)
        found = trust.judge(raw, now=now)
        assert isinstance(found, NotBelieved), words
        assert words in found.reason


def test_what_was_recognised_is_looked_at_again_when_its_time_is_over(holder: Holder) -> None:
    """The kept answer ends with the first of certificate, authority and list."""
    foreign = Foreign()
    trust, raw = anchored(foreign), der(foreign.sign(holder))
    assert isinstance(trust.recognise(raw, now=NOW), Peer)
    assert isinstance(trust.recognise(raw, now=NOW + 8 * DAY), NotBelieved)


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_no_changed_byte_is_believed(at: int, flip: int) -> None:
    """Whatever one byte of a certificate is changed to, it is refused or it is the same certificate."""
    raw = bytearray(_GOOD)
    raw[at % len(raw)] ^= flip
    assert isinstance(_TRUST.judge(bytes(raw), now=NOW), NotBelieved)


_FOREIGN = Foreign()
_GOOD = der(_FOREIGN.sign(Holder(Path())))
_TRUST = anchored(_FOREIGN)


async def _nothing() -> dict[str, str]:
    return {}


def asked(host: str = "192.0.2.7", **headers: str) -> Request:
    given_headers = {
        name.replace("_", "-").encode(): value.encode() for name, value in headers.items()
    }
    return Request("GET", ("api",), b"", given_headers, host, 0, _nothing)


def test_a_proxy_is_believed_and_nobody_else() -> None:
    """The header counts from a trusted address, in RFC 9440's form and in nginx's; from elsewhere it refuses."""
    visitors = Visitors(["192.0.2.0/29", "2001:db8::/64"], _TRUST)
    rfc = ":" + base64.b64encode(_GOOD).decode() + ":"
    pem = x509.load_der_x509_certificate(_GOOD).public_bytes(Encoding.PEM).decode()
    for header in (rfc, quote(pem)):
        for host in ("192.0.2.7", "2001:db8::1", "::ffff:192.0.2.1"):
            assert visitors.meet(asked(host, client_cert=header), None, now=NOW).peer is not None
        for host in ("192.0.2.8", "2001:db8:1::1", "", "somewhere"):
            with pytest.raises(NotAuthenticated):
                visitors.meet(asked(host, client_cert=header), None, now=NOW)
        with pytest.raises(NotAuthenticated):
            Visitors((), _TRUST).meet(asked(client_cert=header), None, now=NOW)


def test_a_proxys_own_certificate_is_nobodys() -> None:
    """What the proxy's connection showed does not count for whom it speaks for."""
    visitors = Visitors(["192.0.2.7/32"], _TRUST)
    assert visitors.meet(asked(), _GOOD, now=NOW).peer is None
    assert visitors.meet(asked("203.0.113.5"), _GOOD, now=NOW).peer is not None


@pytest.mark.parametrize(
    "header",
    [":", "::", ":%%%:", ":AAAA", "AAAA", "-----BEGIN CERTIFICATE-----", quote("-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----"), ":" + "A" * 20_000 + ":", "FAILED:unknown", "(null)"],
)  # fmt: skip
def test_a_header_that_says_nothing_readable_is_refused(header: str) -> None:
    """Never taken as no certificate."""
    visitors = Visitors(["192.0.2.7/32"], _TRUST)
    with pytest.raises(NotAuthenticated):
        visitors.meet(asked(client_cert=header), None, now=NOW)


def test_two_certificates_in_one_request_are_refused() -> None:
    """A client's header that a careless proxy appended to: joined by a comma they are no byte sequence."""
    one = b":" + base64.b64encode(_GOOD) + b":"
    with pytest.raises(NotAuthenticated):
        certificate_in(one + b", " + one)


def test_the_address_behind_proxies_is_the_last_that_is_none_of_theirs() -> None:
    """What a client writes into X-Forwarded-For itself stands to the left and changes nothing."""
    visitors = Visitors(["192.0.2.0/24"])
    for said, address in (
        ("198.51.100.9", "198.51.100.9"),
        ("203.0.113.1, 198.51.100.9", "198.51.100.9"),
        ("198.51.100.9, 192.0.2.8", "198.51.100.9"),
        ("nonsense", "192.0.2.7"),
        ("198.51.100.9, nonsense", "192.0.2.7"),
        ("", "192.0.2.7"),
        ("192.0.2.8", "192.0.2.7"),
    ):
        assert visitors.meet(asked(x_forwarded_for=said), None, now=NOW).host == address
    direct = asked("203.0.113.5", x_forwarded_for="198.51.100.9")
    assert visitors.meet(direct, None, now=NOW).host == "203.0.113.5"
