"""What stands above every rule: the ceiling, what markings of other schemes say, the agreement's content profile.

1. Each question gives a denial or None: nothing here allows anything.
2. A recipe only says what redaction will take away: what is left is asked again, whole (`decide.stands`).
3. A marking never gets lost with the property that bore it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cert_exchange.policy.agreements import Agreement, breaches_by
from cert_exchange.policy.document import Policy
from cert_exchange.policy.profiles import FORBIDDEN
from cert_exchange.policy.rules import Ceiling, Deny, DenyKind, Recipe
from cert_exchange.policy.subject import MARKINGS, OWN_NAME, Subject, lost_markings
from cert_exchange.stix.handling import Handling
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import Tlp

WHOLE: Final = Recipe()
"""Nothing is taken away."""


def barring(
    policy: Policy,
    subject: Subject,
    at: int,
    *,
    now: int,
    own: bool,
    carried: bool,
    recipe: Recipe = WHOLE,
) -> Deny | None:
    """Ask (2) and (3) of an object that this recipe will take from; the denial, or None.

    `at` is when it was released, else `now`; both in micros.
    """
    if recipe.above_ceiling:
        subject = subject.without_granular_markings
    if subject.handling is not None:
        kept = bound(subject.handling, at, now=now, hidden=recipe.source)
        if kept is not None:
            return kept
    return above_ceiling(policy.ceiling, subject, own=own, carried=carried)


def ceiling_for(policy: Policy, subject: Subject) -> Ceiling:
    """The ceiling above which granular markings take content away: for others' objects at most TLP:GREEN (3)."""
    ceiling = policy.ceiling
    if subject.origin == OWN_NAME or ceiling.tlp <= Tlp.GREEN:
        return ceiling
    return replace(ceiling, tlp=Tlp.GREEN)


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


def breaking(agreement: Agreement, subject: Subject, recipe: Recipe = WHOLE) -> Deny | None:
    """The denial for what breaks the content profile of an agreement, or None; of what this recipe will take from."""
    if recipe.above_ceiling:
        # What it marks and what it forbids may be what goes.
        found = tuple(
            one
            for one in breaches_by(agreement, subject.without_granular_markings)
            if not one.clause.startswith(FORBIDDEN)
        )
    else:
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


def bound(handling: Handling, at: int, *, now: int, hidden: bool = False) -> Deny | None:
    """Ask what markings say beyond a TLP. The denial, or None where they let the object go on.

    `hidden`: its source will be taken away. `at` is when it was released, else `now`, in micros: what went out after an
    IEP began stays, as with time keys, but whose IEP has ended goes: its originator let nobody have it for longer.
    """
    if handling.unreadable:
        return _ceiling(f"its markings cannot be read: {handling.unreadable}")
    if handling.begins is not None and at < handling.begins:
        return _ceiling(f"its IEP begins on {format_micros(handling.begins)}")
    if handling.ends is not None and now >= handling.ends:
        return _ceiling(f"its IEP ended on {format_micros(handling.ends)}")
    if handling.hides_source and handling.names_source and not hidden:
        names = ", ".join(handling.names_source)
        return _ceiling(f"its source must not be named ({handling.hides_source}): {names}")
    return None


def owed(subject: Subject) -> Deny | None:
    """The denial of a derivative whose originator must be named, or None: a derivative is ours, or nobody's."""
    handling = subject.handling
    if handling is None or not handling.owes_source:
        return None
    return _ceiling(
        f"its source must be named ({handling.owes_source}), so it goes out whole or not at all"
    )


def unmarked(whole: Subject, left: Subject) -> Deny | None:
    """The denial where markings of the whole object stood in what was taken away, or None."""
    lost = lost_markings(whole.without_granular_markings, left)
    return _ceiling(f"what is removed bears its marking: {lost}") if lost else None


def unreadable(policy: Policy, subject: Subject) -> Deny | None:
    """The denial for properties of the wrong kind that the policy looks at, or None."""
    broken = sorted(subject.malformed & (policy.plans.looks_at | {MARKINGS}))
    if not broken:
        return None
    return Deny("error", f"cannot be read: {', '.join(broken)}", DenyKind.ERROR)


def _ceiling(reason: str) -> Deny:
    return Deny("ceiling", reason, DenyKind.CEILING)


def _spelled(level: Tlp) -> str:
    return level.name.replace("_", "+")
