"""The ledger line of what was taken in: how much came, what was stored, what left for the views by it."""

from __future__ import annotations

from collections.abc import Mapping

from cert_exchange.messages.evidence import Line, commitments_root
from cert_exchange.services import ledger
from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.services.releasing import Releasing
from cert_exchange.store.tables import OWN


def write_line(
    intake: Intake,
    releasing: Releasing,
    line_id: int,
    facts: Mapping[str, str | int | list[str]] | None,
) -> None:
    """Write the line under its reserved number; `facts` are the caller's, such as the submission."""
    ledger.record(
        intake.tx,
        Line(
            kind="publish" if intake.sender.origin == OWN else "receive",
            at=intake.now,
            by=intake.sender.name,
            stored=len(intake.commitments) + len(releasing.stored),
            stored_root=commitments_root([*intake.commitments, *releasing.stored]),
            released=releasing.released,
            released_root=commitments_root(releasing.commitments),
            ranges=releasing.ranges,
            facts={
                "collection": intake.collection or 0,
                **({"kept_out": len(intake.caught)} if intake.caught else {}),
                **(facts or {}),
            },
        ),
        line_id=line_id,
    )
