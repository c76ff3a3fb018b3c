"""Taking in: an outcome per object, one commit, the same question answered the same way."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, Scene, envelope, indicator, malware, relationship

from cert_exchange.errors import ConfigurationInvalid, EnvelopeInvalid, NotFound, NotJson
from cert_exchange.node import Node
from cert_exchange.services import ledger, publishing
from cert_exchange.store.tables import ledger_lines, objects


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


def test_one_bad_object_never_spoils_its_batch(scene: Scene) -> None:
    """Good ones are stored and released; the bad one has a reason that its sender can act on."""
    bad = indicator("bad", by=B_IDENTITY, confidence="high")
    told = scene.post("b", indicator("one", by=B_IDENTITY), bad, indicator("two", by=B_IDENTITY))
    assert [one.success for one in told] == [True, False, True]
    assert "confidence" in told[1].message


def test_a_status_adds_up_and_only_its_sender_reads_it_for_a_day(scene: Scene, wall: Wall) -> None:
    made = scene.posted("b", indicator("one", by=B_IDENTITY), {"type": "indicator"})
    status = json.loads(made.status)
    assert (
        status["total_count"],
        status["success_count"],
        status["failure_count"],
        status["pending_count"],
    ) == (2, 1, 1, 0)
    assert (len(status["successes"]), len(status["failures"])) == (1, 1)
    assert publishing.submission(scene.node, scene.caller("b"), made.id) == made.status
    with pytest.raises(NotFound):
        publishing.submission(scene.node, scene.caller("c"), made.id)
    wall.forward(timedelta(hours=23, minutes=59))
    assert publishing.submission(scene.node, scene.caller("b"), made.id) == made.status
    wall.forward(timedelta(minutes=2))
    with pytest.raises(NotFound):
        publishing.submission(scene.node, scene.caller("b"), made.id)
    assert publishing.forget_submissions(scene.node) == 1


@pytest.mark.parametrize("body", [b"", b"{", b'{"a":1,"a":2}', b"\xff"])
def test_what_is_no_json_is_refused_as_a_whole(scene: Scene, body: bytes) -> None:
    with pytest.raises(NotJson):
        publishing.publish(scene.node, body, collection="indicators", by="desk")


@pytest.mark.parametrize("body", [b"{}", b'{"objects":{}}', b'"text"'])
def test_what_is_no_envelope_is_refused_as_a_whole(scene: Scene, body: bytes) -> None:
    with pytest.raises(EnvelopeInvalid):
        publishing.receive(
            scene.node, body, partner=scene.partner("b"), collection=scene.collection("indicators")
        )


def test_an_unknown_collection_is_named_with_those_there_are(scene: Scene) -> None:
    with pytest.raises(ConfigurationInvalid, match="indicators"):
        publishing.publish(
            scene.node, envelope(indicator("one")), collection="indicator", by="desk"
        )


def test_one_transaction_has_one_ledger_line(scene: Scene) -> None:
    """However many objects and audiences; a mere repetition writes none."""

    def lines() -> int:
        with scene.node.database.reading() as conn:
            return int(conn.execute(select(func.count()).select_from(ledger_lines)).scalar_one())

    before = lines()
    batch = [indicator("one"), malware("two"), relationship(indicator("one"), malware("two"))]
    scene.publish(*batch)
    assert lines() == before + 1
    scene.publish(*batch)
    assert lines() == before + 1


def test_a_long_file_in_parts_can_be_repeated_after_a_break(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts are commits of their own; what is stored already is a duplicate."""
    from cert_exchange.services.publishing import sentences

    monkeypatch.setattr(sentences, "PART_OBJECTS", 2)
    batch = [indicator(f"n{n}") for n in range(5)]
    scene.publish(*batch[:3])
    told = scene.publish(*batch)
    assert [one.result for one in told] == ["duplicate"] * 3 + ["accepted"] * 2
    assert scene.names("b") == [f"n{n}" for n in range(5)]
    ledger.verify(scene.node)


def test_seeding_twice_stores_once(scene: Scene) -> None:
    with scene.node.database.reading() as conn:
        before = conn.execute(select(func.count()).select_from(objects)).scalar_one()
    publishing.seed(scene.node)
    with scene.node.database.reading() as conn:
        assert conn.execute(select(func.count()).select_from(objects)).scalar_one() == before


@pytest.mark.case("M09")
def test_a_preview_and_the_publishing_say_the_same(scene: Scene) -> None:
    """Outcome by outcome and line by line, with denials and what waits; the preview stores nothing."""
    batch = [
        indicator("one"), indicator("red", tlp="red"), malware("two"),
        relationship(indicator("one"), malware("two")), relationship(indicator("one"), malware("absent")),
    ]  # fmt: skip
    body = envelope(*batch)
    looked = publishing.preview_publish(scene.node, body, collection="indicators")
    assert scene.ids("b") == []
    done = publishing.publish(scene.node, body, collection="indicators", by="desk")
    assert [o.result for o in looked.outcomes] == [o.result for o in done.outcomes]
    released = {(one.audience, one.stix_id) for one in looked.sighted if one.answer == "released"}
    assert released == {(line.audience, line.stix_id) for line in done.lines}
