"""A list that comes again: longer, shorter, emptied, under one name with another, or with what an id cannot be used for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, TLP, Scene, indicator

from cert_exchange.intake.building import own_id
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services import ending, releasing, revoking, taking
from cert_exchange.services.taking import Found, Order, Source, Taken, Together
from cert_exchange.services.taking.generations import MOST

GREEN = Order(markings=(TLP["green"],), form=taking.Format.LIST)
TABLE = replace(GREEN, form=taking.Format.CSV)


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


@pytest.fixture
def sqlite_scene(sqlite_node: Node) -> Scene:
    return Scene.set_up(sqlite_node)


def given(name: str, values: Sequence[str], head: str = "") -> Source:
    body = (head + "".join(f"{one}\n" for one in values)).encode()
    return Source(name, lambda: io.BytesIO(body), len(body))


def publish(
    scene: Scene,
    wall: Wall,
    *sources: Source,
    order: Order = GREEN,
    terms: SharingTerms | None = None,
) -> tuple[list[Found], list[Taken]]:
    """As the command does it: all inputs are walked through, then taken in."""
    wall.forward(timedelta(minutes=1))
    inputs = [(one, taking.understand(one, order)) for one in sources]
    together = Together(inputs, order)
    looked = [
        taking.look(
            scene.node, source, how, order, collection="indicators", by="desk", terms=terms, together=together
        )
        for source, how in inputs
    ]  # fmt: skip
    together = together.again()
    return looked, [
        taking.take(
            scene.node, source, how, order, collection="indicators", by="desk", terms=terms, together=together
        )
        for source, how in inputs
    ]  # fmt: skip


def hosts(first: int, last: int) -> list[str]:
    return [f"h{number}.badzone.top" for number in range(first, last)]


def named(scene: Scene, partner: str = "b") -> dict[str, set[str]]:
    """By the names of lists that a partner sees: what they name, by name."""
    seen = scene.sees(partner)
    names = {one["id"]: one.get("name", one["id"]) for one in seen}
    return {
        one["name"]: {names[ref] for ref in one["object_refs"]}
        for one in seen
        if one["type"] == "grouping"
    }


def test_a_list_that_shrinks_keeps_its_parts_and_can_be_delisted(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """From two parts to less than one: each part names what is left of it, and what was dropped is found by the name."""
    scene = sqlite_scene
    publish(scene, wall, given("daily", hosts(0, 1_010)))
    assert len(named(scene)) == 2
    looked, _ = publish(scene, wall, given("daily", hosts(0, 100)))
    assert (looked[0].stay, looked[0].dropped) == (100, 910)
    parts = named(scene)
    assert len(parts) == 2
    assert set().union(*parts.values()) == set(hosts(0, 100))
    dropped = ending.look(scene.node, "daily")
    assert len(dropped.indicators) == 910
    assert len(dropped.lists) == 2


def test_what_was_delisted_comes_back_and_what_a_person_revoked_does_not(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """One notice for all that was dropped; a value that is listed again gets an id of its own, the same every time."""
    scene = sqlite_scene
    publish(scene, wall, given("daily", hosts(0, 4)))
    before = {one["name"]: one["id"] for one in scene.sees("b") if one["type"] == "indicator"}
    publish(scene, wall, given("daily", hosts(2, 4)))
    dropped = [stix_id for stix_id, _ in ending.look(scene.node, "daily").indicators]
    assert ending.delist(scene.node, dropped, by="anna", reason="not listed").revoked == 2
    revoking.revoke(scene.node, before["h2.badzone.top"], by="anna", reason="it is a CDN")
    for _ in range(2):
        _, taken = publish(scene, wall, given("daily", hosts(0, 4)))
    assert set(taken[0].results) == {"duplicate"}
    standing = {
        one["name"]: one["id"]
        for one in scene.sees("b")
        if one["type"] == "indicator" and not one.get("revoked")
    }
    assert set(standing) == {f"h{number}.badzone.top" for number in (0, 1, 3)}
    assert standing["h3.badzone.top"] == before["h3.badzone.top"]
    assert standing["h0.badzone.top"] not in before.values()


def test_delisting_knows_that_a_place_could_not_be_read(sqlite_scene: Scene, wall: Wall) -> None:
    """A value whose line cannot be read today seems dropped: that is said until the list was read whole."""
    publish(sqlite_scene, wall, given("daily", hosts(0, 3)))
    publish(sqlite_scene, wall, given("daily", [*hosts(0, 2), "h2.badzone.top ??? :::"]))
    assert ending.look(sqlite_scene.node, "daily").unread == 1
    both = (given("daily", ["h0.badzone.top ??? :::"]), given("daily", hosts(0, 2)))
    publish(sqlite_scene, wall, *both)
    assert ending.look(sqlite_scene.node, "daily").unread == 1
    publish(sqlite_scene, wall, given("daily", hosts(0, 2)))
    assert ending.look(sqlite_scene.node, "daily").unread == 0


def test_an_emptied_list_names_who_made_it(sqlite_scene: Scene, wall: Wall) -> None:
    """Only where a list of that name stands; what it named can be delisted then."""
    head = "value,comment\n"
    publish(
        sqlite_scene,
        wall,
        given("daily.csv", [f"{one},c2" for one in hosts(0, 2)], head),
        order=TABLE,
    )
    looked, _ = publish(sqlite_scene, wall, given("daily.csv", [], head), order=TABLE)
    assert (looked[0].findings, looked[0].dropped) == (0, 2)
    assert named(sqlite_scene) == {"daily.csv": {"CERT A"}}
    assert len(ending.look(sqlite_scene.node, "daily.csv").indicators) == 2
    looked, _ = publish(sqlite_scene, wall, given("other.csv", [], head), order=TABLE)
    assert not looked[0].objects


def test_inputs_of_one_name_make_one_list(sqlite_scene: Scene, wall: Wall) -> None:
    """In one command; and a list of that name with other values is said to be replaced."""
    order = replace(GREEN, name="one name")
    two = (given("a.txt", hosts(0, 2)), given("b.txt", hosts(1, 3)))
    looked, _ = publish(sqlite_scene, wall, *two, order=order)
    assert named(sqlite_scene) == {"one name": set(hosts(0, 3))}
    assert [one.objects > 0 for one in looked] == [True, True]
    looked, _ = publish(sqlite_scene, wall, given("c.txt", hosts(8, 9)), order=order)
    assert (looked[0].stay, looked[0].dropped) == (0, 3)


def test_the_strictest_that_a_table_says_counts_from_its_first_row(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """A value that is RED in the last of 1,011 rows is in nobody's log, not for a moment."""
    rows = [f"{one},green" for one in hosts(0, 1_010)] + ["h0.badzone.top,red"]
    publish(sqlite_scene, wall, given("late.csv", rows, "value,tlp\n"), order=TABLE)
    assert "h0.badzone.top" not in named(sqlite_scene).get("late.csv", set())
    ids = {own_id(sqlite_scene.node.identity, "indicator", "domain:h0.badzone.top")}
    assert not [one for one in sqlite_scene.log("b") if one[2] in ids or one[1] == "withdrawal"]


def test_an_id_that_a_partner_took_stops_nothing(scene: Scene, wall: Wall) -> None:
    """Ids can be reckoned. Ours goes under another; nothing of ours refers to the partner's object."""
    ours = scene.node.identity
    squatted = own_id(ours, "indicator", "domain:h0.badzone.top")
    scene.post("b", {**indicator("theirs", by=B_IDENTITY), "id": squatted})
    for _ in range(2):
        _, taken = publish(scene, wall, given("daily", hosts(0, 2)))
        assert not taken[0].outcomes
    assert set(taken[0].results) == {"duplicate"}
    assert named(scene, "c") == {"daily": set(hosts(0, 2))}
    mine: list[Any] = [one for one in scene.sees("c") if one.get("created_by_ref") == ours]
    assert squatted not in str(mine)


def test_where_every_id_is_taken_the_value_is_left_out_and_told(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """A partner that takes all generations stops one value, not the list around it; no reference leads to what it sent."""
    scene = sqlite_scene
    ours = scene.node.identity
    first = own_id(ours, "indicator", "domain:h0.badzone.top")
    taken_ids = [
        first,
        *(own_id(ours, "indicator", first, "again", str(n)) for n in range(1, MOST + 1)),
    ]
    theirs = [{**indicator("theirs", by=B_IDENTITY), "id": one} for one in taken_ids]
    scene.post("b", *theirs)
    looked, _ = publish(scene, wall, given("daily", hosts(0, 2)))
    assert looked[0].refusals == {"every id for it is held from another creator": 1}
    assert named(scene, "c") == {"daily": {"h1.badzone.top"}}
    mine: list[Any] = [one for one in scene.sees("b") if one.get("created_by_ref") == ours]
    assert not [one for one in taken_ids if one in str(mine)]


def test_labels_of_later_rows_bind_from_the_first_one(sqlite_scene: Scene, wall: Wall) -> None:
    """A value that stands twice bears the labels of both rows in the first version that anybody may see."""
    rows = ["h0.badzone.top,", "h1.badzone.top,", "h0.badzone.top,do-not-share"]
    publish(sqlite_scene, wall, given("l.csv", rows, "value,tags\n"), order=TABLE)
    seen = [one for one in sqlite_scene.sees("b", last=False) if one["type"] == "indicator"]
    assert {one["name"]: one.get("labels") for one in seen} == {
        "h0.badzone.top": ["do-not-share"], "h1.badzone.top": None,
    }  # fmt: skip


def test_what_was_withdrawn_stays_so_until_a_person_says_again(scene: Scene, wall: Wall) -> None:
    """The list of the night undoes no order; the grouping does without the value meanwhile."""
    publish(scene, wall, given("daily", hosts(0, 2)))
    one = next(one["id"] for one in scene.sees("b") if one.get("name") == "h0.badzone.top")
    releasing.withdraw(scene.node, one, by="anna", reason="ours")
    looked, _ = publish(scene, wall, given("daily", hosts(0, 2)))
    assert looked[0].refusals == {"it was withdrawn here, and stays so; --again shares it again": 1}
    assert named(scene) == {"daily": {"h1.badzone.top"}}
    amber = replace(GREEN, markings=(TLP["amber"],))
    publish(scene, wall, given("other", hosts(0, 3)), order=amber)
    assert len(named(scene)["other"]) == 2
    assert "h0.badzone.top" not in {one.get("name") for one in scene.sees("b")}
    publish(scene, wall, given("daily", hosts(0, 2)), order=replace(GREEN, again=True))
    assert named(scene)["daily"] == set(hosts(0, 2))


def test_what_comes_back_bears_the_labels_that_it_ended_with(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """A rule that looks at them is not got round by delisting."""
    head = "value,tags\n"
    rows = ["h0.badzone.top,do-not-share", "h1.badzone.top,"]
    publish(sqlite_scene, wall, given("l.csv", rows, head), order=TABLE)
    publish(sqlite_scene, wall, given("l.csv", rows[1:], head), order=TABLE)
    dropped = [stix_id for stix_id, _ in ending.look(sqlite_scene.node, "l.csv").indicators]
    ending.delist(sqlite_scene.node, dropped, by="anna", reason="not listed")
    bare = ["h0.badzone.top,", "h1.badzone.top,"]
    for _ in range(2):
        _, taken = publish(sqlite_scene, wall, given("l.csv", bare, head), order=TABLE)
    assert set(taken[0].results) == {"duplicate"}
    [back] = [
        one
        for one in sqlite_scene.sees("b")
        if one.get("name") == "h0.badzone.top" and not one.get("revoked")
    ]
    assert back["labels"] == ["do-not-share"]


def test_a_text_is_left_out_of_what_is_narrowed_as_well(sqlite_scene: Scene, wall: Wall) -> None:
    """What the input said before is tightened where it stands, without the text that names a RED value."""
    order = replace(TABLE, name="uf")
    publish(
        sqlite_scene, wall, given("one.csv", ["h0.badzone.top,"], "domain,comment\n"), order=order
    )
    rows = ["h0.badzone.top,talks to h9.badzone.top too,amber", "h9.badzone.top,,red"]
    publish(sqlite_scene, wall, given("two.csv", rows, "domain,comment,tlp\n"), order=order)
    assert "h9.badzone.top" not in str(sqlite_scene.sees("b", last=False))


def test_terms_that_leave_nobody_are_told(sqlite_scene: Scene, wall: Wall) -> None:
    """Carried to one partner alone, then to another alone: nobody is left, and that is said."""
    for name in ("b", "c"):
        wall.forward(timedelta(minutes=1))
        only = SharingTerms(only_to=(frozenset({name}),))
        source = given("daily", hosts(0, 1))
        how = taking.understand(source, GREEN)
        taken = taking.take(
            sqlite_scene.node, source, how, GREEN, collection="indicators", by="desk", terms=only, carried=only
        )  # fmt: skip
    assert any("nobody may have it" in why for why in taken.found.refusals)


def test_terms_that_stay_are_told(sqlite_scene: Scene, wall: Wall) -> None:
    """A value that went to one partner only goes on doing so when another list names it freely."""
    only = SharingTerms(only_to=(frozenset({"b"}),))
    publish(sqlite_scene, wall, given("first", hosts(0, 1)), terms=only)
    looked, _ = publish(sqlite_scene, wall, given("second", hosts(0, 2)))
    assert looked[0].bound == 1
    assert "h0.badzone.top" not in str(sqlite_scene.sees("c"))
