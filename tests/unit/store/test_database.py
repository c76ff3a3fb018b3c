"""The database's promises, on both engines."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.services import ledger


def test_a_line_is_recorded_and_sealed(node: Node) -> None:
    """A transaction's line is there after commit, and the sealer chains it once."""
    node.database.transact(lambda tx: ledger.record(tx, Line("test", node.now(), "node")))
    assert ledger.seal(node) == 1
    assert ledger.seal(node) == 0


def test_readers_cannot_write(node: Node) -> None:
    """A reading transaction refuses to write."""
    with pytest.raises(Exception, match=r"server"), node.database.reading() as tx:
        tx.execute(text("DELETE FROM node_facts"))


def test_marks(node: Node) -> None:
    """A mark rises and never falls."""
    node.marks.advance(1, 2, 50)
    node.marks.advance(1, 2, 40)
    assert node.marks.reached(1, 2) == 50
    assert node.marks.highest(2) == 50
    assert node.marks.highest(3) == 0
