"""What a policy would change for its audiences, before anything is changed (issue 4, safe editing).

1. It reads only, and without locks; what others change meanwhile may or may not be in it.
2. The same `Judge` decides here and in `applying`, and `outlook` follows references to the same end, so that what is
   shown is what `apply` does: a property test compares them object for object.
3. Partners that join or leave with this version are seated as `store.policies.seat` will do it, with views of no number.
4. Contents are read a part at a time; what is kept of an object is numbers (a million of them: docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from cert_exchange.node import Node
from cert_exchange.policy.decide import Hold
from cert_exchange.policy.document import Policy
from cert_exchange.services.policies.outlook import Kind, Outlook, Row
from cert_exchange.services.policies.standing import known, standings
from cert_exchange.services.releasing.evaluating import Plan, Pool, plan_of
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import releases
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.releases import Audience, Head, Sharing

PART: Final = 800
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
    with node.database.reading() as conn:
        active = policy_rows.active(conn, policy.name)
        sharing = _seated(releases.read_sharing(conn), policy)
        total = version_rows.count_after(conn, 0)
    audiences = [one for one in sharing.audiences if one.policy == policy.name]
    prospects: list[Prospect] = []
    for index, audience in enumerate(audiences):

        def moved(done: int, start: int = index * total) -> None:
            if progress is not None:
                progress(start + done, len(audiences) * total)

        plan = plan_of(audience, policy, sharing)
        if plan.views:
            prospects += _prospects(node, plan, sharing, samples=samples, moved=moved)
    return Preview(
        policy.name,
        None if active is None else active.version,
        tuple(prospects),
        gained=sum(one.gained for one in prospects),
        lost=sum(one.lost for one in prospects),
        changed=sum(one.changed for one in prospects),
    )


# -- who will be there -------------------------------------------------------------------------------------------------


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


def _prospects(
    node: Node, plan: Plan, sharing: Sharing, *, samples: int, moved: Callable[[int], None]
) -> list[Prospect]:
    rules = _Names()
    outlook = Outlook(
        dangling=plan.policy is not None and plan.policy.unresolved == "allow",
        by_reference=rules.number("reference"),
        by_need=rules.number("carried"),
    )
    collections = list(plan.views)
    tallies = [_Tally() for _ in collections]
    now = node.now()
    after, done = 0, 0
    while True:
        with node.database.reading() as conn:
            idents = version_rows.idents_after(conn, after=after, limit=PART)
            if not idents:
                break
            done += _look(conn, plan, sharing, outlook, rules, tallies, idents, now=now)
        after = idents[-1]
        moved(done)
    outlook.settle()
    for ident, view, kind, rule in outlook.fates():
        tally = tallies[view]
        tally.objects[kind] += 1
        if kind is not Kind.KEPT:
            tally.by_rule[kind, rule] = tally.by_rule.get((kind, rule), 0) + 1
            named = tally.samples.setdefault((kind, rule), [])
            if len(named) < samples:
                named.append(ident)
    for _, view in set(outlook.waiting()):
        tallies[view].waiting += 1
    wanted = {ident for tally in tallies for named in tally.samples.values() for ident in named}
    with node.database.reading() as conn:
        texts = version_rows.stix_ids(conn, wanted)
    return [
        _told(plan, collection, tally, rules, texts)
        for collection, tally in zip(collections, tallies, strict=True)
    ]


def _told(
    plan: Plan, collection: int, tally: _Tally, rules: _Names, texts: Mapping[int, str]
) -> Prospect:
    changes = [
        Change(
            _KINDS[kind],
            rules.names[rule],
            count,
            tuple(texts[ident] for ident in tally.samples[kind, rule]),
        )
        for (kind, rule), count in sorted(
            tally.by_rule.items(), key=lambda item: (item[0][0], -item[1], rules.names[item[0][1]])
        )
    ]
    return Prospect(
        plan.audience.name,
        tuple(sorted(plan.audience.members.values())),
        plan.labels[collection],
        gained=tally.objects[Kind.GAINED],
        lost=tally.objects[Kind.LOST],
        changed=tally.objects[Kind.CHANGED],
        kept=tally.objects[Kind.KEPT],
        waiting=tally.waiting,
        held=tally.held,
        changes=tuple(changes),
    )


@dataclass(slots=True)
class _Names:
    """Names of rules by number."""

    names: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = len(self.names)
            self.names.append(name)
        return found


def _look(
    conn: Transaction,
    plan: Plan,
    sharing: Sharing,
    outlook: Outlook,
    rules: _Names,
    tallies: list[_Tally],
    idents: list[int],
    *,
    now: int,
) -> int:
    """Judge a part of the ids and keep of it what the end depends on; how many versions there were."""
    pool = Pool(conn, sharing.partners, plan.view_ids)
    pool.load(idents)
    versions = [version for ident in idents for version in pool.by_ident[ident]]
    numbers = [version.id for version in versions]
    targets = {target for n in numbers for target, _ in pool.references.get(n, ())}
    targets.update(idents)
    pool.know(targets)
    lines = pool.lines_of(idents)
    approved = hold_rows.ended_rules(conn, plan.audience.id, numbers) if plan.holding else {}
    judge = Judge(plan, pool, now, approved)
    for target, about in known(plan, pool, targets):
        outlook.tell(target, about)
    views = list(plan.views.items())
    for ident in idents:
        live = {(line.view, line.object): line for line in lines[ident]}
        decisions = {
            (verdict.view, verdict.version.id): verdict.decision
            for verdict in judge.verdicts(ident, live)
        }
        carried = pool.is_carried_type(ident)
        if not decisions and not live and not carried:
            continue
        for place, (_, view) in enumerate(views):
            tallies[place].held += any(
                isinstance(decision, Hold) for (v, _), decision in decisions.items() if v == view
            )
        rows = standings(judge, ident, decisions, live, carried=carried)
        for version in pool.by_ident[ident]:
            mine = [
                Row(place, standing, rules.number(rule))
                for place, standing, rule in rows.get(version.id, ())
            ]
            if mine:
                outlook.add(version, pool.references.get(version.id, ()), mine)
    return len(versions)
