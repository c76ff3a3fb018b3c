"""From decision to what is left, over random indicators and rules: nothing that a rule lifted passes without being taken."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.making import (
    DAY,
    ID,
    LADDER,
    MITRE,
    MITRE_IDENTITY,
    NOW,
    TLP2,
    UNKNOWN_MARKING,
    context,
    policy,
)

from cert_exchange.policy.ceiling import above_ceiling, bound
from cert_exchange.policy.decide import Allow, Deny, Hold, Redact, subject_of
from cert_exchange.policy.document import Policy
from cert_exchange.policy.foreseeing import foresee
from cert_exchange.stix.markings import TLP_BY_ID, Tlp

SECRETS = {"name": "canary-name-71", "description": "canary-text-72", "x_desk": "canary-desk-73"}
MARKINGS = st.sampled_from([*TLP2.values(), MITRE, UNKNOWN_MARKING])
RULES = (
    "{redact: {above_ceiling: true}}",
    "{redact: {source: true, references: cut}}",
    "{redact: {external_references: true}}",
    "{redact: {remove: [description], custom: true}}",
    "{redact: {remove: [labels]}}",
    "{allow: true}",
)

indicators = st.fixed_dictionaries(
    {
        "type": st.just("indicator"),
        "spec_version": st.just("2.1"),
        "id": st.just(f"indicator--{ID}"),
        "created": st.just("2026-11-20T00:00:00.000Z"),
        "modified": st.just("2026-11-20T00:00:00.000Z"),
        "pattern": st.just("[file:name = 'x']"),
        "pattern_type": st.just("stix"),
        "valid_from": st.just("2026-11-20T00:00:00Z"),
        **{name: st.just(value) for name, value in SECRETS.items()},
    },
    optional={
        "created_by_ref": st.just(MITRE_IDENTITY),
        "labels": st.lists(
            st.sampled_from(["apt", "tlp:amber", "tlp:ex:chr", "PAP:RED"]), min_size=1, max_size=3, unique=True
        ),
        "external_references": st.just([{"source_name": "somebody", "description": "told us"}]),
        "object_marking_refs": st.lists(MARKINGS, min_size=1, max_size=2, unique=True),
        "granular_markings": st.lists(
            st.builds(
                lambda selector, marking: {"selectors": [selector], "marking_ref": marking},
                st.sampled_from(sorted(SECRETS)), MARKINGS,
            ),
            min_size=1, max_size=3,
        ),
    },
)  # fmt: skip


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    verbs = draw(st.lists(st.sampled_from(RULES), min_size=1, max_size=4, unique=True))
    rules = "".join(
        f"  - {{name: r{number}, match: {{origin: any}}, {verb[1:-1]}}}\n"
        for number, verb in enumerate(verbs)
    )
    level, unmarked = draw(st.sampled_from(LADDER)), draw(st.sampled_from(["deny", "clear", "red"]))
    ceiling = f"{{tlp: {level}, unmarked: {unmarked}, statements: [{MITRE}]}}"
    return policy(rules, ceiling=ceiling)


def levels(content: dict[str, Any], names: set[str]) -> list[Tlp | None]:
    """How granular markings mark these properties: None is a marking that nobody understands."""
    return [
        TLP_BY_ID.get(one["marking_ref"])
        for one in content.get("granular_markings", ())
        if set(one["selectors"]) & names and one["marking_ref"] != MITRE
    ]


@given(policies(), indicators, st.sampled_from(["own", "cert-c"]))
@settings(deadline=None, max_examples=150)
def test_what_is_shown_stands_under_the_ceiling(made: Policy, content: dict[str, Any], origin: str):
    """Whole: it passes as it is. In part: what is marked above is gone, with its values, and so is a hidden source."""
    subject = subject_of(content, origin=origin, stored_at=NOW - DAY)
    found = foresee(made, subject, context())
    assert not found.unclear
    own = origin == "own"
    match found.decision:
        case Allow():
            assert above_ceiling(made.ceiling, subject, own=own, carried=False) is None
            assert subject.handling is None or bound(subject.handling, NOW, now=NOW) is None
        case Redact(_, _, recipe):
            assert found.left is not None
            text = json.dumps(found.left)
            highest = made.ceiling.tlp if own else min(made.ceiling.tlp, Tlp.GREEN)
            for name, secret in SECRETS.items():
                marked = levels(content, {name})
                above = any(level is None or level > highest for level in marked)
                removed = name in recipe.remove or (recipe.custom and name.startswith("x_"))
                assert not above or recipe.above_ceiling
                assert not (above or removed) or secret not in text
            if recipe.source or "tlp:ex:chr" in content.get("labels", ()):
                assert MITRE_IDENTITY not in text
            left = subject.reread(found.left)
            assert above_ceiling(made.ceiling, left, own=own, carried=False) is None
            whole = subject.without_granular_markings
            assert whole.tlp is None or (left.tlp is not None and left.tlp >= whole.tlp)
            assert whole.markings <= left.markings
        case Hold() | Deny():
            assert found.left is None
