"""Discovery, API root, collections, and who may do what in them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs
from tests.conftest import Wall, reopen
from tests.scenes import indicator
from tests.taxii.conftest import (
    ROOT,
    TAXII,
    Got,
    Served,
    collection_id,
    fresh_id,
    objects_path,
    served,
)

from cert_exchange.node import Node

STIX = "application/stix+json;version=2.1"


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


def alike(one: Got, other: Got) -> bool:
    """Whether two answers are equal but for error_id and Date."""

    def shown(got: Got) -> object:
        headers = {k: v for k, v in got.headers.items() if k != "date"}
        return got.status, headers, {k: v for k, v in got.json.items() if k != "error_id"}

    return shown(one) == shown(other)


@pytest.mark.checklist(14)
@pytest.mark.case("T30")
def test_discovery_leads_to_a_root_that_answers(server: Served) -> None:
    """`title` is there, `default` is one of `api_roots`, each root answers and lists the full media type."""
    client = server.client()
    found = client.get("/taxii2/").json
    assert found["title"] == "CERT A"
    assert found["default"] in found["api_roots"]
    for root in found["api_roots"]:
        assert client.get(root).status == 200
        assert server.stranger().get(root).status == 401
        assert client.get(root).json["versions"] == [TAXII]


@pytest.mark.checklist(15)
def test_roots_are_relative_and_no_host_header_changes_them(sqlite_server: Served) -> None:
    """Relative, with one slash in front, whatever the client says its host or scheme is."""
    got = sqlite_server.client().get(
        "/taxii2/", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    )
    assert got.json["api_roots"] == ["/api/"]
    assert b"evil" not in got.raw


@pytest.mark.checklist(15)
def test_roots_are_absolute_behind_a_public_url(new_node: Callable[..., Node], wall: Wall) -> None:
    """With `public_url` set, the roots are below it."""
    made = new_node("sqlite")
    with (made.settings.home / "node.yaml").open("a") as file:
        file.write("public_url: https://cert-a.example/taxii\napi_root: exchange\n")
        file.write("contact: duty@cert-a.example\ndescription: Exchange of CERT A\n")
    node = reopen(made, wall)
    with served(node, wall) as server:
        found = server.client().get("/taxii2/").json
        assert found["default"] == "https://cert-a.example/taxii/exchange/"
        assert (found["contact"], found["description"]) == (
            "duty@cert-a.example",
            "Exchange of CERT A",
        )
        assert server.client().get("/exchange/").status == 200
        assert server.client().get("/api/").status == 404
    node.close()


@pytest.mark.checklist(16)
def test_a_partner_without_a_collection_sees_no_root(server: Served) -> None:
    """Who has no collection is shown no root; the root answers as an unknown one does."""
    server.rights("indicators", read="c", write="c")
    server.rights("reports", read="c", write="")
    client = server.client()
    assert client.get("/taxii2/").json == {"title": "CERT A"}
    assert alike(client.get(ROOT), client.get("/unknown/"))
    assert server.client("c").get("/taxii2/").json["api_roots"] == [ROOT]


@pytest.mark.checklist(17)
def test_the_root_says_versions_and_length(sqlite_server: Served) -> None:
    """`title`, `versions`, `max_content_length` as they are in force."""
    found = sqlite_server.client().get(ROOT).json
    assert found["versions"] == [TAXII]
    assert found["max_content_length"] == sqlite_server.node.settings.max_content_length > 0
    assert found["title"]


@pytest.mark.checklist(19)
@pytest.mark.checklist(20)
def test_no_collection_is_an_empty_object(server: Served) -> None:
    """Without any collection: {}, no empty list anywhere."""
    for alias in ("indicators", "reports"):
        server.rights(alias, read="c", write="c")
    got = server.client().get(f"{ROOT}collections/")
    assert (got.status, got.json) == (200, {})


@pytest.mark.checklist(20)
@pytest.mark.case("T33")
def test_collections_are_always_in_the_order_of_their_ids(server: Served) -> None:
    """Sorted by id, the same on every request, whatever was added when."""
    for n in range(8):
        server.rights(f"more-{n}")
    first = [one["id"] for one in server.client().get(f"{ROOT}collections/").json["collections"]]
    assert len(first) == 10
    assert first == sorted(first)
    again = server.client("c").get(f"{ROOT}collections/").json["collections"]
    assert [one["id"] for one in again] == first


@pytest.mark.checklist(21)
@pytest.mark.case("T15")
@pytest.mark.case("T22")
def test_a_collection_says_all_that_is_required(server: Served) -> None:
    """UUID 4 in lower case, title, alias, both rights as booleans also when false, the one media type."""
    server.rights("reports", write="c")
    listed = server.client().get(f"{ROOT}collections/").json["collections"]
    assert {one["alias"] for one in listed} == {"indicators", "reports"}
    for one in listed:
        assert str(uuid.UUID(one["id"], version=4)) == one["id"]
        assert one["title"] == one["alias"]
        assert one["can_read"] is True
        assert one["can_write"] is (one["alias"] == "indicators")
        assert one["media_types"] == [STIX]
        assert "description" not in one
        assert server.client().get(f"{ROOT}collections/{one['id']}/").json == one


@pytest.mark.checklist(22)
def test_id_and_alias_lead_to_the_same(server: Served) -> None:
    """By id in any letter case or by alias, on every endpoint; an alias only as it is written."""
    (one,) = server.publish_many(1)
    client = server.client()
    number = collection_id("indicators")
    for tail in ("", "manifest/", "objects/", f"objects/{one}/", f"objects/{one}/versions/"):
        found = [
            client.get(f"{ROOT}collections/{name}/{tail}")
            for name in ("indicators", number, number.upper())
        ]
        assert {got.status for got in found} == {200}
        assert len({got.raw for got in found}) == 1
    assert client.get(f"{ROOT}collections/Indicators/").status == 404
    posted = client.post(
        f"{ROOT}collections/{number.upper()}/objects/", {"objects": [indicator("p", by=None)]}
    )
    assert posted.status == 202


@pytest.mark.checklist(23)
def test_rights_are_those_of_the_caller(server: Served) -> None:
    """Each caller reads its own `can_read` and `can_write`."""
    server.rights("reports", read="b", write="c")
    mine = server.client("b").get(f"{ROOT}collections/reports/").json
    theirs = server.client("c").get(f"{ROOT}collections/reports/").json
    assert (mine["can_read"], mine["can_write"]) == (True, False)
    assert (theirs["can_read"], theirs["can_write"]) == (False, True)


@pytest.mark.checklist(24)
@pytest.mark.case("T33")
@pytest.mark.case("U11")
def test_one_right_is_403_none_is_404(server: Served) -> None:
    """403 with a word on what is missing where the caller may do one of the two; 404 where neither."""
    server.rights("reports", read="b", write="c")
    reader, writer = server.client("b"), server.client("c")
    some = fresh_id()
    assert reader.objects(alias="reports").status == 200
    refused = reader.post(objects_path("reports"), {"objects": [indicator("x", by=None)]})
    assert (refused.status, "may read" in refused.json["description"]) == (403, True)
    assert (
        writer.post(objects_path("reports"), {"objects": [indicator("x", by=None)]}).status == 202
    )
    for tail in ("manifest/", "objects/", f"objects/{some}/", f"objects/{some}/versions/"):
        got = writer.get(f"{ROOT}collections/reports/{tail}")
        assert (got.status, got.json["http_status"]) == (403, "403")
        assert "write-only" in got.json["description"]
        assert "You may read: indicators." in got.json["description"]
    server.rights("reports", read="c", write="c")
    for tail in ("", "manifest/", "objects/", f"objects/{some}/", f"objects/{some}/versions/"):
        assert reader.get(f"{ROOT}collections/reports/{tail}").status == 404


@pytest.mark.checklist(24)
@pytest.mark.case("T31")
def test_hidden_and_absent_collections_answer_alike(server: Served) -> None:
    """A hidden collection and one that does not exist: the same answer and the same statements."""
    server.rights("reports", read="c", write="c")
    server.publish_many(1, to="reports")
    client = server.client()
    some = fresh_id()
    for method, tail in (
        ("GET", ""), ("GET", "manifest/"), ("GET", "objects/"), ("GET", f"objects/{some}/"),
        ("GET", f"objects/{some}/versions/"), ("DELETE", f"objects/{some}/"), ("POST", "objects/"),
    ):  # fmt: skip
        traces: list[list[str]] = []
        found: list[Got] = []
        for name in (collection_id("reports"), str(uuid.uuid4())):
            seen: list[str] = []
            with server.node.database.raw.observed(seen.append), capture_logs():
                found.append(client.ask(f"{ROOT}collections/{name}/{tail}", method=method))
            traces.append([text.replace(name, "?") for text in seen])
        assert found[0].status == 404, (method, tail)
        assert alike(*found), (method, tail)
        assert traces[0] == traces[1], (method, tail)


def test_a_collection_whose_file_is_gone_is_gone(server: Served) -> None:
    """A retired collection answers as one that never was."""
    from cert_exchange.services import collections

    directory = server.node.settings.home / "collections"
    (directory / "reports.yaml").unlink()
    collections.load_collections(server.node, directory)
    assert server.client().get(f"{ROOT}collections/reports/").status == 404
    listed = server.client().get(f"{ROOT}collections/").json["collections"]
    assert [one["alias"] for one in listed] == ["indicators"]


@pytest.mark.checklist(3)
def test_answers_are_i_json(server: Served) -> None:
    """No duplicate keys, UTF-8, also where titles and names are not ASCII."""
    import json

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    server.rights("reports", title='"Berichte \\u00fc \\u4e2d\\u6587"')
    server.scene.publish(indicator("ünïcode 中文 \U0001f512 \u2028 \x7f"))
    client = server.client()
    for path in (
        "/taxii2/",
        ROOT,
        f"{ROOT}collections/",
        objects_path(),
        f"{ROOT}collections/indicators/manifest/",
    ):
        raw = client.get(path).raw
        json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    assert "Berichte ü 中文" in client.get(f"{ROOT}collections/").raw.decode()
    assert any(
        one.get("name") == "ünïcode 中文 \U0001f512 \u2028 \x7f" for one in client.objects().objects
    )
