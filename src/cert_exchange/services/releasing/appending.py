"""What one transaction writes to the release logs.

1. Every head is locked before anything is decided; positions are max(now, head + 1 us) and go up by one.
2. Withdrawals come first, then releases with what they refer to before them.
3. An older version that becomes the last again returns with a new line (DECISIONS 1), else a client that passed it
   never learns.
4. All lines of a transaction stand under one ledger line, as commitments and gapless ranges (DECISIONS 22).
5. A carried object leaves a view with its last dependant there.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cert_exchange.messages.evidence import Range, release_commitment
from cert_exchange.services.releasing.arranging import Row, arrange, ends, in_order
from cert_exchange.services.releasing.closing import Closing
from cert_exchange.services.releasing.evaluating import Plan, Pool, plans_for
from cert_exchange.services.releasing.judging import Verdict
from cert_exchange.services.releasing.settlement import Key, Settlement
from cert_exchange.stix.references import Role
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import references as reference_rows
from cert_exchange.store import releases
from cert_exchange.store.database import Transaction
from cert_exchange.store.releases import Head, Live, LiveLine, LogLine, Sharing
from cert_exchange.store.tables import LineKind

RELEASE: Final = LineKind.RELEASE.value
WITHDRAWAL: Final = LineKind.WITHDRAWAL.value
_NEEDED = (Role.CREATOR, Role.MARKING, Role.REQUIRED)


@dataclass(frozen=True, slots=True)
class Line:
    """One appended line, for whom a service sentence must report to."""

    audience: str
    collection: int
    stix_id: str
    version: str
    kind: str
    """release | withdrawal"""
    rule: str


@dataclass(slots=True)
class Drafts:
    """What `_flush` will write, in the forms of `releases.append` and `releases.mark`."""

    lines: list[LogLine] = field(default_factory=list)
    gained: list[LiveLine] = field(default_factory=list)
    lost: list[tuple[int, int]] = field(default_factory=list)
    heads: dict[int, int] = field(default_factory=dict)
    marks: list[tuple[int, int, bool, bool, bool]] = field(default_factory=list)


@dataclass(slots=True)
class Releasing:
    """One write transaction's releases. Make it first: it locks the heads.

    `ledger_line` is the reserved id of the transaction's ledger line; the caller writes that line from
    `commitments` and `ranges` before it commits.
    """

    tx: Transaction
    now: int
    ledger_line: int
    keep_verdicts: bool = False
    keep_lines: bool = True
    """whether `lines` is wanted: a partner's POST has nobody to report them to"""
    locked: Sharing | None = None
    """what `releases.lock_sharing` gave, where the caller asked for more behind the same locks"""
    heads: Sequence[Head] = field(init=False)
    plans: list[Plan] = field(init=False)
    pool: Pool = field(init=False)
    commitments: list[bytes] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    verdicts: list[tuple[Plan, Verdict, frozenset[int]]] = field(default_factory=list)
    """with `keep_verdicts`: policy's answer and the ids that the version waits for"""
    _at: dict[int, int] = field(default_factory=dict)
    _started: dict[int, int] = field(default_factory=dict)
    _counts: dict[int, int] = field(default_factory=dict)
    _drafts: Drafts = field(default_factory=Drafts)
    """what is decided and not yet written"""

    def __post_init__(self) -> None:
        self.reload(self.locked)

    def reload(self, sharing: Sharing | None = None) -> None:
        """Read heads and policies (again): after a policy or its views changed in this transaction."""
        sharing = sharing or releases.lock_sharing(self.tx)()
        self.heads = sharing.heads
        self.plans = plans_for(self.tx, sharing)
        self.pool = Pool(self.tx, sharing.partners, tuple(head.view for head in self.heads))
        for head in self.heads:
            self._at.setdefault(head.view, head.position)

    def start_view(self, view: int, at: int) -> None:
        """A view was made in this transaction: its log starts above `at`, which the ledger line says."""
        self._at[view] = at
        self._started[view] = 0
        self._counts[view] = 0

    @property
    def ranges(self) -> tuple[Range, ...]:
        """What this transaction appended to each view, gapless."""
        return tuple(
            Range(view=view, after=after, to=self._at[view], lines=self._counts[view])
            for view, after in sorted(self._started.items())
            if self._at[view]
            > after  # a first view of new members starts at 0, as every log is read
        )

    @property
    def released(self) -> int:
        """How many lines of either kind were appended."""
        return len(self.commitments)

    def reconsider(
        self,
        idents: Iterable[int],
        *,
        arrived: Mapping[int, Collection[int]] | None = None,
        audiences: Collection[int] | None = None,
    ) -> None:
        """Decide these ids, and what hangs on them, for every audience (or those named) and append the outcome.

        `arrived` maps an origin to the ids it sent in this transaction.
        """
        wanted = list(idents)
        plans = [
            plan
            for plan in self.plans
            if plan.views and (audiences is None or plan.audience.id in audiences)
        ]
        self.pool.prepare(wanted, [plan.audience.id for plan in plans])
        for plan in plans:
            sent = {
                ident
                for origin, those in (arrived or {}).items()
                if origin in plan.audience.members
                for ident in those
            }
            closing = Closing(self.tx, plan, self.pool, self.now, sent, self.keep_verdicts)
            settlement = closing.settle(wanted)
            self._write(settlement, closing)
        self._flush()

    # -- one audience ----------------------------------------------------------------------------------------------

    def _write(self, settlement: Settlement, closing: Closing) -> None:
        plan = settlement.plan
        live_after, returns, marks = arrange(settlement, closing, self.pool)
        lost = [line for line, _ in settlement.losses.values()]
        drafts = [
            (WITHDRAWAL, line.view, line.object, line.rendition, rule)
            for line, rule in settlement.losses.values()
        ]
        gains = in_order(settlement, self.pool)
        drafts += [
            (RELEASE, gain.view, gain.version.id, gain.version.rendition, gain.rule)
            for gain in gains
        ]
        drafts += [(RELEASE, line.view, line.object, line.rendition, "returns") for line in returns]
        positions = self._append(plan, drafts, lost + returns, live_after)
        self._drafts.marks += [
            (v, positions.get((v, o), p), last, first, c) for v, o, p, last, first, c in marks
        ]
        self._write_down_who_waits(settlement)
        self._drop_unneeded(plan, settlement)

    def _append(
        self,
        plan: Plan,
        drafts: Sequence[tuple[str, int, int, int, str]],
        leaving: Sequence[Live],
        rows: Mapping[Key, Row],
    ) -> dict[Key, int]:
        """Give positions and salts, write log and live; the position of each released version."""
        if not drafts:
            return {}
        salts = os.urandom(16 * len(drafts))
        policy_id = plan.audience.policy_id
        collections = {view: collection for collection, view in plan.views.items()}
        lines, gained = self._drafts.lines, self._drafts.gained
        positions: dict[Key, int] = {}
        at = self._at
        for index, (kind, view, number, rendition, rule) in enumerate(drafts):
            if view not in self._started:
                self._started[view] = at[view]
                self._counts[view] = 0
            position = max(self.now, at[view] + 1)
            at[view] = position
            self._counts[view] += 1
            salt = salts[16 * index : 16 * index + 16]
            lines.append(
                LogLine(
                    view, position, kind, number, rendition, policy_id, rule, salt, self.ledger_line
                )
            )
            version = self.pool.by_id(number)
            self.commitments.append(
                release_commitment(
                    salt, view, position, kind, version.digest,
                    object_id=number, policy=policy_id, rule=rule,
                )
            )  # fmt: skip
            if self.keep_lines:
                self.lines.append(
                    Line(
                        plan.audience.name,
                        collections[view],
                        version.stix_id,
                        version.version,
                        kind,
                        rule,
                    )
                )
            if kind == RELEASE:
                positions[view, number] = position
                gained.append(rows[view, number].live_line(position))
        self._drafts.lost += [(line.view, line.position) for line in leaving]
        self._drafts.heads.update((view, at[view]) for view in {draft[1] for draft in drafts})
        return positions

    def _flush(self) -> None:
        """Write what was decided: of all audiences together, or before it is looked at again."""
        drafts, self._drafts = self._drafts, Drafts()
        releases.append(self.tx, drafts.lines, drafts.gained, drafts.lost, drafts.heads)
        releases.mark(self.tx, drafts.marks)

    def _write_down_who_waits(self, settlement: Settlement) -> None:
        waits = [
            (number, target)
            for number, targets in settlement.waits.items()
            for target in sorted(targets)
        ]
        reference_rows.replace_waiting(
            self.tx, settlement.plan.audience.id, settlement.considered, waits
        )
        if settlement.plan.holding or settlement.holds:
            hold_rows.replace_holds(
                self.tx,
                settlement.plan.audience.id,
                settlement.considered,
                settlement.holds,
                at=self.now,
            )
        if self.keep_verdicts:
            self.verdicts.extend(
                (
                    settlement.plan,
                    verdict,
                    frozenset(settlement.waits.get(verdict.version.id, frozenset())),
                )
                for verdict in settlement.verdicts
            )

    def _drop_unneeded(self, plan: Plan, settlement: Settlement) -> None:
        """Withdraw what was carried for lines that are gone, and what was carried for that."""
        suspects = {
            (line.view, target)
            for line, _ in settlement.losses.values()
            for target, role in self.pool.references.get(line.object, [])
            if role != Role.EXTENSION
        }
        suspects |= {
            (view, self.pool.by_id(number).ident)
            for (view, number), carried in settlement.carried_now.items()
            if carried
        }
        by_view: dict[int, set[int]] = {}
        for view, target in suspects:
            by_view.setdefault(view, set()).add(target)
        if by_view:
            self._flush()
        for view, targets in sorted(by_view.items()):
            drop = self._unneeded(view, targets)
            if not drop:
                continue
            self._append(
                plan,
                [(WITHDRAWAL, view, line.object, line.rendition, "carried") for line in drop],
                drop,
                {},
            )
            self._flush()
            self._stand_in(plan, view, {line.ident for line in drop})

    def _unneeded(self, view: int, suspects: Collection[int]) -> list[Live]:
        """The carried lines that nothing in the view needs, though they may need each other."""
        carried: dict[int, list[Live]] = {}
        needs: dict[int, set[int]] = {}
        queue = set(suspects)
        while queue:
            found = [line for line in releases.live_rows(self.tx, (view,), queue) if line.carried]
            self.pool.load({line.ident for line in found})
            queue = set()
            for line in found:
                carried.setdefault(line.ident, []).append(line)
                targets = {
                    target
                    for target, role in self.pool.references.get(line.object, [])
                    if role != Role.EXTENSION
                }
                needs.setdefault(line.ident, set()).update(targets)
                queue |= targets
            queue -= carried.keys()
        kept: set[int] = set()
        rising = (
            reference_rows.needed_in(self.tx, carried.keys(), view, _NEEDED, besides=carried.keys())
            if carried
            else set()
        )
        while rising:
            kept |= rising
            rising = {target for ident in rising for target in needs[ident]} & carried.keys() - kept
        return [line for ident, lines in carried.items() if ident not in kept for line in lines]

    def _stand_in(self, plan: Plan, view: int, idents: Collection[int]) -> None:
        """What policy allows of an id whose carried line went becomes its last and first again."""
        places: dict[int, list[Row]] = {}
        for line in releases.live_rows(self.tx, (view,), idents):
            places.setdefault(line.ident, []).append(
                Row(view, self.pool.by_id(line.object), line.carried, line)
            )
        for rows in places.values():
            last, first = ends(rows)
            for row in rows:
                assert row.line is not None
                row.is_last, row.is_first = row is last, row is first
                if row.is_last and not row.line.is_last:
                    draft = (RELEASE, view, row.line.object, row.line.rendition, "returns")
                    self._append(plan, [draft], [row.line], {(view, row.line.object): row})
                elif (row.is_last, row.is_first) != (row.line.is_last, row.line.is_first):
                    self._drafts.marks.append(
                        (view, row.line.position, row.is_last, row.is_first, row.carried)
                    )
        self._flush()
