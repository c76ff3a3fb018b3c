"""What a partner disagrees with goes to nobody new until a person has looked; then it goes on, or everybody drops it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.scenes import ALLOW_ALL, B_IDENTITY, C_IDENTITY, TLP, Scene, at, indicator, uid

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION as TERMS
from cert_exchange.services import (
    answering,
    collections,
    doctoring,
    policies,
    reviewing,
    screening,
    undoing,
)
from cert_exchange.services.publishing import doubting
from cert_exchange.services.reviewing import DoubtState

NOBODY = "partners: [{partner}]\ncollections: [indicators, reports]\nceiling: {{tlp: amber}}\nrules: []\n"


def opinion(
    *about: str, word: str = "strongly-disagree", version: int = 0, name: str = "cdn", **more: Any
) -> dict[str, Any]:
    return {
        "type": "opinion", "spec_version": "2.1", "id": f"opinion--{uid(name)}", "created": at(0),
        "modified": at(version), "created_by_ref": B_IDENTITY, "opinion": word,
        "explanation": "that is our CDN", "object_refs": list(about), **more,
    }  # fmt: skip


def set_up(node: Node) -> Scene:
    """B sees all of ours; c nothing yet."""
    made = Scene.set_up(node, policies_for=("b",))
    made.apply("c", NOBODY.format(partner="c"))
    return made


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    """One engine: what is SQL in it, the first test asks of both."""
    return set_up(sqlite_node)


def open_up(scene: Scene) -> None:
    scene.apply("c", ALLOW_ALL.format(partner="c"))


def test_further_release_is_held_at_once_and_goes_on_when_it_is_kept(node: Node) -> None:
    """Who has it keeps it; nobody new gets it, in no new version; a person's answer ends that."""
    scene = set_up(node)
    doubted, other = indicator("cdn"), indicator("other")
    scene.publish(doubted, other)
    (told,) = scene.post("b", opinion(doubted["id"]))
    assert (told.success, told.message) == (True, "")
    open_up(scene)
    assert scene.names("c") == ["other"]
    assert scene.names("b") == ["cdn", "other"]
    scene.publish(indicator("cdn", version=1, description="better"))
    assert [one["modified"] for one in scene.sees("b") if one.get("name") == "cdn"] == [at(0)]
    (row,) = reviewing.list_disputed(scene.node)
    assert (row.stix_id, row.partner, row.word) == (doubted["id"], "b", "strongly-disagree")
    assert row.because == "that is our CDN"
    assert "198.51.100.7" in row.name
    why = policies.explain(scene.node, doubted["id"], partner="c")
    assert "disputed by b" in json.dumps(why, default=str)
    assert any("disagree with 1" in str(one) for one in doctoring.examine(scene.node))
    done = reviewing.keep(
        scene.node, [doubted["id"]], by="anna", reason="seen there", answer="It is not yours alone."
    )
    assert (done.ended, done.answered) == (1, ("b",))
    assert "cdn" in scene.names("c")
    assert "It is not yours alone." in scene.names("b")
    assert "It is not yours alone." not in scene.names("c")
    assert [one["modified"] for one in scene.sees("b") if one.get("name") == "cdn"] == [at(1)]
    assert reviewing.list_disputed(scene.node) == []
    (row,) = reviewing.list_disputed(scene.node, states=[DoubtState.KEPT])
    assert (row.ended_by, row.remark) == ("anna", "seen there")
    with pytest.raises(NotFound):
        reviewing.keep(scene.node, [doubted["id"]], by="anna", reason="again")


def with_answers(scene: Scene, *names: str) -> None:
    """A return collection, which the policies of these partners name."""
    folder = scene.node.settings.home / "collections"
    listed = ", ".join(names)
    (folder / "answers.yaml").write_text(
        f"id: {uid('collection answers')}\ntitle: answers\nalias: answers\nread: [{listed}]\nwrite: [{listed}]\n"
    )
    collections.load_collections(scene.node, folder)
    for name in names:
        scene.apply(name, ALLOW_ALL.format(partner=name).replace("reports]", "reports, answers]"))


def test_the_answer_is_a_reply_to_each_who_disputed_and_goes_no_further(scene: Scene) -> None:
    """In the return collection, for one reader each: its terms travel in it, and none learns that another disputed."""
    with_answers(scene, "b", "c")
    doubted = indicator("cdn", tlp="green")
    scene.publish(doubted)
    scene.post("b", opinion(doubted["id"]), to="answers")
    scene.post("c", opinion(doubted["id"], name="c's", created_by_ref=C_IDENTITY), to="answers")
    done = reviewing.keep(
        scene.node, [doubted["id"]], by="anna", reason="seen", answer="Not yours alone."
    )
    assert done.answered == ("b", "c")
    assert "Not yours alone." not in scene.names("b")
    for name, identity, word in (("b", B_IDENTITY, "cdn"), ("c", C_IDENTITY, "c's")):
        (note,) = (one for one in scene.sees(name, "answers") if one["type"] == "note")
        assert note["extensions"][TERMS] == {
            "extension_type": "property-extension", "only_to": [identity], "onward": "none",
        }  # fmt: skip
        assert note["object_marking_refs"] == [TLP["amber"]]
        # C had not fetched it when B disputed it: what would wait for the object is said of its opinion alone.
        refs = [f"opinion--{uid(word)}", *([doubted["id"]] if name == "b" else [])]
        assert note["object_refs"] == refs
    given = answering.heard(scene.node, given=True)
    assert {(one.what, one.says) for one in given} == {("reply", "Not yours alone.")}
    assert {one.about[0] for one in given} == {f"opinion--{uid(one)}" for one in ("cdn", "c's")}


def test_an_answer_that_its_reader_would_not_see_changes_nothing(scene: Scene) -> None:
    """The dispute stays open, and nothing goes out."""
    with_answers(scene, "c")
    doubted = indicator("cdn")
    scene.publish(doubted)
    scene.post("b", opinion(doubted["id"]))
    with pytest.raises(InputRefused, match="b would not see the answer, so nothing was changed"):
        reviewing.keep(scene.node, [doubted["id"]], by="anna", reason="x", answer="No.")
    assert reviewing.count_open(scene.node) == 1
    assert answering.heard(scene.node, given=True) == ()
    assert reviewing.keep(scene.node, [doubted["id"]], by="anna", reason="x").ended == 1


def test_a_partner_that_is_right_ends_it_for_everyone(scene: Scene) -> None:
    """A revocation is held by no dispute, and ends it."""
    doubted = indicator("cdn")
    open_up(scene)
    scene.publish(doubted)
    scene.post("b", opinion(doubted["id"], word="disagree"))
    done = reviewing.revoke(scene.node, doubted["id"], by="anna", reason="their CDN indeed")
    assert done.version is not None
    for partner in ("b", "c"):
        (last,) = (one for one in scene.sees(partner) if one["id"] == doubted["id"])
        assert last["revoked"] is True
    assert reviewing.count_open(scene.node) == 0
    (row,) = reviewing.list_disputed(scene.node, states=[DoubtState.REVOKED])
    assert row.remark == "their CDN indeed"


def test_only_what_a_partner_was_shown_can_be_disputed(scene: Scene) -> None:
    """Neither a hidden object nor another's; naming them is answered the same, and holds nothing."""
    hidden, foreign = indicator("hidden", tlp="red"), indicator("theirs", by=C_IDENTITY)
    shown = indicator("shown")
    scene.publish(hidden, shown)
    scene.post("c", foreign)
    plain = scene.posted("b", opinion(shown["id"], name="plain"))
    for number, about in enumerate((hidden, foreign)):
        asked = scene.posted("b", opinion(about["id"], name=f"x{number}"))
        assert [(one.success, one.message) for one in asked.outcomes] == [
            (one.success, one.message) for one in plain.outcomes
        ]
    assert [one.stix_id for one in reviewing.list_disputed(scene.node)] == [shown["id"]]


def test_who_agrees_after_all_holds_nothing_any_more(scene: Scene) -> None:
    doubted = indicator("cdn")
    scene.publish(doubted)
    scene.post("b", opinion(doubted["id"]))
    open_up(scene)
    assert scene.names("c") == []
    scene.post("b", opinion(doubted["id"], word="agree", version=1))
    assert scene.names("c") == ["cdn"]
    assert [one.state for one in reviewing.list_disputed(scene.node, states=DoubtState)] == [
        DoubtState.TAKEN_BACK
    ]
    scene.post("b", opinion(doubted["id"], word="disagree", version=2))
    scene.post("b", opinion(doubted["id"], version=3, revoked=True))
    assert reviewing.count_open(scene.node) == 0


def test_a_derivative_is_disputed_as_its_original(scene: Scene) -> None:
    """B knows the object under another id: what it says there is about ours."""
    scene.apply(
        "b",
        ALLOW_ALL.format(partner="b")
        + "  - {name: cut, match: {origin: own}, redact: {remove: [description]}}\n",
    )
    doubted = indicator("cdn", description="who told us")
    scene.publish(doubted)
    (seen,) = scene.sees("b")[-1:]
    assert seen["id"] != doubted["id"]
    scene.post("b", opinion(seen["id"]))
    assert [one.stix_id for one in reviewing.list_disputed(scene.node)] == [doubted["id"]]
    open_up(scene)
    assert scene.names("c") == []


def test_one_partner_cannot_stop_everything(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its limit a disagreement is noted and holds nothing; so it is where the way in says `note`."""
    monkeypatch.setattr(doubting, "MOST_OPEN", 1)
    first, second, third = (indicator(name) for name in ("one", "two", "three"))
    scene.publish(first, second, third)
    scene.post("b", opinion(first["id"], second["id"]))
    open_up(scene)
    assert len(scene.names("c")) == 2
    monkeypatch.setattr(doubting, "MOST_OPEN", 100)
    found = screening.check(scene.node, "objections: note\n", file="intake.yaml")
    screening.apply(scene.node, found, by="anna", reason="they are many")
    scene.post("b", opinion(third["id"], name="other"))
    assert reviewing.count_open(scene.node) == 1
    assert len(reviewing.list_disputed(scene.node, states=[DoubtState.NOTED])) == 2


def test_what_a_thief_disagreed_with_goes_on_when_it_is_undone(scene: Scene) -> None:
    """An opinion from a stolen credential is set aside with all that it sent."""
    doubted = indicator("cdn")
    scene.publish(doubted)
    since = scene.node.now()
    scene.post("b", opinion(doubted["id"]))
    open_up(scene)
    assert scene.names("c") == []
    undoing.undo(scene.node, "b", since=since, by="anna", reason="its credential was stolen")
    assert scene.names("c") == ["cdn"]
    assert reviewing.count_open(scene.node) == 0
