"""How each version of an id stands in an audience's views under a policy that is only looked at.

1. The answers are `releasing.judging`'s; what is in force and what could be carried along is added to them.
2. It says of one id what `releasing.closing` would find before it looks at references; `outlook` goes on from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from cert_exchange.policy.decide import Allow, Decision, Redact
from cert_exchange.policy.redaction import Unredactable
from cert_exchange.services.policies.catalogue import About
from cert_exchange.services.policies.outlook import Leaves, Standing
from cert_exchange.services.releasing.evaluating import Pool
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.services.releasing.trimming import left_of, needs_of
from cert_exchange.stix.references import is_observable_id
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live

_LIVE, _LAST = int(Standing.LIVE), int(Standing.LAST)
_ALLOWED = int(Standing.ALLOWED | Standing.SUPPORTS)
_NEWEST, _SUPPORTS = int(Standing.NEWEST), int(Standing.SUPPORTS)
_STAYS = int(Standing.STAYS | Standing.SUPPORTS)
_REDACTED, _DERIVED = int(Standing.REDACTED), int(Standing.DERIVED)
_SHOWN: Final = (Allow, Redact)
_HELD, _CARRIED_TYPE, _OBSERVABLE = (
    int(About.HELD),
    int(About.CARRIED_TYPE),
    int(About.OBSERVABLE),
)


def known(pool: Pool, targets: Collection[int]) -> Iterator[tuple[int, int]]:
    """What is known of these ids: (number, About)."""
    for target in targets:
        about = _OBSERVABLE if is_observable_id(pool.texts[target]) else 0
        if pool.held[target]:
            about |= _HELD
        if pool.is_carried_type(target):
            about |= _CARRIED_TYPE
        yield target, about


def leaves(judge: Judge, version: Version, own: int | None) -> Leaves:
    """What a version that a rule redacts refers to as a derivative; `own` is the number of our identity."""
    policy = judge.plan.policy
    assert policy is not None  # without one nothing is redacted
    left = left_of(judge.pool, policy, version, judge.recipes[version.id])
    if isinstance(left, Unredactable):  # the judge said before that it can be redacted
        return list(judge.pool.references.get(version.id, ())), {}
    return needs_of(judge.pool, version, left, own)


def standings(
    judge: Judge,
    ident: int,
    decisions: Mapping[tuple[int, int], Decision],
    live: Mapping[tuple[int, int], Live],
    *,
    carried: bool,
) -> dict[int, list[tuple[int, int, str]]]:
    """By version: the place of a view, how it stands there (Standing), and the rule that says so."""
    found: dict[int, list[tuple[int, int, str]]] = {}
    for place, (collection, view) in enumerate(judge.plan.views.items()):
        as_carried = _as_carried(judge, ident, collection, view, decisions, live) if carried else {}
        for version in judge.pool.by_ident[ident]:
            key = (view, version.id)
            decision, line = decisions.get(key), live.get(key)
            standing = as_carried.get(version.id, 0)
            if line is not None:
                standing |= _LIVE | _LAST if line.is_last else _LIVE
                standing |= _DERIVED if line.derived else 0
            if isinstance(decision, _SHOWN):
                standing |= _ALLOWED
                standing |= _REDACTED if isinstance(decision, Redact) else 0
            if standing:
                rule = decision.rule if decision is not None else "withdrawn"
                found.setdefault(version.id, []).append((place, standing, rule))
    return found


def _as_carried(
    judge: Judge,
    ident: int,
    collection: int,
    view: int,
    decisions: Mapping[tuple[int, int], Decision],
    live: Mapping[tuple[int, int], Live],
) -> dict[int, int]:
    """Which versions of an identity or marking definition may be carried into the view, or stay so.

    As `Closing._lose_what_is_not_allowed` has it: the newest is carried; an older one stays while the newest can be.
    """
    pool, members = judge.pool, judge.plan.audience.members

    def may(version: Version) -> int | None:
        """Whether it may be carried, and how it is shown then; None where it may not."""
        decision = judge.decided(version, collection, carried=True)
        if isinstance(decision, Redact):
            return _REDACTED
        return 0 if isinstance(decision, Allow) else None

    usable = [one for one in pool.by_ident[ident] if pool.in_use(one)]
    ours = [one for one in usable if one.origin not in members]
    shown = may(ours[-1]) if ours else None
    if shown is None:
        return {}
    newest = ours[-1]
    by_rule = any(
        v == view and isinstance(decision, Allow | Redact) for (v, _), decision in decisions.items()
    )
    line = live.get((view, newest.id))
    found = {newest.id: _NEWEST | shown}
    if line is not None and (line.carried or not by_rule):
        found[newest.id] |= _SUPPORTS
    for version in usable:
        line = live.get((view, version.id))
        if version is not newest and line is not None and line.carried:
            stays = may(version)
            if stays is not None:
                found[version.id] = _STAYS | stays
    return found
