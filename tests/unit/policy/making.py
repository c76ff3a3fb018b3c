"""Policies, subjects and contexts for the tests of this room, written as short as they can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cert_exchange.policy.decide import Context, Decision, Subject, decide, subject_of
from cert_exchange.policy.document import Policy, parse_policy
from cert_exchange.policy.pointing import Pointing
from cert_exchange.policy.tracing import trace
from cert_exchange.stix.instants import parse_micros

NOW = parse_micros("2026-11-25T12:00:00Z")
MINUTE = 60_000_000
DAY = 86_400_000_000
MITRE = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"
MITRE_IDENTITY = "identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5"
UNKNOWN_MARKING = "marking-definition--11111111-1111-4111-8111-111111111111"
ID = "6b616fc1-1505-48e3-8b2c-0d19337bff38"

TLP1 = {
    "clear": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "green": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "amber": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "red": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
TLP2 = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
LADDER = tuple(TLP2)

OWN_ALLOWED = "  - {name: all of ours, match: {origin: own}, allow: true}\n"
ANY_ALLOWED = "  - {name: everything, match: {origin: any}, allow: true}\n"


def policy(
    rules: str = OWN_ALLOWED,
    *,
    ceiling: str = f"{{tlp: red, unmarked: clear, statements: [{MITRE}]}}",
    partners: str = "[cert-b]",
    collections: str = "[indicators, reports]",
    more: str = "",
    companions: Mapping[str, str] | None = None,
) -> Policy:
    """A policy of cert-b; `rules` is YAML, a list indented by two, `more` further keys, a line each."""
    text = f"partners: {partners}\ncollections: {collections}\nceiling: {ceiling}\n"
    text += more
    text += f"rules:\n{rules}" if rules else "rules: []\n"
    return parse_policy(text, file="policies/cert-b.yaml", companions=companions or {})


def subject(
    kind: str = "indicator",
    *,
    origin: str = "own",
    stored_at: int = NOW - MINUTE,
    pointing: Sequence[str] = (),
    **content: Any,
) -> Subject:
    """An object of this type with these properties and nothing else.

    `pointing`: for each indicator that points at it "revoked", "unlimited", or its valid_until.
    """
    indicators = [
        Pointing(one == "revoked", parse_micros(one) if one[0].isdigit() else None)
        for one in pointing
    ]
    return subject_of(
        {"type": kind, "id": f"{kind}--{ID}", **content},
        origin=origin,
        stored_at=stored_at,
        pointers=lambda: indicators,
    )


def context(**given: Any) -> Context:
    """For cert-b, in indicators, now."""
    values: dict[str, Any] = {"members": frozenset({"cert-b"}), "collection": "indicators"}
    return Context(**{**values, "now": NOW, **given})


def decided(rules: str, what: Subject, **given: Any) -> Decision:
    """Decide by these rules under a ceiling that lets everything pass."""
    return decide(policy(rules), what, context(**given))


def missed(policy_: Policy, what: Subject, where: Context) -> dict[str, tuple[str, ...]]:
    """By rule, the keys that miss or give no answer, as explanations show them; none where the rule applies."""
    steps = next(step.steps for step in trace(policy_, what, where) if step.asked == "rules")
    return {
        rule.name: tuple(key.asked for key in step.steps if key.answer != "matches")
        for rule, step in zip(policy_.rules, steps, strict=True)
    }
