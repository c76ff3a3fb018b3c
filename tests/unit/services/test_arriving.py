"""Why a partner's object is, or is not, here: also for what was refused, held, filtered or never came (CASES U05)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.neighbour import Asked, Collection, Reply, page
from tests.scenes import B_IDENTITY, THIRD_IDENTITY, Scene, address, indicator
from tests.unit.syncing.conftest import add_source, neighbour, sync

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.services import (
    arriving,
    overriding,
    proposals,
    quarantine,
    releasing,
    syncing,
    undoing,
)
from cert_exchange.services.gating import opening
from cert_exchange.store import proposals as stored
from cert_exchange.store import quarantine as rows

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
                    {"id": one["id"], "date_added": date, "version": one.get("modified", date)}
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
    assert "no source pulls from b" in nothing.verdict
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


def test_a_cyber_observable_that_is_here_is_here(sqlite_node: Node, neighbour: Any) -> None:
    """Its version is each server's own instant: theirs differs from ours, and it is the same."""
    Scene.set_up(sqlite_node)
    seen = address("192.0.2.7")
    shelf = Shelf(dated(seen))
    add_source(sqlite_node, neighbour(shelf), server="cert-exchange")
    sync(sqlite_node)
    shelf.rows = dated(seen | {"modified": "2026-06-01T00:00:00.000Z"})
    found = arriving.explain(sqlite_node, "b", seen["id"])
    assert decisions(found) == [("taken in", ""), ("there, and here", "")]
    assert found.verdict.endswith(": taken in")
    shelf.rows = dated(seen | {"modified": "2026-06-01T00:50:00.000Z"}, minute=50)
    later = arriving.explain(sqlite_node, "b", seen["id"])
    assert "has not reached" in later.steps[-1].reason


def test_what_waits_behind_a_closed_source_does_not_come_with_the_next_run(
    sqlite_node: Node, neighbour: Any
) -> None:
    """Shut by its gate, paused, or its partner suspended: said, with what opens it; one passed over is asked for again."""
    Scene.set_up(sqlite_node)
    shelf = Shelf(dated(theirs("first"), minute=5))
    add_source(sqlite_node, neighbour(shelf), server="cert-exchange")
    sync(sqlite_node)
    opening.set_gate(sqlite_node, "from-b", {"most_objects": 2}, by="anna", reason="small")
    shelf.rows += dated(*(theirs(f"late {number}") for number in range(3)), minute=9)
    stix_id = theirs("late 1")["id"]
    assert not sync(sqlite_node).ok
    shut = arriving.explain(sqlite_node, "b", stix_id)
    assert ("waits there, not asked for", "gate") in decisions(shut)
    assert "the source is shut: " in shut.verdict
    assert "next run" not in shut.verdict
    assert shut.step == "cert-exchange source gate from-b"
    offline = arriving.explain(sqlite_node, "b", stix_id, ask=False)
    assert offline.step == "cert-exchange source gate from-b"
    opening.go_on(sqlite_node, "from-b", take_in=False, by="anna")
    syncing.pause(sqlite_node, "from-b")
    paused = arriving.explain(sqlite_node, "b", stix_id)
    assert "the source is paused" in paused.verdict
    assert "next run" not in paused.verdict
    assert paused.step == "cert-exchange source resume from-b"
    syncing.resume(sqlite_node, "from-b")
    waits = arriving.explain(sqlite_node, "b", stix_id)
    assert "comes with the next run" in waits.verdict
    shelf.rows[2] = (dated(theirs("x"), minute=1)[0][0], shelf.rows[2][1])
    passed = arriving.explain(sqlite_node, "b", stix_id)
    assert passed.step.startswith("cert-exchange source reset from-b --since 2026-06-01T00:01")


def test_what_our_desk_made_of_a_refusal_is_told(node: Node) -> None:
    """Adopted or discarded, its row of the quarantine is gone; that it came, and what was done, is not."""
    scene = Scene.set_up(node)
    scene.post("b", theirs("one"), theirs("two"))
    scene.post("b", theirs("one", description="x"), theirs("two", description="x"))
    scene.post("b", theirs("alone") | {"pattern": 7})
    with node.database.reading() as tx:
        numbers = {one.stix_id: one.number for one in rows.listed(tx, rows.Wanted())}
    gone = [numbers[theirs(name)["id"]] for name in ("two", "alone")]
    quarantine.discard(node, gone, by="anna", reason="noise")
    made = quarantine.adopt(
        node, numbers[theirs("one")["id"]], collection="indicators", by="anna", reason="good"
    )
    for name in ("two", "alone"):
        discarded = arriving.explain(node, "b", theirs(name)["id"])
        assert ("discarded", "quarantine") in decisions(discarded)
        assert "b sent it, and it was kept in the quarantine: discarded at" in discarded.verdict
        assert "by anna: noise" in discarded.verdict
    adopted = arriving.explain(node, "b", theirs("one")["id"])
    assert f"adopted as our own {made.stix_id}" in adopted.verdict
    assert adopted.step == f"cert-exchange show {made.stix_id}"
    assert arriving.explain(node, "c", theirs("alone")["id"]).steps == ()


def test_what_was_undone_is_no_matter_of_ownership(node: Node) -> None:
    """Its sender spoke for its creator: our undo set it aside, by whom and when; a proposal that was declined says so."""
    scene = Scene.set_up(node)
    since = node.now()
    scene.post("b", theirs("own"), theirs("strange", by=THIRD_IDENTITY))
    with node.database.reading() as tx:
        (strange,) = stored.listed(tx, limit=10)
    proposals.decline(node, strange.number, by="anna", reason="not yours")
    declined = arriving.explain(node, "b", theirs("strange")["id"])
    assert "kept as a proposal: declined at" in declined.verdict
    assert "by anna: not yours" in declined.verdict
    undoing.undo(node, "b", since, by="berta", reason="its key was stolen")
    found = arriving.explain(node, "b", theirs("own")["id"])
    assert decisions(found) == [("came", ""), ("set aside", "undo")]
    assert "b sent it: set aside at" in found.verdict
    assert "by berta" in found.verdict
    assert found.step == "cert-exchange proposals list --from b --ended"


def test_what_is_no_id_is_refused_and_nobody_is_asked(sqlite_node: Node, neighbour: Any) -> None:
    """Only what was refused under such a name is told of."""
    scene = Scene.set_up(sqlite_node)
    shelf = Shelf(dated(theirs("first")))
    peer = neighbour(shelf)
    add_source(sqlite_node, peer, server="cert-exchange")
    with pytest.raises(InputRefused, match="'nonsense' is no STIX id"):
        arriving.explain(sqlite_node, "b", "nonsense")
    scene.post("b", {"type": "indicator", "id": "nonsense"})
    assert "refused by rejected" in arriving.explain(sqlite_node, "b", "nonsense").verdict
    assert peer.requests == []
