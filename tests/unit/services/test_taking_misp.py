"""A MISP event with sixty attributes goes in: a partner sees what it may, our desk is told why not the others.

And on to the partner's node and out again: the same objects, and the same event but for what is said by id.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, OWN_IDENTITY, TLP, Scene, uid

from cert_exchange.intake.misp import read_misp
from cert_exchange.intake.misp.types import KINDS, read_single
from cert_exchange.node import Node, make_home, open_node
from cert_exchange.outputs.misp import Organisation, write_events
from cert_exchange.services import collections, partners, publishing, screening, taking
from cert_exchange.services.taking import Found, Loss, Order, Source, Taken

OWN = "name: Our constituency\nkind: own\nnetworks: [198.51.100.0/24]\n"
REDACTING = """\
partners: [b]
collections: [indicators]
ceiling: {tlp: amber, unmarked: green}
rules:
  - {name: less of ours, match: {origin: own}, redact: {remove: [labels], external_references: true}}
"""
RED, BENIGN, OURS, TOLD = "red.evil.test", "8.8.8.8", "198.51.100.66", "told.evil.test"
HARMLESS, SECRET = "It came by mail on a Monday.", "The ministry of a neighbour is behind it."
REPORTS = ("Background", "Attribution", "Lookups", "Victims", "More", "Graph")
"""Reports for people of whose words B must not see any."""
SAMPLE = Path(__file__).parents[2] / "samples" / "misp" / "pymisp-to_delete1.json"


def number(count: int) -> str:
    return f"11111111-2222-4333-8444-{count:012d}"


def source(body: bytes) -> Source:
    return Source("event.json", lambda: io.BytesIO(body), len(body))


def sixty() -> bytes:
    """An AMBER event of sixty attributes, four of which nobody else should have."""
    raw: list[dict[str, Any]] = [
        {"type": "domain", "value": f"c{count}.evil.test"} for count in range(30)
    ]
    raw += [{"type": "sha256", "value": f"{count:064x}"} for count in range(1, 21)]
    raw += [{"type": "ip-dst|port", "value": f"185.220.101.{count}|443"} for count in range(1, 7)]
    raw += [
        {"type": "domain", "value": RED, "Tag": [{"name": "tlp:red"}]},
        {"type": "ip-dst", "value": BENIGN},
        {"type": "ip-src", "value": OURS},
        {"type": "domain", "value": TOLD, "to_ids": False},
    ]
    attributes = [
        {"uuid": number(count), "to_ids": True, "category": "Network activity", **one}
        for count, one in enumerate(raw, 1)
    ]
    reports: list[dict[str, Any]] = [
        {"name": "Summary", "content": HARMLESS},
        {"name": "Background", "content": f"They also use {RED.replace('.', '[.]')} as a relay."},
        {"name": "Attribution", "content": SECRET, "Tag": [{"name": "tlp:red"}]},
        {"name": "Lookups", "content": f"It asks {BENIGN} for its names."},
        {"name": "Victims", "content": f"It came to {OURS} by mail."},
        {"name": "More", "content": "Look at told dot evil dot test, too."},
        {"name": "Graph", "content": f"It begins with @[attribute]({number(57)})."},
    ]
    attributes[0]["comment"] = f"as on {RED}"
    attributes[1]["comment"] = f"asked {BENIGN} for it"
    event = {
        "EventReport": [{"uuid": number(count), **one} for count, one in enumerate(reports, 100)],
        "info": "phishing against banks", "uuid": number(0), "date": "2026-11-02", "Attribute": attributes,
        "Tag": [{"name": "tlp:amber"}, {"name": "PAP:AMBER"}],
    }  # fmt: skip
    return json.dumps({"Event": event}).encode()


def look(scene: Scene, given: Source) -> Found:
    how = taking.understand(given, Order())
    assert not how.guessed
    return taking.look(
        scene.node, given, how, Order(), collection="indicators", by="desk", preview=True
    )


def take(scene: Scene, given: Source) -> Taken:
    how = taking.understand(given, Order())
    return taking.take(scene.node, given, how, Order(), collection="indicators", by="desk")


def knows_its_own(scene: Scene, folder: Path) -> None:
    """The way in of A names its own networks."""
    (folder / "own.yaml").write_text(OWN)
    found = screening.check(
        scene.node, "territories: [own.yaml]\n", file="intake.yaml", folder=folder
    )
    screening.apply(scene.node, found, by="anna", reason="agreed")


def test_a_partner_sees_fifty_six_and_our_desk_is_told_the_four_reasons(
    node: Node, tmp_path: Path
) -> None:
    """Each of the four is told once with its reason, before anything is stored; of them nothing reaches B."""
    scene = Scene.set_up(node, policies_for=("b",))
    knows_its_own(scene, tmp_path)

    found = look(scene, source(sixty()))
    assert {of for of, act in found.warned if act == "hold"} == {"benign", "own", "context"}
    assert found.preview is not None
    reasons = {one.reason for one in found.preview.sighted if one.audience == "b" and one.reason}
    for said in ("TLP:RED, above TLP:AMBER", BENIGN, OURS, "not meant to be looked for"):
        assert sum(said in reason for reason in reasons) == 1, (said, sorted(reasons))
    assert sorted(loss.place for loss in found.losses) == [
        *(f"attribute {number(count)}" for count in (1, 2, 60)),
        *(f"event report {number(count)}" for count in range(101, 107)),
    ]  # fmt: skip
    assert found.remarks == [
        f"1 of 60 attributes are marked TLP:RED, more strictly than the event: attribute {number(57)}"
    ]
    assert [one.of for one in found.warnings[:4]] == ["benign", "own", "context", "documentation"]
    no_trace_of_the_four(scene)


def test_a_policy_that_rewrites_shows_no_trace_either(sqlite_node: Node, tmp_path: Path) -> None:
    """Where what B sees are derivatives, the report names the fifty-six and says nothing of a cut."""
    scene = Scene.set_up(sqlite_node, policies_for=())
    knows_its_own(scene, tmp_path)
    scene.apply("b", REDACTING)
    no_trace_of_the_four(scene)


def no_trace_of_the_four(scene: Scene) -> None:
    """Publish the event: no value, no id, no name and no count of the four stands in what B sees, or ever saw."""
    take(scene, source(sixty()))
    seen = scene.sees("b")
    assert sum(one["type"] == "indicator" for one in seen) == 56
    (report,) = (one for one in seen if one["type"] == "report")
    assert {ref for ref in report["object_refs"] if ref.startswith("indicator")} == {
        one["id"] for one in seen if one["type"] == "indicator"
    }
    assert report["description"] == f"# Summary\n\n{HARMLESS}"
    text = json.dumps(seen)
    traces = [RED, BENIGN, OURS, TOLD, "held back", "TLP:RED", TLP["red"]]
    traces += [*REPORTS, SECRET, "relay", "told dot evil", "as on", "for it", "red[.]evil"]
    for trace in (*traces, *map(number, (57, 58, 59, 60, *range(101, 107)))):
        assert trace not in text, trace
    marked = [one for one in seen if one["type"] not in ("identity", "marking-definition")]
    assert {len(one["object_marking_refs"]) for one in marked} == {2}  # AMBER and PAP:AMBER
    assert len(scene.log("b")) == len(seen)  # nothing came and went


def test_the_same_event_again_changes_nothing(sqlite_node: Node) -> None:
    """Whoever exports the event once more, with its parts in another order, publishes nothing new."""
    scene = Scene.set_up(sqlite_node, policies_for=("b",))
    take(scene, source(sixty()))
    before = scene.log("b")
    event = json.loads(sixty())
    event["Event"]["Attribute"].reverse()
    again = take(scene, source(json.dumps({"response": [event]}).encode()))
    assert set(again.results) == {"duplicate"}
    assert scene.log("b") == before


def event(at: int, info: str, *values: tuple[str, str]) -> Source:
    """A GREEN event with a UUID and a title; (domain, TLP) of each attribute."""
    attributes = [
        {
            "uuid": number(1_000 * at + count), "type": "domain", "value": value, "to_ids": True,
            "category": "Network activity", "Tag": [{"name": f"tlp:{tlp}"}],
        }
        for count, (value, tlp) in enumerate(values)
    ]  # fmt: skip
    body = {
        "info": info,
        "uuid": number(at),
        "date": "2026-11-02",
        "Attribute": attributes,
        "Tag": [{"name": "tlp:green"}],
    }
    return source(json.dumps({"Event": body}).encode())


def test_an_event_is_known_by_its_uuid_and_not_by_its_title(sqlite_node: Node, wall: Wall) -> None:
    """Another event of the same title takes nothing back; the same event under another title narrows what it said."""
    scene = Scene.set_up(sqlite_node)
    take(scene, event(1, "Daily", ("one.evil.test", "green"), ("two.evil.test", "green")))
    before = scene.log("b")
    wall.forward(timedelta(minutes=1))
    take(scene, event(2, "Daily", ("two.evil.test", "red"), ("three.evil.test", "red")))
    after = [one for one in scene.log("b")[len(before) :] if one[1] == "withdrawal"]
    assert after == []
    assert {"one.evil.test", "two.evil.test"} <= set(scene.names("b"))
    wall.forward(timedelta(minutes=1))
    take(scene, event(1, "Daily (Ministry)", ("one.evil.test", "red"), ("two.evil.test", "red")))
    assert not {"one.evil.test", "two.evil.test"} & set(scene.names("b"))


def test_an_event_that_says_no_tlp_is_red(sqlite_node: Node) -> None:
    """Nobody gets it, and the person is told that it lacks one."""
    scene = Scene.set_up(sqlite_node, policies_for=("b",))
    event = json.loads(sixty())
    event["Event"]["Tag"] = []
    given = source(json.dumps(event).encode())
    assert "no TLP" in look(scene, given).remarks[0]
    take(scene, given)
    assert [one for one in scene.sees("b") if one["type"] != "identity"] == []


def neighbour(folder: Path, wall: Any) -> Scene:
    """CERT B, which knows A as its partner `a`."""
    node = open_node(
        make_home(folder / "node-b", identity=B_IDENTITY, title="CERT B"), clock=wall.clock()
    )
    scene = Scene(node)
    publishing.seed(node)
    partners.add(node, "a", title="CERT A", speaks_for=[OWN_IDENTITY], relays_any=True)
    directory = node.settings.home / "collections"
    directory.mkdir(exist_ok=True)
    (directory / "indicators.yaml").write_text(
        f"id: {uid('collection b')}\ntitle: x\nalias: indicators\nread: [a]\nwrite: [a]\n"
    )
    collections.load_collections(node, directory)
    return scene


def _spelled(one: Mapping[str, Any]) -> str:
    found = read_single(one["type"], one["value"]) if one["type"] in KINDS else None
    return str(one["value"]) if found is None else found[1]


def attributes_of(event: Mapping[str, Any]) -> dict[str, tuple[object, ...]]:
    """Type, category, value, flag and comment of every attribute, by UUID; values in the spelling that we keep."""
    owners = [event, *event.get("Object", [])]
    return {
        one["uuid"]: (
            one["type"], one["category"], _spelled(one), bool(one["to_ids"]), one.get("comment", ""),
        )
        for owner in owners for one in owner.get("Attribute", [])
    }  # fmt: skip


@pytest.mark.case("I23")
def test_an_event_goes_through_two_nodes_and_comes_out_as_it_was(
    sqlite_node: Node, tmp_path: Path, wall: Any
) -> None:
    """STIX -> A -> B -> STIX is equal; MISP -> STIX -> MISP is equal, or the attribute is among the losses."""
    scene = Scene.set_up(sqlite_node, policies_for=("b",))
    take(scene, source(SAMPLE.read_bytes()))
    shown = scene.sees("b")
    other = neighbour(tmp_path, wall)
    try:
        posted = other.post("a", *shown)
        assert {one.result for one in posted} <= {"accepted", "duplicate"}

        kept = _held(other.node)
    finally:
        other.node.close()
    assert [one for one in shown if kept.get(one["id"]) != one and one["id"] != OWN_IDENTITY] == []

    written = write_events(
        kept.values(),
        organisation=Organisation("CERT A", OWN_IDENTITY.partition("--")[2]),
        title="x",
    )
    assert written.unsaid == ()
    (event,) = written.events
    told = json.loads(SAMPLE.read_bytes())["Event"]
    back = json.loads(event.body)["Event"]
    losses = {
        one.place.rpartition(" ")[2]
        for one in read_misp(SAMPLE.read_bytes())
        if isinstance(one, Loss)
    }
    before, after = attributes_of(told), attributes_of(back)
    assert {uuid for uuid in before if after.get(uuid) != before[uuid]} == losses
    assert len(before) - len(losses) == 69
    keys = ("uuid", "info", "date", "analysis", "threat_level_id")
    assert {key: back[key] for key in keys} == {key: told[key] for key in keys}
    spelled = {"tlp:white": "tlp:clear"}
    tags = {spelled.get(tag["name"], tag["name"]) for tag in told["Tag"]}
    assert {tag["name"] for tag in back["Tag"]} == tags


def _held(node: Node) -> dict[str, dict[str, Any]]:
    """Every object that a node holds, as its bytes say, by id."""
    from sqlalchemy import select

    from cert_exchange.store.tables import renditions

    with node.database.reading() as conn:
        bodies = conn.execute(select(renditions.c.body)).scalars()
        return {one["id"]: one for one in map(json.loads, bodies)}


def test_what_goes_out_is_what_misp_reads(sqlite_node: Node) -> None:
    """pymisp loads the event, and the manifest names it."""
    pymisp = pytest.importorskip("pymisp")
    scene = Scene.set_up(sqlite_node, policies_for=("b",))
    take(scene, source(sixty()))
    written = write_events(scene.sees("b"), organisation=Organisation("A", number(7)), title="x")
    (event,) = written.events
    loaded = pymisp.MISPEvent()
    loaded.load(event.body.decode())
    assert loaded.uuid == number(0)
    assert len(loaded.attributes) == event.attributes == 57
    assert {tag.name for tag in loaded.tags} == {"tlp:amber", "PAP:AMBER"}
    assert list(json.loads(written.manifest)) == [number(0)]
