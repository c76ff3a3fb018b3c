"""Who came under another policy: told of what it fetched before and sees no more (DECISIONS 19).

1. A partner that another policy names gets an audience of its own. Where its old one goes on with others, its log stays as
   it is: no line is withdrawn and nothing is owed. What the partner fetched there and does not see here is looked for
   once, when all gains are in, with what it was not told of before it left (`store.untold`). (An old audience that nobody
   is left in loses its lines: `noticing` tells of those.)
2. It is told in its present audience, unless somebody there never was of the old one: then a person has to tell it.
3. In which audience a partner was told stands in a fact, written after the notices: killed in between, what was told is
   not told again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from cert_exchange.messages.notices import SUBJECTS, Reason
from cert_exchange.node import Node
from cert_exchange.services.noticing import make
from cert_exchange.store import epochs, facts, receipts, releases, untold
from cert_exchange.store import movers as rows
from cert_exchange.store import notices as notice_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.movers import Mover
from cert_exchange.store.notices import Debt

_log = structlog.get_logger(__name__)
_REACHED: Final = "notices.moved_until"
"""The fact: who had come to another audience up to this instant was told, by an earlier release; `_EACH` since."""
_EACH: Final = "0"
_TOLD_IN: Final = "notices.moved."
"""The facts, by partner: the audience in which it was told last. An instant would not do: a clock is set back."""


def tell_movers(node: Node) -> int:
    """Tell partners that moved since the last time; how many notices were made. Repeating it is safe.

    Raises StoreError, ClockDoubtful: then it is done the next time.
    """
    with node.database.reading() as tx:
        reached = facts.fact(tx, _REACHED)
        told = facts.facts_like(tx, _TOLD_IN)
        movers = rows.movers(tx)
        gaining = bool(movers) and policy_rows.gaining(tx) is not None
    if reached != _EACH:  # from here on; what was before, nobody was promised
        before = [one for one in movers if reached is None or one.came_at <= int(reached)]
        noted = _told_in(before)
        _note(node, {_REACHED: _EACH, **noted})
        told.update(noted)
    movers = [one for one in movers if told.get(f"{_TOLD_IN}{one.partner}") != str(one.now)]
    if not movers or gaining:
        return 0
    made = sum(_tell(node, mover) for mover in movers)
    _note(node, _told_in(movers))
    return made


def _told_in(movers: Iterable[Mover]) -> dict[str, str]:
    return {f"{_TOLD_IN}{one.partner}": str(one.now) for one in movers}


def _note(node: Node, told: Mapping[str, str]) -> None:
    def work(tx: Transaction) -> None:
        for name, value in told.items():
            facts.put_fact(tx, name, value)

    node.database.transact(work)


def _tell(node: Node, mover: Mover) -> int:
    with node.database.reading() as tx:
        there = notice_rows.members(tx, {mover.audience, mover.now})
        views = notice_rows.views_of(tx, mover.audience)
        left = untold.of_partner(tx, mover.audience, mover.partner)
        safe = {view: epochs.last_safe(tx, view) for view in views.values()}
    known = {one.partner for one in there if one.audience == mover.audience}
    alone = {one.partner for one in there if one.audience == mover.now and one.now} <= known
    made = 0
    for collection, view in views.items():
        # A restore forgot marks, so that what is older counts as fetched.
        mark = max(node.marks.reached(mover.partner, view), safe[view])
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
            made += _tell_of(node, mover, part, alone=alone)
    for collection, view in list(views.items())[:1]:
        owed = [
            Debt(view, 0, 0, Reason.NO_LONGER_SHARED.value, mover.audience, collection, *one)
            for one in left.items()
        ]
        for start in range(0, len(owed), SUBJECTS):
            made += _tell_of(node, mover, owed[start : start + SUBJECTS], alone=alone)
    return made


def _tell_of(node: Node, mover: Mover, part: list[Debt], *, alone: bool) -> int:
    if not alone:
        _log.error("notices to be given by hand", partner=mover.name, about=len(part))
        return 0
    return node.database.transact(lambda tx: _make(tx, node, mover, part))


def _make(tx: Transaction, node: Node, mover: Mover, part: list[Debt]) -> int:
    releases.lock_sharing(tx)()
    views = notice_rows.views_of(tx, mover.now)
    told: set[str] = set()
    for view in list(views.values())[:1]:
        told = receipts.named_to(tx, view, {debt.stix_id for debt in part})
    fresh = [debt for debt in part if debt.stix_id not in told]
    if not fresh:
        return 0
    return make(tx, node, mover.now, Reason.NO_LONGER_SHARED, fresh, readers=[mover.partner])
