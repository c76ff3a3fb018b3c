"""What a person answers of a held indicator counts for the observable that `publish` made beside it, and says so."""

from __future__ import annotations

import pytest
from tests.scenes import Scene, address, envelope, indicator, relationship

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.services import publishing, screening
from cert_exchange.services.pairing import HELD_WITH, observables_beside
from cert_exchange.services.screening import State

INSIDE = "[ipv4-addr:value = '10.0.0.5']"
HOST = address("10.0.0.5")
BAD = indicator("bad", pattern=INSIDE)


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    return Scene.set_up(sqlite_node)


def publish(scene: Scene, **holding: str) -> None:
    """The pair with what ties it; what is held, and why."""
    content = envelope(BAD, HOST, relationship(BAD, HOST, relationship_type="based-on"))
    named = {"bad": BAD["id"], "host": HOST["id"]}
    publishing.publish(
        scene.node, content, collection="indicators", by="analyst",
        holding={named[one]: why for one, why in holding.items()},
    )  # fmt: skip


def held(scene: Scene, state: State = State.HELD) -> set[str]:
    return {one.stix_id for one in screening.list_kept(scene.node, state=state)}


def test_with_the_indicator_goes_what_is_held_for_the_same(scene: Scene) -> None:
    """A private address is held twice; let in once, all of it goes out, the relationship too."""
    publish(scene)
    assert held(scene) == {BAD["id"], HOST["id"]}
    done = screening.let_in(scene.node, [BAD["id"]], by="anna", reason="agreed with them")
    assert (done.versions, done.beside, done.left) == (2, (HOST["id"],), ())
    assert held(scene) == set()
    assert len(scene.names("b")) == 3


def test_what_waits_only_for_its_indicator_goes_with_it(scene: Scene) -> None:
    """Whatever was found in the indicator besides."""
    scene.publish(address("198.51.100.9"))
    pair = indicator("cdn"), address("198.51.100.7")
    publishing.publish(
        scene.node, envelope(*pair), collection="indicators", by="analyst",
        holding={pair[0]["id"]: "its text names a victim", pair[1]["id"]: HELD_WITH},
    )  # fmt: skip
    done = screening.let_in(scene.node, [pair[0]["id"]], by="anna", reason="no victim")
    assert done.beside == (pair[1]["id"],)
    assert held(scene) == set()


def test_what_is_held_for_something_else_stays_and_is_named(scene: Scene) -> None:
    publish(scene, host="a victim's name stands beside it")
    done = screening.let_in(scene.node, [BAD["id"]], by="anna", reason="agreed with them")
    assert (done.versions, done.beside) == (1, ())
    assert [one.stix_id for one in done.left] == [HOST["id"]]
    assert "a victim's name" in done.left[0].said
    assert held(scene) == {HOST["id"]}
    assert scene.names("b") == ["bad"]
    done = screening.let_in(scene.node, [HOST["id"]], by="anna", reason="no victim")
    assert (done.versions, done.beside, done.left) == (1, (), ())
    assert len(scene.names("b")) == 3


def test_a_refusal_counts_for_both_and_may_be_changed(scene: Scene) -> None:
    publish(scene)
    done = screening.refuse(scene.node, [BAD["id"]], by="anna", reason="it is ours")
    assert done.beside == (HOST["id"],)
    assert held(scene, State.REFUSED) == {BAD["id"], HOST["id"]}
    done = screening.let_in(scene.node, [BAD["id"]], by="anna", reason="it is not")
    assert done.beside == (HOST["id"],)
    assert len(scene.names("b")) == 3
    with pytest.raises(NotFound):
        screening.refuse(scene.node, [BAD["id"]], by="anna", reason="again")


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (BAD, 1),
        (
            indicator(
                "x", pattern="[ipv4-addr:value = '45.9.1.7' OR domain-name:value = 'evil.test']"
            ),
            2,
        ),
        (indicator("x", pattern="[domain-name:value = 'a' AND url:value = 'http://b/']"), 0),
        (indicator("x", pattern="alert", pattern_type="snort"), 0),
        (HOST, 0),
    ],
)
def test_which_observables_stand_beside_it(content: dict[str, object], count: int) -> None:
    """Those of a value or several; of a pattern that says more, and of anything else, none."""
    assert len(observables_beside(content)) == count
