"""Commands that keep the node safe: backup and restore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.files import writing_to
from cert_exchange.cli.options import Home, home_of, opened, quiet_logs, typed_passphrase

UnlockFile = Annotated[
    Path | None,
    typer.Option(
        "--unlock-file",
        help="The file with the passphrase or key of an encrypted backup.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (backup, restore):
        app.command()(command)


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the copy.")],
    *,
    unlock_file: Annotated[
        Path | None,
        typer.Option(
            "--unlock-file",
            help="Encrypt it so that the passphrase or key in this file opens it. Without, it is encrypted as the node's secrets are.",
            show_default=False,
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Copy the node while it runs, and read the copy again.

    Database, marks, settings, collections, policies and keys. It is encrypted when the node's secrets are
    (`secrets lock`), or with --unlock-file. One that is not holds the node's keys: keep it as safe as the node.
    """
    from cert_exchange.services import safekeeping
    from cert_exchange.settings import read_unlocking_file

    secret = None if unlock_file is None else read_unlocking_file(unlock_file.absolute())
    with opened(home) as node, printing.progress("copying") as progress, writing_to(folder):
        safekeeping.backup(node, folder, progress, secret=secret)
        sealed = secret is not None or node.secret_files.locked
    if sealed:
        printing.verdict(f"copied to {folder}, encrypted, and read again: it is whole")
    else:
        printing.verdict(
            f"copied to {folder} and read again; it is NOT encrypted and holds the node's keys"
        )


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `backup` made.")],
    *,
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="An empty PostgreSQL database, for a backup of one."),
    ] = None,
    unlock_file: UnlockFile = None,
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse", help="Restore into a place of its own, verify all of it, and remove it."
        ),
    ] = False,
    frozen: Annotated[
        bool,
        typer.Option("--frozen/--not-frozen", help="Let nothing go out until `unfreeze`."),
    ] = True,
    home: Home = None,
) -> None:
    """Make a node's folder out of a backup. An existing node is never overwritten.

    What was decided after the backup is forgotten, so nothing goes out at first: look at policies, at what was taken back, at
    credentials and suspensions, then `cert-exchange unfreeze --all --reason TEXT`. Partners' nodes are told by themselves.
    """
    from cert_exchange.services import safekeeping

    opens_with = _opens_with(unlock_file)
    if rehearse:
        with quiet_logs(), printing.progress("restoring") as progress:
            restored = safekeeping.rehearse(folder, progress, opens_with=opens_with)
        printing.facts(
            {"kept until": printing.instant(restored.kept_until)} | asdict(restored.proved)
        )
        printing.verdict(
            "this backup comes back whole, and its ledger verifies. Nothing was changed"
        )
        return
    place = home_of(home)
    with quiet_logs(), printing.progress("restoring") as progress, writing_to(place):
        restored = safekeeping.restore(
            folder, place, progress, database_url=database_url, opens_with=opens_with, frozen=frozen
        )
    printing.facts({"kept until": printing.instant(restored.kept_until)} | asdict(restored.proved))
    printing.verdict(
        "restored, and its ledger verifies. Partners' cursors lose nothing: the logs start a new epoch above what they fetched"
    )
    printing.verdict(
        f"{folder.absolute()} is in its list of backups; those made after it are unknown to this node, and hold what you erase"
        " or erased: see `erasures leftovers`"
    )
    if frozen:
        printing.verdict(
            f"what you decided after {printing.instant(restored.kept_until)} is forgotten: policies, withdrawals, revoked"
            " credentials (they may write again), suspensions. Decide it again before you start `serve`, then run `cert-exchange unfreeze --all --reason TEXT`"
        )


def _opens_with(file: Path | None) -> Callable[[], str | None]:
    from cert_exchange.settings import read_unlocking_file

    if file is not None:
        secret = read_unlocking_file(file.absolute())
        return lambda: secret
    return typed_passphrase
