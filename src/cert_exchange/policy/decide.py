"""May this audience have this object? One pure function; the clock and everything else is passed in.

(0) an audience without members and a collection that the policy does not name see nothing (CASES M01)
(1) what came from a member of the audience never goes back to it (DESIGN invariant 5, DECISIONS 28)
(2) the ceiling: unknown markings, then the TLP ladder; without markings a marking definition passes it, and so does
    an identity that is carried along; before it, what markings of other schemes say (FIRST IEP, `tlp:ex:chr`)
(3) what came from one partner goes to another only as TLP:CLEAR or TLP:GREEN, whatever the policy says, and what breaks
    the content profile of the policy's agreement goes to nobody
(4) rules that deny  (5) rules that hold  (6) rules that allow  (7) else denied

1. `decide` never raises: whatever goes wrong in it denies.
2. What is carried along (DECISIONS 4) needs (0) to (4) only.
3. Time keys of a live line use the instant of its release, unless their rule says withdraw (DECISIONS 9); whether a
   hold has passed is always asked of `now`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cert_exchange.policy.agreements import Agreement, breaches_by
from cert_exchange.policy.document import Policy
from cert_exchange.policy.expressions import ExpressionFailed
from cert_exchange.policy.matching import Test, keys_of
from cert_exchange.policy.rules import (
    Allow,
    Ceiling,
    Decision,
    Deny,
    DenyKind,
    Hold,
    HoldTerms,
    Redact,
    Verb,
)
from cert_exchange.policy.subject import MARKINGS, OWN_NAME, Subject, subject_of
from cert_exchange.stix.handling import Handling
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import Tlp

__all__ = [
    "Allow",
    "Context",
    "Decision",
    "Deny",
    "DenyKind",
    "Hold",
    "Redact",
    "RuleAnswer",
    "Subject",
    "answers",
    "decide",
    "subject_of",
]

_NOBODY: Final[frozenset[str]] = frozenset()
_CARRIED: Final = Allow("carried", "an object that is visible refers to it")
_NOBODY_THERE: Final = Deny("default", "the audience has no members", DenyKind.DEFAULT)
_NOT_NAMED: Final = Deny("default", "the policy names no such collection", DenyKind.DEFAULT)
_DEFAULT: Final = Deny("default", "no rule allows it", DenyKind.DEFAULT)
_EXPIRED: Final = "nobody released it before its hold expired"


@dataclass(frozen=True, slots=True)
class Context:
    """For whom, where and when. Instants in micros; `collection` is spelled as the policy spells it."""

    members: frozenset[str]  # names of the audience's partners
    collection: str
    now: int
    released_at: int | None = None  # set when a live line is decided again
    approved: frozenset[str] = _NOBODY  # rules whose hold a person has ended for this object
    carried: bool = False  # an identity or marking definition that a visible object needs
    expired: frozenset[str] = (
        _NOBODY  # rules whose hold ended in denial, since nobody released it in time
    )


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """What one rule says about one object: `missed` names the keys that do not match, none when it applies."""

    rule: str
    verb: Verb
    missed: tuple[str, ...]


def decide(policy: Policy, subject: Subject, context: Context) -> Decision:
    """Decide for one audience and collection; (0) to (7) above, the first answer stands. Never raises."""
    try:
        return _decided(policy, subject, context)
    except ExpressionFailed as failed:
        return Deny(
            "error", f"`when` of rule {failed.rule} gives no answer: {failed.said}", DenyKind.ERROR
        )
    except Exception as error:  # noqa: BLE001 - invariant 1: whatever fails here must deny, never pass and never spoil a batch
        return Deny("error", f"deciding failed with {type(error).__name__}", DenyKind.ERROR)


def answers(policy: Policy, subject: Subject, context: Context) -> tuple[RuleAnswer, ...]:
    """Ask every rule on its own, in the document's order: for `explain`, not for deciding.

    It shows what a rule matches; whether it had a say is in `decide`'s answer.
    """
    found = []
    for rule in policy.rules:
        at = instant_for(context, withdraw=rule.withdraw)
        missed = tuple(
            said
            for key, test in keys_of(rule.match)
            if (said := _missed(key, test, subject, at, context.collection)) is not None
        )
        found.append(RuleAnswer(rule.name, rule.verb, missed))
    return tuple(found)


def _missed(key: str, test: Test, subject: Subject, at: int, collection: str) -> str | None:
    """The key when it does not match, with the reason where it gives no answer; None when it matches."""
    try:
        return None if test(subject, at, collection) else key
    except ExpressionFailed as failed:
        return f"{key} (no answer: {failed.said})"


def _decided(policy: Policy, subject: Subject, context: Context) -> Decision:
    if not context.members:
        return _NOBODY_THERE
    if context.collection not in policy.collections:
        return _NOT_NAMED
    own = subject.origin == OWN_NAME
    if not own and subject.origin in context.members:
        return Deny("origin", f"it came from {subject.origin}, a member", DenyKind.ORIGIN)
    if subject.malformed and (broken := unreadable(policy, subject)) is not None:
        return broken
    at = context.now if context.released_at is None else context.released_at
    if subject.handling is not None and (kept := bound(subject.handling, at)) is not None:
        return kept
    above = above_ceiling(policy.ceiling, subject, own=own, carried=context.carried)
    if above is not None:
        return above
    if policy.agreed is not None and (broken := breaking(policy.agreed, subject)) is not None:
        return broken
    plans = policy.plans
    collection = context.collection
    now = context.now
    if context.carried:
        for test, withdraw, denial in plans.carried:
            if test(subject, now if withdraw else at, collection):
                return denial
        return _CARRIED
    if own:
        plan = plans.own.get(subject.type, plans.own_other)
    else:
        plan = plans.foreign.get(subject.type, plans.foreign_other)
    for test, withdraw, denial in plan.denials:
        if test(subject, now if withdraw else at, collection):
            return denial
    held: Hold | None = None
    for test, withdraw, rule in plan.holds:
        if rule.name not in context.approved and test(subject, now if withdraw else at, collection):
            assert rule.hold is not None
            if rule.name in context.expired:
                return Deny(rule.name, f"{rule.reason}; {_EXPIRED}", DenyKind.RULE)
            held = _longer(held, holding_of(rule.name, rule.reason, rule.hold, subject, now))
    if held is not None:
        return held
    chosen: Allow | None = None
    for test, withdraw, allowed in plan.asked:
        if test(subject, now if withdraw else at, collection):
            chosen = chosen or allowed
    if chosen is not None:
        return chosen
    for test, withdraw, allowed in plan.allows:
        if test(subject, now if withdraw else at, collection):
            return allowed
    return _DEFAULT


def instant_for(context: Context, *, withdraw: bool) -> int:
    """The instant that a rule's time keys use, in micros (3 above)."""
    if withdraw or context.released_at is None:
        return context.now
    return context.released_at


def unreadable(policy: Policy, subject: Subject) -> Deny | None:
    """The denial for properties of the wrong kind that the policy looks at, or None."""
    broken = sorted(subject.malformed & (policy.plans.looks_at | {MARKINGS}))
    if not broken:
        return None
    return Deny("error", f"cannot be read: {', '.join(broken)}", DenyKind.ERROR)


def above_ceiling(ceiling: Ceiling, subject: Subject, *, own: bool, carried: bool) -> Deny | None:
    """Ask (2) and (3): the denial, or None where the object may go on to the rules."""
    level = subject.tlp
    if subject.markings and not subject.markings <= ceiling.statements.keys():
        unknown = subject.markings - ceiling.statements.keys()
        if subject.handling is not None:
            unknown -= subject.handling.understood
        if unknown:
            return _ceiling(f"marking not understood: {min(unknown)}")
    if level is None:
        if subject.type == "marking-definition" and not subject.markings:
            return None
        if carried and subject.type == "identity":
            return None  # it counts as marked like what refers to it, which was decided on its own
        level = _counts_as(ceiling, subject)
        if level is None:
            return _ceiling("it carries no TLP")
    if level > ceiling.tlp:
        how = "is" if subject.tlp is not None else "counts as"
        return _ceiling(f"{how} TLP:{_spelled(level)}, above TLP:{_spelled(ceiling.tlp)}")
    if not own and level > Tlp.GREEN:
        how = "is" if subject.tlp is not None else "counts as"
        return _ceiling(
            f"{how} TLP:{_spelled(level)} and came from {subject.origin}: not for others"
        )
    return None


def breaking(agreement: Agreement, subject: Subject) -> Deny | None:
    """The denial for what breaks the content profile of an agreement, or None."""
    found = breaches_by(agreement, subject)
    if not found:
        return None
    reasons = "; ".join(f"{one.clause}: {one.reason}" for one in found[:3])
    return Deny("agreement", f"{reasons} (agreement with {agreement.partner})", DenyKind.AGREEMENT)


def _counts_as(ceiling: Ceiling, subject: Subject) -> Tlp | None:
    # Several statements add up: one without a level of its own leaves the object as unmarked as it was. What is
    # understood without being listed says nothing of the kind.
    levels = [
        ceiling.statements[marking] for marking in subject.markings if marking in ceiling.statements
    ]
    if not levels:
        return ceiling.unmarked
    counted = [ceiling.unmarked if level is None else level for level in levels]
    known = [level for level in counted if level is not None]
    return max(known) if len(known) == len(counted) else None


def bound(handling: Handling, at: int) -> Deny | None:
    """Ask what markings say beyond a TLP; `at` in micros. The denial, or None where they let the object go on.

    Of what is already released the dates are asked as of its release, as time keys are.
    """
    if handling.unreadable:
        return _ceiling(f"its markings cannot be read: {handling.unreadable}")
    if handling.begins is not None and at < handling.begins:
        return _ceiling(f"its IEP begins on {format_micros(handling.begins)}")
    if handling.ends is not None and at >= handling.ends:
        return _ceiling(f"its IEP ended on {format_micros(handling.ends)}")
    if handling.hides_source and handling.names_source:
        names = ", ".join(handling.names_source)
        return _ceiling(f"its source must not be named ({handling.hides_source}): {names}")
    return None


def _ceiling(reason: str) -> Deny:
    return Deny("ceiling", reason, DenyKind.CEILING)


def _spelled(level: Tlp) -> str:
    return level.name.replace("_", "+")


def holding_of(name: str, reason: str, terms: HoldTerms, subject: Subject, now: int) -> Hold | None:
    """The hold by these terms, or None where its time has passed."""
    if terms.approval:
        return Hold(name, reason, None, terms)
    if terms.duration is None:
        due = terms.until
    else:
        event = subject.stored_at if terms.after == "stored" else subject.changed_at
        due = event + terms.duration
    assert due is not None
    return Hold(name, reason, due, terms) if due > now else None


def _longer(one: Hold | None, other: Hold | None) -> Hold | None:
    if one is None or other is None:
        return other if one is None else one
    if one.due is None or (other.due is not None and other.due <= one.due):
        return one
    return other
