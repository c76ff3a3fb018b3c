"""A partner is suspended, one way or both, over real servers in processes of their own; then it goes on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from tests.scenes import B_IDENTITY, Scene, envelope, indicator
from tests.taxii.conftest import ROOT, Client, Served, objects_path, started

from cert_exchange.errors import NotFound, ReceivingSuspended
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.services import freezing, partners, publishing
from cert_exchange.services.partners import Direction, Limits, Reach
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.taxii.receiver import SMALL

GETS = (
    objects_path(),
    f"{ROOT}collections/indicators/manifest/",
)


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def theirs(name: str, **more: object) -> dict[str, object]:
    return {"objects": [indicator(name, by=B_IDENTITY, **more)]}


@pytest.mark.long
def test_within_a_second_in_every_process(node: Node) -> None:
    """Two servers, two partners that never stop asking: whatever begins after `suspend` returned, gets and gives nothing."""
    scene = Scene.set_up(node)
    scene.publish(*[indicator(f"i{n}") for n in range(20)])
    tokens = {
        name: f"Bearer {partners.issue(node, name, lifetime=None).token}" for name in ("b", "c")
    }
    with (node.settings.home / "node.yaml").open("a") as file:
        file.write("port: 0\n")
    with ExitStack() as stack:
        ports = [
            stack.enter_context(started(node.settings.home, log_name=f"{name}.log"))[0]
            for name in ("one", "two")
        ]
        seen: list[tuple[float, float, str, str, int]] = []
        over = threading.Event()

        def poll(port: int, name: str) -> None:
            while not over.is_set():
                begun = time.monotonic()
                status = Client(port, tokens[name]).objects().status
                seen.append((begun, time.monotonic(), name, "GET", status))
                time.sleep(0.02)

        def post(port: int, name: str) -> None:
            number = 0
            while not over.is_set():
                begun, number = time.monotonic(), number + 1
                body = theirs(f"{port} {number}")
                got = Client(port, tokens[name]).post(objects_path(), body)
                seen.append((begun, time.monotonic(), name, "POST", got.status))
                time.sleep(0.02)

        threads = [
            threading.Thread(target=work, args=(port, name))
            for port in ports
            for work, name in ((poll, "b"), (poll, "c"), (post, "b"))
        ]
        for thread in threads:
            thread.start()
        ended: dict[Direction, tuple[float, ...]] = {}

        def told(after: float) -> set[tuple[str, str]]:
            return {(name, how) for begun, _, name, how, _ in list(seen) if begun > after}

        try:
            for direction, resumed in (
                (Direction.SENDING, True),
                (Direction.RECEIVING, True),
                (Direction.BOTH, False),
            ):
                time.sleep(0.3)
                begun = time.monotonic()
                partners.suspend(node, "b", direction=direction)
                ended[direction] = (begun, time.monotonic())
                time.sleep(0.5)
                until(
                    lambda after=ended[direction][1]: told(after) >= {("b", "GET"), ("b", "POST")}
                )
                ended[direction] += (time.monotonic(),)
                if resumed:
                    partners.resume(node, "b", direction=direction)
        finally:
            over.set()
            for thread in threads:
                thread.join(30)
    for direction, expected in (
        (Direction.SENDING, {"GET": 503, "POST": 202}),
        (Direction.RECEIVING, {"GET": 200, "POST": 503}),
        (Direction.BOTH, {"GET": 401, "POST": 401}),
    ):
        begun, returned, end = ended[direction]
        assert returned - begun < 1
        for method, status in expected.items():
            got = [
                found for at, done, name, how, found in seen
                if name == "b" and how == method and returned < at and done < end
            ]  # fmt: skip
            # A locked-out stranger is told so with 429: it is let in as little.
            assert got
            assert set(got) <= ({status, 429} if status == 401 else {status}), (direction, method)
    assert {status for *_, name, _, status in seen if name == "c"} == {200}


def test_stop_sending_and_keep_listening(server: Served) -> None:
    """Its GETs wait without a loss, its POSTs are taken; what became visible meanwhile is there afterwards."""
    server.scene.publish(*[indicator(f"i{n}") for n in range(5)])
    client = server.client()
    page = client.objects({"limit": 3})
    partners.suspend(server.node, "b", direction=Direction.SENDING, by="duty")
    for path in GETS:
        got = client.get(path)
        assert (got.status, got.headers["retry-after"]) == (503, "60")
        assert b"i0" not in got.raw
    server.scene.publish(indicator("meanwhile"))
    posted = client.post(objects_path(), theirs("listened to"))
    assert (posted.status, posted.json["success_count"]) == (202, 1)
    assert client.get(f"{ROOT}status/{posted.json['id']}/").status == 200
    assert client.get(f"{ROOT}collections/").status == 200
    partners.resume(server.node, "b", direction=Direction.SENDING)
    rest = client.objects({"limit": 100, "next": page.next})
    everything = client.objects({"limit": 100})
    assert page.ids + rest.ids == everything.ids
    assert indicator("meanwhile")["id"] in rest.ids


@pytest.mark.parametrize("size", [10, SMALL + 1])
def test_stop_listening_and_go_on_sending(server: Served, size: int) -> None:
    """POST and DELETE answer 503 and change nothing, also where the body is read by the receiver; GET goes on."""
    mine = indicator("mine", by=B_IDENTITY)
    client = server.client()
    assert client.post(objects_path(), {"objects": [mine]}).status == 202
    partners.suspend(server.node, "b", direction=Direction.RECEIVING)
    got = client.post(objects_path(), theirs("refused", description="x" * size))
    assert (got.status, got.headers["retry-after"]) == (503, "60")
    assert client.delete(objects_path(stix_id=mine["id"])).status == 503
    assert client.objects().status == 200
    assert (
        server.client("c").post(objects_path(), {"objects": [indicator("c", by=None)]}).status
        == 202
    )
    # What was let in at the door before the suspension is stopped in its transaction.
    with pytest.raises(ReceivingSuspended):
        publishing.receive(
            server.node, envelope(indicator("late", by=B_IDENTITY)),
            partner=server.scene.partner("b"), collection=server.scene.collection("indicators"),
        )  # fmt: skip
    partners.resume(server.node, "b", direction=Direction.RECEIVING)
    assert client.post(objects_path(), theirs("refused", description="x" * size)).status == 202
    assert client.delete(objects_path(stix_id=mine["id"])).status == 200


def test_one_way_after_the_other_is_both(server: Served) -> None:
    """Both one by one is a stranger's door; one lifted leaves the other; each change is one line of the ledger."""
    node, client = server.node, server.client()
    partners.suspend(node, "b", direction=Direction.SENDING)
    partners.suspend(node, "b", direction=Direction.SENDING)
    partners.suspend(node, "b", direction=Direction.RECEIVING)
    assert client.objects().status == 401
    partners.resume(node, "b", direction=Direction.RECEIVING)
    assert (client.objects().status, client.post(objects_path(), theirs("x")).status) == (503, 202)
    partners.resume(node, "b")
    assert client.objects().status == 200
    with node.database.reading() as tx:
        found = [decode_line(row.body) for row in ledger_rows.unsealed_lines(tx)]
    assert [
        (line.kind, line.facts["directions"])
        for line in found
        if line.kind in ("partner.suspend", "partner.resume")
    ] == [
        ("partner.suspend", ["sending"]), ("partner.suspend", ["receiving"]),
        ("partner.resume", ["receiving"]), ("partner.resume", ["sending"]),
    ]  # fmt: skip


def test_resuming_says_first_what_would_go_out(server: Served) -> None:
    """The numbers said are the objects that a poll brings then, and nothing was changed by saying them."""
    node, client = server.node, server.client()
    server.scene.publish(*[indicator(f"early {n}") for n in range(4)])
    gone = indicator("early 0")
    assert gone["id"] in client.objects().ids
    server.scene.publish(indicator("before"))
    partners.suspend(node, "b", direction=Direction.SENDING)
    server.scene.publish(indicator("while"), indicator("again"))
    server.scene.post("b", indicator("its own", by=B_IDENTITY))
    server.scene.publish(indicator("secret", tlp="red"))
    from cert_exchange.services import releasing

    releasing.withdraw(node, gone["id"], by="anna", reason="wrong")
    seen = partners.would_resume(node, "b", direction=Direction.SENDING)
    (lot,) = [one for one in seen.backlogs if one.collection == "indicators"]
    assert (lot.way, lot.versions, lot.since_suspension, lot.taken_back) == ("polls", 3, 2, 1)
    assert {one.stix_id for one in lot.newest} == {
        indicator(name)["id"] for name in ("before", "while", "again")
    }
    assert client.objects().status == 503
    partners.resume(node, "b", direction=Direction.SENDING)
    got = client.objects({"limit": 100})
    fresh = {one["id"] for one in got.objects if one.get("name") in ("before", "while", "again")}
    assert fresh == {one.stix_id for one in lot.newest}
    assert partners.would_resume(node, "b").backlogs == ()
    with pytest.raises(NotFound):
        partners.would_resume(node, "nobody")


def test_a_freeze_outlasts_a_suspension(server: Served) -> None:
    """Who resumes is told that a freeze still keeps everything, and it does."""
    node, client = server.node, server.client()
    server.scene.publish(indicator("x"))
    freezing.freeze(node, "b", by="duty", reason="a wrong release")
    partners.suspend(node, "b", direction=Direction.SENDING)
    assert partners.would_resume(node, "b").frozen
    partners.resume(node, "b")
    assert client.objects().status == 503
    freezing.unfreeze(node, "b", by="duty", reason="over")
    assert client.objects().status == 200
    assert not partners.would_resume(node, "b").frozen


def test_a_scope_over_http(server: Served) -> None:
    """Hidden collections are absent ones; a reader cannot post, a writer cannot read."""
    node = server.node
    server.scene.publish(indicator("x"))
    reader = partners.issue(
        node, "b", lifetime=None, limits=Limits(scope={"indicators": Reach(True, False)})
    )
    writer = partners.issue(
        node, "b", lifetime=None, limits=Limits(scope={"indicators": Reach(False, True)})
    )
    whole = server.client()
    polls = whole.with_(authorization=f"Bearer {reader.token}")
    pushes = whole.with_(authorization=f"Bearer {writer.token}")
    assert [one["alias"] for one in polls.get(f"{ROOT}collections/").json["collections"]] == [
        "indicators"
    ]
    hidden = polls.get(f"{ROOT}collections/reports/")
    absent = polls.get(f"{ROOT}collections/nothing/")
    assert hidden.status == absent.status == 404
    assert hidden.json | {"error_id": ""} == absent.json | {"error_id": ""}
    assert (polls.objects().status, pushes.objects().status) == (200, 403)
    assert polls.post(objects_path(), theirs("y")).status == 403
    assert pushes.post(objects_path(), theirs("y")).status == 202
    assert whole.get(f"{ROOT}collections/reports/").status == 200


def test_a_use_is_shown_and_one_from_elsewhere_apart(server: Served) -> None:
    """After a request `partner credentials` knows; a limited credential from loopback is a stranger's, and doctor says so."""
    node = server.node
    client = server.client()
    assert client.objects().status == 200
    limited = partners.issue(node, "b", lifetime=None, limits=Limits(networks=("192.0.2.0/24",)))
    thief = client.with_(authorization=f"Bearer {limited.token}")
    stranger = client.with_(authorization="Bearer aaaaaaaaaaaa.x").objects()
    got = thief.objects()
    assert got.status == stranger.status == 401
    assert got.json | {"error_id": ""} == stranger.json | {"error_id": ""}

    def found() -> dict[str, partners.Life]:
        (row,) = [row for row in partners.listing(node) if row.partner.name == "b"]
        return {one.id: one for one in row.credentials}

    ends = time.monotonic() + 10
    mine = server.credential("b").credential_id
    while time.monotonic() < ends:
        now = found()
        if now[mine].last_used_at and now[limited.credential_id].refused_at:
            break
        time.sleep(0.02)
    assert now[mine].last_network == now[limited.credential_id].refused_network == "127.0.0.0/24"
    assert now[limited.credential_id].last_used_at is None
    assert json.dumps(limited.secret) not in json.dumps(str(now))
