"""A drill never looks real: what is marked TEST reaches only who takes part, and our own lists and files say so."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from sqlalchemy import update
from tests.scenes import (
    B_IDENTITY,
    Scene,
    address,
    envelope,
    indicator,
    malware,
    note,
    relationship,
)

from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION, SharingTerms
from cert_exchange.services import bundling, holdings, publishing, terms
from cert_exchange.services.bundling import Exported
from cert_exchange.store.tables import terms as terms_table

REAL = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - {{name: all, match: {{origin: any}}, allow: true}}
"""
TAKES_PART = REAL + "  - {{name: drills, match: {{origin: any, test: true}}, allow: true}}\n"
MARK = {EXTENSION: {"extension_type": "property-extension", "test": True}}
ONE, TWO = indicator("drilled"), malware("drilled malware")
LINK = relationship(ONE, TWO)
BARE = address("198.51.100.9")
DRILL = (ONE, TWO, LINK, BARE)


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def scene(node: Node) -> Scene:
    """Real objects go to b and c; a drill to c alone."""
    made = Scene.set_up(node, policies_for=())
    made.apply("b", REAL.format(partner="b"))
    made.apply("c", TAKES_PART.format(partner="c"))
    made.publish(indicator("real"), address("198.51.100.8"))
    drill(made, *DRILL)
    return made


def drill(scene: Scene, *objects: dict[str, Any]) -> None:
    """As `publish --test` does: the mark in what can carry it, and beside all."""
    told = SharingTerms(test=True)
    body = publishing.carry_terms(scene.node, envelope(*objects), told)
    publishing.publish(scene.node, body, collection="indicators", by="anna", terms=told)


def exported(scene: Scene, view: str, *, tests: bool = False) -> tuple[set[str], Exported]:
    file = io.BytesIO()
    done = bundling.export(scene.node, view, file, tests=tests)
    found = json.loads(file.getvalue()).get("objects", [])
    assert len(found) == done.written
    return {one["id"] for one in found}, done


def ids(*objects: dict[str, Any]) -> set[str]:
    return {str(one["id"]) for one in objects}


def test_who_takes_no_part_sees_nothing_of_a_drill(scene: Scene) -> None:
    assert ids(*DRILL).isdisjoint(scene.ids("b"))
    assert ids(*DRILL) <= set(scene.ids("c"))


def test_what_can_say_test_says_it_to_who_takes_part(scene: Scene) -> None:
    """The observable cannot: its id may depend on all that is in it."""
    shown = {one["id"]: one for one in scene.sees("c")}
    for one in (ONE, TWO, LINK):
        assert shown[one["id"]]["extensions"][EXTENSION]["test"] is True
    assert "extensions" not in shown[BARE["id"]]


def test_an_export_leaves_a_drill_out_unless_it_is_asked_for(scene: Scene) -> None:
    """Who makes a blocklist of the file would take the observable for real."""
    found, done = exported(scene, "c/indicators")
    assert ids(*DRILL).isdisjoint(found)
    assert ids(indicator("real"), address("198.51.100.8")) <= found
    assert done.left_out == len(DRILL)
    whole, all_of_it = exported(scene, "c/indicators", tests=True)
    assert whole == set(scene.ids("c"))
    assert all_of_it.left_out == 0
    assert exported(scene, "b/indicators", tests=True)[0] == set(scene.ids("b"))


def test_an_export_of_nothing_but_a_drill_is_an_empty_bundle(node: Node) -> None:
    made = Scene.set_up(node, policies_for=())
    made.apply("c", TAKES_PART.format(partner="c"))
    drill(made, address("198.51.100.9", tlp=None))
    assert exported(made, "c/indicators") == (set(), Exported(0, 1))


def test_our_own_lists_say_test(scene: Scene) -> None:
    """`search`, `show` and `received`: of what carries the mark and of what only lies beside terms."""
    assert {hit.stix_id: hit.test for hit in holdings.search(scene.node)} == {
        hit.stix_id: hit.stix_id in ids(*DRILL) for hit in holdings.search(scene.node)
    }
    assert [story.hit.test for story in holdings.show(scene.node, str(BARE["id"]))] == [True]
    marked = indicator("of b", by=B_IDENTITY, extensions=MARK)
    about = note("heard", [str(ONE["id"])], by=B_IDENTITY, extensions=MARK)
    plain = indicator("real of b", by=B_IDENTITY)
    scene.post("b", marked, about, plain)
    kept, _ = holdings.received(scene.node, "b")
    assert {hit.stix_id for hit in kept if hit.test} == ids(marked, about)
    assert len(kept) == 3


def test_a_partners_drill_goes_to_nobody_who_takes_no_part(scene: Scene) -> None:
    marked = indicator("of b", by=B_IDENTITY, extensions=MARK)
    scene.post("b", marked)
    assert str(marked["id"]) in scene.ids("c")
    scene.apply("c", REAL.format(partner="c"))
    assert ids(marked, *DRILL).isdisjoint(scene.ids("c"))
    assert str(indicator("real")["id"]) in scene.ids("c")


def test_an_observable_of_another_is_not_of_our_drill(scene: Scene) -> None:
    """Only our own copy is: b really sent this address, and c gets that copy."""
    scene.post("b", BARE)
    hits = {hit.origin: hit.test for hit in holdings.search(scene.node, text=str(BARE["id"]))}
    assert hits == {"own": True, "b": False}


def test_what_stands_for_something_of_a_drill_is_left_out_as_well(node: Node) -> None:
    """Also where only our terms beside the original say TEST."""
    made = Scene.set_up(node, policies_for=())
    cut = (
        "  - {{name: cut, match: {{origin: own, test: true}}, redact: {{remove: [description]}}}}\n"
    )
    made.apply("c", (TAKES_PART + cut).format(partner="c"))
    beside = indicator("beside", description="we saw it")
    made.publish(beside)
    drill(made, indicator("carried", description="we saw it"))
    terms.set_terms(node, str(beside["id"]), SharingTerms(test=True), by="anna", reason="drill")
    assert [one["name"] for one in made.sees("c") if one["type"] == "indicator"] == [
        "carried",
        "beside",
    ]
    assert ids(beside).isdisjoint(made.ids("c"))
    assert exported(made, "c/indicators")[1].left_out == 2


def test_terms_that_cannot_be_read_are_called_so(scene: Scene) -> None:
    """Nothing of it is shared anyhow; in a list it must look neither real nor like a drill."""
    broken = indicator(
        "odd", extensions={EXTENSION: {"extension_type": "property-extension", "test": 3}}
    )
    scene.publish(broken)
    (hit,) = holdings.search(scene.node, text=str(broken["id"]))
    assert (hit.test, hit.unreadable) == (False, True)
    assert not holdings.is_of_exercise(scene.node, str(broken["id"]))
    (plain,) = holdings.search(scene.node, text=str(indicator("real")["id"]))
    assert (plain.test, plain.unreadable) == (False, False)
    # The same of what our desk's terms beside it say, as another version of the program wrote them.
    spoil = update(terms_table).values(terms='{"test": true, "later": 1}')
    scene.node.database.transact(lambda tx: tx.execute(spoil))
    (beside,) = holdings.search(scene.node, text=str(BARE["id"]))
    assert (beside.test, beside.unreadable) == (False, True)
