"""The owner's order "this is wrong": a last version where policy shows it, a notice to who fetched, and nothing after it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import Wall
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    Scene,
    address,
    envelope,
    indicator,
    report,
)
from tests.unit.services.test_noticing import NOTHING, REDACTED, fetch, told

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages.notices import Action, Reason
from cert_exchange.node import Node
from cert_exchange.services import ledger, publishing
from cert_exchange.services.releasing import free, withdraw
from cert_exchange.services.revoking import revoke


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


def states(scene: Scene, partner: str, stix_id: str, collection: str = "indicators") -> list[bool]:
    """Of each version of an object that the partner sees as the last one: whether it is revoked."""
    return [
        bool(one.get("revoked")) for one in scene.sees(partner, collection) if one["id"] == stix_id
    ]


def test_a_revocation_goes_out_and_who_fetched_is_told(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    done = revoke(scene.node, one["id"], by="anna", reason="false positive at Smith's")
    assert done.shown_to == ("b", "c")
    assert done.taken_from == ()
    assert done.notices == 1
    assert states(scene, "b", one["id"]) == states(scene, "c", one["id"]) == [True]
    (notice,) = told(scene, "b")
    assert (notice.subjects, notice.reason) == ((one["id"],), Reason.REVOKED)
    assert notice.action is Action.STOP_USING
    assert told(scene, "c") == []
    assert "Smith" not in str(scene.sees("b"))
    ledger.seal(scene.node)
    ledger.verify(scene.node)


def test_it_goes_to_every_collection_where_the_object_stood(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one)
    scene.publish(one, to="reports")
    revoke(scene.node, one["id"], by="anna", reason="wrong")
    assert states(scene, "b", one["id"]) == states(scene, "b", one["id"], "reports") == [True]


def test_where_policy_closed_it_is_a_withdrawal_and_a_notice(scene: Scene) -> None:
    """b may not see the last version: the bytes of a revocation are an object's like any other."""
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    fetch(scene, "c")
    closed = ALLOW_ALL.replace(
        "rules:",
        "rules:\n  - name: no revoked\n    match: {{when: 'has(object.revoked) && object.revoked == true'}}\n"
        "    deny: true",
    )
    scene.apply("b", closed.format(partner="b"))
    assert states(scene, "b", one["id"]) == [False]
    done = revoke(scene.node, one["id"], by="anna", reason="wrong")
    assert (done.shown_to, done.taken_from) == (("c",), ("b",))
    assert states(scene, "b", one["id"]) == []
    assert [notice.reason for notice in told(scene, "b")] == [Reason.REVOKED]
    assert [notice.reason for notice in told(scene, "c")] == [Reason.REVOKED]


def test_who_lost_it_before_is_told_once(scene: Scene) -> None:
    """The narrower policy owed a notice; the revocation that b never sees adds none."""
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    scene.apply("b", NOTHING.format(partner="b"))
    done = revoke(scene.node, one["id"], by="anna", reason="wrong")
    assert [notice.subjects for notice in told(scene, "b")] == [(one["id"],)]
    assert done.notices == 1


def test_what_was_taken_back_is_revoked_for_who_has_it(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one)
    withdraw(scene.node, one["id"], by="anna", reason="r")
    revoke(scene.node, one["id"], by="anna", reason="wrong")
    assert states(scene, "b", one["id"]) == [True]


def test_what_has_no_such_property_is_withdrawn_with_a_notice(scene: Scene) -> None:
    host = address("198.51.100.9")
    scene.publish(host)
    fetch(scene, "b")
    done = revoke(scene.node, host["id"], by="anna", reason="wrong")
    assert done.version is None
    assert "cannot be revoked" in done.why_withdrawn
    assert host["id"] not in scene.ids("b")
    assert [notice.reason for notice in told(scene, "b")] == [Reason.REVOKED]


def test_another_s_object_is_withdrawn_and_stays_its_owner_s(scene: Scene) -> None:
    passing = ALLOW_ALL.replace("origin: own", "origin: any")
    scene.apply("c", passing.format(partner="c"))
    theirs = indicator("theirs", by=B_IDENTITY)
    scene.post("b", theirs)
    fetch(scene, "c")
    done = revoke(scene.node, theirs["id"], by="anna", reason="wrong")
    assert done.version is None
    assert theirs["id"] not in scene.ids("c")
    assert [notice.subjects for notice in told(scene, "c")] == [(theirs["id"],)]
    scene.post("b", indicator("theirs", by=B_IDENTITY, version=3))
    assert theirs["id"] not in scene.ids("c")  # kept back by our desk
    free(scene.node, theirs["id"], by="anna", reason="r")
    assert theirs["id"] in scene.ids("c")


def test_twice_is_said_and_the_unknown_is_not_found(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one)
    revoke(scene.node, one["id"], by="anna", reason="wrong")
    with pytest.raises(InputRefused, match="revoked already"):
        revoke(scene.node, one["id"], by="anna", reason="wrong")
    with pytest.raises(NotFound):
        revoke(scene.node, indicator("none")["id"], by="anna", reason="wrong")


def test_a_version_of_tomorrow_is_revoked_by_a_later_one(scene: Scene, wall: Wall) -> None:
    """Whoever wrote it had a fast clock: the last version lies after it all the same."""
    wall.forward(timedelta(0))
    late = indicator("late", modified="2999-01-01T00:00:00.000Z")
    scene.publish(late)
    done = revoke(scene.node, late["id"], by="anna", reason="wrong")
    assert done.version == "2999-01-01T00:00:00.000001Z"
    assert states(scene, "b", late["id"]) == [True]


def test_nothing_comes_after_it_from_our_desk(scene: Scene) -> None:
    scene.publish(report("r", [indicator("one")["id"]]), indicator("one"))
    revoke(scene.node, indicator("one")["id"], by="anna", reason="wrong")
    later = indicator("one", modified="2999-01-01T00:00:00.000Z")
    (outcome,) = publishing.publish(
        scene.node, envelope(later), collection="indicators", by="desk"
    ).outcomes
    assert (outcome.result, outcome.success) == ("rejected", False)
    assert "final" in outcome.message
    assert states(scene, "b", later["id"]) == [True]


def test_nothing_comes_after_it_from_a_partner(scene: Scene) -> None:
    """Kept as a proposal, in the same batch too; what is older may arrive late, and is not shown."""
    passing = ALLOW_ALL.replace("origin: own", "origin: any")
    scene.apply("c", passing.format(partner="c"))
    gone = indicator("x", by=B_IDENTITY, version=5, revoked=True)
    after = indicator("x", by=B_IDENTITY, version=7)
    first, second = scene.post("b", gone, after)
    assert (first.success, second.success) == (True, False)
    assert "kept as a proposal" in second.message
    (again,) = scene.post("b", after)
    assert not again.success
    (late,) = scene.post("b", indicator("x", by=B_IDENTITY, version=2))
    assert late.success
    assert states(scene, "c", gone["id"]) == [True]


def test_a_derivative_is_revoked_too_and_told_by_its_own_id(scene: Scene) -> None:
    """b never learns the original's id."""
    scene.apply("b", REDACTED.format(partner="b"))
    one = indicator("one", description="where we got it")
    scene.publish(one)
    (shown,) = [seen["id"] for seen in scene.sees("b") if seen["type"] == "indicator"]
    fetch(scene, "b")
    done = revoke(scene.node, one["id"], by="anna", reason="wrong")
    assert states(scene, "b", shown) == [True]
    assert [(notice.subjects, notice.reason) for notice in told(scene, "b")] == [
        ((shown,), Reason.REVOKED)
    ]
    assert done.notices == 1
    assert one["id"] not in str(scene.sees("b"))


def test_what_ended_for_a_newer_version_is_told_of_beside_that(scene: Scene) -> None:
    """b was shown a derivative first, and then the original without the words: both were wrong."""
    scene.apply("b", REDACTED.format(partner="b"))
    scene.publish(indicator("one", description="where we got it"))
    (shown,) = [seen["id"] for seen in scene.sees("b") if seen["type"] == "indicator"]
    one = indicator("one", version=1)
    scene.publish(one)
    fetch(scene, "b")
    revoke(scene.node, one["id"], by="anna", reason="wrong")
    assert states(scene, "b", shown) == states(scene, "b", one["id"]) == [True]
    (notice,) = told(scene, "b")
    assert set(notice.subjects) == {shown, one["id"]}
