"""The agreements in force: with whom, what they say, and whose review is due.

An agreement is in force when a policy in force names it: what counts is the text that was applied, never the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from cert_exchange.node import Node
from cert_exchange.policy.agreements import Agreement, is_overdue
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
