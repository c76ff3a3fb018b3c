"""Invariant 3, and DECISIONS 1, 4 and 5: whatever happens, in any order, the views are what the decisions say.

A small world is moved by random steps: publishing, posting, withdrawing, deleting, policies, holds. After each step `live`
is compared with a plain restatement of the decisions (`expectation.py`), and a client that polls with pages of two is
compared with `live`. hypothesis looks for odd steps, the walks go on for longer.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.invariants.expectation import OWN, Terms
from tests.invariants.small_world import (
    OWN_KINDS,
    PARTNERS,
    STATEMENT,
    THEIR_KINDS,
    Made,
    SmallWorld,
    some,
)

LEVELS = ["clear", "green", "green", "amber", "red", None]
LABELS: list[tuple[str, ...]] = [(), (), (), ("deny",), ("hold",)]
WHERE = ["indicators", "indicators", "reports"]
TERMS: dict[str, list[Any]] = {
    "collections": [("indicators", "reports"), ("indicators",), ("indicators", "reports")],
    "types": [
        None, None, ("indicator", "relationship"),
        ("indicator", "malware", "relationship", "report", "note", "ipv4-addr"),
    ],
    "origin": ["own", "any", "any"],
    "ceiling": ["green", "amber"],
    "deny": [False, True],
    "hold": [False, True],
    "unresolved": ["wait", "wait", "allow"],
    "understands": [(), (STATEMENT,)],
}  # fmt: skip


def _made(by: Any, kinds: list[str]) -> Any:
    return st.builds(
        Made, by=by, kind=st.sampled_from(kinds), version=st.integers(0, 3),
        tlp=st.sampled_from(LEVELS), labels=st.sampled_from(LABELS),
        revoked=st.sampled_from([False] * 7 + [True]),
    )  # fmt: skip


own_objects = st.lists(
    _made(st.just(OWN), OWN_KINDS), min_size=1, max_size=3, unique_by=lambda one: one.key
)
terms = st.builds(Terms, **{name: st.sampled_from(values) for name, values in TERMS.items()})


class Views(RuleBasedStateMachine):
    """The steps as hypothesis draws them."""

    template: Path
    small: SmallWorld

    @initialize()
    def begin(self) -> None:
        self.small = SmallWorld(self.template)

    def teardown(self) -> None:
        self.small.close()

    @rule(chosen=own_objects, to=st.sampled_from(WHERE))
    def publish(self, chosen: list[Made], to: str) -> None:
        self.small.publish(chosen, to)

    @rule(one=_made(st.sampled_from(PARTNERS), THEIR_KINDS), to=st.sampled_from(WHERE))
    def post(self, one: Made, to: str) -> None:
        self.small.post(one, to)

    @rule(
        pick=st.integers(0, 1000), one_version=st.booleans(),
        collection=st.sampled_from([None, None, "indicators", "reports"]),
    )  # fmt: skip
    @precondition(lambda self: self.small.taken())
    def withdraw(self, pick: int, one_version: bool, collection: str | None) -> None:
        copies = self.small.taken()
        self.small.withdraw(
            copies[pick % len(copies)], one_version=one_version, collection=collection
        )

    @rule(pick=st.integers(0, 1000), collection=st.sampled_from(WHERE))
    @precondition(lambda self: any(c.origin != OWN for c in self.small.taken()))
    def delete(self, pick: int, collection: str) -> None:
        copies = [c for c in self.small.taken() if c.origin != OWN]
        self.small.delete(copies[pick % len(copies)], collection)

    @rule()
    @precondition(lambda self: self.small.world.blocked)
    def free(self) -> None:
        self.small.free()

    @rule(partner=st.sampled_from(PARTNERS), wanted=terms)
    def apply(self, partner: str, wanted: Terms) -> None:
        self.small.apply(partner, wanted)

    @rule()
    def let_go(self) -> None:
        self.small.let_go()

    @invariant()
    def views_are_what_the_decisions_say(self) -> None:
        self.small.check()


class Walk:
    """Longer ways through the same world, with the mix of steps that a busy node sees."""

    def __init__(self, template: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.small = SmallWorld(template)
        self.told: list[str] = []

    def go(self, steps: int) -> None:
        try:
            for _ in range(steps):
                self._step()
                self.small.check()
        except BaseException:
            print("\n".join(self.told))
            raise
        finally:
            self.small.close()

    def _step(self) -> None:
        rng, small = self.rng, self.small
        ours, theirs = small.taken(), [c for c in small.taken() if c.origin != OWN]
        match rng.choices(
            ["publish", "post", "withdraw", "delete", "free", "apply", "let_go"],
            [40, 25, 12, 8, 3, 9, 4],
        )[0]:
            case "publish":
                drawn = {
                    one.key: one
                    for one in (self._made(OWN, OWN_KINDS) for _ in range(rng.randrange(1, 4)))
                }
                self._do(small.publish, list(drawn.values()), rng.choice(WHERE))
            case "post":
                self._do(
                    small.post, self._made(rng.choice(PARTNERS), THEIR_KINDS), rng.choice(WHERE)
                )
            case "withdraw" if ours:
                where = rng.choice([None, None, "indicators", "reports"])
                self._do(
                    small.withdraw,
                    rng.choice(ours),
                    one_version=rng.random() < 0.5,
                    collection=where,
                )
            case "delete" if theirs:
                self._do(small.delete, rng.choice(theirs), rng.choice(WHERE))
            case "free" if small.world.blocked:
                self._do(small.free)
            case "apply":
                wanted = Terms(**{name: rng.choice(values) for name, values in TERMS.items()})
                self._do(small.apply, rng.choice(PARTNERS), wanted)
            case "let_go":
                self._do(small.let_go)

    def _made(self, by: str, kinds: list[str]) -> Made:
        rng = self.rng
        return Made(
            by,
            rng.choice(kinds),
            rng.randrange(4),
            rng.choice(LEVELS),
            rng.choice(LABELS),
            rng.random() < 0.1,
        )

    def _do(self, what: Any, *given: Any, **named: Any) -> None:
        self.told.append(f"{what.__name__} {given} {named}")
        what(*given, **named)


def test_views_are_what_the_decisions_say(home_with_partners: Path) -> None:
    """Whatever happens in any order, `live` is what DECISIONS 1, 4 and 5 say, and clients at rest hold it."""
    machine = type("Views", (Views,), {"template": home_with_partners})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=6, stateful_step_count=40, deadline=None,
            suppress_health_check=list(HealthCheck), derandomize=True, database=None,
            phases=[Phase.explicit, Phase.generate],  # a failure tells its steps; shrinking takes minutes
        ),
    )  # fmt: skip


@pytest.mark.parametrize("seed", some(range(14), always=7))
def test_long_walks_end_where_the_decisions_say(home_with_partners: Path, seed: int) -> None:
    """Fifty steps in one world, compared after each."""
    Walk(home_with_partners, seed).go(50)
