"""A notebook for one comparison: what a remote shows, and what was found, on disk and not in memory.

1. SQLite's own temporary file: private, without a name from the start, gone with the connection. No node's data lie in it
   but ids, versions and digests.
2. An entry is written once: whoever writes it again is told that it stood there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from cert_exchange.errors import StoreUnavailable

_PART: Final = 400
_CACHE_KIB: Final = 8_192


@dataclass(frozen=True, slots=True)
class Found:
    """One object version on which the two sides differ. `what` is a word of who compares; `why` is for people."""

    what: str
    stix_id: str
    version: str
    why: str = ""
    place: int = 0
    """of ours, where the one who compares needs it again: its position in a log, micros"""


class Notebook:
    """Use as a context manager, by one thread; leaving it raises StoreUnavailable where the disk had no room."""

    def __init__(self) -> None:
        self._paper = sqlite3.connect("", isolation_level=None)
        self._paper.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._paper.execute("PRAGMA journal_mode = OFF")
        self._paper.execute(
            "CREATE TABLE shown (id TEXT, version TEXT, digest BLOB, PRIMARY KEY (id, version, digest)) WITHOUT ROWID"
        )
        self._paper.execute(
            "CREATE TABLE found (number INTEGER PRIMARY KEY, what TEXT, id TEXT, version TEXT, why TEXT, place INTEGER)"
        )
        self._paper.execute("CREATE INDEX in_order ON found (what, number)")
        self._paper.execute("CREATE INDEX by_id ON found (id, what)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._paper.close()
        if isinstance(error, sqlite3.Error):  # no room, or no place for temporary files
            raise StoreUnavailable(detail=f"the temporary file of a comparison: {error}") from None

    def show(self, entries: Iterable[tuple[str, str, bytes]]) -> list[tuple[str, str, bytes]]:
        """Note what the remote shows: (id, version, digest or nothing); returns what was not noted before."""
        fresh = []
        for entry in entries:
            written = self._paper.execute("INSERT OR IGNORE INTO shown VALUES (?, ?, ?)", entry)
            if written.rowcount == 1:
                fresh.append(entry)
        return fresh

    def shown(self, ids: Sequence[str]) -> dict[str, list[tuple[str, bytes]]]:
        """(version, digest) of all that was noted of these ids."""
        found: dict[str, list[tuple[str, bytes]]] = {}
        for start in range(0, len(ids), _PART):
            part = ids[start : start + _PART]
            places = ", ".join("?" * len(part))
            rows = self._paper.execute(
                f"SELECT id, version, digest FROM shown WHERE id IN ({places})",
                part,
            )
            for stix_id, version, digest in rows:
                found.setdefault(stix_id, []).append((version, digest))
        return found

    def find(self, found: Iterable[Found]) -> None:
        """Write down differences."""
        self._paper.executemany(
            "INSERT INTO found (what, id, version, why, place) VALUES (?, ?, ?, ?, ?)",
            ((one.what, one.stix_id, one.version, one.why, one.place) for one in found),
        )

    def forget(self, found: Iterable[Found]) -> None:
        """Cross out differences that are none any more."""
        self._paper.executemany(
            "DELETE FROM found WHERE what = ? AND id = ? AND version = ?",
            ((one.what, one.stix_id, one.version) for one in found),
        )

    def found(self, what: str, *, limit: int = -1) -> Iterator[Found]:
        """The differences of a kind, as they were written; at most so many."""
        after = 0
        while limit:
            size = _PART if limit < 0 else min(_PART, limit)
            rows = self._paper.execute(
                "SELECT number, what, id, version, why, place FROM found WHERE what = ? AND number > ?"
                " ORDER BY number LIMIT ?",
                (what, after, size),
            ).fetchall()
            if not rows:
                return
            for row in rows:
                yield Found(*row[1:])
            after = rows[-1][0]
            limit = limit if limit < 0 else limit - len(rows)

    def counts(self) -> dict[str, int]:
        """How many differences of each kind."""
        rows = self._paper.execute("SELECT what, count(*) FROM found GROUP BY what")
        return {row[0]: row[1] for row in rows}
