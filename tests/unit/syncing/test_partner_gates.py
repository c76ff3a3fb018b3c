"""The gate of a partner: what it posts is limited where our people said so, and what it brings may wait for approval."""

from __future__ import annotations

from typing import Any

import pytest
from tests.neighbour import Collection
from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import add_source, received, sync
from tests.unit.syncing.test_gates import dated, lines, passing_on, seen_by_c

from cert_exchange.errors import ConfigurationInvalid, NotFound, ReceivingSuspended
from cert_exchange.node import Node
from cert_exchange.services import doctoring, ledger, metering, partners, screening
from cert_exchange.services.gating import partnering
from cert_exchange.store.statements import observed


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY, **more)


def limit(node: Node, **values: Any) -> None:
    partnering.set_gate(node, "b", values, by="tester", reason="agreed")


def test_a_post_past_the_limit_is_not_taken_in_and_may_come_again(node: Node):
    """503 for it and for all that follow, nothing of it kept; opened, it comes; other partners notice nothing."""
    scene = Scene.set_up(node)
    limit(node, most_objects=2)
    scene.post("b", theirs("a"), theirs("b"))
    scene.post("b", theirs("a"))  # again: it counts for nothing
    with pytest.raises(ReceivingSuspended):
        scene.post("b", theirs("c"))
    with pytest.raises(ReceivingSuspended):
        scene.post("b", theirs("a"))
    assert received(scene) == ["a", "b"]
    scene.post("c", indicator("of c", by=C_IDENTITY))
    gate = partnering.gate_of(node, "b")
    assert gate.shut is not None
    assert gate.shut.words == "3 new objects within 24 hours, more than 2"
    assert (gate.counted["objects"], gate.limits) == (2, {"objects": 2})
    assert [
        one.finding.partition(":")[0] for one in doctoring.examine(node, partner="b") if one.grade == "wrong"
    ] == ["nothing that it posts is taken in"]  # fmt: skip
    assert [
        one.value for one in metering.measure(node) if one.name == "cert_exchange_partner_shut"
    ] == [1.0]

    partnering.go_on(node, "b", by="tester", reason="looked")
    with pytest.raises(ReceivingSuspended):
        scene.post("b", theirs("c"))
    partnering.go_on(node, "b", take_in=True, by="tester", reason="an import of theirs")
    scene.post("b", *(theirs(name) for name in "cdefg"))
    assert received(scene) == list("abcdefg")
    assert [one for one in lines(node) if one.startswith("gate.")] == [
        "gate.set", "gate.shut", "gate.opened", "gate.shut", "gate.opened",
    ]  # fmt: skip
    ledger.verify(node)


def test_revocations_and_rejects_that_are_posted_count(sqlite_node: Node):
    """A stolen credential cannot wipe what we use, nor fill the quarantine, beyond the limit."""
    scene = Scene.set_up(sqlite_node)
    limit(sqlite_node, most_revocations=1, most_rejects=1)
    scene.post("b", theirs("a"), theirs("b"))
    with pytest.raises(ReceivingSuspended):
        scene.post("b", *(theirs(name, version=2, revoked=True) for name in "ab"))
    partnering.go_on(sqlite_node, "b", by="tester", reason="looked")
    scene.post("b", theirs("a", version=2, revoked=True))
    with pytest.raises(ReceivingSuspended):
        scene.post("b", *(theirs(name) | {"pattern": "[ no"} for name in "cd"))


def test_what_it_brings_by_any_way_waits_for_approval(node: Node, neighbour):
    """Posted and pulled alike; its sender is answered as if nothing were held."""
    scene = passing_on(node)
    plain = scene.post("c", indicator("of c", by=C_IDENTITY))
    limit(node, approval=True)
    answered = scene.post("b", theirs("posted"))
    assert [(one.success, one.message, one.result) for one in answered] == [
        (one.success, one.message, one.result) for one in plain
    ]
    add_source(node, neighbour(Collection(dated(theirs("pulled")))))
    assert sync(node).fates["held"] == 1
    assert seen_by_c(scene) == set()
    assert partnering.gate_of(node, "b").waiting == 2
    screening.let_in(node, what="approval b", by="tester", reason="checked")
    assert seen_by_c(scene) == {"posted", "pulled"}
    limit(node, approval=None)
    scene.post("b", theirs("later"))
    assert seen_by_c(scene) == {"posted", "pulled", "later"}


def test_who_has_no_gate_pays_nothing_for_it(sqlite_node: Node):
    """A POST asks the same statements whether or not another partner has a gate, and none that counts."""
    scene = Scene.set_up(sqlite_node)
    scene.post("c", indicator("warm", by=C_IDENTITY))

    def asked(name: str) -> list[str]:
        seen: list[str] = []
        with observed(seen.append):
            scene.post("c", indicator(name, by=C_IDENTITY))
        return seen

    before = asked("one")
    limit(sqlite_node, most_objects=5)
    assert asked("two") == before


def test_what_is_no_setting_is_refused(sqlite_node: Node):
    """With a sentence; what is taken away again leaves no gate."""
    Scene.set_up(sqlite_node)
    for wrong in ({"colour": 1}, {"most_objects": 0}, {"most_objects": True}, {"approval": "yes"}):
        with pytest.raises(ConfigurationInvalid):
            limit(sqlite_node, **wrong)
    with pytest.raises(NotFound):
        partnering.gate_of(sqlite_node, "nobody")
    limit(sqlite_node, most_objects=5, approval=True)
    limit(sqlite_node, most_objects=None, approval=False)
    assert partnering.gate_of(sqlite_node, "b").limits == {}
    assert partners.listing(sqlite_node)
