"""What an outlook shows as derivatives is rendered, to see what cannot be and what would say something else than now.

1. The same functions render here and in `releasing.deriving`; nothing is written, and a name that would be made is only
   made up.
2. What cannot be rendered is not shown: it is judged again as denied, and all is settled anew (`Closing.settle`).
3. Contents are read a part at a time, and only of what is shown as a derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cert_exchange.node import Node
from cert_exchange.policy.redaction import Unredactable
from cert_exchange.policy.rules import Recipe
from cert_exchange.services.policies.onlooking import PART, Onlooker
from cert_exchange.services.policies.outlook import Outlook, Standing
from cert_exchange.services.policies.widening import Widening
from cert_exchange.services.releasing import issuer_of
from cert_exchange.services.releasing.bindings import Bindings, promises_of
from cert_exchange.services.releasing.evaluating import Plan, Pool, plans_for
from cert_exchange.services.releasing.judging import Judge
from cert_exchange.services.releasing.naming import Names
from cert_exchange.services.releasing.rendering import Rendering, Seen, Shown
from cert_exchange.store import derivatives, releases
from cert_exchange.store import holds as hold_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.derivatives import Derivative
from cert_exchange.store.releases import Live

_REDACTED = int(Standing.REDACTED)
_NOTHING = Recipe()


@dataclass(slots=True)
class Rewriting:
    """The end of one audience's outlook, derivatives included; `settle` is its only door. `now` in micros."""

    node: Node
    partners: Mapping[int, str]
    onlooker: Onlooker
    now: int
    progress: Callable[[int, int | None], None] | None = None
    """told how many of those that are shown as derivatives are rendered"""
    barred: dict[int, str] = field(default_factory=dict)
    """versions (objects.id) that cannot be rendered, and why"""

    def settle(self) -> None:
        """Settle the outlook, until everything that it shows can be rendered."""
        outlook = self.onlooker.outlook
        outlook.settle()
        while outlook.redacts:
            unrendered = self._render()
            if not unrendered:
                return
            self.barred.update(unrendered)
            self._restate(unrendered)
            outlook.settle()

    def _render(self) -> dict[int, str]:
        """Render what is shown as a derivative; what cannot be, and why."""
        outlook = self.onlooker.outlook
        idents = outlook.catalogue.idents
        shown = sorted(
            {
                idents[outlook.version[row]]
                for row, how in enumerate(outlook.shown)
                if how and outlook.after[row]
            }
        )
        unrendered: dict[int, str] = {}
        for start in range(0, len(shown), PART):
            with self.node.database.reading() as conn:
                unrendered.update(self._part(conn, shown[start : start + PART]))
            if self.progress is not None:
                self.progress(min(start + PART, len(shown)), len(shown))
        return unrendered

    def _part(self, conn: Transaction, idents: Sequence[int]) -> dict[int, str]:
        plan = self.onlooker.plan
        assert plan.policy is not None  # without one nothing is redacted
        judge, lines, present = self._judged(conn, idents)
        names = Names(conn, issuer_of(self.node), plan.audience.id, self.now)
        rendering = Rendering(judge.pool, plan.policy, names, _Seeing(self.onlooker.outlook))
        names.load(idents)
        served = derivatives.of_objects(
            conn, [line.served for ident in idents for line in lines[ident] if line.derived]
        )
        widening = Widening(judge.pool, present, self.now, lines)
        unrendered: dict[int, str] = {}
        for ident in idents:
            before = {
                (line.view, line.object): served[line.served]
                for line in lines[ident]
                if line.served in served
            }
            unrendered.update(self._compare(rendering, judge, ident, before, widening))
        return unrendered

    def _compare(
        self,
        rendering: Rendering,
        judge: Judge,
        ident: int,
        before: Mapping[tuple[int, int], Derivative],
        widening: Widening,
    ) -> dict[int, str]:
        """Render an id's derivatives and compare them with what is served now, by (view, version)."""
        outlook, views = self.onlooker.outlook, self.onlooker.plan.view_ids
        made: dict[int, Shown | Unredactable] = {}
        unrendered: dict[int, str] = {}
        for view, rows in outlook.by_view(ident).items():
            here = [row for row in rows if outlook.after[row]]
            newest = outlook.last(here) if here else -1
            for row in here:
                if not outlook.shown[row]:
                    continue
                place = outlook.version[row]
                number = outlook.catalogue.numbers[place]
                if number not in made:
                    recipe = judge.recipes[number] if self._is_redacted(place) else _NOTHING
                    made[number] = rendering.rendition(judge.pool.by_id(number), recipe)
                now, then = before.get((views[view], number)), made[number]
                if isinstance(then, Unredactable):
                    if row == newest:
                        unrendered[number] = then.reason
                    else:
                        outlook.drop(row)
                    continue
                if now is not None and now.content == then.content:
                    continue
                if row != newest:
                    outlook.drop(row)
                elif now is not None:
                    outlook.new_content.add(row)
                    if widening.shows_more(judge.pool.by_id(number), now, then.left):
                        outlook.says_more.add(row)
        return unrendered

    def _is_redacted(self, place: int) -> bool:
        """Whether a rule redacts what is seen of a version, in any view."""
        outlook = self.onlooker.outlook
        return any(
            outlook.after[row] and outlook.standing[row] & _REDACTED
            for row in range(outlook.rows[place], outlook.rows[place + 1])
        )

    def _restate(self, unrendered: Mapping[int, str]) -> None:
        """Judge again what cannot be rendered, and the other versions of its id with it."""
        outlook, number_of = self.onlooker.outlook, self.onlooker.rules.number
        catalogue = outlook.catalogue
        idents = sorted(
            {
                ident
                for ident, number in zip(catalogue.idents, catalogue.numbers, strict=True)
                if number in unrendered
            }
        )
        for start in range(0, len(idents), PART):
            part = idents[start : start + PART]
            with self.node.database.reading() as conn:
                judge, lines, _ = self._judged(conn, part)
                for ident in part:
                    found = self.onlooker.stands(judge, ident, lines[ident])
                    for place in catalogue.places(ident):
                        rows = found.get(catalogue.numbers[place], ())
                        outlook.restate(place, {v: (how, number_of(rule)) for v, how, rule in rows})

    def _judged(
        self, conn: Transaction, idents: Sequence[int]
    ) -> tuple[Judge, dict[int, list[Live]], Plan | None]:
        """A judge who said of these ids how they stand, their lines in force, and the plan in force."""
        plan = self.onlooker.plan
        sharing = releases.read_sharing(conn)
        present = plans_for(conn, sharing)
        bindings = Bindings(conn, sharing.said, self.partners, promises_of(present))
        pool = Pool(conn, self.partners, bindings, plan.view_ids)
        pool.load(idents)
        numbers = [version.id for ident in idents for version in pool.by_ident[ident]]
        targets = {target for n in numbers for target, _ in pool.references.get(n, ())}
        pool.know(targets | set(idents))
        ended = hold_rows.ended_rules(conn, plan.audience.id, numbers) if plan.holding else {}
        judge = Judge(plan, pool, self.now, ended, barred=self.barred)
        lines = pool.lines_of(idents)
        for ident in idents:
            self.onlooker.stands(judge, ident, lines[ident])
        mine = next((one for one in present if one.audience.id == plan.audience.id), None)
        return judge, lines, mine


class _Seeing:
    """How an audience sees ids in the end of its outlook (`releasing.rendering.Audience`)."""

    __slots__ = ("_known", "_outlook")

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook
        self._known: dict[int, Seen] = {}

    def seen(self, ident: int) -> Seen:
        """Whether it sees an id, and how."""
        found = self._known.get(ident)
        if found is None:
            outlook = self._outlook
            rows = [
                row
                for rows in outlook.by_view(ident).values()
                for row in rows
                if outlook.after[row]
            ]
            whole = any(not outlook.shown[row] for row in rows)
            found = Seen.WHOLE if whole else Seen.DERIVED if rows else Seen.HIDDEN
            self._known[ident] = found
        return found

    def sent_it(self, ident: int) -> bool:
        """Whether a member sent us the id: it goes on knowing it under that."""
        return ident in self._outlook.sent

    def may_dangle(self, ident: int, role: int) -> bool:
        """Whether a reference to an id that it does not see may stay."""
        return self._outlook.may_dangle(ident, role)
