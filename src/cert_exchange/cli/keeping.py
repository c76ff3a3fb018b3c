"""Commands that keep the node safe: backup and restore."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.files import writing_to
from cert_exchange.cli.options import Home, home_of, opened, quiet_logs


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (backup, restore):
        app.command()(command)


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the copy.")], *, home: Home = None
) -> None:
    """Copy the node while it runs.

    Database, marks, settings, collections, policies and keys.
    The copy holds the node's keys: keep it as safe as the node.
    """
    from cert_exchange.services import safekeeping

    with opened(home) as node, printing.progress("copying") as progress, writing_to(folder):
        safekeeping.backup(node, folder, progress)
    printing.verdict(f"copied to {folder}; it holds the node's keys")


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `backup` made.")],
    *,
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="An empty PostgreSQL database, for a backup of one."),
    ] = None,
    home: Home = None,
) -> None:
    """Make a node's folder out of a backup. An existing node is never overwritten."""
    from cert_exchange.services import safekeeping

    place = home_of(home)
    with quiet_logs(), printing.progress("restoring") as progress, writing_to(place):
        proved = safekeeping.restore(folder, place, progress, database_url=database_url)
    printing.facts(asdict(proved))
    printing.verdict(
        "restored, and its ledger verifies. Partners lose nothing: the logs start a new epoch above what they fetched"
    )
