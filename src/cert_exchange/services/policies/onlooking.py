"""What audiences would see of each object, gathered part by part over the whole store.

1. Partners that join or leave with a policy are seated as `store.policies.seat` will do it, with views of no number.
2. Contents are read a part at a time, once for all audiences; numbers are kept.
3. Nothing here follows references: `outlook` does, when all parts are there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from cert_exchange.policy.decide import Hold
from cert_exchange.policy.document import Policy
from cert_exchange.policy.redaction import never_redacted
from cert_exchange.services.policies.catalogue import Catalogue
from cert_exchange.services.policies.outlook import Leaves, Outlook, Standing
from cert_exchange.services.policies.standing import known, leaves, standings
from cert_exchange.services.releasing.bindings import Bindings, promises_of
from cert_exchange.services.releasing.brought import said_of_theirs, sent_here
from cert_exchange.services.releasing.evaluating import Plan, Pool, plan_of, plans_for
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import objects, releases
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Database
from cert_exchange.store.releases import Audience, Head, Live, Sharing
from cert_exchange.store.tables import OWN

PART: Final = 400
_OURS: Final = frozenset({OWN})
_REDACTED: Final = int(Standing.REDACTED)
Span = tuple[int, int | None]
"""Ids from the first number to before the second, to the end without one."""


def plans_if_applied(present: Sharing, policy: Policy) -> list[Plan]:
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


class Onlooker:
    """One audience: what is found of it, part by part, and what is told of it in the end."""

    __slots__ = ("held", "outlook", "places", "plan", "rules")

    def __init__(self, plan: Plan, catalogue: Catalogue) -> None:
        self.plan = plan
        self.places = {view: place for place, view in enumerate(plan.view_ids)}
        self.rules = Names()
        self.outlook = Outlook(
            catalogue,
            dangling=plan.policy is not None and plan.policy.unresolved == "allow",
            by_reference=self.rules.number("reference"),
            by_need=self.rules.number("carried"),
        )
        self.held = [0] * len(plan.views)
        """how many ids are held back, by the view's place"""

    def judged(
        self, judge: Judge, ident: int, lines: Sequence[Live]
    ) -> dict[int, list[tuple[int, int, str]]]:
        """How the versions of an id stand in this audience's views; what is held is counted."""
        held: set[int] = set()
        found = self.stands(judge, ident, lines, held)
        for view in held:
            self.held[self.places[view]] += 1
        return found

    def stands(
        self, judge: Judge, ident: int, lines: Sequence[Live], held: set[int] | None = None
    ) -> dict[int, list[tuple[int, int, str]]]:
        """The same without counting; the views in which a version is held are added to `held`."""
        places = self.places
        live = {(line.view, line.object): line for line in lines if line.view in places}
        decisions = {}
        for version, _, view, decision in judge.verdicts(ident, live):
            decisions[view, version.id] = decision
            if held is not None and isinstance(decision, Hold):
                held.add(view)
        carried = judge.pool.is_carried_type(ident)
        if not decisions and not live and not carried:
            return {}
        return standings(judge, ident, decisions, live, carried=carried)

    def keep(self, rows: Sequence[tuple[int, int, str]], left: Leaves | None = None) -> None:
        """Keep how the version that the catalogue got last stands, and what is left of it where it is redacted."""
        number = self.rules.number
        numbered = [(place, standing, number(rule)) for place, standing, rule in rows]
        self.outlook.add(numbered, left)

    def join(self, held: Sequence[int], names: Sequence[str], later: Outlook) -> None:
        """Take over what another process found of the ids that come after those found here."""
        self.held = [one + other for one, other in zip(self.held, held, strict=True)]
        self.outlook.join(later, [self.rules.number(name) for name in names])


class Names:
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


def look_through(
    database: Database,
    partners: Mapping[int, str],
    catalogue: Catalogue,
    onlookers: Sequence[Onlooker],
    span: Span,
    *,
    identity: str,
    now: int,
    moved: Callable[[int], None],
) -> None:
    """Let all onlookers judge the ids of a span; `moved` is called with how many versions each part had.

    `identity` is the node's own.
    """
    views = tuple(view for onlooker in onlookers for view in onlooker.plan.view_ids)
    with database.reading() as conn:
        sharing = releases.read_sharing(conn)
        said, promises = sharing.said, promises_of(plans_for(conn, sharing))
        own = objects.idents_of(conn, [identity]).get(identity)
    after, end = span[0] - 1, span[1]
    while True:
        with database.reading() as conn:
            idents = version_rows.idents_after(conn, after=after, limit=PART)
            wanted = [one for one in idents if end is None or one < end]
            if wanted:
                pool = Pool(conn, partners, Bindings(conn, said, partners, promises), views)
                moved(_look(pool, catalogue, onlookers, wanted, own=own, now=now))
        if len(wanted) < PART:
            return
        after = wanted[-1]


def _look(
    pool: Pool,
    catalogue: Catalogue,
    onlookers: Sequence[Onlooker],
    idents: Sequence[int],
    *,
    own: int | None,
    now: int,
) -> int:
    """Judge a part of the ids for all audiences and keep what the end depends on; how many versions there were."""
    pool.load(idents)
    numbers = [version.id for ident in idents for version in pool.by_ident[ident]]
    targets = {target for n in numbers for target, _ in pool.references.get(n, ())}
    targets.update(idents)
    if own is not None:
        targets.add(own)
        for onlooker in onlookers:
            onlooker.outlook.own = own
    pool.know(targets)
    lines = pool.lines_of([*idents, *{i for one in idents for i in pool.made_for.get(one, ())}])
    judges = []
    for onlooker in onlookers:
        plan = onlooker.plan
        ended = hold_rows.ended_rules(pool.tx, plan.audience.id, numbers) if plan.holding else {}
        judges.append((onlooker, Judge(plan, pool, now, ended)))
    for target, about in known(pool, targets):
        catalogue.tell(target, about)
        if pool.givers.get(target, _OURS) == _OURS:
            continue  # no partner sent it: most of what we hold
        for onlooker, judge in judges:
            if sent_here(judge, target):
                onlooker.outlook.note_sent(target)
    redacting = any(onlooker.plan.redacting for onlooker in onlookers)
    for ident in idents:
        judged = [onlooker.judged(judge, ident, lines[ident]) for onlooker, judge in judges]
        if not any(judged):
            continue
        for version in pool.by_ident[ident]:
            rows = [found.get(version.id, ()) for found in judged]
            if any(rows):
                never = redacting and never_redacted(pool.contents[version.rendition]) is not None
                asked = [judge for (_, judge), mine in zip(judges, rows, strict=True) if mine]
                references = [
                    (target, role)
                    for target, role in pool.references.get(version.id, ())
                    # Said to one audience alone: no other is among those that are asked.
                    if not all(said_of_theirs(judge, version, target) for judge in asked)
                ]
                catalogue.add(version, references, never_redacted=never)
                for (onlooker, judge), mine in zip(judges, rows, strict=True):
                    redacted = any(standing & _REDACTED for _, standing, _ in mine)
                    onlooker.keep(mine, leaves(judge, version, own) if redacted else None)
    return len(numbers)
