"""What the members of an audience brought themselves, and so see without a line of ours (DECISIONS 4).

1. A proposal does not count: who may not bring an object would open what refers to a hidden one by naming it.
2. The id of a cyber-observable is a guessable hash of its value (DECISIONS 17): who posts a guess must not learn from what then
   appears that somebody else's hidden copy was there, or what we say of a host that policy keeps. So it counts only where
   nobody else brought it, and policy would show a copy of our own.
3. What our desk says to this audience alone, in its own terms, of a cyber-observable that a member of it brought is said to who
   has it: that other partners brought the same one too neither shows nor hides it. Our own copy does not count as theirs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cert_exchange.policy.decide import Context, Deny, Hold, Redact, decide
from cert_exchange.policy.subject import OWN_NAME
from cert_exchange.services.releasing.governing import REACHING
from cert_exchange.stix.references import is_observable_id
from cert_exchange.store.objects import Version
from cert_exchange.store.tables import OWN

if TYPE_CHECKING:
    from cert_exchange.services.releasing.judging import Judge

_NOBODY: Final[frozenset[int]] = frozenset()
_ANSWERS: Final = frozenset({"note", "opinion", "sighting"})


def sent_here(judge: Judge, ident: int, *, arrived: bool = False) -> bool:
    """Whether a member's own copy makes an id visible to the audience; `arrived`: taken in just now."""
    pool, members = judge.pool, judge.plan.audience.members
    origins = pool.origins_of((ident,))[ident]
    if not arrived and pool.givers.get(ident, _NOBODY).isdisjoint(members):
        return False
    if not is_observable_id(pool.texts[ident]):
        return True
    return not origins - members.keys() and not _keeps_back(judge, ident, members)


def said_of_theirs(judge: Judge, version: Version, ident: int, *, arrived: bool = False) -> bool:
    """Whether a version is what we say to this audience alone about an id that a member of it brought (rule 3).

    That policy lets the audience have the version is the caller's to know: its terms name nobody else then. `arrived`: the
    member's copy was taken in just now.
    """
    if version.origin != OWN or version.type not in _ANSWERS:
        return False
    pool, members = judge.pool, judge.plan.audience.members
    if not is_observable_id(pool.texts[ident]) or OWN in pool.origins_of((ident,))[ident]:
        return False
    if not arrived and pool.givers.get(ident, _NOBODY).isdisjoint(members):
        return False
    binding = pool.subject(version).binding
    if binding is None or not (binding.beside.only_to or binding.said.only_to):
        return False
    return not _keeps_back(judge, ident, members)


def _keeps_back(judge: Judge, ident: int, members: Collection[int]) -> bool:
    """Whether policy would deny, hold or redact a member's copy of a cyber-observable, were it our own."""
    policy = judge.plan.policy
    if policy is None:
        return True
    judge.pool.load((ident,))
    for version in judge.pool.by_ident[ident]:
        if version.origin not in members:
            continue
        subject = replace(judge.pool.subject(version), origin=OWN_NAME)
        for label in {judge.plan.labels[one] for one in judge.plan.views}:
            context = Context(
                members=judge.plan.member_names,
                collection=label,
                recipients=judge.plan.recipients,
                now=judge.now,
            )
            decision = decide(policy, subject, context)
            if isinstance(decision, Hold | Redact) or (
                isinstance(decision, Deny) and decision.kind in REACHING
            ):
                return True
    return False
