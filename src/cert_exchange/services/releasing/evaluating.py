"""What policy says of each version in each view, before references are looked at.

1. Only accepted versions count, in the collections they were put in and not taken back from.
2. The newest version governs: when it is denied, older ones are too (DECISIONS 1); it is looked for in all
   collections and decided as if it stood in this one.
3. Nothing older than a revocation is released anew.
4. Of two origins that brought the same version, one is released: ours, else who was first.
5. Cyber-observables belong to nobody: each origin's copies are judged on their own (DECISIONS 5).
6. The same functions serve publishing, policy changes, previews and explanations, so that what is shown before is
   what happens (CASES M09).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from cert_exchange.policy.decide import (
    Allow,
    Context,
    Decision,
    Deny,
    DenyKind,
    Hold,
    Subject,
    decide,
    subject_of,
)
from cert_exchange.policy.document import Policy, Verb, parse_policy
from cert_exchange.store import objects, releases
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Membership, Version
from cert_exchange.store.releases import Audience, Head, Live
from cert_exchange.store.tables import OWN, ObjectStatus

CARRIED_TYPES = ("identity--", "marking-definition--")
"""Ids of objects that are carried along with what needs them (DECISIONS 4)."""


@lru_cache(maxsize=64)
def _parsed(text: str, name: str) -> Policy:
    return parse_policy(text, file=f"{name}.yaml")


@dataclass(frozen=True, slots=True)
class Plan:
    """One audience as its transaction sees it: policy, open views, members."""

    audience: Audience
    policy: Policy | None
    views: Mapping[int, int]
    """collection id -> view id"""
    labels: Mapping[int, str]
    """collection id -> how the policy names it"""
    holding: bool
    """whether any rule holds"""

    @property
    def view_ids(self) -> tuple[int, ...]:
        """All open views of the audience."""
        return tuple(self.views.values())


def plans_for(tx: Transaction, heads: Sequence[Head]) -> list[Plan]:
    """A plan for every audience, whatever its policy; one whose policy cannot be read shows nothing."""
    names = releases.collection_names(tx)
    plans = []
    for audience in releases.audiences_in_force(tx):
        policy = (
            _parsed(audience.policy_text, audience.policy)
            if audience.policy_text is not None
            else None
        )
        plans.append(plan_of(audience, policy, heads, names))
    return plans


def plan_of(
    audience: Audience,
    policy: Policy | None,
    heads: Sequence[Head],
    names: Mapping[int, tuple[str, str | None]],
) -> Plan:
    """The plan of one audience under a given policy (the active one, or one that is only looked at)."""
    named = set(policy.collections) if policy else set()
    labels = {}
    for number, (uuid, alias) in names.items():
        labels[number] = uuid if uuid in named or alias is None else alias
    views = {head.collection: head.view for head in heads if head.audience == audience.id}
    holding = policy is not None and any(rule.verb is Verb.HOLD for rule in policy.rules)
    return Plan(audience, policy, views, labels, holding)


@dataclass(slots=True)
class Pool:
    """What a transaction has read of versions, for all its audiences; read in bulk and once."""

    tx: Transaction
    names: Mapping[int, str]
    """partner id -> name, for `Subject.origin`"""
    contents: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """rendition id -> parsed object"""
    by_ident: dict[int, list[Version]] = field(default_factory=dict)
    places: dict[int, dict[int, Membership]] = field(default_factory=dict)
    references: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    held: dict[int, bool] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    subjects: dict[int, Subject] = field(default_factory=dict)
    _by_id: dict[int, Version] = field(default_factory=dict)

    def by_id(self, number: int) -> Version:
        """An accepted version that was loaded with its id."""
        return self._by_id[number]

    def in_use(self, version: Version) -> bool:
        """Whether it was not taken back from every collection; what stands in none is seeded or carried."""
        places = self.places.get(version.id)
        return not places or any(place.taken_back_at is None for place in places.values())

    def load(self, idents: Iterable[int]) -> None:
        """Read versions, memberships and references of ids that were not read yet."""
        missing = [ident for ident in idents if ident not in self.by_ident]
        if not missing:
            return
        for ident in missing:
            self.by_ident[ident] = []
        fresh: list[Version] = []
        for version in objects.versions(self.tx, missing):
            if version.status == ObjectStatus.ACCEPTED.value:
                self.by_ident[version.ident].append(version)
                self._by_id[version.id] = version
                fresh.append(version)
        for ident in missing:
            self.held[ident] = bool(self.by_ident[ident])
        self.blocked |= objects.blocked(
            self.tx, {version.ident for version in fresh if version.observable}
        )
        ids = [version.id for version in fresh]
        for number, places in objects.memberships_of(self.tx, ids).items():
            self.places[number] = {place.collection: place for place in places}
        self.references.update(objects.references_of(self.tx, ids))
        wanted = {v.rendition for v in fresh if v.rendition not in self.contents}
        for rendition, body in objects.bodies(self.tx, wanted).items():
            self.contents[rendition] = orjson.loads(body)

    def subject(self, version: Version) -> Subject:
        """The facts that rules look at, read once per version."""
        found = self.subjects.get(version.id)
        if found is None:
            origin = "own" if version.origin == OWN else self.names.get(version.origin, "?")
            found = subject_of(
                self.contents[version.rendition], origin=origin, stored_at=version.stored_at
            )
            self.subjects[version.id] = found
        return found

    def know(self, targets: Collection[int]) -> None:
        """Read which of these targets we hold, and how they are spelled."""
        unknown = [target for target in targets if target not in self.held]
        if unknown:
            held = objects.held(self.tx, unknown)
            self.held.update((target, target in held) for target in unknown)
        unspelled = [target for target in targets if target not in self.texts]
        if unspelled:
            self.texts.update(objects.stix_ids(self.tx, unspelled))

    def is_carried_type(self, ident: int) -> bool:
        """Whether the id is an identity's or a marking definition's."""
        return self.texts[ident].startswith(CARRIED_TYPES)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What policy says of one version in one view, references aside."""

    version: Version
    collection: int
    view: int
    decision: Decision


def judge(
    plan: Plan,
    pool: Pool,
    ident: int,
    *,
    now: int,
    live: Mapping[tuple[int, int], Live],
    approved: Mapping[tuple[int, int], frozenset[str]],
) -> Iterator[Verdict]:
    """The verdict on each member version of an id in each view of an audience.

    `live` are the lines in force by (view, object); a live line is decided as of its release (DECISIONS 9).
    """
    members = plan.audience.members
    for group in _groups(pool.by_ident.get(ident, [])):
        shared = [version for version in group if version.origin not in members]
        revoked_key = max((v.version_key for v in shared if v.revoked), default="")
        versions = [version for version in shared if pool.in_use(version)]
        if not versions:
            continue
        newest_key = versions[-1].version_key
        newest = [version for version in versions if version.version_key == newest_key]
        for collection, view in plan.views.items():
            placed = [
                version
                for version in versions
                if (place := pool.places.get(version.id, {}).get(collection)) is not None
                and place.taken_back_at is None
            ]
            if not placed:
                continue

            def decided(
                version: Version, collection: int = collection, view: int = view
            ) -> Decision:
                line = live.get((view, version.id))
                return decision_on(
                    plan,
                    pool,
                    version,
                    collection,
                    now=now,
                    released_at=line.position if line is not None and not line.carried else None,
                    approved=approved.get((version.id, collection), frozenset()),
                )

            yield from _one_view(
                pool, placed, newest, newest_key, revoked_key, collection, view, live, decided
            )


def _groups(versions: Sequence[Version]) -> Iterable[Sequence[Version]]:
    """The versions that govern each other: all of an id, or an observable's by origin."""
    if not versions or not versions[0].observable:
        return [versions] if versions else []
    by_origin: dict[int, list[Version]] = {}
    for version in versions:
        by_origin.setdefault(version.origin, []).append(version)
    return by_origin.values()


def _one_view(
    pool: Pool,
    placed: Sequence[Version],
    newest: Sequence[Version],
    newest_key: str,
    revoked_key: str,
    collection: int,
    view: int,
    live: Mapping[tuple[int, int], Live],
    decided: Any,
) -> Iterator[Verdict]:
    if placed[0].observable and placed[0].ident in pool.blocked:
        denied = Deny("blocked", "our desk blocked this id", DenyKind.RULE)
        yield from (Verdict(version, collection, view, denied) for version in placed)
        return
    # The newest is asked first: it governs the older ones.
    governing = [(version, decided(version)) for version in newest]
    open_ = any(not isinstance(decision, Deny) for _, decision in governing)
    chosen: dict[str, Verdict] = {}
    answers = {version.id: decision for version, decision in governing}
    for version in placed:
        decision = answers[version.id] if version.id in answers else decided(version)
        if version.version_key != newest_key:
            if not open_ and (block := _governed(version, governing)) is not None:
                decision = block
            elif version.version_key < revoked_key and (view, version.id) not in live:
                decision = Deny("revoked", "a later version revokes this object", DenyKind.RULE)
        verdict = Verdict(version, collection, view, decision)
        rival = chosen.get(version.version_key)
        if rival is None or _before(verdict, rival, live):
            chosen[version.version_key] = verdict
    yield from chosen.values()


def _governed(older: Version, governing: Sequence[tuple[Version, Decision]]) -> Deny | None:
    """The denial that reaches from the newest version to an older one, if any does.

    A version that came by another way and is kept back only because nothing allows it there takes nothing of ours
    back; what its markings or a rule deny does.
    """
    for version, decision in governing:
        if isinstance(decision, Deny) and (
            decision.kind in (DenyKind.CEILING, DenyKind.RULE, DenyKind.ERROR)
            or version.origin == older.origin
        ):
            return Deny(
                decision.rule, f"its newest version is denied: {decision.reason}", decision.kind
            )
    return None


def _before(verdict: Verdict, rival: Verdict, live: Mapping[tuple[int, int], Live]) -> bool:
    """Which of two origins' copies of one version stands for it: an allowed one, a live one, ours, the first."""

    def rank(one: Verdict) -> tuple[bool, bool, bool, int]:
        version = one.version
        return (
            not isinstance(one.decision, Allow),
            (one.view, version.id) not in live,
            version.origin != OWN,
            version.id,
        )

    return rank(verdict) < rank(rival)


def decision_on(
    plan: Plan,
    pool: Pool,
    version: Version,
    collection: int,
    *,
    now: int,
    released_at: int | None = None,
    approved: frozenset[str] = frozenset(),
    carried: bool = False,
) -> Decision:
    """One version as if it stood in this collection. Without a policy nothing is shared."""
    if plan.policy is None:
        return Deny("no policy", "no active policy decides for this audience", DenyKind.DEFAULT)
    if plan.labels[collection] not in plan.policy.collections:
        return Deny("collection", "the policy does not name this collection", DenyKind.DEFAULT)
    return decide(
        plan.policy,
        pool.subject(version),
        Context(
            members=frozenset(plan.audience.members.values()),
            collection=plan.labels[collection],
            now=now,
            released_at=released_at,
            approved=approved,
            carried=carried,
        ),
    )


__all__ = ["Allow", "Deny", "Hold", "Plan", "Pool", "Verdict", "judge", "plan_of", "plans_for"]
