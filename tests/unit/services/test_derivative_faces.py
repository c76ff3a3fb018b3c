"""Derivatives before our own people and from outside: who may bring their ids, what is said of them, who has them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    C_IDENTITY,
    Scene,
    address,
    at,
    indicator,
    malware,
    note,
    relationship,
    uid,
)
from tests.unit.services.test_recalling import fetch

from cert_exchange.errors import DeleteRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.services import holdings, ledger, recalling, releasing

REDACTING = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
{more}rules:
  - name: no descriptions
    match: {{origin: any, type: indicator}}
    redact: {{remove: [description]}}
    reason: they name our sources
  - name: nothing of our own
    match: {{origin: own, type: ipv4-addr}}
    redact: {{custom: true}}
  - name: all of ours
    match: {{origin: {origin}}}
    allow: true
"""
SECRET = "seen by the honeypot in the cellar"
ONE = indicator("one", description=SECRET)
HOST = address("192.0.2.77", x_found_by="the honeypot")


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


def redacting(partner: str, *, origin: str = "own", more: str = "") -> str:
    return REDACTING.format(partner=partner, origin=origin, more=more)


@pytest.fixture
def scene(node: Node) -> Scene:
    """B is shown indicators without their description, C sees all of ours."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("b", redacting("b"))
    scene.apply("c", ALLOW_ALL.format(partner="c"))
    scene.publish(ONE, HOST)
    return scene


def shown(scene: Scene, kind: str = "indicator", partner: str = "b") -> dict[str, Any]:
    """The one object of a type that a partner is shown."""
    (found,) = (one for one in scene.sees(partner) if one["type"] == kind)
    return found


def told(scene: Scene, partner: str, made: dict[str, Any]) -> tuple[bool, str]:
    (outcome,) = scene.post(partner, made)
    return outcome.success, outcome.message


# -- from outside ------------------------------------------------------------------------------------------------------


def test_a_derivative_that_comes_back_is_nothing_new(scene: Scene) -> None:
    """Who echoes what it was shown is told success, and nothing is stored or changed."""
    made = shown(scene)
    before = scene.sees("b"), scene.sees("c")
    assert told(scene, "b", made) == (True, "")
    assert (scene.sees("b"), scene.sees("c")) == before
    (story,) = holdings.show(scene.node, made["id"])
    assert (story.hit.origin, story.hit.status) == ("own", "derivative")


def test_nobody_brings_another_version_of_a_derivative(scene: Scene) -> None:
    """Who sees it hears that it is another's; what it sent is kept aside and counts for nobody."""
    made = shown(scene)
    before = scene.sees("b"), scene.sees("c")
    for changed in (
        {**made, "modified": "2030-01-01T00:00:00.000Z", "name": "mine"},
        {
            **made,
            "modified": "2030-01-01T00:00:01.000Z",
            "name": "mine",
            "created_by_ref": B_IDENTITY,
        },
        {**made, "name": "mine"},
    ):
        success, message = told(scene, "b", changed)
        assert not success
        assert message.startswith("kept as a proposal")
    assert (scene.sees("b"), scene.sees("c")) == before
    statuses = {story.hit.status for story in holdings.show(scene.node, made["id"])}
    assert statuses == {"derivative", "proposal"}


def test_who_does_not_see_a_derivative_cannot_tell_its_id_from_an_unknown_one(scene: Scene) -> None:
    """C is told what it is told of an id that nobody knows, again and again, and nobody sees what it sent."""
    scene.apply("b", redacting("b", origin="any"))
    known, unknown = shown(scene)["id"], indicator("of c")["id"]
    before = scene.sees("b")
    for version in range(3):
        answers = [
            told(scene, "c", indicator("of c", by=C_IDENTITY, version=version, id=stix_id))
            for stix_id in (known, unknown, known, unknown)
        ]
        assert answers == [(True, "")] * 4
    seen = scene.sees("b")
    assert [one for one in seen if one["id"] != unknown and one["id"] != C_IDENTITY] == before
    assert all(story.hit.status != "accepted" for story in holdings.show(scene.node, known))
    for stix_id in (known, unknown):  # and takes it back as if it had been taken
        releasing.withdraw_submitted(
            scene.node, scene.caller("c"), scene.collection("indicators"), stix_id
        )
        with pytest.raises(NotFound):
            releasing.withdraw_submitted(
                scene.node, scene.caller("c"), scene.collection("indicators"), stix_id
            )


def test_an_observable_under_a_derivatives_id_is_kept_aside(scene: Scene) -> None:
    """Cyber-observables belong to nobody; one under an id of our map is told as taken and shown to nobody."""
    made = shown(scene, "ipv4-addr")
    assert made["id"] != HOST["id"]
    scene.apply("c", redacting("c", origin="any"))
    before = scene.sees("b"), scene.sees("c")
    for partner in ("b", "c"):
        theirs = {**made, "value": "198.51.100.99"}
        assert [told(scene, partner, theirs) for _ in range(2)] == [(True, "")] * 2
        assert told(scene, partner, made) == (True, "")
    assert (scene.sees("b"), scene.sees("c")) == before
    kept = [s.hit.status for s in holdings.show(scene.node, made["id"]) if s.hit.origin != "own"]
    assert kept
    assert set(kept) == {"proposal"}


def test_our_own_desk_publishes_no_derivative(scene: Scene) -> None:
    """What a partner showed us of our own is not published as an object of its own."""
    for made in (shown(scene), shown(scene, "ipv4-addr")):
        (outcome,) = scene.publish(made)
        assert (outcome.result, outcome.success) == ("rejected", False)
        assert "stands for another object" in outcome.message
    assert shown(scene, partner="c")["id"] == ONE["id"]


def test_a_partner_deletes_no_derivative(scene: Scene) -> None:
    """B sees it and did not submit it: refused, as for any object of ours; to C it does not exist."""
    made = shown(scene)
    where = scene.collection("indicators")
    with pytest.raises(DeleteRefused):
        releasing.withdraw_submitted(scene.node, scene.caller("b"), where, made["id"])
    with pytest.raises(NotFound):
        releasing.withdraw_submitted(scene.node, scene.caller("c"), where, made["id"])


# -- what partners say about a derivative ------------------------------------------------------------------------------


def sighting(name: str, of: str, by: str) -> dict[str, Any]:
    return {
        "type": "sighting", "spec_version": "2.1", "id": f"sighting--{uid(name)}",
        "created": at(0), "modified": at(0), "sighting_of_ref": of, "created_by_ref": by,
    }  # fmt: skip


def opinion(name: str, of: str, by: str) -> dict[str, Any]:
    return {
        "type": "opinion", "spec_version": "2.1", "id": f"opinion--{uid(name)}", "created": at(0),
        "modified": at(0), "opinion": "agree", "object_refs": [of], "created_by_ref": by,
    }  # fmt: skip


def said(scene: Scene, stix_id: str) -> set[tuple[str, str, str]]:
    """(type, origin, the id that it names) of what partners said about an object."""
    story = holdings.show(scene.node, stix_id)[0]
    return {(one.hit.type, one.hit.origin, one.about) for one in story.answers}


def test_what_a_partner_says_about_a_derivative_is_told_of_its_original(scene: Scene) -> None:
    """Sighting, opinion, note and relationship keep their bytes and their ids, and stand with the original."""
    made = shown(scene)["id"]
    theirs = malware("theirs", by=B_IDENTITY)
    answers = [
        sighting("s", made, B_IDENTITY),
        opinion("o", made, B_IDENTITY),
        note("n", [made], by=B_IDENTITY),
        relationship(theirs, {"id": made}, by=B_IDENTITY),
    ]
    scene.post("b", theirs, *answers)
    scene.post("c", opinion("of c", ONE["id"], C_IDENTITY))
    kinds = ("sighting", "opinion", "note", "relationship")
    assert said(scene, ONE["id"]) == {
        *((kind, "b", made) for kind in kinds), ("opinion", "c", ONE["id"]),
    }  # fmt: skip
    assert said(scene, made) == {(kind, "b", made) for kind in kinds}
    for answer in answers:
        (story,) = holdings.show(scene.node, answer["id"])
        assert story.content == json.loads(json.dumps(answer))


def test_it_is_mapped_for_that_audience_only(scene: Scene) -> None:
    """What C says about an id that B alone was shown is not about the original."""
    made = shown(scene)["id"]
    scene.post("c", note("of c", [made], by=C_IDENTITY))
    assert said(scene, ONE["id"]) == set()


def test_a_later_version_of_an_answer_takes_the_place_of_the_older(scene: Scene) -> None:
    made = shown(scene)["id"]
    scene.post("b", note("n", [made], by=B_IDENTITY))
    scene.post("b", note("n", [made], by=B_IDENTITY, version=1))
    (answer,) = holdings.show(scene.node, ONE["id"])[0].answers
    assert answer.hit.version == at(1)


@pytest.mark.parametrize("unresolved", ["wait", "allow"])
def test_an_answer_about_a_derivative_goes_to_nobody_else(scene: Scene, unresolved: str) -> None:
    """B's note names an id that C must never see: it waits, also where references may dangle."""
    scene.apply("c", redacting("c", origin="any", more=f"unresolved: {unresolved}\n"))
    made = shown(scene)["id"]
    scene.post("b", note("n", [made], by=B_IDENTITY, tlp="clear"), malware("m", by=B_IDENTITY))
    assert "m" in scene.names("c")
    assert "n" not in scene.names("c")
    assert made not in json.dumps(scene.sees("c"))


# -- who has it --------------------------------------------------------------------------------------------------------


def test_show_tells_both_directions(scene: Scene) -> None:
    """The original names what is shown in its place, to whom and since when; the derivative what it stands for."""
    made = shown(scene)
    original = holdings.show(scene.node, ONE["id"])[0]
    (stand,) = original.shown_as
    assert (stand.audience, stand.stix_id, stand.original) == ("b", made["id"], ONE["id"])
    assert (stand.withheld, stand.revoked) == (("properties",), False)
    ((collection, since, rule),) = stand.places
    position = next(position for position, _, one in scene.log("b") if one == made["id"])
    assert (collection, since, rule) == ("indicators", position, "no descriptions")
    assert original.stands_for is None
    (derivative,) = holdings.show(scene.node, made["id"])
    assert derivative.stands_for == stand
    assert derivative.shown_as == ()


def test_who_has_it_is_found_by_either_id(scene: Scene) -> None:
    """What went out as a derivative is told with the original, with the id under which each partner has it."""
    made = shown(scene)["id"]
    fetch(scene, "b")
    for asked in (ONE["id"], made):
        found = {one.partner: one for one in recalling.fetched(scene.node, asked)}
        assert {name: (one.stix_id, str(one.has)) for name, one in found.items()} == {
            "b": (made, "fetched"), "c": (ONE["id"], "not fetched"),
        }  # fmt: skip


@pytest.mark.parametrize("by_original", [True, False])
def test_a_recall_takes_back_original_and_derivative(scene: Scene, *, by_original: bool) -> None:
    """Whichever id a partner names on the telephone, everybody loses it."""
    made = shown(scene)["id"]
    fetch(scene, "b")
    asked = ONE["id"] if by_original else made
    done = recalling.recall(scene.node, asked, by="officer", reason="wrong")
    assert done.trouble == ""
    assert done.withdrawal is not None
    assert done.withdrawal.audiences == ("b", "c")
    assert {one.stix_id for one in done.holders} == {made, ONE["id"]}
    assert all(one.until is not None for one in done.holders)
    assert "one" not in scene.names("b") + scene.names("c")
    noticed = json.dumps(scene.sees("b"))
    assert ONE["id"] not in noticed  # the notice names what B was shown
    assert ledger.verify(scene.node)
