"""An exercise and the real thing under one id: neither becomes the other because somebody brings it once more."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from tests.scenes import (
    B_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    Scene,
    address,
    envelope,
    indicator,
)
from tests.unit.services.test_exercises import MARK, REAL, TAKES_PART

from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services import bundling, holdings, partners, publishing, terms
from cert_exchange.services.publishing import Outcome

HOST = address("198.51.100.9")
WHO = ("b", "c", "d")


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def scene(node: Node) -> Scene:
    """Real objects go to b, c and d; those of an exercise to c alone."""
    made = Scene.set_up(node, partners_named=WHO, policies_for=())
    for name in WHO:
        made.apply(name, (TAKES_PART if name == "c" else REAL).format(partner=name))
    partners.amend(node, "b", speaks_for=[B_IDENTITY], relays=[THIRD_IDENTITY])
    return made


def drill(scene: Scene, *objects: dict[str, Any], **said: Any) -> tuple[Outcome, ...]:
    """As `publish --test` does; what the dry run says is what is done."""
    told = SharingTerms(test=True, **said)
    body = publishing.carry_terms(scene.node, envelope(*objects), SharingTerms(test=True))
    before = publishing.preview_publish(scene.node, body, collection="indicators", terms=told)
    done = publishing.publish(scene.node, body, collection="indicators", by="anna", terms=told)
    assert [(one.result, one.mark, one.success) for one in before.outcomes] == [
        (one.result, one.mark, one.success) for one in done.outcomes
    ]
    return done.outcomes


def said(outcomes: tuple[Outcome, ...]) -> list[tuple[str, str]]:
    return [(one.result, one.mark) for one in outcomes]


def marked(scene: Scene, stix_id: str) -> dict[str, bool]:
    return {hit.origin: hit.test for hit in holdings.search(scene.node, text=stix_id)}


def test_what_is_out_for_real_stays_so(scene: Scene) -> None:
    """An observable's id follows from its value: the exercise that names it takes nothing from anybody."""
    known = indicator("known")
    scene.publish(HOST, known)
    before = scene.log("b"), scene.log("c")
    assert said(drill(scene, HOST, known, address("198.51.100.10"))) == [
        ("duplicate", "stays real"), ("duplicate", "stays real"), ("accepted", ""),
    ]  # fmt: skip
    assert scene.log("b") == before[0]
    assert scene.log("c")[: len(before[1])] == before[1]
    assert [one.stix_id for one in terms.list_terms(scene.node)] == [address("198.51.100.10")["id"]]
    assert marked(scene, HOST["id"]) == {"own": False}


def test_a_version_of_an_exercise_does_not_end_a_real_one(scene: Scene) -> None:
    """Its newest version governs an object: one marked TEST would take the real one from everybody."""
    scene.publish(indicator("known"))
    (done,) = drill(scene, indicator("known", version=5))
    assert (done.result, done.mark) == ("rejected", "stays real")
    assert "published for real since" in done.message
    newer = indicator("known", version=6, extensions=MARK)
    assert said(scene.publish(newer)) == [("rejected", "stays real")]
    assert scene.names("b") == ["known"]
    assert [one["modified"] for one in scene.sees("b") if one["type"] == "indicator"] == [
        indicator("known")["modified"]
    ]


def test_an_order_makes_it_an_exercises(scene: Scene) -> None:
    scene.publish(HOST, indicator("known"))
    for one in (HOST, indicator("known")):
        terms.set_terms(scene.node, one["id"], SharingTerms(test=True), by="anna", reason="drill")
    assert scene.names("b") == []
    assert said(drill(scene, HOST, indicator("known", version=1))) == [
        ("duplicate", ""), ("accepted", ""),
    ]  # fmt: skip
    assert (scene.names("b"), scene.names("c")) == ([], [HOST["value"], "known"])


def test_what_was_drilled_is_real_when_it_is_published_for_real(scene: Scene) -> None:
    """Swallowed as a duplicate, the indicator of tonight would reach nobody because of last week's exercise."""
    drill(scene, HOST, indicator("known"))
    assert scene.names("b") == []
    real = (HOST, indicator("known", version=1))
    preview = publishing.preview_publish(
        scene.node, envelope(*real), collection="indicators"
    ).outcomes
    assert scene.names("b") == []
    done = scene.publish(*real)
    assert said(preview) == said(done) == [("duplicate", "made real"), ("accepted", "made real")]
    assert all("was marked TEST since" in one.message for one in done)
    assert scene.names("b") == [HOST["value"], "known"]
    assert terms.list_terms(scene.node) == []
    assert marked(scene, HOST["id"]) == {"own": False}
    assert said(scene.publish(*real)) == [("duplicate", ""), ("duplicate", "")]


def test_what_is_refused_makes_nothing_real(scene: Scene) -> None:
    """The same version without the mark is other content; it says what stands in its way."""
    drill(scene, indicator("known"))
    (done,) = scene.publish(indicator("known"))
    assert (done.result, done.mark) == ("conflict", "stays TEST")
    assert "marked TEST since" in done.message
    assert scene.names("b") == []


def test_a_drills_file_without_the_word_makes_nothing_real(scene: Scene) -> None:
    """Its hosts cannot say TEST, and what comes with them shows whose they are: somebody forgot --test."""
    drill(scene, HOST, indicator("known"))
    done = scene.publish(HOST, indicator("known"))
    assert said(done) == [("duplicate", "stays TEST"), ("conflict", "stays TEST")]
    assert "published by itself it is real" in done[0].message
    assert scene.names("b") == []
    assert said(scene.publish(HOST)) == [("duplicate", "made real")]


def test_the_rest_of_what_was_said_stays(scene: Scene) -> None:
    drill(scene, HOST, not_to=frozenset({"d"}))
    scene.publish(HOST)
    assert [one.said for one in terms.list_terms(scene.node)] == [("not to d",)]
    assert (scene.names("b"), scene.names("d")) == ([HOST["value"]], [])


@pytest.mark.parametrize("drilled_after", [False, True])
def test_a_mark_by_order_stays(scene: Scene, *, drilled_after: bool) -> None:
    """An order about one object is ended by an order; a publication that comes in between changes nothing of that."""
    drill(scene, HOST)
    terms.set_terms(scene.node, HOST["id"], SharingTerms(test=True), by="anna", reason="drill")
    if drilled_after:
        drill(scene, HOST)
    (done,) = scene.publish(HOST)
    assert (done.result, done.mark) == ("duplicate", "stays TEST")
    assert "`terms set" in done.message
    assert scene.names("b") == []
    terms.set_terms(scene.node, HOST["id"], None, by="anna", reason="it is real")
    assert scene.names("b") == [HOST["value"]]


def test_a_reason_is_kept_with_what_an_order_said(scene: Scene) -> None:
    scene.publish(HOST)
    told = SharingTerms(not_to=frozenset({"d"}))
    terms.set_terms(scene.node, HOST["id"], told, by="anna", reason="they asked")
    known = indicator("known")
    scene.publish(known)
    terms.set_terms(scene.node, known["id"], told, by="anna", reason="they asked")
    publishing.publish(
        scene.node, envelope(known), collection="indicators", by="berta",
        terms=SharingTerms(only_to=(frozenset({"b"}),)),
    )  # fmt: skip
    (found,) = terms.show_terms(scene.node, known["id"]).beside
    assert (found.reason, found.said) == ("they asked", ("only to b", "not to d"))


class TestWhatPartnersBring:
    """Their objects bear their own mark, and change nothing of ours; ours changes nothing of theirs."""

    def test_their_drill_takes_nothing_real_of_ours(self, scene: Scene) -> None:
        scene.publish(HOST)
        scene.post("b", {**HOST, "extensions": MARK})
        assert marked(scene, HOST["id"]) == {"own": False, "b": True}
        assert scene.names("d") == [HOST["value"]]

    def test_their_real_one_is_not_of_our_drill(self, scene: Scene) -> None:
        drill(scene, HOST)
        scene.post("b", HOST)
        assert marked(scene, HOST["id"]) == {"own": True, "b": False}
        assert scene.names("d") == [HOST["value"]]
        assert scene.names("b") == []

    def test_our_drill_takes_nothing_real_of_theirs(self, scene: Scene) -> None:
        theirs = indicator("theirs", by=THIRD_IDENTITY)
        scene.post("b", HOST, theirs)
        assert said(drill(scene, HOST, theirs, indicator("theirs", version=3, by=THIRD_IDENTITY))) == [
            ("accepted", ""), ("duplicate", "stays real"), ("rejected", "stays real"),
        ]  # fmt: skip
        assert scene.names("d") == [HOST["value"], "theirs"]

    def test_our_real_one_is_not_of_their_drill(self, scene: Scene) -> None:
        scene.post("b", {**HOST, "extensions": MARK})
        assert scene.names("d") == []
        scene.publish(HOST)
        assert scene.names("d") == [HOST["value"]]

    def test_a_relays_drill_does_not_end_what_we_published(self, scene: Scene) -> None:
        scene.publish(indicator("known", by=THIRD_IDENTITY))
        scene.post("b", indicator("known", version=4, by=THIRD_IDENTITY, extensions=MARK))
        assert scene.names("d") == ["known"]

    def test_their_real_version_of_what_we_drilled_with_is_real(self, scene: Scene) -> None:
        """The mark of our publication is on our copy; what its creator or a relay brings later is not of our exercise."""
        drill(scene, indicator("known", by=THIRD_IDENTITY))
        scene.post("b", indicator("known", version=4, by=THIRD_IDENTITY))
        assert scene.names("d") == ["known"]
        assert scene.names("b") == []

    def test_nobody_else_marks_our_object(self, scene: Scene) -> None:
        ours = indicator("ours", by=OWN_IDENTITY)
        scene.publish(ours)
        scene.post("b", indicator("ours", version=4, by=OWN_IDENTITY, extensions=MARK))
        assert scene.names("d") == ["ours"]


class TestExport:
    """Who makes a blocklist of the file needs every real host of the view, and none of a drill."""

    def test_a_partners_real_copy_is_written_in_place_of_our_drills(self, scene: Scene) -> None:
        drill(scene, HOST, address("198.51.100.10"))
        scene.post("b", HOST)
        assert exported(scene, "c/indicators") == [HOST["id"]]
        assert set(exported(scene, "c/indicators", tests=True)) == {
            HOST["id"], address("198.51.100.10")["id"],
        }  # fmt: skip

    def test_the_newest_real_version_is(self, scene: Scene) -> None:
        scene.publish(indicator("known", by=THIRD_IDENTITY))
        scene.post("b", indicator("known", version=4, by=THIRD_IDENTITY, extensions=MARK))
        assert scene.sees("c")[-1]["extensions"] == MARK
        assert exported(scene, "c/indicators") == [indicator("known")["id"]]


def exported(scene: Scene, view: str, *, tests: bool = False) -> list[str]:
    file = io.BytesIO()
    bundling.export(scene.node, view, file, tests=tests)
    return [
        one["id"]
        for one in json.loads(file.getvalue()).get("objects", [])
        if one["type"] in ("indicator", "ipv4-addr")
    ]
