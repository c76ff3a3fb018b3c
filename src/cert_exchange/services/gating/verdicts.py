"""What became of an object at the way in, in words for our own people: taken, held, kept aside or refused, by which rule.

1. It reads the very outcome of taking in and decides nothing itself.
2. Each object has one answer and one place where it is found again: in use, held at the way in, among the proposals, in
   the quarantine, or nowhere.
3. None of these words is for a partner: they spell what we look for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from cert_exchange.policy.screening import INTAKE
from cert_exchange.services.deliveries import OTHER_CONTENT
from cert_exchange.services.publishing import Outcome
from cert_exchange.services.syncing.pulling import fate_of
from cert_exchange.services.syncing.vouching import UNSIGNED
from cert_exchange.stix.envelopes import Examined

Place = Literal["in use", "held", "proposals", "quarantine", "stored", "nowhere"]
"""`stored`: it is kept and goes to nobody, since our people said so before; `nowhere`: nothing new is kept of it."""
APPROVAL: Final = "approval"
_STATEMENTS: Final = frozenset({UNSIGNED, OTHER_CONTENT})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became, or would become, of one object."""

    id: str
    version: str | None
    type: str
    name: str
    becomes: str
    """one of `reporting.FATES`"""
    place: Place
    rule: str
    """the word of what ruled; empty where it is simply taken in"""
    reason: str
    ends: int
    """how many objects that count now it takes out of use"""


def verdict_of(one: Examined, outcome: Outcome) -> Verdict:
    """The verdict on an object that was looked at, from what taking it in made of it."""
    place, rule, reason = _ruled(one, outcome)
    content = one.item.content if one.item is not None else {}
    return Verdict(
        outcome.id, outcome.version, outcome.id.partition("--")[0], _name_of(content),
        fate_of(one, outcome), place, rule, reason, outcome.ends,
    )  # fmt: skip


def _ruled(one: Examined, outcome: Outcome) -> tuple[Place, str, str]:
    match outcome.result:
        case "accepted" if outcome.barred:
            return "stored", "withdrawn", "our desk took this version back before; it stays so"
        case "accepted" if outcome.found is not None:
            held = outcome.found.action == "hold"
            rule = APPROVAL if outcome.found.what[0].startswith(APPROVAL) else INTAKE
            return "held" if held else "stored", rule, outcome.found.said
        case "accepted":
            return "in use", "", _ending(outcome)
        case "duplicate":
            return "nowhere", "", ""
        case "proposal":
            why = outcome.message or "it is another's object, or one whose id stands for ours"
            return "proposals", "ownership", why
        case "conflict":
            why = outcome.message or "its creator brings other content than what counted here"
            return "quarantine", "conflict", why
        case "erased":
            return "nowhere", "erased", "it was erased here and is kept out"
        case "rejected" if one.item is None and one.refusal in _STATEMENTS:
            return "quarantine", "statements", outcome.message
        case "rejected" if not outcome.agreed:
            return "quarantine", "agreement", outcome.message
        case "rejected":
            return "quarantine", "validation", outcome.message


def _ending(outcome: Outcome) -> str:
    if not outcome.ends:
        return ""
    things = "object" if outcome.ends == 1 else "objects"
    return f"takes {outcome.ends:,} {things} out of use"


def _name_of(content: object) -> str:
    """A short text by which a person knows the object again."""
    if not isinstance(content, dict):
        return ""
    for key in ("name", "value", "pattern", "abstract", "relationship_type"):
        text = content.get(key)
        if isinstance(text, str) and text:
            return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return ""


_LONGEST: Final = 60
