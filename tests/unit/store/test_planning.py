"""SQLite plans as for a large store, from the first row on."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, text

from cert_exchange.node import Node
from cert_exchange.store import answers, planning
from cert_exchange.store.tables import metadata

LIVE_BY_ID = "SELECT * FROM live WHERE view IN (1, 2) AND ident IN (3, 4)"
SENT_BY = "SELECT DISTINCT ident FROM objects WHERE ident IN (1, 2) AND origin IN (3)"
DEPENDANTS = """
    SELECT 1 FROM live JOIN objects ON objects.ident = live.ident AND objects.id = live.object
    JOIN references_to ON references_to.source = objects.id
    WHERE references_to.target = 7 AND live.view = 1
"""


@pytest.mark.parametrize(
    ("statement", "step"),
    [
        (LIVE_BY_ID, "live USING INDEX ix_live_view_ident_object (view=? AND ident=?)"),
        (SENT_BY, "(ident=?)"),
        (DEPENDANTS, "ix_references_to_target_source (target=?)"),
    ],
)
def test_what_is_asked_of_few_ids_is_found_by_their_index(
    sqlite_node: Node, statement: str, step: str
) -> None:
    """The cost of a write does not grow with the view, also on a node that is new and empty."""
    with sqlite_node.database.reading() as tx:
        plan = [row[3] for row in tx.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]
    assert any(step in line for line in plan), plan
    assert not any(line.endswith("(view=?)") for line in plan), plan


@pytest.mark.parametrize("partner", [None, 1])
def test_answers_are_found_by_their_own_index(sqlite_node: Node, partner: int | None) -> None:
    """Among millions of objects that are none, of all partners or one, and of ours."""
    asked: list[tuple[str, Any]] = []

    def note(*told: Any) -> None:
        asked.append((told[2], told[3]))

    with sqlite_node.database.reading() as tx:
        event.listen(tx, "before_cursor_execute", note)
        answers.heard(tx, partner=partner, limit=5)
        answers.given(tx, limit=5)
        for statement, values in asked[:]:
            rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            plan = [row[3] for row in rows]
            assert plan[0] == "SCAN objects USING INDEX ix_objects_answering", plan


def test_every_index_of_the_growing_tables_has_its_statistics(sqlite_node: Node) -> None:
    """A new index is not forgotten: without its line SQLite would guess."""
    with sqlite_node.database.reading() as tx:
        known = {(row[0], row[1]) for row in tx.execute(text("SELECT tbl, idx FROM sqlite_stat1"))}
        for table in planning.ROWS:
            assert table in metadata.tables
            names = tx.execute(text(f"SELECT name, origin FROM pragma_index_list('{table}')"))
            for name, origin in names:
                assert (table, table if origin == "pk" else name) in known
