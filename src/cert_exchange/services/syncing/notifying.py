"""What a target cannot delete for us: told to the partner by a notice, or not recalled at all (DECISIONS 21).

Whether a notice is due is `noticing`'s to say; it is made soon after the withdrawal and pushed with the view like any
object. What is owed counts as told: what was pushed has raised the partner's mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cert_exchange.remote.statuses import Failure
from cert_exchange.services.syncing.reporting import Run
from cert_exchange.store import receipts
from cert_exchange.store.outgoing import Recall

TOLD: Final = "withdrawn; a notice asks the partner to act on it"
CANNOT: Final = "withdrawn, but cannot be recalled there"


def told_by_notice(run: Run, view: int, kept: Sequence[Recall]) -> set[str]:
    """Of what could not be deleted there, the ids that a notice to the view's audience names, or is owed for."""
    if not kept:
        return set()
    with run.node.database.reading() as tx:
        return receipts.named_to(tx, view, {one.stix_id for one in kept})


def not_taken(run: Run, failures: Sequence[Failure]) -> tuple[str, ...]:
    """The ids that notices name which the remote refused: its owner does not learn of them by this way."""
    refused = {one.stix_id for one in failures if one.stix_id.startswith("note--")}
    if not refused:
        return ()
    with run.node.database.reading() as tx:
        found = [one for one in (receipts.find(tx, note) for note in sorted(refused)) if one]
        named = receipts.subjects_of(tx, [one.id for one in found])
    return tuple(sorted({stix_id for ids in named.values() for stix_id in ids}))
