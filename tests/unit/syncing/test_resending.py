"""What a partner's server refused is sent there again, those objects alone; on both engines."""

from __future__ import annotations

from typing import Any

import pytest
from tests.neighbour import Collection, Reply
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import (
    add_source,
    add_target,
    counters,
    quarantined,
    sync,
    target_row,
)

from cert_exchange import errors
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.services import freezing, quarantine, releasing, syncing
from cert_exchange.store import channels
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store.tables import targets


def refused_there(node: Node, neighbour: Any, *names: str) -> tuple[Scene, Collection]:
    """Three were pushed; the remote refused those that are named."""
    scene = Scene.set_up(node)
    scene.publish(*(indicator(name) for name in ("a", "b", "c")))
    remote = Collection()
    remote.refuse = {indicator(name)["id"]: "not this one" for name in names}
    add_target(node, neighbour(remote))
    assert sync(node).counts["refused"] == len(names)
    remote.posts.clear()
    return scene, remote


def replayed(node: Node, *, preview: bool = False) -> list[tuple[str, str]]:
    chosen = [one.number for one in quarantine.listed(node, kind="refused_by_target")]
    done = (quarantine.preview if preview else quarantine.replay)(node, chosen, by="anna")
    return [(one.result, one.message) for one in done]


def again_lines(node: Node) -> list[Any]:
    with node.database.reading() as tx:
        lines = [decode_line(row.body) for row in ledger_rows.unsealed_lines(tx)]
    return [line.facts["result"] for line in lines if line.kind == "push.again"]


def test_only_what_was_refused_is_sent_again(node: Node, neighbour: Any) -> None:
    """One object a POST, nothing else with it; what is taken leaves the quarantine, and the cursor stands where it stood."""
    scene, remote = refused_there(node, neighbour, "a", "c")
    place = target_row(node)["cursor"]
    assert replayed(node, preview=True) == [("ready", "goes to to-b once more")] * 2
    assert remote.posts == []
    remote.refuse.clear()
    assert replayed(node) == [("confirmed", "")] * 2
    assert remote.posts == [[indicator("a")["id"]], [indicator("c")["id"]]]
    assert quarantined(node) == []
    assert target_row(node)["cursor"] == place
    assert target_row(node)["lease_owner"] is None
    assert counters(node, targets)["total"]["sent"] == len(scene.ids("b")) + 2
    assert again_lines(node) == ["confirmed", "confirmed"]
    assert sync(node).outcome == "Nothing new to push."


def test_what_is_refused_again_stays_with_the_new_words(node: Node, neighbour: Any) -> None:
    """In the status, or as the whole answer; the other one goes."""
    _, remote = refused_there(node, neighbour, "a", "b")
    remote.refuse = {indicator("a")["id"]: "still not"}
    assert replayed(node) == [("refused", "still not"), ("confirmed", "")]
    assert quarantined(node) == [("refused_by_target", indicator("a")["id"], "to-b: still not")]
    remote.before = lambda asked: Reply(422) if asked.method == "POST" else None
    ((result, words),) = replayed(node)
    assert result == "refused"
    assert "422" in words
    assert "POST" in words
    assert len(quarantined(node)) == 1


def test_what_policy_closed_meanwhile_leaves_no_more(node: Node, neighbour: Any) -> None:
    """Withdrawn, frozen, or without a target: nothing is sent, and each says why."""
    scene, remote = refused_there(node, neighbour, "a", "b")
    remote.refuse.clear()
    freezing.freeze(node, "b", by="anna", reason="alarm")
    assert all("frozen" in words for _, words in replayed(node, preview=True))
    assert {result for result, _ in replayed(node)} == {"impossible"}
    freezing.unfreeze(node, "b", by="anna", reason="over")
    releasing.withdraw(node, indicator("a")["id"], by="anna", reason="wrong")
    assert [result for result, _ in replayed(node)] == ["impossible", "confirmed"]
    assert remote.posts == [[indicator("b")["id"]]]
    assert "does not see this version" in quarantined(node)[0][2]
    syncing.remove(node, "push", "to-b", by="anna")
    ((result, words),) = replayed(node)
    assert (result, words) == ("impossible", "there is no target to-b any more")
    assert scene.ids("b")


def test_a_server_that_fails_ends_the_run_and_gives_the_lease_back(
    node: Node, neighbour: Any
) -> None:
    """401 before the first is an error; after it, the rest is not tried. A target that runs is left alone."""
    _, remote = refused_there(node, neighbour, "a", "b", "c")
    remote.refuse.clear()
    posts: list[int] = []

    def fails(asked: Any) -> Reply | None:
        if asked.method != "POST":
            return None
        posts.append(1)
        return Reply(503) if len(posts) == 2 else None

    remote.before = fails
    assert [result for result, _ in replayed(node)] == ["confirmed", "impossible", "impossible"]
    remote.before = lambda asked: Reply(401)
    with pytest.raises(errors.RemoteRefused):
        replayed(node)
    assert target_row(node)["lease_owner"] is None
    with node.database.reading() as tx:
        (channel,) = channels.channels(tx, only="to-b")
    node.database.transact(
        lambda tx: channels.take_lease(
            tx, channel, owner="another", now=node.now(), until=node.now() + 10**9
        )
    )
    with pytest.raises(errors.ConfigurationInvalid, match="Another worker"):
        replayed(node)
    assert len(quarantined(node)) == 2


def test_what_a_source_brought_and_was_refused_is_let_in_without_a_poll(
    node: Node, neighbour: Any
) -> None:
    """A partner that may write nothing by POST: its source is its way in, as long as there is one."""
    scene = Scene.set_up(node)
    theirs = indicator("theirs", by=B_IDENTITY)
    ours = indicator("ours")
    add_source(
        node, neighbour(Collection([("2026-06-01T00:00:00.000000Z", theirs | {"pattern": 7})]))
    )
    assert sync(node).counts["rejected"] == 1
    (one,) = quarantine.listed(node)
    assert quarantine.replay(node, [one.number], by="anna")[0].result == "rejected"
    assert quarantine.listed(node)[0].number == one.number
    assert sync(node).counts["known"] == 1
    assert scene.publish(ours)[0].success
