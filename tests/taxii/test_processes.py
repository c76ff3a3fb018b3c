"""Several processes over one node: servers beside each other, and the receiver beside a server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.scenes import B_IDENTITY, Scene, envelope, indicator
from tests.taxii.conftest import Client, Served, objects_path, started

from cert_exchange.errors import (
    CertExchangeError,
    NotFound,
    NotJson,
    SharingFrozen,
    StoreUnavailable,
)
from cert_exchange.node import Node
from cert_exchange.peering.clerk import Clerk
from cert_exchange.services.deliveries import answer_statement
from cert_exchange.taxii import side_process
from cert_exchange.taxii.receiver import SMALL, Receiver


@pytest.mark.case("D04")
@pytest.mark.case("P23")
def test_processes_over_one_database_answer_alike(node: Node) -> None:
    """Two servers started cold, fifty requests at once: no error, and `next` of the one goes on at the other."""
    from cert_exchange.services import partners

    scene = Scene.set_up(node)
    scene.publish(*[indicator(f"i{n}") for n in range(30)])
    token = partners.issue(node, "b", lifetime=None).token
    home = node.settings.home
    with (home / "node.yaml").open("a") as file:
        file.write("port: 0\n")
    with ExitStack() as stack:
        ports = [stack.enter_context(_named(home, name)) for name in ("one", "two")]
        clients = [Client(port, f"Bearer {token}") for port in ports]
        whole = clients[0].objects().raw
        with ThreadPoolExecutor(10) as pool:
            found = list(pool.map(lambda n: clients[n % 2].objects(), range(50)))
        assert {got.raw for got in found} == {whole}
        seen: list[str] = []
        query: dict[str, str] = {"limit": "4"}
        for turn in range(20):
            got = clients[turn % 2].objects(query)
            seen += got.ids
            if got.next is None:
                break
            query = {"limit": "4", "next": got.next}
        assert seen == clients[0].objects().ids


@contextmanager
def _named(home: Path, name: str) -> Iterator[int]:
    with started(home, log_name=f"{name}.log") as (port, _):
        yield port


def large(name: str) -> bytes:
    return envelope(indicator(name, by=B_IDENTITY, description="x" * (SMALL + 1)))


@pytest.fixture
def receiver(server: Served) -> Iterator[tuple[Receiver, Scene, asyncio.Runner]]:
    with asyncio.Runner() as runner, ThreadPoolExecutor(2) as threads:
        made = Receiver(server.node, threads)
        yield made, server.scene, runner
        runner.run(made.stop())


def test_the_receiver_stores_and_answers_errors_as_they_are(
    receiver: tuple[Receiver, Scene, asyncio.Runner],
) -> None:
    """A large body comes back with its status; an error with its words, its status and its detail apart."""
    made, scene, runner = receiver
    where = {"partner": scene.partner("b"), "collection": scene.collection("indicators")}
    status = runner.run(made.receive(large("one"), **where))
    assert b'"success_count":1' in status
    with pytest.raises(CertExchangeError) as caught:
        runner.run(made.receive(b"{" * (SMALL + 1), **where))
    assert (caught.value.status, caught.value.title) == (NotJson.status, NotJson.title)
    assert caught.value.detail not in caught.value.public or not caught.value.detail


def test_a_receiver_that_dies_is_replaced(
    receiver: tuple[Receiver, Scene, asyncio.Runner],
) -> None:
    """Killed over a body: 503 for its sender, and the next body is taken; what comes again is a duplicate."""
    made, scene, runner = receiver
    where = {"partner": scene.partner("b"), "collection": scene.collection("indicators")}
    runner.run(made.receive(large("one"), **where))
    child = made.side._child
    assert child is not None
    os.kill(child.pid, signal.SIGSTOP)

    async def killed() -> None:
        asking = asyncio.ensure_future(made.receive(large("two"), **where))
        await asyncio.sleep(0.2)
        os.kill(child.pid, signal.SIGKILL)
        await asking

    with pytest.raises(StoreUnavailable):
        runner.run(killed())
    assert b'"success_count":1' in runner.run(made.receive(large("two"), **where))
    assert b'"success_count":1' in runner.run(made.receive(large("two"), **where))


def test_an_idle_receiver_ends_and_starts_again(
    receiver: tuple[Receiver, Scene, asyncio.Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no memory while nobody sends large bodies."""
    monkeypatch.setattr(side_process, "IDLE_SECONDS", 0.05)
    made, scene, runner = receiver
    where = {"partner": scene.partner("b"), "collection": scene.collection("indicators")}

    async def rest() -> int | None:
        await made.receive(large("one"), **where)
        child = made.side._child
        assert child is not None
        async with asyncio.timeout(20):
            return await child.wait()

    assert runner.run(rest()) == 0
    assert b'"success_count":1' in runner.run(made.receive(large("two"), **where))


def test_the_clerk_answers_as_the_server_would(server: Served) -> None:
    """A statement made by it stands in the store; an error is of the class, and says what it said there."""
    scene, asked = server.scene, {"collection": "indicators"}
    scene.publish(indicator("x"))
    caller = scene.caller("b")
    with asyncio.Runner() as runner:
        clerk = Clerk(server.node)
        try:
            said = json.loads(runner.run(clerk.answer("statements", caller, asked)))
            again = answer_statement(server.node, caller, {**asked, "again": 1})
            assert said == json.loads(json.dumps(dict(again)))
            with pytest.raises(NotFound) as missing:
                runner.run(clerk.answer("statements", caller, {"collection": "elsewhere"}))
            assert (missing.value.status, missing.value.public) == (404, NotFound.public)
            with pytest.raises(SharingFrozen) as frozen:
                runner.run(clerk.answer("statements", replace(caller, frozen=True), asked))
            assert frozen.value.retry_after == SharingFrozen.retry_after
            child = clerk.side._child
            assert child is not None
            os.kill(child.pid, signal.SIGSTOP)

            async def killed() -> None:
                asking = asyncio.ensure_future(clerk.answer("statements", caller, asked))
                await asyncio.sleep(0.2)
                os.kill(child.pid, signal.SIGKILL)
                await asking

            with pytest.raises(StoreUnavailable):
                runner.run(killed())
            assert runner.run(clerk.answer("statements", caller, asked))
        finally:
            runner.run(clerk.stop())


def test_polls_are_answered_while_a_large_body_is_taken_in(server: Served) -> None:
    """The event loop goes on: many polls during one POST of a thousand."""
    b, c = server.client("b"), server.client("c")
    body = {"objects": [indicator(f"p{n}", by=B_IDENTITY) for n in range(1_000)]}
    with ThreadPoolExecutor(1) as pool:
        posting = pool.submit(lambda: b.post(objects_path(), body))
        polls = 0
        while not posting.done():
            assert c.objects({"limit": 10}).status == 200
            polls += 1
            time.sleep(0.02)
    assert posting.result().json["success_count"] == 1_000
    assert polls > 5
