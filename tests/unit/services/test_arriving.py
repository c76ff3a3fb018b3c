"""Why a partner's object is, or is not, here: also for what was refused, held, filtered or never came (CASES U05)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.neighbour import Asked, Collection, Reply, page
from tests.scenes import B_IDENTITY, THIRD_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import add_source, neighbour, sync

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.services import arriving, overriding, releasing, syncing

__all__ = ["neighbour"]


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=more.pop("by", B_IDENTITY), **more)


class Shelf(Collection):
    """A collection whose manifest tells versions, as the standard wants."""

    def __call__(self, asked: Asked) -> Reply:
        special = self.before(asked)
        if special is None and asked.path.endswith("/manifest/") and "match[id]" in asked.query:
            return page(
                [
                    {"id": one["id"], "date_added": date, "version": one["modified"]}
                    for date, one in self.rows
                    if one["id"] == asked.query["match[id]"]
                ],
                more=False,
            )
        return super().__call__(asked)


def dated(*made: dict[str, Any], minute: int = 0) -> list[tuple[str | None, dict[str, Any]]]:
    return [
        (f"2026-06-01T00:{minute:02d}:{second:02d}.000000Z", one) for second, one in enumerate(made)
    ]


def decisions(found: arriving.Arrival) -> list[tuple[str, str]]:
    return [(one.decision, one.rule) for one in found.steps]


@pytest.mark.case("U05")
def test_each_fate_has_its_answer(node: Node, neighbour: Any) -> None:
    """Taken in, a proposal, refused as no valid object, in conflict: seen at, decision, rule, and what to do."""
    Scene.set_up(node)
    broken = theirs("broken") | {"pattern": 7}
    shelf = Shelf(
        dated(theirs("good"), theirs("strange", by=THIRD_IDENTITY), broken, theirs("same"))
    )
    add_source(node, neighbour(shelf))
    sync(node)
    shelf.rows[3] = (shelf.rows[3][0], theirs("same", description="other"))
    sync(node)
    good = arriving.explain(node, "b", theirs("good")["id"])
    assert decisions(good) == [("taken in", ""), ("there, and here", "")]
    assert good.verdict.endswith(": taken in")
    strange = arriving.explain(node, "b", theirs("strange")["id"])
    assert ("kept as a proposal", "ownership") in decisions(strange)
    assert "proposals list --from b" in strange.step
    refused = arriving.explain(node, "b", broken["id"])
    assert decisions(refused)[0] == ("refused", "rejected")
    assert "pattern" in refused.verdict
    assert "quarantine list --from b" in refused.step
    conflict = arriving.explain(node, "b", theirs("same")["id"])
    assert ("refused", "conflict") in decisions(conflict)
    seen = conflict.steps[0]
    assert (seen.decision, seen.at is not None) == ("taken in", True)


@pytest.mark.case("U05")
def test_what_never_came_has_its_answer_too(sqlite_node: Node, neighbour: Any) -> None:
    """Not there, filtered, waiting beyond the cursor, passed over below it, a server that refuses, no source at all."""
    Scene.set_up(sqlite_node)
    stix_id = theirs("late")["id"]
    nothing = arriving.explain(sqlite_node, "b", stix_id)
    assert "no source pulls from it" in nothing.verdict
    assert "doctor b" in nothing.step
    shelf = Shelf(dated(theirs("first"), minute=5))
    add_source(sqlite_node, neighbour(shelf), server="cert-exchange")
    assert "shows no such object" in arriving.explain(sqlite_node, "b", stix_id).verdict
    sync(sqlite_node)
    shelf.rows += dated(theirs("late"), minute=9)
    waits = arriving.explain(sqlite_node, "b", stix_id)
    assert decisions(waits) == [("waits there", "cursor")]
    assert waits.step.endswith("sync now from-b")
    shelf.rows[1] = (dated(theirs("late"), minute=1)[0][0], theirs("late"))
    passed = arriving.explain(sqlite_node, "b", stix_id)
    assert decisions(passed) == [("passed over", "cursor")]
    assert "source reset from-b --since 2026-06-01T00:01:00.000000Z" in passed.verdict
    assert arriving.explain(sqlite_node, "b", stix_id, ask=False).steps == ()
    syncing.remove(sqlite_node, "pull", "from-b", by="anna")
    add_source(sqlite_node, neighbour(shelf), match={"type": "malware"})
    assert ("filtered", "match") in decisions(arriving.explain(sqlite_node, "b", stix_id))
    shelf.before = lambda _: Reply(403)
    refused = arriving.explain(sqlite_node, "b", stix_id)
    assert "403" in " ".join(one.reason for one in refused.steps)
    syncing.pause(sqlite_node, "from-b")
    assert ("not asked for", "paused") in decisions(
        arriving.explain(sqlite_node, "b", stix_id, ask=False)
    )


def test_what_our_desk_did_is_told_as_well(sqlite_node: Node) -> None:
    """Taken out of use by our desk, an override, and who else brought it; of a partner that there is not, nothing."""
    scene = Scene.set_up(sqlite_node)
    one = theirs("one")
    scene.post("b", one)
    overriding.override(sqlite_node, one["id"], "no-share", by="anna", reason="told in trust")
    releasing.withdraw(
        sqlite_node, one["id"], version=None, collection="indicators", by="anna", reason="wrong"
    )
    found = arriving.explain(sqlite_node, "b", one["id"])
    assert ("taken out of use", "withdrawal") in decisions(found)
    assert "told in trust" in " ".join(step.reason for step in found.steps)
    assert "by our desk" in found.verdict
    other = arriving.explain(sqlite_node, "c", one["id"])
    assert other.steps[-1].rule == "terms"
    with pytest.raises(NotFound, match="no partner zz"):
        arriving.explain(sqlite_node, "zz", one["id"])
    with pytest.raises(NotFound, match="no partner own"):
        arriving.explain(sqlite_node, "own", one["id"])
