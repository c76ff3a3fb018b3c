"""Copies of the database: taken while it is in use, put back only where nothing is.

1. SQLite: the engine's own online copy, the main file first and the marks after it, so that the marks are never
   behind the log they speak of; each copy is checked page by page and synced to disk.
2. PostgreSQL: pg_dump and pg_restore, found on PATH; passwords go through the environment, never the command line.
3. Putting back never overwrites.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import inspect
from sqlalchemy.engine import URL

from cert_exchange.errors import ConfigurationInvalid, EvidenceBroken, StoreUnavailable
from cert_exchange.store.database import Database
from cert_exchange.store.failures import translated

MAIN: Final = "exchange.db"
MARKS: Final = "exchange-marks.db"
DUMP: Final = "exchange.dump"
PAGES: Final = 2_000
Progress = Callable[[int, int | None], None]


def copy_out(database: Database, folder: Path, progress: Progress | None = None) -> list[Path]:
    """Copy the database into `folder`; returns the files. Raises StoreUnavailable, ConfigurationInvalid."""
    if database.path is None or database.marks_path is None:
        _run("pg_dump", database.url, "--format=custom", f"--file={folder / DUMP}")
        return [folder / DUMP]
    _copy_file(database.path, folder / MAIN, progress)
    _copy_file(database.marks_path, folder / MARKS, None)
    return [folder / MAIN, folder / MARKS]


def copy_in(database: Database, folder: Path, progress: Progress | None = None) -> None:
    """Put a copy back as this database. Raises ConfigurationInvalid when there is one already."""
    if database.path is None or database.marks_path is None:
        with database.reading() as tx:
            taken = inspect(tx).has_table("ledger_lines")
        if taken:
            raise ConfigurationInvalid(
                "the database is not empty; give an empty one in database_url."
            )
        _run("pg_restore", database.url, "--exit-on-error", "--no-owner", str(folder / DUMP))
        return
    for path in (database.path, database.marks_path):
        if path.exists():
            raise ConfigurationInvalid(f"{path} exists; restoring never overwrites.")
    _copy_file(folder / MAIN, database.path, progress, at_rest=True)
    _copy_file(folder / MARKS, database.marks_path, None, at_rest=True)


def _copy_file(
    source: Path, target: Path, progress: Progress | None, *, at_rest: bool = False
) -> None:
    """`at_rest`: nobody writes to the source, so that reading it leaves no file beside it, also on a medium that is read only."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def told(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    try:
        mode = "immutable=1" if at_rest else "mode=ro"
        reading = sqlite3.connect(f"{source.as_uri()}?{mode}", uri=True)
        writing = sqlite3.connect(target)
        try:
            reading.backup(writing, pages=PAGES, progress=told)
            found = writing.execute("PRAGMA integrity_check").fetchone()[0]
        finally:
            writing.close()
            reading.close()
    except sqlite3.Error as error:
        target.unlink()
        raise translated(error) from None
    if found != "ok":
        target.unlink()
        raise EvidenceBroken(f"the copy of {source} is damaged.", detail=str(found))
    _sync(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _run(program: str, url: URL, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise ConfigurationInvalid(
            f"{program} is not on PATH; install PostgreSQL's client programs of the server's version."
        )
    # What opens our secrets is nothing to other programs.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("CERT_EXCHANGE_")
    }
    if url.password is not None:
        environment["PGPASSWORD"] = str(url.password)
    address = url.set(drivername="postgresql", password=None).render_as_string()
    outcome = subprocess.run(  # noqa: S603 - a program of our own choice, no shell
        [found, f"--dbname={address}", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode != 0:
        raise StoreUnavailable(detail=f"{program}: {outcome.stderr.strip()[:500]}")
