"""What analysts have goes in: understood first, the same whenever it comes again, and never more loosely marked."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, TLP, Scene

from cert_exchange.errors import InputRefused
from cert_exchange.node import Node
from cert_exchange.services import taking
from cert_exchange.services.taking import Format, Found, Order, Source, Taken
from cert_exchange.store import holdings

ROWS = [
    "203.0.113.7,c2",
    "evil.test,c2",
    "http://evil.test/a,payload",
    f"{'a' * 64},loader",
    "CVE-2021-44228,used",
]
AMBER = Order(markings=(TLP["amber"],))


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


@pytest.fixture
def sqlite_scene(sqlite_node: Node) -> Scene:
    return Scene.set_up(sqlite_node)


def source(text: str | bytes, name: str = "list.csv") -> Source:
    body = text if isinstance(text, bytes) else text.encode()
    return Source(name, lambda: io.BytesIO(body), len(body))


def table(rows: list[str]) -> Source:
    return source("value,comment\n" + "\n".join(rows) + "\n")


def take(scene: Scene, given: Source, order: Order = AMBER) -> Taken:
    how = taking.understand(given, order)
    return taking.take(scene.node, given, how, order, collection="indicators", by="desk")


def look(scene: Scene, given: Source, order: Order = AMBER) -> Found:
    how = taking.understand(given, order)
    return taking.look(
        scene.node, given, how, order, collection="indicators", by="desk", preview=True
    )


@pytest.mark.case("I24", "I33")
def test_the_second_publish_adds_nothing_in_whatever_order(scene: Scene, wall: Wall) -> None:
    """A day later, rows shuffled: every object is as it was, and no partner gets anything new."""
    first = take(scene, table(ROWS))
    assert set(first.results) == {"accepted"}
    before = len(scene.log("b"))
    wall.forward(timedelta(days=1))
    again = list(ROWS)
    random.Random(3).shuffle(again)
    found = look(scene, table(again))
    assert set(found.states) == {"unchanged"}
    second = take(scene, table(again))
    assert set(second.results) == {"duplicate"}
    assert second.results["duplicate"] == first.results["accepted"]
    assert len(scene.log("b")) == before


def test_only_what_changed_gets_a_new_version(sqlite_scene: Scene, wall: Wall) -> None:
    """Another remark about one value: its indicator has a later version, everything else stays."""
    take(sqlite_scene, table(ROWS))
    wall.forward(timedelta(hours=1))
    found = take(sqlite_scene, table(["203.0.113.7,sinkholed", *ROWS[1:]]))
    assert found.found.states == {"changed": 1, "unchanged": len(ROWS) - 1}
    assert found.results["accepted"] == 1


def test_two_feeds_that_name_one_value_do_not_take_turns(sqlite_scene: Scene) -> None:
    """What each says of it is kept, once: from the second round on nothing changes."""
    feeds = [table(["203.0.113.7,C2 of one"]), table(["203.0.113.7,seen by two"])]
    for feed in feeds:
        take(sqlite_scene, feed)
    assert [set(take(sqlite_scene, feed).results) for feed in feeds] == [{"duplicate"}] * 2
    [one] = [o for o in sqlite_scene.sees("b") if o["type"] == "indicator"]
    assert "C2 of one" in one["description"]
    assert "seen by two" in one["description"]


def test_looking_stores_nothing_and_says_what_is_there(sqlite_scene: Scene) -> None:
    """Counts, samples, losses with their lines, and who would see it."""
    found = look(sqlite_scene, table([*ROWS, "no value at all,x", "8.8.8.8,dns"]))
    assert found.kinds == {"ipv4": 2, "domain": 1, "url": 1, "sha256": 1, "cve": 1}
    assert found.samples["domain"] == ["evil.test"]
    assert [loss.place for loss in found.losses] == ["line 7, column value"]
    assert found.warned["benign", "hold"] >= 1
    assert set(found.places.values()) >= {"line 8, column value"}
    assert found.preview is not None
    assert {one.answer for one in found.preview.sighted if one.audience == "b"} >= {"released"}
    assert set(found.states) == {"new"}
    assert set(look(sqlite_scene, table(ROWS)).states) == {"new"}


def test_what_a_warning_holds_leaves_no_gap(sqlite_scene: Scene) -> None:
    """8.8.8.8 is held; the others go out, in a grouping that does not name it."""
    taken = take(sqlite_scene, table([*ROWS, "8.8.8.8,dns"]))
    assert taken.held >= 1
    seen = sqlite_scene.sees("b")
    assert not [one for one in seen if "8.8.8.8" in str(one)]
    [group] = [one for one in seen if one["type"] == "grouping"]
    assert len(group["object_refs"]) == len(ROWS)
    assert group["name"] == "list.csv"


def test_a_marking_is_never_loosened(sqlite_scene: Scene) -> None:
    """What went in as RED stays RED when a GREEN list names it, and that is said."""
    take(sqlite_scene, table(ROWS[:1]), Order(markings=(TLP["red"],)))
    found = take(sqlite_scene, table(ROWS), Order(markings=(TLP["green"],)))
    assert any("stricter marking" in remark for remark in found.found.remarks)
    assert not [one for one in sqlite_scene.sees("b") if "203.0.113.7" in str(one)]


def test_what_was_revoked_stays_revoked(sqlite_scene: Scene) -> None:
    """A feed that lists it again does not bring it back."""
    take(sqlite_scene, table(ROWS))
    [one] = [o for o in sqlite_scene.sees("b") if o.get("name") == "evil.test"]
    sqlite_scene.publish({**one, "modified": "2030-01-01T00:00:00.000Z", "revoked": True})
    found = look(sqlite_scene, table(ROWS))
    assert found.refusals == {
        "it was revoked here, and stays so (--again brings back what a narrower list ended)": 1
    }
    assert found.states["new"] == 0


@pytest.mark.case("I12")
def test_a_page_of_html_is_refused_as_a_table(sqlite_scene: Scene) -> None:
    """Also where a person says that it is CSV."""
    page = source("<!DOCTYPE html><html><body>sign in, please</body></html>")
    for order in (Order(), Order(form=Format.CSV)):
        with pytest.raises(InputRefused, match="This is HTML, not CSV"):
            taking.understand(page, order)
    assert not sqlite_scene.sees("b")


def test_a_packed_input_is_read_in_pieces(sqlite_scene: Scene) -> None:
    """Gzip of several members; one that is cut off says so."""
    packed = gzip.compress(b"value,comment\n203.0.113.7,a\n") + gzip.compress(b"evil.test,b\n")
    assert look(sqlite_scene, source(packed, "x.csv.gz")).findings == 2
    with pytest.raises(InputRefused, match="cut off"):
        look(sqlite_scene, source(packed[:-12], "x.csv"))


def test_a_long_input_is_stored_in_parts_with_its_reports_whole(sqlite_scene: Scene) -> None:
    """Over several commits: every reference of every grouping is there."""

    def rows() -> Iterator[str]:
        for number in range(1_010):
            yield f"host{number}.test,x"

    order = Order(markings=(TLP["green"],), observables=False)
    taken = take(sqlite_scene, table(list(rows())), order)
    assert taken.results == {"accepted": 1_010 + taken.found.types["grouping"]}
    seen = {one["id"]: one for one in sqlite_scene.sees("b")}
    named = [
        ref for one in seen.values() if one["type"] == "grouping" for ref in one["object_refs"]
    ]
    assert len(named) == 1_010
    assert set(named) <= set(seen)


def test_our_creator_stands_on_all_that_has_one(sqlite_scene: Scene) -> None:
    """Partners see whose it is; no identity of theirs is ever written."""
    take(sqlite_scene, table(ROWS))
    creators = {one.get("created_by_ref") for one in sqlite_scene.sees("b")}
    assert B_IDENTITY not in creators
    assert creators <= {sqlite_scene.node.identity, None}


@pytest.mark.case("M25")
def test_everything_that_a_row_makes_has_its_marking(sqlite_scene: Scene) -> None:
    """GREEN for the whole, RED in one row's own column, also where another row names the same value: nothing is unmarked."""
    text = "value,tlp,cve\n203.0.113.7,,CVE-2021-44228\nevil.test,red,CVE-2022-1388\n203.0.113.9,green,\nhttp://evil.test/x,,\nevil.test,green,\n"
    before = held(sqlite_scene)
    take(sqlite_scene, source(text), replace(AMBER, markings=(TLP["green"],)))
    made = [one for one in held(sqlite_scene).values() if one["id"] not in before]
    red = {one["id"] for one in made if {one.get("value"), one.get("name")} & {"evil.test", "CVE-2022-1388"}}  # fmt: skip
    found: dict[str, set[tuple[str, ...]]] = {}
    for one in made:
        named = {one["id"], one.get("source_ref"), *one.get("object_refs", ())}
        row = f"{one['type']} {'red' if red & named else 'green'}"
        found.setdefault(row, set()).add(tuple(one.get("object_marking_refs", ())))
    assert found == {
        **{f"{kind} {level}": {(TLP[level],)} for level in ("red", "green")
           for kind in ("indicator", "relationship", "grouping", "vulnerability")},
        "domain-name red": {(TLP["red"],)}, "ipv4-addr green": {(TLP["green"],)}, "url green": {(TLP["green"],)},
    }  # fmt: skip


def held(scene: Scene) -> dict[str, dict[str, Any]]:
    with scene.node.database.reading() as tx:
        found = holdings.find(tx, holdings.Wanted(origin=0, limit=1_000))
    return {one.stix_id: json.loads(one.body) for one in found}
