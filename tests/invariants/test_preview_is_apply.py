"""Safe editing: what a preview shows is what `apply` then does, object for object (issue 4).

The small world of invariant 3 moves by random steps; before each change of a policy its preview is asked, and afterwards
the views are compared with it: every id that was gained, lost or stands in another version, in every view.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import initialize, run_state_machine_as_test
from tests.invariants.expectation import Terms
from tests.invariants.foretelling import changes, foretold, stands
from tests.invariants.small_world import PARTNERS, SmallWorld
from tests.invariants.test_3_views_match_decisions import TERMS, Views, Walk

from cert_exchange.services import policies


class Foretold(SmallWorld):
    """A small world in which every change of a policy is foretold."""

    def apply(self, partner: str, wanted: Terms) -> None:
        before = stands(self.node, partner)
        text = wanted.text(partner)
        policy = policies.check(self.node, text, file=f"{partner}.yaml").policy
        told = foretold(policies.preview(self.node, policy, samples=100_000))
        super().apply(partner, wanted)
        done = changes(before, stands(self.node, partner))
        assert told == done, (text, sorted(told - done), sorted(done - told))


class Previews(Views):
    """The steps as hypothesis draws them, in a world that is foretold."""

    @initialize()
    def begin(self) -> None:
        self.small = Foretold(self.template)


class Edits(Walk):
    """Longer ways, with many edits of policies."""

    def __init__(self, template: Path, seed: int) -> None:
        super().__init__(template, seed)
        self.small.close()
        self.small = Foretold(template)

    def _step(self) -> None:
        if self.rng.random() < 0.6:
            super()._step()
            return
        wanted: dict[str, Any] = {name: self.rng.choice(values) for name, values in TERMS.items()}
        self._do(self.small.apply, self.rng.choice(PARTNERS), Terms(**wanted))


def test_a_preview_is_what_apply_does(home_with_partners: Path) -> None:
    """Whatever happened before, in any order, `apply` does to every view what the preview showed."""
    machine = type("Previews", (Previews,), {"template": home_with_partners})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=6, stateful_step_count=40, deadline=None,
            suppress_health_check=list(HealthCheck), derandomize=True, database=None,
            phases=[Phase.explicit, Phase.generate],  # a failure tells its steps; shrinking takes minutes
        ),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(100, 110))
def test_long_walks_with_many_edits_are_foretold(home_with_partners: Path, seed: int) -> None:
    """Fifty steps in one world, two in five of them an edit of a policy."""
    Edits(home_with_partners, seed).go(50)
