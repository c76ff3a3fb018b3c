"""Manifest, one object, its versions, POST, status and DELETE."""

from __future__ import annotations

import gzip
import json
import time
import uuid
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from tests.scenes import B_IDENTITY, address, at, envelope, indicator, malware
from tests.taxii.conftest import (
    ROOT,
    TAXII,
    Got,
    Served,
    collection_id,
    fresh_id,
    objects_path,
)
from tests.taxii.test_discovery import alike

from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services import publishing, releasing
from cert_exchange.taxii.bodies import READ_OFF_SECONDS
from cert_exchange.taxii.receiver import SMALL

MANIFEST = f"{ROOT}collections/indicators/manifest/"

TAKES_PART = """\
partners: [c]
collections: [indicators, reports]
ceiling: {tlp: amber, unmarked: green}
rules:
  - {name: drills, match: {origin: own, test: true}, allow: true}
"""


def mine(name: str, **more: object) -> dict[str, object]:
    """An indicator of partner b's own."""
    return indicator(name, by=B_IDENTITY, **more)


@pytest.mark.checklist(46)
def test_the_manifest_has_a_record_per_version(server: Served) -> None:
    """id, date_added, version and media_type; one record per object version; filters look at the object."""
    for version in range(3):
        server.scene.publish(indicator("i", version=version))
    client = server.client()
    records = client.get(MANIFEST, {"match[version]": "all", "match[type]": "indicator"}).objects
    assert [record["version"] for record in records] == [at(0), at(1), at(2)]
    for record in records:
        assert set(record) == {"id", "date_added", "version", "media_type"}
        assert record["id"] == indicator("i")["id"]
        assert record["media_type"] == "application/stix+json;version=2.1"
    assert [
        one["version"] for one in client.get(MANIFEST, {"match[type]": "indicator"}).objects
    ] == [at(2)]
    everything = client.objects({"match[version]": "all"})
    assert client.get(MANIFEST, {"match[version]": "all"}).last == everything.last


@pytest.mark.checklist(47)
@pytest.mark.case("T06")
def test_one_object_is_an_envelope_with_its_bytes(server: Served) -> None:
    """An envelope even for one; the object as it was stored, spec_version and unknown properties too."""
    given = indicator("i", x_custom={"b": [1, 2.50, "ü"], "a": None}, labels=["zeta", "alpha"])
    server.scene.publish(given)
    got = server.client().get(objects_path(stix_id=given["id"]))
    assert got.objects == [given]
    assert b'"x_custom":{"a":null,"b":[1,2.5,"\xc3\xbc"]}' in got.raw
    assert got.json["more"] is False


def test_a_drill_is_absent_for_who_takes_no_part(server: Served) -> None:
    """Objects, manifest, one object, its versions: as what is not there; the observable too, which cannot say TEST."""
    drill = (indicator("drill"), address("198.51.100.9"), malware("drilled"))
    server.scene.apply("c", TAKES_PART)
    told = SharingTerms(test=True)
    body = publishing.carry_terms(server.node, envelope(*drill), told)
    publishing.publish(server.node, body, collection="indicators", by="anna", terms=told)
    server.scene.publish(indicator("real"))
    client, playing = server.client("b"), server.client("c")
    for path in (objects_path(), MANIFEST):
        for query in ({}, {"match[version]": "all"}, {"match[type]": "ipv4-addr,malware"}):
            got = client.get(path, query)
            assert got.status == 200
            assert not any(one["id"].encode() in got.raw for one in drill)
            if "match[type]" not in query:
                assert indicator("real")["id"].encode() in got.raw
    for one in drill:
        assert one["id"] in playing.objects().ids
        for tail in ("", "versions/"):
            hidden = client.get(objects_path(stix_id=one["id"], tail=tail))
            absent = client.get(objects_path(stix_id=fresh_id(), tail=tail))
            assert hidden.status == 404
            assert alike(hidden, absent)


@pytest.mark.checklist(47)
def test_unknown_hidden_and_withdrawn_objects_answer_alike(server: Served) -> None:
    """404 for all three, and for texts that are no STIX id; the same words and the same statements."""
    server.scene.publish(indicator("hidden", tlp="red"), indicator("gone"), indicator("there"))
    gone = indicator("gone")["id"]
    client = server.client()
    assert client.get(objects_path(stix_id=gone)).status == 200
    releasing.withdraw(
        server.node, gone, version=None, collection=None, by="analyst", reason="wrong"
    )
    for tail in ("", "versions/"):
        found: list[Got] = []
        traces: list[list[str]] = []
        for stix_id in (indicator("hidden")["id"], gone, fresh_id(), "nonsense", "indicator--x"):
            seen: list[str] = []
            with server.node.database.raw.observed(seen.append), capture_logs():
                found.append(client.get(objects_path(stix_id=stix_id, tail=tail)))
            traces.append([text.replace(stix_id, "?") for text in seen])
        assert {got.status for got in found} == {404}
        assert all(alike(found[0], got) for got in found)
        assert all(trace == traces[0] for trace in traces)
    assert (
        client.get(
            objects_path(stix_id=indicator("hidden")["id"]), {"match[version]": "all"}
        ).status
        == 404
    )


@pytest.mark.checklist(47)
def test_a_known_object_whose_versions_match_nothing_is_an_empty_envelope(server: Served) -> None:
    """200 and nothing, for a version that is not there, another spec_version, a later date."""
    (one,) = server.publish_many(1)
    client = server.client()
    for query in (
        {"match[version]": "2001-01-01T00:00:00Z"},
        {"match[spec_version]": "2.0"},
        {"added_after": "9999-01-01T00:00:00Z"},
    ):
        got = client.get(objects_path(stix_id=one), query)
        assert (got.status, got.json) == (200, {"more": False})
        assert client.get(objects_path(stix_id=fresh_id()), query).status == 404


@pytest.mark.checklist(48)
@pytest.mark.checklist(49)
def test_one_object_and_its_versions_take_filters_and_page(server: Served) -> None:
    """`added_after`, `limit`, `next`, versions and spec_version on one object; versions oldest first."""
    for version in range(5):
        server.scene.publish(indicator("i", version=version))
    one = indicator("i")["id"]
    client = server.client()
    path = objects_path(stix_id=one)
    assert [item["modified"] for item in client.get(path).objects] == [at(4)]
    first = client.get(path, {"match[version]": "all", "limit": 2})
    assert [item["modified"] for item in first.objects] == [at(0), at(1)]
    second = client.get(path, {"limit": 2, "next": first.next})
    assert [item["modified"] for item in second.objects] == [at(2), at(3)]
    after = client.get(path, {"match[version]": "all", "added_after": second.last})
    assert [item["modified"] for item in after.objects] == [at(4)]
    assert [
        i["modified"] for i in client.get(path, {"match[version]": f"first,{at(3)}"}).objects
    ] == [at(0), at(3)]
    versions = objects_path(stix_id=one, tail="versions/")
    assert client.get(versions).json["versions"] == [at(n) for n in range(5)]
    assert client.get(versions, {"match[spec_version]": "2.0"}).json == {"more": False}
    assert client.get(versions, {"added_after": second.last}).json["versions"] == [at(4)]
    assert client.get(objects_path(stix_id=fresh_id(), tail="versions/")).status == 404


@pytest.mark.checklist(50)
def test_odd_paths_are_404(server: Served) -> None:
    """Decoded once; encoded slashes, dots, NUL, broken UTF-8, long names: 404, never 500, on both engines."""
    (one,) = server.publish_many(1)
    client = server.client()
    assert client.get(objects_path(stix_id=one.replace("-", "%2D"))).status == 200
    for name in (
        "%2F", "..", "%2e%2e", "%00", "%ff", "%0A", "a%2Fb", one.replace("-", "%252D"), "x" * 5_000, "%", "%zz",
        "'%20OR%201=1", "%F0%9F%94%92", ".", "~",
    ):  # fmt: skip
        for path in (
            objects_path(stix_id=name), objects_path(stix_id=name, tail="versions/"),
            f"{ROOT}collections/{name}/", f"{ROOT}collections/{name}/objects/", f"{ROOT}status/{name}/",
            f"{ROOT}{name}/",
        ):  # fmt: skip
            assert client.get(path).status == 404, path
        assert client.delete(objects_path(stix_id=name)).status == 404
    assert client.get("//").status == 404
    assert client.get("/api//collections/").status == 404


@pytest.mark.checklist(51)
def test_a_post_is_stored_before_it_is_answered(server: Served) -> None:
    """202 with a status that counts a success; the object is in the store in the same commit."""

    got = server.client().post(objects_path(), {"objects": [mine("p")]})
    assert got.status == 202
    assert (got.json["status"], got.json["success_count"]) == ("complete", 1)
    from sqlalchemy import select

    from cert_exchange.store.tables import identifiers, objects

    with server.node.database.reading() as tx:
        found = tx.execute(
            select(objects.c.origin).join(identifiers, identifiers.c.num == objects.c.ident)
            .where(identifiers.c.stix_id == mine("p")["id"])
        ).scalar_one()  # fmt: skip
    assert found == server.scene.partner("b")


@pytest.mark.checklist(52)
@pytest.mark.case("T04")
def test_a_duplicate_is_a_success_and_nothing_new(server: Served) -> None:
    """Twice the same: both succeed, one version, one date; what is hidden is answered as new."""
    server.scene.apply("c", "partners: [c]\ncollections: [indicators]\nceiling: {tlp: amber, unmarked: green}\n"
                            "rules:\n  - {name: theirs, match: {origin: b}, allow: true}\n")  # fmt: skip
    client, other = server.client("b"), server.client("c")
    first = client.post(objects_path(), {"objects": [mine("p"), mine("q")]})
    before = other.get(MANIFEST, {"match[version]": "all"}).raw
    again = client.post(objects_path(), {"objects": [mine("p"), mine("q"), mine("q")]})
    assert (first.json["success_count"], again.json["success_count"]) == (2, 3)
    assert "failures" not in again.json
    assert other.get(MANIFEST, {"match[version]": "all"}).raw == before
    assert len(other.objects({"match[type]": "indicator"}).objects) == 2


@pytest.mark.checklist(53)
@pytest.mark.parametrize("size", [0, SMALL + 1_000])
def test_bodies_that_are_no_envelope(server: Served, size: int) -> None:
    """Not JSON or not UTF-8: 400. JSON, but no envelope: 422. A small body in a thread and a large one in the receiver."""
    client = server.client()
    pad = b" " * size
    for body in (
        b"",
        b"{",
        b"\xff\xfe",
        b'{"objects": [1}',
        b'{"a":1,"a":2}',
        b'{"a": NaN}',
        b'"\\ud800"',
    ):
        assert client.post(objects_path(), body + pad).status == 400, body
    for body in (
        b"{}", b"[]", b"1", b"null", b'"x"', b'{"objects": []}', b'{"objects": {}}', b'{"objects": null}',
        b'{"objects": [1]}', b'{"objects": ["x"]}', b'{"more": false}',
    ):  # fmt: skip
        got = client.post(objects_path(), body + pad)
        assert got.status == 422, body
        assert got.json["http_status"] == "422"


@pytest.mark.checklist(53)
@pytest.mark.case("T27")
def test_a_bundle_is_read_as_an_envelope_and_is_no_object(server: Served) -> None:
    """A bare bundle, also under STIX's type; a bundle among the objects is a failure."""
    client = server.client()
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": [mine("p")]}
    got = client.post(objects_path(), bundle)
    assert (got.status, got.json["success_count"]) == (202, 1)
    got = client.post(objects_path(), bundle, media="application/stix+json; version=2.1")
    assert (got.status, got.json["success_count"]) == (202, 1)
    got = client.post(objects_path(), {"objects": [bundle, mine("q")]})
    assert (got.json["success_count"], got.json["failure_count"]) == (1, 1)


@pytest.mark.checklist(54)
@pytest.mark.checklist(55)
@pytest.mark.checklist(56)
@pytest.mark.case("T13")
@pytest.mark.case("T07")
def test_one_bad_object_spoils_nothing_and_counts_agree(server: Served) -> None:
    """Each bad object is in `failures` with id, version and a reason; the others are taken."""
    broken = mine("no pattern")
    del broken["pattern"]
    no_type = mine("no type")
    del no_type["type"]
    odd = mine("odd version", spec_version="marking-definition")
    no_id = mine("no id")
    del no_id["id"]
    client = server.client()
    got = client.post(
        objects_path(), {"objects": [mine("a"), broken, no_type, odd, no_id, {}, mine("b")]}
    )
    assert got.status == 202
    status = got.json
    assert (
        status["total_count"],
        status["success_count"],
        status["failure_count"],
        status["pending_count"],
    ) == (7, 2, 5, 0)
    assert len(status["successes"]) == 2
    failures = status["failures"]
    assert len(failures) == 5
    assert [one["id"] for one in failures] == [
        broken["id"],
        no_type["id"],
        odd["id"],
        "unknown--4",
        "unknown--5",
    ]
    assert "pattern" in failures[0]["message"]
    assert all(one["message"] and one["version"] for one in failures)
    assert uuid.UUID(status["id"]).version == 4
    assert status["status"] == "complete"
    assert len(status["request_timestamp"]) == len("2026-01-01T00:00:00.000000Z")
    assert client.get(f"{ROOT}status/{status['id']}/").json == status
    good = client.post(objects_path(), {"objects": [mine("c")]}).json
    assert "failures" not in good
    assert "pendings" not in good


@pytest.mark.checklist(57)
@pytest.mark.case("T33")
def test_a_status_is_its_submitters_for_24_hours(server: Served) -> None:
    """Readable by who submitted until 24 hours have passed; 404 for others, later, and for what never was."""
    client = server.client("b")
    status = client.post(objects_path(), {"objects": [mine("a")]}).json
    path = f"{ROOT}status/{status['id']}/"
    assert client.get(path).json == status
    assert alike(
        server.client("c").get(path), server.client("c").get(f"{ROOT}status/{uuid.uuid4()}/")
    )
    server.wall.forward(timedelta(hours=23, minutes=59))
    assert client.get(path).status == 200
    server.wall.forward(timedelta(minutes=2))
    assert client.get(path).status == 404


@pytest.mark.checklist(18)
@pytest.mark.case("T25")
def test_max_content_length_holds_however_a_body_comes(server: Served) -> None:
    """Below: never 413. Above: 413, with Content-Length, in chunks, or packed (by what it unpacks to)."""
    limit = server.node.settings.max_content_length
    client = server.client()
    body = json.dumps({"objects": [mine("large", description="x" * 900_000)]}).encode()
    full = body + b" " * (limit - len(body))
    assert client.post(objects_path(), full).status == 202
    assert client.post(objects_path(), full + b" ").status == 413
    typed = {"Content-Type": TAXII}
    pieces = [body[n : n + 100_000] for n in range(0, len(body), 100_000)]
    ok = client.ask(objects_path(), method="POST", body=iter(pieces), headers=typed, chunked=True)
    assert (ok.status, ok.json["success_count"]) == (202, 1)
    flood = (b" " * 100_000 for _ in range(limit // 100_000 + 2))
    over = client.ask(objects_path(), method="POST", body=flood, headers=typed, chunked=True)
    assert (over.status, over.json["http_status"]) == (413, "413")
    packed = {"Content-Encoding": "gzip"}
    got = client.post(objects_path(), gzip.compress(full), headers=packed)
    assert (got.status, got.json["success_count"]) == (202, 1)
    begun = time.monotonic()
    assert client.post(objects_path(), gzip.compress(full + b" "), headers=packed).status == 413
    # All of it had come: nothing more is waited for.
    assert time.monotonic() - begun < READ_OFF_SECONDS
    bomb = gzip.compress(b"\0" * (limit * 20), compresslevel=1)
    assert len(bomb) < limit
    assert client.post(objects_path(), bomb, headers=packed).status == 413
    assert client.post(objects_path(), gzip.compress(body)[:-9], headers=packed).status == 400
    assert client.post(objects_path(), body, headers={"Content-Encoding": "br"}).status == 415
    assert str(limit) in client.post(objects_path(), full + b" ").json["description"]


def test_a_large_body_is_taken_in_by_a_process_of_its_own(server: Served) -> None:
    """Over 64 KiB: validated and stored by the receiver; one that dies is replaced, and the sender is told to repeat."""
    client = server.client()
    body = {"objects": [mine(f"l{n}", description="x" * 500) for n in range(300)]}
    got = client.post(objects_path(), body)
    assert (got.status, got.json["success_count"]) == (202, 300)
    assert client.post(objects_path(), body).json["success_count"] == 300
    assert client.get(f"{ROOT}status/{got.json['id']}/").json == got.json


@pytest.mark.checklist(58)
def test_who_may_delete(server: Served) -> None:
    """Neither right: 404. One of the two: 403. Both: done, 200 with the type and no body."""
    client = server.client()
    for read, write, status in (("c", "c", 404), ("b", "c", 403), ("c", "b", 403), ("b", "b", 200)):
        server.rights("indicators")
        client.post(objects_path(), {"objects": [mine("p")]})
        server.rights("indicators", read=read, write=write)
        got = client.delete(objects_path(stix_id=str(mine("p")["id"])))
        assert got.status == status, (read, write)
        assert got.headers["content-type"] == TAXII
    assert got.raw == b""
    server.rights("indicators")
    assert client.delete(objects_path(stix_id=str(mine("p")["id"]))).status == 404


def exchanged(server: Served) -> None:
    """c sees what b submits."""
    server.scene.apply("c", "partners: [c]\ncollections: [indicators]\nceiling: {tlp: amber, unmarked: green}\n"
                            "rules:\n  - {name: theirs, match: {origin: b}, allow: true}\n")  # fmt: skip


@pytest.mark.checklist(59)
@pytest.mark.checklist(60)
@pytest.mark.case("O12")
def test_delete_one_version_then_all(server: Served) -> None:
    """First only the version named; then all; afterwards objects, manifest and versions show nothing, by id it is 404."""
    exchanged(server)
    b, c = server.client("b"), server.client("c")
    for version in range(3):
        b.post(objects_path(), {"objects": [mine("p", version=version)]})
    one = str(mine("p")["id"])
    versions = objects_path(stix_id=one, tail="versions/")
    assert c.get(versions).json["versions"] == [at(0), at(1), at(2)]
    cursor = c.objects().last
    assert b.delete(objects_path(stix_id=one), {"match[version]": at(1)}).status == 200
    assert c.get(versions).json["versions"] == [at(0), at(2)]
    assert b.delete(objects_path(stix_id=one), {"match[version]": "last"}).status == 200
    back = c.objects({"added_after": cursor})
    assert [item["modified"] for item in back.objects] == [
        at(0)
    ]  # released anew, so that nobody misses it
    assert b.post(objects_path(), {"objects": [mine("p", version=1)]}).status == 202
    assert b.delete(objects_path(stix_id=one)).status == 200
    for path, query in (
        (objects_path(), {"match[id]": one, "match[version]": "all"}),
        (MANIFEST, {"match[id]": one}),
    ):
        assert c.get(path, query).json == {"more": False}
    assert c.get(objects_path(stix_id=one)).status == 404
    assert c.get(versions).status == 404
    assert b.delete(objects_path(stix_id=one)).status == 404


@pytest.mark.checklist(60)
def test_nobody_deletes_anothers_object(server: Served) -> None:
    """Another's object: 403 where it is visible, 404 where it is hidden or absent, alike."""
    exchanged(server)
    server.scene.publish(indicator("ours"), indicator("secret", tlp="red"))
    b, c = server.client("b"), server.client("c")
    b.post(objects_path(), {"objects": [mine("p")]})
    assert b.delete(objects_path(stix_id=indicator("ours")["id"])).status == 403
    hidden = b.delete(objects_path(stix_id=indicator("secret")["id"]))
    assert alike(hidden, b.delete(objects_path(stix_id=fresh_id())))
    assert hidden.status == 404
    assert c.delete(objects_path(stix_id=str(mine("p")["id"]))).status == 403
    assert b.get(objects_path(stix_id=indicator("ours")["id"])).status == 200
    assert c.get(objects_path(stix_id=str(mine("p")["id"]))).status == 200


@pytest.mark.case("D02")
def test_a_relationship_to_nothing_fails_no_page(server: Served) -> None:
    """What refers to an object that nobody holds waits, and the page is served."""
    from tests.scenes import relationship

    server.scene.publish(indicator("i"), relationship(indicator("i"), malware("absent")))
    got = server.client().objects()
    assert got.status == 200
    assert indicator("i")["id"] in got.ids


@pytest.mark.case("D07")
def test_a_store_that_cannot_is_503_with_retry_after(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disk full during a POST: 503, Retry-After, nothing half-written; when there is room again, it goes on."""
    from cert_exchange.errors import StoreUnavailable
    from cert_exchange.store import submissions

    def full(*_: object, **__: object) -> None:
        raise StoreUnavailable(detail="SQLITE_FULL canary-disk")

    monkeypatch.setattr(submissions, "keep", full)
    client = server.client()
    got = client.post(objects_path(), {"objects": [mine("p")]})
    assert (got.status, got.headers["retry-after"]) == (503, "5")
    assert b"canary" not in got.raw
    monkeypatch.undo()
    assert client.post(objects_path(), {"objects": [mine("p")]}).json["success_count"] == 1


def test_the_answer_to_a_post_tells_nothing_of_what_is_hidden(server: Served) -> None:
    """An id that is ours or another's and hidden from the sender is answered as one that is new."""
    server.scene.publish(address("203.0.113.9", tlp="red"))
    client = server.client()
    known = client.post(objects_path(), {"objects": [address("203.0.113.9")]}).json
    fresh = client.post(objects_path(), {"objects": [address("203.0.113.10")]}).json
    for one in (known, fresh):
        assert one["success_count"] == 1
        assert "message" not in one["successes"][0]
    assert collection_id("indicators")
