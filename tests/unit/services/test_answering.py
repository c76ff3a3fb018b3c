"""Answers: what our desk says of partners' objects and to whom, what partners say of ours, counted, and proposals in notes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    TLP,
    Scene,
    address,
    at,
    indicator,
    note,
    uid,
)
from tests.unit.services.test_recalling import fetch

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound
from cert_exchange.messages import answers as messages
from cert_exchange.messages.answers import Opinion
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION as TERMS
from cert_exchange.services import (
    answering,
    collections,
    doctoring,
    holdings,
    partners,
    proposals,
    releasing,
)
from cert_exchange.services.answering import Manner, fetching, giving, subjects
from cert_exchange.stix.instants import format_micros, parse_micros

THEIRS = indicator("theirs", by=B_IDENTITY, tlp="green", confidence=80)
OURS = indicator("ours", confidence=80)
WITH_ANSWERS = ALLOW_ALL.replace("indicators, reports", "indicators, reports, answers")


def with_answers(node: Node, names: tuple[str, ...] = ("b", "c")) -> Scene:
    scene = Scene.set_up(node)
    folder = node.settings.home / "collections"
    listed = ", ".join(names)
    (folder / "answers.yaml").write_text(
        f"id: {uid('collection answers')}\ntitle: answers\nalias: answers\nread: [{listed}]\nwrite: [{listed}]\n"
    )
    collections.load_collections(node, folder)
    for name in names:
        scene.apply(name, WITH_ANSWERS.format(partner=name))
    return scene


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    """B sent us an object; we published one. One engine: the SQL has tests of its own below."""
    scene = with_answers(sqlite_node)
    scene.post("b", THEIRS)
    scene.publish(OURS)
    return scene


def seen(scene: Scene, partner: str, kind: str) -> list[dict[str, Any]]:
    return [one for one in scene.sees(partner, "answers") if one["type"] == kind]


def said_of(scene: Scene, partner: str | None = None) -> list[tuple[str, str, str]]:
    """What `doctor` says of questions."""
    found = doctoring.answers.examine(scene.node, partner=partner)
    return [(one.grade, one.about, one.finding) for one in found]


def as_of(content: dict[str, Any], name: str, by: str, about: str, **more: Any) -> dict[str, Any]:
    """An answer that our node wrote, as a partner's node would have written it about another object."""
    made = {**content, "id": f"{content['type']}--{uid(name)}", "created_by_ref": by, **more}
    for key in ("object_refs", "sighting_of_ref"):
        if key in made:
            made[key] = [about] if key == "object_refs" else about
    made["extensions"] = {
        key: value for key, value in content["extensions"].items() if key != TERMS
    }
    if not made["extensions"]:
        del made["extensions"]
    return made


# -- what we say ---------------------------------------------------------------------------------------------------------


def test_an_answer_goes_to_the_objects_owner_alone_and_says_so(scene: Scene) -> None:
    """Marked AMBER at least; nobody else gets it, not even where a policy would let it go; its terms travel with it."""
    done = answering.sight(scene.node, THEIRS["id"], by="x")
    (one,) = seen(scene, "b", "sighting")
    assert one["id"] == done.stix_id
    assert one["sighting_of_ref"] == THEIRS["id"]
    assert one["object_marking_refs"] == [TLP["amber"]]
    assert one["extensions"][TERMS] == {
        "extension_type": "property-extension", "only_to": [B_IDENTITY], "onward": "none",
    }  # fmt: skip
    assert "count" not in one
    assert seen(scene, "c", "sighting") == []
    [reached] = done.reached
    assert (reached.partner, reached.sees, reached.why) == ("b", True, "all of ours")
    assert "has fetched nothing so far" in reached.way


def test_a_place_is_told_only_where_it_is_given_and_tells_of_one_sighting(scene: Scene) -> None:
    first, second = (
        answering.sight(scene.node, THEIRS["id"], by="x", where=["country:ee", "us"], count=2)
        for _ in range(2)
    )
    places = [one.content["where_sighted_refs"] for one in (first, second)]
    assert [one[1] for one in places] == [OWN_IDENTITY] * 2
    assert places[0][0] != places[1][0]
    found = {one["id"]: one for one in seen(scene, "b", "location")}
    assert found.keys() == {places[0][0], places[1][0]}
    assert {one["country"] for one in found.values()} == {"EE"}
    assert all(one["extensions"][TERMS]["onward"] == "none" for one in found.values())


def test_another_opinion_takes_the_place_of_the_one_before(scene: Scene) -> None:
    """Towards the same readers; the same word again changes nothing; to others it is another opinion."""
    one = answering.opine(scene.node, THEIRS["id"], Opinion.DISAGREE, because="CDN", by="x")
    again = answering.opine(scene.node, THEIRS["id"], Opinion.DISAGREE, because="CDN", by="x")
    assert (again.stix_id, again.repeated, again.stored) == (one.stix_id, True, False)
    other = answering.opine(scene.node, THEIRS["id"], Opinion.AGREE, because="ok", by="x")
    assert other.stix_id == one.stix_id
    assert [told["opinion"] for told in seen(scene, "b", "opinion")] == ["agree"]
    to_all = answering.opine(
        scene.node, THEIRS["id"], Opinion.AGREE, because="ok", by="x", manner=Manner(everyone=True)
    )
    assert to_all.stix_id != one.stix_id
    assert {told["id"] for told in seen(scene, "b", "opinion")} == {one.stix_id, to_all.stix_id}


def test_an_answer_is_marked_as_its_object_where_that_is_stricter(scene: Scene) -> None:
    strict = indicator("strict", by=B_IDENTITY, tlp="amber+strict")
    scene.post("b", strict)
    done = answering.note(scene.node, strict["id"], "x", by="x", manner=Manner(dry_run=True))
    assert done.content["object_marking_refs"] == [TLP["amber+strict"]]
    assert not done.reached[0].sees
    assert "ceiling" in done.reached[0].why
    looser = answering.note(scene.node, strict["id"], "x", by="x", manner=Manner(tlp="green"))
    assert looser.reached[0].sees  # our own words
    assert looser.marked == "TLP:GREEN"


def test_what_is_about_an_exercise_is_of_the_exercise(scene: Scene) -> None:
    test = {"extension_type": "property-extension", "test": True}
    drill = indicator("drill", by=B_IDENTITY, extensions={TERMS: test})
    scene.post("b", drill)
    done = answering.note(scene.node, drill["id"], "x", by="x", manner=Manner(dry_run=True))
    assert done.content["extensions"][TERMS]["test"] is True
    assert not done.reached[0].sees  # no rule here lets exercises go


def test_a_partner_without_an_identity_is_bound_by_what_needs_no_name(scene: Scene) -> None:
    """Others would not know whom its name means: beside the answer it is named, in it only `onward` stands."""
    partners.add(scene.node, "d", title="CERT D", speaks_for=[])
    subject = subjects.subject_of(scene.node, THEIRS["id"])
    for to in (("d",), ("b", "d")):
        answer, said = giving.dress(scene.node, subject, {"type": "note"}, Manner(to=to), to)
        assert said.only_to == (frozenset(to),)
        assert answer["extensions"][TERMS] == {
            "extension_type": "property-extension", "onward": "none",
        }  # fmt: skip


def test_whom_to_answer_is_asked_where_it_cannot_be_told(scene: Scene) -> None:
    host = address("192.0.2.77")
    scene.post("b", host)
    assert answering.note(scene.node, host["id"], "x", by="x").reached[0].partner == "b"
    scene.post("c", host)
    with pytest.raises(InputRefused, match="came from b, c"):
        answering.note(scene.node, host["id"], "x", by="x")
    done = answering.note(
        scene.node, host["id"], "x", by="x", manner=Manner(to=("c",), dry_run=True)
    )
    assert [one.partner for one in done.reached] == ["c"]
    with pytest.raises(InputRefused, match="our own"):
        answering.note(scene.node, OURS["id"], "x", by="x")
    with pytest.raises(NotFound):
        answering.note(scene.node, "indicator--" + uid("nothing"), "x", by="x")
    with pytest.raises(NotFound, match="no partner 'd'"):
        answering.note(scene.node, THEIRS["id"], "x", by="x", manner=Manner(to=("d",)))


def test_what_nobody_would_see_is_refused_and_not_stored(scene: Scene) -> None:
    """C does not see B's object: told of it, C would learn what policy hides. What somebody sees is stored."""
    to_c = Manner(to=("c",))
    with pytest.raises(InputRefused, match=f"Nothing was stored: c .*waits for {THEIRS['id']}"):
        answering.note(scene.node, THEIRS["id"], "x", by="x", manner=to_c)
    with pytest.raises(InputRefused, match="Nothing was stored: c "):
        answering.propose(scene.node, THEIRS["id"], revoke=True, by="x", manner=to_c)
    with pytest.raises(InputRefused, match=r"Nothing was stored: b .*ceiling"):
        answering.sight(scene.node, THEIRS["id"], by="x", manner=Manner(tlp="red"))
    assert answering.heard(scene.node, given=True) == ()
    both = answering.note(scene.node, THEIRS["id"], "x", by="x", manner=Manner(to=("b", "c")))
    assert [(one.partner, one.sees) for one in both.reached] == [("b", True), ("c", False)]
    assert len(answering.heard(scene.node, given=True)) == 1
    assert seen(scene, "c", "note") == []


def test_what_a_person_has_to_let_go_is_stored(scene: Scene) -> None:
    scene.apply("b", WITH_ANSWERS.format(partner="b") + (
        "  - {name: look first, match: {type: note}, hold: approval, reason: x}\n"
    ))  # fmt: skip
    (reached,) = answering.note(scene.node, THEIRS["id"], "x", by="x").reached
    assert (reached.sees, reached.held) == (False, True)
    assert len(answering.heard(scene.node, given=True)) == 1


def test_no_opinion_takes_the_place_of_one_that_its_reader_has_unseen(scene: Scene) -> None:
    """B has our word; another that it may not see would leave it with nothing, or with the old one."""
    both = Manner(to=("b", "c"))
    mine = indicator("both", by=B_IDENTITY, tlp="green")
    scene.post("b", mine)
    answering.opine(scene.node, mine["id"], Opinion.DISAGREE, because="CDN", by="x")
    with pytest.raises(InputRefused, match="Nothing was stored: b "):
        answering.opine(
            scene.node, mine["id"], Opinion.AGREE, because="ok", by="x", manner=Manner(tlp="red")
        )
    assert [one["opinion"] for one in seen(scene, "b", "opinion")] == ["disagree"]
    answering.opine(scene.node, OURS["id"], Opinion.AGREE, because="ok", by="x", manner=both)
    scene.apply("c", WITH_ANSWERS.format(partner="c").replace("tlp: amber", "tlp: amber+strict"))
    strict = Manner(to=("b", "c"), tlp="amber+strict")
    with pytest.raises(InputRefused, match="b has what we said before"):
        answering.opine(scene.node, OURS["id"], Opinion.NEUTRAL, because="", by="x", manner=strict)
    assert [one["opinion"] for one in seen(scene, "b", "opinion")] == ["disagree", "agree"]


def test_looking_stores_nothing(scene: Scene) -> None:
    done = answering.sight(scene.node, THEIRS["id"], by="x", manner=Manner(dry_run=True))
    assert (done.stored, done.reached[0].sees) == (False, True)
    assert seen(scene, "b", "sighting") == []
    with pytest.raises(NotFound):
        holdings.show(scene.node, done.stix_id)


REFUSED = (
    ({"count": -1}, "A count is 0"),
    ({"first": "yesterday"}, "is no instant"),
    ({"last": "2100-01-01T00:00:00Z"}, "still to come"),
    ({"first": "2026-01-02T00:00:00Z", "last": "2026-01-01T00:00:00Z"}, "cannot be seen last"),
    ({"where": ["country:EST"]}, "names no country"),
    ({"where": ["here"]}, "is no place"),
    ({"words": "x" * 10_001}, "10,000"),
    ({"manner": Manner(tlp="purple")}, "no TLP level"),
    ({"manner": Manner(onward="maybe")}, "onward"),
    ({"manner": Manner(to=("b",), everyone=True)}, "not both"),
)


def test_what_cannot_be_said_is_refused_in_words(scene: Scene) -> None:
    for given, said in REFUSED:
        with pytest.raises(InputRefused, match=said):
            answering.sight(scene.node, THEIRS["id"], by="x", **given)
    assert seen(scene, "b", "sighting") == []


def test_what_is_missing_for_the_way_there_is_said(sqlite_node: Node) -> None:
    """No return collection; one that the partner may not read; one that its policy does not name."""
    scene = Scene.set_up(sqlite_node)
    scene.post("b", THEIRS)
    with pytest.raises(ConfigurationInvalid, match=r"answers\.yaml"):
        answering.note(scene.node, THEIRS["id"], "x", by="x")
    folder = sqlite_node.settings.home / "collections"
    text = f"id: {uid('collection answers')}\ntitle: answers\nalias: answers\nread: []\nwrite: []\n"
    (folder / "answers.yaml").write_text(text)
    collections.load_collections(sqlite_node, folder)
    with pytest.raises(InputRefused, match="does not share answers"):
        answering.note(scene.node, THEIRS["id"], "x", by="x")
    scene.apply("b", WITH_ANSWERS.format(partner="b"))
    (one,) = answering.note(scene.node, THEIRS["id"], "y", by="x").reached
    assert (one.sees, "may not read answers" in one.way) == (True, True)


# -- what partners say -----------------------------------------------------------------------------------------------------


def test_what_partners_say_is_counted(node: Node) -> None:
    """Of each partner's opinions the newest; revoked answers do not count; notes about us as a place are none of ours."""
    scene = with_answers(node)
    scene.publish(OURS)
    scene.post("b", THEIRS)
    pattern = {"type": "sighting", "spec_version": "2.1", "created": at(0), "modified": at(0)}

    def sighting(name: str, by: str, **more: Any) -> dict[str, Any]:
        return {
            **pattern, "id": f"sighting--{uid(name)}", "sighting_of_ref": OURS["id"],
            "created_by_ref": by, **more,
        }  # fmt: skip

    def opinion(name: str, by: str, word: str, **more: Any) -> dict[str, Any]:
        return {
            **pattern, "type": "opinion", "id": f"opinion--{uid(name)}", "created_by_ref": by,
            "opinion": word, "object_refs": [OURS["id"]], **more,
        }  # fmt: skip

    scene.post(
        "b",
        sighting("s1", B_IDENTITY, count=12, last_seen=at(60)),
        sighting("s2", B_IDENTITY),
        sighting("s4", B_IDENTITY, count=0, last_seen=at(90)),
        sighting("s3", B_IDENTITY, count=1000),
        sighting("s3", B_IDENTITY, count=1000, modified=at(1), revoked=True),
        opinion("o1", B_IDENTITY, "agree"),
        opinion("o2", B_IDENTITY, "disagree"),
        {**sighting("theirs", B_IDENTITY), "sighting_of_ref": THEIRS["id"], "where_sighted_refs": [OWN_IDENTITY]},
        to="answers",
    )  # fmt: skip
    scene.post("c", opinion("o3", C_IDENTITY, "disagree"), note("n", [OURS["id"]], by=C_IDENTITY))
    scene.post("c", opinion("o1", C_IDENTITY, "strongly-agree", modified=at(2)))  # B's id
    (story,) = holdings.show(node, OURS["id"])
    found = story.tally
    assert (found.sightings, found.times, found.seen_by) == (2, 13, ("b",))
    assert (found.opinions, found.notes, found.at_least) == ({"disagree": 2}, 1, False)
    assert (found.not_seen_by, found.last_seen) == (("b",), parse_micros(at(60)))
    assert found.words == (
        "seen at least 13 times by b", "looked for and not seen by b", "opinions: 2 disagree", "1 note",
    )  # fmt: skip
    listed = answering.heard(node)
    assert len(listed) == 9
    assert f"looked for and not seen to {at(90)}" in [one.says for one in listed]
    assert {one.about for one in listed} == {(OURS["id"],)}
    assert [one.hit.origin for one in answering.heard(node, partner="c")] == ["c", "c", "c"]
    assert len(answering.heard(node, about=OURS["id"])) == 9
    assert answering.heard(node, given=True) == ()
    opinions = [(one.says, one.hit.status) for one in story.answers if one.hit.type == "opinion"]
    assert opinions[:2] == [("strongly-agree", "proposal"), ("disagree", "accepted")]


def test_what_we_said_stands_with_their_object(scene: Scene) -> None:
    answering.opine(scene.node, THEIRS["id"], Opinion.NEUTRAL, because="", by="x")
    (story,) = holdings.show(scene.node, THEIRS["id"])
    assert [one.says for one in story.given] == ["neutral"]
    assert [one.what for one in answering.heard(scene.node, given=True)] == ["opinion"]
    assert story.tally.words == ()


def test_whether_an_answer_got_there_is_told(scene: Scene) -> None:
    """Not fetched, fetched, held back by policy; of what is shown as a derivative, by that."""

    def told() -> list[str]:
        return [one.fetched for one in answering.heard(scene.node, given=True)]

    done = answering.note(scene.node, THEIRS["id"], "x", by="x")
    assert told() == ["not fetched yet by b"]
    fetch(scene, "b", "answers")
    assert told() == ["fetched by b"]
    unseen = answering.note(scene.node, THEIRS["id"], "y", by="x")
    releasing.withdraw(scene.node, unseen.stix_id, by="x", reason="x")
    assert told() == [fetching.UNSEEN, "fetched by b"]
    scene.apply("b", WITH_ANSWERS.format(partner="b") + (
        "  - {name: no words, match: {type: note}, redact: {remove: [abstract]}, reason: x}\n"
    ))  # fmt: skip
    asked = answering.ask(scene.node, THEIRS["id"], "z", by="x")
    assert asked.stix_id not in scene.ids("b", "answers")
    assert told()[0] == "not fetched yet by b"
    fetch(scene, "b", "answers")
    assert [told()[0], told()[-1]] == ["fetched by b"] * 2
    assert done.stored


def test_a_question_waits_until_it_is_replied_to(scene: Scene, wall: Wall) -> None:
    """Both ways: ours to B, and B's to us, whose reply goes to B alone."""
    asked = answering.ask(scene.node, THEIRS["id"], "what is it?", due="3 days", by="x")
    (open_,) = answering.heard(scene.node, given=True, only_open=True)
    assert (open_.what, open_.state, open_.due is not None) == (
        "question",
        "waits for a reply",
        True,
    )
    wall.forward(timedelta(days=4))
    (late,) = answering.heard(scene.node, given=True, only_open=True)
    assert late.state == "overdue: waits for a reply"
    assert said_of(scene) == [("note", "answers", "questions of ours without a reply in time: 1")]
    from_b = messages.write_reply(
        [asked.stix_id], asked.stix_id, "a scanner", stix_id=f"note--{uid('r')}",
        creator=B_IDENTITY, now=scene.node.now(),
    )  # fmt: skip
    scene.post("b", from_b, to="answers")
    assert answering.heard(scene.node, given=True, only_open=True) == ()

    question = as_of(asked.content, "q", B_IDENTITY, OURS["id"])
    scene.post("b", question, to="answers")
    (theirs,) = answering.heard(scene.node, only_open=True)
    assert theirs.hit.stix_id == question["id"]
    waits = "questions that wait for our reply: 1, 0 of them overdue"
    assert said_of(scene, "b") == [("note", "partner b", waits)]  # it came late, and not we are
    wall.forward(timedelta(minutes=61))
    waits = "questions that wait for our reply: 1, 1 of them overdue"
    assert said_of(scene) == said_of(scene, "b") == [("wrong", "partner b", waits)]
    assert said_of(scene, "c") == []
    with pytest.raises(InputRefused, match="no question"):
        answering.reply(scene.node, THEIRS["id"], "x", by="x")
    done = answering.reply(scene.node, question["id"], "a honeypot", by="x")
    assert done.content["object_refs"] == [question["id"], OURS["id"]]
    assert [one["content"] for one in seen(scene, "b", "note")][-1] == "a honeypot"
    assert "a honeypot" not in json.dumps(scene.sees("c", "answers"))
    assert answering.heard(scene.node, only_open=True) == ()
    assert said_of(scene) == []


def test_that_an_opinion_was_replied_to_is_told(scene: Scene) -> None:
    """As its owner replies who keeps the object."""
    said = answering.opine(scene.node, THEIRS["id"], Opinion.DISAGREE, because="CDN", by="x")
    assert [one.state for one in answering.heard(scene.node, given=True)] == [""]
    reply = messages.write_reply(
        [said.stix_id, THEIRS["id"]], said.stix_id, "It was bad in May.",
        stix_id=f"note--{uid('kept')}", creator=B_IDENTITY, now=scene.node.now(),
    )  # fmt: skip
    scene.post("b", reply, to="answers")
    assert [one.state for one in answering.heard(scene.node, given=True)] == ["replied"]
    answering.opine(scene.node, THEIRS["id"], Opinion.DISAGREE, because="still", by="x")
    assert [one.state for one in answering.heard(scene.node, given=True)] == [""]


def test_the_reply_to_a_question_about_a_derivative_names_the_question(sqlite_node: Node) -> None:
    """B asks about the id that it was shown: the answer is listed under the original, and the reply reaches B."""
    scene = with_answers(sqlite_node)
    scene.apply("b", WITH_ANSWERS.format(partner="b") + (
        "  - {name: no words, match: {type: indicator}, redact: {remove: [description]}, reason: x}\n"
    ))  # fmt: skip
    one = indicator("one", description="seen in the cellar")
    scene.publish(one)
    (shown,) = [each for each in scene.sees("b") if each["type"] == "indicator"]
    assert shown["id"] != one["id"]
    question = messages.write_question(
        shown["id"], "where?", due=None, stix_id=f"note--{uid('q')}", creator=B_IDENTITY,
        now=scene.node.now(),
    )  # fmt: skip
    scene.post("b", question, to="answers")
    (heard,) = answering.heard(scene.node)
    assert (heard.about, heard.named) == ((one["id"],), (shown["id"],))
    done = answering.reply(scene.node, question["id"], "no word on that", by="x")
    assert done.reached[0].sees
    assert done.content["object_refs"] == [question["id"]]
    # And our own words about the original reach B under the id that B knows.
    answering.note(scene.node, shown["id"], "more soon", by="x", manner=Manner(to=("b",)))
    told = [each for each in seen(scene, "b", "note") if each["content"] == "more soon"]
    assert [each["object_refs"] for each in told] == [[shown["id"]]]
    assert one["id"] not in json.dumps(scene.sees("b", "answers"))


# -- proposals ------------------------------------------------------------------------------------------------------------


def proposal_of(
    scene: Scene, changed: dict[str, Any], *, about: str, name: str = "p"
) -> dict[str, Any]:
    return messages.write_proposal(
        messages.Proposal(about, at(0), json.dumps(changed)), ["x"], "weak",
        stix_id=f"note--{uid(name)}", creator=B_IDENTITY, now=scene.node.now(),
    )  # fmt: skip


def test_we_propose_a_whole_valid_version_marked_as_the_object(scene: Scene) -> None:
    done = answering.propose(
        scene.node, THEIRS["id"], changes={"confidence": 20}, because="weak", by="x"
    )
    said = messages.read(done.content)
    assert isinstance(said, messages.Proposal)
    proposed = json.loads(said.proposed)
    assert {**THEIRS, "confidence": 20, "modified": proposed["modified"]} == proposed
    assert proposed["modified"] > THEIRS["modified"]
    assert "confidence: 80 -> 20" in done.content["content"]
    assert done.reached[0].sees
    for given, refused in (
        ({"changes": {"id": "indicator--" + uid("x")}}, "its owner's"),
        ({"changes": {"object_marking_refs": []}}, "keeps all markings"),
        ({"changes": {"confidence": 200}}, "no valid object"),
        ({"changes": {"confidence": 80}}, "Nothing of it would change"),
        ({"without": ["colour"]}, "no property 'colour'"),
        ({"whole": b"[]"}, "must hold one STIX object"),
    ):
        with pytest.raises(InputRefused, match=refused):
            answering.propose(scene.node, THEIRS["id"], by="x", **given)
    with pytest.raises(InputRefused, match="our own"):
        answering.propose(scene.node, OURS["id"], revoke=True, by="x")


def test_a_proposal_is_never_looser_than_what_it_quotes(scene: Scene) -> None:
    statement = {
        "type": "marking-definition", "spec_version": "2.1", "created": at(0),
        "id": f"marking-definition--{uid('m')}", "definition_type": "statement",
        "definition": {"statement": "ours"}, "created_by_ref": B_IDENTITY,
    }  # fmt: skip
    marks = [TLP["amber"], statement["id"]]
    one = indicator("marked", by=B_IDENTITY, tlp=None, object_marking_refs=marks)
    scene.post("b", statement, one)
    done = answering.propose(
        scene.node, one["id"], revoke=True, by="x", manner=Manner(tlp="green", dry_run=True)
    )
    assert done.content["object_marking_refs"] == marks


def test_what_a_partners_note_proposes_waits_as_a_proposal(node: Node) -> None:
    """As if it had sent the version: accepted, it is our next one, and goes out."""
    scene = with_answers(node)
    scene.publish(OURS)
    changed = {**OURS, "confidence": 10, "modified": at(9)}
    (outcome,) = scene.post("b", proposal_of(scene, changed, about=OURS["id"]), to="answers")
    assert outcome.success
    (waiting,) = proposals.proposals(node)
    assert (waiting.row.partner_name, waiting.standing) == ("b", proposals.Standing.OURS)
    (heard,) = answering.heard(node)
    assert (heard.what, heard.state) == ("proposal", "see `proposals list`")
    assert [each["confidence"] for each in scene.sees("c") if each["type"] == "indicator"] == [80]
    proposals.accept(node, waiting.row.number, by="x")
    assert [each["confidence"] for each in scene.sees("c") if each["type"] == "indicator"] == [10]
    # The note itself again, by another way: nothing new.
    scene.post("b", proposal_of(scene, changed, about=OURS["id"]), to="answers")
    assert proposals.proposals(node) == []


def test_a_proposal_about_a_derivative_names_the_original_and_its_changes(
    sqlite_node: Node,
) -> None:
    """Against what its sender was shown: what was withheld is no change. And another's object is compared with what counts."""
    scene = with_answers(sqlite_node)
    scene.apply("b", WITH_ANSWERS.format(partner="b") + (
        "  - {name: no words, match: {type: indicator}, redact: {remove: [description]}, reason: x}\n"
    ))  # fmt: skip
    one = indicator("one", description="seen in the cellar")
    scene.publish(one)
    (shown,) = [each for each in scene.sees("b") if each["type"] == "indicator"]
    later = format_micros(sqlite_node.now())
    changed = {**shown, "confidence": 20, "modified": later}
    scene.post("b", proposal_of(scene, changed, about=shown["id"]), to="answers")
    (waiting,) = proposals.proposals(sqlite_node)
    assert (waiting.standing, waiting.original) == (proposals.Standing.STANDS_FOR, one["id"])
    number = waiting.row.number
    (change,) = proposals.compared(sqlite_node, number)
    assert (change.name, change.before, change.after) == ("confidence", None, 20)
    with pytest.raises(ConfigurationInvalid, match=f"stands for {one['id']} in somebody's view"):
        proposals.draft(sqlite_node, number)
    scene.post("b", THEIRS)
    scene.post("c", {**THEIRS, "confidence": 3, "modified": at(9)})
    (theirs,) = proposals.proposals(sqlite_node, partner="c")
    assert (theirs.standing, theirs.original) == (proposals.Standing.OTHERS, None)
    assert [
        (each.name, each.after) for each in proposals.compared(sqlite_node, theirs.row.number)
    ] == [("confidence", 3)]


def test_a_note_brings_in_nothing_but_proposals(scene: Scene) -> None:
    """Not what its sender may bring itself, no other object than it names, no observable, nothing that is not valid."""
    fresh = indicator("fresh", by=B_IDENTITY)
    relayed = {**THEIRS, "confidence": 1, "modified": at(5)}
    host = address("192.0.2.99")
    scene.publish(host)
    for name, (changed, about) in {
        "fresh": (fresh, fresh["id"]),
        "own": (relayed, THEIRS["id"]),
        "other": ({**OURS, "modified": at(5)}, THEIRS["id"]),
        "observable": ({**host, "x_found_by": "me"}, host["id"]),
        "invalid": ({**OURS, "modified": "now"}, OURS["id"]),
    }.items():
        (outcome,) = scene.post(
            "b", proposal_of(scene, changed, about=about, name=name), to="answers"
        )
        assert outcome.success, name
    assert proposals.proposals(scene.node) == []
    with pytest.raises(NotFound):
        holdings.show(scene.node, fresh["id"])
    (story,) = holdings.show(scene.node, THEIRS["id"])
    assert story.content["confidence"] == 80
    assert len(holdings.show(scene.node, host["id"])) == 1


def test_our_own_notes_propose_nothing_to_ourselves(scene: Scene) -> None:
    changed = {**OURS, "confidence": 10, "modified": at(9)}
    content = {**proposal_of(scene, changed, about=OURS["id"]), "created_by_ref": OWN_IDENTITY}
    assert all(one.success for one in scene.publish(content, to="answers"))
    assert proposals.proposals(scene.node) == []


def test_no_partner_learns_what_another_said(scene: Scene) -> None:
    """B's answer about our object is not shown to C, nor in what C is told of the same id."""
    word = messages.write_note(
        [OURS["id"]], "our CDN", stix_id=f"note--{uid('cdn')}", creator=B_IDENTITY,
        now=scene.node.now(),
    )  # fmt: skip
    scene.post("b", word, to="answers")
    for place in ("answers", "indicators"):
        assert "our CDN" not in json.dumps(scene.sees("c", place))
