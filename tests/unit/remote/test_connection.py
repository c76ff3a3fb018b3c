"""One remote over HTTP: limits, redirects, credentials, what is refused."""

from __future__ import annotations

import base64
import json
import logging
import ssl
import time

import pytest
import requests.exceptions
import taxii2client.exceptions
import trustme
import urllib3.exceptions
from taxii2client.v21 import ApiRoot, Server
from tests.neighbour import MEDIA, Asked, Neighbour, Reply, gzipped, scripted
from tests.unit.remote.conftest import connect

from cert_exchange import errors
from cert_exchange.remote.connection import TRANSLATED, AnswerTooLarge, Moved, check_url
from cert_exchange.remote.connection.failures import door_of, translated
from cert_exchange.remote.identity import Credential, Trust


def test_no_foreign_error_leaves_remote():
    """Every exception class of requests, urllib3 and taxii2-client has an entry of its own in the table."""

    def subclasses(kind: type[BaseException]) -> set[type[BaseException]]:
        return {kind}.union(*(subclasses(one) for one in kind.__subclasses__()))

    foreign = (
        subclasses(requests.exceptions.RequestException)
        | subclasses(urllib3.exceptions.HTTPError)
        | subclasses(taxii2client.exceptions.TAXIIServiceException)
    )
    ours = {
        kind
        for kind in foreign
        if kind.__module__.startswith(("requests", "urllib3", "taxii2client"))
    }
    assert len(ours) > 50
    assert ours <= TRANSLATED.keys()
    assert all(issubclass(kind, errors.RemoteError) for kind, _ in TRANSLATED.values())


def test_the_walk_over_foreign_errors_can_fail():
    """A class without an entry of its own is seen, and still leaves as its ancestor's error."""

    class Fresh(requests.exceptions.ConnectionError):
        pass

    assert Fresh not in TRANSLATED
    assert door_of(Fresh) == TRANSLATED[requests.exceptions.ConnectionError]
    with pytest.raises(errors.RemoteUnreachable), translated("GET /", read_seconds=1):
        raise Fresh


def test_sends_name_version_and_type(neighbour):
    """User-Agent names us with our version, Accept is the TAXII type without a blank (taxii21 61)."""
    peer = neighbour(scripted(Reply()))
    connect(peer).fetch("GET", peer.url)
    sent = peer.requests[0].headers
    assert sent["user-agent"].startswith("cert-exchange/")
    assert sent["accept"] == MEDIA
    assert "authorization" not in sent


@pytest.mark.case("W25")
@pytest.mark.parametrize(
    ("user", "secret"), [("a", "a:b:c"), ("", "key as password"), ("ümlaut", "pass wörd ☂")]
)
def test_basic_keeps_user_and_password_apart(neighbour, user, secret):
    """A colon, blanks and letters beyond ASCII reach the server as UTF-8."""
    peer = neighbour(scripted(Reply()))
    credential = Credential("basic", user=user, secret=secret)
    connect(peer, credential=credential).fetch("GET", peer.url)
    kind, _, value = peer.requests[0].headers["authorization"].partition(" ")
    assert kind == "Basic"
    assert base64.b64decode(value).decode() == f"{user}:{secret}"
    assert secret not in repr(credential)


@pytest.mark.checklist(62)
@pytest.mark.parametrize(
    ("credential", "header", "value"),
    [
        (Credential("bearer", secret="id.s"), "authorization", "Bearer id.s"),
        (Credential("token", secret="t"), "authorization", "Token t"),
        (Credential("api_key", secret="k", header="X-Api-Key"), "x-api-key", "k"),
    ],
)
def test_other_credentials(neighbour, credential, header, value):
    """Bearer, Token and a key in a named header."""
    peer = neighbour(scripted(Reply()))
    connect(peer, credential=credential).fetch("GET", peer.url)
    assert peer.requests[0].headers[header] == value


def test_nothing_comes_from_the_environment(neighbour, monkeypatch, tmp_path):
    """Neither a proxy nor a .netrc nor a CA bundle of the environment reaches a session."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password stolen\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    peer = neighbour(scripted(Reply()))
    connect(peer).fetch("GET", peer.url)
    assert "authorization" not in peer.requests[0].headers


@pytest.mark.case("W01")
@pytest.mark.parametrize("reply", [Reply(silent=True), Reply(hang=True, body=b"{}")])
def test_silence_ends(neighbour, reply):
    """A partner that says nothing, or stops after its headers, is given up with the limit in the sentence."""
    peer = neighbour(scripted(reply))
    begun = time.monotonic()
    with pytest.raises(errors.RemoteTimeout, match=r"silent for too long \(limit 0.3 s\)"):
        connect(peer, read_seconds=0.3).fetch("GET", peer.url)
    assert time.monotonic() - begun < 5


@pytest.mark.case("W01")
def test_a_drip_ends(neighbour):
    """One byte now and then never trips the read limit, but the limit of the whole answer does."""
    peer = neighbour(scripted(Reply(body=b" " * 500, drip=0.05)))
    with pytest.raises(errors.RemoteTimeout, match=r"longer than 0.4 s"):
        connect(peer, answer_seconds=0.4).fetch("GET", peer.url)


def test_a_line_that_breaks_among_the_headers_is_no_empty_answer(neighbour):
    """Half a header block and nothing more: an error, not a page without objects."""
    peer = neighbour(scripted(Reply(cut_headers=True)))
    with pytest.raises(errors.RemoteAnswerInvalid, match="broke off"):
        connect(peer).fetch("GET", peer.url)


@pytest.mark.case("W01")
@pytest.mark.parametrize("secure", [False, True])
def test_dripping_headers_end(neighbour, secure):
    """Header lines that come drop by drop never trip the read limit either: the watch ends them, over TLS too."""
    authority = trustme.CA()
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
    peer = neighbour(scripted(Reply(drip_headers=0.1)), context=context)
    begun = time.monotonic()
    with authority.cert_pem.tempfile() as ca:
        connection = connect(peer, trust=trust(ca), connect_seconds=0.3, answer_seconds=0.3)
        with pytest.raises(errors.RemoteTimeout, match=r"longer than 0.6 s"):
            connection.fetch("GET", peer.url)
    assert time.monotonic() - begun < 3


@pytest.mark.case("W12")
@pytest.mark.parametrize("packed", [False, True])
def test_size_is_counted_while_reading(neighbour, packed):
    """A body over the cap is given up, also when only its unpacked form is over it."""
    body = b"[" + b" " * 3_000_000 + b"]"
    headers = {"Content-Encoding": "gzip"} if packed else {}
    peer = neighbour(scripted(Reply(body=gzipped(body) if packed else body, headers=headers)))
    with pytest.raises(AnswerTooLarge, match="100000 bytes"):
        connect(peer, max_answer_bytes=100_000).fetch("GET", peer.url)


@pytest.mark.parametrize(
    ("body", "encoding"), [(gzipped(b"{}" * 50)[:-9], "gzip"), (b"nonsense", "gzip"), (b"x", "br")]
)
def test_broken_packing(neighbour, body, encoding):
    """A gzip body that broke off, is none, or is packed as we did not ask."""
    peer = neighbour(scripted(Reply(body=body, headers={"Content-Encoding": encoding})))
    with pytest.raises(errors.RemoteAnswerInvalid):
        connect(peer).fetch("GET", peer.url)


def test_gzip_is_read(neighbour):
    """What we asked for is unpacked."""
    peer = neighbour(
        scripted(Reply(body=gzipped(b'{"title": "x"}'), headers={"Content-Encoding": "gzip"}))
    )
    answer = connect(peer).fetch("GET", peer.url)
    assert answer.document() == {"title": "x"}
    assert answer.wire_bytes > len(answer.body)


def test_a_broken_line(neighbour):
    """An answer that stops before its Content-Length is no answer."""
    peer = neighbour(scripted(Reply(body=b'{"objects": []}', cut=5)))
    with pytest.raises(errors.RemoteAnswerInvalid, match="broke off"):
        connect(peer).fetch("GET", peer.url)


def test_nobody_listens(neighbour):
    """A closed port is unreachable."""
    peer = neighbour(scripted(Reply()))
    peer.close()
    with pytest.raises(errors.RemoteUnreachable):
        connect(peer).fetch("GET", peer.url)


@pytest.mark.case("W16")
@pytest.mark.case("T16")
def test_a_redirect_on_the_same_origin_keeps_credentials_and_query(neighbour):
    """Moved within one origin: followed, with the credential and the question."""

    def behaviour(asked: Asked) -> Reply:
        if asked.path == "/root/x":
            return Reply(301, headers={"Location": "/root/x/"})
        return Reply()

    peer = neighbour(behaviour)
    connection = connect(peer, credential=Credential("bearer", secret="s"))
    connection.fetch("GET", peer.url + "x", params={"limit": "5"})
    assert [one.path for one in peer.requests] == ["/root/x", "/root/x/"]
    assert peer.requests[1].query == {"limit": "5"}
    assert peer.requests[1].headers["authorization"] == "Bearer s"


@pytest.mark.case("W16")
def test_a_redirect_elsewhere_stops_and_says_where(neighbour):
    """Another origin never sees the credential; the operator reads the new address."""
    other = neighbour(scripted(Reply()))
    target = f"http://user:pw@127.0.0.1:{other.port}/new/?q=1"
    peer = neighbour(scripted(Reply(302, headers={"Location": target})))
    with pytest.raises(Moved, match=rf"moved to http://127\.0\.0\.1:{other.port}/new/;") as caught:
        connect(peer, credential=Credential("bearer", secret="s")).fetch("GET", peer.url)
    assert "pw" not in str(caught.value)
    assert other.requests == []


@pytest.mark.case("W16")
@pytest.mark.parametrize("location", ["/root/", "/a", "http://[bad/", "//127.0.0.1:1/", "ftp://x/"])
def test_redirects_end(neighbour, location):
    """Circles, malformed addresses and other schemes end as an error of ours."""
    peer = neighbour(scripted(Reply(302, headers={"Location": location})))
    with pytest.raises(errors.RemoteAnswerInvalid):
        connect(peer).fetch("GET", peer.url)
    assert len(peer.requests) <= 6


@pytest.mark.case("W16")
def test_never_down_to_plain_http(neighbour):
    """From https to http is another origin, on the same host too."""
    authority = trustme.CA()
    plain = neighbour(scripted(Reply()))
    peer = tls_peer(
        neighbour, authority, Reply(301, headers={"Location": f"http://localhost:{plain.port}/"})
    )
    with authority.cert_pem.tempfile() as ca, pytest.raises(Moved):
        connect(peer, trust=trust(ca)).fetch("GET", peer.url)
    assert plain.requests == []


def test_a_moved_post_is_not_repeated(neighbour):
    """A 301 turns many clients' POST into a GET: we stop and say the address."""
    peer = neighbour(scripted(Reply(301, headers={"Location": "/root/new/"})))
    with pytest.raises(Moved, match="/root/new/"):
        connect(peer).fetch("POST", peer.url, body=b"{}")


def tls_peer(neighbour, authority: trustme.CA, reply: Reply, name: str = "localhost") -> Neighbour:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return neighbour(scripted(reply), context=context)


def trust(ca: str) -> Trust:
    from pathlib import Path

    return Trust(ca_file=Path(ca))


@pytest.mark.case("W24")
def test_tls_is_verified_against_the_ca_of_this_remote(neighbour, monkeypatch):
    """The right CA file: served. None, another's, or another name: refused. No switch turns it off."""
    authority, stranger = trustme.CA(), trustme.CA()
    peer = tls_peer(neighbour, authority, Reply(body=b'{"title": "x"}'))
    wrong_name = tls_peer(neighbour, authority, Reply(), name="other.example")
    with authority.cert_pem.tempfile() as ca, stranger.cert_pem.tempfile() as foreign:
        assert connect(peer, trust=trust(ca)).fetch("GET", peer.url).document() == {"title": "x"}
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca)
        for bad in (Trust(), trust(foreign)):
            with pytest.raises(errors.RemoteTlsFailed):
                connect(peer, trust=bad).fetch("GET", peer.url)
        with pytest.raises(errors.RemoteTlsFailed):
            connect(wrong_name, trust=trust(ca)).fetch("GET", wrong_name.url)


@pytest.mark.checklist(61)
@pytest.mark.parametrize(
    ("url", "insecure", "fine"),
    [
        ("https://cert.example/api/", False, True),
        ("http://127.0.0.1:5000/", True, True),
        ("http://[::1]/", True, True),
        ("http://localhost/", True, True),
        ("http://127.0.0.1/", False, False),
        ("http://cert.example/", True, False),
        ("http://127.0.0.1.example/", True, False),
        ("ftp://cert.example/", True, False),
        ("https:///x", False, False),
        ("https://user:pw@cert.example/", False, False),
        ("https://cert.example:99999/", False, False),
    ],
)
def test_which_addresses_are_taken(url, insecure, fine):
    """HTTPS only, unless it is loopback and says insecure."""
    if fine:
        check_url(url, insecure=insecure)
    else:
        with pytest.raises(errors.ConfigurationInvalid):
            check_url(url, insecure=insecure)


def test_only_configured_hosts(neighbour):
    """An address of another host that an answer names is not asked."""
    peer = neighbour(scripted(Reply()))
    with pytest.raises(Moved, match="no host that was configured"):
        connect(peer).fetch("GET", "https://elsewhere.example/")
    assert peer.requests == []


@pytest.mark.case("W19")
@pytest.mark.parametrize("status", [401, 403, 413, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("form", ["html", "nothing", "no type", "taxii", "broken line"])
def test_the_status_comes_first(neighbour, status, form):
    """An error needs no body, no Content-Type and no whole answer to be understood."""
    reply = {
        "html": Reply(status, b"<html><script>x</script><h1>Bad\nGateway</h1>", media="text/html"),
        "nothing": Reply(status, b"", media=None),
        "no type": Reply(status, b"denied", media=None),
        "taxii": Reply(status, json.dumps({"title": "No", "description": "Not you"}).encode()),
        "broken line": Reply(status, b"x" * 100, cut=3),
    }[form]
    peer = neighbour(scripted(reply))
    with pytest.raises(errors.RemoteRefused) as caught:
        connect(peer).fetch("GET", peer.url)
    assert caught.value.remote_status == status
    words = caught.value.public
    assert str(status) in words
    if form == "html":
        assert "did not come from a TAXII server: 'Bad Gateway'" in words
    if form == "taxii":
        assert "No: Not you" in words


@pytest.mark.case("U04")
@pytest.mark.case("T10")
@pytest.mark.checklist(69)
def test_a_login_page_is_a_failure_that_shows_itself(neighbour):
    """200 with HTML: an error with the first cleaned 200 characters."""
    html = b"<html><style>p{}</style><title>Sign in</title>" + b"<p>welcome\x1b[31m " * 100
    peer = neighbour(scripted(Reply(body=html, media="text/html")))
    with pytest.raises(errors.RemoteAnswerInvalid) as caught:
        connect(peer).fetch("GET", peer.url)
    assert "Sign in welcome" in caught.value.public
    assert "\x1b" not in caught.value.public
    assert len(caught.value.public) < 450


@pytest.mark.case("W03")
@pytest.mark.case("T24")
@pytest.mark.parametrize(
    ("media", "fine"),
    [
        ("application/taxii+json;version=2.1", True),
        ("Application/TAXII+json; Version=2.1; charset=utf-8", True),
        ("application/taxii+json", True),
        ('application/taxii+json;version="2.1"', True),
        ("application/taxii+json;version=2.0", False),
        ("application/vnd.oasis.taxii+json; version=2.0", False),
        ("application/json", False),
        (None, False),
    ],
)
def test_which_types_are_taken(neighbour, media, fine):
    """All equal spellings; others only when the administrator forgives them, and that is remembered."""
    peer = neighbour(scripted(Reply(body=b'{"objects": []}', media=media)))
    connection = connect(peer)
    if fine:
        connection.fetch("GET", peer.url)
        assert connection.tolerated == set()
        return
    of_2_0 = media is not None and media.endswith("2.0")
    words = "it is a TAXII 2.0 server" if of_2_0 else "did not come from a TAXII server"
    with pytest.raises(errors.RemoteAnswerInvalid, match=words):
        connection.fetch("GET", peer.url)
    if media == "application/json":
        forgiving = connect(peer, accept_types=["Application/JSON"])
        forgiving.fetch("GET", peer.url)
        assert forgiving.tolerated == {"application/json"}


@pytest.mark.case("T01")
@pytest.mark.checklist(68)
def test_406_is_asked_once_more_without_a_version(neighbour):
    """A server that takes only the unversioned type is answered in it; a second 406 is shown."""
    peer = neighbour(
        lambda asked: Reply() if asked.headers["accept"] == "application/taxii+json" else Reply(406)
    )
    connection = connect(peer)
    connection.fetch("GET", peer.url)
    connection.fetch("GET", peer.url)
    assert len(peer.requests) == 3
    stubborn = neighbour(scripted(Reply(406)))
    with pytest.raises(errors.RemoteRefused, match="406"):
        connect(stubborn).fetch("GET", stubborn.url)
    assert len(stubborn.requests) == 2


@pytest.mark.checklist(68)
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("999999999999", 3600.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("Thu, 22 Oct 2099 07:28:30 GMT", 3600.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after(neighbour, text, seconds):
    """Seconds or a date, capped at an hour; nonsense counts as not said."""

    class Dated(dict[str, str]):
        pass

    peer = neighbour(scripted(Reply(429, headers=Dated({"Retry-After": text}))))
    peer._server.RequestHandlerClass.date_time_string = lambda *_: "Wed, 21 Oct 2015 07:28:00 GMT"
    with pytest.raises(errors.RemoteRefused) as caught:
        connect(peer).fetch("GET", peer.url)
    assert caught.value.retry_after == seconds


@pytest.mark.case("W04")
@pytest.mark.parametrize("status", [200, 202, 204, 206])
def test_successes(neighbour, status):
    """206 of TAXII 2.0 days and 204 are read like 200."""
    peer = neighbour(scripted(Reply(status, b"" if status == 204 else b'{"objects": []}')))
    assert connect(peer).fetch("GET", peer.url).status == status


def test_cookies_are_not_kept(neighbour):
    """A remote cannot mark us."""
    peer = neighbour(scripted(Reply(headers={"Set-Cookie": "id=1; Path=/"})))
    connection = connect(peer)
    connection.fetch("GET", peer.url)
    connection.fetch("GET", peer.url)
    assert "cookie" not in peer.requests[1].headers


def test_taxii2_client_works_over_it(neighbour):
    """The stock client's classes run over our connection: discovery and an API root."""

    def behaviour(asked: Asked) -> Reply:
        body: dict[str, object]
        if asked.path == "/taxii2/":
            body = {"title": "T", "default": peer.url, "api_roots": ["/root/"]}
        elif asked.path == "/root/":
            body = {"title": "R", "versions": [MEDIA], "max_content_length": 1000}
        else:
            body = {
                "collections": [
                    {
                        "id": peer.collection,
                        "title": "C",
                        "can_read": True,
                        "can_write": True,
                        "media_types": [],
                    }
                ]
            }
        return Reply(body=json.dumps(body).encode())

    peer = neighbour(behaviour)
    connection = connect(peer)
    server = Server(peer.origin + "/taxii2/", conn=connection)
    assert [root.url for root in server.api_roots] == [peer.url]
    root = ApiRoot(peer.url, conn=connection)
    assert root.max_content_length == 1000
    assert [one.id for one in root.collections] == [peer.collection]


def test_no_secret_in_logs(neighbour, caplog):
    """Nothing that remote or its libraries log holds the credential."""
    caplog.set_level(logging.DEBUG)
    peer = neighbour(scripted(Reply(401)))
    with pytest.raises(errors.RemoteRefused) as caught:
        connect(peer, credential=Credential("bearer", secret="S3CR3T-CANARY")).fetch(
            "GET", peer.url
        )
    assert "S3CR3T-CANARY" not in caplog.text + str(caught.value) + repr(caught.value)
