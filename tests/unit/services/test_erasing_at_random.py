"""Random histories of publishing, posting, withdrawing, erasing and undoing: nothing of what was erased is left, and all verifies."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, address, indicator, malware, relationship
from tests.unit.services.test_erasing import where_found

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.services import erasing, ledger, policies, purging, releasing, undoing

REDACTED = """\
partners: [c]
collections: [indicators, reports]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: ours without descriptions
    match: {origin: own}
    redact: {remove: [description], references: cut}
  - name: all of b
    match: {origin: b}
    allow: true
"""
WHOLE = REDACTED.replace("redact: {remove: [description], references: cut}", "allow: true")
STEPS = 40


class History:
    """One random history of a node."""

    def __init__(self, node: Node, seed: int) -> None:
        self.node = node
        self.dice = random.Random(seed)
        self.scene = Scene.set_up(node)
        self.scene.apply("c", REDACTED)
        self.gone: list[str] = []
        self.words: dict[str, set[str]] = {}
        """id -> what stands in some version of it and in nothing else"""
        self.count = 0

    def walk(self) -> None:
        """Take the steps."""
        steps = [
            self.bring,
            self.bring,
            self.bring,
            self.erase,
            self.withdraw,
            self.undo,
            self.turn,
        ]
        for _ in range(STEPS):
            self.dice.choice(steps)()

    def bring(self) -> None:
        """Somebody brings new objects and new versions of old ones."""
        self.count += 1
        mark = f"canary{self.count:04d}x"
        number = self.dice.randrange(4)
        who = self.dice.choice(["own", "b", "c"])
        by = {"own": None, "b": B_IDENTITY, "c": C_IDENTITY}[who]
        name = f"{who} {number}"
        made = [
            indicator(name, version=self.count, by=by, description=mark),
            malware(name, version=self.count, by=by, description=mark),
            address(f"203.0.113.{number}"),
        ]
        made.append(relationship(made[0], made[1], version=self.count, by=by, description=mark))
        chosen = self.dice.sample(made, k=self.dice.randrange(1, 5))
        outcomes = self.scene.publish(*chosen) if who == "own" else self.scene.post(who, *chosen)
        for one, outcome in zip(chosen, outcomes, strict=True):
            if outcome.result != "erased" and "description" in one:
                self.words.setdefault(one["id"], set()).add(mark)

    def erase(self) -> None:
        """Somebody erases one of the objects; what stood in it may stand in others that were brought with it."""
        if not self.words:
            return
        stix_id = self.dice.choice(sorted(self.words))
        with suppress(NotFound):
            erasing.erase(self.node, stix_id, by="anna", reason="random")
            self.gone += self.words.pop(stix_id)

    def withdraw(self) -> None:
        """Our desk takes something back."""
        if self.words:
            with suppress(NotFound, InputRefused):
                stix_id = self.dice.choice(sorted(self.words))
                releasing.withdraw(self.node, stix_id, by="anna", reason="random")

    def undo(self) -> None:
        """The last of what a partner sent is undone."""
        if self.dice.random() < 0.3:
            since = self.node.now() - self.dice.randrange(1, 400_000)
            undoing.undo(self.node, self.dice.choice(["b", "c"]), since, by="anna", reason="random")

    def turn(self) -> None:
        """Originals and derivatives take each other's place."""
        text = self.dice.choice([REDACTED, WHOLE])
        policies.apply(self.node, text, file="c.yaml", author="test")

    def left(self) -> list[str]:
        """What was erased and is still there, by what no object that stands was brought with."""
        standing = {one for words in self.words.values() for one in words}
        return [one for one in self.gone if one not in standing and where_found(self.node, one)]


@pytest.mark.parametrize("seed", range(4))
def test_random_histories_leave_nothing_of_what_was_erased(node: Node, seed: int) -> None:
    """And the ledger verifies; at the end a partner's all goes."""
    history = History(node, seed)
    history.walk()
    assert history.gone
    assert history.left() == []
    ledger.seal(node)
    ledger.verify(node)
    purging.purge(node, "b", by="anna", reason="over")
    ledger.verify(node)
    assert purging.count(node, "b") == 0
