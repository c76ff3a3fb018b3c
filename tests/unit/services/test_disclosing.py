"""What had been disclosed to whom at an instant: what was there, what was fetched by then, and what is not known."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import Wall
from tests.scenes import Scene, indicator

from cert_exchange.errors import NotFound
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.services import disclosing, ledger, recalling, releasing
from cert_exchange.services.disclosing import Disclosure

DAY = timedelta(days=1)


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


def fetch(scene: Scene, partner: str = "b") -> None:
    """The partner polls to the end, and the worker writes it down."""
    view = scene.view(partner)
    scene.node.marks.advance(scene.partner(partner), view, scene.log(partner)[-1][0])
    ledger.note_fetches(scene.node)


def told(scene: Scene, on: int, partner: str = "b") -> dict[str, Disclosure]:
    found = disclosing.disclosed(scene.node, partner, on=on)
    return {one.stix_id: one for one in found if one.stix_id.startswith("indicator--")}


def test_each_day_is_told_as_it_was(scene: Scene, wall: Wall) -> None:
    """Day by day: not there, there, fetched, taken back; later knowledge changes no earlier day."""
    one, two = indicator("one"), indicator("two")
    days = [scene.node.now()]
    wall.forward(DAY)
    scene.publish(one)
    days.append(scene.node.now())
    wall.forward(DAY)
    fetch(scene)
    scene.publish(two)
    days.append(scene.node.now())
    wall.forward(DAY)
    releasing.withdraw(
        scene.node, one["id"], version=None, collection="indicators", by="desk", reason="wrong"
    )
    days.append(scene.node.now())
    wall.forward(DAY)
    fetch(scene)
    days.append(scene.node.now())
    said = [
        {name: (str(row.has), row.until is not None) for name, row in told(scene, day).items()}
        for day in days
    ]
    assert said == [
        {},
        {one["id"]: ("not fetched", False)},
        {one["id"]: ("fetched", False), two["id"]: ("not fetched", False)},
        {one["id"]: ("fetched", True), two["id"]: ("not fetched", False)},
        {one["id"]: ("fetched", True), two["id"]: ("fetched", False)},
    ]
    row = told(scene, days[-1])[one["id"]]
    assert days[0] < row.since < days[1] < row.noted_at < row.until < days[-1]
    assert row.rule == "all of ours"
    assert row.collection == "indicators"


def test_each_line_names_the_one_that_proves_it(scene: Scene) -> None:
    """The number of the ledger line, once it is sealed, and the digest of the bytes."""
    from hashlib import sha256

    from sqlalchemy import select

    from cert_exchange.store.tables import ledger_lines, renditions

    scene.publish(indicator("one"))
    assert told(scene, scene.node.now())[indicator("one")["id"]].line is None
    ledger.seal(scene.node)
    row = told(scene, scene.node.now())[indicator("one")["id"]]
    with scene.node.database.reading() as tx:
        body = tx.execute(
            select(ledger_lines.c.body).where(ledger_lines.c.seq == row.line)
        ).scalar()
        bodies = tx.execute(select(renditions.c.body)).scalars().all()
    assert body is not None
    assert '"released"' in body
    assert row.digest in {sha256(one.encode()).hexdigest() for one in bodies}


def test_only_what_was_released_to_that_partner(scene: Scene) -> None:
    """What goes to c alone, and what is red, is not in b's account; an unknown partner is an error."""
    scene.apply(
        "b",
        "partners: [b]\ncollections: [indicators]\nceiling: {tlp: amber, unmarked: green}\n"
        "rules:\n  - name: nothing\n    match: {type: [grouping], origin: own}\n    allow: true\n",
    )
    scene.publish(indicator("one"), indicator("red", tlp="red"))
    assert told(scene, scene.node.now(), "b") == {}
    assert set(told(scene, scene.node.now(), "c")) == {indicator("one")["id"]}
    with pytest.raises(NotFound):
        disclosing.disclosed(scene.node, "nobody", on=scene.node.now())


def test_what_is_not_known_is_maybe(scene: Scene, wall: Wall) -> None:
    """Fetched before or after it was taken back: nobody knows. Marks that were lost: nobody knows. A recall that looked: known."""
    one, two = indicator("one"), indicator("two")
    scene.publish(one)
    wall.forward(DAY)
    releasing.withdraw(
        scene.node, one["id"], version=None, collection="indicators", by="desk", reason="wrong"
    )
    scene.publish(two)
    fetch(scene)
    rows = told(scene, scene.node.now())
    assert (str(rows[one["id"]].has), str(rows[two["id"]].has)) == ("maybe", "fetched")
    three = indicator("three")
    scene.publish(three)
    recalling.recall(scene.node, three["id"], by="desk", reason="mistake", freeze="none")
    scene.publish(indicator("four"))
    fetch(scene)
    rows = told(scene, scene.node.now())
    assert str(rows[three["id"]].has) == "not fetched"
    node = scene.node
    line = Line("marks.rebuilt", node.now(), "node", facts={"marks": 2})
    node.database.transact(lambda tx: ledger.record(tx, line))
    scene.publish(indicator("five"))
    wall.forward(timedelta(seconds=1))
    rows = told(scene, node.now())
    assert str(rows[indicator("five")["id"]].has) == "maybe"
    assert str(rows[two["id"]].has) == "fetched"


def test_what_came_back_is_one_more_line(scene: Scene, wall: Wall) -> None:
    """Taken back and shared again: two spans, each with its own beginning."""
    one = indicator("one")
    scene.publish(one)
    releasing.withdraw(
        scene.node, one["id"], version=None, collection="indicators", by="desk", reason="wrong"
    )
    wall.forward(DAY)
    scene.publish(indicator("one", version=1))
    found = [
        row
        for row in disclosing.disclosed(scene.node, "b", on=scene.node.now())
        if row.stix_id == one["id"]
    ]
    assert len(found) >= 2
    assert found[0].until is not None
    assert [row.until for row in found].count(None) >= 1
