"""What this node does with what a partner took back: by the file of the way in, which is read as it is in force now.

1. Reading only. What ends with a recall has ended in its own transaction (`publishing.obeying`, a DELETE); here is only said
   what our own people and tools still see of it.
2. Where the file cannot be read, everything is `mark`: nothing that its owner took back is in use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from cert_exchange.policy.recalls import Recall
from cert_exchange.services.hits import Hit
from cert_exchange.services.publishing.screening import screen_now
from cert_exchange.store import policies as policy_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.holdings import WITHDRAWN_BY_SENDER

_SAID: Final = {
    Recall.HIDE: f"{WITHDRAWN_BY_SENDER}, hidden from searches",
    Recall.MARK: WITHDRAWN_BY_SENDER,
    Recall.KEEP: f"{WITHDRAWN_BY_SENDER}, in use here",
}


@dataclass(frozen=True, slots=True)
class Honoured:
    """The choice for every partner that there is, suspended ones included. Origins are numbers of partners."""

    by_name: dict[str, Recall]
    kept: frozenset[int]
    hidden: frozenset[int]

    def told(self, hits: Iterable[Hit]) -> list[Hit]:
        """Hits whose status says what is done with what was taken back."""
        return [
            replace(one, status=_SAID[self.by_name.get(one.origin, Recall.MARK)])
            if one.status == WITHDRAWN_BY_SENDER
            else one
            for one in hits
        ]


def honoured(tx: Transaction) -> Honoured:
    """What is done now, partner by partner."""
    recalls = screen_now(tx).recalls
    numbers = policy_rows.partner_ids(tx)
    chosen = {name: recalls.of(name) for name in numbers}

    def those(word: Recall) -> frozenset[int]:
        return frozenset(numbers[name] for name, one in chosen.items() if one is word)

    return Honoured(chosen, those(Recall.KEEP), those(Recall.HIDE))
