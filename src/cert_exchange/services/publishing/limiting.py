"""The gate of what a partner posts: how much may come in, and whether it waits for a person's approval.

1. It is set per partner (`partner gate`), and asked only where it is set: it rides in the row that is read anyway.
2. The POST with which a limit is passed is rolled back whole: nothing of it is lost, its sender is told to send it again
   later (503), as from then on of every POST, until a person opens the gate.
3. Shutting is a transaction of its own, with its ledger line. Killed before it, the next POST finds the same.
4. What a person let in by opening it counts for nothing until the window has passed.
5. Approval holds what the partner brings by any way: posted, pulled, by file, out of the quarantine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from cert_exchange.errors import ReceivingSuspended
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.policy.volumes import COUNTED, Shut, added, passed
from cert_exchange.services import ledger
from cert_exchange.services.publishing.rulings import Approval, Outcome, Sender
from cert_exchange.store import partners as rows
from cert_exchange.store.database import Transaction

_log = structlog.get_logger(__name__)

WINDOW_HOURS: Final = 24
"""Where the gate of a partner says nothing else."""


class PostedTooMuchError(Exception):
    """A POST passed a limit of its sender's gate; nothing of it is taken in. Never leaves `publishing`."""

    def __init__(self, sender: Sender, shut: Shut) -> None:
        super().__init__()
        self.sender = sender
        self.shut = shut


def counted(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How much of each of COUNTED came with these outcomes; what came before counts for nothing."""
    found = dict.fromkeys(COUNTED, 0)
    for one in outcomes:
        found["revocations"] += one.ends
        if one.result == "accepted":
            found["objects"] += 1
        elif one.result == "proposal" and one.kept:
            found["proposals"] += 1
        elif one.result in ("rejected", "conflict"):
            found["rejects"] += 1
    return found


def approval_of(sender: Sender) -> Approval | None:
    """On whose account what the sender brings waits, by its own gate."""
    asked = sender.gate is not None and settings_of(json.loads(sender.gate)).get("approval")
    return Approval("partner", sender.name) if asked else None


def settings_of(gate: Mapping[str, Any]) -> dict[str, Any]:
    """What persons set: `approval`, `window_hours`, and of `most_*` those that are limited."""
    return dict(gate.get("set") or {})


def limits_of(gate: Mapping[str, Any]) -> dict[str, int]:
    """How much of each of COUNTED may come in a window; what has no limit is left out."""
    found = settings_of(gate)
    return {name: found[f"most_{name}"] for name in COUNTED if f"most_{name}" in found}


def refuse_shut(sender: Sender) -> None:
    """Take nothing from a sender whose gate is shut. Raises ReceivingSuspended."""
    if sender.gate is not None and Shut.of(json.loads(sender.gate)) is not None:
        raise ReceivingSuspended(detail=f"the gate of partner {sender.name} is shut")


def count(tx: Transaction, sender: Sender, outcomes: Iterable[Outcome], *, now: int) -> None:
    """Count what a POST brought, where its sender has limits. Raises PostedTooMuchError past one of them."""
    if sender.gate is None:
        return
    gate = rows.lock_gate(tx, sender.origin)
    limits = limits_of(gate)
    if not limits or now < int(gate.get("free_until") or 0):
        return
    hours, more = int(settings_of(gate).get("window_hours", WINDOW_HOURS)), counted(outcomes)
    state = added(gate, more, now=now, window_hours=hours)
    found = passed(state, more, limits, now=now, window_hours=hours)
    if found is not None:
        raise PostedTooMuchError(sender, found)
    rows.write_gate(tx, sender.origin, state)


def shut(node: Node, much: PostedTooMuchError) -> None:
    """Shut the gate of a partner that posted too much."""
    sender, found = much.sender, much.shut
    facts: dict[str, Fact] = {
        "partner": sender.name, "what": found.what, "number": found.number, "most": found.most,
    }  # fmt: skip

    def work(tx: Transaction) -> None:
        gate = rows.lock_gate(tx, sender.origin)
        if Shut.of(gate) is None:
            rows.write_gate(tx, sender.origin, {**gate, "shut": found.document()})
            ledger.record(tx, Line("gate.shut", found.at, "node", facts=facts))

    node.database.transact(work)
    _log.error("gate shut", partner=sender.name, what=found.what, number=found.number)
