"""Objects that other systems dropped, crashed on or took for others: each goes in as it is, or says why not."""

from __future__ import annotations

import pytest
from tests.scenes import Scene, address, at, envelope, indicator, report, uid

from cert_exchange.node import Node
from cert_exchange.services import publishing


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    return Scene.set_up(sqlite_node)


@pytest.mark.case("I02")
def test_a_reference_may_say_no_more_than_source_and_words(scene: Scene) -> None:
    """source_name with a description, a url or an id is enough; source_name alone is not."""
    target = indicator("target")
    good = report(
        "good", [target["id"]], external_references=[{"source_name": "x", "description": "y"}]
    )
    bad = report("bad", [target["id"]], external_references=[{"source_name": "x"}])
    _, first, second = scene.publish(target, good, bad)
    assert first.result == "accepted"
    assert second.result == "rejected"
    assert "external_references" in second.message
    seen = {one["id"]: one for one in scene.sees("b")}
    assert seen[good["id"]]["external_references"] == good["external_references"]


@pytest.mark.case("I03")
def test_observed_data_in_the_form_of_its_version(scene: Scene) -> None:
    """With references in 2.1; with embedded objects and no version it is 2.0, and refused with that reason."""
    seen = address("203.0.113.7")
    common = {
        "type": "observed-data", "created": at(0), "modified": at(0), "first_observed": at(0), "last_observed": at(0),
        "number_observed": 1,
    }  # fmt: skip
    new = common | {
        "id": f"observed-data--{uid('new')}", "spec_version": "2.1", "object_refs": [seen["id"]],
        "object_marking_refs": seen["object_marking_refs"],
    }  # fmt: skip
    old = common | {
        "id": f"observed-data--{uid('old')}", "objects": {"0": {"type": "ipv4-addr", "value": "203.0.113.8"}},
    }  # fmt: skip
    both = new | {"id": f"observed-data--{uid('both')}", "objects": old["objects"]}
    told = {one.id: one for one in scene.publish(seen, new, old, both)}
    assert told[new["id"]].result == "accepted"
    assert new["id"] in scene.ids("b")
    assert told[old["id"]].result == "rejected"
    assert "spec_version" in told[old["id"]].message
    assert told[both["id"]].result == "rejected"
    assert "object" in told[both["id"]].message


@pytest.mark.case("I05")
def test_a_reference_to_what_is_not_there_is_kept_and_told(scene: Scene) -> None:
    """The references stay as they are; what is missing is named, of whatever type."""
    there = indicator("there")
    absent = [address("203.0.113.9")["id"], f"marking-definition--{uid('absent')}"]
    group = {
        "type": "grouping", "spec_version": "2.1", "id": f"grouping--{uid('group')}", "created": at(0),
        "modified": at(0), "context": "suspicious-activity", "object_refs": [there["id"], *absent],
        "created_by_ref": scene.node.identity,
    }  # fmt: skip
    done = publishing.publish(
        scene.node, envelope(there, group), collection="indicators", by="desk"
    )
    assert [one.result for one in done.outcomes] == ["accepted", "accepted"]
    assert sorted(done.unresolved) == sorted(absent)
    looked = publishing.preview_publish(scene.node, envelope(there, group), collection="indicators")
    assert sorted(looked.unresolved) == sorted(absent)


@pytest.mark.case("I06")
def test_one_uuid_under_two_types_is_two_objects(scene: Scene) -> None:
    """The whole id counts."""
    first = indicator("same")
    name = {
        "type": "domain-name", "spec_version": "2.1", "id": f"domain-name--{uid('same')}", "value": "evil.example",
        "object_marking_refs": first["object_marking_refs"],
    }  # fmt: skip
    assert first["id"].partition("--")[2] == name["id"].partition("--")[2]
    assert [one.result for one in scene.publish(first, name)] == ["accepted", "accepted"]
    assert {first["id"], name["id"]} <= set(scene.ids("b"))


@pytest.mark.case("I08")
@pytest.mark.parametrize(
    ("language", "pattern"),
    [
        ("snort", 'alert tcp any any -> any any (msg:"x"; sid:1;)'),
        ("sigma", "title: x\nlogsource: {}\ndetection:\n  a: b\n  condition: a\n"),
        ("yara", "rule x { condition: true }"),
    ],
)
def test_rules_of_other_languages_pass_unchanged(scene: Scene, language: str, pattern: str) -> None:
    """Only what says that it is a STIX pattern is read as one."""
    rule = indicator(language, pattern=pattern, pattern_type=language)
    stix = indicator("stix", pattern=pattern, pattern_type="stix")
    first, second = scene.publish(rule, stix)
    assert first.result == "accepted"
    assert second.result == "rejected"
    [seen] = [one for one in scene.sees("b") if one["id"] == rule["id"]]
    assert seen["pattern"] == pattern
