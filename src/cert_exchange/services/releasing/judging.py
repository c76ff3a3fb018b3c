"""What policy says of each version in each view, before references are looked at.

1. Only accepted versions count, in the collections they were put in and not taken back from.
2. The newest version governs: when it is denied, older ones are too (DECISIONS 1); it is looked for in all
   collections and decided as if it stood in this one.
3. Nothing older than a revocation is released anew, and none returns where the revocation was taken back.
4. Of two origins that brought the same version, one is released: ours, else who was first.
5. Cyber-observables belong to nobody: each origin's copies are judged on their own (DECISIONS 5).
6. A notice of ours is for its audience, whatever its policy says, and for nobody else (DECISIONS 19). What a partner asks
   our desk, or says to what we asked, goes to nobody, whatever a policy or a consent says.
7. An observable that `publish` made for indicators goes where one of these may go (`made_for`).
8. The same functions serve publishing, policy changes, previews and explanations, so that what is shown before is
   what happens (CASES M09).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cert_exchange.messages import requests
from cert_exchange.policy.decide import (
    Allow,
    Context,
    Decision,
    Deny,
    DenyKind,
    Hold,
    Redact,
    decide,
)
from cert_exchange.policy.document import Policy
from cert_exchange.policy.rules import Recipe
from cert_exchange.policy.screening import INTAKE
from cert_exchange.services.releasing import made_for, trimming
from cert_exchange.services.releasing.evaluating import Plan, Pool
from cert_exchange.services.releasing.governing import (
    beside_a_derivative,
    governed,
    groups,
)
from cert_exchange.store import screening
from cert_exchange.store.holds import Ended
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live
from cert_exchange.store.tables import OWN

BLOCKED = Deny("blocked", "our desk blocked this id", DenyKind.RULE)
ENDED = Deny("ended", "all indicators that it was made for have ended", DenyKind.RULE)
_REVOKED = Deny("revoked", "a later version revokes this object", DenyKind.RULE)
_NOTICE = Allow("notice", "it tells this audience what was taken back from it")
_OTHERS_NOTICE = Deny("notice", "it is a notice for another audience", DenyKind.RULE)
BETWEEN_DESKS = Deny("request", "it is between its sender's desk and ours", DenyKind.RULE)
_NO_POLICY = Deny("no policy", "no active policy decides for this audience", DenyKind.DEFAULT)
_NOT_NAMED = Deny("collection", "the policy does not name this collection", DenyKind.DEFAULT)

Lines = Mapping[tuple[int, int], Live]
"""the lines in force of one id, by (view, object)"""


class Verdict(NamedTuple):
    """What policy says of one version in one view, references aside. A tuple: one transaction makes thousands."""

    version: Version
    collection: int
    view: int
    decision: Decision


@dataclass(slots=True)
class Judge:
    """Policy's answers for one audience at one instant. `ended` are the holds that ended for good."""

    plan: Plan
    pool: Pool
    now: int
    ended: Mapping[tuple[int, int], Ended] = field(default_factory=dict)
    barred: Mapping[int, str] = field(default_factory=dict)
    """versions (objects.id) that cannot be rendered for the audience, and why"""
    recipes: dict[int, Recipe] = field(default_factory=dict)
    """what is taken away of versions that a rule redacts, in all views of the audience together"""
    _contexts: dict[int, Context] = field(default_factory=dict)

    def verdicts(self, ident: int, lines: Lines) -> Iterator[Verdict]:
        """The verdict on each member version of an id in each view; live lines are decided as of their release."""
        stored = self.pool.by_ident.get(ident, [])
        if len(stored) == 1:
            return self._alone(stored[0], lines)
        return self._beside(ident, stored, lines)

    def _beside(self, ident: int, stored: Sequence[Version], lines: Lines) -> Iterator[Verdict]:
        """Several versions of an id, of one origin or more."""
        members, pool = self.plan.audience.members, self.pool
        for group in groups(stored):
            # What a member sent does not come back to it by another partner's channel either (invariant 5).
            theirs = {v.version_key for v in group if v.origin in members}
            shared = [
                version
                for version in group
                if version.origin not in members
                and (
                    version.origin == OWN
                    or version.version_key not in theirs
                    or version.observable
                    or any(number == version.id for _, number in lines)
                )
            ]
            versions = [version for version in shared if pool.in_use(version)]
            if not versions:
                continue
            revoked_key = max((v.version_key for v in shared if v.revoked), default="")
            for collection, view in self.plan.views.items():
                placed = [v for v in versions if pool.stands_in(v, collection)]
                if placed and revoked_key:
                    gone = self._ended(shared, placed, revoked_key, (collection, view), lines)
                    yield from (Verdict(v, collection, view, _REVOKED) for v in gone)
                    placed = [version for version in placed if version not in gone]
                if not placed:
                    continue
                if pool.barred(ident, self.plan.audience.id):
                    yield from (Verdict(v, collection, view, BLOCKED) for v in placed)
                else:
                    yield from self._among(versions, placed, collection, view, lines)

    def _alone(self, version: Version, lines: Lines) -> Iterator[Verdict]:
        """The only version of its id: nothing governs it, revokes it or stands beside it."""
        if version.origin in self.plan.audience.members:
            return
        barred = self.pool.barred(version.ident, self.plan.audience.id)
        for collection, view in self.plan.views.items():
            if self.pool.stands_in(version, collection):
                decision = (
                    BLOCKED
                    if barred
                    else self.decided(version, collection, lines.get((view, version.id)))
                )
                yield Verdict(version, collection, view, decision)

    def _ended(
        self,
        shared: Sequence[Version],
        placed: Sequence[Version],
        revoked_key: str,
        where: tuple[int, int],
        lines: Lines,
    ) -> list[Version]:
        """What a revocation ended here: older versions that are not in force, or all if it was taken back itself."""
        collection, view = where
        taken_back = max(
            (
                version.version_key
                for version in shared
                if version.revoked
                and collection in self.pool.places.get(version.id, {})
                and not self.pool.stands_in(version, collection)
            ),
            default="",
        )
        return [
            version
            for version in placed
            if version.version_key < taken_back
            or (version.version_key < revoked_key and (view, version.id) not in lines)
        ]

    def _among(
        self,
        versions: Sequence[Version],
        placed: Sequence[Version],
        collection: int,
        view: int,
        lines: Lines,
    ) -> Iterable[Verdict]:
        """Several versions in one view: the newest is asked first, it governs the older ones."""
        newest_key = versions[-1].version_key
        answers = {
            version.id: self.decided(version, collection, lines.get((view, version.id)))
            for version in versions
            if version.version_key == newest_key
        }
        governing = [
            (version, answers[version.id]) for version in versions if version.id in answers
        ]
        open_ = any(not isinstance(decision, Deny) for _, decision in governing)
        chosen: dict[str, Verdict] = {}
        for version in placed:
            line = lines.get((view, version.id))
            decision = answers.get(version.id) or self.decided(version, collection, line)
            if version.version_key != newest_key:
                if not open_:
                    decision = governed(version, governing) or decision
                if self.plan.redacting:
                    decision = beside_a_derivative(decision, governing, line)
            verdict = Verdict(version, collection, view, decision)
            rival = chosen.get(version.version_key)
            if rival is None or _rank(verdict, lines) < _rank(rival, lines):
                chosen[version.version_key] = verdict
        return chosen.values()

    def decided(
        self, version: Version, collection: int, line: Live | None = None, *, carried: bool = False
    ) -> Decision:
        """One version as if it stood in this collection. Without a policy nothing is shared."""
        if version.type == "note":
            reader = self.pool.notice_for(version)
            if reader is not None:
                return _NOTICE if reader == self.plan.audience.id else _OTHERS_NOTICE
            if version.origin != OWN and requests.declares(self.pool.contents[version.rendition]):
                return BETWEEN_DESKS
        policy = self.plan.policy
        if policy is None:
            return _NO_POLICY
        if carried and self.pool.barred(version.ident, self.plan.audience.id):
            return BLOCKED
        label = self.plan.labels[collection]
        if label not in policy.collections:
            return _NOT_NAMED
        released_at = line.position if line is not None and not line.carried else None
        ended = self.ended.get((version.id, collection))
        if released_at is None and ended is None and not carried:
            context = self._contexts.get(collection)
            if context is None:
                context = self._contexts[collection] = Context(
                    members=self.plan.member_names,
                    collection=label,
                    recipients=self.plan.recipients,
                    now=self.now,
                )
        else:
            context = Context(
                members=self.plan.member_names,
                collection=label,
                recipients=self.plan.recipients,
                now=self.now,
                released_at=released_at,
                approved=ended.released if ended is not None else frozenset(),
                expired=ended.denied if ended is not None else frozenset(),
                carried=carried,
            )
        decision = decide(policy, self.pool.subject(version), context)
        if isinstance(decision, Redact):
            decision = self._redacted(policy, version, decision, context)
        if version.id in self.barred and not isinstance(decision, Deny):
            return Deny(
                decision.rule,
                f"it cannot be rendered: {self.barred[version.id]}",
                DenyKind.RULE,
            )
        if version.kept_out and released_at is None and not isinstance(decision, Deny):
            return self._at_the_way_in(version)
        unfetched = self.pool.bindings.unfetched
        stays = line is not None and (line.view, line.position) not in unfetched
        if not (released_at and stays) and isinstance(decision, Allow | Redact):
            partners = self.pool.bindings.doubted(version)
            if partners and not carried:
                return Hold(INTAKE, f"disputed by {', '.join(partners)}, see `review list`", None)
        if version.observable and version.origin == OWN and isinstance(decision, Allow | Redact):
            there = released_at is not None and stays
            refused = self._refused_what_it_was_made_for(version, collection, there=there)
            if refused is not None:
                return Deny(
                    refused.rule,
                    f"what it was made for may not go there: {refused.reason}",
                    DenyKind.RULE,
                )
        return decision

    def _refused_what_it_was_made_for(
        self, version: Version, collection: int, *, there: bool
    ) -> Decision | None:
        """Why an observable may not go with any indicator that it was made for (`made_for`); None where it may.

        `there`: somebody may have it. It is taken back only with an indicator that was shown there: what is only held or has
        ended leaves it (DECISIONS 1), and of what was never shown nobody learns by it.
        """
        made_for.know(self.pool, (version.ident,))
        if not self.pool.made_for.get(version.ident):
            return None
        view = self.plan.views.get(collection)
        refused: Decision = ENDED
        taken_back = False
        for indicator in made_for.standing(self.pool, version):
            lines = [
                one
                for one in self.pool.lines_of([indicator.ident])[indicator.ident]
                if one.view == view
            ]
            if self.pool.barred(indicator.ident, self.plan.audience.id):
                found: Decision = BLOCKED
            else:
                live = next((one for one in lines if one.object == indicator.id), None)
                found = self.decided(indicator, collection, live)
            if isinstance(found, Allow | Redact):
                return None
            taken_back = taken_back or bool(lines and isinstance(found, Deny))
            refused = found if refused is ENDED else refused
        return refused if taken_back or not there else None

    def _redacted(
        self, policy: Policy, version: Version, redact: Redact, context: Context
    ) -> Decision:
        recipe = self.recipes.get(version.id) or self._taken_anywhere(policy, version)
        recipe = self.recipes[version.id] = recipe | redact.recipe
        redact = Redact(redact.rule, redact.reason, recipe)
        return trimming.settle(self.pool, self.plan.audience.id, policy, version, redact, context)

    def _taken_anywhere(self, policy: Policy, version: Version) -> Recipe:
        """What rules take of a version in any view: an audience is not shown two contents of one."""
        subject = self.pool.subject(version)
        taken = Recipe()
        for label in {self.plan.labels[one] for one in self.plan.views} & set(policy.collections):
            for carried in (False, True):
                context = Context(
                    members=self.plan.member_names,
                    collection=label,
                    recipients=self.plan.recipients,
                    now=self.now,
                    carried=carried,
                )
                decision = decide(policy, subject, context)
                if isinstance(decision, Redact):
                    taken |= decision.recipe
        return taken

    def _at_the_way_in(self, version: Version) -> Hold:
        """The hold on a version in which something listed was found, and that no person let in."""
        found = screening.why(self.pool.tx, version.id)
        said = (
            f"{found[1]} at the way in: {found[0]}" if found is not None else "held at the way in"
        )
        return Hold(INTAKE, said, None)


def _rank(verdict: Verdict, lines: Lines) -> tuple[bool, bool, bool, int]:
    """Which of two origins' copies of one version stands for it: an allowed one, a live one, ours, the first."""
    version = verdict.version
    return (
        not isinstance(verdict.decision, Allow | Redact),
        (verdict.view, version.id) not in lines,
        version.origin != OWN,
        version.id,
    )
