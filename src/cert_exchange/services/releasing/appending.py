"""What one transaction writes to the release logs.

1. Every head is locked before anything is decided; positions are max(now, head + 1 us) and go up by one.
2. Withdrawals come first, then releases with what they refer to before them.
3. An older version that becomes the last again returns with a new line (DECISIONS 1), else a client that passed it
   never learns.
4. All lines of a transaction stand under one ledger line, as commitments and gapless ranges (DECISIONS 22).
5. A carried object leaves a view with its last dependant there.
6. With each withdrawal stands that a notice of it may be owed; `services.noticing` decides after the commit (DECISIONS 19).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cert_exchange.messages.evidence import Range, release_commitment
from cert_exchange.messages.notices import Reason
from cert_exchange.services.releasing import made_for
from cert_exchange.services.releasing.arranging import Row, arrange, in_order
from cert_exchange.services.releasing.bindings import bindings_for
from cert_exchange.services.releasing.closing import Closing
from cert_exchange.services.releasing.drafting import Drafts
from cert_exchange.services.releasing.dropping import standing_in, suspects_of, unneeded
from cert_exchange.services.releasing.evaluating import Plan, Pool, plans_for
from cert_exchange.services.releasing.issuing import issue, rule_for
from cert_exchange.services.releasing.judging import Verdict
from cert_exchange.services.releasing.marked import next_dates
from cert_exchange.services.releasing.naming import Issuer, Names
from cert_exchange.services.releasing.pointing import observables_of
from cert_exchange.services.releasing.repeating import put_before
from cert_exchange.services.releasing.settlement import Key, Settlement
from cert_exchange.store import handling_dates, in_force, releases
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import references as reference_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.notices import Owed
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Head, Live, LogLine, Sharing
from cert_exchange.store.tables import LineKind

RELEASE: Final = LineKind.RELEASE.value
WITHDRAWAL: Final = LineKind.WITHDRAWAL.value


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
    anew: bool = False
    """of a withdrawal: the object is shown anew in its place, such as without something"""


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
    owing: Reason = Reason.NO_LONGER_SHARED
    """what a notice of what is withdrawn here gives as its reason"""
    issuer: Issuer | None = None
    """whose derivatives are made; without one nothing is shown redacted"""
    heads: Sequence[Head] = field(init=False)
    plans: list[Plan] = field(init=False)
    pool: Pool = field(init=False)
    commitments: list[bytes] = field(default_factory=list)
    stored: list[bytes] = field(default_factory=list)
    """commitments to the derivatives that were stored: part of what the ledger line says it stored"""
    lines: list[Line] = field(default_factory=list)
    verdicts: list[tuple[Plan, Verdict, frozenset[int]]] = field(default_factory=list)
    """with `keep_verdicts`: policy's answer and the ids that the version waits for"""
    _at: dict[int, int] = field(default_factory=dict)
    _started: dict[int, int] = field(default_factory=dict)
    _counts: dict[int, int] = field(default_factory=dict)
    _names: dict[int, Names] = field(default_factory=dict)
    _drafts: Drafts = field(default_factory=Drafts)
    """what is decided and not yet written"""

    def __post_init__(self) -> None:
        self.reload(self.locked)

    def reload(self, sharing: Sharing | None = None) -> None:
        """Read heads and policies (again): after a policy or its views changed in this transaction."""
        sharing = sharing or releases.lock_sharing(self.tx)()
        self.heads = sharing.heads
        self.plans = plans_for(self.tx, sharing, locked=True)
        self.pool = Pool(
            self.tx,
            sharing.partners,
            bindings_for(self.tx, sharing, self.plans),
            tuple(head.view for head in self.heads),
            deriving=any(plan.deriving for plan in self.plans),
        )
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
        if any(plan.pointing for plan in plans):
            wanted += observables_of(self.pool, wanted)
        wanted += made_for.hanging_on(self.pool, wanted) - set(wanted)
        self.pool.prepare(wanted, [plan.audience.id for plan in plans])
        for plan in plans:
            sent = {
                ident
                for origin, those in (arrived or {}).items()
                if origin in plan.audience.members
                for ident in those
            }
            closing = self._closing(plan, sent)
            settlement = closing.settle(wanted)
            if told := put_before(self.tx, self.pool, settlement, closing.sight, at=self.now):
                self.reconsider(told, audiences=(plan.audience.id,))
                self.pool.prepare(wanted, (plan.audience.id,))
                closing = self._closing(plan, sent)
                settlement = closing.settle(wanted)
            self._write(settlement, closing)
        self._flush()
        if dates := next_dates(self.pool.subjects, self.now):
            handling_dates.note(self.tx, dates)

    def _closing(self, plan: Plan, sent: Collection[int]) -> Closing:
        names = self._names_for(plan)
        return Closing(self.tx, plan, self.pool, self.now, sent, self.keep_verdicts, names)

    def _names_for(self, plan: Plan) -> Names | None:
        if not plan.deriving or self.issuer is None:
            return None
        number = plan.audience.id
        if number not in self._names:
            self._names[number] = Names(self.tx, self.issuer, number, self.now)
        return self._names[number]

    # -- one audience ----------------------------------------------------------------------------------------------

    def _write(self, settlement: Settlement, closing: Closing) -> None:
        plan, names = settlement.plan, closing.names
        endings: list[tuple[int, Version]] = []
        if plan.deriving and names is not None:
            endings, stored = issue(self.tx, closing.sight, names, ledger_line=self.ledger_line)
            self.stored += stored
        live_after, returns, marks = arrange(settlement, closing, self.pool)
        losses = [(line, rule) for line, rule in settlement.losses.values()]
        losses += [(line, rule_for(settlement, line)) for line in settlement.replaced.values()]
        losses += [(line, "ended") for line in settlement.ended]
        lost = [line for line, _ in losses]
        drafts = [
            (WITHDRAWAL, line.view, line.served, line.rendition, rule) for line, rule in losses
        ]
        for gain in in_order(settlement, closing.sight):
            shown = settlement.shown.get((gain.view, gain.version.id), gain.version)
            drafts.append((RELEASE, gain.view, shown.id, shown.rendition, gain.rule))
        for view, shown in endings:
            live_after[view, shown.id] = Row(view, shown, False, None, is_last=True, is_first=True)  # noqa: FBT003 - as the tuple says
            drafts.append((RELEASE, view, shown.id, shown.rendition, "ended"))
        drafts += [(RELEASE, line.view, line.served, line.rendition, "returns") for line in returns]
        anew = {(line.view, line.position) for line in settlement.replaced.values()}
        positions = self._append(plan, drafts, lost + returns, live_after, anew)
        self._drafts.marks += [
            (v, positions.get((v, o), p), last, first, c) for v, o, p, last, first, c in marks
        ]
        self._write_down_who_waits(settlement)
        self._drop_unneeded(plan, settlement, names.own if names is not None else None)

    def _append(
        self,
        plan: Plan,
        drafts: Sequence[tuple[str, int, int, int, str]],
        leaving: Sequence[Live],
        rows: Mapping[Key, Row],
        replaced: Collection[tuple[int, int]] = (),
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
            # Withdrawals come first in `drafts`, in the order of the lines that leave.
            gone = kind == WITHDRAWAL
            anew = gone and (view, leaving[index].position) in replaced
            if gone and not leaving[index].carried:
                drafted = Owed(view, position, leaving[index].position, number, self.owing.value)
                self._drafts.owed.append(drafted)
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
                        plan.audience.name, collections[view], version.stix_id, version.version,
                        kind, rule, anew,
                    )
                )  # fmt: skip
            if kind == RELEASE:
                positions[view, number] = position
                gained.append(rows[view, number].live_line(position))
        self._drafts.lost += [(line.view, line.position) for line in leaving]
        self._drafts.heads.update((view, at[view]) for view in {draft[1] for draft in drafts})
        return positions

    def _flush(self) -> None:
        """Write what was decided: of all audiences together, or before it is looked at again."""
        drafts, self._drafts = self._drafts, Drafts()
        drafts.write(self.tx)

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

    def _drop_unneeded(self, plan: Plan, settlement: Settlement, own: int | None) -> None:
        """Withdraw what was carried for lines that are gone, and what was carried for that."""
        by_view = suspects_of(settlement, self.pool, own)
        if by_view:
            self._flush()
        for view, targets in sorted(by_view.items()):
            drop = unneeded(self.tx, self.pool, plan, view, targets, own)
            if not drop:
                continue
            if plan.deriving:
                drop += in_force.ended_rows(self.tx, (view,), {line.ident for line in drop})
                self.pool.know_served(drop)
            self._append(
                plan,
                [(WITHDRAWAL, view, line.served, line.rendition, "carried") for line in drop],
                drop,
                {},
            )
            self._flush()
            self._stand_in(plan, view, {line.ident for line in drop})

    def _stand_in(self, plan: Plan, view: int, idents: Collection[int]) -> None:
        """What policy allows of an id whose carried line went becomes its last and first again."""
        for row in standing_in(self.tx, self.pool, plan, view, idents):
            assert row.line is not None
            if row.is_last and not row.line.is_last:
                draft = (RELEASE, view, row.line.served, row.line.rendition, "returns")
                self._append(plan, [draft], [row.line], {(view, row.line.served): row})
            elif (row.is_last, row.is_first) != (row.line.is_last, row.line.is_first):
                self._drafts.marks.append(
                    (view, row.line.position, row.is_last, row.is_first, row.carried)
                )
        self._flush()
