"""How one decision came about: every question that `decide` asks, in its order, with what was found.

1. A step shows; `decide` decides. Each step asks the same tests that deciding asks, so that the two cannot differ.
2. All questions are asked, also those that no longer count because an earlier one denied: an administrator wants to
   know what stands in the way next.
3. What is found holds values of the object: for our own people, never for a partner or a log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.policy.agreements import breaches_by
from cert_exchange.policy.asking import holding, lifted, refusal
from cert_exchange.policy.asking import steps as what_binds
from cert_exchange.policy.ceiling import above_ceiling, bound, breaking, unreadable
from cert_exchange.policy.decide import (
    Context,
    asking_for,
    cleared,
    holding_of,
    instant_for,
    redaction_for,
)
from cert_exchange.policy.document import Policy
from cert_exchange.policy.expressions import ExpressionFailed
from cert_exchange.policy.keys import keys_of
from cert_exchange.policy.rules import HoldTerms, Redact, Rule, Verb
from cert_exchange.policy.subject import MARKINGS, OWN_NAME, Subject
from cert_exchange.policy.wording import found_at, spelled, taken_by, terms_of
from cert_exchange.stix.handling import PAP_MEANS, Handling
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import TLP_BY_ID, Tlp, tlp_of_text
from cert_exchange.stix.references import marking_ids

_PERMIT: Final = (Verb.ALLOW, Verb.REDACT)
_NOT_FOR_TESTS: Final = "it permits nothing of an exercise: it has no test: true"
_DOES_NOT_PERMIT: Final = "it does not permit the object, so that another rule must allow it"


@dataclass(frozen=True, slots=True)
class Step:
    """One question of a decision, its answer, what was found, and the questions that it consists of."""

    asked: str
    answer: str
    found: str = ""
    steps: tuple[Step, ...] = ()


def trace(policy: Policy, subject: Subject, context: Context) -> tuple[Step, ...]:
    """Ask all questions about one object for one audience and collection. Never raises for odd content."""
    own = subject.origin == OWN_NAME
    redact, permitted = _redacting(policy, subject, context)
    return (
        _audience(policy, context),
        _origin(subject, context, own=own),
        *_readable(policy, subject),
        *_handling(subject, context, redact),
        _ceiling(policy, subject, context, redact, own=own or cleared(subject, context)),
        *_terms_of_sharing(policy, subject, context),
        *_agreement(policy, subject, redact),
        Step(
            "rules",
            "asked" if policy.rules else "none",
            "carried along: only denials count" if context.carried else "",
            tuple(_rule(rule, subject, context) for rule in policy.rules),
        ),
        *_redaction(redact, context, permitted=permitted),
    )


def _redacting(policy: Policy, subject: Subject, context: Context) -> tuple[Redact | None, bool]:
    """What redact rules take away and whether they permit it; nothing where one of them gives no answer."""
    try:
        return redaction_for(policy, subject, context)
    except ExpressionFailed:
        return None, False


def _redaction(redact: Redact | None, context: Context, *, permitted: bool) -> Iterator[Step]:
    """What all rules take away together, where denials and holds let it come to that."""
    if redact is not None:
        found = "" if permitted or context.carried else _DOES_NOT_PERMIT
        takes = tuple(
            Step(one, "taken away where the object has it") for one in taken_by(redact.recipe)
        )
        yield Step("redaction", f"by {redact.rule}", found, takes)


def _audience(policy: Policy, context: Context) -> Step:
    if not context.members:
        return Step("audience", "denied", "it has no members")
    if context.collection not in policy.collections:
        return Step("audience", "denied", f"the policy does not name {context.collection}")
    return Step(
        "audience", "passed", f"{', '.join(sorted(context.members))} in {context.collection}"
    )


def _origin(subject: Subject, context: Context, *, own: bool) -> Step:
    if own:
        return Step("origin", "passed", "it is ours")
    if subject.origin in context.members:
        return Step("origin", "denied", f"it came from {subject.origin}: nothing goes back")
    return Step("origin", "passed", f"it came from {subject.origin}")


def _readable(policy: Policy, subject: Subject) -> Iterator[Step]:
    if subject.malformed:
        broken = unreadable(policy, subject)
        found = broken.reason if broken is not None else "no rule looks at what is malformed"
        yield Step("values", "denied" if broken is not None else "passed", found)


def _handling(subject: Subject, context: Context, redact: Redact | None) -> Iterator[Step]:
    """What markings say beyond a TLP (FIRST IEP, PAP): PAP and terms of use are shown, and deny nothing."""
    handling = subject.handling
    if handling is None:
        return
    at = context.now if context.released_at is None else context.released_at
    kept = bound(handling, at, now=context.now)
    lifted_by = ""
    if kept is not None and redact is not None:
        left = subject.without_granular_markings if redact.recipe.above_ceiling else subject
        after = bound(left.handling or Handling(), at, now=context.now, hidden=redact.recipe.source)
        lifted_by = "" if after is not None else f"{kept.reason}; lifted by redaction"
    steps = [Step("use", "passed on", term) for term in handling.terms]
    if handling.pap is not None:
        steps.insert(0, Step(f"PAP:{handling.pap.name}", "passed on", PAP_MEANS[handling.pap]))
    found = lifted_by or (kept.reason if kept is not None else "")
    passed = kept is None or lifted_by
    yield Step("handling", "passed" if passed else "denied", found, tuple(steps))


def _terms_of_sharing(policy: Policy, subject: Subject, context: Context) -> Iterator[Step]:
    """What our desk, its originator and the agreement with who sent it say of where it may go."""
    binding = subject.binding
    if binding is None:
        return
    asking = asking_for(policy, subject, context)
    said = tuple(Step(whose, "binds", what) for whose, what in what_binds(binding, asking))
    refused, held = refusal(binding, asking), holding(binding, asking)
    if refused is not None:
        yield Step("terms", "denied", refused.reason, said)
    elif held is not None and held.due is not None:
        found = f"{held.reason} until {format_micros(held.due)}"
        yield Step("terms", "held", found, said)
    else:
        free = lifted(binding, asking)
        yield Step("terms", "passed", "its originator consented" if free else "", said)


def _ceiling(
    policy: Policy, subject: Subject, context: Context, redact: Redact | None, *, own: bool
) -> Step:
    ceiling = policy.ceiling
    above = above_ceiling(ceiling, subject, own=own, carried=context.carried)
    lifted_by = ""
    if above is not None and redact is not None and redact.recipe.above_ceiling:
        whole = subject.without_granular_markings
        if above_ceiling(ceiling, whole, own=own, carried=context.carried) is None:
            lifted_by = f"{above.reason}; that is taken away by redaction"
    steps: list[Step] = []
    levels: set[Tlp] = set()
    for stix_id in dict.fromkeys([*_named(subject), *sorted(subject.markings)]):
        level = TLP_BY_ID.get(stix_id)
        if level is not None:
            levels.add(level)
            steps.append(_marking(stix_id, level, ceiling.tlp))
        elif stix_id in ceiling.statements:
            counts = ceiling.statements[stix_id]
            what = (
                "" if counts is None else f", counts as TLP:{spelled(counts)} where there is no TLP"
            )
            steps.append(Step(stix_id, "accepted", f"among ceiling.statements{what}"))
        else:
            understood = subject.handling is not None and stix_id in subject.handling.understood
            steps.append(
                Step(stix_id, "accepted", "all that it says is understood")
                if understood
                else Step(stix_id, "denied", "marking not understood")
            )
    for text in _texts(subject.content):
        level = tlp_of_text(text)
        if level is not None:
            levels.add(level)
            steps.append(_marking(f"label {text}", level, ceiling.tlp))
    if subject.tlp is not None and subject.tlp not in levels:
        # In an embedded object, a property or a definition: the strictest that is found anywhere counts.
        steps.append(_marking("elsewhere in the object", subject.tlp, ceiling.tlp))
    if above is not None and not lifted_by:
        return Step("ceiling", "denied", above.reason, tuple(steps))
    return Step("ceiling", "passed", lifted_by or _passing(policy, subject), tuple(steps))


def _named(subject: Subject) -> list[str]:
    """The markings that it names, in its own order; none where they cannot be read."""
    return [] if MARKINGS in subject.malformed else list(marking_ids(subject.content))


def _marking(name: str, level: Tlp, highest: Tlp) -> Step:
    answer = "passed" if level <= highest else "denied"
    return Step(name, answer, f"TLP:{spelled(level)}, and the ceiling is TLP:{spelled(highest)}")


def _passing(policy: Policy, subject: Subject) -> str:
    highest = f"the ceiling is TLP:{spelled(policy.ceiling.tlp)}"
    if subject.tlp is not None:
        return f"TLP:{spelled(subject.tlp)}, and {highest}"
    return f"it carries no TLP, and {highest}"


def _texts(content: Mapping[str, Any]) -> Iterator[str]:
    labels = content.get("labels")
    for label in labels if isinstance(labels, list) else ():
        if isinstance(label, str):
            yield label


def _agreement(policy: Policy, subject: Subject, redact: Redact | None) -> Iterator[Step]:
    agreed = policy.agreed
    if agreed is None:
        return
    found_ = breaches_by(agreed, subject)
    broken = tuple(Step(one.clause, "broken", one.reason) for one in found_)
    found = "it keeps to the content profile" if not broken else "it breaks the content profile"
    asked = f"agreement with {agreed.partner}"
    if broken and redact is not None and breaking(agreed, subject, redact.recipe) is None:
        yield Step(asked, "passed", f"{found}; asked again of what redaction leaves", broken)
    else:
        yield Step(asked, "denied" if broken else "passed", found, broken)


def _rule(rule: Rule, subject: Subject, context: Context) -> Step:
    at = instant_for(context, withdraw=rule.withdraw)
    keys: list[Step] = []
    for key, test in keys_of(rule.match):
        try:
            hit = test(subject, at, context.collection)
        except ExpressionFailed as failed:
            keys.append(Step(key, "fails", failed.said))
            continue
        found = found_at(key, rule.match, subject, at)
        keys.append(Step(key, "matches" if hit else "misses", found))
    missed = [step.asked for step in keys if step.answer == "misses"]
    failed_keys = [step.found for step in keys if step.answer == "fails"]
    if missed:
        answer, found = "does not match", ", ".join(missed)
    elif failed_keys:
        answer, found = "fails", "an expression without an answer denies"
    elif rule.name in context.approved:
        answer, found = "matches", "its hold was released"
    elif rule.name in context.expired:
        answer, found = "matches", "its hold has expired, which denies"
    elif rule.hold is not None and _is_over(rule, rule.hold, subject, context):
        answer, found = "matches", "its time has passed"
    elif _is_of_an_exercise(subject) and rule.verb in _PERMIT and not rule.match.test:
        answer, found = "matches", _NOT_FOR_TESTS
    else:
        answer, found = "matches", rule.reason
    verb = f"{rule.verb} {rule.name}"
    if rule.hold is not None:
        verb += f" ({terms_of(rule.hold)})"
    if rule.recipe is not None:
        verb += f" ({', '.join(taken_by(rule.recipe))})"
    return Step(verb, answer, found, tuple(keys))


def _is_of_an_exercise(subject: Subject) -> bool:
    return subject.binding is not None and subject.binding.test


def _is_over(rule: Rule, terms: HoldTerms, subject: Subject, context: Context) -> bool:
    return holding_of(rule.name, rule.reason, terms, subject, context.now) is None
