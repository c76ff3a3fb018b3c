"""What rules hold back: counted, let go by persons one by one or by rule, ended by the clock.

1. A person ends the hold, never the ceiling or a denial: what is let go is decided again by everything else.
2. Where a rule asks for more persons, the last of them releases; nobody counts twice.
3. What an expiry does is asked of the policy in force, under the heads' locks, not of what was written when the hold
   began: a policy that was changed meanwhile is obeyed.
4. Many are released in parts, a transaction and a ledger line each. Cut off in between, the rest is still held.
5. A person may write a rule's name in any letter case; where two rules differ in nothing else, only as it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.policy.document import HoldTerms
from cert_exchange.policy.wording import ends
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.orders import in_one_line
from cert_exchange.store import held, objects
from cert_exchange.store import holds as rows
from cert_exchange.store import terms as term_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.held import HeldCount, HeldDay, HeldObject, Pending, Wanted
from cert_exchange.store.holds import Outcome, Standing

__all__ = [
    "HeldCount",
    "HeldDay",
    "HeldObject",
    "Pending",
    "Released",
    "Wanted",
    "count_by_day",
    "count_by_reason",
    "ended_by",
    "list_holds",
    "release_due",
    "release_hold",
    "release_many",
    "reopen",
]

DUE_PART: Final = 500
RELEASE_PART: Final = 1_000
SHOWN: Final = 10_000
_CLOCK: Final = "clock"
EMBARGO: Final = term_rows.HOLD
"""Stands in place of a rule where an embargo holds: no person lets that go."""


@dataclass(frozen=True, slots=True)
class Released:
    """What letting holds go did: how many ended, and how many wait for other persons."""

    released: int
    waiting: int
    missing: int = 0
    """how many other persons those that wait need, the most of them"""


def list_holds(node: Node, wanted: Wanted | None = None) -> list[HeldObject]:
    """What is held back, from whom, by which rule, since and until when; the oldest first, at most SHOWN."""
    with node.database.reading() as conn:
        return held.standing(conn, _meant(conn, wanted), limit=SHOWN)


def ended_by(row: HeldObject | Pending) -> str:
    """Who, or which instant, ends a hold, and what happens then; after the word `until`."""
    return ends(row.due_at, then=row.then, approvals=row.approvals, approved_by=row.approved_by)


def count_by_reason(node: Node, wanted: Wanted | None = None) -> list[HeldCount]:
    """How much each rule holds back from each audience, the most first."""
    with node.database.reading() as conn:
        return held.counts(conn, _meant(conn, wanted), now=node.now())


def count_by_day(node: Node, *, days: int) -> list[HeldDay]:
    """What the last so many days (UTC) brought and ended, the newest first."""
    now = node.now()
    with node.database.reading() as conn:
        return held.days(conn, since=now - now % held.DAY - (days - 1) * held.DAY)


def release_hold(
    node: Node, stix_ids: Iterable[str], *, audience: str | None, by: str, reason: str
) -> Released:
    """A person lets held objects go, for one audience or all. Raises NotFound when no hold stands on them.

    Raises InputRefused where it let them all go before and another person is asked for.
    """
    ids = list(stix_ids)
    with node.database.reading() as conn:
        idents = sorted(objects.idents_of(conn, ids).values())
    wanted = Wanted(audience=audience)
    return _release(node, idents, wanted, by=by, reason=reason, ids=ids)


def release_many(node: Node, wanted: Wanted, *, by: str, reason: str) -> Released:
    """A person lets everything go that a rule (or a reason) holds, in parts. Raises as `release_hold` does."""
    with node.database.reading() as conn:
        wanted = _meant(conn, wanted)
        idents = held.idents(conn, wanted)
    done: list[Released] = []
    refused: InputRefused | None = None
    for start in range(0, len(idents), RELEASE_PART):
        part = idents[start : start + RELEASE_PART]
        with suppress(NotFound):  # somebody else was first with this part
            try:
                done.append(_release(node, part, wanted, by=by, reason=reason))
            except InputRefused as error:
                refused = error
    if not done:
        raise refused or NotFound("no hold stands there; see `hold list --by-reason`")
    return Released(
        sum(one.released for one in done),
        sum(one.waiting for one in done),
        max(one.missing for one in done),
    )


def reopen(
    node: Node, stix_ids: Iterable[str], *, audience: str | None, by: str, reason: str
) -> int:
    """What expired into a denial is held anew, so that persons can let it go; how many holds.

    Raises NotFound where no hold of these objects ended so.
    """
    wanted = list(stix_ids)

    def work(tx: Transaction) -> int:
        number = None if audience is None else _audience(tx, audience)
        idents = sorted(objects.idents_of(tx, wanted).values())

        def order(releasing: Releasing) -> int:
            count = rows.reopen(tx, idents, audience=number)
            releasing.reconsider(idents)
            return count

        count, _ = in_one_line(
            tx, node, "hold-reopened", by, order, ids=wanted, audience=audience or "", reason=reason
        )
        if not count:
            raise NotFound("no hold of these objects expired into a denial")
        return count

    return node.database.transact(work)


def release_due(node: Node, *, limit: int = DUE_PART) -> int:
    """Decide again what was held until now; how many holds were looked at. Repeat until it is 0."""

    def work(tx: Transaction) -> int:
        now = node.clock.releasing_now()
        passed = rows.due(tx, now=now, limit=limit)
        if not passed:
            return 0
        expired: list[str] = []

        def order(releasing: Releasing) -> None:
            for one in passed:
                outcome = _expiry(releasing, one, now=now)
                if outcome is not None:
                    rows.end(tx, [one], outcome, at=now, by=_CLOCK)
                    expired.append(f"{one.object}/{one.audience}/{one.rule}/{outcome}")
            embargoes = [one.object for one in passed if one.rule == EMBARGO]
            term_rows.forget_embargoes(tx, embargoes)  # those that stand longer are written anew
            releasing.reconsider(sorted({one.ident for one in passed}))

        in_one_line(tx, node, "holds-passed", _CLOCK, order, expired=expired)
        return len(passed)

    with node.database.reading() as conn:
        if not rows.due(conn, now=node.now(), limit=1):
            return 0
    return node.database.transact(work)


def _release(
    node: Node,
    idents: Sequence[int],
    wanted: Wanted,
    *,
    by: str,
    reason: str,
    ids: Sequence[str] = (),
) -> Released:
    def work(tx: Transaction) -> Released:
        number = None if wanted.audience is None else _audience(tx, wanted.audience)

        def order(releasing: Releasing) -> Released:
            standing = rows.standing_on(
                tx, idents, audience=number, rule=wanted.rule, reason=wanted.reason
            )
            if not standing:
                raise NotFound("no hold stands on these objects; see `hold list`")
            standing = [one for one in standing if one.rule != EMBARGO]
            if not standing:
                raise InputRefused(
                    "An embargo holds these, and ends at its time; `terms set` changes what our desk said of it,"
                    " and `consent give` records what the originator allows."
                )
            ended, again, missing = [], 0, 0
            for one in standing:
                needed = max(one.approvals, _terms(releasing, one).approvals)
                if needed > 1:
                    before = rows.approvals(tx, one)
                    so_far = rows.approve(tx, one, by=by, at=releasing.now)
                    if so_far < needed:
                        again += so_far == before
                        missing = max(missing, needed - so_far)
                        continue
                ended.append(one)
            if again == len(standing):
                raise InputRefused(
                    f"{by} let these go before; the rule asks for another person, under another name."
                )
            rows.end(tx, ended, Outcome.RELEASED, at=releasing.now, by=by)
            releasing.reconsider(sorted({one.ident for one in ended}))
            return Released(len(ended), len(standing) - len(ended), missing)

        done, _ = in_one_line(
            tx, node, "hold-released", by, order,
            ids=list(ids), rule=wanted.rule or "", held_for=wanted.reason or "",
            audience=wanted.audience or "", reason=reason,
        )  # fmt: skip
        return done

    return node.database.transact(work)


def _terms(releasing: Releasing, one: Standing) -> HoldTerms:
    """What the policy in force says of this hold; nothing in particular where it no longer has the rule."""
    for plan in releasing.plans:
        if plan.audience.id == one.audience and plan.policy is not None:
            for rule in plan.policy.rules:
                if rule.name == one.rule and rule.hold is not None:
                    return rule.hold
    return HoldTerms()


def _expiry(releasing: Releasing, one: Standing, *, now: int) -> Outcome | None:
    """What the policy in force makes of a hold whose time has passed; None: it is no such hold, or not yet its time."""
    terms = _terms(releasing, one)
    if not terms.approval or terms.expires is None or one.held_at + terms.expires > now:
        return None
    return Outcome.RELEASED if terms.then == "release" else Outcome.DENIED


def _meant(conn: Transaction, wanted: Wanted | None) -> Wanted:
    """The rule as policies spell it, where a person wrote it in other letter case."""
    wanted = wanted or Wanted()
    if wanted.rule is None:
        return wanted
    alike = [one for one in held.rules(conn) if one.casefold() == wanted.rule.casefold()]
    if wanted.rule in alike or len(alike) != 1:
        return wanted
    return replace(wanted, rule=alike[0])


def _audience(tx: Transaction, name: str) -> int:
    number = held.audience_number(tx, name)
    if number is None:
        raise NotFound(f"there is no audience {name!r}; see `hold list`")
    return number
