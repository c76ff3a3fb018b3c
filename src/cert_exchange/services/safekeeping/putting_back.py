"""Making a node out of a backup.

1. It never overwrites, and checks every byte before and the whole ledger after.
2. It starts a new epoch above every instant that may have been handed out since (DECISIONS 8): partners' cursors miss
   nothing that comes, and partners are told from when on things may be lost (`services.restoring`).
3. What was decided after the backup is forgotten: narrower policies, what was taken back, credentials that were revoked.
   So nothing goes out until a person has looked and says `unfreeze`.
4. Where another database is given, the node's file names it from then on: nobody starts the old one with the new folder.
5. It writes down the backup that it came from: what is erased from now on is in that one too. Of copies that were made
   after it, it cannot know.
6. It can be rehearsed: all of it in a folder of its own, which is removed afterwards.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.node import Clock, open_node
from cert_exchange.services import freezing
from cert_exchange.services.ledger import Verification, verify
from cert_exchange.services.safekeeping import packing
from cert_exchange.services.safekeeping.packing import Listing, OpensWith
from cert_exchange.settings import FILE, Settings, load_settings
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import copies, epochs, residues
from cert_exchange.store.database import Database, Transaction
from cert_exchange.vault.files import SecretFiles

MARGIN: Final = 60_000_000
"""A burst of lines may have pushed heads ahead of the clock; never by a minute."""
_SETTING: Final = "database_url"
_UNPACKED: Final = ".restoring"
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back. Instants in micros."""

    kept_until: int
    """what came after this instant may be lost"""
    proved: Verification


def _nothing() -> str | None:
    return None


def restore(
    folder: Path,
    home: Path,
    progress: Progress | None = None,
    *,
    clock: Clock | None = None,
    database_url: str | None = None,
    opens_with: OpensWith = _nothing,
    frozen: bool = True,
) -> Restored:
    """Make a node at `home`, where none is, out of a backup.

    `database_url` replaces that of the backup: PostgreSQL needs an empty database. `opens_with` gives the passphrase or
    key of a sealed backup. Raises ConfigurationInvalid, EvidenceBroken, StoreUnavailable.
    """
    folder, home = folder.absolute(), home.absolute()
    _, sealed = packing.read_list(folder)
    if home.exists() and any(home.iterdir()):
        raise ConfigurationInvalid(f"{home} is not empty; restoring never overwrites.")
    plain = home / _UNPACKED if sealed else folder
    listing = None if sealed else packing.check(folder, _nothing)
    made = not home.exists()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if listing is None:
            try:
                listing = packing.unpack(folder, opens_with, plain)
            except ConfigurationInvalid:
                shutil.rmtree(plain, ignore_errors=True)
                if made:
                    with suppress(OSError):
                        home.rmdir()
                raise
        return _put_back(
            plain, listing, home, progress, folder=folder,
            clock=clock, database_url=database_url, opens_with=opens_with, frozen=frozen,
        )  # fmt: skip
    finally:
        if sealed:
            shutil.rmtree(plain, ignore_errors=True)


def rehearse(
    folder: Path,
    progress: Progress | None = None,
    *,
    clock: Clock | None = None,
    opens_with: OpensWith = _nothing,
    beside: Path | None = None,
) -> Restored:
    """Restore into a folder of its own, `beside` another or in the system's place for such, and remove it afterwards.

    For backups of SQLite; one of PostgreSQL needs a database, which `restore` is given. Raises as `restore`.
    """
    listing = packing.check(folder.absolute(), opens_with)
    if listing.engine != "sqlite":
        raise ConfigurationInvalid(
            "this backup is of PostgreSQL: every byte of it is as it was written. To see it come back, restore it into"
            " an empty database with --database-url."
        )
    with tempfile.TemporaryDirectory(prefix="cert-exchange-", dir=beside) as place:
        return restore(
            folder, Path(place) / "home", progress, clock=clock, opens_with=opens_with,
            database_url=f"sqlite:///{Path(place) / 'home' / copies.MAIN}",
        )  # fmt: skip


def _put_back(
    plain: Path,
    listing: Listing,
    home: Path,
    progress: Progress | None,
    *,
    folder: Path,
    clock: Clock | None,
    database_url: str | None,
    opens_with: OpensWith,
    frozen: bool,
) -> Restored:
    for name in listing.files:
        if name not in {copies.MAIN, copies.MARKS, copies.DUMP}:
            target = home / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copy2(plain / name, target)
    given: dict[str, Any] = {} if database_url is None else {"database_url": database_url}
    settings = load_settings(home, **given)
    opens = _what_opens(settings, opens_with)
    database = Database.open(settings.database_url)
    try:
        copies.copy_in(database, plain, progress)
    finally:
        database.dispose()
    node = open_node(home, clock=clock, opens_with=opens, **given)
    try:
        marks = [mark.position for mark in node.marks.everything()]
        now = node.now()
        above, kept_until = max([now + MARGIN, *marks]), listing.begun - MARGIN

        def work(tx: Transaction) -> None:
            epochs.raise_heads(tx, above=above, at=now, by="restore", kept_until=kept_until)
            residues.note_restored(tx, str(folder), made_at=listing.at, at=now)

        node.database.transact(work)
        if frozen:
            reason = f"restored from a backup of {format_micros(listing.begun)}"
            freezing.freeze_everyone(node, by="restore", reason=reason)
        proved = verify(node, progress)
    finally:
        node.close()
    if database_url is not None:
        _name_database(home / FILE, database_url)
    return Restored(kept_until, proved)


def _name_database(file: Path, url: str) -> None:
    """Let the settings name this database and no other; the rest of the file stays as people wrote it."""
    others, within = [], False
    for line in file.read_text("utf-8").splitlines():
        # A long value may go on in lines that are set in.
        within = line.startswith(f"{_SETTING}:") or (within and line.startswith((" ", "\t")))
        if not within:
            others.append(line)
    fresh = file.with_name(f".{file.name}")
    fresh.write_text("\n".join([*others, f"{_SETTING}: {json.dumps(url)}", ""]), "utf-8")
    fresh.chmod(file.stat().st_mode & 0o777)
    fresh.replace(file)


def _what_opens(settings: Settings, opens_with: OpensWith) -> OpensWith:
    """What opens the node's own secrets: what its settings say, else what opened the backup."""
    folder = settings.path(settings.secrets_directory)
    for one in (settings.opening_secret, opens_with):
        files = SecretFiles(folder, one)
        if not files.locked:
            return one
        with suppress(ConfigurationInvalid):
            files.key()
            return one
    SecretFiles(folder, opens_with).key()  # says what is missing
    return opens_with
