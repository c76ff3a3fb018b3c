"""The agreements in force: with whom, what they say, and whose review is due.

An agreement is in force when a policy in force names it: what counts is the text that was applied, never the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from cert_exchange.errors import Problem
from cert_exchange.node import Node
from cert_exchange.policy.agreements import Agreement, is_overdue
from cert_exchange.policy.document import Policy
from cert_exchange.policy.rules import ANY_ORIGIN, PARTNERS_ORIGIN, Rule, Verb
from cert_exchange.services.releasing.evaluating import plans_for
from cert_exchange.store import releases

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Agreed:
    """One agreement in force, as people read it. Durations in micros, None where it says nothing."""

    partner: str
    policy: str
    file: str
    title: str
    parties: tuple[tuple[str, tuple[str, ...]], ...]
    """each side with its contacts"""
    review: str
    """a day, such as 2027-06-30"""
    overdue: bool
    types: tuple[str, ...]
    """empty: every type"""
    required: tuple[tuple[str, tuple[str, ...]], ...]
    forbidden: tuple[str, ...]
    tlp: str | None
    unmarked: bool
    embargo: int | None
    retention: int | None
    onward: str | None

    @property
    def warning(self) -> str:
        """The sentence for status and doctor while its review is overdue; empty otherwise."""
        if not self.overdue:
            return ""
        return f"its agreement was to be reviewed by {self.review}"


def agreements(node: Node) -> list[Agreed]:
    """Every agreement that a policy in force names, by partner."""
    with node.database.reading() as conn:
        plans = plans_for(conn, releases.read_sharing(conn))
    now = node.now()
    found: dict[tuple[str, str], Agreed] = {}
    for plan in plans:
        policy = plan.policy
        if policy is None or policy.agreed is None or policy.agreement is None:
            continue
        if plan.audience.members:
            key = (policy.agreed.partner, policy.name)
            found[key] = _agreed(policy.agreed, policy.name, policy.agreement, now=now)
    return [found[key] for key in sorted(found)]


def warnings_of_agreements(node: Node, policy: Policy, file: str) -> tuple[Problem, ...]:
    """What of a policy goes against an agreement: its own that is overdue, and objects that others keep to themselves.

    A rule that passes on what an agreement keeps back does nothing but mislead whoever reads it: so it is said here.
    """
    now = node.now()
    with node.database.reading() as conn:
        plans = plans_for(conn, releases.read_sharing(conn))
    others = [
        plan.policy
        for plan in plans
        if plan.policy is not None and plan.audience.members and plan.policy.name != policy.name
    ]
    found: list[Problem] = []
    place = policy.places.get(("agreement",), (0, 0))
    mine = policy.agreed
    if mine is not None and is_overdue(mine, now):
        said = f"its agreement was to be reviewed by {mine.review}: it binds all the same"
        found.append(Problem(file, *place, said))
    for other in others:
        if mine is not None and _keeps(mine) and _passes_on(other, mine.partner):
            found.append(
                Problem(
                    file, *place,
                    f"it says onward: {mine.onward}, and policy {other.name} lets what came from {mine.partner} go on;"
                    " change that one as well",
                )
            )  # fmt: skip
        theirs = other.agreed
        if theirs is not None and _keeps(theirs):
            found.extend(
                Problem(
                    *spot,
                    f"the agreement with {theirs.partner} says onward: {theirs.onward}, and this rule lets what came"
                    " from there go on; name the partners that it means",
                )
                for spot, rule in zip(policy.spots, policy.rules, strict=True)
                if _lets_pass(rule, theirs.partner) and theirs.partner not in policy.partners
            )
    return tuple(dict.fromkeys(found))


def _keeps(agreement: Agreement) -> bool:
    return agreement.onward in ("never", "ask")


def _passes_on(policy: Policy, partner: str) -> bool:
    return partner not in policy.partners and any(
        _lets_pass(rule, partner) for rule in policy.rules
    )


def _lets_pass(rule: Rule, partner: str) -> bool:
    named = {ANY_ORIGIN, PARTNERS_ORIGIN, partner}
    return rule.verb in {Verb.ALLOW, Verb.REDACT} and not named.isdisjoint(rule.match.origins or ())


def remind(node: Node) -> int:
    """Write a warning into the log for each agreement whose review is overdue; how many. The worker does so daily."""
    overdue = [one for one in agreements(node) if one.overdue]
    for one in overdue:
        _log.warning("agreement-overdue", partner=one.partner, policy=one.policy, review=one.review)
    return len(overdue)


def _agreed(agreement: Agreement, policy: str, file: str, *, now: int) -> Agreed:
    profile = agreement.profile
    return Agreed(
        partner=agreement.partner,
        policy=policy,
        file=file,
        title=agreement.title,
        parties=tuple((party.name, party.contacts) for party in agreement.parties),
        review=agreement.review,
        overdue=is_overdue(agreement, now),
        types=tuple(sorted(profile.types or ())),
        required=tuple(sorted((profile.required or {}).items())),
        forbidden=tuple(sorted(one.value for one in profile.forbidden)),
        tlp=None if profile.tlp is None else profile.tlp.name.replace("_", "+").lower(),
        unmarked=profile.unmarked,
        embargo=agreement.embargo,
        retention=agreement.retention,
        onward=agreement.onward,
    )
