"""`when:` in force on a node: what it decides is what is released, and an object that it fails for stays here."""

from __future__ import annotations

import pytest
from tests.scenes import Scene, indicator

from cert_exchange.node import Node
from cert_exchange.services import policies

TEXT = """\
partners: [b]
collections: [indicators, reports]
ceiling: {tlp: amber, unmarked: green}
rules:
  - {name: all of ours, match: {origin: own}, allow: true}
  - name: Nothing of the test network
    match: {type: indicator, when: 'object.name.startsWith("TESTNET")'}
    deny: true
  - name: Reports only of the feed
    match: {labels: feed, when: 'collection == "reports"'}
    deny: true
"""


@pytest.fixture
def scene(node: Node) -> Scene:
    scene = Scene.set_up(node, policies_for=["c"])
    scene.apply("b", TEXT)
    return scene


def test_what_it_decides_is_what_is_released(scene: Scene) -> None:
    """And a change of the expression takes back and gives, like any other change."""
    scene.publish(indicator("TESTNET 7"), indicator("real"))
    assert scene.names("b") == ["real"]
    done = scene.apply("b", TEXT.replace("TESTNET", "real"))
    assert done.changed
    assert scene.names("b") == ["TESTNET 7"]


def test_an_object_without_the_property_stays_here_and_its_batch_goes_on(scene: Scene) -> None:
    """An indicator needs no name: no answer is a no, and explain says why."""
    nameless = indicator("nameless")
    del nameless["name"]
    scene.publish(indicator("one"), nameless, indicator("two"))
    assert scene.names("b") == ["one", "two"]
    assert len(scene.ids("c")) == len(scene.ids("b")) + 1
    (told,) = policies.explain(scene.node, nameless["id"], partner="b").versions
    assert (told.answer, told.rule) == ("denied", "error")
    assert told.reason == (
        "`when` of rule Nothing of the test network gives no answer: there is no name"
    )


def test_each_collection_is_asked_for_itself(scene: Scene) -> None:
    """One object in two collections, decided in the same transaction."""
    feed = indicator("fed", labels=["feed"])
    scene.publish(feed)
    scene.publish(feed, to="reports")
    assert (scene.names("b"), scene.names("b", "reports")) == (["fed"], [])
