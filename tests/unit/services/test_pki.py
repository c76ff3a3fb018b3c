"""Our authority and others': what is certified, taken back, pinned, renewed and found, on both engines."""

from __future__ import annotations

import subprocess
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import text as sql
from tests.authorities import Foreign, Holder
from tests.conftest import Wall
from tests.scenes import Scene

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.node import Node
from cert_exchange.remote.pki import NotBelieved, Peer
from cert_exchange.services import ledger, pki, revocation_lists
from cert_exchange.services.doctoring import examine
from cert_exchange.services.introducing import outliving
from cert_exchange.worker import Worker

DAY = timedelta(days=1)


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def holder(tmp_path: Path) -> Holder:
    return Holder(tmp_path)


@pytest.fixture
def scene(node: Node) -> Scene:
    made = Scene.set_up(node)
    pki.init(node)
    return made


def judged(node: Node, text: str) -> Peer | NotBelieved:
    der = x509.load_pem_x509_certificate(text.encode()).public_bytes(
        __import__(
            "cryptography.hazmat.primitives.serialization", fromlist=["Encoding"]
        ).Encoding.DER
    )
    return pki.load_trust(node).judge(der, now=node.now())


@pytest.mark.parametrize("algorithm", ["ec-p256", "ec-p384", "ed25519", "rsa-3072"])
def test_openssl_agrees_with_what_each_algorithm_made(
    sqlite_node: Node, holder: Holder, tmp_path: Path, algorithm: str
) -> None:
    """Authority, certificate and list verify under OpenSSL's strict rules; a revoked one does not."""
    node = sqlite_node
    Scene.set_up(node)
    pki.init(node, algorithm=algorithm)  # type: ignore[arg-type]  # a parameter of the test
    described, text = pki.issue_for_partner(node, "b", holder.request())
    (tmp_path / "leaf.pem").write_text(text)

    def verified() -> subprocess.CompletedProcess[str]:
        [(_, authority)] = pki.describe_own(node)
        (tmp_path / "trust.pem").write_text(authority + pki.newest_list(node))
        return subprocess.run(
            ["openssl", "verify", "-x509_strict", "-crl_check", "-purpose", "sslclient",
             "-CAfile", tmp_path / "trust.pem", tmp_path / "leaf.pem"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert verified().returncode == 0, verified().stderr
    pki.revoke(node, described.fingerprint[:16], reason="key_compromise")
    assert "revoked" in verified().stderr


def test_of_a_request_only_the_key_is_taken(scene: Scene, holder: Holder) -> None:
    """Nobody asks himself into another name, another purpose or an authority."""
    described, text = pki.issue_for_partner(
        scene.node, "b", holder.request("CERT A CA 1"), lifetime=DAY
    )
    found = x509.load_pem_x509_certificate(text.encode())
    assert described.subject == "CN=b"
    assert not described.authority
    assert found.public_key().public_numbers() == holder.key.public_key().public_numbers()
    assert found.not_valid_after_utc - found.not_valid_before_utc <= DAY + timedelta(minutes=5)


def test_a_request_that_was_changed_or_is_weak_is_refused(
    scene: Scene, holder: Holder, tmp_path: Path
) -> None:
    """The request's own signature is checked, and keys that do not last are not certified."""

    whole = x509.load_pem_x509_csr(holder.request()).public_bytes(serialization.Encoding.DER)
    other = Holder(tmp_path).request()
    at = whole.index(b"whoever")
    with pytest.raises(ConfigurationInvalid, match="changed on its way"):
        pki.issue_for_partner(scene.node, "b", whole[:at] + b"another" + whole[at + 7 :])
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    raw = asked.sign(weak, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ConfigurationInvalid, match="too weak"):
        pki.issue_for_partner(scene.node, "b", raw)
    for broken in (b"", b"-----BEGIN CERTIFICATE REQUEST-----\n", other[:200], bytes(3 << 20)):
        with pytest.raises(ConfigurationInvalid):
            pki.issue_for_partner(scene.node, "b", broken)


def test_a_second_authority_is_made_only_when_it_is_meant(scene: Scene) -> None:
    """Lists of both are signed; the newest certifies; the older one can be retired, an unknown one not."""
    with pytest.raises(ConfigurationInvalid, match="another"):
        pki.init(scene.node)
    newer = pki.init(scene.node, another=True, algorithm="ed25519")
    pki.issue_own(scene.node, "client")
    [old, new] = pki.listing(scene.node).authorities
    assert new.described.fingerprint == newer.fingerprint
    [(certificate, _)] = pki.listing(scene.node).certificates
    assert certificate.authority == newer.fingerprint
    pki.retire(scene.node, old.described.fingerprint[:16])
    assert [one.described.fingerprint for one in pki.listing(scene.node).authorities] == [
        newer.fingerprint
    ]
    with pytest.raises(NotFound):
        pki.retire(scene.node, "00000000")


def test_a_partners_authority_is_pinned_to_nobody_else(scene: Scene, holder: Holder) -> None:
    """Neither to a second partner, nor ours to anybody; and a leaf is no authority."""
    foreign = Foreign()
    pki.pin(scene.node, "b", foreign.pem, crl=foreign.crl())
    with pytest.raises(ConfigurationInvalid, match="another partner"):
        pki.pin(scene.node, "c", foreign.pem)
    [(_, ours)] = pki.describe_own(scene.node)
    with pytest.raises(ConfigurationInvalid, match="our own"):
        pki.pin(scene.node, "b", ours.encode())
    leaf = pki_pem(foreign.sign(holder))
    with pytest.raises(ConfigurationInvalid, match="no authority's"):
        pki.pin(scene.node, "b", leaf)
    with pytest.raises(ConfigurationInvalid, match="not signed by"):
        pki.pin(scene.node, "b", foreign.pem, only=[pki_pem(Foreign().sign(holder))])
    with pytest.raises(ConfigurationInvalid, match="2 certificates"):
        pki.pin(scene.node, "b", foreign.pem + foreign.pem)


def pki_pem(certificate: x509.Certificate) -> bytes:

    return certificate.public_bytes(Encoding.PEM)


def test_a_list_of_somebody_else_or_of_yesterday_is_refused(scene: Scene) -> None:
    """A list is taken only from its authority, in time, with an end, and never an older one."""
    foreign, same_name = Foreign(), Foreign()
    pki.pin(scene.node, "b", foreign.pem, crl=foreign.crl(number=3))
    for crl, words in (
        (same_name.crl(number=4), "not signed by"),
        (foreign.crl(number=4, days=-0.5), "expired"),
        (foreign.crl(number=2), "older"),
        (foreign.crl(number=3, days=3), "older"),
        (b"nonsense", "no revocation list"),
    ):
        with pytest.raises(ConfigurationInvalid, match=words):
            pki.new_list(scene.node, "b", crl)
    assert pki.new_list(scene.node, "b", foreign.crl(number=4, days=3)) == 0


def test_the_worker_renews_lists_and_certificates_long_before_their_end(
    scene: Scene, wall: Wall
) -> None:
    """At half of a list's life, and at a third of a certificate's; not before. A worker that runs raises no alarm."""

    node = scene.node
    pki.issue_own(node, "server", hosts=["localhost"], lifetime=timedelta(days=30))
    worker = Worker(node, stop=threading.Event())

    def state() -> tuple[int, int, str]:
        [one] = pki.listing(node).authorities
        own = pki.listing(node).own["server"]
        return one.row.crl_number, one.row.crl_ends_at or 0, own.fingerprint

    first = state()
    wall.forward(3 * DAY)
    worker.tick(600)
    assert state() == first
    wall.forward(DAY)
    worker.tick(1200)
    assert (state()[0], state()[2]) == (first[0] + 1, first[2])
    for _ in range(6):
        wall.forward(3 * DAY)
        worker.tick(600)
    assert state()[2] != first[2]
    assert state()[1] > node.now()
    assert not [one for one in pki.findings(node) if one.grade == "wrong"]


def test_doctor_warns_of_a_list_before_it_refuses_everybody(scene: Scene, wall: Wall) -> None:
    """Without a worker: an alarm while there is time, and another when it has happened; `status` says the same."""
    node = scene.node
    assert revocation_lists.alarms(node) == []
    assert [one.grade for one in examine(node) if one.about == "certificates"] == ["ok"]
    wall.forward(timedelta(days=5))
    [soon] = [one for one in examine(node) if one.about == "certificates"]
    assert soon.grade == "wrong"
    assert "expires in 4" in soon.finding
    assert [one.finding for one in revocation_lists.alarms(node)] == [soon.finding]
    wall.forward(timedelta(days=3))
    [late] = [one for one in examine(node) if one.about == "certificates"]
    assert "everybody whom it certified is refused" in late.finding
    assert late.step
    assert [one.finding for one in revocation_lists.alarms(node)] == [late.finding]


def test_doctor_says_of_a_partner_why_it_cannot_connect(scene: Scene, holder: Holder) -> None:
    """It must show a certificate and has none, or its authority has no list here."""
    node = scene.node
    described, _ = pki.issue_for_partner(node, "b", holder.request())
    pki.revoke(node, described.serial)
    foreign = Foreign()
    pki.pin(node, "c", foreign.pem)
    found = {one.finding: one for one in examine(node) if one.about in ("partner b", "partner c")}
    assert any("none of it is in force" in text for text in found)
    assert any("no revocation list here" in text for text in found)
    assert any("none of it is in force" in one.finding for one in examine(node, partner="b"))


def test_doctor_names_what_a_retired_authority_signed(scene: Scene) -> None:
    """Our server still shows a certificate that nobody believes who follows us: said, with the command that mends it."""
    node = scene.node
    pki.issue_own(node, "server", hosts=["localhost"])
    [old] = pki.listing(node).authorities
    pki.init(node, another=True)
    assert not [one for one in examine(node) if one.about == "certificates" and one.grade != "ok"]
    pki.retire(node, old.described.fingerprint)
    [wrong] = [one for one in examine(node) if one.about == "certificates" and one.grade != "ok"]
    assert (
        "our certificate server was signed by an authority of ours that is retired" in wrong.finding
    )
    assert wrong.step == "cert-exchange pki own server --host localhost"
    pki.issue_own(node, "server", hosts=["localhost"])
    assert not [one for one in examine(node) if one.about == "certificates" and one.grade != "ok"]


def test_whether_a_certificate_stands_is_asked_in_one_way(scene: Scene, holder: Holder) -> None:
    """Without an end it stands until it is revoked, everywhere; of a retired authority it stands nowhere."""
    node = scene.node
    described, _ = pki.issue_for_partner(node, "b", holder.request())
    [authority] = pki.listing(node).authorities
    node.database.transact(lambda tx: tx.execute(sql("UPDATE certificates SET ends_at = NULL")))
    assert pki.listing(node).able == {"b"}
    assert pki.leaning_on(node, authority.described.fingerprint) == ("b",)
    assert outliving.in_force(node, "b").certificates == (described.serial[:16],)
    pki.init(node, another=True)
    pki.retire(node, authority.described.fingerprint)
    assert pki.listing(node).able == frozenset()
    assert outliving.in_force(node, "b").certificates == ()


def test_a_certificate_made_elsewhere_is_taken_up_only_for_the_key_that_asked(
    scene: Scene, holder: Holder
) -> None:
    """`request` and `accept`: the key waits in the vault, and a certificate of another key is refused."""
    node, foreign = scene.node, Foreign()
    text = pki.request(node, "to-b")
    key = x509.load_pem_x509_csr(text.encode()).public_key()
    with pytest.raises(ConfigurationInvalid, match="another key"):
        pki.accept(node, "to-b", pki_pem(foreign.sign(holder)))
    asked = Holder(holder.folder, "a")
    signed = (
        foreign._unsigned(foreign.name, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(
            foreign.key,
            hashes.SHA256(),
        )
    )
    assert asked.key is not key
    pki.accept(node, "to-b", pki_pem(signed))
    assert set(pki.listing(node).own) == {"to-b"}
    with pytest.raises(ConfigurationInvalid, match="no request"):
        pki.accept(node, "to-b", pki_pem(signed))


def test_keys_are_the_owners_alone_and_in_no_output(scene: Scene) -> None:
    """What is written is 0600 inside the vault; neither listing nor ledger holds a private key."""
    node = scene.node
    pki.issue_own(node, "server", hosts=["localhost"])
    pki.request(node, "to-b")
    vault = node.settings.home / "secrets" / "pki"
    files = list(vault.iterdir())
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert "PRIVATE" not in repr(pki.listing(node)) + repr(pki.load_material(served(node)))
    ledger.seal(node)
    with node.database.reading() as tx:
        lines = tx.execute(sql("SELECT * FROM ledger_lines")).all()
    assert b"PRIVATE" not in repr(lines).encode()


def served(node: Node):
    place = Path("secrets/pki/server.pem")
    return node.settings.model_copy(update={"tls_certificate": place, "tls_key": place})
