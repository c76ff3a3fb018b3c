"""An object whose markings hold from or until an instant is decided again then (FIRST IEP).

1. Whoever judges a version writes down its next date, whatever the answer was.
2. What began is released where policy allows it, what ended is taken back, as any other object that is decided again.
"""

from __future__ import annotations

from typing import Final

from cert_exchange.node import Node
from cert_exchange.services.releasing.appending import Releasing
from cert_exchange.services.releasing.orders import in_one_line
from cert_exchange.store import handling_dates as rows
from cert_exchange.store.database import Transaction

DUE_PART: Final = 500


def pass_dates(node: Node, *, limit: int = DUE_PART) -> int:
    """Decide again what began or ended by now; how many versions were looked at. Repeat until it is 0."""

    def work(tx: Transaction) -> int:
        found = rows.due(tx, now=node.clock.releasing_now(), limit=limit)
        if not found:
            return 0

        def order(releasing: Releasing) -> None:
            rows.passed(tx, found)
            releasing.reconsider(sorted({one.ident for one in found}))

        in_one_line(tx, node, "markings-passed", "clock", order, only_if_released=True)
        return len(found)

    with node.database.reading() as conn:
        if not rows.due(conn, now=node.now(), limit=1):
            return 0
    return node.database.transact(work)
