"""What our desk is told before it publishes is what happens when it does: held, refused, or only told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, Scene, address, at, envelope, indicator, uid

from cert_exchange.errors import InputRefused
from cert_exchange.node import Node
from cert_exchange.policy.stating import values_of
from cert_exchange.services import erasing, publishing, screening, warning
from cert_exchange.services.publishing.meeting import note_values
from cert_exchange.store.tables import stated


def about(name: str, value: str, **more: Any) -> dict[str, Any]:
    return indicator(name, pattern=f"[ipv4-addr:value = '{value}']", **more)


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    return Scene.set_up(sqlite_node)


@pytest.mark.case("I32")
def test_what_would_alarm_partners_is_held_until_a_person_lets_it_out(scene: Scene) -> None:
    """No file is in force. Told before as it happens; one object is let out; partners' own are nobody's business here."""
    resolver, local, whole, plain = (
        about("resolver", "8.8.8.8"), about("local", "10.0.0.0/8"), about("whole", "0.0.0.0/0"),
        about("plain", "45.9.1.7"),
    )  # fmt: skip
    empty = indicator("empty", pattern="[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']")
    seen = address("8.8.8.8")
    objects = [resolver, local, whole, plain, empty, seen]
    told = warning.look(scene.node, objects, at=scene.node.now())
    assert [(one.id, one.of, one.act) for one in told] == [
        (resolver["id"], "benign", "hold"),
        (local["id"], "private", "hold"),
        (whole["id"], "broad", "hold"),
        (empty["id"], "benign", "hold"),
        (seen["id"], "benign", "hold"),
    ]
    done = scene.publish(*objects)
    assert {one.result for one in done} == {"accepted"}
    assert "8.8.8.8 is a public name server" in done[0].message
    assert scene.names("b") == ["plain"]
    assert {one.stix_id for one in screening.list_kept(scene.node)} == {one.id for one in told}
    screening.let_in(scene.node, [resolver["id"]], by="anna", reason="it tunnels over it")
    # The observable of the same value was held for the same, and goes with it (`pairing`).
    assert set(scene.names("b")) == {"plain", "resolver", "8.8.8.8"}
    scene.publish(about("resolver", "8.8.8.8", version=1))
    assert len(scene.sees("b", last=False)) > len(
        scene.sees("b")
    )  # its next version is not asked about again
    scene.post("b", about("theirs", "8.8.4.4", by=B_IDENTITY))
    assert screening.count_held(scene.node) == 3


def test_what_the_way_in_refuses_of_it_is_not_stored(scene: Scene) -> None:
    found = screening.check(scene.node, "warnings: {benign: refuse}\n", file="intake.yaml")
    screening.apply(scene.node, found, by="anna", reason="agreed")
    resolver = about("resolver", "8.8.8.8")
    (told,) = warning.look(scene.node, [resolver], at=scene.node.now())
    assert told.act == "refuse"
    (done,) = scene.publish(resolver)
    assert (done.success, done.result) == (False, "rejected")
    assert "public name server" in done.message


def test_what_is_told_of_only_is_held_where_publishing_is_told_so(scene: Scene) -> None:
    """Nothing in an observable says that nobody means it to be looked for (`to_ids=0`)."""
    context, other = address("45.9.1.7"), address("45.9.1.8")
    (told,) = warning.look(
        scene.node, [context, other], at=scene.node.now(), context=[context["id"]]
    )
    assert (told.id, told.of, told.act) == (context["id"], "context", "hold")
    publishing.publish(
        scene.node, envelope(context, other), collection="indicators", by="anna",
        holding={told.id: told.said},
    )  # fmt: skip
    assert scene.names("b") == ["45.9.1.8"]
    (kept,) = screening.list_kept(scene.node)
    assert (kept.stix_id, kept.what) == (context["id"], "warned context")


def test_lives_and_confidence_are_the_nodes_choice(scene: Scene) -> None:
    assert warning.confidence(scene.node, "70") == 70
    text = "lives: {ipv4: 1 day}\nconfidence: estimative\ncollections: [indicators]\n"
    found = screening.check(scene.node, text, file="intake.yaml")
    screening.apply(scene.node, found, by="anna", reason="agreed")
    assert warning.confidence(scene.node, "highly likely") == 90
    with pytest.raises(InputRefused, match="even chance"):
        warning.confidence(scene.node, "sure")
    assert warning.lives(scene.node, "indicators")["ipv4"] == 86_400_000_000
    assert warning.lives(scene.node, "reports")["ipv4"] == 30 * 86_400_000_000


def others(scene: Scene, *objects: dict[str, Any]) -> list[tuple[str, str]]:
    told = warning.look(scene.node, objects, at=scene.node.now())
    return [(one.of, one.said) for one in told if one.of in ("known", "contradicted")]


def test_what_is_known_and_said_otherwise_is_told(node: Node, wall: Wall) -> None:
    """Compared by value, whatever the ids, at once and when it was written down; who it was is for our people only."""
    scene = Scene.set_up(node)
    theirs = about("theirs", "2001:db8:0:0::7", by=B_IDENTITY, confidence=90)
    hashed = indicator("hash", by=B_IDENTITY, pattern=f"[file:hashes.MD5 = '{'A1' * 16}']")
    benign = about("benign", "45.9.1.9", by=B_IDENTITY, indicator_types=["benign"])
    gone = about("gone", "45.9.1.8", by=B_IDENTITY)
    scene.post("b", theirs, hashed, benign, gone)
    scene.post("b", about("gone", "45.9.1.8", by=B_IDENTITY, version=1, revoked=True))
    for noted in (False, True):
        if noted:
            wall.forward(timedelta(minutes=2))
            assert note_values(node) == 5
            assert note_values(node) == 0
        assert others(scene, about("new", "45.9.1.7")) == []
        (known,) = others(scene, about("x", "2001:db8::7"))
        assert known == ("known", f"2001:db8::7 is known from b: {theirs['id']}")
        ours = indicator("y", pattern=f"[file:hashes.'MD5' = '{'a1' * 16}']")
        assert [one[0] for one in others(scene, ours)] == ["known"]
        far = about("z", "2001:db8::7", confidence=20)
        assert [one[0] for one in others(scene, far)] == ["contradicted", "known"]
        assert [one[0] for one in others(scene, about("v", "45.9.1.8"))] == ["contradicted"]
        assert others(scene, about("w", "45.9.1.9"))[0] == (
            "contradicted", f"b calls 45.9.1.9 in {benign['id']} benign",
        )  # fmt: skip
    erasing.erase(node, theirs["id"], by="anna", reason="a court's order")
    assert others(scene, about("x", "2001:db8::7")) == []
    with node.database.reading() as tx:
        keys = {bytes(one) for one in tx.execute(select(stated.c.digest)).scalars()}
    assert keys.isdisjoint(values_of(theirs))
    assert not keys.isdisjoint(values_of(hashed))


def test_what_a_partner_disagrees_with_is_contradicted_and_may_be_held(scene: Scene) -> None:
    ours = about("ours", "45.9.1.7")
    scene.publish(ours)
    scene.post(
        "b",
        {
            "type": "opinion", "spec_version": "2.1", "id": f"opinion--{uid('o')}", "created": at(0),
            "modified": at(0), "created_by_ref": B_IDENTITY, "opinion": "disagree", "object_refs": [ours["id"]],
        },
    )  # fmt: skip
    again = about("again", "45.9.1.7")
    ((of, said),) = others(scene, again)
    assert (of, said.startswith("b disagrees with 45.9.1.7")) == ("contradicted", True)
    found = screening.check(
        scene.node, "warnings: {contradicted: refuse, known: hold}\n", file="intake.yaml"
    )
    screening.apply(scene.node, found, by="anna", reason="agreed")
    (done,) = scene.publish(again)
    assert done.result == "rejected"
    assert "b disagrees" in done.message
    scene.post("b", about("theirs", "45.9.1.8", by=B_IDENTITY))
    (done,) = scene.publish(about("known", "45.9.1.8"))
    assert "held at the way in: 45.9.1.8 is known from b" in done.message
