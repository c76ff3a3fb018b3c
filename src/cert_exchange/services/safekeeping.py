"""Backup and restore of a whole node.

1. A backup is a folder: settings, policies, collections, keys, database and marks, with a list of their digests. It
   holds the node's keys: keep it as you keep the node.
2. It is taken while the node works. The list is written last: a folder without it is no backup.
3. Restoring never overwrites, checks every digest before and the whole ledger after, and starts a new epoch above
   every instant that may have been handed out since (DECISIONS 8): partners' cursors miss nothing that comes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Clock, Node, open_node
from cert_exchange.services.ledger import Verification, record, verify
from cert_exchange.settings import FILE, load_settings
from cert_exchange.store import copies, epochs
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store.database import Database

LIST: Final = "backup.json"
MARGIN: Final = 60_000_000
"""A burst of lines may have pushed heads ahead of the clock; never by a minute."""
Progress = Callable[[int, int | None], None]


def backup(node: Node, folder: Path, progress: Progress | None = None) -> Path:
    """Copy the node into a new folder; returns it. Raises ConfigurationInvalid, StoreUnavailable."""
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationInvalid(f"{folder} is not empty; a backup needs a new folder.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for source in _files(node):
        target = folder / source.relative_to(node.settings.home)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(source, target)
    copies.copy_out(node.database, folder, progress)
    with node.database.reading() as tx:
        seq, link = ledger_rows.head(tx)
        epoch = epochs.current(tx)
    now = node.now()
    listed = {
        "format": 1,
        "at": now,
        "engine": node.database.dialect,
        "epoch": epoch,
        "ledger_head": [seq, link.hex()],
        "files": {
            str(path.relative_to(folder)): _digest(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    fresh = folder / f".{LIST}"
    fresh.write_text(json.dumps(listed, indent=1, sort_keys=True), "utf-8")
    fresh.chmod(0o600)
    fresh.rename(folder / LIST)
    facts: dict[str, str | int | list[str]] = {"seq": seq, "head": link.hex()}
    node.database.transact(lambda tx: record(tx, Line("backup", now, "administrator", facts=facts)))
    return folder


def restore(
    folder: Path,
    home: Path,
    progress: Progress | None = None,
    *,
    clock: Clock | None = None,
    database_url: str | None = None,
) -> Verification:
    """Make a node at `home`, where none is, out of a backup; returns what its ledger proves.

    `database_url` replaces that of the backup: PostgreSQL needs an empty database. Raises ConfigurationInvalid,
    EvidenceBroken, StoreUnavailable.
    """
    folder, home = folder.absolute(), home.absolute()
    listed = _read_list(folder)
    if home.exists() and any(home.iterdir()):
        raise ConfigurationInvalid(f"{home} is not empty; restoring never overwrites.")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    databases = {copies.MAIN, copies.MARKS, copies.DUMP}
    for name in listed:
        if name not in databases:
            target = home / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copy2(folder / name, target)
    given: dict[str, Any] = {} if database_url is None else {"database_url": database_url}
    settings = load_settings(home, **given)
    database = Database.open(settings.database_url)
    try:
        copies.copy_in(database, folder, progress)
    finally:
        database.dispose()
    node = open_node(home, clock=clock, **given)
    try:
        marks = [mark.position for mark in node.marks.everything()]
        now = node.now()
        above = max([now + MARGIN, *marks])
        node.database.transact(lambda tx: epochs.raise_heads(tx, above=above, at=now, by="restore"))
        return verify(node, progress)
    finally:
        node.close()


def _files(node: Node) -> list[Path]:
    """The node's own files inside its home."""
    settings = node.settings
    found = [settings.home / FILE]
    for folder in (
        settings.secrets_directory, settings.policies_directory, settings.collections_directory
    ):  # fmt: skip
        path = settings.path(folder)
        if path.is_relative_to(settings.home):
            found += [file for file in sorted(path.rglob("*")) if file.is_file()]
    for given in (settings.tls_certificate, settings.tls_key):
        if given is not None and settings.path(given).is_relative_to(settings.home):
            found.append(settings.path(given))
    return sorted(set(found))


def _read_list(folder: Path) -> list[str]:
    try:
        listed = json.loads((folder / LIST).read_text("utf-8"))
    except (OSError, ValueError):
        raise ConfigurationInvalid(
            f"{folder} is no finished backup: {LIST} is missing or damaged."
        ) from None
    for name, digest in listed["files"].items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ConfigurationInvalid(f"{LIST} names {name}, which is outside of the backup.")
        if not path.is_file() or _digest(path) != digest:
            raise ConfigurationInvalid(f"{path} is missing or was changed since the backup.")
    return list(listed["files"])


def _digest(path: Path) -> str:
    number = os.open(path, os.O_RDONLY)
    with os.fdopen(number, "rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
