"""What a partner may ask of us when it tests its side: it hears of itself, and what it tries leaves nothing."""

from __future__ import annotations

import json

from sqlalchemy import func, select
from tests.scenes import B_IDENTITY, THIRD_IDENTITY, indicator
from tests.taxii.conftest import Served

from cert_exchange.services import freezing, partners
from cert_exchange.services.partners import Limits, Reach
from cert_exchange.services.selftest.answering import BYTES, MOST
from cert_exchange.store.tables import objects, quarantine

PATH = "/exchange/v1/selftest"
JSON = "application/json"


def test_a_partner_hears_of_itself_alone(server: Served) -> None:
    """Its own name, identities, rights and what it could count by polling; of nobody else a word."""
    server.scene.publish(indicator("one"))
    found = server.client().get(PATH)
    assert (found.status, found.headers["content-type"]) == (200, JSON)
    said = found.json
    assert (said["you_are"], said["you_speak_for"], said["stage"]) == ("b", [B_IDENTITY], "live")
    shown = {one["alias"]: one["object_versions_for_you"] for one in said["collections"]}
    assert shown == {"indicators": len(server.scene.sees("b")), "reports": 0}
    for stranger in ('"c"', THIRD_IDENTITY):
        assert stranger not in json.dumps(said)
    assert server.stranger().get(PATH).status == 401


def test_neither_a_scope_nor_a_freeze_is_walked_round(server: Served) -> None:
    """A credential that only writes is told no number, nor is anybody while what goes out is frozen."""
    server.scene.publish(indicator("one"))
    limits = Limits(scope={"indicators": Reach(may_read=False, may_write=True)})
    token = partners.issue(server.node, "b", lifetime=None, limits=limits).token
    said = server.client().with_(authorization=f"Bearer {token}").get(PATH).json
    assert said["this_credential_may_less_than_you"] is True
    assert [(one["alias"], one["object_versions_for_you"]) for one in said["collections"]] == [
        ("indicators", None)
    ]
    freezing.freeze(server.node, "b", by="tester", reason="trial")
    said = server.client().get(PATH).json
    assert said["we_give_out_to_you"] is False
    assert {one["object_versions_for_you"] for one in said["collections"]} == {None}


def test_what_is_tried_is_not_kept(server: Served) -> None:
    """Each object is judged on its own; nothing is stored, nor kept aside as refused; what is too much is refused."""

    def held() -> list[int]:
        with server.node.database.reading() as tx:
            return [
                tx.execute(select(func.count()).select_from(one)).scalar_one()
                for one in (objects, quarantine)
            ]

    before = held()
    client = server.client()
    good = indicator("good", by=B_IDENTITY)
    tried = client.post(PATH, {"objects": [good, {"type": "indicator"}]}, media=JSON)
    assert [one["valid"] for one in tried.json["objects"]] == [True, False]
    assert held() == before
    for body, status in (
        ({}, 422),
        ({"objects": []}, 422),
        ({"objects": [good] * (MOST + 1)}, 422),
        ({"objects": [{**good, "description": "x" * BYTES}]}, 413),
    ):
        assert client.post(PATH, body, media=JSON).status == status


def test_whose_it_is_is_said(server: Served) -> None:
    """An object of a creator for whom the partner does not speak would be a proposal, whether or not we hold it."""
    tried = server.client().post(PATH, {"objects": [indicator("x", by=THIRD_IDENTITY)]}, media=JSON)
    (one,) = tried.json["objects"]
    assert "kept as a proposal" in one["message"]
