"""What SQLite is told of the tables' sizes, so that it plans for a large store from the first row on.

1. Without statistics SQLite plans as for an empty database: it walks a whole view to find one id in it, and every write
   costs more the more there is. ANALYZE by hand would help until someone forgets it, and make plans differ from node
   to node. So the statistics are planted by the migrations, once, and nothing else ever writes them.
2. They describe a store of a million objects in five views. A store that is smaller loses nothing by that.
3. PostgreSQL keeps its own (autovacuum); nothing is done there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, text

ROWS: Final[Mapping[str, int]] = {
    "identifiers": 1_200_000,
    "renditions": 1_000_000,
    "objects": 1_000_000,
    "memberships": 1_000_000,
    "references_to": 2_500_000,
    "release_log": 6_000_000,
    "live": 5_000_000,
    "waiting": 10_000,
    "ledger_lines": 100_000,
}
"""Rows of each table."""

ALIKE: Final[Mapping[str, Mapping[tuple[str, ...], tuple[int, ...]]]] = {
    "identifiers": {("stix_id",): (1,)},
    "renditions": {("digest",): (1,)},
    "objects": {
        ("ident", "version_key", "origin"): (2, 1, 1),
        ("origin", "id"): (200_000, 1),
        ("id",): (1,),
    },
    "memberships": {("object", "collection"): (2, 1), ("collection", "object"): (200_000, 1)},
    "references_to": {("source", "target"): (3, 1), ("target", "source"): (10, 1)},
    "release_log": {("view", "position"): (1_200_000, 1)},
    "live": {
        ("view", "position"): (1_000_000, 1),
        ("view", "is_last", "position", "rendition", "size"): (1_000_000, 900_000, 1, 1, 1),
        ("view", "type", "is_last", "position"): (1_000_000, 100_000, 90_000, 1),
        ("view", "ident", "object"): (1_000_000, 2, 1),
    },
    "waiting": {("audience", "target", "object"): (2_000, 2, 1), ("object",): (2,)},
    "ledger_lines": {("seq",): (1,)},
}
"""For each index, by its columns: how many rows have the same first column, first two, and so on."""


OF_SOME: Final[Mapping[tuple[str, tuple[str, ...]], int]] = {("objects", ("id",)): 10_000}
"""Rows that are in an index of some rows only."""


def plant_statistics(tx: Connection) -> None:
    """Write the statistics of every index named above, in place of any that are there; SQLite only."""
    if tx.dialect.name != "sqlite":
        return
    # On empty tables ANALYZE writes nothing; it makes the table that statistics stand in.
    tx.execute(text("ANALYZE"))
    tx.execute(text("DELETE FROM sqlite_stat1"))
    for table, indexes in ALIKE.items():
        found = _indexes(tx, table)
        for columns, alike in indexes.items():
            rows = OF_SOME.get((table, columns), ROWS[table])
            numbers = " ".join(str(number) for number in (rows, *alike))
            tx.execute(
                text("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (:tbl, :idx, :stat)"),
                {"tbl": table, "idx": found[columns], "stat": numbers},
            )
    tx.execute(
        text("ANALYZE sqlite_schema")
    )  # this connection reads them; others do when they open


def _indexes(tx: Connection, table: str) -> dict[tuple[str, ...], str]:
    """The indexes of a table by their columns; of a table without rowid, the table itself stands for its key."""
    found: dict[tuple[str, ...], str] = {}
    listed = text("SELECT name, origin FROM pragma_index_list(:table)")
    for name, origin in tx.execute(listed, {"table": table}).all():
        columns = tx.execute(
            text("SELECT name FROM pragma_index_info(:index) ORDER BY seqno"), {"index": name}
        )
        found[tuple(columns.scalars())] = table if origin == "pk" else name
    return found
