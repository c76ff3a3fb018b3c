"""Copying a whole node while it works.

1. A backup is a folder that holds settings, policies, collections, keys, database and marks.
2. It is sealed where the node's secrets are encrypted, under the same lock, or under a passphrase or key of its own.
   Its plain copy stands meanwhile in the node's home, where all of it stands anyway, never where the backup goes.
3. What was written is read again before it counts, and only then the ledger says that there is a backup.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.services.ledger import record
from cert_exchange.services.safekeeping import packing
from cert_exchange.settings import FILE
from cert_exchange.store import copies, epochs, residues
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store.database import Transaction
from cert_exchange.vault.locks import make_lock

STAGING: Final = ".backup-"
Progress = Callable[[int, int | None], None]


def backup(
    node: Node,
    folder: Path,
    progress: Progress | None = None,
    *,
    secret: str | None = None,
    cost: int | None = None,
) -> Path:
    """Copy the node into a new folder; returns it.

    With `secret`, a passphrase or a key, it is sealed under that; else as the node's secrets are, or plain where they
    are. `cost` of guessing a passphrase, None for the usual one. Raises ConfigurationInvalid, StoreUnavailable.
    """
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationInvalid(f"{folder} is not empty; a backup needs a new folder.")
    sealing = _sealing(node, secret, cost)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sealing is None:
        listed = _copy(node, folder, progress)
        packing.check(folder, lambda: None)
    else:
        key, lock = sealing
        for left in node.settings.home.glob(f"{STAGING}*"):
            shutil.rmtree(left)  # of a backup that was killed
        staged = node.settings.home / f"{STAGING}{secrets.token_hex(6)}"
        staged.mkdir(mode=0o700)
        try:
            listed = _copy(node, staged, progress)
            packing.pack(staged, folder, key, lock, at=listed["at"])
        finally:
            shutil.rmtree(staged)
        packing.check_sealed(folder, key)
    seq, head = listed["ledger_head"]
    facts: dict[str, str | int | list[str]] = {
        "seq": seq, "head": head, "sealed": "no" if sealing is None else "yes"
    }  # fmt: skip

    def note(tx: Transaction) -> None:
        record(tx, Line("backup", listed["at"], "administrator", facts=facts))
        residues.note_backup(tx, str(folder), at=listed["at"])

    node.database.transact(note)
    return folder


def _sealing(
    node: Node, secret: str | None, cost: int | None
) -> tuple[bytes, Mapping[str, Any]] | None:
    if secret is not None:
        lock, key = make_lock(secret, cost=cost)
        return key, lock.document()
    document = node.secret_files.lock_document()
    return None if document is None else (node.secret_files.key(), document)


def _copy(node: Node, folder: Path, progress: Progress | None) -> dict[str, Any]:
    begun = node.now()
    for source in _files(node):
        target = folder / source.relative_to(node.settings.home)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(source, target)
    copies.copy_out(node.database, folder, progress)
    with node.database.reading() as tx:
        seq, link = ledger_rows.head(tx)
        epoch = epochs.current(tx)
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                files[str(path.relative_to(folder))] = packing.digest_of(stream)
    listed = {
        "format": 1,
        "begun": begun,
        "at": node.now(),
        "engine": node.database.dialect,
        "epoch": epoch,
        "ledger_head": [seq, link.hex()],
        "files": files,
    }
    packing.write_list(folder, listed)
    return listed


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
