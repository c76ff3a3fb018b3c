"""Homes that are made once and copied: as they were made, or with a scene that was set up in them.

1. What is copied was made by the program's own services in this run. A scene set up anew would differ from it by its
   instants alone, which are some minutes older here.
2. A scene is laid only under a node that was copied from the same home and that nobody has used (`lay`).
3. The node stays open meanwhile: only what lies in its database and its folder of collections is exchanged.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.engine import URL
from tests import engines

from cert_exchange.node import Node, open_node
from cert_exchange.settings import FILE, load_settings
from cert_exchange.store.tables import ledger_lines

LIVES_ELSEWHERE: Final = {"home", "database_url"}
SECOND: Final = 1_000_000


@dataclass
class Original:
    """A home that is closed, and its database on a PostgreSQL server or in the home."""

    home: Path
    server: URL | None = None
    database: str = ""
    scenes: dict[Hashable, Original] = field(default_factory=dict)
    asked: Counter[Hashable] = field(default_factory=Counter)

    def copy(self, home: Path) -> Original:
        """Copy both; the copy is a node of the same name and keys."""
        shutil.copytree(self.home, home)
        if self.server is None:
            return Original(home)
        name = str(engines.make_database(self.server, self.database).database)
        settings = (home / FILE).read_text()
        (home / FILE).write_text(settings.replace(self.database, name))
        return Original(home, self.server, name)

    def lay_under(self, node: Node) -> None:
        """Put our data in the place of an open node's."""
        shutil.copytree(self.home / "collections", node.settings.home / "collections", dirs_exist_ok=True)  # fmt: skip
        if self.server is None:
            with (
                closing(sqlite3.connect(self.home / "exchange.db")) as ours,
                closing(sqlite3.connect(str(node.database.path))) as theirs,
            ):
                ours.backup(theirs)
        else:
            node.database.dispose()
            node.marks.close()
            engines.drop_database(self.server, node.database.url)
            engines.make_database(self.server, self.database, str(node.database.url.database))


untouched: dict[Path, Original] = {}
"""Homes that a test was given and of which it has set up no scene, and what each is a copy of."""


def lay(node: Node, name: Hashable, make: Callable[[Node], object]) -> bool:
    """Lay under the node what `make` makes of one like it; False where the caller has to make it there.

    What is asked for once is not kept for others.
    """
    original = untouched.pop(node.settings.home, None)
    if original is None or not _as_it_came(node, original):
        return False
    original.asked[name] += 1
    if original.asked[name] == 1:
        return False
    if name not in original.scenes:
        place = original.home.parent / f"scene-{len(original.scenes)}"
        copied = original.copy(place)
        other = open_node(copied.home)
        make(other)
        other.close()
        original.scenes[name] = copied
    original.scenes[name].lay_under(node)
    return True


def _as_it_came(node: Node, original: Original) -> bool:
    settings = load_settings(original.home)
    with node.database.reading() as tx:
        lines = tx.execute(select(func.count()).select_from(ledger_lines)).scalar_one()
    return (
        lines == 0
        and abs(node.now() - time.time_ns() // 1_000) < SECOND
        and node.settings.model_dump(exclude=LIVES_ELSEWHERE)
        == settings.model_dump(exclude=LIVES_ELSEWHERE)
    )
