"""The command for the night of a stolen credential: what came from a partner since an instant, listed and undone.

It lists first, always, and changes nothing without --yes and a reason.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, ReasonToAct, opened, operator
from cert_exchange.cli.reading import instant_of
from cert_exchange.errors import InputRefused

if TYPE_CHECKING:
    from cert_exchange.services.undoing import Tally, Undone


def register(program: typer.Typer) -> None:
    """Add this command to the program."""
    program.command()(undo)


def undo(
    *,
    partner: Annotated[str, typer.Option("--from", help="The partner's name.")],
    since: Annotated[
        str, typer.Option("--since", help="From this instant on, such as 2026-11-25T22:00:00Z.")
    ],
    reason: ReasonToAct = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it. Without this it is only listed.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List what a partner sent and took back since an instant; with --yes, undo all of it.

    What it sent becomes a proposal and leaves every view, older versions stand again, and so does what it took back. Nothing
    is deleted: it can send again what was genuine. First stop it: partner suspend NAME --receiving, partner rotate NAME.
    """
    from cert_exchange.services import undoing

    start = instant_of(since)
    assert start is not None
    if yes and reason is None:
        raise InputRefused("Say why, with --reason: it stands in the ledger.")
    done: Undone | None = None
    with opened(home) as node:
        seen = undoing.look(node, partner, start)
        if reason is not None and yes:
            with printing.progress("undoing") as progress:
                done = undoing.undo(
                    node, partner, start, by=operator(), reason=reason, progress=progress
                )
    if as_json:
        printing.document({"found": asdict(seen), "done": None if done is None else asdict(done)})
        return
    _tell_seen(seen, partner)
    if done is None:
        printing.verdict(
            f"nothing was changed; --yes --reason TEXT does it. Each version: cert-exchange received {partner} --since {since}"
        )
        return
    printing.verdict(
        f"undone: {printing.count(done.accepted, 'version')} set aside, {done.proposals:,} proposals with them,"
        f" {done.put_back:,} put back; {printing.count(done.withdrawn, 'line')} withdrawn, {done.returned:,} returned,"
        f" {printing.count(done.notices, 'notice')} to who fetched any of it"
    )


def _tell_seen(seen: Tally, partner: str) -> None:
    printing.table(["type", "versions"], list(seen.types))
    printing.verdict(
        f"{partner} since then: {printing.count(seen.accepted, 'version')} taken in,"
        f" {printing.count(seen.proposals, 'proposal')}, {seen.refused:,} refused, {seen.taken_back:,} taken back"
    )
