"""`sync reconcile`: a partner's sources and targets compared with what its servers show, and repaired on demand."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, Limit, opened, operator

if TYPE_CHECKING:
    from cert_exchange.services.drift import Account, Compared


def register(app: typer.Typer) -> None:
    """Add the command to `sync`."""
    app.command("reconcile")(reconcile)


def reconcile(
    partner: Annotated[str, typer.Argument(help="The partner's name.")],
    channel: Annotated[
        str | None, typer.Argument(help="One source or target of it; all if not given.")
    ] = None,
    *,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Fetch what is missing here, and send again what is missing there."
        ),
    ] = False,
    limit: Limit = 20,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Compare what a partner's servers show with what is here, both ways, and say why they differ.

    A stock TAXII server is asked for its manifest, a cert-exchange for digests first. Nothing changes without --repair, which
    goes the way of a pull or a push, overwrites nothing and moves no cursor. --limit: how many of each difference are named.
    Exit code 1 when something asks for you, 4 when a server could not be asked.
    """
    from cert_exchange.services import drift

    with opened(home) as node, printing.progress("comparing") as progress:
        account = drift.reconcile(
            node,
            partner,
            channel=channel,
            repair=repair,
            by=operator(),
            limit=limit,
            progress=progress,
        )
    if as_json:
        printing.document(_document(account))
    else:
        _print(account)
    for one in account.parts:
        _say(one)
    if any(one.failed for one in account.parts):
        raise typer.Exit(ExitCode.TEMPORARY)
    if not account.whole:
        raise typer.Exit(ExitCode.REFUSED)


def _print(account: Account) -> None:
    printing.table(
        ["name", "does", "collection", "there", "here", "agreed", "drift", "compared by", "seconds"],
        [
            (
                ", ".join(one.names), one.direction, one.collection, one.there, one.here, one.agreed,
                one.drifted, one.how or "not compared", f"{one.seconds:.1f}",
            )
            for one in account.parts
        ],
    )  # fmt: skip
    examples = [
        (", ".join(one.names), each.what, each.stix_id, each.version, each.why)
        for one in account.parts
        for each in one.examples
    ]
    if examples:
        printing.table(["name", "difference", "id", "version", "why"], examples)


def _say(one: Compared) -> None:
    from cert_exchange.services import drift

    name = ", ".join(one.names)
    for kind, number in one.counts.items():
        printing.verdict(f"{name}: {kind}: {number:,} ({drift.WORDS[kind]})")
    for sign in one.went_back:
        printing.verdict(f"{name}: IT WENT BACK IN TIME, it seems: {sign}")
    for note in one.notes:
        printing.verdict(f"note: {note}")
    if one.repaired is not None:
        told = ", ".join(f"{number:,} {word}" for word, number in one.repaired.items() if number)
        if told or not one.unrepaired:
            printing.verdict(f"{name}: repaired: {told or 'nothing was missing'}")
    if one.unrepaired:
        printing.verdict(f"{name}: NOT REPAIRED to the end: {one.unrepaired}")
    if one.trouble:
        printing.verdict(f"{name}: NOT COMPARED: {one.trouble}")
    elif one.whole:
        printing.verdict(f"{name}: no drift: {printing.count(one.there, 'object')} there")


def _document(account: Account) -> dict[str, Any]:
    return {
        "partner": account.partner,
        "at": printing.instant(account.at),
        "whole": account.whole,
        "parts": [
            asdict(one) | {"drift": one.drifted, "whole": one.whole} for one in account.parts
        ],
    }
