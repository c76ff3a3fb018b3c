"""Safe editing: what a preview shows is what `apply` then does, object for object (issue 4).

The small world of invariant 3 moves by random steps; before each change of a policy its preview is asked, and afterwards
the views are compared with it: every id that was gained, lost or stands in another version, in every view.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import initialize, run_state_machine_as_test
from tests.invariants.expectation import Terms
from tests.invariants.foretelling import assert_shown_as_foretold, changes, foretold, stands
from tests.invariants.small_world import PARTNERS, SmallWorld, some
from tests.invariants.test_3_views_match_decisions import TERMS, Views, Walk

from cert_exchange.errors import NotFound
from cert_exchange.services import policies


class Foretold(SmallWorld):
    """A small world in which every change of a policy is foretold."""

    def apply(self, partner: str, wanted: Terms) -> None:
        before = stands(self.node, partner)
        text = wanted.text(partner)
        policy = policies.check(self.node, text, file=f"{partner}.yaml").policy
        preview = policies.preview(self.node, policy, samples=100_000)
        told = foretold(preview)
        super().apply(partner, wanted)
        done = changes(before, stands(self.node, partner))
        assert told == done, (text, sorted(told - done), sorted(done - told))
        assert_shown_as_foretold(self.node, preview)


REDACTIONS = {
    "labels": "match: {origin: any, type: [indicator, malware]}, redact: {remove: [labels]}",
    "names": "match: {origin: any, type: indicator}, redact: {remove: [name]}",
    "in reports": (
        "match: {origin: any, type: [indicator, malware], collection: reports},"
        " redact: {remove: [name]}"
    ),
    "maker": "match: {origin: any, type: malware}, redact: {source: true}",
    "host": "match: {origin: any, type: ipv4-addr}, redact: {custom: true}",
    "who": "match: {origin: any, type: identity}, redact: {remove: [identity_class]}",
    "nameless": "match: {origin: any, type: identity, labels: [deny]}, redact: {remove: [name]}",
    "cut": "match: {origin: any, type: [report, note]}, redact: {remove: [labels], references: cut}",
    "text": "match: {origin: any, type: report}, redact: {remove: [description], custom: true}",
}


@dataclass(frozen=True)
class RedactingTerms(Terms):
    """A policy that redacts as well; `expectation.World` knows nothing of that."""

    redactions: tuple[str, ...] = ()

    def text(self, partner: str) -> str:
        """The policy document that says so."""
        chosen = [
            one for one in self.redactions if one != "in reports" or len(self.collections) > 1
        ]
        rules = "".join(f"  - {{name: {one}, {REDACTIONS[one]}}}\n" for one in chosen)
        return super().text(partner) + rules


class ForetoldRedactions(Foretold):
    """The same where policies redact: only the preview says what is expected, so nothing else is compared."""

    def check(self) -> None:
        """A client at rest holds what is in force."""
        for reader in self.readers:
            try:
                reader.poll(self.scene, self.callers[reader.partner])
            except NotFound:
                continue
            for one in self.scene.sees(reader.partner, reader.collection):
                held = reader.holds.get(one["id"])
                assert held == json.dumps(one, sort_keys=True), (reader.partner, one["id"])


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


class Redactions(Walk):
    """Longer ways with edits that redact more, less and otherwise."""

    def __init__(self, template: Path, seed: int) -> None:
        super().__init__(template, seed)
        self.small.close()
        self.small = ForetoldRedactions(template)

    def _step(self) -> None:
        if self.rng.random() < 0.5:
            super()._step()
            return
        wanted: dict[str, Any] = {name: self.rng.choice(values) for name, values in TERMS.items()}
        chosen = self.rng.sample(sorted(REDACTIONS), self.rng.randrange(4))
        terms = RedactingTerms(**wanted, redactions=tuple(chosen))
        self._do(self.small.apply, self.rng.choice(PARTNERS), terms)


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


@pytest.mark.parametrize("seed", some(range(100, 110), always=3))
def test_long_walks_with_many_edits_are_foretold(home_with_partners: Path, seed: int) -> None:
    """Fifty steps in one world, two in five of them an edit of a policy."""
    Edits(home_with_partners, seed).go(50)


@pytest.mark.parametrize("seed", some(range(200, 212), always=3))
def test_long_walks_with_redactions_are_foretold(home_with_partners: Path, seed: int) -> None:
    """Fifty steps in one world, half of them an edit of a policy, most of which redact something."""
    Redactions(home_with_partners, seed).go(50)
