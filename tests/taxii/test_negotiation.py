"""Who may ask and in which words: Accept, Content-Type, credentials, shares, lock-out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from tests.scenes import indicator
from tests.taxii.conftest import ROOT, TAXII, Served, basic, objects_path

from cert_exchange.errors import MediaTypeRefused, NotAcceptable
from cert_exchange.services import partners
from cert_exchange.services.partners.lockouts import FREE_FAILURES
from cert_exchange.store.tables import partners as partner_table
from cert_exchange.taxii.negotiation import check_accept, check_content_type

GOOD = (
    "application/taxii+json;version=2.1",
    "application/taxii+json",
    "application/taxii+json; version=2.1",
    "Application/TAXII+JSON ; Version=2.1",
    'application/taxii+json;version="2.1"',
    "*/*",
    "application/*",
    "application/json, text/plain, */*",
    "text/html, application/taxii+json;version=2.1;q=0.2",
    "application/taxii+json;version=2.0, application/taxii+json;version=2.1;q=0.1",
    "application/vnd.oasis.taxii+json; version=2.0, application/taxii+json",
    "application/stix+json;version=2.1, application/taxii+json;version=2.1",
    "*/*;q=0.1",
    "application/json;q=0, */*",
    " , application/taxii+json , ",
)
BAD = (
    "application/taxii+json;version=2.0",
    "application/vnd.oasis.taxii+json",
    "application/vnd.oasis.taxii+json; version=2.0",
    "text/html",
    "application/json",
    "application/taxii+json;version=2.1;q=0",
    "*/*;q=0",
    "application/taxii+json;q=0.000, text/html",
    "application/taxii+json;version=2.1;q=0, */*",
    "nonsense",
    'text/plain;x="application/taxii+json, */*"',
)


@pytest.mark.checklist(6)
@pytest.mark.case("T01")
@pytest.mark.case("T24")
@pytest.mark.parametrize("accept", GOOD)
def test_an_accept_that_covers_taxii_2_1_is_answered(accept: str) -> None:
    """By RFC 9110: letter case, spaces, quotes, several ranges, q-values; no version means the newest."""
    check_accept(accept.encode(), objects=False)
    check_accept(accept.encode(), objects=True)


@pytest.mark.checklist(7)
@pytest.mark.parametrize("accept", BAD)
def test_an_accept_for_something_else_only_is_refused(accept: str) -> None:
    """TAXII 2.0 alone, HTML alone, q=0."""
    with pytest.raises(NotAcceptable):
        check_accept(accept.encode(), objects=False)


@pytest.mark.checklist(7)
def test_406_names_what_is_offered(sqlite_server: Served) -> None:
    """A refused Accept is told which one would do; a missing one is read as */*; several headers count as one list."""
    client = sqlite_server.client()
    for path in ("/taxii2/", ROOT, objects_path()):
        for accept in BAD[:4]:
            got = client.get(path, headers={"Accept": accept})
            assert got.status == 406
            assert TAXII in got.json["description"]
        assert client.get(path, headers={"Accept": None}).status == 200
        assert client.get(path, headers={"Accept": "text/html", "accept": "*/*"}).status == 200


@pytest.mark.checklist(7)
def test_objects_and_manifest_take_stix_as_an_accept(sqlite_server: Served) -> None:
    """Section 5.3 lists the STIX type there; the answer is TAXII's all the same. Elsewhere it is 406."""
    client = sqlite_server.client()
    stix = {"Accept": "application/stix+json;version=2.1"}
    for path in (objects_path(), f"{ROOT}collections/indicators/manifest/"):
        got = client.get(path, headers=stix)
        assert (got.status, got.headers["content-type"]) == (200, TAXII)
    assert client.get("/taxii2/", headers=stix).status == 406


@pytest.mark.checklist(8)
@pytest.mark.case("T36")
@pytest.mark.parametrize(
    ("media", "taken"),
    [
        ("application/taxii+json;version=2.1", True),
        ("application/taxii+json", True),
        ("application/taxii+json; version=2.1", True),
        ('application/taxii+json; charset=UTF-8; version="2.1"', True),
        ("APPLICATION/STIX+JSON; version=2.1", True),
        ("application/stix+json", True),
        ("application/taxii+json;charset=latin-1", False),
        ("application/taxii+json;version=2.0", False),
        ("application/json", False),
        ("application/x-www-form-urlencoded", False),
        ("", False),
        ("*/*", False),
    ],
)
def test_the_type_of_a_post_is_parsed_not_compared(media: str, *, taken: bool) -> None:
    """Parameters in any order, a charset of utf-8 ignored, STIX's type too; all else is refused."""
    if taken:
        check_content_type(media.encode())
    else:
        with pytest.raises(MediaTypeRefused):
            check_content_type(media.encode())


@pytest.mark.checklist(8)
@pytest.mark.case("T07")
def test_a_post_of_another_type_is_415(sqlite_server: Served) -> None:
    """Without Content-Type or with that of a form: 415 and an error resource that says what to send."""
    client = sqlite_server.client()
    for media in (None, "application/x-www-form-urlencoded", "application/json"):
        got = client.post(objects_path(), {"objects": [indicator("x", by=None)]}, media=media)
        assert (got.status, got.json["http_status"]) == (415, "415")
        assert TAXII in got.json["description"]


@pytest.mark.checklist(10)
@pytest.mark.case("T10")
@pytest.mark.case("T21")
def test_401_names_both_schemes(server: Served) -> None:
    """Without or with a wrong credential: 401, a challenge for each scheme, an error resource, never HTML."""
    issued = server.credential("b")
    for authorization in (
        None,
        "",
        "Bearer",
        "Bearer x",
        f"Bearer {issued.credential_id}.wrong",
        "Basic",
        "Basic !!!",
        basic(issued.credential_id, "wrong"),
        "Basic " + "bm9jb2xvbg==",
        "Negotiate abc",
        "Basic " + "a" * 2_000,
    ):
        got = server.client().with_(authorization=authorization).objects()
        assert got.status == 401
        challenges = [v for k, v in got.all_headers if k.lower() == "www-authenticate"]
        assert challenges == [
            'Basic realm="cert-exchange", charset="UTF-8"',
            'Bearer realm="cert-exchange"',
        ]
        assert got.json["http_status"] == "401"


@pytest.mark.checklist(10)
@pytest.mark.case("W25")
def test_schemes_are_known_in_any_case(server: Served) -> None:
    """Basic, Bearer and Token, whatever their letter case; with Basic also the whole token as password."""
    issued = server.credential("b")
    for authorization in (
        f"Bearer {issued.token}",
        f"bearer {issued.token}",
        f"TOKEN  {issued.token}",
        f"Token {issued.token}",
        basic(issued.credential_id, issued.secret),
        basic(issued.credential_id, issued.secret, "basic"),
        basic("", issued.token, "BASIC"),
        basic("b", issued.token),
    ):
        assert server.client().with_(authorization=authorization).objects().status == 200


@pytest.mark.checklist(25)
@pytest.mark.case("T21")
def test_every_path_under_a_root_is_401_before_anything_is_looked_up(server: Served) -> None:
    """Existing, hidden, unknown, malformed, whatever the method: a stranger reads 401 and no statement runs but one."""
    stranger = server.stranger()
    for path in (
        "/taxii2/", "/taxii2/x/", ROOT, f"{ROOT}nothing/", f"{ROOT}collections/",
        f"{ROOT}collections/indicators/", f"{ROOT}collections/none/", objects_path(),
        objects_path("none", "x"), f"{ROOT}status/x/", f"{ROOT}%2F/", f"{ROOT}collections/%00/",
    ):  # fmt: skip
        for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"):
            got = stranger.ask(path, method=method, headers={"Accept": "text/html"})
            assert got.status == 401, (path, method)
    statements: list[str] = []
    with server.node.database.raw.observed(statements.append):
        wrong = server.client().with_(authorization="Bearer aaaaaaaaaaaa.x")
        assert wrong.objects().status == 401
        assert wrong.objects("none").status == 401
    assert len(set(statements)) == 1


@pytest.mark.case("D14")
def test_a_share_used_up_is_429_for_that_partner_only(server: Served) -> None:
    """The bucket holds a minute's share and fills evenly; Retry-After says when; others do not notice."""
    server.node.database.transact(
        lambda tx: (
            tx.execute(
                update(partner_table)
                .where(partner_table.c.name == "b")
                .values(requests_per_minute=6)
            ).rowcount
        )
    )
    b, c = server.client("b"), server.client("c")
    assert [b.get("/taxii2/").status for _ in range(8)] == [200] * 6 + [429] * 2
    refused = b.objects()
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert refused.json["http_status"] == "429"
    assert c.get("/taxii2/").status == 200
    server.wall.forward(timedelta(seconds=int(refused.headers["retry-after"])))
    assert b.get("/taxii2/").status == 200
    assert b.get("/taxii2/").status == 429


def test_failures_lock_out_a_network_and_say_until_when(server: Served) -> None:
    """Too many wrong secrets: 429 with Retry-After, also for the right one from there, until the time has passed."""
    issued = server.credential("b")
    wrong = server.client().with_(authorization=f"Bearer {issued.credential_id}.wrong")
    seen = [wrong.get("/taxii2/") for _ in range(FREE_FAILURES + 1)]
    assert [got.status for got in seen] == [401] * FREE_FAILURES + [429]
    assert server.client().get("/taxii2/").status == 429
    assert server.client("c").get("/taxii2/").status == 200
    server.wall.forward(timedelta(seconds=int(seen[-1].headers["retry-after"])))
    assert server.client().get("/taxii2/").status == 200


def test_what_ended_ends_with_the_next_request(server: Served) -> None:
    """A suspended partner and an expired credential are refused at once; nothing is cached."""
    client = server.client()
    assert client.objects().status == 200
    partners.suspend(server.node, "b")
    assert client.objects().status == 401
    partners.resume(server.node, "b")
    short = partners.issue(server.node, "b", lifetime=timedelta(minutes=5))
    brief = client.with_(authorization=f"Bearer {short.token}")
    assert brief.objects().status == 200
    server.wall.forward(timedelta(minutes=6))
    assert brief.objects().status == 401


@pytest.mark.case("H17")
def test_credentials_are_in_no_log_and_no_answer(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """Broken and right credentials alike: a canary in them comes out nowhere."""
    from structlog.testing import capture_logs

    canary = "canary-91c4e1"
    with capture_logs() as logged:
        for authorization in (
            f"Basic {canary}",
            f"Bearer {canary}.{canary}",
            f"{canary} {canary}",
            basic(canary, canary),
            f"Bearer {server.credential('b').token}",
        ):
            got = server.client().with_(authorization=authorization).objects({"limit": "0"})
            assert canary not in got.raw.decode()
            assert server.credential("b").secret not in got.raw.decode()
    assert canary not in repr(logged) + caplog.text
    assert server.credential("b").secret not in repr(logged) + caplog.text
