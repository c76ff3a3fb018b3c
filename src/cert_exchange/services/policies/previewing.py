"""What a policy would change for its audiences, before anything is changed (issue 4, safe editing).

1. It reads only, and without locks; what others change meanwhile may or may not be in it.
2. The same `Judge` decides here and in `applying`, and `outlook` follows references to the same end, so that what is
   shown is what `apply` does: a property test compares them object for object.
3. Partners that join or leave with this version are seated as `store.policies.seat` will do it, with views of no number.
4. Contents are read a part at a time; what is kept of an object is numbers (a million of them: docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from cert_exchange.node import Node
from cert_exchange.policy.decide import Hold
from cert_exchange.policy.document import Policy
from cert_exchange.services.policies.outlook import Kind, Outlook
from cert_exchange.services.policies.standing import known, standings
from cert_exchange.services.releasing.evaluating import Plan, Pool, plan_of
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import releases
from cert_exchange.store import versions as version_rows
from cert_exchange.store.releases import Audience, Head, Live, Sharing

PART: Final = 800
GROUP: Final = 3
"""So many policies are looked at in one reading: their rows are in memory together."""
SAMPLES: Final = 5
Progress = Callable[[int, int | None], None]
ChangeKind = Literal["gained", "lost", "changed"]
_KINDS: Final[Mapping[Kind, ChangeKind]] = {
    Kind.GAINED: "gained",
    Kind.LOST: "lost",
    Kind.CHANGED: "changed",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What one rule would do to an audience's view of a collection. `samples` are STIX ids.

    In a rule's place: `carried` for what is needed by something visible (or no longer), `reference` for what refers to
    something hidden.
    """

    kind: ChangeKind
    rule: str
    objects: int
    samples: tuple[str, ...]


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
    """held back for a time or until a person releases them"""
    changes: tuple[Change, ...]
    """by kind, the rule that does most first"""


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


@dataclass(slots=True)
class _Tally:
    """The counts of one view while they are being made."""

    objects: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    by_rule: dict[tuple[Kind, int], int] = field(default_factory=dict)
    samples: dict[tuple[Kind, int], list[int]] = field(default_factory=dict)
    waiting: int = 0
    held: int = 0


def preview(
    node: Node, policy: Policy, *, samples: int = SAMPLES, progress: Progress | None = None
) -> Preview:
    """Say what applying a policy that was checked would change, and change nothing.

    `samples` is how many ids are named for each rule. Raises StoreError.
    """
    return previews(node, [policy], samples=samples, progress=progress)[0]


def previews(
    node: Node,
    policies: Sequence[Policy],
    *,
    samples: int = SAMPLES,
    progress: Progress | None = None,
) -> tuple[Preview, ...]:
    """The same of several policies, each by itself; every object is read once for GROUP of them."""
    told: list[Preview] = []
    for start in range(0, len(policies), GROUP):
        told += _together(node, policies[start : start + GROUP], samples, progress)
    return tuple(told)


def _together(
    node: Node, policies: Sequence[Policy], samples: int, progress: Progress | None
) -> list[Preview]:
    with node.database.reading() as conn:
        present = releases.read_sharing(conn)
        in_force = {one.name: one.version for one in policy_rows.in_force(conn)}
        total = version_rows.count_after(conn, 0)
    sides = [[_Side(plan) for plan in _plans(present, policy)] for policy in policies]
    every = [side for those in sides for side in those]
    views = tuple(view for side in every for view in side.plan.view_ids)
    now = node.now()
    after, done = 0, 0
    while True:
        with node.database.reading() as conn:
            idents = version_rows.idents_after(conn, after=after, limit=PART)
            if not idents:
                break
            pool = Pool(conn, present.partners, views)
            done += _look(pool, every, idents, now=now)
        after = idents[-1]
        if progress is not None:
            progress(done, total)
    told = []
    for policy, those in zip(policies, sides, strict=True):
        prospects = [one for side in those for one in side.prospects(node, samples)]
        told.append(
            Preview(
                policy.name,
                in_force.get(policy.name),
                tuple(prospects),
                gained=sum(one.gained for one in prospects),
                lost=sum(one.lost for one in prospects),
                changed=sum(one.changed for one in prospects),
            )
        )
    return told


# -- who will be there -------------------------------------------------------------------------------------------------


def _plans(present: Sharing, policy: Policy) -> list[Plan]:
    """The policy's audiences as they will be, those without any collection aside."""
    seated = _seated(present, policy)
    plans = [plan_of(audience, policy, seated) for audience in seated.audiences]
    return [plan for plan in plans if plan.views]


def _seated(sharing: Sharing, policy: Policy) -> Sharing:
    """Audiences and views as `store.policies.seat` will leave them; what it would make has a negative number."""
    ids = {name: number for number, name in sharing.partners.items()}
    wanted = {ids[name]: name for name in policy.partners}
    mine = [one for one in sharing.audiences if one.policy == policy.name]
    stay = [
        replace(one, members={n: name for n, name in one.members.items() if n in wanted})
        for one in mine
    ]
    present = {number for one in stay for number in one.members}
    joining = {n: name for n, name in sorted(wanted.items()) if n not in present}
    if not mine:
        stay = [_newcomers(-1, policy.name, policy.name, joining)]
    else:
        stay += [
            _newcomers(-number, f"{policy.name}.{name}", policy.name, {number: name})
            for number, name in joining.items()
        ]
    named = set(policy.collections)
    heads = [head for head in sharing.heads if any(head.audience == one.id for one in stay)]
    have = {(head.audience, head.collection) for head in heads}
    for audience in stay:
        for number, (uuid, alias) in sorted(sharing.collections.items()):
            if (uuid in named or alias in named) and (audience.id, number) not in have:
                heads.append(Head(-1 - len(heads), audience.id, number, 0))
    return replace(sharing, heads=heads, audiences=stay)


def _newcomers(number: int, name: str, policy: str, members: Mapping[int, str]) -> Audience:
    return Audience(
        id=number, name=name, policy=policy, members=members,
        policy_id=None, policy_text=None, companions=None,
    )  # fmt: skip


# -- one audience ------------------------------------------------------------------------------------------------------


class _Side:
    """One audience: what is found of it, part by part, and what is told of it in the end."""

    __slots__ = ("outlook", "plan", "rules", "tallies")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rules = _Names()
        self.outlook = Outlook(
            dangling=plan.policy is not None and plan.policy.unresolved == "allow",
            by_reference=self.rules.number("reference"),
            by_need=self.rules.number("carried"),
        )
        self.tallies = [_Tally() for _ in plan.views]

    def take(self, judge: Judge, idents: Sequence[int], lines: Mapping[int, list[Live]]) -> None:
        """Judge a part of the ids, and keep of it what the end depends on."""
        pool, rules, outlook = judge.pool, self.rules, self.outlook
        places = {view: place for place, view in enumerate(self.plan.view_ids)}
        for ident in idents:
            live = {(line.view, line.object): line for line in lines[ident] if line.view in places}
            decisions = {}
            held = set()
            for version, _, view, decision in judge.verdicts(ident, live):
                decisions[view, version.id] = decision
                if isinstance(decision, Hold):
                    held.add(view)
            for view in held:
                self.tallies[places[view]].held += 1
            carried = pool.is_carried_type(ident)
            if not decisions and not live and not carried:
                continue
            rows = standings(judge, ident, decisions, live, carried=carried)
            for version in pool.by_ident[ident]:
                mine = rows.get(version.id)
                if mine:
                    outlook.add(
                        version,
                        pool.references.get(version.id, ()),
                        [(place, standing, rules.number(rule)) for place, standing, rule in mine],
                    )

    def prospects(self, node: Node, samples: int) -> list[Prospect]:
        """Follow references to the end, and count."""
        self.outlook.settle()
        for ident, view, kind, rule in self.outlook.fates():
            tally = self.tallies[view]
            tally.objects[kind] += 1
            if kind is not Kind.KEPT:
                tally.by_rule[kind, rule] = tally.by_rule.get((kind, rule), 0) + 1
                named = tally.samples.setdefault((kind, rule), [])
                if len(named) < samples:
                    named.append(ident)
        for _, view in set(self.outlook.waiting()):
            self.tallies[view].waiting += 1
        named = [one for tally in self.tallies for those in tally.samples.values() for one in those]
        with node.database.reading() as conn:
            texts = version_rows.stix_ids(conn, named)
        return [
            self._told(collection, tally, texts)
            for collection, tally in zip(self.plan.views, self.tallies, strict=True)
        ]

    def _told(self, collection: int, tally: _Tally, texts: Mapping[int, str]) -> Prospect:
        names = self.rules.names
        changes = [
            Change(
                _KINDS[kind],
                names[rule],
                count,
                tuple(texts[ident] for ident in tally.samples[kind, rule]),
            )
            for (kind, rule), count in sorted(
                tally.by_rule.items(), key=lambda item: (item[0][0], -item[1], names[item[0][1]])
            )
        ]
        return Prospect(
            self.plan.audience.name,
            tuple(sorted(self.plan.audience.members.values())),
            self.plan.labels[collection],
            gained=tally.objects[Kind.GAINED],
            lost=tally.objects[Kind.LOST],
            changed=tally.objects[Kind.CHANGED],
            kept=tally.objects[Kind.KEPT],
            waiting=tally.waiting,
            held=tally.held,
            changes=tuple(changes),
        )


class _Names:
    """Names of rules by number."""

    __slots__ = ("_numbers", "names")

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The number of a name, the next free one for a new name."""
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = len(self.names)
            self.names.append(name)
        return found


def _look(pool: Pool, sides: Sequence[_Side], idents: Sequence[int], *, now: int) -> int:
    """Judge a part of the ids for all audiences; how many versions there were."""
    pool.load(idents)
    numbers = [version.id for ident in idents for version in pool.by_ident[ident]]
    targets = {target for n in numbers for target, _ in pool.references.get(n, ())}
    targets.update(idents)
    pool.know(targets)
    lines = pool.lines_of(idents)
    for side in sides:
        plan = side.plan
        ended = hold_rows.ended_rules(pool.tx, plan.audience.id, numbers) if plan.holding else {}
        for target, about in known(plan, pool, targets):
            side.outlook.tell(target, about)
        side.take(Judge(plan, pool, now, ended), idents, lines)
    return len(numbers)
