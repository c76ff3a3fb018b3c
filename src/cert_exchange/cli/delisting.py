"""The command of the desk that revokes what a list of ours names no more."""

from __future__ import annotations

from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(delist)


def delist(
    stix_id: Annotated[
        str, typer.Argument(metavar="ID", help="STIX id of a report or grouping of ours.")
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: list what would be revoked.")
    ] = False,
    reason: Reason,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Revoke the indicators that an earlier version of a list of ours named, and no list of ours names any more.

    Publish the new list first, under the same name: what it leaves out is what was dropped. Everyone who has one of them
    gets its last version, and who fetched it a notice.
    """
    from cert_exchange.services import ending

    with opened(home) as node:
        found = ending.look(node, stix_id)
        if not as_json:
            printing.table(["id"], [(one,) for one in found[:_SHOWN]])
        if dry_run:
            if as_json:
                printing.document({"dropped": found, "revoked": 0})
            printing.verdict(
                f"{printing.count(len(found), 'indicator')} would be revoked; nothing was changed"
            )
            return
        with printing.progress("revoking") as progress:
            done = ending.delist(node, found, by=operator(), reason=reason, progress=progress)
    if as_json:
        printing.document({"dropped": found, "revoked": done.revoked})
    more = f", the first {_SHOWN} listed" if len(found) > _SHOWN and not as_json else ""
    printing.verdict(
        f"{printing.count(done.revoked, 'indicator')} revoked{more}; {printing.count(done.notices, 'notice')}"
    )
