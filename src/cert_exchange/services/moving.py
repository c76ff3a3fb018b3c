"""Who came under another policy: told of what it fetched before and sees no more (DECISIONS 19).

1. A partner that another policy names gets an audience of its own. Where its old one goes on with others, its log stays as
   it is: no line is withdrawn and nothing is owed. What the partner fetched there and does not see here is looked for
   once, when all gains are in. (An old audience that nobody is left in loses its lines: `noticing` tells of those.)
2. It is told in its present audience, unless somebody there never was of the old one: then a person has to tell it.
3. How far this has come stands in a fact, written after the notices: killed in between, what was told is not told again.
"""

from __future__ import annotations

from typing import Final

import structlog

from cert_exchange.messages.notices import SUBJECTS, Reason
from cert_exchange.node import Node
from cert_exchange.services.noticing import make
from cert_exchange.store import facts, receipts, releases
from cert_exchange.store import movers as rows
from cert_exchange.store import notices as notice_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.movers import Mover
from cert_exchange.store.notices import Debt

_log = structlog.get_logger(__name__)
_REACHED: Final = "notices.moved_until"
"""The fact: everyone who came to another audience up to this instant was told."""


def tell_movers(node: Node) -> int:
    """Tell partners that moved since the last time; how many notices were made. Repeating it is safe.

    Raises StoreError, ClockDoubtful: then it is done the next time.
    """
    with node.database.reading() as tx:
        reached = facts.fact(tx, _REACHED)
        movers = [] if reached is None else rows.movers(tx, after=int(reached))
        gaining = bool(movers) and policy_rows.gaining(tx) is not None
    if reached is None:  # from here on; what was before, nobody was promised
        _reach(node, node.now())
        return 0
    if not movers or gaining:
        return 0
    made = sum(_tell(node, mover) for mover in movers)
    _reach(node, max(mover.came_at for mover in movers))
    return made


def _reach(node: Node, until: int) -> None:
    node.database.transact(lambda tx: facts.put_fact(tx, _REACHED, str(until)))


def _tell(node: Node, mover: Mover) -> int:
    with node.database.reading() as tx:
        there = notice_rows.members(tx, {mover.audience, mover.now})
        views = notice_rows.views_of(tx, mover.audience)
    known = {one.partner for one in there if one.audience == mover.audience}
    alone = {one.partner for one in there if one.audience == mover.now and one.now} <= known
    made = 0
    for collection, view in views.items():
        mark = node.marks.reached(mover.partner, view)
        after = 0
        while True:
            with node.database.reading() as tx:
                part = rows.fetched(
                    tx, view, after=after, mark=mark, collection=collection,
                    audience=mover.audience, reason=Reason.NO_LONGER_SHARED.value, limit=SUBJECTS,
                )  # fmt: skip
            if not part:
                break
            after = part[-1].position
            if alone:
                made += node.database.transact(lambda tx, part=part: _make(tx, node, mover, part))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            else:
                _log.error("notices to be given by hand", partner=mover.name, about=len(part))
    return made


def _make(tx: Transaction, node: Node, mover: Mover, part: list[Debt]) -> int:
    releases.lock_sharing(tx)()
    views = notice_rows.views_of(tx, mover.now)
    told: set[str] = set()
    for view in list(views.values())[:1]:
        told = receipts.named_to(tx, view, {debt.stix_id for debt in part})
    untold = [debt for debt in part if debt.stix_id not in told]
    if not untold:
        return 0
    readers = [mover.partner]
    return make(tx, node, mover.now, Reason.NO_LONGER_SHARED, untold, readers=readers)
