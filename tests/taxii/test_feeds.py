"""`/feeds/NAME` over the wire: its own credential, 304 as long as nothing changed, gone with the next answer."""

from __future__ import annotations

import asyncio

import pytest
from tests.scenes import B_IDENTITY, indicator
from tests.taxii.conftest import Client, Served, basic

from cert_exchange.http.feed_press import Press
from cert_exchange.services import feeding, releasing
from cert_exchange.services.feeding import Format, choose
from cert_exchange.services.partners import IssuedSecret
from cert_exchange.stix.markings import Tlp

ONE = indicator("one", pattern="[domain-name:value = 'evil.example']")
BY_B = indicator("by b", pattern="[domain-name:value = 'bad.example']", by=B_IDENTITY)


@pytest.fixture
def issued(sqlite_server: Served) -> IssuedSecret:
    """A feed `names` with what is ours and what b sent, and what opens it."""
    sqlite_server.scene.publish(ONE)
    sqlite_server.scene.post("b", BY_B)
    for name in ("names", "other"):
        feeding.add(sqlite_server.node, name, choose(Format.LIST), by="anna")
    return feeding.issue(sqlite_server.node, "names", by="anna")


def reader(server: Served, issued: IssuedSecret) -> Client:
    return Client(server.port, f"Bearer {issued.token}", accept="*/*")


def test_a_feed_is_one_address_with_basic_or_bearer(
    sqlite_server: Served, issued: IssuedSecret
) -> None:
    """Values, a tag, and how many there are; nothing between may keep it without asking."""
    got = reader(sqlite_server, issued).get("/feeds/names")
    assert (got.status, got.raw) == (200, b"bad.example\nevil.example\n")
    assert got.headers["content-type"] == "text/plain; charset=utf-8"
    assert [value for name, value in got.all_headers if name.lower() == "cache-control"] == [
        "private, no-cache"
    ]
    assert (got.headers["x-feed-entries"], got.headers["x-feed-left-out"]) == ("2", "0")
    by_name = Client(sqlite_server.port, basic(issued.credential_id, issued.secret), accept=None)
    assert by_name.get("/feeds/names/").raw == got.raw
    head = by_name.ask("/feeds/names", method="HEAD")
    assert (head.status, head.raw, head.headers["etag"]) == (200, b"", got.headers["etag"])


def test_constituents_learn_nothing_of_what_is_not_in_their_feed(sqlite_server: Served) -> None:
    """No count, and the same tag and zone, whatever comes that they may not see."""
    node = sqlite_server.node
    sqlite_server.scene.publish(ONE)
    clients = {}
    for name, level, form in (
        ("green", Tlp.GREEN, Format.LIST), ("zone", Tlp.AMBER, Format.RPZ), ("own", Tlp.AMBER_STRICT, Format.LIST),
    ):  # fmt: skip
        feeding.add(node, name, choose(form, tlp=level), by="anna")
        clients[name] = reader(sqlite_server, feeding.issue(node, name, by="anna"))
    before = {name: client.get(f"/feeds/{name}") for name, client in clients.items()}
    red = indicator("red", tlp="red", pattern="[domain-name:value = 'red.example']")
    sqlite_server.scene.publish(red)
    for name in ("green", "zone"):
        got = clients[name].get(f"/feeds/{name}")
        assert "x-feed-left-out" not in got.headers
        assert (got.raw, got.headers["etag"]) == (before[name].raw, before[name].headers["etag"])
    counted = [before["own"], clients["own"].get("/feeds/own")]
    assert [one.headers["x-feed-left-out"] for one in counted] == ["0", "1"]


def test_nothing_new_is_told_and_what_was_withdrawn_is_gone(
    sqlite_server: Served, issued: IssuedSecret
) -> None:
    """304 for the tag of now, by whatever list of tags; the next answer after a withdrawal is without it."""
    client = reader(sqlite_server, issued)
    tag = client.get("/feeds/names").headers["etag"]
    for sent in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        got = client.get("/feeds/names", headers={"If-None-Match": sent})
        assert (got.status, got.raw, got.headers["etag"]) == (304, b"", tag)
    releasing.withdraw(sqlite_server.node, ONE["id"], by="anna", reason="r")
    got = client.get("/feeds/names", headers={"If-None-Match": tag})
    assert (got.status, got.raw) == (200, b"bad.example\n")
    assert got.headers["etag"] != tag


def test_whoever_is_not_its_reader_learns_nothing(
    sqlite_server: Served, issued: IssuedSecret
) -> None:
    """A stranger and a partner get 401 for every path alike, another feed's reader 404 for what is there and what is not."""
    for client in (sqlite_server.stranger(), sqlite_server.client("b")):
        for path in ("/feeds", "/feeds/names", "/feeds/none", "/feeds/names/manifest.json"):
            assert client.get(path).status == 401
    client = reader(sqlite_server, issued)
    for path in (
        "/feeds/other",
        "/feeds/none",
        "/feeds",
        "/feeds/names/x",
        "/feeds/names/manifest.json",
    ):
        got = client.get(path)
        assert (got.status, got.json["title"]) == (404, "Not found")
    assert client.ask("/feeds/names", method="DELETE").status == 405
    feeds_token = sqlite_server.client("b").with_(authorization=f"Bearer {issued.token}")
    assert feeds_token.objects().status == 401
    feeding.revoke(sqlite_server.node, issued.credential_id, by="anna")
    assert client.get("/feeds/names").status == 401


def test_a_feed_that_is_asked_for_too_often_waits(
    sqlite_server: Served, issued: IssuedSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share is the feed's, whoever of its readers asks."""
    monkeypatch.setattr("cert_exchange.http.feeds.REQUESTS_PER_MINUTE", 2)
    client = reader(sqlite_server, issued)
    answers = [client.get("/feeds/names").status for _ in range(3)]
    assert answers == [200, 200, 429]


def test_a_process_of_its_own_makes_the_same(sqlite_server: Served, issued: IssuedSecret) -> None:
    """What `serve` does: the child is asked, keeps what it made, and tells what there is not."""
    node = sqlite_server.node

    async def both() -> None:
        press = Press(node, with_child=True)
        try:
            made = await press.by_child("names", "", ())
            assert made == Press(node, with_child=False).here("names", "", ())
            assert made.body == b"bad.example\nevil.example\n"
            again = await press.by_child("names", "", (made.tag,))
            assert (again.same, again.body) == (True, b"")
            assert not (await press.by_child("names", "manifest.json", ())).there
        finally:
            await press.stop()

    asyncio.run(both())
