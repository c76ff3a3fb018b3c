"""Writing the ledger: lines of transactions, what was fetched, and the chain over them.

1. A line is appended unsealed in the transaction that it tells of: no two views wait for each other.
2. One sealer at a time chains what has no seal; who comes second changes nothing (DECISIONS 23).
3. What was fetched is taken from the marks. The line is written first and the mark noted after it: a kill in between
   repeats the line, which says the same again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cert_exchange.messages.evidence import Line, encode_line
from cert_exchange.node import Node
from cert_exchange.store import epochs
from cert_exchange.store import ledger as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.partners import every_partner

MARKS_PER_LINE: Final = 200


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


def note_fetches(node: Node) -> int:
    """Write what partners may have fetched since the last time; returns how many marks that were.

    A fact reads `partner/view/after/to`: lines of the view in (after, to] may have been fetched by the partner.
    """
    marks = node.marks.unledgered()
    if not marks:
        return 0
    with node.database.reading() as tx:
        names = {row.id: row.name for row in every_partner(tx)}
        epoch = epochs.current(tx)
    for start in range(0, len(marks), MARKS_PER_LINE):
        part = marks[start : start + MARKS_PER_LINE]
        fetched = [
            f"{names.get(mark.partner, mark.partner)}/{mark.view}/{mark.ledgered}/{mark.position}"
            for mark in part
        ]
        line = Line("fetched", node.now(), "node", facts={"epoch": epoch, "fetched": fetched})
        node.database.transact(lambda tx, line=line: record(tx, line))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        node.marks.ledgered(part)
    return len(marks)


def begin_epoch(node: Node, seen: Mapping[int, int]) -> int:
    """Start a new epoch if a log is below what was handed out (view -> greatest position); returns the epoch.

    For an authentic token above its view's head: the log was restored, and neither marks nor restore told.
    """
    now = node.now()
    return node.database.transact(lambda tx: epochs.begin(tx, seen, at=now, by="node"))
