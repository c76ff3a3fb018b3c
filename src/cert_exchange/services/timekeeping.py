"""A person's word about the clock (DECISIONS 9)."""

from __future__ import annotations

from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.services.ledger import record


def accept_clock(node: Node, *, by: str = "administrator") -> str | None:
    """Let releasing go on with the clock as it is; returns the doubt there was, None when there was none."""
    doubt = node.clock.accept()
    line = Line("clock.accept", node.now(), by, facts={"doubt": doubt or "none"})
    node.database.transact(lambda tx: record(tx, line))
    return doubt
