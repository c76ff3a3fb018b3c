"""What a partner's servers show, compared with what is here: what is missing on either side, why, and its repair."""

from __future__ import annotations

from cert_exchange.services.drift.answering import answer_compared
from cert_exchange.services.drift.kinds import DRIFT, WORDS, Account, Compared, Kind
from cert_exchange.services.drift.reconciling import reconcile

__all__ = ["DRIFT", "WORDS", "Account", "Compared", "Kind", "answer_compared", "reconcile"]
