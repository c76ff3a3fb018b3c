"""A target: what policy released goes there once, in order, and what became of it is known."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from tests.neighbour import Asked, Collection, Reply
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    Scene,
    address,
    envelope,
    indicator,
    malware,
    relationship,
)
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
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.remote.statuses import read_status
from cert_exchange.services import freezing, noticing, publishing, releasing, syncing
from cert_exchange.store.tables import ledger_lines, targets


def names(collection: Collection) -> list[str]:
    """What the remote holds, by name, carried identities and markings aside."""
    return [one["name"] for _, one in collection.rows if one["type"] in ("indicator", "malware")]


def push_lines(node: Node) -> list[Any]:
    with node.database.reading() as tx:
        lines = [decode_line(body) for body in tx.execute(select(ledger_lines.c.body)).scalars()]
    return [line for line in lines if line.kind.startswith("push")]


def test_what_the_view_holds_is_pushed_once(node: Node, neighbour):
    """All of the partner's view and nothing else, in the order of the log; a second run sends nothing."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"), indicator("red", tlp="red"))
    scene.publish(indicator("b"), malware("m"), relationship(indicator("b"), malware("m")))
    scene.publish(indicator("elsewhere"), to="reports")
    remote = Collection()
    add_target(node, neighbour(remote))
    report = sync(node)
    assert report.ok
    assert [one for post in remote.posts for one in post] == scene.ids("b")
    assert names(remote) == ["a", "b", "m"]
    assert report.counts["sent"] == report.counts["confirmed"] == len(scene.ids("b"))
    assert sync(node).outcome == "Nothing new to push."
    assert len(remote.posts) == 1
    scene.publish(indicator("c"))
    assert sync(node).counts["sent"] == 1
    assert [line.facts["sent"] for line in push_lines(node)] == [len(scene.ids("b")) - 1, 1]


def test_a_drill_is_pushed_to_nobody_who_takes_no_part(node: Node, neighbour):
    """Neither what says TEST itself nor the observable that cannot."""
    scene = Scene.set_up(node)
    told = SharingTerms(test=True)
    drill = envelope(indicator("drill"), address("198.51.100.9"))
    publishing.publish(
        node, publishing.carry_terms(node, drill, told), collection="indicators", by="a", terms=told
    )
    scene.publish(indicator("real"))
    remote = Collection()
    add_target(node, neighbour(remote))
    assert sync(node).ok
    assert names(remote) == ["real"]
    assert "ipv4-addr" not in {one["type"] for _, one in remote.rows}


def test_bodies_are_the_stored_bytes(sqlite_node: Node, neighbour):
    """What is sent is the rendition, byte for byte."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("é", x_number=[1.50, 1e3]))
    peer = neighbour(Collection())
    add_target(sqlite_node, peer)
    sync(sqlite_node)
    (post,) = [one for one in peer.requests if one.method == "POST"]
    assert post.headers["content-type"] == "application/taxii+json;version=2.1"
    from cert_exchange.store.tables import live, renditions

    with sqlite_node.database.reading() as tx:
        bodies = tx.execute(
            select(renditions.c.body)
            .join(live, live.c.rendition == renditions.c.id)
            .where(live.c.view == scene.view("b"))
            .order_by(live.c.position)
        ).scalars()
        assert post.body == b'{"objects":[' + ",".join(bodies).encode() + b"]}"


def test_what_came_from_the_partner_never_goes_back(node: Node, neighbour):
    """Even when a policy says allow for everything."""
    scene = Scene.set_up(node)
    scene.apply("b", ALLOW_ALL.format(partner="b").replace("{origin: own}", "{origin: any}"))
    theirs = [indicator(f"t{n}", by=B_IDENTITY) for n in range(3)]
    rows = [(f"2026-05-01T00:00:0{n}.000000Z", one) for n, one in enumerate(theirs)]
    remote = Collection(list(rows))
    peer = neighbour(remote)
    add_source(node, peer)
    add_target(node, peer)
    scene.post("b", indicator("posted", by=B_IDENTITY), address("198.51.100.1"))
    scene.publish(indicator("ours"))
    for _ in range(3):
        assert all(one.ok for one in syncing.sync_once(node))
    pushed = {one for post in remote.posts for one in post}
    assert indicator("ours")["id"] in pushed
    assert not pushed & {one["id"] for one in theirs}
    assert indicator("posted")["id"] not in pushed
    assert address("198.51.100.1")["id"] not in pushed


def test_the_mark_is_raised_before_anything_leaves(node: Node, neighbour):
    """When the POST arrives, the partner's mark already covers it."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"))
    remote = Collection()
    reached: list[int] = []

    def look(asked: Asked) -> Reply | None:
        if asked.method == "POST":
            reached.append(node.marks.reached(scene.partner("b"), scene.view("b")))
        return None

    remote.before = look
    add_target(node, neighbour(remote))
    sync(node)
    assert reached == [scene.log("b")[-1][0]]


@pytest.mark.checklist(68)
def test_envelopes_are_split_at_the_remote_limit(node: Node, neighbour):
    """max_content_length of the API root bounds each body; one object beyond it is refused with the numbers."""
    scene = Scene.set_up(node)
    scene.publish(
        *(indicator(f"i{n}", description="d" * 300) for n in range(20)),
        indicator("big", description="b" * 5000),
    )
    remote = Collection(max_content_length=3000)
    peer = neighbour(remote)
    add_target(node, peer)
    report = sync(node)
    bodies = [len(one.body) for one in peer.requests if one.method == "POST"]
    assert max(bodies) <= 3000
    assert len(bodies) > 4
    assert sorted(names(remote)) == sorted(f"i{n}" for n in range(20))
    assert report.counts["refused"] == 1
    ((kind, stix_id, reason),) = quarantined(node)
    assert (kind, stix_id) == ("refused_by_target", indicator("big")["id"])
    assert "max_content_length of 3000" in reason


@pytest.mark.checklist(68)
@pytest.mark.parametrize("status", [413, 422, 400])
def test_a_refused_envelope_is_halved_down_to_its_bad_object(node: Node, neighbour, status):
    """A gateway's own limit, or a server that refuses the whole for one: the others arrive, the one is parked."""
    scene = Scene.set_up(node)
    scene.publish(*(indicator(f"i{n}") for n in range(9)))
    remote = Collection()
    bad = indicator("i4")["id"]
    remote.before = lambda asked: (
        Reply(status, media="text/html")
        if asked.method == "POST" and bad.encode() in asked.body
        else None
    )
    add_target(node, neighbour(remote))
    report = sync(node)
    assert report.ok
    assert sorted(names(remote)) == sorted(f"i{n}" for n in range(9) if n != 4)
    assert [one[:2] for one in quarantined(node)] == [("refused_by_target", bad)]
    assert str(status) in quarantined(node)[0][2]
    assert sync(node).outcome == "Nothing new to push."


def test_a_server_that_refuses_everything_is_a_failure(sqlite_node: Node, neighbour):
    """Twenty refused one after the other: something is wrong between us, not with the objects."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(*(indicator(f"i{n}") for n in range(60)))
    remote = Collection()
    remote.before = lambda asked: Reply(422) if asked.method == "POST" else None
    add_target(sqlite_node, neighbour(remote))
    report = sync(sqlite_node)
    assert not report.ok
    assert len(quarantined(sqlite_node)) < 20


@pytest.mark.case("U13")
@pytest.mark.checklist(68)
def test_failures_go_to_quarantine_with_the_remote_words(node: Node, neighbour):
    """`failures` of the status: parked with message and bytes, the cursor goes on."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"), indicator("b"), indicator("c"))
    remote = Collection()
    remote.refuse[indicator("b")["id"]] = "created_by_ref <b>is not\nyours</b>"
    add_target(node, neighbour(remote))
    report = sync(node)
    assert report.counts["refused"] == 1
    assert report.refusals[0].reason == "created_by_ref is not yours"
    assert quarantined(node) == [
        ("refused_by_target", indicator("b")["id"], "to-b: created_by_ref is not yours")
    ]
    assert names(remote) == ["a", "c"]
    assert sync(node).outcome == "Nothing new to push."


@pytest.mark.case("W13")
def test_a_status_that_does_not_add_up_is_said(node: Node, neighbour):
    """The remote confirms a third of what was sent: the difference has a number of its own."""
    scene = Scene.set_up(node)
    scene.publish(*(indicator(f"i{n}") for n in range(9)))
    sent = len(scene.ids("b"))
    remote = Collection()
    body = {
        "id": "s",
        "status": "complete",
        "total_count": 3,
        "success_count": 3,
        "failure_count": 0,
        "pending_count": 0,
    }
    remote.before = lambda asked: (
        Reply(202, json.dumps(body).encode()) if asked.method == "POST" else None
    )
    add_target(node, neighbour(remote))
    report = sync(node)
    assert (report.counts["confirmed"], report.counts["unconfirmed"]) == (3, sent - 3)
    assert any("does not add up" in note for note in report.notes)


@pytest.mark.case("W21")
@pytest.mark.checklist(70)
def test_a_pending_status_is_kept_between_runs(node: Node, neighbour, wall):
    """Pending at first, complete in a later run with a failure: nothing is sent again, nothing new before it is over."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"), indicator("b"))
    sent = len(scene.ids("b"))
    remote = Collection()
    pending = {
        "id": "st-1",
        "status": "pending",
        "total_count": sent,
        "success_count": 0,
        "failure_count": 0,
        "pending_count": sent,
    }
    remote.statuses["st-1"] = pending
    remote.before = lambda asked: (
        Reply(202, json.dumps(pending).encode()) if asked.method == "POST" else None
    )
    peer = neighbour(remote)
    add_target(node, peer, status_seconds=0.3)
    report = sync(node)
    assert "not finished" in report.outcome
    assert json.loads(target_row(node)["pending"])["status_id"] == "st-1"
    scene.publish(indicator("c"))
    assert "still working" in sync(node).outcome
    posts = len([one for one in peer.requests if one.method == "POST"])
    assert posts == 1
    failure = {"id": indicator("b")["id"], "version": "2026-01-01T00:00:00.000Z", "message": "no"}
    remote.statuses["st-1"] = pending | {
        "status": "complete", "success_count": sent - 1, "failure_count": 1, "pending_count": 0, "failures": [failure],
    }  # fmt: skip
    remote.before = lambda _: None
    report = sync(node)
    assert (report.counts["confirmed"], report.counts["refused"]) == (sent - 1 + 1, 1)
    assert remote.posts == [[indicator("c")["id"]]]
    assert target_row(node)["pending"] is None
    assert [one[0] for one in quarantined(node)] == ["refused_by_target"]


@pytest.mark.case("W21")
@pytest.mark.parametrize("how", ["forgotten", "a day"])
def test_a_status_that_never_comes_is_unknown(node: Node, neighbour, wall, how):
    """404, or pending beyond the server's retention: unknown, said so, and the target goes on."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"))
    sent = len(scene.ids("b"))
    remote = Collection()
    pending = {"id": "st-1", "status": "pending", "pending_count": sent}
    remote.before = lambda asked: (
        Reply(202, json.dumps(pending).encode()) if asked.method == "POST" else None
    )
    remote.statuses["st-1"] = pending
    add_target(node, neighbour(remote), status_seconds=0.2)
    sync(node)
    remote.before = lambda _: None
    if how == "forgotten":
        del remote.statuses["st-1"]
    else:
        wall.forward(timedelta(hours=25))
    report = sync(node)
    assert report.ok
    assert report.counts["unconfirmed"] == sent
    assert any("unknown" in note for note in report.notes)
    assert target_row(node)["pending"] is None
    assert remote.posts == []


def test_failures_that_the_remote_holds_count_as_confirmed(node: Node, neighbour, monkeypatch):
    """The answer to a POST is lost; the repeated POST is called a failure by a server that holds it."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"), indicator("b"))
    remote = Collection()
    add_target(node, neighbour(remote))

    def lost(asked: Asked) -> Reply | None:
        if asked.method == "POST":
            remote._post(json.loads(asked.body)["objects"])
            return Reply(202, b'{"id": "x"}' * 20, cut=5)
        return None

    remote.before = lost
    assert not sync(node).ok
    assert target_row(node)["cursor"] == 0
    remote.before = lambda _: None
    remote.refuse = {indicator(name)["id"]: "Unable to process object" for name in "ab"}
    report = sync(node)
    assert report.ok
    assert report.counts["confirmed"] == len(scene.ids("b"))
    assert report.counts["refused"] == 0
    assert quarantined(node) == []


@pytest.mark.parametrize("fault", ["not_done", "done_answer_lost"])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_fault_at_any_commit_loses_nothing(node: Node, neighbour, monkeypatch, batch, fault):
    """The commit after a POST fails, or is done and its answer lost: in the end the remote holds all, in order."""
    scene = Scene.set_up(node)
    scene.publish(*(indicator(f"i{n}") for n in range(6)))
    remote = Collection()
    add_target(node, neighbour(remote), batch_objects=3)
    original = type(node.database).transact
    done = [0]

    def transact(self: Any, work: Any) -> Any:
        if "_Pusher._keep" not in work.__qualname__:
            return original(self, work)
        done[0] += 1
        if done[0] == batch and fault == "not_done":
            raise errors.StoreUnavailable(detail="injected")
        result = original(self, work)
        if done[0] == batch:
            raise errors.StoreUnavailable(detail="injected")
        return result

    monkeypatch.setattr(type(node.database), "transact", transact)
    assert not sync(node).ok
    assert sync(node).ok
    assert [one["id"] for _, one in remote.rows] == scene.ids("b")
    sent = [one for post in remote.posts for one in post]
    assert len(sent) == len(scene.ids("b")) + (
        len(remote.posts[batch - 1]) if fault == "not_done" else 0
    )


def test_withdrawn_before_it_was_pushed_never_leaves(node: Node, neighbour):
    """Released and withdrawn between two runs: nothing is sent, nothing has to be recalled."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"), indicator("gone"))
    releasing.withdraw(node, indicator("gone")["id"], by="desk", reason="wrong")
    remote = Collection()
    add_target(node, neighbour(remote), delete=True)
    report = sync(node)
    assert indicator("gone")["id"] not in {one for post in remote.posts for one in post}
    assert report.counts["recalled"] == report.counts["not_recalled"] == 0
    assert remote.deleted == []


@pytest.mark.parametrize("delete", [True, False])
def test_what_was_pushed_and_withdrawn_is_recalled_where_we_may(node: Node, neighbour, delete):
    """With the option DELETE of that version; without, the partner is told by a notice, and it is counted and named."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"), indicator("gone"))
    remote = Collection()
    add_target(node, neighbour(remote), delete=delete)
    sync(node)
    scene.apply(
        "b",
        "partners: [b]\ncollections: [indicators]\nceiling: {tlp: amber, unmarked: green}\nrules:\n  - name: only a\n    match: {labels: [a]}\n    allow: true\n",
    )
    report = sync(node)
    wanted = {indicator("a")["id"], indicator("gone")["id"]}
    if delete:
        assert {one for one, _ in remote.deleted} >= wanted
        assert report.counts["not_recalled"] == 0
    else:
        assert remote.deleted == []
        told = {one.stix_id for one in report.refusals if "a notice asks" in one.reason}
        assert told == wanted
        assert report.counts["noticed"] == 2
        assert push_lines(node)[-1].facts["noticed"] == 2
        # What was carried for them owes no notice.
        assert report.counts["not_recalled"] == len(report.refusals) - 2
    assert sync(node).outcome == "Nothing new to push."
    assert noticing.tell(node) == 1
    assert sync(node).counts["sent"] == 1
    (notice,) = [one for _, one in remote.rows if one["type"] == "note"]
    assert set(notice["object_refs"]) == wanted


def test_a_remote_that_takes_no_notice_cannot_be_recalled_from(sqlite_node: Node, neighbour):
    """It refuses the note: the report names what its owner does not learn of by this way."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("gone"))
    remote = Collection()
    add_target(sqlite_node, neighbour(remote))
    sync(sqlite_node)
    releasing.withdraw(sqlite_node, indicator("gone")["id"], by="desk", reason="wrong")
    noticing.tell(sqlite_node)
    (note,) = [one for one in scene.sees("b") if one["type"] == "note"]
    remote.refuse[note["id"]] = "no notes here"
    report = sync(sqlite_node)
    assert report.counts["noticed"] == 1
    assert report.counts["refused"] == 1
    (last,) = [one.reason for one in report.refusals if "does not take our notice" in one.reason]
    assert "cannot be recalled" in last


@pytest.mark.parametrize("change", ["freeze", "withdraw"])
def test_a_batch_that_was_read_is_looked_at_again_before_it_leaves(
    node: Node, neighbour, monkeypatch: pytest.MonkeyPatch, change
):
    """A freeze, or a withdrawal, that commits after the batch was read: nothing of it leaves."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"), indicator("gone"))
    remote = Collection()
    add_target(node, neighbour(remote))
    advance = type(node.marks).advance
    done: list[str] = []

    def meanwhile(marks, *where):
        advance(marks, *where)
        if not done:
            done.append(change)
            if change == "freeze":
                freezing.freeze(node, "b", by="duty", reason="wrong release")
            else:
                releasing.withdraw(node, indicator("gone")["id"], by="desk", reason="wrong")

    monkeypatch.setattr(type(node.marks), "advance", meanwhile)
    report = sync(node)
    assert done == [change]
    assert report.ok
    sent = {one for post in remote.posts for one in post}
    assert indicator("gone")["id"] not in sent
    assert (indicator("a")["id"] in sent) == (change == "withdraw")
    assert ("frozen" in report.outcome) == (change == "freeze")


def test_a_refused_delete_counts_as_not_recalled(sqlite_node: Node, neighbour):
    """403 or 405 to DELETE: said, and never in the way of what comes next."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("a"))
    remote = Collection()
    remote.before = lambda asked: Reply(405) if asked.method == "DELETE" else None
    add_target(sqlite_node, neighbour(remote), delete=True)
    sync(sqlite_node)
    releasing.withdraw(sqlite_node, indicator("a")["id"], by="desk", reason="wrong")
    scene.publish(indicator("b"))
    report = sync(sqlite_node)
    assert report.ok
    assert "b" in names(remote)


def test_no_view_is_no_error(sqlite_node: Node, neighbour):
    """Without a policy nothing is pushed, and the outcome says why."""
    Scene.set_up(sqlite_node, policies_for=("c",))
    remote = Collection()
    add_target(sqlite_node, neighbour(remote))
    report = sync(sqlite_node)
    assert report.ok
    assert "nothing is pushed" in report.outcome
    assert remote.posts == []


def test_nothing_goes_to_a_suspended_partner(sqlite_node: Node, neighbour):
    """Suspended: no request leaves, also not by hand; taken up again, it goes on where it was."""
    from cert_exchange.services import partners

    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("a"))
    peer = neighbour(Collection())
    add_target(sqlite_node, peer)
    partners.suspend(sqlite_node, "b")
    report = sync(sqlite_node)
    assert not report.ok
    assert report.suspended
    assert "is suspended by us: nothing is pushed to it until `partner resume b`" in report.outcome
    assert target_row(sqlite_node)["attempts"] == 0
    assert peer.requests == []
    assert syncing.due_channels(sqlite_node) == []
    partners.resume(sqlite_node, "b")
    assert sync(sqlite_node).counts["sent"] == len(scene.ids("b"))


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
def test_a_refused_push_moves_nothing(sqlite_node: Node, neighbour, status):
    """The cursor stays, the failure says which call got what answer."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("a"))
    remote = Collection()
    remote.before = lambda asked: Reply(status) if asked.method == "POST" else None
    add_target(sqlite_node, neighbour(remote))
    report = sync(sqlite_node)
    assert not report.ok
    assert f"POST /root/collections/{'91a7b528'}" in report.outcome
    assert str(status) in report.outcome
    assert target_row(sqlite_node)["cursor"] == 0
    remote.before = lambda _: None
    assert sync(sqlite_node).ok
    assert counters(sqlite_node, targets)["total"]["sent"] == len(scene.ids("b"))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"id": 7, "status": [], "success_count": "x", "failures": {}},
        {"id": ".."},
        {"id": "../../x", "failures": [None, 3, {"id": {}, "version": 1, "message": ["<b>"]}]},
        {"failure_count": -1, "success_count": True},
    ],
)
def test_nothing_in_a_status_can_raise(document):
    """A stranger's status is read without trust; an id that is no plain text is none."""
    status = read_status(document)
    assert status.id is None
    assert status.failure >= len(status.failures)


def due(node: Node) -> list[str]:
    return [one.name for one in syncing.due_channels(node)]


def test_what_is_new_does_not_wait_for_the_next_run(node: Node, neighbour, wall):
    """A publication and a withdrawal make a target due, a moment after its last run; what is not its partner's does not."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"))
    add_target(node, neighbour(Collection()), every_seconds=3600)
    assert sync(node).ok
    assert due(node) == []
    wall.forward(timedelta(seconds=10))
    scene.publish(indicator("elsewhere"), to="reports")
    scene.publish(indicator("red", tlp="red"))
    scene.post("b", indicator("theirs", creator=B_IDENTITY))
    assert due(node) == []
    scene.publish(indicator("b"))
    assert due(node) == ["to-b"]
    assert sync(node).counts["sent"] == 1
    assert due(node) == []
    releasing.withdraw(node, indicator("b")["id"], by="x", reason="x")
    assert due(node) == []  # hardly a moment ago it ran
    wall.forward(timedelta(seconds=3))
    assert due(node) == ["to-b"]
    syncing.pause(node, "to-b")
    assert due(node) == []


def test_what_is_new_does_not_hurry_a_target_that_failed(sqlite_node: Node, neighbour, wall):
    """Its server asked for an hour: a publication each second brings it no request before."""
    scene = Scene.set_up(sqlite_node)
    remote = Collection()
    remote.before = lambda _: Reply(503, headers={"Retry-After": "3600"})
    add_target(sqlite_node, neighbour(remote))
    assert not sync(sqlite_node).ok
    scene.publish(indicator("a"))
    wall.forward(timedelta(seconds=30))
    assert due(sqlite_node) == []
    wall.forward(timedelta(seconds=3600))
    assert due(sqlite_node) == ["to-b"]


def test_a_freeze_does_not_make_a_target_run_for_ever(sqlite_node: Node, neighbour, wall):
    """It looked once, and could send nothing."""
    scene = Scene.set_up(sqlite_node)
    add_target(sqlite_node, neighbour(Collection()), every_seconds=3600)
    assert sync(sqlite_node).ok
    freezing.freeze(sqlite_node, "b", by="x", reason="x")
    scene.publish(indicator("a"))
    wall.forward(timedelta(seconds=10))
    assert due(sqlite_node) == ["to-b"]
    assert sync(sqlite_node).counts["sent"] == 0
    wall.forward(timedelta(seconds=10))
    assert due(sqlite_node) == []


def breaking_at(remote: Collection, *ids: str) -> None:
    """The server answers 500 to every envelope in which one of these is, as OpenTAXII does to a cyber-observable."""

    def before(asked: Asked) -> Reply | None:
        posted = json.loads(asked.body)["objects"] if asked.method == "POST" else []
        broken = any(one["id"] in ids for one in posted)
        return Reply(500, b"<h1>Internal Server Error</h1>", media="text/html") if broken else None

    remote.before = before


@pytest.mark.case("S12")
@pytest.mark.parametrize("bad", [["i0"], ["i4"], ["i8"], ["i3", "i4", "i5"]])
def test_a_server_that_breaks_at_one_object_is_given_the_others(
    sqlite_node: Node, neighbour, bad: list[str]
):
    """Two failed runs might be the server's; with the third it is the object's, which is put aside with its words."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(*(indicator(f"i{n}", tlp=None) for n in range(9)))
    remote = Collection()
    breaking_at(remote, *(indicator(name)["id"] for name in bad))
    add_target(sqlite_node, neighbour(remote))
    for _ in range(2):
        assert not sync(sqlite_node).ok
        assert quarantined(sqlite_node) == []
    report = sync(sqlite_node)
    assert report.ok, report.outcome
    assert [one[1] for one in quarantined(sqlite_node)] == [indicator(name)["id"] for name in bad]
    assert all("500" in one[2] for one in quarantined(sqlite_node))
    assert sorted(names(remote)) == sorted({f"i{n}" for n in range(9)} - set(bad))
    assert sync(sqlite_node).outcome == "Nothing new to push."


def test_a_server_that_breaks_at_everything_costs_no_object(sqlite_node: Node, neighbour):
    """However often it is asked: nothing is put aside, and when it is well again everything goes."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(*(indicator(f"i{n}") for n in range(30)))
    remote = Collection()
    remote.before = lambda asked: Reply(500) if asked.method == "POST" else None
    peer = neighbour(remote)
    add_target(sqlite_node, peer)
    for _ in range(5):
        assert not sync(sqlite_node).ok
    assert quarantined(sqlite_node) == []
    asked = len(peer.requests)
    assert not sync(sqlite_node).ok
    assert len(peer.requests) - asked < 40
    remote.before = lambda _: None
    assert sync(sqlite_node).ok
    assert len(names(remote)) == 30
