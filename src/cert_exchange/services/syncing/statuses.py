"""What a push covers while the remote's status is not complete (W21): one value, kept in the target's row between runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Pending:
    """A POST whose status was not complete: kept in the target's row between runs (W21)."""

    status_id: str
    sent: int
    since: int  # micros
    polls: int = 0

    def encode(self) -> str:
        """Return what stands in the row."""
        return json.dumps(asdict(self), sort_keys=True)


def decode_pending(text: str) -> Pending:
    """Read back what `encode` wrote."""
    return Pending(**json.loads(text))
