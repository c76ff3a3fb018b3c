"""Requests between desks: two nodes that hold the same notes read the same time-line, and nobody else has a word in it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.conftest import Wall
from tests.foreign.test_two_nodes import other_scene
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    TLP,
    Scene,
    indicator,
    note,
    uid,
)

from cert_exchange.errors import CursorMoved, InputRefused, NotFound
from cert_exchange.messages import notices
from cert_exchange.messages import requests as messages
from cert_exchange.messages.requests import Kind, State
from cert_exchange.node import Node, make_home, open_node
from cert_exchange.policy.sharing_terms import EXTENSION as TERMS
from cert_exchange.services import (
    consenting,
    doctoring,
    ledger,
    metering,
    policies,
    requesting,
    revoking,
    screening,
)
from cert_exchange.services.answering import heard
from cert_exchange.services.gating import partnering as gating
from cert_exchange.services.requesting import Thread
from cert_exchange.services.requesting.counting import Word, counting_from, last_of
from cert_exchange.stix.instants import EARLIEST, LATEST
from cert_exchange.worker import Worker

PLACE = "reports"


class Desks:
    """CERT A (both engines) with partners b and c, and CERT B's node. Notes go by what each may poll of the other."""

    def __init__(self, a: Node, b: Node) -> None:
        self.a, self.b = Scene.set_up(a), Scene(b)

    def ask(self, kind: Kind = Kind.TAKEDOWN, **given: Any) -> Thread:
        """A asks B, and B's node has it."""
        given = {
            "text": "Take it down.",
            "ticket": "A-1",
            "collection": PLACE,
            "by": "anna",
        } | given
        sent = requesting.send(self.a.node, kind, "b", **given)
        self.carry()
        return requesting.find(self.a.node, sent.stix_id)

    def says(self, node: Node, thread: Thread, state: State, **given: Any) -> None:
        """One desk says something, and the other has it."""
        requesting.answer(node, thread.stix_id, state, collection=PLACE, by="eva", **given)
        self.carry()

    def carry(self) -> None:
        """What each side sees of the other's arrives there."""
        for seen, scene, partner in (
            (self.a.sees("b", PLACE, last=False), self.b, "a"),
            (self.b.sees("a", PLACE, last=False), self.a, "b"),
        ):
            if seen:
                scene.post(partner, *seen, to=PLACE)

    def both(self, thread: Thread) -> tuple[Thread, Thread]:
        """The request as each side reads it."""
        return (
            requesting.find(self.a.node, thread.stix_id),
            requesting.find(self.b.node, thread.stix_id),
        )


@pytest.fixture(scope="module")
def b_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CERT B's node as it was set up; tests copy it."""
    home = make_home(tmp_path_factory.mktemp("b") / "node", identity=B_IDENTITY, title="CERT B")
    node = open_node(home)
    other_scene(node)
    node.close()
    return home


@pytest.fixture
def desks(node: Node, b_home: Path, tmp_path: Path, wall: Wall) -> Iterator[Desks]:
    yield from _desks(node, b_home, tmp_path, wall)


@pytest.fixture
def sqlite_desks(sqlite_node: Node, b_home: Path, tmp_path: Path, wall: Wall) -> Iterator[Desks]:
    yield from _desks(sqlite_node, b_home, tmp_path, wall)


def _desks(node: Node, original: Path, folder: Path, wall: Wall) -> Iterator[Desks]:
    b = open_node(shutil.copytree(original, folder / "node-b"), clock=wall.clock())
    yield Desks(node, b)
    b.close()


def alike(thread: Thread) -> list[tuple[Any, ...]]:
    """What both sides must read alike."""
    return [
        (one.stix_id, one.version, one.at, one.side, one.said, one.text, one.ticket, one.refs)
        for one in thread.lines
    ]


def test_both_sides_read_the_same_time_line(desks: Desks) -> None:
    """Asked, received, passed on, done: the same lines, tickets and digest on both sides. Both engines."""
    asked = desks.ask()
    assert (asked.state, asked.late, asked.request.due) == (
        "open",
        False,
        asked.asked_at + 24 * 3600 * 10**6,
    )
    desks.says(desks.b.node, asked, State.RECEIVED, ticket="B-77")
    desks.says(desks.b.node, asked, State.PASSED_ON, text="To the provider.")
    desks.says(desks.a.node, asked, State.REMARK, text="Thank you.")
    desks.says(desks.b.node, asked, State.DONE, text="Gone since noon.")
    ours, theirs = desks.both(asked)
    assert alike(ours) == alike(theirs)
    assert [(one.side, one.said) for one in ours.lines] == [
        ("asker", "request"), ("asked", "received"), ("asked", "passed-on"), ("asker", "remark"),
        ("asked", "done"),
    ]  # fmt: skip
    assert (ours.check, ours.state, ours.why) == (theirs.check, "done", "Gone since noon.")
    assert ours.tickets == theirs.tickets == {"asker": "A-1", "asked": "B-77"}
    assert (ours.ours, theirs.ours) == (True, False)
    assert requesting.find(desks.b.node, "A-1").stix_id == asked.stix_id
    assert requesting.find(desks.b.node, asked.short).stix_id == asked.stix_id


def test_nobody_else_sees_or_speaks(sqlite_desks: Desks) -> None:
    """The third partner sees no note of it, and what it says under a guessed id is no part of it."""
    desks = sqlite_desks
    asked = desks.ask()
    assert [one for one in desks.a.sees("c", PLACE) if one["type"] == "note"] == []
    said = messages.write_statement(
        messages.Statement(State.DONE, "Done!", (asked.stix_id,)), stix_id=f"note--{uid('forged')}",
        creator=C_IDENTITY, marking=TLP["green"], now=asked.asked_at + 1,
    )  # fmt: skip
    desks.a.post("c", said, to=PLACE)
    assert requesting.find(desks.a.node, asked.stix_id).state == "open"


def test_a_note_says_itself_that_it_goes_no_further(sqlite_desks: Desks) -> None:
    """Terms beside it stay here; at the partner's node a rule would pass it on."""
    asked = sqlite_desks.ask(tlp="green")
    sqlite_desks.says(sqlite_desks.b.node, asked, State.RECEIVED)
    for scene, partner, reader in (
        (sqlite_desks.a, "b", B_IDENTITY), (sqlite_desks.b, "a", OWN_IDENTITY),
    ):  # fmt: skip
        (note,) = (one for one in scene.sees(partner, PLACE) if one["type"] == "note")
        assert note["extensions"][TERMS] == {
            "extension_type": "property-extension", "only_to": [reader], "onward": "none",
        }  # fmt: skip


def test_neither_side_changes_what_the_other_said(sqlite_desks: Desks) -> None:
    """A new version of the other's note is a proposal; the other's words in one's own mouth are a remark."""
    desks = sqlite_desks
    asked = desks.ask()
    desks.says(desks.b.node, asked, State.RECEIVED)
    before = alike(requesting.find(desks.a.node, asked.stix_id))
    assert heard(desks.a.node) == ()  # the answers to objects are another list
    mine = next(one for one in desks.a.sees("b", PLACE) if one["id"] == asked.stix_id)
    for forged in (
        mine | {"id": f"note--{uid('another')}"},  # A's identity, by B's channel
        mine | {"modified": "2030-01-01T00:00:00.000Z", "content": "Leave it up."},
    ):
        desks.a.post("b", forged, to=PLACE)
        assert alike(requesting.find(desks.a.node, asked.stix_id)) == before
        assert len(requesting.threads(desks.a.node)) == 1
    said = messages.write_statement(
        messages.Statement(State.WITHDRAWN, "No longer needed.", (asked.stix_id,)),
        stix_id=f"note--{uid('words')}", creator=B_IDENTITY, marking=TLP["green"],
        now=asked.asked_at + 10**6,
    )  # fmt: skip
    desks.a.post("b", said, to=PLACE)
    now = requesting.find(desks.a.node, asked.stix_id)
    assert sorted(one.said for one in now.lines) == ["received", "remark", "request"]
    assert now.state == "received"


def test_no_partner_catches_an_answer_that_is_for_another(sqlite_desks: Desks) -> None:
    """A request whose id begins like another's ticket number, or that bears the same number: we are asked which one."""
    desks = sqlite_desks
    asked = desks.ask(ticket="aaaa0000")
    assert requesting.find(desks.a.node, "aaaa0000").stix_id == asked.stix_id
    made = messages.write_request(
        messages.Request(Kind.SAMPLE, "x"), stix_id="note--aaaa0000-0000-4000-8000-000000000001",
        creator=C_IDENTITY, marking=TLP["green"], now=asked.asked_at,
    )  # fmt: skip
    desks.a.post("c", made, to=PLACE)
    with pytest.raises(InputRefused, match="aaaa0000 of c"):
        requesting.find(desks.a.node, "aaaa0000")
    assert requesting.find(desks.a.node, asked.stix_id).partner == "b"


def test_a_stock_server_answers_with_a_plain_note(sqlite_desks: Desks) -> None:
    """Who has no program of ours writes a note that refers to the request: a remark with its words."""
    desks = sqlite_desks
    asked = desks.ask()
    desks.a.post("b", note("We look at it.", [asked.stix_id], by=None), to=PLACE)
    line = requesting.find(desks.a.node, asked.stix_id).lines[-1]
    assert (line.side, line.said, line.text) == ("asked", "remark", "We look at it.")


def test_what_was_said_is_taken_back_by_who_said_it(sqlite_desks: Desks) -> None:
    """A revoked word counts no more; a revoked request is withdrawn, on both sides."""
    desks = sqlite_desks
    asked = desks.ask()
    desks.says(desks.b.node, asked, State.DONE)
    done = requesting.find(desks.b.node, asked.stix_id).lines[-1].stix_id
    revoking.revoke(desks.b.node, done, by="eva", reason="not yet")
    desks.carry()
    ours, theirs = desks.both(asked)
    assert (ours.state, ours.lines[-1].said) == ("open", "taken back")
    assert (ours.check, alike(ours)) == (theirs.check, alike(theirs))
    revoking.revoke(desks.a.node, asked.stix_id, by="anna", reason="asked by mistake")
    desks.carry()
    ours, theirs = desks.both(asked)
    assert (ours.state, theirs.state) == ("withdrawn", "withdrawn")
    assert alike(ours) == alike(theirs)


def test_a_word_dated_ahead_silences_nobody_after_it(sqlite_desks: Desks) -> None:
    """It counts from when it came, on both sides, and says so; a word of before it does not come after it."""
    desks = sqlite_desks
    asked = desks.ask()
    ahead = messages.write_statement(
        messages.Statement(State.DONE, "Gone.", (asked.stix_id,), "B-9"),
        stix_id=f"note--{uid('ahead')}",
        creator=B_IDENTITY, marking=TLP["amber"], now=2 * asked.asked_at,
    )  # fmt: skip
    desks.b.publish(ahead, to=PLACE)
    desks.carry()
    ours, theirs = desks.both(asked)
    assert (ours.state, ours.settled, ours.lines[-1].ahead) == ("done", True, True)
    assert ours.asked_at < ours.state_at == ours.lines[-1].came_at < ours.lines[-1].at
    assert requesting.threads(desks.a.node, settled=False) == []
    desks.says(desks.b.node, asked, State.RECEIVED, text="No: it is back.", ticket="B-10")
    ours, theirs = desks.both(asked)
    assert ours.tickets == theirs.tickets == {"asker": "A-1", "asked": "B-10"}
    assert (ours.state, theirs.state, ours.check) == ("received", "received", theirs.check)
    for node in (desks.a.node, desks.b.node):  # found without reading all, too
        assert [one.state for one in requesting.threads(node, settled=False)] == ["received"]
    done = requesting.answer(
        desks.a.node, asked.stix_id, State.WITHDRAWN, collection=PLACE, by="anna"
    )
    assert (done.counts, done.state) == (True, "withdrawn")
    desks.carry()
    assert [one.state for one in desks.both(asked)] == ["withdrawn", "withdrawn"]


def test_words_are_placed_as_they_were_dated_and_at_the_latest_as_they_came() -> None:
    """One dated ahead of its coming; one that came while our own clock was ahead; and what was dated before both."""

    def word(number: int, at: int, came_at: int) -> Word:
        return Word(number, f"{at:09}", f"note--{number}", at, came_at)

    ahead, ours_ahead, late = word(1, 900, 20), word(2, 800, 800), word(3, 10, 40)
    assert counting_from([late, ours_ahead, ahead], 50) == {1: 20, 2: 20, 3: 10}
    assert last_of([late, ahead], 50) == ahead
    assert last_of([word(4, 30, 45), late, ours_ahead, ahead], 50).number == 4
    assert last_of([word(1, 30, 45), word(2, 30, 46)], 50).number == 2


def test_a_request_that_was_revoked_reads_alike_and_stays_to_be_read(
    sqlite_desks: Desks, wall: Wall
) -> None:
    """With all that it asked; withdrawn from when it was taken back; the notice of it is nobody's word."""
    desks = sqlite_desks
    asked = desks.ask()
    mine = next(one for one in desks.a.sees("b", PLACE) if one["id"] == asked.stix_id)
    wall.forward(timedelta(minutes=5))
    changed = messages.write_request(
        messages.Request(Kind.INFORMATION, "Who is it?", asked=C_IDENTITY, due=asked.due),
        stix_id=asked.stix_id, creator=OWN_IDENTITY, marking=TLP["amber"], now=desks.a.node.now(),
    )  # fmt: skip
    desks.a.publish(changed | {"created": mine["created"]}, to=PLACE)
    desks.carry()
    wall.forward(timedelta(minutes=5))
    revoking.revoke(desks.a.node, asked.stix_id, by="anna", reason="mistake")
    desks.carry()
    told = notices.write_notice(
        notices.notice_of([asked.stix_id], notices.Reason.REVOKED, now=desks.a.node.now()),
        stix_id=f"note--{uid('notice')}", creator=OWN_IDENTITY, now=desks.a.node.now(),
    )  # fmt: skip
    desks.b.post("a", told, to=PLACE)
    ours, theirs = desks.both(asked)
    assert [one.said for one in theirs.lines] == ["request", "changed", "taken back"]
    assert (ours.check, alike(ours)) == (theirs.check, alike(theirs))
    for side in (ours, theirs):
        assert [(one.what, one.was, one.is_now) for one in side.lines[1].changes] == [
            ("kind", "takedown", "information"), ("asked", B_IDENTITY, C_IDENTITY),
        ]  # fmt: skip
        assert (side.lines[0].text, side.lines[1].text) == ("Take it down.", "Who is it?")
        assert (side.state, side.request.kind) == ("withdrawn", Kind.INFORMATION)
        assert side.state_at > side.asked_at + 9 * 60 * 10**6
    with pytest.raises(InputRefused, match="Say a remark, or say it all"):
        requesting.answer(desks.b.node, asked.stix_id, State.RECEIVED, collection=PLACE, by="eva")
    desks.says(desks.b.node, asked, State.REMARK, text="We had begun.")
    done = requesting.answer(
        desks.b.node, asked.stix_id, State.DONE, collection=PLACE, by="eva", anyway=True
    )
    assert (done.counts, done.state) == (False, "withdrawn")


def test_what_is_overdue_is_shown_to_both(sqlite_desks: Desks, wall: Wall) -> None:
    """Ours is a note, what we owe is wrong; the log is told once, and a figure counts it."""
    desks = sqlite_desks
    asked = desks.ask(due="2 hours")
    desks.ask(Kind.INFORMATION, answer_expected=False, ticket="A-2", text="For you to know.")
    for node in (desks.a.node, desks.b.node):
        assert requesting.overdue(node) == ()
    wall.forward(timedelta(hours=3))
    (ours,) = requesting.overdue(desks.a.node)
    (theirs,) = requesting.overdue(desks.b.node)
    assert (ours.grade, theirs.grade) == ("note", "wrong")
    assert "ticket A-1, is overdue for" in ours.finding
    assert [requesting.waiting(one).to_answer for one in (desks.a.node, desks.b.node)] == [0, 1]
    found = doctoring.examine(desks.b.node, partner="a")
    assert [one.about for one in found if one.finding == theirs.finding] == ["partner a"]
    told: set[str] = set()
    with structlog.testing.capture_logs() as logs:
        assert requesting.remind(desks.b.node, told) == requesting.remind(desks.b.node, told) == 1
    assert [(one["event"], one["owed_by"]) for one in logs] == [("request overdue", "us")]
    assert "Take it down" not in str(logs)
    figures = {
        one.labels: one.value
        for one in metering.measure(desks.b.node)
        if one.name == "cert_exchange_requests_overdue" and one.value
    }
    assert figures == {(("partner", "a"), ("owed_by", "us")): 1}
    desks.says(desks.b.node, asked, State.NOT_POSSIBLE, text="No such host here.")
    assert requesting.overdue(desks.a.node) == requesting.overdue(desks.b.node) == ()


def test_no_partner_makes_us_late_at_once(sqlite_desks: Desks, wall: Wall) -> None:
    """Not by a time that had passed when it came, nor by a later version; a time before the asking itself never counts."""
    desks, at = sqlite_desks, wall.clock().now()
    hour = 3600 * 10**6

    def asks(name: str, due: int, *, dated: int = at) -> None:
        said = messages.Request(Kind.TAKEDOWN, name, due=due)
        made = messages.write_request(
            said, stix_id=f"note--{uid(name)}", creator=B_IDENTITY, marking=TLP["green"], now=dated
        )
        desks.a.post("b", made, to=PLACE)

    def late() -> set[str]:
        return {one.thread.request.text for one in requesting.overdue(desks.a.node)}

    asks("impossible", EARLIEST)
    asks("slow", at - 10 * hour, dated=at - 20 * hour)
    asks("short", at + hour // 2)
    asks("usual", at + 24 * hour)
    asks("last of days", LATEST)
    wall.forward(timedelta(minutes=59))
    assert late() == set()
    wall.forward(timedelta(minutes=2))
    assert late() == {"slow", "short"}
    asks("usual", at + hour // 4, dated=at + 1)
    assert late() == {"slow", "short"}
    wall.forward(timedelta(minutes=61))
    assert late() == {"slow", "short", "usual"}
    found = requesting.find(desks.a.node, f"note--{uid('impossible')}")
    assert (found.request.due, found.due, found.state) == (EARLIEST, None, "open")


ENDINGS: list[tuple[bool, list[tuple[str, State]]]] = [
    (True, []),
    (False, [("b", State.DONE)]),
    (False, [("b", State.NOT_POSSIBLE), ("own", State.REMARK)]),
    (True, [("b", State.DONE), ("b", State.RECEIVED)]),
    (True, [("b", State.PASSED_ON)]),
    (True, [("c", State.DONE)]),
    (False, [("b", State.DONE), ("c", State.RECEIVED)]),
    (True, [("own", State.DONE)]),
    (False, [("own", State.WITHDRAWN)]),
    (True, [("b", State.WITHDRAWN)]),
]
"""Whether a request of ours to B still waits, after who said what."""


def test_only_what_is_settled_is_left_out(node: Node, wall: Wall) -> None:
    """What is found without reading the settled ones is what all threads say. Both engines."""
    scene, at = Scene.set_up(node), wall.clock().now()
    creators = {"own": OWN_IDENTITY, "b": B_IDENTITY, "c": C_IDENTITY}
    said: dict[str, list[dict[str, Any]]] = {"own": [], "b": [], "c": []}
    ids = [f"note--{uid(f'asked {number}')}" for number in range(len(ENDINGS))]
    for stix_id, (_, words) in zip(ids, ENDINGS, strict=True):
        request = messages.Request(Kind.TAKEDOWN, "x", due=at + 60 * 10**6, asked=B_IDENTITY)
        given: dict[str, Any] = {"marking": TLP["green"], "now": at}
        said["own"].insert(
            0, messages.write_request(request, stix_id=stix_id, creator=OWN_IDENTITY, **given)
        )
        for who, state in words:
            given["now"] += 10**6
            word = messages.Statement(state, "x", (stix_id,))
            number = f"note--{uid(f'{stix_id} {given}')}"
            said[who].append(
                messages.write_statement(word, stix_id=number, creator=creators[who], **given)
            )
    scene.publish(*said["own"], to=PLACE)
    for who in ("b", "c"):
        scene.post(who, *said[who], to=PLACE)
    wall.forward(timedelta(hours=3))
    every = requesting.threads(node)
    assert {one.stix_id: not one.settled for one in every} == {
        stix_id: waits for stix_id, (waits, _) in zip(ids, ENDINGS, strict=True)
    }
    left = [one for one in every if not one.settled]
    assert requesting.threads(node, settled=False) == left
    assert {one.thread.stix_id for one in requesting.overdue(node)} == {one.stix_id for one in left}


def test_what_a_taken_back_word_ended_waits_again(sqlite_desks: Desks) -> None:
    """A word that was revoked ends nothing, and a request that was revoked waits for nobody."""
    desks = sqlite_desks
    asked = desks.ask(due="2 hours")
    desks.says(desks.b.node, asked, State.DONE)
    assert requesting.threads(desks.a.node, settled=False) == []
    done = requesting.find(desks.b.node, asked.stix_id).lines[-1].stix_id
    revoking.revoke(desks.b.node, done, by="eva", reason="not yet")
    desks.carry()
    assert [one.stix_id for one in requesting.threads(desks.a.node, settled=False)] == [
        asked.stix_id
    ]
    revoking.revoke(desks.a.node, asked.stix_id, by="anna", reason="asked by mistake")
    assert requesting.threads(desks.a.node, settled=False) == []


def test_what_cannot_be_asked_is_refused_before_it_is_stored(sqlite_desks: Desks) -> None:
    desks = sqlite_desks
    hidden = indicator("hidden", tlp="red")
    desks.a.publish(hidden)
    given: dict[str, Any] = {"text": "x", "collection": PLACE, "by": "anna"}
    for kind, more, why in (
        (Kind.INFORMATION, {"about": [hidden["id"]]}, "would not see it"),
        (Kind.INFORMATION, {"tlp": "red"}, "would not see it"),
        (Kind.INFORMATION, {"text": " "}, "Give a text"),
        (Kind.INFORMATION, {"due": "yesterday"}, "no instant"),
        (Kind.INFORMATION, {"answer_expected": False, "due": "1 hour"}, "never due"),
        (Kind.INFORMATION, {"share_to": ["c"]}, "re-share only"),
        (Kind.RE_SHARE, {"share_to": ["c"], "until": "1 day"}, "Permission for what"),
        (Kind.RE_SHARE, {"share_to": ["c"], "until": "1 day", "about": [hidden["id"]]}, "did not come from b"),
        (Kind.TAKEDOWN, {"ticket": "7" * 101}, "ticket number"),
    ):  # fmt: skip
        with pytest.raises(InputRefused, match=why):
            requesting.send(desks.a.node, kind, "b", **(given | more))
    with pytest.raises(NotFound):
        requesting.send(desks.a.node, Kind.DISPUTE, "b", about=["indicator--" + "0" * 8], **given)
    with pytest.raises(NotFound):
        requesting.send(desks.a.node, Kind.DISPUTE, "nobody", **given)
    desks.a.apply(
        "b", ALLOW_ALL.format(partner="b").replace("[indicators, reports]", "[indicators]")
    )
    with pytest.raises(InputRefused, match="would not see it"):
        requesting.send(desks.a.node, Kind.DISPUTE, "b", **given)
    assert requesting.threads(desks.a.node) == []


def test_each_desk_says_its_own_words(sqlite_desks: Desks) -> None:
    desks = sqlite_desks
    asked = desks.ask()
    for node, state, why in (
        (desks.a.node, State.DONE, "said by the desk that is asked"),
        (desks.b.node, State.WITHDRAWN, "said by the desk that asks"),
        (desks.b.node, State.NOT_POSSIBLE, "Give the reason"),
        (desks.b.node, State.REMARK, "give its text"),
    ):
        with pytest.raises(InputRefused, match=why):
            requesting.answer(node, asked.short, state, collection=PLACE, by="x")
    desks.says(desks.a.node, asked, State.WITHDRAWN, text="It is gone already.")
    ours, theirs = desks.both(asked)
    assert (ours.state, theirs.state, theirs.why) == (
        "withdrawn",
        "withdrawn",
        "It is gone already.",
    )
    assert (ours.check, ours.settled) == (theirs.check, True)


class TestPermission:
    """A permission that is granted is a consent, as long as it stands."""

    def shared(self, desks: Desks) -> dict[str, Any]:
        """B's AMBER indicator, which A holds; C's policy would let partners' indicators go."""
        desks.a.apply(
            "c",
            ALLOW_ALL.format(partner="c")
            + "  - {name: of others, match: {origin: partners, type: indicator}, allow: true}\n",
        )
        theirs = indicator("theirs", tlp="amber", by=B_IDENTITY)
        desks.a.post("b", theirs)
        return theirs

    def asked(self, desks: Desks, theirs: dict[str, Any], **more: Any) -> Thread:
        return desks.ask(
            Kind.RE_SHARE, about=[theirs["id"]], share_to=["c"], until="30 days", **more
        )

    def test_it_lets_go_what_was_asked_for_and_ends_with_the_word(self, desks: Desks) -> None:
        """Recorded once, for the shorter time, for that object alone; taken back, it ends. Both engines."""
        theirs = self.shared(desks)
        a = desks.a.node
        assert desks.a.names("c") == []
        asked = self.asked(desks, theirs)
        assert asked.request.recipients == (C_IDENTITY,)
        newest = requesting.settle(a)
        assert consenting.list_consents(a) == []
        desks.says(desks.b.node, asked, State.DONE, until="10 days")
        assert requesting.settle(a, since=newest) > newest
        requesting.settle(a)
        (consent,) = consenting.list_consents(a, partner="b")
        assert (consent.stix_id, consent.recipient, consent.said_by) == (
            theirs["id"],
            C_IDENTITY,
            "desk of b",
        )
        assert consent.until - a.now() < 10 * 86_400 * 10**6
        assert desks.a.names("c") == ["theirs"]
        desks.says(desks.b.node, asked, State.NOT_POSSIBLE, text="Our source objects.")
        requesting.settle(a)
        assert (consenting.list_consents(a), desks.a.names("c")) == ([], [])
        ledger.seal(a)
        ledger.verify(a)

    def test_what_our_person_ended_stays_ended(self, sqlite_desks: Desks) -> None:
        desks, theirs = sqlite_desks, self.shared(sqlite_desks)
        asked = self.asked(desks, theirs)
        desks.says(desks.b.node, asked, State.DONE)
        Worker(desks.a.node, stop=threading.Event()).tick(0)
        (consent,) = consenting.list_consents(desks.a.node)
        consenting.end(desks.a.node, consent.id, by="anna", reason="enough")
        requesting.settle(desks.a.node)
        assert consenting.list_consents(desks.a.node) == []
        granted = requesting.find(desks.a.node, asked.stix_id).granting
        assert granted is not None
        with pytest.raises(CursorMoved):  # another worker that had not seen it
            consenting.give(
                desks.a.node, "b", to=consent.recipient, until="1 day", said_by="x", by="x",
                stix_id=theirs["id"], granted_by=granted.number,
            )  # fmt: skip

    def test_what_is_asked_for_afterwards_was_not_granted(self, sqlite_desks: Desks) -> None:
        """A new version of our own request that asks for everybody: the consent of before ends, and none begins."""
        desks, theirs = sqlite_desks, self.shared(sqlite_desks)
        asked = self.asked(desks, theirs)
        desks.says(desks.b.node, asked, State.DONE)
        requesting.settle(desks.a.node)
        assert len(consenting.list_consents(desks.a.node)) == 1
        mine = next(one for one in desks.a.sees("b", PLACE) if one["id"] == asked.stix_id)
        wider = messages.write_request(
            replace(asked.request, recipients=("any",)), stix_id=asked.stix_id,
            creator=OWN_IDENTITY, marking=TLP["amber"], now=desks.a.node.now(),
        )  # fmt: skip
        desks.a.publish(wider | {"created": mine["created"]}, to=PLACE)
        requesting.settle(desks.a.node)
        assert consenting.list_consents(desks.a.node) == []

    def test_what_waits_at_the_way_in_grants_nothing(self, sqlite_desks: Desks) -> None:
        """Where what B brings waits for a person of ours, its word does too."""
        desks, theirs = sqlite_desks, self.shared(sqlite_desks)
        asked = self.asked(desks, theirs)
        gating.set_gate(desks.a.node, "b", {"approval": True}, by="anna", reason="new")
        desks.says(desks.b.node, asked, State.DONE)
        now = requesting.find(desks.a.node, asked.stix_id)
        assert (now.state, now.lines[-1].kept_out) == ("done", True)
        requesting.settle(desks.a.node)
        assert consenting.list_consents(desks.a.node) == []
        screening.let_in(desks.a.node, [now.lines[-1].stix_id], by="anna", reason="looked")
        requesting.settle(desks.a.node)
        assert len(consenting.list_consents(desks.a.node)) == 1

    def test_no_third_party_and_no_other_request_grants_anything(self, sqlite_desks: Desks) -> None:
        """Done by the asker, by C, or said of a takedown: no consent."""
        desks, theirs = sqlite_desks, self.shared(sqlite_desks)
        asked = self.asked(desks, theirs)
        other = desks.ask(Kind.TAKEDOWN, about=[theirs["id"]])
        desks.says(desks.b.node, other, State.DONE)
        for partner, creator in (("c", C_IDENTITY), ("b", OWN_IDENTITY)):
            forged = messages.write_statement(
                messages.Statement(State.DONE, "", (asked.stix_id,)),
                stix_id=f"note--{uid(partner)}", creator=creator, marking=TLP["green"],
                now=asked.asked_at + 1,
            )  # fmt: skip
            desks.a.post(partner, forged, to=PLACE)
        requesting.settle(desks.a.node)
        assert consenting.list_consents(desks.a.node) == []


def test_what_a_partner_asks_goes_to_nobody(sqlite_desks: Desks) -> None:
    """Not even where C's policy lets all of partners go and B consented to everything."""
    desks = sqlite_desks
    desks.a.apply(
        "c",
        ALLOW_ALL.format(partner="c")
        + "  - {name: of others, match: {origin: partners}, allow: true}\n",
    )
    consenting.give(desks.a.node, "b", to="any", until="1 day", said_by="Eva", by="anna")
    requesting.send(
        desks.b.node, Kind.INFORMATION, "a", text="Who is 192.0.2.7?", tlp="clear",
        collection=PLACE, by="eva",
    )  # fmt: skip
    desks.carry()
    desks.a.post("b", note("plain", [OWN_IDENTITY], tlp="green", by=B_IDENTITY), to=PLACE)
    assert [one.request.text for one in requesting.threads(desks.a.node)] == ["Who is 192.0.2.7?"]
    assert desks.a.names("c", PLACE) == ["plain"]
    (asked,) = requesting.threads(desks.a.node)
    (why,) = policies.explain(desks.a.node, asked.stix_id, partner="c").versions
    assert (why.answer, why.steps[0].asked) == ("denied", "request between desks")


def test_a_request_of_an_exercise_is_called_that(sqlite_desks: Desks) -> None:
    """It goes by a rule of the exercise alone, says TEST itself, and is never overdue."""
    desks = sqlite_desks
    with pytest.raises(InputRefused, match="TEST"):
        desks.ask(test=True)
    text = ALLOW_ALL.format(partner="b").replace("origin: own", "origin: own, test: true")
    desks.a.apply("b", text)
    asked = desks.ask(test=True)
    assert all(one.test for one in desks.both(asked))


def test_hostile_notes_are_read_in_the_mildest_way(sqlite_desks: Desks) -> None:
    """Words that nobody knows, wrong types, names of others: nothing raises, nothing is asked of us that is not."""
    desks = sqlite_desks
    made = note("q", [B_IDENTITY], by=B_IDENTITY, tlp="green")
    odd: tuple[dict[str, Any], ...] = (
        {"what": "request", "kind": "everything", "expects": ["answer"], "due": 5, "ticket": {}},
        {"what": "request", "kind": "takedown", "expects": "answer", "due": "soon", "recipients": "x"},
        {"what": "request", "kind": "takedown", "asked": f"identity:{C_IDENTITY[10:]}"},
        {"what": ["request"]}, {"what": "state", "state": 7, "until": 3}, {"odd": 1},
    )  # fmt: skip
    for number, declared in enumerate(odd):
        one = made | {
            "id": f"note--{uid(str(number))}",
            "extensions": {
                messages.EXTENSION: {"extension_type": "property-extension", **declared}
            },
        }
        assert all(out.success for out in desks.a.post("b", one, to=PLACE)), declared
    found = requesting.threads(desks.a.node)
    assert {(one.request.kind, one.request.due, one.late, one.request.ticket) for one in found} == {
        (Kind.INFORMATION, None, False, ""), (Kind.TAKEDOWN, None, False, ""),
    }  # fmt: skip
    assert len(found) == 2
