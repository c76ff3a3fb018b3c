"""The night of the stolen credential: what came since then counts no more, what stood before stands again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    Scene,
    address,
    identity,
    indicator,
    malware,
    relationship,
)

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.services import doctoring, holdings, ledger, partners, releasing, undoing

ONWARD = """\
partners: [c]
collections: [indicators, reports]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: all of b
    match: {origin: b}
    allow: true
  - name: all of ours
    match: {origin: own}
    allow: true
"""


def statuses(node: Node, stix_id: str) -> list[tuple[str, str]]:
    """(version, status) of what is held of an id, oldest stored first."""
    found = holdings.search(node, text=stix_id, all_versions=True)
    return [(one.version, one.status) for one in reversed(found)]


@pytest.fixture
def scene(node: Node) -> Scene:
    """Partner b's objects go on to c; it sent some before the night."""
    made = Scene.set_up(node)
    made.apply("c", ONWARD)
    made.post(
        "b", identity(B_IDENTITY, "CERT B", tlp="green"),
        indicator("old", by=B_IDENTITY), malware("stays", by=B_IDENTITY), address("192.0.2.1"),
    )  # fmt: skip
    made.post("c", indicator("of c", by=C_IDENTITY))
    made.publish(indicator("ours"))
    return made


def a_night(scene: Scene, wall: Wall) -> int:
    """What the thief sends; from when on."""
    wall.forward(timedelta(hours=1))
    since = scene.node.now()
    old: dict[str, Any] = indicator("old", by=B_IDENTITY)
    scene.post(
        "b",
        indicator("old", by=B_IDENTITY, version=1, description="false"),
        malware("stays", by=B_IDENTITY, version=1, revoked=True),
        indicator("new", by=B_IDENTITY),
        address("8.8.8.8"),
        relationship(indicator("new", by=B_IDENTITY), old, by=B_IDENTITY),
        indicator("ours", version=5, revoked=True),
        indicator("of c", by=C_IDENTITY, version=5, revoked=True),
    )
    releasing.withdraw_submitted(
        scene.node, scene.caller("b"), scene.collection("indicators"), address("192.0.2.1")["id"]
    )
    return since


def test_all_since_then_is_undone_and_what_stood_before_stands(scene: Scene, wall: Wall) -> None:
    """New objects go, older versions and what was deleted return, a false revocation revokes nothing."""
    node = scene.node
    before = {one["id"]: one["modified"] for one in scene.sees("c") if "modified" in one}
    names = sorted(scene.names("c"))
    since = a_night(scene, wall)
    assert sorted(scene.names("c")) != names
    position = scene.log("c")[-1][0]
    node.marks.advance(scene.partner("c"), scene.view("c"), position)

    assert holdings.status(node).proposals == 2
    seen = undoing.look(node, "b", since)
    assert (seen.accepted, seen.proposals, seen.taken_back) == (5, 2, 1)
    assert dict(seen.types)["indicator"] == 2

    done = undoing.undo(node, "b", since, by="anna", reason="its credential was stolen")

    assert (done.accepted, done.proposals, done.put_back) == (5, 2, 1)
    left = [one for one in scene.sees("c") if one["type"] != "note"]
    assert {one["id"]: one["modified"] for one in left if "modified" in one} == before
    assert sorted(name for name in scene.names("c") if "We took back" not in name) == names
    assert done.notices == 1
    (notice,) = [one for one in scene.sees("c") if one["type"] == "note"]
    assert set(notice["object_refs"]) >= {indicator("new")["id"], address("8.8.8.8")["id"]}
    assert statuses(node, indicator("ours")["id"])[0][1] == "accepted"
    assert scene.names("b") == ["ours"]
    # What was undone waits for nobody: `status` does not count it as a proposal, `doctor` neither.
    assert holdings.status(node).proposals == 0
    assert not [one for one in doctoring.examine(node) if "proposals" in one.finding]
    assert statuses(node, indicator("new")["id"]) == [(indicator("new")["modified"], "proposal")]
    ledger.verify(node)

    again = undoing.undo(node, "b", since, by="anna", reason="to be sure")
    assert (again.accepted, again.proposals, again.put_back) == (0, 0, 0)
    assert undoing.look(node, "b", since).accepted == 0
    ledger.verify(node)


def test_what_was_genuine_comes_back_when_its_sender_sends_it_again(
    scene: Scene, wall: Wall
) -> None:
    """With its new credential; versioned objects and addresses alike."""
    since = a_night(scene, wall)
    undoing.undo(scene.node, "b", since, by="anna", reason="stolen")
    assert "8.8.8.8" not in scene.names("c")
    outcomes = scene.post("b", indicator("new", by=B_IDENTITY), address("8.8.8.8"))
    assert [one.result for one in outcomes] == ["accepted", "accepted"]
    assert {"8.8.8.8", "new"} <= set(scene.names("c"))
    ledger.verify(scene.node)
    undoing.undo(scene.node, "b", since, by="anna", reason="the second one was stolen as well")
    assert not {"8.8.8.8", "new"} & set(scene.names("c"))
    ledger.verify(scene.node)


def test_more_than_one_part_is_undone(
    scene: Scene, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of the ledger for each part; the sum is all."""
    monkeypatch.setattr(undoing, "PART", 2)
    since = a_night(scene, wall)
    told: list[int] = []
    done = undoing.undo(
        scene.node, "b", since, by="anna", reason="stolen", progress=lambda one, _: told.append(one)
    )
    assert (done.accepted, done.proposals, done.put_back) == (5, 2, 1)
    assert told == sorted(told)
    assert told[-1] == 8
    ledger.verify(scene.node)


def test_what_the_thief_drove_out_as_the_creator_stands_again(node: Node, wall: Wall) -> None:
    """A relay had revoked b's object; a version in b's name drove that out, and our own order of that night stays."""
    scene = Scene.set_up(node, partners_named=("b", "c", "d"), policies_for=())
    scene.apply("d", ONWARD.replace("[c]", "[d]").replace("origin: b", "origin: any"))
    partners.amend(node, "b", speaks_for=[], relays=[])
    partners.amend(node, "c", speaks_for=[C_IDENTITY], relays=[B_IDENTITY])
    one, two = indicator("one", by=B_IDENTITY), indicator("two", by=B_IDENTITY)
    scene.post("c", one, two)
    for told in ("one", "two"):
        relayed = indicator(told, by=B_IDENTITY, version=2, revoked=True)
        assert [done.result for done in scene.post("c", relayed)] == ["accepted"]
    partners.amend(node, "c", speaks_for=[C_IDENTITY], relays=[])
    partners.amend(node, "b", speaks_for=[B_IDENTITY], relays=[])
    before = {seen["id"]: seen["modified"] for seen in scene.sees("d") if "revoked" in seen}
    assert before.keys() == {one["id"], two["id"]}
    wall.forward(timedelta(hours=1))
    since = node.now()
    scene.post("b", *(indicator(name, by=B_IDENTITY, version=3) for name in ("one", "two")))
    assert not [seen for seen in scene.sees("d") if "revoked" in seen]
    releasing.withdraw(node, str(two["id"]), by="desk", reason="ours")
    done = undoing.undo(node, "b", since, by="anna", reason="stolen")
    assert (done.accepted, done.put_back) == (2, 1)
    seen = {seen["id"]: seen["modified"] for seen in scene.sees("d") if "revoked" in seen}
    assert seen == {one["id"]: before[one["id"]]}
    assert two["id"] not in scene.ids("d", last=False)
    ledger.verify(node)


def test_others_copies_are_not_touched(scene: Scene, wall: Wall) -> None:
    """The same address from our desk, from before or after, stands as it stood."""
    wall.forward(timedelta(hours=1))
    since = scene.node.now()
    scene.publish(address("203.0.113.5"))
    scene.post("b", address("203.0.113.5"), address("203.0.113.6"))
    scene.publish(address("203.0.113.6"))
    undoing.undo(scene.node, "b", since, by="anna", reason="stolen")
    assert {"203.0.113.5", "203.0.113.6"} <= set(scene.names("c"))
    ledger.verify(scene.node)


def test_mistakes_change_nothing(scene: Scene) -> None:
    """An unknown partner, and an instant that is to come."""
    with pytest.raises(NotFound, match="no partner 'x'"):
        undoing.look(scene.node, "x", 0)
    with pytest.raises(InputRefused, match="is not past"):
        undoing.undo(scene.node, "b", scene.node.now() + 10_000_000, by="anna", reason="early")
