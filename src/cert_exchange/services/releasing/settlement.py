"""What one audience gains and loses in a transaction, and what it sees meanwhile.

1. Values only: `closing` fills them, `arranging` and `appending` read them.
2. An id is visible to an audience when a line of it stays in force in any of its views, when it is gained in any, or
   when one of the audience's members sent it to us (DECISIONS 4).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cert_exchange.policy.redaction import Need, Trimmed
from cert_exchange.policy.rules import Hold, HoldTerms, Recipe, Redact
from cert_exchange.services.releasing.brought import sent_here
from cert_exchange.services.releasing.evaluating import Plan, Pool
from cert_exchange.services.releasing.judging import Judge, Verdict
from cert_exchange.services.releasing.marked import TRANSLATION
from cert_exchange.services.releasing.minting import Made
from cert_exchange.services.releasing.trimming import left_of, needs_of
from cert_exchange.stix.references import Role
from cert_exchange.store.derivatives import Derivative
from cert_exchange.store.holds import HoldLine, Outcome
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live

_OUTCOMES: Final = {"release": Outcome.RELEASED, "deny": Outcome.DENIED}
_ALL_REQUIRED: Final[Mapping[int, Need]] = {}

Key = tuple[int, int]
"""(view, object)"""


class Gain(NamedTuple):
    """A version that becomes visible in a view. A tuple: one transaction makes thousands."""

    version: Version
    view: int
    rule: str
    carried: bool


@dataclass(slots=True)
class Settlement:
    """What one audience gains and loses, and why the rest stays out."""

    plan: Plan
    gains: dict[Key, Gain] = field(default_factory=dict)
    losses: dict[Key, tuple[Live, str]] = field(default_factory=dict)
    """with the rule that took it"""
    carried_now: dict[Key, bool] = field(default_factory=dict)
    """lines in force that change between carried and allowed"""
    waits: dict[int, set[int]] = field(default_factory=dict)
    """object -> ids it waits for"""
    holds: list[HoldLine] = field(default_factory=list)
    considered: set[int] = field(default_factory=set)
    """object ids that were judged and may have waited or been held before"""
    verdicts: list[Verdict] = field(default_factory=list)
    shown: dict[Key, Version] = field(default_factory=dict)
    """for gains that are derivatives: the derivative's own row"""
    replaced: dict[Key, Live] = field(default_factory=dict)
    """lines in force in whose place something else is gained: a derivative, another one, or the original"""
    made: dict[int, Made] = field(default_factory=dict)
    """versions of derivatives to be stored, by the version (objects.id) that each is made of"""
    reused: dict[Key, int] = field(default_factory=dict)
    """for gains that are derivatives stored before: their rows' numbers"""
    endings: list[tuple[Derivative, str, list[int]]] = field(default_factory=list)
    """(last version of a derivative, version of the one that will revoke it, views)"""
    ended: list[Live] = field(default_factory=list)
    """lines of such versions that go, since the audience no longer sees the original either"""


@dataclass(slots=True)
class Sight:
    """What the audience sees while its gains and losses are still being found."""

    pool: Pool
    result: Settlement
    judge: Judge
    arrived: Collection[int]
    """ids whose members' own copies arrived now"""
    live: dict[int, list[Live]] = field(default_factory=dict)
    """ident -> its lines in force in the audience's views"""
    sent: dict[int, bool] = field(default_factory=dict)
    own: int | None = None
    """the number of our own identity, who makes derivatives"""
    redacted: dict[Key, str] = field(default_factory=dict)
    """(view, object) of what is shown redacted -> the rule"""
    rules: dict[Key, str] = field(default_factory=dict)
    """(view, object) of what policy lets the audience see -> the rule; kept where derivatives are"""
    fanned: set[Key] = field(default_factory=set)
    """(view, object) of what is derived only because of what it refers to"""
    _needs: dict[int, tuple[Recipe, list[tuple[int, int]], Mapping[int, Need]]] = field(
        default_factory=dict
    )

    def redact(self, view: int, version: Version, decision: Redact) -> None:
        """Policy shows a version redacted in this view: only what is left of it counts from here on."""
        self.redacted[view, version.id] = decision.rule
        self._left(version)

    def refs(self, number: int, view: int | None = None) -> list[tuple[int, int]]:
        """What a version refers to as it is shown in a view, or as it is: (target ident, role)."""
        if self.redacted and (view, number) in self.redacted:
            return self._left(self.pool.by_id(number))[1]
        if self.fanned and (view, number) in self.fanned:
            return self.with_maker(self.pool.by_id(number), self.own)
        return self.pool.references.get(number, [])

    def needs(self, number: int, view: int) -> Mapping[int, Need]:
        """How badly each reference is needed; what is not named is required."""
        if self.redacted and (view, number) in self.redacted:
            return self._left(self.pool.by_id(number))[2]
        if self.fanned and (view, number) in self.fanned and self.own is not None:
            named = [target for target, _ in self.pool.references.get(number, ())]
            return _ALL_REQUIRED if self.own in named else {self.own: Need.OPTIONAL}
        return _ALL_REQUIRED

    def fan(self, key: Key) -> None:
        """A version is derived in this view because of what it refers to: all that it needs stays, and we are its maker."""
        self.fanned.add(key)

    def with_maker(self, version: Version, own: int | None) -> list[tuple[int, int]]:
        """What a derivative that nothing was taken from refers to: what its original does, and our identity."""
        refs = self.pool.references.get(version.id, [])
        if own is None or own == version.ident or version.observable:
            return refs
        if any(target == own for target, _ in refs):
            return refs
        self.pool.know([own])
        return [*refs, (own, Role.CREATOR.value)]

    def required(self, number: int, view: int) -> list[tuple[int, int]]:
        """Those references without which a version cannot be shown."""
        needs = self.needs(number, view)
        refs = self.refs(number, view)
        if not needs:
            return refs
        return [one for one in refs if needs.get(one[0], Need.REQUIRED) is Need.REQUIRED]

    def _left(self, version: Version) -> tuple[Recipe, list[tuple[int, int]], Mapping[int, Need]]:
        recipe = self.judge.recipes[version.id]
        found = self._needs.get(version.id)
        if found is None or found[0] != recipe:
            policy = self.result.plan.policy
            assert policy is not None  # without one nothing is redacted
            left = left_of(self.pool, policy, version, recipe)
            refs, needs = (
                needs_of(self.pool, version, left, self.own)
                if isinstance(left, Trimmed)
                else (self.pool.references.get(version.id, []), _ALL_REQUIRED)
            )
            found = self._needs[version.id] = (recipe, refs, needs)
        return found

    def note_binding(self, denied: Version) -> None:
        """A denied translation is bound by its target's markings: it is asked again when the target becomes visible."""
        if denied.type == TRANSLATION:
            refs = self.pool.references.get(denied.id, ())
            needed = {target for target, role in refs if role == Role.REQUIRED}
            self.result.waits.setdefault(denied.id, set()).update(needed)

    def learn(self, targets: Collection[int]) -> None:
        """Read at once what the references to these ids need to be resolved."""
        self.pool.learn(targets)
        self.load_live(targets)
        self._know_sent(targets)

    def load_live(self, idents: Collection[int]) -> None:
        """Read the lines in force of ids that were not read yet."""
        missing = [ident for ident in idents if ident not in self.live]
        if missing:
            mine = set(self.result.plan.view_ids)
            for ident, lines in self.pool.lines_of(missing).items():
                self.live[ident] = [line for line in lines if line.view in mine] if lines else []

    def _know_sent(self, idents: Collection[int]) -> None:
        unknown = [ident for ident in idents if ident not in self.sent]
        if unknown:
            self.pool.know(unknown)
            for ident in unknown:
                self.sent[ident] = sent_here(self.judge, ident, arrived=ident in self.arrived)

    def sent_it(self, ident: int) -> bool:
        """Whether a member of the audience sent us the id: then it is visible to it."""
        self._know_sent((ident,))
        return self.sent[ident]

    def still_live(self, ident: int) -> bool:
        """Whether a line of the id stays in force in any view of the audience."""
        losses = self.result.losses
        lines = self.live.get(ident) or ()
        return any((line.view, line.object) not in losses for line in lines) if lines else False

    def in_view(self, ident: int, view: int) -> bool:
        """Whether the id is, or will be, in force in this very view."""
        losses = self.result.losses
        return any(
            line.view == view and (view, line.object) not in losses
            for line in self.live.get(ident, ())
        ) or any(
            (view, version.id) in self.result.gains for version in self.pool.by_ident.get(ident, ())
        )


def hold_line(number: int, collection: int, hold: Hold) -> HoldLine:
    """What is written down of a hold on a version in a collection."""
    terms = hold.terms or HoldTerms()
    expires = terms.expires if terms.approval else None
    return HoldLine(
        number,
        collection,
        hold.rule,
        hold.reason,
        hold.due,
        owner=terms.owner,
        expires=expires,
        on_expiry=None if expires is None else _OUTCOMES[terms.then],
        approvals=terms.approvals,
    )
