"""What was refused: listed, shown, let in after all, discarded, made ours, and forgotten in time; on both engines."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import ALLOW_ALL, B_IDENTITY, TLP, Scene, indicator, malware, note

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.services import (
    erasing,
    holdings,
    ledger,
    legal_holds,
    partners,
    policies,
    quarantine,
)
from cert_exchange.services.deliveries import OTHER_CONTENT
from cert_exchange.services.quarantine import Kept
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store import objects
from cert_exchange.store import quarantine as rows

AGREEMENT = """\
partner: b
title: Exchange with B
parties:
  - {name: CERT A, contacts: [duty@cert-a.example]}
  - {name: CERT B, contacts: [duty@cert-b.example]}
review: 2099-01-01
profile: PROFILE
"""


@pytest.fixture
def scene(node: Node) -> Scene:
    made = Scene.set_up(node)
    made.apply("c", ALLOW_ALL.format(partner="c").replace("{origin: own}", "{origin: any}"))
    return made


def agree(scene: Scene, profile: str) -> None:
    policies.apply(
        scene.node, ALLOW_ALL.format(partner="b") + "agreement: agreements/b.yaml\n", file="b.yaml", author="test",
        companions={"agreements/b.yaml": AGREEMENT.replace("PROFILE", profile)},
    )  # fmt: skip


def kept(scene: Scene, **wanted: Any) -> list[Kept]:
    return quarantine.listed(scene.node, **wanted)


def numbers(scene: Scene) -> list[int]:
    return [one.number for one in kept(scene)]


def facts(scene: Scene, kind: str) -> list[dict[str, Any]]:
    with scene.node.database.reading() as tx:
        lines = [decode_line(row.body) for row in ledger_rows.unsealed_lines(tx)]
    return [dict(line.facts) for line in lines if line.kind == kind]


def unsure(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY, **more)


def test_what_was_refused_is_listed_by_sender_reason_kind_id_and_time(
    scene: Scene, wall: Wall
) -> None:
    """Each filter leaves what it names; the newest stands first; an unknown name, kind or number is said."""
    agree(scene, "{required: {indicator: [confidence]}}")
    scene.post("b", unsure("first"), {"type": "indicator", "id": "indicator--no"})
    wall.forward(timedelta(hours=1))
    since = scene.node.now()
    scene.post("b", unsure("later"))
    scene.post("c", {"type": "malware", "id": malware("bad")["id"]})
    found = kept(scene)
    assert [one.sender for one in found] == ["c", "b", "b", "b"]
    assert [one.stix_id for one in kept(scene, partner="b", about="NEEDS CONFIDENCE")] == [
        unsure("later")["id"],
        unsure("first")["id"],
    ]
    assert [one.stix_id for one in kept(scene, since=since, partner="b")] == [unsure("later")["id"]]
    assert len(kept(scene, stix_id=unsure("first")["id"])) == 1
    assert kept(scene, kind="conflict") == []
    assert kept(scene, about="100%_\\") == []
    assert len(kept(scene, limit=2)) == 2
    for wrong, error in (
        ({"partner": "x"}, NotFound),
        ({"numbers": (999,)}, NotFound),
        ({"kind": "odd"}, InputRefused),
    ):
        with pytest.raises(error):
            kept(scene, **wrong)


def test_the_bytes_are_kept_as_they_came(scene: Scene) -> None:
    """Also what no text column can hold: a replay examines what came and never a mended copy."""
    for raw in (b'{"a":1}', b'{"a":"\xff"}', b"base64:eyJ9", b"a\x00b", "й".encode()):
        assert rows.as_bytes(rows.as_text(raw)) == raw
    broken = json.dumps(unsure("a", description="NUL \x00 and \ud800")).encode()
    from cert_exchange.services.publishing import take_in
    from cert_exchange.stix.envelopes import Batch, Examined

    one = Examined(0, "unknown--0", None, None, "no text", broken + b"\x00\xff")
    scene.node.database.transact(
        lambda tx: take_in(
            tx, scene.node, Batch((one,)), origin=scene.partner("b"),
            collection=scene.collection("indicators"), now=scene.node.now(),
        )
    )  # fmt: skip
    (number,) = numbers(scene)
    assert quarantine.show(scene.node, number).raw == broken + b"\x00\xff"
    (done,) = quarantine.replay(scene.node, [number], by="anna")
    assert done.result == "rejected"
    assert quarantine.show(scene.node, number).raw == broken + b"\x00\xff"


def test_a_replay_after_the_rule_changed_goes_the_very_way_in(scene: Scene) -> None:
    """Taken in, it leaves, counts as its sender's, and goes to whom policy says; a preview says the same and does nothing."""
    agree(scene, "{required: {indicator: [confidence]}}")
    scene.post("b", unsure("one"), unsure("two"), note("prose", [B_IDENTITY], by=B_IDENTITY))
    assert len(numbers(scene)) == 2
    agree(scene, "{required: {malware: [description]}}")
    before = (numbers(scene), scene.log("c"))
    said = quarantine.preview(scene.node, numbers(scene), by="anna")
    assert [one.result for one in said] == ["accepted", "accepted"]
    assert (numbers(scene), scene.log("c")) == before
    assert facts(scene, "quarantine.replay") == []
    done = quarantine.replay(scene.node, numbers(scene), by="anna")
    assert [(one.result, one.left) for one in done] == [("accepted", True)] * 2
    assert numbers(scene) == []
    assert set(scene.names("c")) >= {"one", "two"}
    assert scene.names("b") == []
    hits, refused = holdings.received(scene.node, "b")
    assert {hit.label for hit in hits} >= {"one", "two"}
    assert refused == ()
    assert [one["result"] for one in facts(scene, "quarantine.replay")] == ["accepted", "accepted"]
    ledger.verify(scene.node)


def test_what_is_refused_again_stays_under_its_number_with_the_new_reason(scene: Scene) -> None:
    """And one that fails spoils nothing of the others."""
    agree(scene, "{required: {indicator: [confidence]}}")
    scene.post("b", unsure("one"), unsure("two", labels=["seen"]))
    (two, one) = kept(scene)
    agree(scene, "{required: {indicator: [labels]}}")
    done = quarantine.replay(scene.node, numbers(scene), by="anna")
    assert [each.result for each in done] == ["rejected", "accepted"]
    (left,) = kept(scene)
    assert (left.number, left.at) == (one.number, one.at)
    assert left.reason == "your agreement: indicator needs labels"
    assert two.number not in numbers(scene)
    assert {each["result"] for each in facts(scene, "quarantine.replay")} == {
        "accepted",
        "rejected",
    }


def test_other_content_under_a_known_version_stays_a_conflict(scene: Scene) -> None:
    """However often it is replayed there is one row of it."""
    scene.post("b", unsure("a"))
    scene.post("b", unsure("a", description="other"))
    (one,) = kept(scene)
    assert one.kind == "conflict"
    for _ in range(3):
        assert quarantine.replay(scene.node, [one.number], by="anna")[0].result == "conflict"
        assert numbers(scene) == [one.number]


def test_whoever_may_bring_nothing_now_brings_nothing_this_way(scene: Scene) -> None:
    """A suspended partner, a collection it may not write any more, and what its own signed statement contradicts."""
    agree(scene, "{required: {indicator: [confidence]}}")
    scene.post("b", unsure("one"))
    agree(scene, "{required: {malware: [description]}}")
    (one,) = kept(scene)

    def said() -> str:
        (done,) = quarantine.replay(scene.node, [one.number], by="anna")
        assert (done.result, done.left) == ("impossible", False)
        return done.message

    partners.suspend(scene.node, "b", direction=partners.Direction.RECEIVING)
    assert "suspended" in said()
    partners.resume(scene.node, "b", direction=partners.Direction.RECEIVING)
    from cert_exchange.services import collections

    file = scene.node.settings.home / "collections" / "indicators.yaml"
    text = file.read_text()
    file.write_text(text.replace("write: [b, c]", "write: [c]"))
    collections.load_collections(scene.node, file.parent)
    assert "may write nothing" in said()
    file.write_text(text)
    collections.load_collections(scene.node, file.parent)
    scene.node.database.transact(lambda tx: rows.say(tx, one.number, reason=OTHER_CONTENT))
    assert "signed other content" in said()
    scene.node.database.transact(lambda tx: rows.say(tx, one.number, reason="else"))
    assert quarantine.replay(scene.node, [one.number], by="anna")[0].result == "accepted"


def test_what_was_erased_comes_in_by_no_replay(scene: Scene) -> None:
    """Its refused versions lost their bytes with it."""
    scene.post("b", unsure("a"))
    scene.post("b", unsure("a", description="other"))
    erasing.erase(scene.node, unsure("a")["id"], by="anna", reason="the law")
    (done,) = quarantine.replay(scene.node, numbers(scene), by="anna")
    assert done.result == "impossible"
    assert "not kept" in done.message


def test_a_discard_needs_its_reason_and_spares_evidence_and_what_the_law_keeps(
    scene: Scene,
) -> None:
    """All or nothing of what was named; the ledger says who, why and which ids."""
    scene.post("b", {"type": "indicator", "id": "x"}, {"type": "indicator", "id": "y"})
    scene.node.database.transact(
        lambda tx: objects.keep_refused(
            tx, origin=scene.partner("b"), collection=None, kind="statement", stix_id=None, version="00",
            reason="broken", raw="{}", at=scene.node.now(),
        )
    )  # fmt: skip
    evidence, second, first = numbers(scene)
    with pytest.raises(InputRefused, match="evidence"):
        quarantine.discard(scene.node, [first, evidence], by="anna", reason="tidy")
    assert quarantine.replay(scene.node, [evidence], by="anna")[0].result == "impossible"
    held = legal_holds.place(scene.node, partner="b", by="law", reason="court")
    with pytest.raises(InputRefused, match="legal hold"):
        quarantine.discard(scene.node, [first], by="anna", reason="tidy")
    legal_holds.lift(scene.node, held, by="law", reason="over")
    assert quarantine.discard(scene.node, [first, second], by="anna", reason="tidy") == 2
    assert numbers(scene) == [evidence]
    (line,) = facts(scene, "quarantine.discard")
    assert (line["partner"], line["count"], line["reason"]) == ("b", 2, "tidy")
    with pytest.raises(NotFound):
        quarantine.discard(scene.node, [first], by="anna", reason="tidy")


def test_the_worker_forgets_what_is_old_and_what_crowds_out(scene: Scene, wall: Wall) -> None:
    """By age, and the oldest of one sender that has too much; another's rows and what the law keeps stay."""
    scene.post("b", *({"type": "indicator", "id": f"old-{n}"} for n in range(3)))
    held = legal_holds.place(scene.node, partner="b", by="law", reason="court")
    wall.forward(timedelta(days=91))
    scene.post("c", {"type": "indicator", "id": "small"})
    assert quarantine.forget_old(scene.node).old == 0
    legal_holds.lift(scene.node, held, by="law", reason="over")
    assert quarantine.forget_old(scene.node).old == 3
    big = "x" * 400_000
    scene.post("b", *({"type": "indicator", "id": f"big-{n}", "x": big} for n in range(4)))
    keeping = scene.node.settings.model_copy(update={"quarantine_megabytes": 1})
    tight = replace(scene.node, settings=keeping)
    assert quarantine.forget_old(tight).crowded == 2
    assert [one.stix_id for one in kept(scene)] == ["big-3", "big-2", "small"]
    assert quarantine.forget_old(tight).crowded == 0


def adopted(scene: Scene, number: int, **more: Any) -> quarantine.Adoption:
    return quarantine.adopt(
        scene.node, number, collection="indicators", by="anna", reason="we looked", **more
    )


def test_an_object_of_ours_is_made_of_it_and_the_other_is_not_edited(scene: Scene) -> None:
    """New id, our creator, as strictly marked, to nobody at first; a derived-from to the original where we hold it."""
    scene.post("b", unsure("a", tlp="amber"))
    scene.post("b", unsure("a", tlp="amber", description="other"))
    (one,) = kept(scene)
    said = quarantine.adoption(scene.node, one.number, collection="indicators", by="anna")
    assert numbers(scene) == [one.number]
    assert all(each.answer == "denied" for each in said.sighted)
    made = adopted(scene, one.number)
    assert numbers(scene) == []
    assert made.content["description"] == "other"
    assert made.content["created_by_ref"] == scene.node.identity
    assert made.content["object_marking_refs"] == [TLP["amber"]]
    assert made.stix_id != unsure("a")["id"]
    assert made.stix_id not in scene.ids("b") + scene.ids("c")
    assert made.relationship is not None
    (tie,) = holdings.show(scene.node, made.relationship)
    assert (tie.content["source_ref"], tie.content["target_ref"]) == (
        made.stix_id,
        unsure("a")["id"],
    )
    (theirs,) = holdings.show(scene.node, unsure("a")["id"])
    assert "description" not in theirs.content
    (line,) = facts(scene, "quarantine.adopt")
    assert (line["made"], line["id"], line["reason"]) == (
        made.stix_id,
        unsure("a")["id"],
        "we looked",
    )


def test_shared_it_goes_by_policy_and_never_back(scene: Scene) -> None:
    """c sees it and the tie to what c sees; b, whom it came from, sees neither."""
    scene.post("b", unsure("a"))
    scene.post("b", unsure("a", description="other"))
    made = adopted(scene, numbers(scene)[0], share=True)
    assert {made.stix_id, made.relationship} <= set(scene.ids("c"))
    assert not {made.stix_id, made.relationship} & set(scene.ids("b"))


def test_what_was_invalid_is_mended_by_a_person_and_keeps_its_markings(scene: Scene) -> None:
    """Its id, which nobody else holds, goes to nobody; unmarked it counts as the strictest."""
    wrong = unsure("a", tlp="red") | {"pattern": "no pattern"}
    del wrong["pattern_type"]
    scene.post("b", wrong)
    (one,) = kept(scene)
    with pytest.raises(InputRefused, match="--content"):
        adopted(scene, one.number)
    assert numbers(scene) == [one.number]
    right = json.dumps(unsure("mended", tlp="clear")).encode()
    made = adopted(scene, one.number, content=right)
    assert set(made.content["object_marking_refs"]) == {TLP["clear"], TLP["red"]}
    assert made.relationship is None
    assert wrong["id"] not in json.dumps(made.content)
    scene.post("b", {k: v for k, v in unsure("n", tlp=None).items() if k != "pattern_type"})
    made = adopted(scene, numbers(scene)[0], content=json.dumps(unsure("m", tlp=None)).encode())
    assert made.content["object_marking_refs"] == [TLP["amber+strict"]]


def test_what_speaks_of_others_is_not_made_ours(scene: Scene) -> None:
    """An identity, a marking definition, and what is no object at all."""
    scene.post("b", {"type": "identity", "id": "x"})
    with pytest.raises(InputRefused, match="speaks of others"):
        adopted(scene, numbers(scene)[0])
    assert len(numbers(scene)) == 1
