"""The peer face: recognised as TAXII is, bounded, and saying nothing to whom it does not know."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import update
from tests.scenes import OWN_IDENTITY, indicator
from tests.taxii.conftest import Served, collection_id

from cert_exchange.messages.key_lists import read_list
from cert_exchange.messages.keys import VerifyingKey
from cert_exchange.peering.routes import BODY_BYTES
from cert_exchange.services import partners, signing
from cert_exchange.store.tables import partners as partner_table

KEYS = "/exchange/v1/keys"
JSON = "application/json"


def test_a_partner_fetches_our_keys(server: Served) -> None:
    """The list verifies by the key that was pinned, and names it."""
    got = server.client().get(KEYS)
    assert (got.status, got.headers["content-type"]) == (200, JSON)
    ours = server.node.secrets.signing_keys[0]
    pinned = VerifyingKey(ours.kid, ours.public)
    found = read_list(got.json, [OWN_IDENTITY], [pinned], server.node.now())
    assert (found.by, [key.kid for key in found.keys]) == (ours.kid, [ours.kid])


def test_a_rotated_key_is_vouched_for_by_the_old_one(server: Served) -> None:
    """The process that serves signs with the new key at once; who knows only the old one can follow."""
    before = server.node.secrets.signing_keys[0]
    fresh = signing.rotate(server.node, by="tester")
    got = server.client().get(KEYS)
    pinned = VerifyingKey(before.kid, before.public)
    found = read_list(got.json, [OWN_IDENTITY], [pinned], server.node.now())
    assert [key.kid for key in found.keys] == [fresh.kid, before.kid]
    assert found.by == before.kid


@pytest.mark.parametrize(
    "path", ["/exchange/v1/keys", "/exchange/v1/nothing", "/exchange/", "/exchange/v2/keys"]
)
def test_without_a_credential_every_path_answers_like_taxii(server: Served, path: str) -> None:
    """401 with the same words and challenges as TAXII's, whether or not there is such a resource."""
    here = server.stranger().get(path)
    there = server.stranger().get("/api/collections/")
    wrong = server.client().with_(authorization="Bearer aaaaaaaaaaaa.x").get(path)
    assert here.status == there.status == wrong.status == 401
    told = {**here.json, "error_id": ""}
    assert told == {**there.json, "error_id": ""} == {**wrong.json, "error_id": ""}
    challenges = [value for name, value in here.all_headers if name.lower() == "www-authenticate"]
    assert len(challenges) == 2


def test_a_suspended_partner_is_nobody(server: Served) -> None:
    """As at TAXII's door, from the next request on."""
    client = server.client()
    partners.suspend(server.node, "b", by="tester")
    assert client.get(KEYS).status == 401


def test_unknown_paths_and_methods(server: Served) -> None:
    """404 as TAXII answers it, 405 with what is allowed."""
    client = server.client()
    absent = client.get(f"/api/collections/{collection_id('nothing')}/")
    for path in ("/exchange", "/exchange/v1", "/exchange/v1/nothing", "/exchange/v1/keys/more"):
        got = client.get(path)
        assert got.status == 404
        assert {**got.json, "error_id": ""} == {**absent.json, "error_id": ""}
    got = client.ask(KEYS, method="DELETE")
    assert (got.status, got.headers["allow"]) == (405, "GET, HEAD")


def test_failed_logins_count_and_shares_are_shared(server: Served) -> None:
    """Guessing here locks out as it does there, and a partner has one share for both faces."""
    server.node.database.transact(
        lambda tx: tx.execute(update(partner_table).values(requests_per_minute=5))
    )
    client = server.client()
    codes = [client.get(KEYS).status for _ in range(3)]
    codes += [client.get("/api/collections/").status for _ in range(3)]
    assert codes == [200, 200, 200, 200, 200, 429]
    guess = server.client("c").with_(
        authorization=f"Bearer {server.credential('c').credential_id}.wrong"
    )
    assert [guess.get(KEYS).status for _ in range(6)] == [401] * 5 + [429]
    assert server.client("c").get("/api/collections/").status == 429


def test_a_body_is_bounded_and_json(server: Served) -> None:
    """Too long is 413 before it is read, no JSON object is 400, another media type 415."""
    client = server.client()
    path = "/exchange/v1/statements"
    assert client.post(path, b"x" * (BODY_BYTES + 1), media=JSON).status == 413
    for body in (b"", b"[]", b'{"a":', b"\xff", b"[" * 100_000):
        assert client.post(path, body, media=JSON).status == 400
    assert client.post(path, b"{}", media="text/plain").status == 415


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"collection": 7},
        {"collection": "indicators", "has": 7},
        {"collection": "indicators", "has": {"x": [1]}},
        {"collection": "indicators", "has": {"x": [0, "00" * 32]}},
        {"collection": "indicators", "after": -1},
        {"collection": "indicators", "after": 1e300},
        {"collection": "indicators", "after": 10**30},
        {"collection": "indicators", "after": True},
        {"collection": "indicators", "again": "1"},
    ],
)
def test_a_question_that_cannot_be_read_is_refused(
    sqlite_server: Served, question: dict[str, object]
) -> None:
    """With 422 and words, never with a fault."""
    got = sqlite_server.client().post("/exchange/v1/statements", question, media=JSON)
    assert got.status == 422


def test_hidden_and_absent_collections_have_no_statements_alike(server: Served) -> None:
    """One that the partner may not read, one that is not there, and a name that cannot be one."""
    server.rights("reports", read="c", write="c")
    client = server.client()
    answers = [
        client.post("/exchange/v1/statements", {"collection": name}, media=JSON)
        for name in ("reports", "nothing", collection_id("reports"), "a\u0000b", "x" * 5000)
    ]
    assert {one.status for one in answers} == {404}
    assert len({json.dumps({**one.json, "error_id": ""}) for one in answers}) == 1


def test_a_write_only_collection_has_no_statements(server: Served) -> None:
    """403, as its pages answer."""
    server.scene.publish(indicator("x"))
    server.rights("indicators", read="c", write="b, c")
    got = server.client().post("/exchange/v1/statements", {"collection": "indicators"}, media=JSON)
    assert got.status == 403


@pytest.mark.parametrize("query", ["a=1&a=2", "a", "%ff", "&".join(f"a{n}=1" for n in range(17))])
def test_a_query_is_bounded(server: Served, query: str) -> None:
    """What cannot be read is 400."""
    assert server.client().get(KEYS, query).status == 400
