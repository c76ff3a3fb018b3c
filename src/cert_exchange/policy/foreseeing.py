"""What a policy would show of one object, references aside: its decision, carried through redaction.

1. The same steps as when it is released: trim, then ask what is left once more. Nothing here is kept or shown to others.
2. Of an object that is written down only in part nobody can tell what would be left: then the decision alone counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cert_exchange.errors import ObjectInvalid
from cert_exchange.policy.decide import (
    Allow,
    Context,
    Decision,
    Deny,
    DenyKind,
    Redact,
    ceiling_for,
    decide,
    stands,
)
from cert_exchange.policy.document import Policy
from cert_exchange.policy.redaction import Unredactable, never_redacted, trim
from cert_exchange.policy.redaction.choosing import removed
from cert_exchange.policy.subject import Subject
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.references import OBSERVABLE_TYPES
from cert_exchange.stix.validation import validate

_LIMITS: Final = Limits(object_bytes=1 << 40)
_ANY_UUID: Final = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The decision; where it redacts, with what is left, or with why that cannot be told."""

    decision: Decision
    left: Mapping[str, Any] | None = field(default=None, repr=False)
    unclear: str = ""

    def has(self, name: str) -> bool:
        """Whether a property, or what a dotted path leads to, is still there."""
        return self.left is not None and any(removed(self.left, frozenset({name})))


def foresee(policy: Policy, subject: Subject, context: Context) -> Foreseen:
    """Decide, and take away what the decision redacts. Never raises."""
    decision = decide(policy, subject, context)
    if not isinstance(decision, Redact):
        return Foreseen(decision)
    content = completed(subject.content, subject.stored_at)
    try:
        validate(content, limits=_LIMITS)
    except ObjectInvalid as error:
        return Foreseen(decision, unclear=f"the object is not whole: {error.public}")
    left = trim(content, decision.recipe, ceiling_for(policy, subject))
    if isinstance(left, Unredactable):
        return Foreseen(_denied(decision, left.reason))
    never = never_redacted(content)
    if not left.changed and (never is not None or not left.may_be_cut):
        barred = stands(policy, subject, context)
        return Foreseen(barred or Allow(decision.rule, decision.reason))
    if never is not None:
        return Foreseen(_denied(decision, never))
    barred = stands(policy, subject.reread(left.content), context, whole=subject)
    return Foreseen(barred) if barred is not None else Foreseen(decision, left.content)


def completed(content: Mapping[str, Any], stored_at: int) -> dict[str, Any]:
    """An object with what every object has and nobody writes down for an example. `stored_at` in micros."""
    given = {"id": f"{content.get('type')}--{_ANY_UUID}", "spec_version": "2.1"}
    if content.get("type") not in OBSERVABLE_TYPES:
        made = format_micros(stored_at)
        given |= {"created": made, "modified": content.get("created", made)}
    return {**given, **content}


def _denied(redact: Redact, why: str) -> Deny:
    return Deny(redact.rule, f"{redact.reason}; it cannot be redacted: {why}", DenyKind.RULE)
