"""A policy in force is read once a process, and not while other writers wait for the heads' locks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.scenes import ALLOW_ALL, B_IDENTITY, Scene, indicator

from cert_exchange.node import Node
from cert_exchange.policy.document import Policy, parse_policy
from cert_exchange.services.releasing import in_force


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


@pytest.fixture
def reading(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether each text was read inside a write transaction; the process has read nothing before."""
    seen: list[bool] = []
    inside = [False]
    database = scene.node.database
    tries = type(database)._tries

    def watched_tries(self: Any, work: Any) -> object:
        inside[0] = True
        try:
            return tries(self, work)
        finally:
            inside[0] = False

    def watched(text: str, **more: Any) -> Policy:
        seen.append(inside[0])
        return parse_policy(text, **more)

    monkeypatch.setattr(type(database), "_tries", watched_tries)
    monkeypatch.setattr(in_force, "parse_policy", watched)
    in_force.forget()
    yield seen
    in_force.forget()


def test_a_post_reads_no_policy_under_the_locks(scene: Scene, reading: list[bool]) -> None:
    """The transaction begins anew for each text that this process has not read, and once only."""
    (told,) = scene.post("b", indicator("x", by=B_IDENTITY))
    assert told.success
    assert reading == [False, False]
    scene.post("b", indicator("y", by=B_IDENTITY))
    assert reading == [False, False]
    assert len(scene.post("b", indicator("x", by=B_IDENTITY))) == 1


def test_a_policy_that_is_applied_is_not_read_again(scene: Scene, reading: list[bool]) -> None:
    scene.publish(indicator("x"))
    before = len(reading)
    scene.apply("b", ALLOW_ALL.format(partner="b") + "unresolved: allow\n")
    scene.publish(indicator("y"))
    assert len(reading) == before
    assert scene.names("b") == ["x", "y"]


def test_a_policy_that_cannot_be_read_does_not_stop_the_others(
    scene: Scene, reading: list[bool]
) -> None:
    """It is tried outside, and then inside: its audience sees nothing, and no transaction repeats for ever."""
    from sqlalchemy import update

    from cert_exchange.store.tables import policies

    scene.node.database.transact(
        lambda tx: tx.execute(update(policies).where(policies.c.name == "b").values(text="{"))
    )
    scene.publish(indicator("x"))
    assert scene.names("b") == []
    assert scene.names("c") == ["x"]
    assert reading == [False, True, False, True]  # b, b again, then c, and b for the last time
