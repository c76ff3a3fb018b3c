"""A server that gives the same things new ids at each poll is known by the first page of two runs (CASES W06)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from cert_exchange.services.syncing.reporting import Run
from cert_exchange.stix.canonical import canonical_bytes
from cert_exchange.stix.envelopes import Batch

_PRINTS: Final = 64
_CHURN_LEAST: Final = 5
_CHURN_SHARE: Final = 0.9
_TELLING: Final = frozenset({"name", "pattern", "value"})
"""Properties by which a thing is known again; what only ties others together (relationships) is alike by nature."""


class ChurnError(Exception):
    """The same things came under new ids."""


def refuse_churn(run: Run, batch: Batch) -> None:
    """Compare a run's first page with that of the run before. Raises ChurnError."""
    items = [
        one.item
        for one in batch.items
        if one.item is not None and _TELLING & one.item.content.keys()
    ][:_PRINTS]
    if not items:
        return
    prints = sorted({_fingerprint(item.content) for item in items})
    ids = [sha256(item.id.encode()).hexdigest()[:12] for item in items]
    before = run.channel.counters.get("prints")
    if before and len(prints) >= _CHURN_LEAST:
        again = len(set(prints) & set(before["contents"]))
        if again >= _CHURN_SHARE * len(prints) and not set(before["ids"]) & set(ids):
            raise ChurnError
    run.memory["prints"] = {"contents": prints, "ids": ids}


def _fingerprint(content: Any) -> str:
    rest = {
        key: value
        for key, value in content.items()
        if key not in ("id", "created", "modified", "valid_from")
        and not key.endswith(("_ref", "_refs"))
    }
    return sha256(canonical_bytes(rest)).hexdigest()[:12]
