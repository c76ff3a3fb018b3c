"""Commands for the gate at the way in: what a pull would change, shown before it does."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, opened

if TYPE_CHECKING:
    from cert_exchange.services.gating.previewing import Preview

Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A source, as `source list` names it.")
]


def register(sync_app: typer.Typer) -> None:
    """Add the commands where a person looks for them."""
    sync_app.command("preview")(preview)


def preview(
    source: Source,
    *,
    most: Annotated[
        int, typer.Option("--most", min=1, max=100_000, help="Look at about so many objects.")
    ] = 10_000,
    everything: Annotated[
        bool, typer.Option("--all", help="List also what would change nothing.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show what a pull of this source would change: nothing is stored, and no cursor moves.

    It asks the remote as a pull does, from where the source stands, and judges by the very pull. Exit code 4 when the
    remote failed.
    """
    from cert_exchange.services.gating import previewing

    with opened(home) as node, printing.progress("looking") as progress:
        seen = previewing.preview(node, source, most=most, progress=progress)
    if as_json:
        printing.document(_document(seen))
    else:
        printing.table(
            ["would be", "place", "id", "version", "name", "rule", "reason"],
            [
                (one.becomes, one.place, one.id, one.version, one.name, one.rule, one.reason)
                for one in seen.verdicts
                if everything or one.becomes != "unchanged"
            ],
            empty="it would change nothing",
        )
    _say(seen)
    if not seen.ok:
        raise typer.Exit(ExitCode.TEMPORARY)


def _say(seen: Preview) -> None:
    fates = ", ".join(f"{number:,} {name}" for name, number in seen.fates.items() if number)
    printing.verdict(f"a pull of {seen.source} now: {fates or 'nothing new'}")
    if seen.quarantined:
        printing.verdict(f"{printing.count(seen.quarantined, 'object')} would go to the quarantine")
    if seen.ends:
        printing.verdict(
            f"{printing.count(seen.ends, 'object')} that counts here now would be taken out of use"
            if seen.ends == 1
            else f"{seen.ends:,} objects that count here now would be taken out of use"
        )
    for note in seen.notes:
        printing.verdict(f"{seen.source}: {note}")
    if not seen.ok:
        printing.verdict(f"the pull would end here: {seen.outcome}")
    elif not seen.whole:
        printing.verdict(
            f"this is the beginning: {printing.count(seen.fetched, 'object')} were looked at, and the remote has more;"
            " --most looks at more"
        )
    printing.verdict(
        f"nothing was stored here and no cursor moved. The server of {seen.partner} answered"
        f" {printing.count(seen.requests, 'request')} with our credential and gave"
        f" {printing.count(seen.fetched, 'object')}: it may count them as fetched by us"
    )


def _document(seen: Preview) -> dict[str, Any]:
    return {
        "source": seen.source,
        "partner": seen.partner,
        "collection": seen.collection,
        "ok": seen.ok,
        "whole": seen.whole,
        "outcome": seen.outcome,
        "objects": seen.fates,
        "quarantined": seen.quarantined,
        "ends": seen.ends,
        "counts": dict(seen.counts),
        "verdicts": [asdict(one) for one in seen.verdicts],
        "notes": list(seen.notes),
        "remote_answered": {"requests": seen.requests, "objects": seen.fetched},
    }
