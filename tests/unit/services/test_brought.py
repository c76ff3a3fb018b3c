"""What we say to a partner of a value that it sent itself is for it, whoever else sent the same value."""

from __future__ import annotations

import pytest
from tests.scenes import ALLOW_ALL, Scene, address, indicator, relationship
from tests.unit.services.test_answering import WITH_ANSWERS, seen, with_answers

from cert_exchange.errors import InputRefused
from cert_exchange.node import Node
from cert_exchange.services import answering, policies
from cert_exchange.services.answering import Manner

HOST = address("45.9.1.7")


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    return with_answers(sqlite_node)


def note(scene: Scene, partner: str) -> None:
    answering.note(
        scene.node, HOST["id"], f"we know it, {partner}", by="x", manner=Manner(to=(partner,))
    )


def said(scene: Scene, partner: str) -> list[str]:
    return [one["content"] for one in seen(scene, partner, "note")]


def test_a_note_about_what_both_sent_is_seen_by_who_is_meant(scene: Scene) -> None:
    """Neither before nor after does the other's copy, however it is marked, change what one of them sees."""
    scene.post("b", HOST)
    note(scene, "b")
    assert said(scene, "b") == ["we know it, b"]
    scene.post("c", address("45.9.1.7", tlp="red"))
    scene.apply("b", WITH_ANSWERS.format(partner="b") + "# once more\n")
    assert said(scene, "b") == ["we know it, b"]
    assert said(scene, "c") == []
    with pytest.raises(InputRefused):
        note(scene, "c")  # policy would not show C a copy that is RED
    scene.post("c", address("45.9.1.7", tlp="green"))
    note(scene, "b")
    assert said(scene, "b") == ["we know it, b"] * 2
    assert said(scene, "c") == []


def test_what_is_foreseen_of_such_a_note_is_what_happens(scene: Scene) -> None:
    scene.post("b", HOST)
    scene.post("c", HOST)
    note(scene, "b")
    note(scene, "c")
    lost = scene.apply("b", ALLOW_ALL.format(partner="b")).lost  # with its maker and its marking
    assert said(scene, "b") == []
    looser = WITH_ANSWERS.format(partner="b")
    foreseen = policies.preview(
        scene.node, policies.check(scene.node, looser, file="b.yaml").policy
    )
    assert (foreseen.gained, scene.apply("b", looser).gained) == (lost, lost)
    assert said(scene, "b") == ["we know it, b"]


def test_a_guess_opens_nothing_that_is_said_to_others_or_to_everybody(scene: Scene) -> None:
    """B names a value that only C sent: of what we publish about it, it sees nothing."""
    bad = indicator("bad")
    scene.post("c", HOST)
    scene.publish(bad, relationship(bad, HOST, relationship_type="based-on"))
    note(scene, "c")
    before = scene.names("b")
    scene.post("b", HOST)
    assert scene.names("b") == before == ["bad"]
    assert said(scene, "b") == []
    assert said(scene, "c") == ["we know it, c"]


def test_our_own_hidden_copy_is_not_opened_by_a_guess(scene: Scene) -> None:
    scene.publish(address("45.9.1.7", tlp="red"))
    scene.post("b", HOST)
    with pytest.raises(InputRefused, match="would not see it"):
        note(scene, "b")
