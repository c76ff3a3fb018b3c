"""What a feed for constituents says of others: no name, no answer and no id of what may not go to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import (
    B_IDENTITY,
    OWN_IDENTITY,
    TLP,
    Scene,
    address,
    at,
    identity,
    indicator,
    relationship,
    report,
    uid,
)

from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION, Onward, SharingTerms
from cert_exchange.services import feeding, overriding, releasing, terms
from cert_exchange.services.feeding import Format, Shelf, choose
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import Tlp
from cert_exchange.stix.observables import observable_id

BY: dict[str, Any] = {"by": "anna", "reason": "r"}


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    """A node with a bundle and a list of up to GREEN, and both for our own tools."""
    made = Scene.set_up(sqlite_node)
    for name, level in (("green", Tlp.GREEN), ("own", Tlp.AMBER_STRICT)):
        feeding.add(sqlite_node, f"{name}-stix", choose(Format.STIX, tlp=level), by="anna")
        feeding.add(sqlite_node, f"{name}-list", choose(Format.LIST, tlp=level), by="anna")
    return made


def about(name: str, value: str, **more: Any) -> dict[str, Any]:
    return indicator(name, pattern=f"[ipv4-addr:value = '{value}']", **more)


def whole(shelf: Shelf, name: str) -> dict[str, dict[str, Any]]:
    """The objects of a bundle by id."""
    body = shelf.serve(name).body or b""
    found = {one["id"]: one for one in json.loads(body).get("objects", ())}
    return {one: found[one] for one in found if not one.startswith("marking-definition")}


def values(shelf: Shelf, name: str) -> list[str]:
    return (shelf.serve(name).body or b"").decode().split()


def carried(**given: Any) -> dict[str, Any]:
    return {EXTENSION: {"extension_type": "property-extension", **given}}


def sighting(name: str, of: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "sighting", "spec_version": "2.1", "id": f"sighting--{uid(name)}", "created": at(1), "modified": at(1),
        "sighting_of_ref": of["id"], "object_marking_refs": [TLP["green"]], **more,
    }  # fmt: skip


def test_no_name_of_a_victim_is_in_a_feed_that_it_is_marked_above(scene: Scene) -> None:
    """Nor the objects that name it; who made an object stands beside it, marked or not."""
    red = identity(f"identity--{uid('bank')}", "REDVICTIM Bank", tlp="red", by=OWN_IDENTITY)
    bare = identity(f"identity--{uid('ministry')}", "BAREVICTIM Ministry", by=OWN_IDENTITY)
    friend = identity(f"identity--{uid('friend')}", "Friend", tlp="green", by=OWN_IDENTITY)
    one = about("one", "203.0.113.1")
    secret = about("secret", "203.0.113.2", tlp="amber")
    ended = about("ended", "203.0.113.3", valid_until=at(5))
    scene.publish(
        red, bare, friend, one, secret, ended,
        sighting("at red", one, where_sighted_refs=[red["id"]], created_by_ref=OWN_IDENTITY),
        sighting("at bare", one, where_sighted_refs=[bare["id"]], created_by_ref=OWN_IDENTITY),
        seen := sighting("at friend", one, where_sighted_refs=[friend["id"]], created_by_ref=OWN_IDENTITY),
        report("of secret", [one["id"], secret["id"]]),
        report("of red", [one["id"], red["id"]]),
        plain := report("plain", [one["id"], ended["id"]]),
        report("of reports", [report("of red", [])["id"]]),
    )  # fmt: skip
    shelf = Shelf(scene.node)
    green = whole(shelf, "green-stix")
    assert green.keys() == {OWN_IDENTITY, friend["id"], one["id"], plain["id"], seen["id"]}
    body = shelf.serve("green-stix").body or b""
    assert not [
        word for word in (b"VICTIM", red["id"].encode(), secret["id"].encode()) if word in body
    ]
    left = feeding.look(scene.node, "green-stix")[1].left_out
    assert len(left["it names what does not go in here"]) == 5
    assert left["marked above what goes in here"] == [red["id"], secret["id"]]
    assert left["not marked, and nothing that goes in names it"] == [bare["id"]]
    own = whole(shelf, "own-stix")
    assert {bare["id"], secret["id"]} < own.keys()
    assert red["id"] not in own


def test_what_was_withdrawn_comes_in_as_no_helper(node: Node) -> None:
    """Nor what is held, whichever collection the feed is of; the feed that was kept knows it at once."""
    scene = Scene.set_up(node)
    unit = identity(f"identity--{uid('unit')}", "WITHDRAWN UNIT", tlp="green", by=OWN_IDENTITY)
    one = about("one", "203.0.113.1", by=unit["id"])
    scene.publish(unit, to="reports")
    scene.publish(one)
    some: dict[str, Any] = {"collections": ("indicators",)}
    for name, more in (("all", dict[str, Any]()), ("some", some)):
        feeding.add(node, name, choose(Format.STIX, tlp=Tlp.GREEN, **more), by="anna")
    shelf = Shelf(node)
    assert [unit["id"] in whole(shelf, name) for name in ("all", "some")] == [True, True]
    releasing.withdraw(node, unit["id"], **BY)
    assert [whole(shelf, name).keys() for name in ("all", "some")] == [{one["id"]}, {one["id"]}]


def test_what_partners_answer_is_in_no_feed(scene: Scene) -> None:
    """Sightings, opinions, notes and the places that they name, also for our own tools; what our desk wrote is."""
    ours = about("ours", "203.0.113.1")
    scene.publish(ours)
    said: dict[str, Any] = {"created_by_ref": B_IDENTITY, "object_marking_refs": [TLP["green"]]}
    place = {
        "type": "location", "spec_version": "2.1", "id": f"location--{uid('place')}", "created": at(1), "modified": at(1),
        "name": "EE", "country": "EE", "extensions": carried(only_to=[OWN_IDENTITY], onward="none"), **said,
    }  # fmt: skip
    opinion = {
        "type": "opinion", "spec_version": "2.1", "id": f"opinion--{uid('o')}", "created": at(1), "modified": at(1),
        "opinion": "agree", "object_refs": [ours["id"]], **said,
    }  # fmt: skip
    note = {
        "type": "note", "spec_version": "2.1", "id": f"note--{uid('n')}", "created": at(1), "modified": at(1),
        "content": "seen at Bank X", "object_refs": [ours["id"]], **said,
    }  # fmt: skip
    seen = sighting("b", ours, where_sighted_refs=[place["id"]], description="seen at Bank X", **said)  # fmt: skip
    outcomes = scene.post("b", place, opinion, note, seen)
    assert len(outcomes) == 4
    scene.publish(kept := sighting("we", ours, created_by_ref=OWN_IDENTITY))
    shelf = Shelf(scene.node)
    for name in ("own-stix", "green-stix"):
        found = whole(shelf, name)
        assert found.keys() - {OWN_IDENTITY} == {ours["id"], kept["id"]}
    feeding.add(scene.node, "misp", choose(Format.MISP), by="anna")
    assert b"Bank X" not in (shelf.serve("misp").body or b"")
    left = feeding.look(scene.node, "own-stix")[1].left_out
    assert len(left["said to our desk by a partner"]) == 4


def test_terms_hold_towards_constituents_and_not_towards_our_own_tools(
    scene: Scene, wall: Wall
) -> None:
    """Whoever states them, in the object or beside it; an embargo ends by itself."""
    node = scene.node
    soon = node.now() + 3_600_000_000
    inside: dict[str, dict[str, Any]] = {
        "1": {"only_to": ["country:DE"]},
        "2": {"not_to": ["country:DE"]},
        "3": {"embargo_until": format_micros(soon)},
        "4": {"onward": "none"},
        "5": {"onward": "ask"},
        "6": {"onward": "free"},
    }
    scene.post(
        "b",
        *(
            about(f"b{key}", f"203.0.113.{key}", by=B_IDENTITY, extensions=carried(**one))
            for key, one in inside.items()
        ),
    )
    beside = {
        "11": SharingTerms(only_to=(frozenset({"b"}),)),
        "12": SharingTerms(not_to=frozenset({"c"})),
        "13": SharingTerms(embargo_until=soon),
        "14": SharingTerms(onward=Onward.NONE),
    }
    for key, said in beside.items():
        one = about(f"ours{key}", f"203.0.113.{key}")
        scene.publish(one)
        terms.set_terms(node, one["id"], said, **BY)
    scene.publish(kept := about("kept", "203.0.113.15"), about("plain", "203.0.113.16"))
    overriding.override(node, kept["id"], "no-share", **BY)
    shelf = Shelf(node)
    assert values(shelf, "green-list") == ["203.0.113.16", "203.0.113.6"]
    assert len(values(shelf, "own-list")) == 12
    left = feeding.look(node, "green-list")[1].left_out
    assert len(left["its terms do not let it go on"]) == 10
    wall.forward(timedelta(hours=2))
    assert values(shelf, "green-list") == [
        "203.0.113.13", "203.0.113.16", "203.0.113.3", "203.0.113.6",
    ]  # fmt: skip


def test_a_source_that_may_not_be_named_is_not(scene: Scene) -> None:
    """Chatham House rule: whole objects that name their creator stay out; a list names nobody."""
    quiet = about("quiet", "203.0.113.1", by=B_IDENTITY, labels=["tlp:ex:chr"])
    bare = about("bare", "203.0.113.2", by=None, labels=["tlp:ex:chr"])
    scene.post("b", quiet, bare)
    shelf = Shelf(scene.node)
    assert whole(shelf, "green-stix").keys() == {bare["id"]}
    assert whole(shelf, "own-stix").keys() >= {quiet["id"], bare["id"]}
    assert values(shelf, "green-list") == ["203.0.113.1", "203.0.113.2"]


@pytest.mark.parametrize("form", [Format.STIX, Format.MISP])
def test_the_value_of_what_stays_back_does_not_go_alone(scene: Scene, form: Format) -> None:
    """A cyber-observable carries no terms: a partner's goes with what names it, and with nothing it does not go."""
    node = scene.node
    bound: dict[str, Any] = {"by": B_IDENTITY, "extensions": carried(onward="none")}
    kept, free = about("kept", "203.0.113.1", **bound), about("free", "203.0.113.2", by=B_IDENTITY)
    host = {"type": "domain-name", "spec_version": "2.1", "value": "host.example", "object_marking_refs": [TLP["green"]],
            "resolves_to_refs": [address("203.0.113.2")["id"]]}  # fmt: skip
    host["id"] = observable_id(host)
    both = [address("203.0.113.1"), address("203.0.113.2"), address("203.0.113.3"), host]
    scene.post(
        "b", kept, free, *both,
        relationship(kept, both[0], relationship_type="based-on", **bound),
        relationship(free, both[1], relationship_type="based-on", by=B_IDENTITY),
        report("wide", [kept["id"], both[0]["id"]], by=B_IDENTITY),
    )  # fmt: skip
    ours = address("203.0.113.4")
    scene.publish(ours)
    feeding.add(node, "some", choose(form, tlp=Tlp.GREEN), by="anna")
    feeding.add(node, "all", choose(form), by="anna")
    shelf = Shelf(node)
    body, everything = ((shelf.serve(name).body or b"").decode() for name in ("some", "all"))
    assert {one for one in "1234" if f"203.0.113.{one}" in body} == {"2", "4"}
    assert "host.example" not in body
    assert {one for one in "1234" if f"203.0.113.{one}" in everything} == set("1234")
    left = feeding.look(node, "some")[1].left_out
    unnamed = left["a partner's value, and nothing that goes in here names it"]
    assert set(unnamed) == {both[0]["id"], both[2]["id"], host["id"]}
