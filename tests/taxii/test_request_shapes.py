"""What clients of other makers send, request by request, as their sources show it: a line of the table for each.

Named by who sends it. The stock clients themselves, and whole polls in each client's way of paging, are `test_clients.py`'s.
One server for the whole table: each line reads, or posts objects of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import update
from tests.conftest import OUR_IDENTITY, TITLE, Wall
from tests.scenes import B_IDENTITY, indicator
from tests.taxii.conftest import (
    ROOT,
    TAXII,
    Client,
    Got,
    Served,
    basic,
    collection_id,
    objects_path,
    served,
)

from cert_exchange.node import make_home, open_node
from cert_exchange.store.tables import partners as partner_table

SPACED = "application/taxii+json; version=2.1"
STIX = "application/stix+json; version=2.1"
TOKENS = ("application/taxii+json", "version=2.1")
OBJECTS = f"{ROOT}collections/{collection_id('indicators')}/objects/"
MANY = 12

Line = Callable[[Served], None]
LINES: dict[str, Line] = {}


def line(name: str) -> Callable[[Line], Line]:
    """Enter a line into the table; `name` is who sends it, and what."""

    def enter(one: Line) -> Line:
        assert name not in LINES
        LINES[name] = one
        return one

    return enter


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    wall = Wall()
    home = make_home(tmp_path_factory.mktemp("shapes") / "home", identity=OUR_IDENTITY, title=TITLE)
    node = open_node(home, clock=wall.clock())
    try:
        with served(node, wall) as one:
            one.publish_many(MANY)
            yield one
    finally:
        node.close()


def by_basic(server: Served, scheme: str = "Basic", **extra: str) -> Client:
    issued = server.credential("b")
    authorization = basic(issued.credential_id, issued.secret, scheme)
    return server.client().with_(authorization=authorization, extra=extra)


def walk(
    client: Client, query: dict[str, Any], follow: Callable[[Got], dict[str, Any]]
) -> list[str]:
    """All ids by a client's way to go on while there is `next`; it must end."""
    seen: list[str] = []
    for _ in range(MANY * 2):
        got = client.get(OBJECTS, query)
        assert got.status == 200
        seen += got.ids
        if not got.next:
            assert got.json["more"] is False
            return seen
        assert got.json["more"] is True
        assert got.ids
        query = follow(got)
    pytest.fail("the client would never end")


def everything(server: Served) -> list[str]:
    return server.client().objects().ids


def pushed(got: Got, count: int = 1) -> None:
    """Taken, with a status that is complete at once and adds up: some clients never ask for it again."""
    assert got.status == 202
    assert got.json["status"] == "complete"
    assert (got.json["total_count"], got.json["success_count"]) == (count, count)
    assert (got.json["failure_count"], got.json["pending_count"]) == (0, 0)


def own(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY, **more)


def bundle(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"type": "bundle", "id": f"bundle--{collection_id('bundle')}", "objects": list(objects)}


# -- taxii2-client, and what is built on it


@line("taxii2-client: every token of its Accept is in the answer's type")
def _(server: Served) -> None:
    for path in ("/taxii2/", ROOT, f"{ROOT}collections/", OBJECTS, f"{OBJECTS[:-8]}manifest/"):
        got = server.client().get(path, headers={"Accept": TAXII})
        assert got.status == 200
        assert all(token in got.headers["content-type"] for token in TOKENS)


@line("taxii2-client: a root that is relative is joined to the discovery address")
def _(server: Served) -> None:
    found = server.client().get("/taxii2/").json
    assert found["api_roots"] == [found["default"]] == ["/api/"]


@line("taxii2-client: Authorization is Token KEY")
def _(server: Served) -> None:
    token = server.credential("b").token
    assert server.client().with_(authorization=f"Token {token}").get(OBJECTS).status == 200


@line("taxii2-client: added_after has a fraction without trailing zeros, or none")
def _(server: Served) -> None:
    dates = [one["date_added"] for one in server.client().get(f"{OBJECTS[:-8]}manifest/").objects]
    for text in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.123Z"):
        assert server.client().get(OBJECTS, {"added_after": text}).ids == everything(server)
    short = dates[0].rstrip("0Z").rstrip(".") + "Z"
    assert server.client().get(OBJECTS, {"added_after": short}).ids == everything(server)[1:]


@line("taxii2-client: other keywords are match[x]=a,b")
def _(server: Served) -> None:
    ids = everything(server)[-2:]
    assert server.client().get(OBJECTS, {"match[id]": ",".join(ids)}).ids == ids
    one = server.client().get(OBJECTS, {"match[type]": "indicator,tool", "match[version]": "last"})
    assert len(one.ids) == MANY


@line("taxii2-client as_pages: the next limit is the number of objects just received")
def _(server: Served) -> None:
    def follow(got: Got) -> dict[str, Any]:
        return {"limit": len(got.ids), "next": got.next}

    assert walk(server.client(), {"limit": 5}, follow) == everything(server)


@line("taxii2-client as_pages: the same filters beside next")
def _(server: Served) -> None:
    query = {"limit": 5, "match[type]": "indicator"}
    found = walk(server.client(), query, lambda got: {**query, "next": got.next})
    assert len(found) == len(set(found)) == MANY


@line("taxii2-client add_objects: an envelope, and the status until it is complete")
def _(server: Served) -> None:
    got = server.client().post(OBJECTS, {"objects": [own("by taxii2-client")]})
    pushed(got)
    status = server.client().get(f"{ROOT}status/{got.json['id']}/")
    assert (status.status, status.json) == (200, got.json)


# -- stix2


@line("stix2 source: limit 5000 and match[version]=all")
def _(server: Served) -> None:
    got = server.client().get(OBJECTS, {"limit": 5000, "match[version]": "all"})
    assert (got.status, got.ids) == (200, everything(server))


@line("stix2 sink: a bundle under TAXII's type")
def _(server: Served) -> None:
    pushed(server.client().post(OBJECTS, bundle(own("by the sink")), media=TAXII))


# -- OpenCTI


@line("OpenCTI ingester: next and added_after together")
def _(server: Served) -> None:
    def follow(got: Got) -> dict[str, Any]:
        return {"limit": 5, "next": got.next, "added_after": got.last}

    first = {"limit": 5, "added_after": "2000-01-01T00:00:00Z"}
    assert walk(server.client(), first, follow) == everything(server)


@line("OpenCTI ingester: an empty page has the date header too, else it takes its own clock")
def _(server: Served) -> None:
    last = server.client().get(OBJECTS).last
    got = server.client().get(OBJECTS, {"added_after": last})
    assert (got.json, got.last) == ({"more": False}, last)


@line("OpenCTI ingester: a plus that came back as a space")
def _(server: Served) -> None:
    last = server.client().get(OBJECTS).last
    text = last.replace("Z", "+00:00")
    assert server.client().get(OBJECTS, f"added_after={text}").json == {"more": False}
    assert server.client().get(OBJECTS, {"added_after": text}).json == {"more": False}


@line("OpenCTI ingester: equal timestamps were lost, so no two are equal")
def _(server: Served) -> None:
    dates = [one["date_added"] for one in server.client().get(f"{OBJECTS[:-8]}manifest/").objects]
    assert len(dates) == len(set(dates)) > MANY


@line("OpenCTI connector taxii2: roots by their last segment, collections by title")
def _(server: Served) -> None:
    roots = server.client().get("/taxii2/").json["api_roots"]
    assert len({one.rstrip("/").rpartition("/")[2] for one in roots}) == len(roots)
    titles = [
        one["title"] for one in server.client().get(f"{ROOT}collections/").json["collections"]
    ]
    assert len(titles) == len(set(titles)) == 2


@line("OpenCTI connector taxii2: its own clock in whole seconds, dropped once there is next")
def _(server: Served) -> None:
    def follow(got: Got) -> dict[str, Any]:
        return {"limit": 5, "next": got.next}

    first = {"limit": 5, "added_after": "2020-02-03T04:05:06Z"}
    assert walk(server.client(), first, follow) == everything(server)


@line("OpenCTI connector taxii-post: a bundle under STIX's type, and Accept with a space")
def _(server: Served) -> None:
    client = server.client().with_(accept=SPACED)
    pushed(client.post(OBJECTS, bundle(own("by taxii-post")), media=STIX))


@line("OpenCTI connector taxii-post: without markings and creator, as it may strip them")
def _(server: Served) -> None:
    client = server.client().with_(accept=SPACED)
    pushed(client.post(OBJECTS, bundle(indicator("stripped", by=None, tlp=None)), media=STIX))


# -- MISP


@line("MISP push: cuts to max_content_length, which stands in the root")
def _(server: Served) -> None:
    assert server.client().get(ROOT).json["max_content_length"] > 1_000_000


@line("MISP browse: basic in small letters, Content-Type on GET, limit 50")
def _(server: Served) -> None:
    client = by_basic(server, "basic", **{"Content-Type": TAXII})
    assert client.get(OBJECTS, {"limit": 50}).ids == everything(server)


@line("MISP import: pages of 100 with match[spec_version]")
def _(server: Served) -> None:
    query = {"limit": 100, "match[spec_version]": "2.1"}
    assert by_basic(server).get(OBJECTS, query).ids == everything(server)


# -- Elastic


@line("Elastic: Content-Type on GET, follow-ups with next and limit alone while next is there")
def _(server: Served) -> None:
    client = server.client().with_(extra={"Content-Type": TAXII})

    def follow(got: Got) -> dict[str, Any]:
        return {"limit": 5, "next": got.next}

    first = {"limit": 5, "added_after": "2026-01-01T00:00:00Z"}
    assert walk(client, first, follow) == everything(server)


@line("Elastic: goes over `objects` unchecked, which a switch of the partner puts there")
def _(server: Served) -> None:
    def switch(on: int) -> None:
        server.node.database.transact(
            lambda tx: tx.execute(
                update(partner_table)
                .where(partner_table.c.name == "b")
                .values(empty_objects_list=on)
            )
        )

    query = {"added_after": server.client().get(OBJECTS).last}
    switch(1)
    try:
        assert server.client().get(OBJECTS, query).json == {"more": False, "objects": []}
    finally:
        switch(0)


@line("Elastic: 200 also where there is more")
def _(server: Served) -> None:
    assert server.client().get(OBJECTS, {"limit": 2}).status == 200


# -- Cortex XSOAR


@line("XSOAR: 406 in discovery would make it try TAXII 2.0")
def _(server: Served) -> None:
    for accept in (TAXII, SPACED, "application/taxii+json", "*/*"):
        assert server.client().get("/taxii2/", headers={"Accept": accept}).status == 200


@line("XSOAR: types with relationship added, pages of 100, and the end at a page without objects")
def _(server: Served) -> None:
    query = {"limit": 100, "match[type]": "indicator,relationship"}
    got = server.client().get(OBJECTS, query)
    assert len(got.ids) == MANY
    after = server.client().get(OBJECTS, {**query, "added_after": got.last})
    assert "objects" not in after.json


@line("XSOAR: the greatest STIX modified as added_after")
def _(server: Served) -> None:
    modified = max(
        one["modified"] for one in server.client().get(OBJECTS).objects if "modified" in one
    )
    assert server.client().get(OBJECTS, {"added_after": modified}).status == 200


# -- the others


@line("Sentinel: root and collection id without discovery, Basic, no final slash")
def _(server: Served) -> None:
    got = by_basic(server).get(OBJECTS.rstrip("/"))
    assert (got.status, got.ids) == (200, everything(server))


@line("EclecticIQ: 100 at a time from 1970, and a date header that is a timestamp")
def _(server: Served) -> None:
    query = {"limit": 100, "added_after": "1970-01-01T00:00:00.000000Z"}
    got = by_basic(server).get(OBJECTS, query)
    assert got.ids == everything(server)
    assert len(got.last) == len("2026-01-01T00:00:00.000000Z")
    assert got.last.endswith("Z")


@line("Splunk CTIS: lists collections, then pushes a bundle under TAXII's type")
def _(server: Served) -> None:
    client = by_basic(server)
    listed = client.get(f"{ROOT}collections/").json["collections"]
    (found,) = (one for one in listed if one["title"] == "indicators" and one["can_write"])
    path = f"{ROOT}collections/{found['id']}/objects/"
    pushed(client.post(path, bundle(own("by Splunk")), media=TAXII))


@line("Sumo Logic: no limit is all of it, as far as the server's own")
def _(server: Served) -> None:
    got = by_basic(server).get(OBJECTS)
    assert got.json["more"] is False
    assert len(got.ids) > MANY


# -- what none of them survives well


@line("all: 401 is told with a challenge and before 404")
def _(server: Served) -> None:
    got = server.client().with_(authorization="Token none.none").get(objects_path("none"))
    assert got.status == 401
    assert "www-authenticate" in got.headers


@line("all: an empty next is none at all")
def _(server: Served) -> None:
    assert server.client().get(OBJECTS, {"next": "", "limit": 5000}).ids == everything(server)


@pytest.mark.checklist(6)
@pytest.mark.checklist(8)
@pytest.mark.checklist(32)
@pytest.mark.parametrize("name", list(LINES))
def test_a_request_of_another_makers_client_is_answered_as_it_needs(
    server: Served, name: str
) -> None:
    """The table, line by line."""
    LINES[name](server)
