"""The night of a wrong release, over a real server: taken back at once, nothing goes out, what comes in is taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from sqlalchemy import func, select
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.taxii.conftest import ROOT, Client, Served, objects_path, started

from cert_exchange.errors import NotFound
from cert_exchange.messages.evidence import Line, decode_line
from cert_exchange.node import Node
from cert_exchange.services import freezing, ledger, partners, recalling
from cert_exchange.services.recalling import Has
from cert_exchange.store.tables import freezes, ledger_lines

SECRET = indicator("the wrong one", description="never to be seen by anyone")
GETS = (
    objects_path(),
    f"{ROOT}collections/indicators/manifest/",
    objects_path(stix_id=SECRET["id"]),
    objects_path(stix_id=SECRET["id"], tail="versions/"),
)


@dataclass
class Watcher:
    """A partner's machine that never stops polling: when each request began, its status, whether it got the object."""

    client: Client
    seen: list[tuple[float, int, bool]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.is_set():
            begun = time.monotonic()
            got = self.client.objects()
            self.seen.append((begun, got.status, b"the wrong one" in got.raw))


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.005)


def test_a_wrong_release_at_night(node: Node) -> None:
    """One sentence: within a second nobody gets it, B gets nothing at all, and what B sends is taken; then B goes on."""
    scene = Scene.set_up(node)
    b = f"Bearer {partners.issue(node, 'b', lifetime=None).token}"
    c = f"Bearer {partners.issue(node, 'c', lifetime=None).token}"
    scene.publish(*[indicator(f"good {n}") for n in range(5)])
    with (node.settings.home / "node.yaml").open("a") as file:
        file.write("port: 0\n")
    with started(node.settings.home) as (port, _):
        first = Client(port, b).objects({"limit": 3})  # B is in the middle of a run when it happens
        at_c = Client(port, c).objects()
        scene.publish(SECRET)
        watcher = Watcher(Client(port, b))
        thread = threading.Thread(target=watcher.run)
        thread.start()
        until(lambda: any(got for _, _, got in watcher.seen))

        begun = time.monotonic()
        done = recalling.recall(
            node, SECRET["id"], by="duty", reason="not for B", partner="b", freeze="audience"
        )
        took = time.monotonic() - begun
        until(lambda: watcher.seen[-1][0] > begun + took)
        watcher.over.set()
        thread.join(20)

        assert took < 1
        late = [(status, got) for at, status, got in watcher.seen if at > begun + took]
        assert late
        assert set(late) == {(503, False)}
        assert done.frozen == ("b",)
        assert {(h.partner, h.has) for h in done.holders} == {("b", Has.FETCHED)}
        for path in GETS:
            got = Client(port, b).get(path)
            assert (got.status, got.headers["retry-after"]) == (503, "60")
            assert set(got.json) == {"title", "description", "error_id", "http_status"}
            assert SECRET["id"].encode() not in got.raw
        assert Client(port, b).get(f"{ROOT}collections/").status == 200
        # C is not frozen, and what was right for C stays: the release to B alone was wrong.
        got = Client(port, c).objects({"added_after": at_c.last}).objects
        assert [one["id"] for one in got] == [SECRET["id"]]
        assert Client(port, c).get(objects_path(stix_id=SECRET["id"])).status == 200
        # Receiving goes on, and what our desk publishes waits.
        posted = Client(port, b).post(
            objects_path(), {"objects": [indicator("theirs", by=B_IDENTITY)]}
        )
        assert posted.status == 202
        assert posted.json["success_count"] == 1
        scene.publish(indicator("later"))

        freezing.unfreeze(node, "b", by="duty", reason="the policy is mended")
        rest: list[str] = []
        query = {"limit": "3", "next": str(first.next)}
        while True:
            page = Client(port, b).objects(query)
            rest += page.ids
            if page.next is None:
                break
            query["next"] = page.next
        assert sorted(first.ids + rest) == sorted(scene.ids("b"))
        assert indicator("later")["id"] in rest
        assert SECRET["id"] not in first.ids + rest
    kinds = [line.kind for line in _lines(node)]
    wanted = [kind for kind in kinds if kind in ("freeze", "withdraw", "recall", "unfreeze")]
    assert wanted == ["freeze", "withdraw", "recall", "unfreeze"]
    ledger.verify(node)


def _lines(node: Node) -> list[Line]:

    with node.database.reading() as tx:
        bodies = tx.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        return [decode_line(body) for body in bodies]


def test_a_freeze_of_everyone_is_of_everyone(server: Served) -> None:
    """Also of who is let in afterwards; lifted, all is there."""
    scene = server.scene
    scene.publish(indicator("one"))
    freezing.freeze_everyone(server.node, by="duty", reason="what happened?")
    for name in ("b", "c"):
        assert server.client(name).objects().status == 503
    partners.add(server.node, "d", title="CERT d", speaks_for=[])
    server.rights("indicators", read="b, c, d", write="b")
    scene.apply("d", "partners: [d]\ncollections: [indicators]\nceiling: {tlp: amber}\nrules: []\n")
    assert server.client("d").objects().status == 503
    freezing.unfreeze(server.node, by="duty", reason="nothing")
    assert indicator("one")["id"] in server.client("b").objects().ids
    assert server.client("d").objects().status == 200


def test_hidden_and_absent_and_malformed_answer_as_ever(server: Served) -> None:
    """A freeze changes no refusal: 404 for what a partner may not know, 400 for what makes no sense, 401 for strangers."""
    server.rights("indicators", read="c", write="b")
    freezing.freeze(server.node, "b", by="duty", reason="r")
    b = server.client("b")
    assert b.get(f"{ROOT}collections/nowhere/objects/").status == 404
    assert b.objects().status == 403  # write-only for it
    assert b.get(objects_path("reports"), {"limit": "x"}).status == 400
    assert server.stranger().objects().status == 401
    assert b.get(objects_path("reports"), method="HEAD").status == 503


def test_a_partner_that_policy_moves_stays_frozen(server: Served) -> None:
    """What froze it is lifted by a person, not by an edit of policies."""
    scene = server.scene
    scene.publish(indicator("one"))
    freezing.freeze(server.node, "b", by="duty", reason="r")
    nobody = "partners: []\ncollections: [indicators]\nceiling: {tlp: amber}\nrules: []\n"
    scene.apply("b", nobody)
    scene.apply("other", nobody.replace("[]\ncoll", "[b]\ncoll"))
    assert server.client("b").objects().status == 503
    freezing.unfreeze(server.node, "b", by="duty", reason="r")
    assert server.client("b").objects().status == 200


def test_freezing_twice_changes_nothing_and_needs_no_sound_clock(server: Served) -> None:
    """The first reason stands; the freeze works when releasing has stopped, and says so when it takes nothing back."""
    from datetime import timedelta

    scene = server.scene
    scene.publish(indicator("one"))
    server.wall.jump(timedelta(hours=5))
    done = recalling.recall(server.node, indicator("one")["id"], by="duty", reason="first")
    assert "clock" in done.trouble
    assert done.withdrawal is None
    assert set(done.frozen) == {"b", "c"}
    assert server.client("b").objects().status == 503
    again = freezing.freeze(server.node, "b", by="other", reason="second")
    assert (again.changed, again.unchanged) == ((), ("b",))
    assert {one.reason for one in freezing.frozen(server.node)} == {"first"}
    with server.node.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(freezes)).scalar_one() == 2


def test_two_that_freeze_at_once_both_succeed(node: Node) -> None:
    """Whoever is second finds it frozen."""
    Scene.set_up(node)
    failed: list[BaseException] = []

    def go(number: int) -> None:
        try:
            freezing.freeze(node, "b", "c", by=f"person {number}", reason="r")
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=go, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(freezing.frozen(node)) == 2


def test_an_unknown_name_freezes_nothing(node: Node) -> None:

    Scene.set_up(node)
    with pytest.raises(NotFound, match="there are: b, c"):
        freezing.freeze(node, "b", "cert-x", by="duty", reason="r")
    assert freezing.frozen(node) == ()
