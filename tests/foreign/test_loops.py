"""Rings of nodes, and a foreign server in the middle that rewrites: what goes round dies out (DECISIONS 14, S29).

Real nodes on loopback with real sync. SQL is not the subject: one engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Wall
from tests.foreign.rings import REDACTED, WHOLE, Party, at_rest, parties, settled
from tests.neighbour import Collection, Neighbour
from tests.rewriting import coarser, finer, milder, spaced, stamped
from tests.scenes import B_IDENTITY, THIRD_IDENTITY, indicator, malware, relationship, report
from tests.unit.syncing.peers import altered, relaying

from cert_exchange.node import Node
from cert_exchange.policy.redaction import EXTENSION
from cert_exchange.services import holdings, proposals
from cert_exchange.services.policies import explain

NewNode = Callable[..., Node]
TWO: Mapping[str, Sequence[str]] = {"a": ("b",), "b": ("a",)}
THREE: Mapping[str, Sequence[str]] = {"a": ("b", "c"), "b": ("a", "c"), "c": ("a", "b")}
REMOVED = {"a": "description", "b": "labels", "c": "confidence"}
"""What each takes away before it lets its objects go on."""


def things(**more: Any) -> list[dict[str, Any]]:
    """Objects that each redaction of `REMOVED` finds something in, with what refers to them."""
    bare = indicator("bare", description="seen at X", **more)
    full = indicator("full", description="seen at X", labels=["l"], confidence=3, **more)
    bad = malware("bad", **more)
    return [
        bare, full, bad, relationship(bare, bad, **more), report("r", [bare["id"], bad["id"]], **more),
    ]  # fmt: skip


def ring(
    made: Mapping[str, Party], between: Callable[[Party], int] = lambda one: one.port
) -> list[Party]:
    """Each is asked by the next, and the first asks the last; `between` gives the port at which one is asked."""
    names = list(made)
    for name, after in zip(names, names[1:] + names[:1], strict=True):
        made[name].told(made[after], port=between(made[name]))
    return list(made.values())


@pytest.mark.case("S09")
@pytest.mark.case("S29")
@pytest.mark.parametrize("known", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("policy", ["whole", "redacted"])
def test_what_goes_round_a_ring_of_nodes_comes_to_rest(
    new_node: NewNode, wall: Wall, tmp_path: Path, known: Mapping[str, Sequence[str]], policy: str
) -> None:
    """Whole or less at each hop, ours and a stranger's: after the first spread nothing is written, and so after a change."""
    with parties(new_node, wall, tmp_path, known) as made:
        names = list(known)
        for name, after in zip(names, names[1:] + names[:1], strict=True):
            text = WHOLE if policy == "whole" else REDACTED
            made[name].scene.apply(after, text.format(partner=after, removed=REMOVED[name]))
        taking_part = ring(made)
        a = made["a"].scene
        a.publish(*things(), indicator("foreign", by=THIRD_IDENTITY, labels=["l"], description="x"))
        assert settled(taking_part) <= len(known)
        at_rest(taking_part)
        a.publish(*(one | {"modified": "2026-01-01T00:00:00.010Z"} for one in things()))
        a.publish(*(one | {"modified": "2026-01-01T00:00:00.020Z"} for one in things()))
        assert settled(taking_part) <= len(known)
        at_rest(taking_part)
        if policy == "whole":
            for one in taking_part[1:]:
                last = max(one.held(indicator("bare")["id"])["accepted"])
                assert last == "2026-01-01T00:00:00.020Z"


def without_extensions(document: Any) -> None:
    for one in document.get("objects", ()):
        one.pop("extensions", None)


@pytest.mark.case("S29")
def test_derivatives_do_not_multiply_where_their_mark_is_dropped(
    new_node: NewNode, wall: Wall, tmp_path: Path
) -> None:
    """Between all nodes a server that drops extensions, and each takes the source away: renamed at every hop, and at rest.

    Without `releasing.trimming`'s rule 6 the ids go on multiplying for as long as anybody polls.
    """
    with ExitStack() as ends:
        made = ends.enter_context(parties(new_node, wall, tmp_path, dict(THREE)))

        def dropping(one: Party) -> int:
            relay = ends.enter_context(relaying(one.port))
            relay.answers["objects"] = altered(without_extensions)
            return relay.port

        for name, after in (("a", "b"), ("b", "c"), ("c", "a")):
            text = REDACTED.format(partner=after, removed=REMOVED[name])
            made[name].scene.apply(after, text.replace("redact: {", "redact: {source: true, "))
        taking_part = ring(made, dropping)
        made["a"].scene.publish(*things())
        assert settled(taking_part) <= 4
        at_rest(taking_part, cycles=2)
        a = made["a"]
        (back, *_) = [
            one["id"]
            for one in made["c"].scene.sees("a")
            if one["type"] == "malware" and EXTENSION in one.get("extensions", {})
        ]
        assert back not in a.scene.ids("b")
        assert "a derivative that came back under another id" in repr(
            explain(a.node, back, partner="b")
        )


@pytest.mark.case("S09")
@pytest.mark.case("S29")
@pytest.mark.parametrize(
    ("rewrite", "policy", "aside"),
    [
        (finer, WHOLE, False),
        (coarser, WHOLE, True),
        (stamped, WHOLE, True),
        (milder, REDACTED, True),
    ],
    ids=["finer", "coarser", "stamped", "milder and redacted"],
)
def test_a_hub_that_rewrites_what_it_holds_sets_nothing_in_motion(
    new_node: NewNode,
    wall: Wall,
    tmp_path: Path,
    rewrite: Callable[[Any], Any],
    policy: str,
    aside: bool,
) -> None:
    """Both ways between two nodes and one foreign collection, in a spelling that is another at each reading.

    Who made an object keeps its own content; what the hub made of it is kept aside once, and goes nowhere.
    """
    hub = Collection()
    hub.rewrite, hub.spell = rewrite, spaced
    known = {"a": ("hub",), "b": ("hub",)}
    with parties(new_node, wall, tmp_path, known) as made, Neighbour(hub) as served:
        for name, one in made.items():
            one.scene.apply("hub", policy.format(partner="hub", removed=REMOVED[name]))
            one.meets(served)
        taking_part = list(made.values())
        a, b = taking_part
        versions = [f"2026-01-01T00:00:00.{digits}Z" for digits in ("123456", "234567")]
        for modified in versions:
            a.scene.publish(*(one | {"modified": modified, "x_case": "1"} for one in things()))
            b.scene.publish(indicator("of b", by=B_IDENTITY, labels=["l"], modified=modified))
            assert settled(taking_part) <= 2
        posted = len(hub.posts)
        at_rest(taking_part, cycles=2)
        assert len(hub.posts) == posted
        shown = things()[0]["id"] if policy is WHOLE else derived(a, things()[0])
        mine = a.held(shown)
        assert mine.get("accepted", mine.get("derivative")) is not None
        assert ("proposal" in mine) is aside
        assert (shown in {one.row.stix_id for one in proposals.proposals(a.node)}) is aside
        if policy is WHOLE:
            assert mine["accepted"] == set(versions)
            assert {key[:23] for key in b.held(shown)["accepted"]} == {key[:23] for key in versions}


def derived(party: Party, original: Mapping[str, Any]) -> str:
    """Under which id the hub was shown an object of a party."""
    (found,) = (
        one["id"]
        for one in party.scene.sees("hub")
        if one.get("name") == original["name"] and one["id"] != original["id"]
    )
    assert isinstance(found, str)
    return found


@pytest.mark.case("S29")
def test_two_ways_to_one_node_with_two_contents_come_to_rest(
    new_node: NewNode, wall: Wall, tmp_path: Path
) -> None:
    """B has it from its creator and, rewritten, from a hub, whichever came first: the creator's stands, the other is aside."""
    hub = Collection()
    hub.rewrite = stamped
    known = {"a": ("b", "hub"), "b": ("a", "hub")}
    with parties(new_node, wall, tmp_path, known, named=True) as made, Neighbour(hub) as served:
        a, b = made.values()
        a.scene.apply("b", WHOLE.format(partner="b"))
        b.scene.apply("a", WHOLE.format(partner="a"))
        for one in (a, b):
            one.scene.apply("hub", WHOLE.format(partner="hub"))
            one.meets(served)
        a.scene.publish(indicator("by the hub first"))
        assert settled([a, b]) <= 2
        a.told(b)
        b.told(a)
        a.scene.publish(indicator("by its creator first"))
        assert settled([a, b]) <= 3
        at_rest([a, b])
        for name in ("by the hub first", "by its creator first"):
            first = holdings.show(b.node, indicator(name)["id"])[0]
            assert (first.hit.status, "x_hub_score" in first.content) == ("accepted", False)
            assert b.held(indicator(name)["id"])["proposal"] == {indicator(name)["modified"]}
