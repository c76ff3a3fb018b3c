"""A partner in stage test: the TEST collection is all there is, at every door, in every process, whatever files say."""

from __future__ import annotations

import json

import pytest
from tests.scenes import envelope, indicator, malware, uid
from tests.taxii.conftest import ROOT, Served, collection_id, objects_path

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.services import introducing, syncing
from cert_exchange.store import introductions as rows


def confine(server: Served, partner: str = "b", test: str = "reports") -> None:
    """Partner b in stage test, and `reports` the TEST collection."""
    number = server.scene.partner(partner)

    def work(tx) -> None:
        rows.set_test_collection(tx, collection_id(test))
        rows.set_stage(tx, number, "test")

    server.node.database.transact(work)


def test_all_but_the_test_collection_is_absent(server: Served) -> None:
    """Listed, read, written, asked about: as a collection that does not exist; another partner notices nothing."""
    server.scene.publish(indicator("real"))
    server.scene.publish(malware("a test"), to="reports")
    client, other = server.client("b"), server.client("c")
    assert len(client.get(f"{ROOT}collections/").json["collections"]) == 2
    confine(server)
    listed = client.get(f"{ROOT}collections/").json["collections"]
    assert [one["alias"] for one in listed] == ["reports"]
    assert client.objects(alias="reports").ids == other.objects(alias="reports").ids
    real = indicator("real")["id"]
    paths = [objects_path(), objects_path(stix_id=real), objects_path(stix_id=real, tail="versions/"),
             f"{ROOT}collections/indicators/", f"{ROOT}collections/indicators/manifest/",
             f"{ROOT}collections/{collection_id('indicators')}/objects/"]  # fmt: skip
    for path in paths:
        got, absent = client.get(path), client.get(path.replace("indicators", "nothing"))
        assert got.status == 404
        assert {**got.json, "error_id": ""} == {**absent.json, "error_id": ""}
        assert other.get(path).status == 200
    posted = client.post(objects_path(), envelope(malware("mine", by=None)))
    assert posted.status == 404
    assert client.post(objects_path("reports"), envelope(malware("mine", by=None))).status == 202


def test_a_file_opens_nothing_in_stage_test(server: Served) -> None:
    """Loading collections that name the partner changes nothing; promoting does, at once."""
    confine(server)
    client = server.client("b")
    server.rights("fresh", read="b")
    assert client.get(f"{ROOT}collections/fresh/").status == 404
    with pytest.raises(ConfigurationInvalid, match="reason"):
        introducing.promote(server.node, "b", reason=" ", unchecked=True)
    rights = introducing.promote(server.node, "b", reason="agreed", unchecked=True)
    assert {one.collection for one in rights if one.may_read} == {"fresh", "indicators", "reports"}
    assert client.get(f"{ROOT}collections/fresh/").status == 200
    introducing.demote(server.node, "b", reason="their desk does not answer")
    assert client.get(f"{ROOT}collections/fresh/").status == 404
    with pytest.raises(ConfigurationInvalid, match="already"):
        introducing.demote(server.node, "b", reason="again")


def test_nothing_is_pulled_or_pushed_beside_the_test_collection(server: Served) -> None:
    """A source that joins a real collection, and a target that is fed from one, ask nobody anything."""
    confine(server)
    for add in (syncing.add_source, syncing.add_target):
        for collection in ("indicators", "reports"):
            add(
                server.node, f"{add.__name__}-{collection}".replace("_", "-"), partner="b",
                url="http://127.0.0.1:9/api/", remote_collection="x", collection=collection,
                options={"insecure": True, "connect_seconds": 1.0},
            )  # fmt: skip
    told = {one.name: one.outcome for one in syncing.sync_once(server.node)}
    assert "stage test" in told["add-source-indicators"]
    assert "stage test" in told["add-target-indicators"]
    assert "stage test" not in told["add-source-reports"] + told["add-target-reports"]


def test_the_peer_face_tells_a_partner_about_itself_only(server: Served) -> None:
    """Signed, to the question that was asked, and the same words for who has no card of ours to look at."""
    client = server.client("b")
    assert client.get("/exchange/v1/card").status == 404
    card = {
        "organisation": "CERT A",
        "desk": "+1",
        "backup": "+2",
        "languages": ["en"],
        "hours": "always",
    }
    introducing.set_our_card(server.node, card, by="tester")
    payload = client.get("/exchange/v1/card").json["signed"].split(".")[1]
    assert "+1" in _decoded(payload)["card"]["desk"]
    asked = client.post("/exchange/v1/check", {"nonce": "ab" * 16}, media="application/json")
    said = _decoded(asked.json["signed"].split(".")[1])
    assert (said["nonce"], said["stage"], said["certificate"]) == ("ab" * 16, "live", False)
    assert uid("c") not in json.dumps(said)
    for nonce in ("", "ab", "x" * 32, None, 5):
        refused = client.post("/exchange/v1/check", {"nonce": nonce}, media="application/json")
        assert refused.status == 400


def _decoded(payload: str):
    import base64

    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
