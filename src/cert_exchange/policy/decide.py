"""May this audience have this object? One pure function; the clock and everything else is passed in.

(0) an audience without members and a collection that the policy does not name see nothing (CASES M01)
(1) what came from a member of the audience never goes back to it (DESIGN invariant 5, DECISIONS 28)
(2) the ceiling: unknown markings, then the TLP ladder; without markings a marking definition passes it, and so does
    an identity that is carried along; before it, what markings of other schemes say (FIRST IEP, `tlp:ex:chr`)
(3) what came from one partner goes to another only as TLP:CLEAR or TLP:GREEN, whatever the policy says, and what breaks
    the content profile of the policy's agreement goes to nobody
    (3a) terms, consents and the agreement with who sent it (`asking`); an embargo holds where no rule denies
(4) rules that deny  (5) rules that hold  (6) rules that redact  (7) rules that allow  (8) else denied

1. `decide` never raises: whatever goes wrong in it denies.
2. What is carried along (DECISIONS 4) needs (0) to (4) only, and is redacted where a rule says so.
3. Time keys of a live line use the instant of its release, unless their rule says withdraw (DECISIONS 9); whether a
   hold has passed is always asked of `now`.
4. Where a rule that matches redacts what is above the ceiling, (2) and (3) are asked of the object without its granular
   markings, and what an agreement forbids is asked of what is left; where one redacts the source, markings that forbid to name it are no reason to deny. Whoever makes the
   derivative asks `stands` of what is left: nothing that redaction forgot passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cert_exchange.policy.asking import TERMS, Asking, holding, lifted, refusal
from cert_exchange.policy.binding import Recipients
from cert_exchange.policy.ceiling import (
    WHOLE,
    barring,
    breaking,
    ceiling_for,
    owed,
    unmarked,
    unreadable,
)
from cert_exchange.policy.document import Policy
from cert_exchange.policy.expressions import ExpressionFailed
from cert_exchange.policy.matching import redaction_of
from cert_exchange.policy.rules import (
    Allow,
    Decision,
    Deny,
    DenyKind,
    Hold,
    HoldTerms,
    Redact,
)
from cert_exchange.policy.subject import (
    OWN_NAME,
    Subject,
    subject_of,
)

__all__ = [
    "Allow",
    "Context",
    "Decision",
    "Deny",
    "DenyKind",
    "Hold",
    "Redact",
    "Subject",
    "ceiling_for",
    "decide",
    "stands",
    "subject_of",
]

_NOBODY: Final[frozenset[str]] = frozenset()
_CARRIED: Final = Allow("carried", "an object that is visible refers to it")
_NOBODY_THERE: Final = Deny("default", "the audience has no members", DenyKind.DEFAULT)
_NOT_NAMED: Final = Deny("default", "the policy names no such collection", DenyKind.DEFAULT)
_DEFAULT: Final = Deny("default", "no rule allows it", DenyKind.DEFAULT)
_EXERCISE: Final = Deny(
    "default", "it is marked TEST, and no rule with test: true allows it", DenyKind.DEFAULT
)
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
    # How terms may name the members; who is not in it is not known.
    recipients: Recipients = field(default_factory=dict, compare=False)


def decide(policy: Policy, subject: Subject, context: Context) -> Decision:
    """Decide for one audience and collection; (0) to (8) above, the first answer stands. Never raises."""
    try:
        return _decided(policy, subject, context)
    except ExpressionFailed as failed:
        return Deny(
            "error", f"`when` of rule {failed.rule} gives no answer: {failed.said}", DenyKind.ERROR
        )
    except Exception as error:  # noqa: BLE001 - invariant 1: whatever fails here must deny, never pass and never spoil a batch
        return Deny("error", f"deciding failed with {type(error).__name__}", DenyKind.ERROR)


def stands(
    policy: Policy, subject: Subject, context: Context, *, whole: Subject | None = None
) -> Deny | None:
    """Ask ceiling, handling and agreement once more, of what redaction left; the denial, or None. Never raises.

    `subject` is `whole.reread(trimmed content)`, to be shown as a derivative: it must be marked as `whole` is without its
    granular markings, so that no marking goes with the property that bore it, and its originator need not be named. Without
    `whole`: redaction took nothing away, and the object is to be shown as it is.
    """
    try:
        at = instant_for(context, withdraw=False)
        own = subject.origin == OWN_NAME or cleared(subject, context)
        return (
            unreadable(policy, subject)
            or (owed(subject) if whole is not None else None)
            or barring(policy, subject, at, now=context.now, own=own, carried=context.carried)
            or (breaking(policy.agreed, subject) if policy.agreed is not None else None)
            or (unmarked(whole, subject) if whole is not None else None)
        )
    except Exception as error:  # noqa: BLE001 - as in `decide`
        return Deny("error", f"deciding failed with {type(error).__name__}", DenyKind.ERROR)


def redaction_for(policy: Policy, subject: Subject, context: Context) -> tuple[Redact | None, bool]:
    """What redact rules take away, and whether one of them permits the object. Raises ExpressionFailed."""
    plans = policy.plans
    redactions = (
        plans.carried_redactions
        if context.carried
        else plans.of(subject.type, own=subject.origin == OWN_NAME).redactions
    )
    at = instant_for(context, withdraw=False)
    return redaction_of(redactions, subject, at, context.now, context.collection)


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
    plans = policy.plans
    free = own or cleared(subject, context)
    now, carried = context.now, context.carried
    barred = barring(policy, subject, at, now=now, own=free, carried=carried)
    redact: Redact | None = None
    permitted = False
    if plans.redacts:
        redact, permitted = redaction_for(policy, subject, context)
        if barred is not None and redact is not None:
            recipe = redact.recipe
            barred = barring(policy, subject, at, now=now, own=free, carried=carried, recipe=recipe)
    if barred is not None:
        return barred
    held: Hold | None = None
    if subject.binding is not None:
        asking = asking_for(policy, subject, context)
        if (refused := refusal(subject.binding, asking)) is not None:
            return refused
        held = holding(subject.binding, asking)
        if held is not None and context.carried:
            return Deny(TERMS, held.reason, DenyKind.TERMS)
    if policy.agreed is not None:
        taken = WHOLE if redact is None else redact.recipe
        if (broken := breaking(policy.agreed, subject, taken)) is not None:
            return broken
    collection = context.collection
    now = context.now
    if context.carried:
        for test, withdraw, denial in plans.carried:
            if test(subject, now if withdraw else at, collection):
                return denial
        return _CARRIED if redact is None else _redacted(subject, redact)
    if own:
        plan = plans.own.get(subject.type, plans.own_other)
    else:
        plan = plans.foreign.get(subject.type, plans.foreign_other)
    for test, withdraw, denial in plan.denying(subject):
        if test(subject, now if withdraw else at, collection):
            return denial
    for test, withdraw, rule in plan.holds:
        if rule.name not in context.approved and test(subject, now if withdraw else at, collection):
            assert rule.hold is not None
            if rule.name in context.expired:
                return Deny(rule.name, f"{rule.reason}; {_EXPIRED}", DenyKind.RULE)
            held = _longer(held, holding_of(rule.name, rule.reason, rule.hold, subject, now))
    if held is not None:
        return held
    chosen: Allow | None = None
    exercise = subject.binding is not None and subject.binding.test
    for test, withdraw, allowed in plan.asked:
        if test(subject, now if withdraw else at, collection) and (
            not exercise or allowed.rule in plans.for_tests
        ):
            chosen = chosen or allowed
    if chosen is None and not permitted:
        for test, withdraw, allowed in plan.allows:
            if exercise and allowed.rule not in plans.for_tests:
                continue
            if test(subject, now if withdraw else at, collection):
                chosen = allowed
                break
    if redact is not None and (permitted or chosen is not None):
        if exercise and chosen is not None and not permitted:
            redact = Redact(chosen.rule, chosen.reason, redact.recipe)  # who let it go answers
        return _redacted(subject, redact)
    return chosen or (_EXERCISE if exercise else _DEFAULT)


def asking_for(policy: Policy, subject: Subject, context: Context) -> Asking:
    """For whom and when terms are asked; always of `now` (`asking`, 3)."""
    return Asking(
        members=context.members,
        recipients=context.recipients,
        now=context.now,
        own=subject.origin == OWN_NAME,
        stored_at=subject.stored_at,
        ceiling=policy.ceiling.tlp,
    )


def cleared(subject: Subject, context: Context) -> bool:
    """Whether its originator consented to everyone here: then (3) does not keep it from them."""
    binding = subject.binding
    if binding is None or not binding.consents:
        return False
    own = subject.origin == OWN_NAME
    return lifted(
        binding,
        Asking(context.members, context.recipients, context.now, own, subject.stored_at),
    )


def _redacted(subject: Subject, redact: Redact) -> Redact | Deny:
    """What takes the source away is no answer where the source must be named."""
    return (owed(subject) if redact.recipe.source else None) or redact


def instant_for(context: Context, *, withdraw: bool) -> int:
    """The instant that a rule's time keys use, in micros (3 above)."""
    if withdraw or context.released_at is None:
        return context.now
    return context.released_at


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
