"""Client certificates over a real server in a process of its own: who gets in, who does not, and when that changes.

The node of the test and the served one are two processes over one database: what a command changes must reach a server
that is running.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.client import HTTPException
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.authorities import Caller, Foreign, Holder, trusting
from tests.conftest import Wall
from tests.scenes import Scene
from tests.taxii.conftest import started

from cert_exchange.node import Node
from cert_exchange.services import partners, pki

REFUSED = (ssl.SSLError, ConnectionError, HTTPException)


class Place:
    """A node with an authority and a served TLS port."""

    def __init__(self, node: Node, port: int, log: Path, folder: Path) -> None:
        self.node, self.port, self.log, self.folder = node, port, log, folder
        self.tokens = {name: partners.issue(node, name, lifetime=None).token for name in ("b", "c")}

    def caller(self, pair: Path | None = None, partner: str = "b") -> Caller:
        return Caller(self.port, trusting(self.node, pair), self.tokens[partner])

    def holder(self, name: str = "b") -> Holder:
        return Holder(self.folder, name)

    def refusals(self) -> list[dict[str, str]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [one for one in lines if one["event"] == "handshake refused"]


@pytest.fixture
def place(node: Node, tmp_path: Path) -> Iterator[Place]:
    with placed(node, tmp_path) as made:
        yield made


@pytest.fixture
def sqlite_place(sqlite_node: Node, tmp_path: Path) -> Iterator[Place]:
    with placed(sqlite_node, tmp_path) as made:
        yield made


@contextmanager
def placed(node: Node, folder: Path, **settings: str) -> Iterator[Place]:
    Scene.set_up(node)
    pki.init(node)
    pki.issue_own(node, "server", hosts=["localhost"])
    with (node.settings.home / "node.yaml").open("a") as file:
        file.write("tls_certificate: secrets/pki/server.pem\ntls_key: secrets/pki/server.pem\n")
        file.write("port: 0\n")
        file.writelines(f"{name}: {value}\n" for name, value in settings.items())
    with started(node.settings.home) as (port, log):
        yield Place(node, port, log, folder)


def soon(what: Callable[[], bool], seconds: float = 5) -> bool:
    """Whether it becomes true in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if what():
            return True
        time.sleep(0.05)
    return False


def refused(call: Callable[[], int]) -> bool:
    """Whether the connection itself is refused, not only the request."""
    try:
        call()
    except REFUSED:
        return True
    return False


def lets_in(caller: Caller) -> bool:
    """Whether a new connection and a request on it succeed."""
    try:
        return caller.anew() == 200
    except REFUSED:
        return False


@pytest.mark.case("T33")
def test_a_partner_that_must_show_a_certificate_gets_nothing_without(place: Place) -> None:
    """From the certificate's issue on the credential alone is 401, with the certificate all is as before."""
    before = place.caller()
    assert before.poll() == 200
    _, pair = place.holder().certified_by(place.node, "b")
    with_it = place.caller(pair)
    assert soon(lambda: lets_in(with_it))
    assert before.anew() == 401
    assert place.caller(partner="c").poll() == 200  # nobody asked c for one


def test_a_missing_certificate_locks_nobody_out(sqlite_place: Place) -> None:
    """Whoever has B's token but no certificate asks again and again: B itself, in the same network, goes on."""
    place = sqlite_place
    _, pair = place.holder().certified_by(place.node, "b")
    without = place.caller()
    assert [without.poll() for _ in range(12)] == [401] * 12
    assert soon(lambda: lets_in(place.caller(pair)))


def test_a_client_that_says_no_farewell_does_not_hold_up_the_end(
    sqlite_node: Node, tmp_path: Path
) -> None:
    """A poller keeps its connection and sleeps, and never reads that it was closed: the server's grace is not used up."""
    with placed(sqlite_node, tmp_path) as place:
        described, pair = place.holder().certified_by(place.node, "b")
        idle, revoked = place.caller(pair), place.caller(pair)
        assert soon(lambda: lets_in(idle))
        assert soon(lambda: lets_in(revoked))
        pki.revoke(place.node, described.serial)
        assert soon(
            lambda: (
                any("revoked" in one["reason"] for one in place.refusals())
                or refused(place.caller(pair).anew)
            )
        )
    assert "timeout graceful shutdown exceeded" not in place.log.read_text()


def test_a_certificate_serves_nobody_but_its_partner(place: Place) -> None:
    """B's certificate beside C's credential is refused, also where C need not show any."""
    _, pair = place.holder().certified_by(place.node, "b")
    assert soon(lambda: lets_in(place.caller(pair)))
    assert place.caller(pair, partner="c").poll() == 401


def test_a_revoked_certificate_is_refused_in_new_and_in_open_connections(place: Place) -> None:
    """The very next request on the open connection gets 401 (or finds it closed), the next handshake is refused."""
    described, pair = place.holder().certified_by(place.node, "b")
    _, other = place.holder("b2").certified_by(place.node, "b")
    open_one = place.caller(pair)
    assert soon(lambda: lets_in(open_one))
    pki.revoke(place.node, described.serial, reason="key_compromise")
    with suppress(REFUSED):  # the server may have hung up already
        assert open_one.poll() == 401
    fresh = place.caller(pair)
    assert soon(lambda: refused(fresh.anew))
    assert soon(lambda: any("revoked" in one["reason"] for one in place.refusals()))
    assert {one["address"] for one in place.refusals()} == {"127.0.0.1"}
    assert place.caller(other).poll() == 200  # its overlapping certificate goes on


def test_a_pinned_authority_is_believed_for_its_partner_alone(place: Place) -> None:
    """B's own authority: B gets in by it, nobody by a certificate of it that names C, and none after its list ended."""
    foreign, holder = Foreign(), place.holder()
    pair = holder.pair(foreign.sign(holder))
    stranger = holder.pair(Foreign("CERT B CA").sign(holder))  # the same name, another key
    server_only = holder.pair(foreign.sign(holder, use=ExtendedKeyUsageOID.SERVER_AUTH))
    expired = holder.pair(foreign.sign(holder, since=9, days=-1))
    pki.pin(place.node, "b", foreign.pem, crl=foreign.crl())
    assert soon(lambda: not refused(place.caller(pair).poll))
    assert place.caller(pair).poll() == 200
    assert place.caller(pair, partner="c").poll() == 401
    for wrong in (stranger, server_only, expired):
        assert refused(place.caller(wrong).poll)


def test_a_partners_list_revokes_at_once_and_never_goes_back(place: Place) -> None:
    """A newer list of the pinned authority ends a certificate; an older one that does not name it is refused."""
    from cert_exchange.errors import ConfigurationInvalid

    foreign, holder = Foreign(), place.holder()
    certificate = foreign.sign(holder)
    caller = place.caller(holder.pair(certificate))
    pki.pin(place.node, "b", foreign.pem, crl=foreign.crl(number=5))
    assert soon(lambda: not refused(caller.anew))
    assert caller.anew() == 200
    assert pki.new_list(place.node, "b", foreign.crl(certificate, number=6)) == 1
    with suppress(REFUSED):
        assert caller.poll() == 401
    assert soon(lambda: refused(caller.anew))
    with pytest.raises(ConfigurationInvalid, match="older"):
        pki.new_list(place.node, "b", foreign.crl(number=5))


@pytest.mark.long
def test_without_a_list_or_with_an_expired_one_nobody_gets_in(sqlite_place: Place) -> None:
    """Also on a connection that was open before the list ended."""
    place, foreign = sqlite_place, Foreign()
    holder = place.holder()
    pair = holder.pair(foreign.sign(holder))
    pki.pin(place.node, "b", foreign.pem)
    assert soon(lambda: refused(place.caller(pair).poll))
    pki.new_list(place.node, "b", foreign.crl(days=12 / 86_400, number=2))
    caller = place.caller(pair)
    assert soon(lambda: not refused(caller.anew) and caller.poll() == 200, 9)

    def out() -> bool:
        try:
            return caller.poll() == 401
        except REFUSED:
            return True

    assert soon(out, 20)
    assert refused(place.caller(pair).poll)


def test_the_servers_certificate_is_renewed_under_open_connections(sqlite_place: Place) -> None:
    """The next handshake meets the new one, an open connection goes on, nothing is restarted."""
    place = sqlite_place
    open_one = place.caller()
    assert open_one.poll() == 200
    before = served_by(open_one)
    [made] = pki.renew_due(place.node, at_once=True)

    def renewed() -> bool:
        fresh = place.caller()
        assert fresh.poll() == 200
        found = served_by(fresh)
        fresh.close()
        return found != before

    assert soon(renewed)
    assert open_one.poll() == 200
    assert made.hosts == ("localhost",)


def served_by(caller: Caller) -> bytes:
    assert caller.kept is not None
    return caller.kept.sock.getpeercert(binary_form=True)


def test_a_broken_renewal_changes_nothing(sqlite_place: Place) -> None:
    """A file that cannot be used is said in the log once; the server goes on with what it had."""
    place = sqlite_place
    file = place.node.settings.home / "secrets" / "pki" / "server.pem"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert soon(lambda: "certificates not taken up" in place.log.read_text())
    assert place.caller().poll() == 200
    file.write_bytes(whole)
    time.sleep(1.2)
    assert place.log.read_text().count("certificates not taken up") == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_connection_is_no_way_around_a_revocation(
    sqlite_place: Place, version: ssl.TLSVersion
) -> None:
    """TLS 1.3 resumes nothing, 1.2 hands out no tickets; whatever is resumed meets the revocation at its next request."""
    place = sqlite_place
    described, pair = place.holder().certified_by(place.node, "b")
    context = trusting(place.node, pair)
    context.maximum_version = version
    first = Caller(place.port, context, place.tokens["b"])
    assert soon(lambda: lets_in(first))
    assert first.kept is not None
    session = first.kept.sock.session
    assert session is None or not session.has_ticket
    pki.revoke(place.node, described.serial)
    with socket.create_connection(("127.0.0.1", place.port), timeout=10) as raw:
        try:
            with context.wrap_socket(raw, server_hostname="localhost", session=session) as line:
                assert version is ssl.TLSVersion.TLSv1_2 or not line.session_reused
                line.sendall(
                    b"GET /api/collections/ HTTP/1.1\r\nHost: localhost\r\n"
                    b"Authorization: Bearer " + place.tokens["b"].encode() + b"\r\n\r\n"
                )
                assert not line.recv(64).startswith(b"HTTP/1.1 200")
        except REFUSED:
            return


def test_required_means_that_no_connection_is_opened_without(
    sqlite_node: Node, tmp_path: Path
) -> None:
    """`client_certificates: required`: whoever shows none does not get as far as a request."""
    with placed(sqlite_node, tmp_path, client_certificates="required") as place:
        assert refused(place.caller().poll)
        assert soon(lambda: bool(place.refusals()))
        _, pair = place.holder().certified_by(place.node, "b")
        assert soon(lambda: lets_in(place.caller(pair)))


def test_a_header_from_no_proxy_is_refused(sqlite_place: Place) -> None:
    """`Client-Cert` from whoever connects directly opens nothing, and is no way around a certificate."""
    place = sqlite_place
    _, pair = place.holder().certified_by(place.node, "b")
    der = ssl.PEM_cert_to_DER_cert(pair.read_text().partition("-----BEGIN PRIVATE")[0])
    import base64

    header = ":" + base64.b64encode(der).decode() + ":"
    assert place.caller().poll(**{"Client-Cert": header}) == 401
    assert place.caller(partner="c").poll(**{"Client-Cert": header}) == 401


def test_the_authority_is_changed_over_without_a_pause(place: Place, wall: Wall) -> None:
    """Two authorities of ours stand beside each other until the older one is retired."""
    _ = wall
    [(old, _)] = pki.describe_own(place.node)
    _, by_old = place.holder().certified_by(place.node, "b")
    pki.init(place.node, another=True)
    _, by_new = place.holder("b2").certified_by(place.node, "b", lifetime=timedelta(days=1))
    for pair in (by_old, by_new):
        assert soon(lambda one=pair: lets_in(place.caller(one)))
    pki.issue_own(place.node, "server", hosts=["localhost"])
    old_one = place.caller(by_old)  # believes both: what refuses it is the server
    pki.retire(place.node, old.fingerprint)
    assert soon(lambda: lets_in(place.caller(by_new)))
    assert soon(lambda: refused(old_one.anew))
    assert lets_in(place.caller(by_new))
