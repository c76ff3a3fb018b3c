"""What a partner disputes goes from the views in which it stands and from which nobody has fetched it yet.

1. It is asked once, in the transaction that brings the opinion and behind the heads' locks. A page that is under way meanwhile
   has raised its mark before it reads: the marks are read once more right after the commit, and who has raised one is told
   by a notice as of any withdrawal; nobody else is (DECISIONS 19 and 24). Killed in between, the worker decides.
2. A view is one log: a line stays that any reader of it, present or former, may have fetched. So does one of which somebody is
   still to be told (`store.untold`). Who disputes an object has it from somewhere, whatever the marks say: its audience keeps it.
3. What anyone fetched keeps what it requires, however far down: a partner's word takes nothing from who has it.
4. An observable that was made for what goes leaves with it, unless somebody fetched it.
5. Where an older version was fetched and a newer one not, the older stands again, with a new line. Who fetched it is written
   down, and told when the id goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import structlog

from cert_exchange.errors import CertExchangeError
from cert_exchange.node import Node
from cert_exchange.services.publishing.rulings import Outcome
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.evaluating import Plan
from cert_exchange.services.releasing.fetched import Reached, reached
from cert_exchange.services.releasing.pointing import observables_of
from cert_exchange.store import doubts, in_force, notices, untold
from cert_exchange.store.database import Transaction
from cert_exchange.store.in_force import Live

_log = structlog.get_logger(__name__)

_MOST: Final = 5_000
"""So many debts are looked at; the rest is the worker's."""


def withhold(
    tx: Transaction, node: Node, releasing: Releasing, idents: Collection[int]
) -> set[int]:
    """Let what is disputed now leave the views from which nobody fetched it; the ids to decide again.

    `idents`: ours that a partner disputes in this transaction (identifiers.num). Raises StoreUnavailable.
    """
    if not idents:
        return set()
    far = reached(tx, node, (view for plan in releasing.plans for view in plan.view_ids))
    doubters = {ident: set(names) for ident, names in doubts.open_against(tx).items()}
    found: set[int] = set()
    for plan in releasing.plans:
        lines: dict[int, list[Live]] = {}
        for line in in_force.live_rows(tx, plan.view_ids, idents, deriving=plan.deriving):
            lines.setdefault(line.ident, []).append(line)
        promised = untold.who(tx, {line.shown for those in lines.values() for line in those})
        open_ = {
            ident: going
            for ident, those in lines.items()
            if (going := [one for one in those if not far.has(one.view, one.position)])
            and not any((plan.audience.id, one.shown) in promised for one in those)
        }
        leaving = {ident for ident, going in open_.items() if len(going) == len(lines[ident])}
        theirs = {ident for ident in leaving if plan.member_names & doubters.get(ident, set())}
        kept = theirs | _needed(tx, plan, leaving - theirs, far)
        for ident in sorted(open_.keys() - kept):
            going = open_[ident]
            releasing.pool.bindings.unfetched.update((one.view, one.position) for one in going)
            had: dict[int, set[int]] = {}
            for one in lines[ident]:
                had.setdefault(one.shown, set()).update(far.who(one.view, one.position))
            untold.keep(tx, plan.audience.id, had)
            found.add(ident)
        _let_hang(releasing, plan, leaving - kept, far)
    return found


def _let_hang(releasing: Releasing, plan: Plan, leaving: Collection[int], far: Reached) -> None:
    """What was made for an indicator that leaves goes with it where nobody fetched it either (`releasing.made_for`)."""
    pool = releasing.pool
    beside = observables_of(pool, leaving) if leaving else set()
    for line in in_force.live_rows(pool.tx, plan.view_ids, beside, deriving=plan.deriving):
        if not far.has(line.view, line.position):
            pool.bindings.unfetched.add((line.view, line.position))


def strike_off(node: Node, outcomes: Iterable[Outcome]) -> None:
    """Right after the commit: what nobody fetched owes no notice, though somebody polls past it later.

    What fails is left to the worker, and what was taken in stands.
    """
    if not any(one.id.startswith("opinion--") and one.result == "accepted" for one in outcomes):
        return
    try:
        with node.database.reading() as tx:
            owed = notices.owed(tx, limit=_MOST)
            if not owed:
                return
            promised = untold.who(tx, {one.ident for one in owed})
            far = reached(tx, node, (one.view for one in owed))
        silent = [
            one
            for one in owed
            if not far.has(one.view, one.released) and (one.audience, one.ident) not in promised
        ]
        if silent:
            node.database.transact(lambda tx: notices.ask_settle(tx, silent)())
    except CertExchangeError as error:
        _log.warning("notices wait for the worker", error=type(error).__name__)


def _needed(tx: Transaction, plan: Plan, leaving: Collection[int], far: Reached) -> set[int]:
    """Of ids that would leave an audience, those that something which anyone fetched requires."""
    needs: dict[int, set[int]] = {}
    kept: set[int] = set()
    seen, rising = set(leaving), set(leaving)
    while rising:
        above: set[int] = set()
        for target, line in in_force.live_dependants(
            tx, sorted(rising), plan.view_ids, deriving=plan.deriving
        ):
            needs.setdefault(line.ident, set()).add(target)
            if far.has(line.view, line.position):
                kept.add(line.ident)
            else:
                above.add(line.ident)
        rising = above - seen
        seen |= above
    falling = set(kept)
    while falling:
        falling = {target for one in falling for target in needs.get(one, ())} - kept
        kept |= falling
    return kept & set(leaving)
