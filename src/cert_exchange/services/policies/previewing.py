"""What a policy would change for its audiences, before anything is changed (issue 4, safe editing).

1. It reads only, and without locks; what others change meanwhile may or may not be in it.
2. The same `Judge` decides here and in `applying`, and `outlook` follows references to the same end, so that what is
   shown is what `apply` does: a property test compares them object for object.
3. Contents are read a part at a time; what is kept of an object is numbers, so that a million of them fit into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from cert_exchange.node import Node
from cert_exchange.policy.companions import NO_COMPANIONS, Companions
from cert_exchange.policy.document import Policy
from cert_exchange.services.policies.catalogue import Catalogue
from cert_exchange.services.policies.dividing import look_together
from cert_exchange.services.policies.fates import Kind, fates
from cert_exchange.services.policies.moving import MOVED, before_the_move
from cert_exchange.services.policies.onlooking import Onlooker, plans_if_applied
from cert_exchange.services.policies.outlook import Shown
from cert_exchange.services.policies.rewriting import Rewriting
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import releases
from cert_exchange.store import versions as version_rows
from cert_exchange.store.releases import Sharing

GROUP: Final = 6
"""So many policies are looked at in one reading: their rows are in memory together."""
SAMPLES: Final = 5
Progress = Callable[[int, int | None], None]
ChangeKind = Literal["gained", "lost", "changed"]
ShownAs = Literal["whole", "redacted", "rewritten", "nothing"]
_KINDS: Final[Mapping[Kind, ChangeKind]] = {
    Kind.GAINED: "gained",
    Kind.LOST: "lost",
    Kind.CHANGED: "changed",
}
_SHOWN: Final[Mapping[Shown, ShownAs]] = {
    Shown.WHOLE: "whole",
    Shown.REDACTED: "redacted",
    Shown.REWRITTEN: "rewritten",
}
_Change = tuple[Kind, Shown, int]
"""with the number of the rule"""


@dataclass(frozen=True, slots=True)
class Change:
    """What one rule would do to an audience's view of a collection. `samples` are STIX ids.

    In a rule's place: `carried` for what is needed by something visible (or no longer), `reference` for what refers to
    something hidden, `moved` for what only the policy showed that governed a partner before.
    """

    kind: ChangeKind
    rule: str
    objects: int
    samples: tuple[str, ...]
    """of originals, also where a derivative is what is shown"""
    shown: ShownAs = "whole"
    """how they are shown then; nothing is shown of what is lost"""


@dataclass(frozen=True, slots=True)
class Prospect:
    """One audience in one collection: how many objects it would see newly, no longer, and in another last version."""

    audience: str
    members: tuple[str, ...]
    collection: str
    gained: int
    lost: int
    changed: int
    kept: int
    waiting: int
    """allowed, and kept out by a reference to something hidden"""
    held: int
    """held back for a time or until persons release them"""
    redacted: int
    """of those that it sees then, shown as derivatives because a rule redacts them"""
    rewritten: int
    """the same, only because they refer to what is shown as a derivative (fan-out)"""
    uncovered: int
    """of those changed, derivatives now that are shown whole then, or more of them"""
    changes: tuple[Change, ...]
    """by kind, the rule that does most first"""
    moved: tuple[tuple[str, str], ...] = ()
    """(partner, policy) of members that another policy governs now: what they see by that is what this is compared with"""


@dataclass(frozen=True, slots=True)
class Preview:
    """What `apply` would do to whom. Counts are objects in a collection before an audience."""

    name: str
    in_force: int | None
    """the version in force now"""
    prospects: tuple[Prospect, ...]
    gained: int
    lost: int
    changed: int
    uncovered: int
    """of those changed, derivatives now that are shown whole then, or more of them"""

    @property
    def widens(self) -> int:
        """What `apply` wants confirmed: how many would be seen that are not seen now, or less of them."""
        return self.gained + self.uncovered


@dataclass(slots=True)
class _Tally:
    """The counts of one view while they are being made."""

    objects: list[int] = field(default_factory=lambda: [0] * len(Kind))
    """by Kind"""
    by_rule: dict[_Change, int] = field(default_factory=dict)
    samples: dict[_Change, list[int]] = field(default_factory=dict)
    shown: list[int] = field(default_factory=lambda: [0] * len(Shown))
    """by Shown"""
    uncovered: int = 0
    waiting: int = 0


def preview(
    node: Node, policy: Policy, *, samples: int = SAMPLES, progress: Progress | None = None
) -> Preview:
    """Say what applying a policy that was checked would change, and change nothing.

    `samples` is how many ids are named for each rule. Raises StoreError.
    """
    return previews(node, [(policy, NO_COMPANIONS)], samples=samples, progress=progress)[0]


def previews(
    node: Node,
    policies: Sequence[tuple[Policy, Companions]],
    *,
    samples: int = SAMPLES,
    processes: int = 1,
    progress: Progress | None = None,
) -> tuple[Preview, ...]:
    """The same of several policies, each by itself; every object is read once for GROUP of them.

    Each comes with the texts of the files that it names, by name: other processes read it anew. With `processes` a large
    store is divided among them.
    """
    told: list[Preview] = []
    for start in range(0, len(policies), GROUP):
        group = policies[start : start + GROUP]
        told += _together(node, group, samples=samples, processes=processes, progress=progress)
    return tuple(told)


def _together(
    node: Node,
    policies: Sequence[tuple[Policy, Companions]],
    *,
    samples: int,
    processes: int,
    progress: Progress | None,
) -> list[Preview]:
    with node.database.reading() as conn:
        present = releases.read_sharing(conn)
        in_force = {one.name: one.version for one in policy_rows.in_force(conn)}
    catalogue = Catalogue()
    onlookers = [
        [Onlooker(plan, catalogue) for plan in plans_if_applied(present, policy)]
        for policy, _ in policies
    ]
    every = [one for those in onlookers for one in those]
    look_together(
        node, policies, present.partners, catalogue, every, processes=processes, progress=progress
    )
    catalogue.close()
    told = []
    for (policy, _), those in zip(policies, onlookers, strict=True):
        prospects = [
            one
            for onlooker in those
            for one in _prospects(node, onlooker, present, samples, progress)
        ]
        told.append(
            Preview(
                policy.name,
                in_force.get(policy.name),
                tuple(prospects),
                gained=sum(one.gained for one in prospects),
                lost=sum(one.lost for one in prospects),
                changed=sum(one.changed for one in prospects),
                uncovered=sum(one.uncovered for one in prospects),
            )
        )
    return told


def _prospects(
    node: Node,
    onlooker: Onlooker,
    present: Sharing,
    samples: int,
    progress: Progress | None,
) -> list[Prospect]:
    """Follow references to the end, and count."""
    plan, outlook = onlooker.plan, onlooker.outlook
    tallies = [_Tally() for _ in plan.views]
    Rewriting(node, present.partners, onlooker, node.now(), progress).settle()
    before = before_the_move(node, present, plan)
    told = fates(outlook) if before is None else before.compared(fates(outlook), onlooker.rules)
    for fate in told:
        tally = tallies[fate.view]
        tally.objects[fate.kind] += 1
        if fate.kind is not Kind.LOST:
            tally.shown[fate.shown] += 1
        if fate.kind is not Kind.KEPT:
            tally.uncovered += fate.uncovers
            key = (fate.kind, fate.shown, fate.rule)
            tally.by_rule[key] = tally.by_rule.get(key, 0) + 1
            named = tally.samples.setdefault(key, [])
            if len(named) < samples:
                named.append(fate.ident)
    for _, view in set(outlook.waiting()):
        tallies[view].waiting += 1
    gone = () if before is None else before.gone
    sampled = {one for tally in tallies for those in tally.samples.values() for one in those}
    sampled.update(ident for _, those in gone for ident in sorted(those)[:samples])
    with node.database.reading() as conn:
        texts = version_rows.stix_ids(conn, sampled)
    members = tuple(sorted(plan.audience.members.values()))
    moved = () if before is None else before.moved
    return [
        Prospect(
            plan.audience.name,
            members,
            plan.labels[collection],
            gained=tally.objects[Kind.GAINED],
            lost=tally.objects[Kind.LOST],
            changed=tally.objects[Kind.CHANGED],
            kept=tally.objects[Kind.KEPT],
            waiting=tally.waiting,
            held=held,
            redacted=tally.shown[Shown.REDACTED],
            rewritten=tally.shown[Shown.REWRITTEN],
            uncovered=tally.uncovered,
            changes=tuple(_changes(tally, onlooker.rules.names, texts)),
            moved=moved,
        )
        for collection, tally, held in zip(plan.views, tallies, onlooker.held, strict=True)
    ] + [
        Prospect(
            plan.audience.name, members, label, gained=0, lost=len(those), changed=0, kept=0,
            waiting=0, held=0, redacted=0, rewritten=0, uncovered=0, moved=moved,
            changes=(_all_lost(sorted(those), texts, samples),),
        )
        for label, those in gone
    ]  # fmt: skip


def _all_lost(idents: Sequence[int], texts: Mapping[int, str], samples: int) -> Change:
    """A partner that changes policy leaves a whole collection behind."""
    named = tuple(texts[ident] for ident in idents[:samples])
    return Change("lost", MOVED, len(idents), named, "nothing")


def _changes(tally: _Tally, names: Sequence[str], texts: Mapping[int, str]) -> list[Change]:
    ranked = sorted(
        tally.by_rule.items(), key=lambda item: (item[0][0], -item[1], names[item[0][2]], item[0])
    )
    return [
        Change(
            _KINDS[kind],
            names[rule],
            count,
            tuple(texts[ident] for ident in tally.samples[kind, shown, rule]),
            "nothing" if kind is Kind.LOST else _SHOWN[shown],
        )
        for (kind, shown, rule), count in ranked
    ]
