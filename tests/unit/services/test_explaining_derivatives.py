"""What is shown as a derivative explains itself: what was left, under which id, since when, and why something is not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from tests.scenes import ALLOW_ALL, C_IDENTITY, Scene, indicator, malware, note, report

from cert_exchange.node import Node
from cert_exchange.services import policies
from cert_exchange.services.policies import Step

TEXT = """\
partners: [b]
collections: [indicators, reports]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: no descriptions
    match: {type: indicator, origin: own}
    redact: {remove: [description]}
    reason: they name our sources
  - name: notes
    match: {type: note, origin: own}
    redact: {remove: [abstract], references: cut}
  - name: nothing secret
    match: {labels: secret, origin: any}
    deny: true
  - name: all of ours
    match: {origin: own}
    allow: true
"""
ONE = indicator("one", description="seen by the honeypot in the cellar")
PLAIN = indicator("plain")
ALL = report("all", [ONE["id"], PLAIN["id"]])


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def scene(node: Node) -> Scene:
    """B is shown indicators without their description; C sees everything."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("b", TEXT)
    scene.apply("c", ALLOW_ALL.format(partner="c"))
    scene.publish(ONE, PLAIN, ALL)
    return scene


def tree(scene: Scene, stix_id: str, partner: str = "b") -> policies.Explained:
    return policies.explain(scene.node, stix_id, partner=partner).versions[0]


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from walk(step.steps)


def step(told: policies.Explained, asked: str) -> Step:
    return next(one for one in walk(told.steps) if one.asked == asked)


def shown(scene: Scene, kind: str, name: str) -> dict[str, Any]:
    """What B is shown of a type under a name."""
    return next(one for one in scene.sees("b") if (one["type"], one.get("name")) == (kind, name))


def test_a_derivative_says_what_is_left_under_which_id_and_in_which_bytes(scene: Scene) -> None:
    """The id, the digest and the instant are those of what the view serves."""
    told = tree(scene, ONE["id"])
    made = shown(scene, "indicator", "one")
    assert made["id"] != ONE["id"]
    assert (told.answer, told.rule, told.reason) == (
        "visible", "no descriptions", "they name our sources",
    )  # fmt: skip
    assert (told.shown_as, told.withheld) == (made["id"], ("properties",))
    served = orjson.dumps(made, option=orjson.OPT_SORT_KEYS)
    assert (told.digest, told.size) == (hashlib.sha256(served).hexdigest(), len(served))
    assert step(told, "what is left").answer == "a derivative"
    rendition = step(told, "rendition")
    assert made["id"] in rendition.found
    assert "without properties" in rendition.found
    whole = tree(scene, ONE["id"], "c")
    assert (whole.answer, whole.shown_as, whole.withheld) == ("visible", None, ())


def test_what_redaction_leaves_untouched_is_shown_as_it_is(scene: Scene) -> None:
    told = tree(scene, PLAIN["id"])
    assert (told.answer, told.shown_as) == ("visible", None)
    assert step(told, "what is left").answer == "all of it"


def test_what_is_only_rewritten_says_so(scene: Scene) -> None:
    """The report's own content stands; what it refers to is seen under another id, which the tree names."""
    told = tree(scene, ALL["id"])
    made = shown(scene, "report", "all")
    assert (told.answer, told.shown_as, told.withheld) == ("visible", made["id"], ())
    assert "its references rewritten" in step(told, "rendition").found
    derived = shown(scene, "indicator", "one")["id"]
    assert made["object_refs"] == [derived, PLAIN["id"]]
    assert f"as {derived}" in step(told, f"it refers to {ONE['id']}").found
    assert not step(told, f"it refers to {PLAIN['id']}").found.startswith("as ")


def test_the_id_of_a_derivative_asks_about_its_original(scene: Scene) -> None:
    """A partner on the telephone knows no other."""
    derived = shown(scene, "indicator", "one")["id"]
    by_derivative = policies.explain(scene.node, derived, partner="b")
    by_original = policies.explain(scene.node, ONE["id"], partner="b")
    assert by_derivative.stix_id == ONE["id"]
    assert by_derivative.versions == by_original.versions
    assert f"{derived} is what an audience is shown" in by_derivative.remark
    assert policies.who(scene.node, derived) == policies.who(scene.node, ONE["id"])


def test_what_cannot_be_redacted_is_denied_with_its_reason(scene: Scene) -> None:
    """The value that goes stands in the pattern too, which is required."""
    told_by = indicator("told", description="198.51.100.7")
    scene.publish(told_by)
    told = tree(scene, told_by["id"])
    assert (told.answer, told.rule) == ("denied", "no descriptions")
    assert "cannot be redacted" in told.reason
    assert "198.51.100.7" not in told.reason
    assert step(told, "what is left").answer == "nothing"


def test_what_cannot_be_rendered_is_denied_and_not_said_to_wait(scene: Scene) -> None:
    """An indicator that spells the id of what is derived in its pattern would name the original."""
    pattern = f"[x-case:about = '{ONE['id']}']"
    spelt = indicator("spelt", x_about=ONE["id"], pattern=pattern)
    scene.publish(spelt)
    assert "spelt" not in scene.names("b")
    told = tree(scene, spelt["id"])
    assert told.answer == "denied"
    assert told.reason.startswith("it cannot be rendered: ")
    assert ONE["id"] not in told.reason
    seers = {one.audience: one for one in policies.who(scene.node, spelt["id"])}
    assert (seers["b"].answer, seers["c"].answer) == ("denied", "visible")


def test_what_a_derivative_does_without_is_cut_and_said(scene: Scene) -> None:
    """One of two references is enough for a note whose rule cuts; without any it waits."""
    hidden = malware("hidden", labels=["secret"])
    cut = note("cut", [PLAIN["id"], hidden["id"]], abstract="by the honeypot")
    dry = note("dry", [hidden["id"]], abstract="by the honeypot")
    scene.publish(hidden, cut, dry)
    told = tree(scene, cut["id"])
    assert told.answer == "visible"
    assert step(told, f"it refers to {hidden['id']}").answer == "cut"
    assert step(told, f"it refers to {PLAIN['id']}").answer == "visible"
    waits = tree(scene, dry["id"])
    assert waits.answer == "waiting"
    assert step(waits, f"it refers to {hidden['id']}").answer == "waits"


def test_who_refers_to_a_derivative_is_told_what_it_stands_for(scene: Scene) -> None:
    """Our own note under a derivative's id waits for ever; the tree says what to name instead."""
    derived = shown(scene, "indicator", "one")["id"]
    ours = note("ours", [derived])
    scene.publish(ours)
    for partner in ("b", "c"):
        told = tree(scene, ours["id"], partner)
        assert told.answer == "waiting"
        assert ONE["id"] in step(told, f"it refers to {derived}").found


def test_surveys_tell_derivatives_from_originals(scene: Scene) -> None:
    """Counts, one object with all around it, who sees it, and what is shown without something."""
    counts = {
        one.type: one.derived
        for one in policies.sees(scene.node, partner="b")
        if one.collection == "indicators"
    }
    assert (counts["indicator"], counts["report"]) == (1, 1)
    made = shown(scene, "indicator", "one")["id"]
    around = {one.stix_id: one for one in policies.sees_around(scene.node, ONE["id"], partner="b")}
    assert (around[ONE["id"]].shown_as, around[ONE["id"]].withheld) == (made, ("properties",))
    above = around[ALL["id"]]
    assert (above.relation, above.answer, above.withheld) == ("refers to it", "visible", ())
    assert above.shown_as is not None
    assert made not in around
    seers = {one.audience: one for one in policies.who(scene.node, ONE["id"])}
    assert (seers["b"].shown_as, seers["c"].shown_as) == (made, None)
    kept = {(one.rule, one.answer): one for one in policies.withheld(scene.node, partner="b")}
    redacted = kept["no descriptions", "redacted"]
    assert (redacted.versions, redacted.reason, redacted.example) == (
        1, "without properties", ONE["id"],
    )  # fmt: skip
    assert ("all of ours", "redacted") not in kept


def test_a_partners_object_is_explained_with_its_derivative(scene: Scene) -> None:
    """What C sent is redacted before B as ours is, where the policy lets it pass at all."""
    scene.apply("b", TEXT.replace("origin: own", "origin: any"))
    theirs = indicator("theirs", by=C_IDENTITY, description="told in confidence")
    scene.post("c", theirs)
    told = tree(scene, theirs["id"])
    assert (told.answer, told.origin, told.withheld) == ("visible", "c", ("properties",))
