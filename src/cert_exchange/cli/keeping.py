"""Commands that keep the node safe: backup and restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import Home, home_of, opened


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (backup, restore):
        app.command()(command)


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the copy.")], *, home: Home = None
) -> None:
    """Copy the node while it runs: database, marks, settings, policies and keys, as of one instant.

    The copy holds the node's keys: keep it as safe as the node.
    """
    from cert_exchange.services import safekeeping

    with opened(home) as node, printing.progress("copying") as progress:
        safekeeping.backup(node, folder, progress=progress)
    printing.verdict(f"copied to {folder}; it holds the node's keys")


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `backup` made.")],
    *,
    home: Home = None,
) -> None:
    """Make a node's folder out of a backup. An existing node is never overwritten."""
    from cert_exchange.services import safekeeping

    with printing.progress("restoring") as progress:
        safekeeping.restore(folder, home_of(home), progress=progress)
    printing.verdict(
        "restored; start it, then run `cert-exchange doctor` and `cert-exchange ledger verify`"
    )
