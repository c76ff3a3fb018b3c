"""The command of the desk that revokes what a list of ours names no more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator
from cert_exchange.errors import InputRefused

_SHOWN = 20
_LOOKED = 200
"""Of so many it is asked which observables of theirs stay."""


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(delist)


def delist(
    which: Annotated[
        str,
        typer.Argument(
            metavar="LIST", help="Name of a list of ours, or STIX id of its report or grouping."
        ),
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: list what would be revoked.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Also where places of the list could not be read when it was published."
        ),
    ] = False,
    reason: Reason,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Revoke the indicators that an earlier version of a list of ours named, and no list of ours names any more.

    Publish the new list first, under the same name: what it leaves out is what was dropped. Everyone who has one of them
    gets its last version, and who fetched it a notice. A value that a list names again later comes back.
    """
    from cert_exchange.services import ending, reviewing

    with opened(home) as node:
        found = ending.look(node, which)
        ids = [stix_id for stix_id, _ in found.indicators]
        if not as_json:
            printing.table(["id", "looks for"], found.indicators[:_SHOWN])
        count = printing.count(len(ids), "indicator")
        unread = (
            f"{printing.count(found.unread, 'place')} of {found.name} could not be used when it was published last,"
            " and what stands there may be among these"
        )
        if dry_run:
            if as_json:
                printing.document({**asdict(found), "revoked": 0})
            printing.verdict(f"{count} would be revoked; nothing was changed")
            if found.unread:
                printing.verdict(unread)
            return
        if ids and found.unread and not yes:
            raise InputRefused(
                f"{unread}: mend them and publish it again, or say --yes. {count} stand; nothing was changed."
            )
        with printing.progress("revoking") as progress:
            done = ending.delist(node, ids, by=operator(), reason=reason, progress=progress)
        left = [reviewing.still_shared(node, stix_id) for stix_id in ids[:_LOOKED]]
    if as_json:
        printing.document({**asdict(found), "revoked": done.revoked})
    more = f", the first {_SHOWN} listed" if len(ids) > _SHOWN and not as_json else ""
    printing.verdict(
        f"{printing.count(done.revoked, 'indicator')} revoked{more}; {printing.count(done.notices, 'notice')}"
    )
    if stay := sorted({stix_id for one in left for stix_id in one.observables}):
        printing.verdict(
            f"still shared: {printing.count(len(stay), 'observable')} with their values, such as {stay[0]}; `withdraw` takes one back"
        )
