"""Attempts on certificates: a credential without one, somebody else's, revoked ones, forged ones, proxies that are none."""

from __future__ import annotations

import base64
import ssl
from http.client import HTTPException
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.attack import guards
from tests.attack.attempts import OUTSIDER, PARTNER, THIEF, attempt
from tests.attack.world import Side, World
from tests.authorities import Caller, Foreign, Holder, trusting
from tests.taxii.conftest import ROOT

from cert_exchange.services import pki

RECOGNISING = "cert_exchange.services.partners.recognising._reason_against_certificate"
PAIR = Path("secrets/pki/server.pem")

guards.add(
    "certificate: of this partner, in force",
    "every request's certificate is its partner's, and neither revoked nor of an authority or list that ended",
    {RECOGNISING: guards.answers(None)},
)
guards.add(
    "certificate: not revoked",
    "what a revocation list names is refused by the handshake, by our second look, and by each request",
    {
        "cert_exchange.http.tls.CHECKS": ssl.VERIFY_X509_PARTIAL_CHAIN,
        "cert_exchange.remote.pki.trust._is_listed": guards.answers(value=False),
        RECOGNISING: guards.answers(None),
    },
)
guards.add(
    "certificate: signature",
    "an authority's name proves nothing, only its signature does",
    {"cert_exchange.remote.pki.trust._signed": guards.answers(value=True)},
)
guards.add(
    "certificate: from trusted proxies only",
    "Client-Cert counts from an address of trusted_proxies, and refuses the request from any other",
    {"cert_exchange.http.visitors.Visitors._trusted": guards.answers(value=True)},
)
guards.add(
    "address: behind proxies",
    "of X-Forwarded-For only what a trusted proxy wrote counts",
    {
        "cert_exchange.http.visitors.Visitors._behind": guards.answers("198.51.100.77"),
    },
)


def secured(side: Side) -> Side:
    """A side that speaks TLS with a certificate of its own authority."""
    side.open(tls_certificate=PAIR, tls_key=PAIR)
    pki.init(side.node)
    pki.issue_own(side.node, "server", hosts=["localhost"])
    return side


def holder(world: World, name: str = "b") -> Holder:
    return Holder(world.folder, name)


def gets_in(side: Side, pair: Path | None, partner: str) -> bool:
    """Whether a credential with this certificate gets a page."""
    caller = Caller(side.port, trusting(side.node, pair), side.credential(partner).token)
    try:
        return caller.poll(f"{ROOT}collections/indicators/objects/") == 200
    except (ssl.SSLError, OSError, HTTPException):
        return False
    finally:
        caller.close()


@attempt("token without certificate", guard="certificate: of this partner, in force", by=THIEF)
def token_alone(world: World) -> bool:
    """B's stolen token, from somebody who has no key of B's certificate."""
    side = secured(world.a)
    holder(world).certified_by(side.node, "b")
    return gets_in(side, None, "b")


@attempt(
    "token with another's certificate", guard="certificate: of this partner, in force", by=THIEF
)
def token_and_anothers(world: World) -> bool:
    """C has B's token and shows its own, good certificate with it."""
    side = secured(world.a)
    holder(world).certified_by(side.node, "b")
    _, pair = holder(world, "c").certified_by(side.node, "c")
    return gets_in(side, pair, "b")


@attempt("authority of another", guard="certificate: of this partner, in force", by=PARTNER)
def authority_of_another(world: World) -> bool:
    """C's authority, pinned for C, makes a certificate that says it is B's."""
    side, foreign = secured(world.a), Foreign("CERT C CA")
    holder(world).certified_by(side.node, "b")
    pki.pin(side.node, "c", foreign.pem, crl=foreign.crl())
    mine = holder(world, "b")
    return gets_in(side, mine.pair(foreign.sign(mine)), "b")


@attempt("certificate that nobody named", guard="certificate: of this partner, in force", by=THIEF)
def not_named(world: World) -> bool:
    """One certificate of B's authority is pinned; whoever got another one of it comes with that."""
    side, foreign, mine = secured(world.a), Foreign(), holder(world)
    named = foreign.sign(mine).public_bytes(serialization.Encoding.PEM)
    pki.pin(side.node, "b", foreign.pem, crl=foreign.crl(), only=[named])
    other = holder(world, "clerk")
    return gets_in(side, other.pair(foreign.sign(other)), "b")


@attempt("revoked on an open connection", guard="certificate: of this partner, in force", by=THIEF)
def revoked_while_open(world: World) -> bool:
    """The connection was opened before the revocation, and goes on."""
    side = secured(world.a)
    described, pair = holder(world).certified_by(side.node, "b")
    caller = Caller(side.port, trusting(side.node, pair), side.credential("b").token)
    assert caller.poll() == 200
    pki.revoke(side.node, described.serial)
    try:
        return caller.poll() == 200
    finally:
        caller.close()


@attempt("revoked on a new connection", guard="certificate: not revoked", by=THIEF)
def revoked(world: World) -> bool:
    """A certificate that was taken back, with its key and a good token."""
    side = secured(world.a)
    described, pair = holder(world).certified_by(side.node, "b")
    pki.revoke(side.node, described.serial, reason="key_compromise")
    return gets_in(side, pair, "b")


@attempt("expired list, open connection", guard="certificate: of this partner, in force", by=THIEF)
def expired_list(world: World) -> bool:
    """B's list is kept from us until it ends, so that a revocation in it is never seen."""
    side, foreign, mine = secured(world.a), Foreign(), holder(world)
    soon = x509.load_pem_x509_crl(foreign.crl(days=0.5)).next_update_utc
    assert soon is not None
    pki.pin(side.node, "b", foreign.pem, crl=foreign.crl(days=0.5))
    pair = mine.pair(foreign.sign(mine))
    caller = Caller(side.port, trusting(side.node, pair), side.credential("b").token)
    assert caller.poll() == 200
    with side.node.database.reading() as tx:
        from cert_exchange.store import pki as rows

        [row] = [one for one in rows.in_force(tx) if one.partner is not None]
    # The list's end passes: nobody can wait half a day.
    side.node.database.transact(
        lambda tx: rows.put_list(
            tx, row.fingerprint, text=row.crl or "", number=1, ends_at=side.node.now() - 1
        )
    )
    try:
        return caller.poll() == 200
    finally:
        caller.close()


def header(certificate: x509.Certificate) -> dict[str, str | None]:
    raw = certificate.public_bytes(serialization.Encoding.DER)
    return {"Client-Cert": ":" + base64.b64encode(raw).decode() + ":"}


@attempt("forged certificate through a proxy", guard="certificate: signature", by=THIEF)
def forged(world: World) -> bool:
    """The proxy verifies nothing; an authority that is called as B's one, of another key, made the certificate."""
    side, real = world.a.open(trusted_proxies=("127.0.0.1/32",)), Foreign("CERT B CA")
    pki.pin(side.node, "b", real.pem, crl=real.crl())
    forged_one = Foreign("CERT B CA").sign(holder(world))
    return side.client("b").get(f"{ROOT}collections/", headers=header(forged_one)).status == 200


@attempt("Client-Cert from anybody", guard="certificate: from trusted proxies only", by=THIEF)
def header_of_ones_own(world: World) -> bool:
    """A certificate is public: whoever has B's token and B's certificate, but not its key, writes it into a header."""
    side, real = world.a.open(trusted_proxies=("192.0.2.7/32",)), Foreign("CERT B CA")
    pki.pin(side.node, "b", real.pem, crl=real.crl())
    copied = real.sign(holder(world))
    return side.client("b").get(f"{ROOT}collections/", headers=header(copied)).status == 200


@attempt("lock-out laid on another", guard="address: behind proxies", by=OUTSIDER)
def locked_out_by_a_header(world: World) -> bool:
    """Guesses that say they come from B's network: B is locked out, from where it never failed."""
    side = world.a.open(trusted_proxies=("127.0.0.1/32",))
    credential = side.credential("b")
    wrong = side.client("b").with_(authorization=f"Bearer {credential.credential_id}.wrong")
    for _ in range(8):
        wrong.get(f"{ROOT}collections/", headers={"X-Forwarded-For": "198.51.100.77, 203.0.113.9"})
    own = {"X-Forwarded-For": "198.51.100.77"}
    return side.client("b").get(f"{ROOT}collections/", headers=own).status == 429


@attempt(
    "older revocation list",
    guard="cert_exchange.services.pki.pinning._check_newer",
    by=PARTNER,
)
def older_list(world: World) -> bool:
    """A list from before the revocation, still in time and rightly signed, is brought once more."""
    side, foreign = world.a, Foreign()
    gone = foreign.sign(holder(world))
    pki.pin(side.node, "b", foreign.pem, crl=foreign.crl(gone, number=7))
    file = world.folder / "older.crl"
    file.write_bytes(foreign.crl(number=6, days=6))
    return world.run("pki", "pin", "b", "--crl", str(file), side=side).code == 0


guards.add(
    "request: its own signature",
    "whoever asks for a certificate holds its key, and nobody changed the request",
    {"cert_exchange.remote.pki.issuing._signed_by_itself": guards.answers(value=True)},
)
guards.add(
    "request: strong key",
    "a key that can be broken is not certified",
    {"cert_exchange.remote.pki.issuing.strong_enough": guards.answers(value=True)},
)


@attempt("request changed on its way", guard="request: its own signature", by=OUTSIDER)
def changed_request(world: World) -> bool:
    """Whoever sits on the line puts his own key into B's request."""
    pki.init(world.a.node)
    raw = x509.load_pem_x509_csr(holder(world).request()).public_bytes(serialization.Encoding.DER)
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    before = x509.load_der_x509_csr(raw).public_key().public_bytes(*form)
    mine = holder(world, "thief").key.public_key().public_bytes(*form)
    assert raw.count(before) == 1
    file = world.folder / "b.csr"
    file.write_bytes(raw.replace(before, mine))
    return world.run("pki", "issue", "b", str(file), side=world.a).code == 0


@attempt("weak key certified", guard="request: strong key", by=OUTSIDER)
def weak_key(world: World) -> bool:
    """RSA of 1024 bits, whose private key a state computes from the certificate."""
    pki.init(world.a.node)
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    file = world.folder / "weak.csr"
    made = asked.sign(key, hashes.SHA256())
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return world.run("pki", "issue", "b", str(file), side=world.a).code == 0
