"""What real clients send: the stock ones for real, the others as the table of their request shapes (`interop.md` A)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import requests
import stix2
from sqlalchemy import select
from taxii2client.common import TokenAuth
from taxii2client.v21 import Collection, Server, as_pages
from tests.scenes import B_IDENTITY, indicator, malware, relationship
from tests.taxii.conftest import ROOT, TAXII, Client, Served, basic, collection_id, objects_path

from cert_exchange.store.tables import identifiers, objects


class Token(TokenAuth):
    """The stock client's token authentication: `Authorization: Token KEY`."""


@pytest.fixture
def user(server: Served) -> dict[str, str]:
    issued = server.credential("b")
    return {"user": issued.credential_id, "password": issued.secret}


def stock(server: Served, user: Mapping[str, str], alias: str = "indicators") -> Collection:
    return Collection(f"{server.url}api/collections/{collection_id(alias)}/", **user)


@pytest.mark.checklist(5)
@pytest.mark.checklist(14)
def test_taxii2_client_walks_from_discovery_to_every_object(
    server: Served, user: dict[str, str]
) -> None:
    """Discovery, roots, collections, all pages, one object, manifest: by the stock client, Basic and Token."""
    ids = server.publish_many(25)
    for login in (user, {"auth": Token(server.credential("b").token)}):
        found = Server(f"{server.url}taxii2/", **login)
        assert found.title == "CERT A"
        root = found.default
        assert root.url == f"{server.url}api/"
        assert [one.title for one in root.collections] == ["reports", "indicators"]
        collection = next(one for one in root.collections if one.title == "indicators")
        pages = list(as_pages(collection.get_objects, per_request=7))
        got = [one["id"] for page in pages for one in page["objects"]]
        assert got[-25:] == ids
        assert len(got) == len(set(got)) == 27
        assert collection.get_object(ids[0])["objects"][0]["id"] == ids[0]
        manifest = [
            one["id"]
            for page in as_pages(collection.get_manifest, per_request=10)
            for one in page["objects"]
        ]
        assert manifest == got
        assert collection.object_versions(ids[0])["versions"]
        one_type = collection.get_objects(type=["malware", "tool"])
        assert one_type == {"more": False}
        found.close()


@pytest.mark.checklist(34)
@pytest.mark.checklist(35)
def test_taxii2_client_polls_by_the_last_date(server: Served, user: dict[str, str]) -> None:
    """`added_after` as text and as a datetime of the stock client's making."""
    from datetime import UTC, datetime

    collection = stock(server, user)
    server.publish_many(3)
    manifest = collection.get_manifest()["objects"]
    later = server.publish_many(2, start=3)
    got = collection.get_objects(added_after=manifest[-1]["date_added"])
    assert [one["id"] for one in got["objects"]] == later
    moment = datetime.fromisoformat(manifest[-1]["date_added"]).astimezone(UTC)
    assert [one["id"] for one in collection.get_objects(added_after=moment)["objects"]] == later


@pytest.mark.checklist(51)
@pytest.mark.checklist(56)
def test_taxii2_client_adds_objects_and_reads_the_status(
    server: Served, user: dict[str, str]
) -> None:
    """Its own checks of the status resource hold: counts, lists, completion."""
    collection = stock(server, user)
    broken = indicator("broken", by=B_IDENTITY)
    del broken["pattern"]
    status = collection.add_objects(
        {"objects": [indicator("one", by=B_IDENTITY), broken]}, wait_for_completion=True
    )
    assert (status.status, status.success_count, status.failure_count) == ("complete", 1, 1)
    status.refresh()
    assert status.failures[0]["id"] == broken["id"]
    assert collection.delete_object(indicator("one")["id"]) is None


@pytest.mark.checklist(53)
def test_the_stix2_source_and_sink_work_on_our_server(server: Served, user: dict[str, str]) -> None:
    """The stix2 library's sink posts bundles; its source reads by id, by type, all versions and relationships."""
    one, bad = indicator("one"), malware("bad")
    server.scene.publish(one, bad, relationship(one, bad))
    for version in (1, 2):
        server.scene.publish(indicator("one", version=version))
    source = stix2.TAXIICollectionSource(stock(server, user))
    assert source.get(one["id"]).id == one["id"]
    assert len(source.all_versions(one["id"])) == 3
    found = source.query([stix2.Filter("type", "=", "malware")])
    assert [item.id for item in found] == [bad["id"]]
    assert [item.id for item in source.relationships(one["id"])] == [relationship(one, bad)["id"]]
    sink = stix2.TAXIICollectionSink(stock(server, user))
    sink.add(stix2.parse(json.dumps(indicator("from the sink", by=B_IDENTITY))))
    with server.node.database.reading() as tx:
        origin = tx.execute(
            select(objects.c.origin)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .where(identifiers.c.stix_id == indicator("from the sink")["id"])
        ).scalar_one()
    assert origin == server.scene.partner("b")


Shape = Callable[[Served, Client], Any]


def opencti(server: Served, client: Client) -> Any:
    """OpenCTI's ingester: `next` beside `added_after`, then the last header."""
    token = server.credential("b").token
    headers = {"Accept": TAXII, "Authorization": f"Bearer {token}"}
    url = f"{server.url}api/collections/{collection_id('indicators')}/objects/"
    params: dict[str, Any] = {"added_after": "2000-01-01T00:00:00Z", "limit": 4}
    seen: list[str] = []
    while True:
        got = requests.get(url, headers=headers, params=params, timeout=30)
        assert got.status_code == 200
        seen += [one["id"] for one in got.json().get("objects", [])]
        if not (got.json().get("more") and got.json().get("next")):
            break
        params = {
            "added_after": got.headers["X-TAXII-Date-Added-Last"],
            "next": got.json()["next"],
            "limit": 4,
        }
    assert got.headers["X-TAXII-Date-Added-Last"]
    return seen


def connector(server: Served, client: Client) -> Any:
    """OpenCTI's connector taxii2: discovery, root by last segment, collection by title, whole seconds."""
    issued = server.credential("b")
    found = Server(f"{server.url}taxii2", user=issued.credential_id, password=issued.secret)
    root = next(one for one in found.api_roots if one.url.rstrip("/").rpartition("/")[2] == "api")
    collection = next(one for one in root.collections if one.title == "indicators")
    page = collection.get_objects(added_after="2000-01-01T00:00:00Z", limit=4)
    seen = list(page["objects"])
    while page["more"]:
        page = collection.get_objects(next=page["next"], limit=4)
        seen += page["objects"]
    return [one["id"] for one in seen]


def elastic(server: Served, client: Client) -> Any:
    """Elastic: the first date in whole seconds; follow-ups with `next` and `limit` alone, while `next` is there."""
    kept = client.with_(extra={"Content-Type": TAXII, "User-Agent": "Elastic-Custom-TI"})
    query: dict[str, Any] = {"added_after": "2000-01-01T00:00:00Z", "limit": 4}
    seen: list[str] = []
    for _ in range(20):
        got = kept.objects(query)
        seen += got.ids
        if not got.json.get("next"):
            return seen
        query = {"next": got.json["next"], "limit": 4}
    pytest.fail("Elastic would loop")


def misp(server: Served, client: Client) -> Any:
    """MISP's browser: scheme written `basic`, Content-Type on GET, limit 50, `next`."""
    issued = server.credential("b")
    kept = client.with_(
        authorization=basic(issued.credential_id, issued.secret, "basic"),
        extra={"Content-Type": TAXII},
    )
    query: dict[str, Any] = {"limit": 5, "match[spec_version]": "2.1"}
    seen: list[str] = []
    while True:
        got = kept.objects(query)
        seen += got.ids
        if not got.next:
            return seen
        query = {"limit": 5, "match[spec_version]": "2.1", "next": got.next}


def xsoar(server: Served, client: Client) -> Any:
    """Cortex XSOAR: collection by title, pages, types with `relationship` added."""
    kept = client.with_(authorization=f"Token {server.credential('b').token}")
    query: dict[str, Any] = {
        "limit": 5,
        "match[type]": "indicator,relationship,identity,marking-definition",
    }
    seen: list[str] = []
    while True:
        got = kept.objects(query)
        seen += got.ids
        if not got.next:
            return seen
        query["next"] = got.next


def sentinel(server: Served, client: Client) -> Any:
    """A root and a collection id without discovery, Basic."""
    issued = server.credential("b")
    kept = client.with_(
        authorization=basic(issued.credential_id, issued.secret),
        accept="application/taxii+json; version=2.1",
    )
    return kept.get(f"{ROOT}collections/{collection_id('indicators')}/objects").ids


@pytest.mark.checklist(32)
@pytest.mark.case("P04")
@pytest.mark.case("P14")
@pytest.mark.parametrize(
    "shape", [opencti, connector, elastic, misp, xsoar, sentinel], ids=lambda one: one.__name__
)
def test_the_request_shapes_of_known_clients_get_each_object_once(
    sqlite_server: Served, shape: Shape
) -> None:
    """Each client's way of paging sees every object exactly once, and ends."""
    sqlite_server.publish_many(17)
    expected = sqlite_server.client().objects().ids
    assert shape(sqlite_server, sqlite_server.client()) == expected


@pytest.mark.checklist(8)
def test_the_push_of_opencti_and_misp_is_taken(sqlite_server: Served) -> None:
    """taxii-post: one bundle per POST under STIX's type, Accept with a space. MISP: envelopes through the stock client."""
    client = sqlite_server.client().with_(accept="application/taxii+json; version=2.1")
    bundle = {
        "type": "bundle",
        "id": f"bundle--{collection_id('x')}",
        "objects": [indicator("one", by=B_IDENTITY)],
    }
    got = client.post(objects_path(), bundle, media="application/stix+json; version=2.1")
    assert (got.status, got.json["success_count"]) == (202, 1)
    got = client.post(objects_path(), {"objects": [indicator("two", by=B_IDENTITY)]})
    assert got.status == 202


@pytest.mark.checklist(27)
@pytest.mark.case("P16")
def test_polling_an_unchanged_collection_gives_nothing_again(sqlite_server: Served) -> None:
    """Twice the same poll with the cursor from before: empty, and the cursor stays."""
    sqlite_server.publish_many(3)
    client = sqlite_server.client()
    cursor = client.objects().last
    for _ in range(3):
        got = client.objects({"added_after": cursor})
        assert (got.json, got.last) == ({"more": False}, cursor)
