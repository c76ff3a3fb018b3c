"""An input that says a value for a narrower circle takes nothing back that another input gave."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, TLP, Scene

from cert_exchange.intake.building import own_id
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION, Onward, SharingTerms
from cert_exchange.services import ending, releasing, taking, terms
from cert_exchange.services.taking import Order, Source, Taken
from cert_exchange.store import objects

GREEN, AMBER, RED = (Order(markings=(TLP[one],)) for one in ("green", "amber", "red"))
FIRST = ["one.badzone.top", "two.badzone.top"]
SECOND = ["two.badzone.top", "three.badzone.top"]


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


@pytest.fixture
def sqlite_scene(sqlite_node: Node) -> Scene:
    return Scene.set_up(sqlite_node)


@pytest.fixture(autouse=True)
def _later(wall: Wall) -> None:
    """Each take of these tests begins later than the one before: a run knows what it stored itself by its time."""
    wall.forward(timedelta(seconds=1))


def take(
    scene: Scene,
    wall: Wall,
    values: list[str] | str,
    order: Order,
    name: str = "first.txt",
    said: SharingTerms | None = None,
    *,
    carry: bool = False,
) -> Taken:
    wall.forward(timedelta(minutes=1))
    body = (values if isinstance(values, str) else "\n".join(values) + "\n").encode()
    given = Source(name, lambda: io.BytesIO(body), len(body))
    how = taking.understand(given, order)
    return taking.take(
        scene.node, given, how, order, collection="indicators", by="desk", terms=said,
        carried=said if carry else None,
    )  # fmt: skip


def indicators(scene: Scene, partner: str) -> dict[str, str]:
    return {one["name"]: one["id"] for one in scene.sees(partner) if one["type"] == "indicator"}


def groupings(scene: Scene, partner: str) -> dict[str, list[str]]:
    return {
        one["name"]: one["object_refs"] for one in scene.sees(partner) if one["type"] == "grouping"
    }


def test_a_narrower_list_takes_nothing_back_and_tells_nobody(scene: Scene, wall: Wall) -> None:
    """A RED list of another name: partners' logs do not move, and both lists again add nothing."""
    take(scene, wall, FIRST, GREEN)
    before = {one: scene.log(one) for one in ("b", "c")}
    taken = take(scene, wall, SECOND, RED, "second.txt")
    assert taken.found.apart == 1
    assert {one: scene.log(one) for one in ("b", "c")} == before
    assert set(groupings(scene, "b")) == {"first.txt"}
    for values, order, name in ((FIRST, GREEN, "first.txt"), (SECOND, RED, "second.txt")):
        assert set(take(scene, wall, values, order, name).results) == {"duplicate"}
    assert {one: scene.log(one) for one in ("b", "c")} == before


def test_who_may_see_the_narrower_statement_sees_all_of_it(sqlite_scene: Scene, wall: Wall) -> None:
    """AMBER beside GREEN: the second list is whole for its readers, with an indicator of its own on the same observable."""
    scene = sqlite_scene
    take(scene, wall, FIRST, GREEN)
    first = indicators(scene, "b")["two.badzone.top"]
    take(scene, wall, SECOND, AMBER, "second.txt")
    lists = groupings(scene, "b")
    assert first in lists["first.txt"]
    assert first not in lists["second.txt"]
    held = {one["id"] for one in scene.sees("b")}
    assert all(ref in held for refs in lists.values() for ref in refs)
    joins = [one for one in scene.sees("b") if one["type"] == "relationship"]
    assert {one["source_ref"] for one in joins} == {ref for refs in lists.values() for ref in refs}
    domains = [one for one in scene.sees("b") if one["type"] == "domain-name"]
    assert len(domains) == 3
    assert {one["object_marking_refs"][0] for one in domains if one["value"] != SECOND[1]} == {
        TLP["green"]
    }


@pytest.mark.parametrize(
    "said",
    [
        SharingTerms(only_to=(frozenset({"b"}),)),
        SharingTerms(not_to=frozenset({"c"})),
        SharingTerms(embargo_until=4_102_444_800_000_000),
    ],
    ids=["only-to", "not-to", "embargo"],
)
def test_terms_of_a_second_list_bind_its_own_statement(
    sqlite_scene: Scene, wall: Wall, said: SharingTerms
) -> None:
    """The partner that the terms shut out keeps what the first list gave it, and gets nothing of the second."""
    take(sqlite_scene, wall, FIRST, GREEN)
    before = sqlite_scene.log("c")
    for _ in range(2):
        take(sqlite_scene, wall, SECOND, GREEN, "second.txt", said)
        assert sqlite_scene.log("c") == before
    assert "three.badzone.top" not in str(sqlite_scene.sees("c"))


def test_the_same_input_narrows_what_it_said(sqlite_scene: Scene, wall: Wall) -> None:
    """Published again under the same name as RED: taken back, nothing of it stays GREEN."""
    take(sqlite_scene, wall, FIRST, GREEN)
    assert take(sqlite_scene, wall, FIRST, RED).found.apart == 0
    assert not indicators(sqlite_scene, "b")
    assert "badzone" not in str(sqlite_scene.sees("b"))


def test_a_narrowed_second_list_narrows_its_own_statement(sqlite_scene: Scene, wall: Wall) -> None:
    """AMBER beside GREEN, then RED: its own statement is tightened, no third one is made, the first stays."""
    take(sqlite_scene, wall, FIRST, GREEN)
    take(sqlite_scene, wall, SECOND, AMBER, "second.txt")
    take(sqlite_scene, wall, SECOND, RED, "second.txt")
    assert set(indicators(sqlite_scene, "b")) == set(FIRST)
    assert set(groupings(sqlite_scene, "b")) == {"first.txt"}
    again = take(sqlite_scene, wall, SECOND, RED, "second.txt")
    assert set(again.results) == {"duplicate"}


def test_a_red_report_that_names_a_technique_takes_no_report_back(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """Everybody may know techniques and CVEs: whichever report comes first, each is whole for its readers."""
    public, secret = "Uses T1059.001 and CVE-2021-44228.\n", "It was T1059.001, CVE-2024-3400.\n"
    form = {"form": taking.Format.TEXT}
    take(sqlite_scene, wall, public, Order(markings=GREEN.markings, **form), "public")  # type: ignore[arg-type]  # one word of Order
    before = sqlite_scene.log("b")
    take(sqlite_scene, wall, secret, Order(markings=RED.markings, **form), "secret")  # type: ignore[arg-type]  # one word of Order
    assert sqlite_scene.log("b") == before
    third = "Seen with CVE-2024-3400.\n"
    take(sqlite_scene, wall, third, Order(markings=GREEN.markings, **form), "third")  # type: ignore[arg-type]  # one word of Order
    seen = sqlite_scene.sees("b")
    assert {one["name"] for one in seen if one["type"] == "report"} == {"public", "third"}
    assert "CVE-2024-3400" in {one.get("name") for one in seen}


def test_a_list_that_names_what_is_red_goes_out_without_it(sqlite_scene: Scene, wall: Wall) -> None:
    """A value of a RED list stays RED; the GREEN list that names it too is not lost for that."""
    take(sqlite_scene, wall, SECOND, RED, "second.txt")
    take(sqlite_scene, wall, FIRST, GREEN)
    assert set(indicators(sqlite_scene, "b")) == {"one.badzone.top"}
    assert [len(refs) for refs in groupings(sqlite_scene, "b").values()] == [1]


@pytest.mark.parametrize("order", ["blocked", "marked"])
def test_nothing_goes_beside_what_a_person_keeps_back(scene: Scene, wall: Wall, order: str) -> None:
    """What our desk blocked or marked RED does not come round in another list's object."""
    take(scene, wall, FIRST, GREEN)
    kept = indicators(scene, "b")["two.badzone.top"]
    if order == "blocked":
        releasing.withdraw(scene.node, kept, by="desk", reason="ours", block=True)
    else:
        terms.mark(scene.node, kept, "red", by="desk", reason="ours")
    assert "two.badzone.top" not in indicators(scene, "b")
    taken = take(scene, wall, SECOND, AMBER, "second.txt")
    assert taken.found.apart == 0
    assert "two.badzone.top" not in indicators(scene, "b")


def test_terms_that_an_object_carries_are_not_lost_by_another_publication(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """`--carry --onward none`, then the same list without: receivers are still bound."""
    take(sqlite_scene, wall, FIRST, GREEN, said=SharingTerms(onward=Onward.NONE), carry=True)
    take(sqlite_scene, wall, ["two.badzone.top"], GREEN, "second.txt")
    carried: list[Any] = [
        one["extensions"][EXTENSION]["onward"]
        for one in sqlite_scene.sees("b")
        if one["type"] == "indicator"
    ]
    assert carried == ["none", "none"]


def test_what_two_lists_say_alike_one_of_them_does_not_narrow(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """The second list said GREEN too, and says RED now: its own values go, the shared one stays for the first list."""
    take(sqlite_scene, wall, FIRST, GREEN)
    take(sqlite_scene, wall, SECOND, GREEN, "second.txt")
    assert take(sqlite_scene, wall, SECOND, RED, "second.txt").found.apart == 1
    assert set(indicators(sqlite_scene, "b")) == set(FIRST)
    assert len(groupings(sqlite_scene, "b")["first.txt"]) == 2


def test_a_name_that_begins_alike_is_another_list(sqlite_scene: Scene, wall: Wall) -> None:
    """`pp (phishing)` is not a part of `pp`; `pp (part 1 of 2)` would be."""
    take(sqlite_scene, wall, FIRST, GREEN, "pp (phishing)")
    take(sqlite_scene, wall, FIRST, RED, "pp")
    assert set(indicators(sqlite_scene, "b")) == set(FIRST)


def test_a_list_that_was_narrower_for_a_time_has_a_list_for_all_readers_again(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """GREEN, RED, GREEN with a new value: what became RED stays so, the new one stands in a list that its readers see."""
    take(sqlite_scene, wall, FIRST, GREEN)
    take(sqlite_scene, wall, FIRST, RED)
    assert not groupings(sqlite_scene, "b")
    for _ in range(2):
        again = take(sqlite_scene, wall, [*FIRST, "new.badzone.top"], GREEN)
        assert set(indicators(sqlite_scene, "b")) == {"new.badzone.top"}
        assert [len(refs) for refs in groupings(sqlite_scene, "b").values()] == [1]
    assert set(again.results) == {"duplicate"}


@pytest.mark.parametrize("how", ["marked", "bound", "red list"])
def test_coming_back_undoes_nothing_that_was_narrowed(
    sqlite_scene: Scene, wall: Wall, how: str
) -> None:
    """Delisted and listed again, a value does not get round what a person or another input said of it."""
    scene = sqlite_scene
    if how == "red list":
        take(scene, wall, ["two.badzone.top"], RED, "secret.txt")
    take(scene, wall, FIRST, GREEN)
    with scene.node.database.reading() as conn:
        kept = own_id(scene.node.identity, "indicator", "domain:two.badzone.top")
        assert objects.idents_of(conn, [kept])
    if how == "marked":
        terms.mark(scene.node, kept, "red", by="desk", reason="ours")
    if how == "bound":
        said = SharingTerms(only_to=(frozenset({"c"}),))
        terms.set_terms(scene.node, kept, said, by="desk", reason="theirs")
    take(scene, wall, FIRST[:1], GREEN)
    if how == "red list":
        take(scene, wall, ["none.badzone.top"], RED, "secret.txt")
    dropped = [stix_id for stix_id, _ in ending.look(scene.node, "first.txt").indicators]
    if how == "red list":
        dropped = [kept]
    assert dropped == [kept]
    ending.delist(scene.node, dropped, by="desk", reason="not listed")
    take(scene, wall, FIRST, GREEN)
    assert "two.badzone.top" not in indicators(scene, "b")
    assert "two.badzone.top" not in str(scene.sees("b"))
    take(scene, wall, FIRST, replace(GREEN, again=True))
    assert ("two.badzone.top" in indicators(scene, "b")) == (how == "red list")


def test_former_lists_and_hidden_names_are_known_again(sqlite_scene: Scene, wall: Wall) -> None:
    """What a list named before, and was not delisted, is still its own to narrow."""
    take(sqlite_scene, wall, FIRST, GREEN)
    take(sqlite_scene, wall, FIRST[:1], GREEN)
    take(sqlite_scene, wall, FIRST, RED)
    assert not indicators(sqlite_scene, "b")


def test_a_disputed_value_is_not_changed_by_another_list(scene: Scene, wall: Wall) -> None:
    """A partner's opinion does not let a second, RED list take the first one back; its own list tells its readers alone."""
    take(scene, wall, FIRST, GREEN)
    kept = indicators(scene, "b")["two.badzone.top"]
    opinion = {
        "type": "opinion", "spec_version": "2.1", "id": "opinion--7f2c1ab0-3f43-4b4c-9a4c-0d6a7c3b1f01",
        "created_by_ref": B_IDENTITY, "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
        "opinion": "strongly-disagree", "object_refs": [kept],
    }  # fmt: skip
    scene.post("b", opinion)
    before = {one: scene.log(one) for one in ("b", "c")}
    take(scene, wall, SECOND, RED, "second.txt")
    assert {one: scene.log(one) for one in ("b", "c")} == before
    take(scene, wall, FIRST, RED)  # its own list says so too now: nobody says GREEN any more
    assert "two.badzone.top" not in indicators(scene, "b")


def test_the_end_of_the_first_tells_nobody_of_the_narrower_one(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """Delisted, the first indicator is revoked; its observable goes no other way than without the RED list."""
    scene = sqlite_scene
    take(scene, wall, FIRST, GREEN)
    take(scene, wall, SECOND, RED, "second.txt")
    take(scene, wall, FIRST[:1], GREEN)
    dropped = [stix_id for stix_id, _ in ending.look(scene.node, "first.txt").indicators]
    before = len(scene.log("b"))
    ending.delist(scene.node, dropped, by="desk", reason="not listed")
    added = scene.log("b")[before:]
    assert {kind for _, kind, _ in added} == {"release"}
    take(scene, wall, FIRST, GREEN)
    again = take(scene, wall, SECOND, RED, "second.txt")
    assert set(again.results) == {"duplicate"}


def test_a_label_that_binds_and_a_doubt_of_another_list_take_nothing_back(
    sqlite_scene: Scene, wall: Wall
) -> None:
    """A policy denies `do-not-share` and what is not sure: another list's word of either leaves the first list as it is."""
    scene = sqlite_scene
    scene.apply(
        "b",
        "partners: [b]\ncollections: [indicators]\nceiling: {tlp: amber}\nrules:\n"
        "  - {name: internal, match: {labels: [do-not-share]}, deny: true}\n"
        "  - {name: weak, match: {confidence: {at_most: 30}}, deny: true}\n"
        "  - {name: ours, match: {origin: own}, allow: true}\n",
    )
    sure = replace(GREEN, confidence=90)
    take(scene, wall, FIRST, sure)
    before = scene.log("b")
    table = replace(GREEN, form=taking.Format.CSV)
    for _ in range(2):
        said = "value,tags\none.badzone.top,Do-Not-Share\n"
        take(scene, wall, said, table, "labelled.csv")
        again = take(scene, wall, FIRST[1:], replace(GREEN, confidence=10), "weak.txt")
    assert [one for one in scene.log("b")[len(before) :] if one[1] == "withdrawal"] == []
    assert set(indicators(scene, "b")) == set(FIRST)
    assert set(again.results) == {"duplicate"}
    assert {one["confidence"] for one in scene.sees("b") if one["type"] == "indicator"} == {90}
    take(scene, wall, FIRST, replace(GREEN, confidence=10))  # its own doubt counts
    assert "one.badzone.top" not in indicators(scene, "b")
