"""The hash-chained record of what was published, received, released, fetched, withdrawn and decided."""

from __future__ import annotations

from cert_exchange.messages.evidence import Line, encode_line
from cert_exchange.node import Node
from cert_exchange.store import ledger as rows
from cert_exchange.store.database import Transaction


def record(tx: Transaction, line: Line, *, line_id: int | None = None) -> int:
    """Append this transaction's line, unsealed; returns its id.

    `line_id` is one from `store.ledger.reserve_line` that the transaction's rows already refer to.
    """
    number = rows.reserve_line(tx) if line_id is None else line_id
    rows.write_line(tx, number, encode_line(line))
    return number


def seal(node: Node) -> int:
    """Chain every line that waits; returns how many. Raises CursorMoved when another sealer is at work."""
    total = 0
    while count := node.database.transact(rows.seal):
        total += count
    return total
