"""What every request and answer keeps, whatever it is about: paths, media types, methods, errors, health."""

from __future__ import annotations

import gzip
import json
import re
import socket
import ssl
from contextlib import nullcontext
from pathlib import Path

import pytest
import trustme
from tests.scenes import indicator
from tests.taxii.conftest import (
    ROOT,
    TAXII,
    Client,
    Served,
    basic,
    collection_id,
    objects_path,
    started,
)

from cert_exchange.errors import CertExchangeError
from cert_exchange.http import answers
from cert_exchange.http.tls import CIPHERS
from cert_exchange.node import Node

EVERY_PATH = (
    "/taxii2/",
    ROOT,
    f"{ROOT}collections/",
    f"{ROOT}collections/indicators/",
    f"{ROOT}collections/indicators/manifest/",
    f"{ROOT}collections/indicators/objects/",
)


def every_path(server: Served) -> list[str]:
    """One path of each GET resource, all of which exist."""
    (one,) = server.publish_many(1)
    posted = server.client().post(objects_path(), {"objects": [indicator("posted", by=None)]})
    return [
        *EVERY_PATH,
        objects_path(stix_id=one),
        objects_path(stix_id=one, tail="versions/"),
        f"{ROOT}status/{posted.json['id']}/",
    ]


@pytest.mark.checklist(2)
def test_discovery_is_at_exactly_taxii2(sqlite_server: Served) -> None:
    """Discovery is at /taxii2/ on the root of the server and nowhere else."""
    client = sqlite_server.client()
    assert client.get("/taxii2/").status == 200
    assert client.get("/api/taxii2/").status == 404
    assert client.get("/taxii/").status == 404


@pytest.mark.checklist(5)
@pytest.mark.case("T03")
@pytest.mark.case("T12")
def test_every_answer_has_exactly_the_taxii_type(server: Served) -> None:
    """All answers, errors of every kind too, say application/taxii+json;version=2.1 and nothing else."""
    client = server.client()
    found = [client.get(path) for path in every_path(server)]
    assert {got.status for got in found} == {200}
    found += [server.stranger().get(path) for path in EVERY_PATH]
    found += [
        client.get("/nowhere/"),
        client.get(f"{ROOT}collections/none/"),
        client.objects({"limit": "0"}),
        client.get(objects_path(), headers={"Accept": "text/html"}),
        client.ask(objects_path(), method="PUT"),
        client.post(objects_path(), b"{}", media="text/plain"),
        client.post(objects_path(), b"nonsense"),
        client.delete(objects_path(stix_id=f"indicator--{collection_id('none')}")),
    ]
    assert {got.headers["content-type"] for got in found} == {TAXII}
    assert {got.status for got in found} >= {200, 400, 401, 404, 405, 406, 415}


@pytest.mark.checklist(4)
@pytest.mark.case("T16")
@pytest.mark.case("T28")
def test_with_and_without_the_final_slash_is_the_same(server: Served) -> None:
    """A path without its final slash gives the same answer, never a redirect."""
    client = server.client()
    for path in every_path(server):
        with_slash, without = client.get(path), client.get(path.rstrip("/"))
        assert (
            (without.status, without.raw)
            == (with_slash.status, with_slash.raw)
            == (200, without.raw)
        )
    posted = client.post(objects_path().rstrip("/"), {"objects": [indicator("slash", by=None)]})
    assert posted.status == 202
    assert client.get(objects_path() + "/").status == 404


@pytest.mark.checklist(9)
def test_a_missing_user_agent_is_no_reason_to_refuse(sqlite_server: Served) -> None:
    """The test client sends no User-Agent at all."""
    assert sqlite_server.client().objects().status == 200


@pytest.mark.checklist(11)
def test_head_answers_as_get_without_a_body(server: Served) -> None:
    """HEAD has the headers of GET, with the length that GET would have, and no body."""
    client = server.client()
    for path in every_path(server):
        got, head = client.get(path), client.ask(path, method="HEAD")
        assert head.raw == b""
        assert head.status == got.status
        without_date = {k: v for k, v in got.headers.items() if k != "date"}
        assert {k: v for k, v in head.headers.items() if k != "date"} == without_date
    assert client.ask("/nowhere/", method="HEAD").status == 404


@pytest.mark.checklist(11)
def test_other_methods_are_405_with_allow(server: Served) -> None:
    """A method that a resource does not have gives 405, the methods it has, and an error resource."""
    client = server.client()
    for path, allowed in (
        ("/taxii2/", "HEAD, GET, OPTIONS"),
        (objects_path(), "HEAD, GET, POST, OPTIONS"),
        (objects_path(stix_id=f"indicator--{collection_id('x')}"), "HEAD, GET, DELETE, OPTIONS"),
    ):
        for method in ("PUT", "PATCH"):
            got = client.ask(path, method=method)
            assert got.status == 405
            assert got.headers["allow"] == allowed
            assert got.json["http_status"] == "405"
    assert client.post("/taxii2/", {}).status == 405
    assert client.delete(objects_path()).status == 405


@pytest.mark.checklist(11)
def test_options_says_what_is_allowed_and_nothing_of_cors(sqlite_server: Served) -> None:
    """OPTIONS: 204, Allow, no body, no CORS header; also for what is hidden, so that it tells nothing."""
    client = sqlite_server.client()
    for path in (objects_path(), objects_path("none")):
        got = client.ask(path, method="OPTIONS", headers={"Origin": "https://elsewhere.example"})
        assert got.status == 204
        assert got.headers["allow"] == "HEAD, GET, POST, OPTIONS"
        assert got.raw == b""
        assert not [name for name in got.headers if name.startswith("access-control")]


@pytest.mark.checklist(12)
@pytest.mark.case("T07")
def test_every_error_is_an_error_resource_whose_id_is_in_the_log(
    sqlite_server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """Title, the status as text, and an error_id that is fresh each time."""
    client = sqlite_server.client()
    seen = set()
    for got in (
        client.get("/nowhere/"),
        client.get("/health/nothing/"),
        client.get(f"{ROOT}collections/none/"),
        client.ask(objects_path(), method="PUT"),
        client.objects({"limit": "x"}),
        sqlite_server.stranger().get("/taxii2/"),
        client.post(objects_path(), b'{"objects": []}'),
        client.post(objects_path(), b"{}", media="application/x-www-form-urlencoded"),
    ):
        assert got.status >= 400
        assert got.json["http_status"] == str(got.status)
        assert got.json["title"]
        assert re.fullmatch(r"[0-9a-f]{32}", got.json["error_id"])
        seen.add(got.json["error_id"])
    assert len(seen) == 8


@pytest.mark.checklist(12)
def test_a_fault_of_ours_is_500_without_a_word_of_it(
    sqlite_server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks inside, the client reads fixed words; the log has the place under the same error_id."""
    from structlog.testing import capture_logs

    from cert_exchange.taxii import pages

    def broken(*_: object, **__: object) -> bytes:
        raise RuntimeError("canary-5f1b: SELECT secret FROM credentials")

    monkeypatch.setattr(pages, "body", broken)
    with capture_logs() as logged:
        got = sqlite_server.client().objects()
    assert got.status == 500
    assert b"canary" not in got.raw
    assert b"Traceback" not in got.raw
    assert got.json["description"] == CertExchangeError.public
    (line,) = [one for one in logged if one["event"] == "refused"]
    assert line["error_id"] == got.json["error_id"]
    assert "RuntimeError at" in line["detail"]
    assert "canary" not in repr(logged)


@pytest.mark.checklist(12)
def test_a_head_that_is_too_large_is_431(sqlite_server: Served) -> None:
    """Path, query and headers together are bounded, by the application and, far above, by the wire."""
    client = sqlite_server.client()
    got = client.objects("x=" + "a" * 70_000)
    assert (got.status, got.json["http_status"]) == (431, "431")
    got = client.get("/taxii2/", headers={"X-Long": "a" * 70_000})
    assert got.status == 431
    with socket.create_connection(("127.0.0.1", sqlite_server.port), timeout=10) as raw:
        raw.sendall(b"GET /taxii2/ HTTP/1.1\r\nX-Long: " + b"a" * 300_000)
        answer = raw.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["http_status"] == "431"


@pytest.mark.checklist(12)
def test_what_is_no_http_gets_an_error_resource(sqlite_server: Served) -> None:
    """Even a broken request line is answered with an error resource, and the connection ends."""
    with socket.create_connection(("127.0.0.1", sqlite_server.port), timeout=10) as raw:
        raw.sendall(b"NONSENSE\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["http_status"] == "400"


@pytest.mark.checklist(13)
def test_custom_properties_in_an_envelope_are_ignored(sqlite_server: Served) -> None:
    """A request with properties that nobody knows is taken as without them."""
    got = sqlite_server.client().post(
        objects_path(),
        {"objects": [indicator("custom", by=None)], "x_their_batch": 7, "more": False},
    )
    assert (got.status, got.json["success_count"]) == (202, 1)


@pytest.mark.case("T31")
def test_health_is_outside_of_negotiation_and_login(server: Served) -> None:
    """Health answers without credential and whatever the Accept, also through HEAD."""
    client = server.stranger().with_(accept=None)
    for name in ("live", "ready"):
        for accept in (None, "text/plain", "application/json"):
            got = client.get(f"/health/{name}", headers={"Accept": accept})
            assert (got.status, got.json["status"]) == (200, name)
    assert client.ask("/health/ready", method="HEAD").status == 200
    assert client.ask("/health/ready", method="POST").status == 405
    assert client.get("/health/other").status == 404


@pytest.mark.case("D05")
@pytest.mark.case("D13")
def test_health_shows_a_database_that_is_gone(
    sqlite_server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready turns to 503 while the database cannot be asked and back when it can; polls are 503 with Retry-After."""
    client = sqlite_server.client()
    assert client.objects().status == 200
    path = sqlite_server.node.database.path
    assert path is not None
    pool = sqlite_server.node.database.raw
    pool.close()
    monkeypatch.setattr(pool, "_path", "/nonexistent/folder/exchange.db")
    got = client.get("/health/ready")
    assert (got.status, got.json["status"]) == (503, "not ready")
    polled = client.objects()
    assert (polled.status, polled.headers["retry-after"]) == (503, "5")
    assert client.get("/health/live").status == 200
    monkeypatch.undo()
    assert client.get("/health/ready").status == 200
    assert client.objects().status == 200


@pytest.mark.case("D13")
def test_serve_waits_for_a_database_that_is_not_there_yet(sqlite_node: Node) -> None:
    """Started while the database is down: it listens, is live and not ready, everything else is 503, and it ends in order."""
    home = sqlite_node.settings.home
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        with (home / "node.yaml").open("a") as file:
            file.write(f"database_url: postgresql://nobody@{address}/none\nport: 0\n")
        with started(home) as (port, log):
            client = Client(port, "Bearer a.b")
            assert client.get("/health/live").status == 200
            assert client.get("/health/ready").status == 503
            got = client.objects()
            assert (got.status, got.headers["retry-after"], got.json["http_status"]) == (
                503,
                "5",
                "503",
            )
    assert "database not there yet" in log.read_text()


def test_the_words_of_a_fault_of_ours_stay_with_us(
    sqlite_server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that speaks to our operator, of a file or a broken ledger, is a plain 500 to a partner."""
    from structlog.testing import capture_logs

    from cert_exchange.errors import ConfigurationInvalid
    from cert_exchange.services import polling

    def broken(*_: object, **__: object) -> None:
        raise ConfigurationInvalid("/srv/canary-9a/node.yaml: wrong")

    monkeypatch.setattr(polling, "list_collections", broken)
    with capture_logs() as logged:
        got = sqlite_server.client().get("/taxii2/")
    assert (got.status, got.json["title"]) == (500, CertExchangeError.title)
    assert b"canary" not in got.raw
    assert any("canary-9a" in one.get("detail", "") for one in logged)


def test_gzip_is_given_to_those_who_take_it(server: Served) -> None:
    """A large answer is packed when asked for, the same bytes come out; a small one and others' are not packed."""
    server.publish_many(20)
    client = server.client()
    plain = client.objects()
    assert "content-encoding" not in plain.headers
    packed = client.objects(None).headers
    assert "content-encoding" not in packed
    got = client.get(objects_path(), headers={"Accept-Encoding": "gzip, deflate"})
    assert got.headers["content-encoding"] == "gzip"
    assert got.raw == plain.raw
    assert int(got.headers["content-length"]) < len(plain.raw)
    small = client.get("/taxii2/", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers
    refused = client.get(objects_path(), headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in refused.headers


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("gzip", True), ("x-gzip", True), ("*", True), ("gzip;q=0.5", True), ("br, GZIP ; q=1", True),
        ("", False), ("identity", False), ("gzip;q=0", False), ("*;q=0", False), ("gzip;q=no", False),
        ("*, gzip;q=0", False), ("deflate", False),
    ],
)  # fmt: skip
def test_accept_encoding_is_read_as_rfc_9110_says(header: str, *, wanted: bool) -> None:
    """q=0 refuses, a star stands for those not named."""
    assert answers.wants_gzip(header.encode()) is wanted
    assert gzip.decompress(answers.pack(b"abc" * 1000)) == b"abc" * 1000


@pytest.mark.checklist(1)
def test_tls_is_1_2_or_newer_without_bad_suites(tmp_path: Path, sqlite_node: Node) -> None:
    """`serve` speaks TLS from certificate files: 1.3 and 1.2, no older one, no suite of RFC 7540 appendix A."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    home = sqlite_node.settings.home
    with (home / "node.yaml").open("a") as file:
        file.write(f"tls_certificate: {chain}\ntls_key: {key}\nport: 0\n")
    with started(home) as (port, _):
        for version, low in (
            (ssl.TLSVersion.TLSv1_3, False),
            (ssl.TLSVersion.TLSv1_2, False),
            (ssl.TLSVersion.TLSv1_1, True),
        ):
            context = ssl.create_default_context()
            authority.configure_trust(context)
            with pytest.warns(DeprecationWarning, match="TLS") if low else nullcontext():
                context.minimum_version = context.maximum_version = version
            with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
                if low:
                    with pytest.raises((ssl.SSLError, OSError)):
                        context.wrap_socket(raw, server_hostname="localhost")
                    continue
                with context.wrap_socket(raw, server_hostname="localhost") as line:
                    line.sendall(
                        b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                    )
                    assert line.recv(1000).startswith(b"HTTP/1.1 200 ")
                    cipher = line.cipher()
                    assert cipher is not None
                    assert "CBC" not in cipher[0]
    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offered.set_ciphers(CIPHERS)
    names = [suite["name"] for suite in offered.get_ciphers() if suite["protocol"] == "TLSv1.2"]
    assert names
    assert all(re.match(r"ECDHE-.*(GCM|CHACHA20)", name) for name in names)


def test_serve_ends_in_order_and_logs_requests_without_secrets(sqlite_node: Node) -> None:
    """SIGTERM: exit 0 and no child left; the access log has one line per request and no credential in it."""
    home = sqlite_node.settings.home
    with (home / "node.yaml").open("a") as file:
        file.write("port: 0\n")
    secret = "canary-secret-7d21"
    with started(home, worker=True) as (port, log):
        assert Client(port, basic("nobody", secret)).objects({"added_after": secret}).status == 401
        assert Client(port).get("/health/ready").status == 200
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert secret not in text
    assert {"listening", "request", "refused", "ending", "login failed"} <= {
        one["event"] for one in lines
    }
    requests = [one for one in lines if one["event"] == "request"]
    assert [(one["route"], one["status"]) for one in requests] == [("-", 401), ("health", 200)]
