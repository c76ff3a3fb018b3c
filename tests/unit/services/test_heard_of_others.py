"""What a partner says to us about a third desk's object is in the list, and a question of that kind waits for our reply."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenes import B_IDENTITY, C_IDENTITY, OWN_IDENTITY, Scene, indicator, note
from tests.unit.services.test_answering import said_of, with_answers

from cert_exchange.messages import answers as messages
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION as TERMS
from cert_exchange.services import answering
from cert_exchange.services.answering import Heard, Manner, listing

THIRD = indicator("third", by=C_IDENTITY, tlp="green")


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    """C sent us an object; B speaks of it."""
    made = with_answers(sqlite_node)
    made.post("c", THIRD)
    return made


def said(scene: Scene, name: str, *, to: str | None = None, asks: bool = False) -> dict[str, Any]:
    """What B says, as its node would write it."""
    extensions: dict[str, Any] = {}
    if asks:
        extensions[messages.EXTENSION] = {
            "extension_type": "property-extension",
            "what": "question",
        }
    if to is not None:
        extensions[TERMS] = {
            "extension_type": "property-extension", "only_to": [to], "onward": "none",
        }  # fmt: skip
    made = note(
        name, [THIRD["id"]], by=B_IDENTITY, **({"extensions": extensions} if extensions else {})
    )
    (done,) = scene.post("b", made, to="answers")
    assert done.success
    return made


def heard(scene: Scene, **how: Any) -> dict[str, Heard]:
    return {one.hit.stix_id: one for one in answering.heard(scene.node, **how)}


def test_a_question_to_us_waits_until_we_reply(scene: Scene) -> None:
    asked = said(scene, "who is it?", to=OWN_IDENTITY, asks=True)
    found = heard(scene, only_open=True)
    assert list(found) == [asked["id"]]
    assert found[asked["id"]].whose == ("c",)
    assert found[asked["id"]].about == (THIRD["id"],)
    assert said_of(scene) == [
        ("note", "partner b", "questions that wait for our reply: 1, 0 of them overdue")
    ]
    answering.reply(scene.node, asked["id"], "We do not know.", by="x", manner=Manner())
    assert heard(scene, only_open=True) == {}
    assert heard(scene)[asked["id"]].state == "replied"


def test_a_question_to_everybody_is_listed_and_waits_for_nobody(scene: Scene) -> None:
    asked = said(scene, "who is it?", asks=True)
    assert heard(scene)[asked["id"]].state == listing.EVERYBODY
    assert heard(scene, only_open=True) == {}
    assert said_of(scene) == []


def test_what_is_said_to_us_is_listed_and_what_is_said_to_others_is_not(scene: Scene) -> None:
    """A note that B publishes with its own objects is no answer to us."""
    ours = said(scene, "to you", to=OWN_IDENTITY)
    said(scene, "to C", to=C_IDENTITY, asks=True)
    said(scene, "to anyone")
    assert set(heard(scene)) == {ours["id"]}
    assert set(heard(scene, partner="c")) == set()
