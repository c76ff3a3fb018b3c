"""Which versions of an id govern each other, and what the newest says of the older ones (DECISIONS 1 and 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from cert_exchange.policy.decide import Allow, Decision, Deny, DenyKind, Redact
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live
from cert_exchange.store.tables import OWN

REACHING: Final = (
    DenyKind.CEILING,
    DenyKind.TERMS,
    DenyKind.AGREEMENT,
    DenyKind.RULE,
    DenyKind.ERROR,
)
"""Denials that reach from the newest version to older ones, whoever brought those."""


def groups(versions: Sequence[Version]) -> Iterable[Sequence[Version]]:
    """The versions that govern each other: all of an id, or an observable's by origin."""
    if not versions or not versions[0].observable:
        return [versions] if versions else []
    by_origin: dict[int, list[Version]] = {}
    for version in versions:
        by_origin.setdefault(version.origin, []).append(version)
    return by_origin.values()


def last_of(versions: Sequence[Version]) -> Version:
    """Which of an id's versions in a view is last there: the newest; of an observable ours, else the first origin's."""
    if not versions[0].observable:
        return max(versions, key=lambda one: (one.version_key, -one.id))
    first = min(versions, key=lambda one: (one.origin != OWN, one.id)).origin
    same = [one for one in versions if one.origin == first]
    return max(same, key=lambda one: (one.version_key, one.id))


def governed(older: Version, governing: Sequence[tuple[Version, Decision]]) -> Deny | None:
    """The denial that reaches from the newest version to an older one, if any does.

    A version that came by another way and is kept back only because nothing allows it there takes nothing of ours
    back; what its markings or a rule deny does.
    """
    for version, decision in governing:
        if isinstance(decision, Deny) and (
            decision.kind in REACHING or version.origin == older.origin
        ):
            return Deny(
                decision.rule, f"its newest version is denied: {decision.reason}", decision.kind
            )
    return None


def beside_a_derivative(
    older: Decision, governing: Sequence[tuple[Version, Decision]], line: Live | None
) -> Decision:
    """Only the newest version is redacted, and beside its derivative no older one is shown whole."""
    if isinstance(older, Redact) and (line is None or not line.derived):
        return Deny(older.rule, "only the newest version is redacted", DenyKind.RULE)
    if isinstance(older, Allow):
        for _, decision in governing:
            if isinstance(decision, Redact):
                return Deny(decision.rule, "its newest version is redacted", DenyKind.RULE)
    return older
