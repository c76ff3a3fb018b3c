"""What a person answers of a held indicator counts for the observable that `publish` made beside it, and says so."""

from __future__ import annotations

import io
import json

import pytest
from tests.scenes import Scene, address, envelope, indicator, relationship, uid

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.services import publishing, screening, taking
from cert_exchange.services.pairing import HELD_WITH, observables_beside
from cert_exchange.services.screening import State
from cert_exchange.services.taking import Order, Source

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


def misp(name: str, *, looked_for: bool) -> Source:
    """An event of one domain."""
    attribute = {"uuid": uid(f"{name} attribute"), "type": "domain", "value": "told.bad.net",
                 "category": "Network activity", "to_ids": looked_for}  # fmt: skip
    event = {"uuid": uid(name), "info": name, "date": "2026-11-02", "Attribute": [attribute],
             "Tag": [{"name": "tlp:green"}]}  # fmt: skip
    body = json.dumps({"Event": event}).encode()
    return Source(f"{name}.json", lambda: io.BytesIO(body), len(body))


def take(scene: Scene, source: Source) -> taking.Taken:
    how = taking.understand(source, Order())
    return taking.take(scene.node, source, how, Order(), collection="indicators", by="desk")


def test_what_was_only_told_of_goes_out_when_it_is_to_be_looked_for(scene: Scene) -> None:
    """The reason why it was held is gone; a repetition of the first says nothing else."""
    take(scene, misp("context", looked_for=False))
    (waiting,) = held(scene)
    done = take(scene, misp("alarm", looked_for=True))
    assert done.let_in == 1
    assert held(scene) == set()
    seen = scene.ids("b")
    assert waiting in seen
    assert [one for one in seen if one.startswith("relationship--")]
    again = take(scene, misp("context", looked_for=False))
    assert (again.let_in, held(scene)) == (0, set())


def test_what_a_person_refused_stays_so(scene: Scene) -> None:
    take(scene, misp("context", looked_for=False))
    screening.refuse(scene.node, held(scene), by="anna", reason="it is theirs")
    assert take(scene, misp("alarm", looked_for=True)).let_in == 0
    assert not [one for one in scene.ids("b") if one.startswith("domain-name--")]
