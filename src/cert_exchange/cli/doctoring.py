"""The commands that look for what is wrong: over the whole node, at one partner, and through all that lies between."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, opened, operator


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(doctor)


def doctor(
    partner: Annotated[
        str | None,
        typer.Argument(
            help="Look at what we know of one partner; `partner P` tries everything between us and P."
        ),
    ] = None,
    tried: Annotated[
        str | None, typer.Argument(metavar="[P]", help="After `partner`: whom to try.")
    ] = None,
    *,
    read_only: Annotated[
        bool,
        typer.Option(
            "--read-only", help="With `partner P`: hand no TEST object over to its server."
        ),
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Look for what is wrong or soon will be, with the next step.

    `doctor partner P` asks P's servers as well, from DNS to a TEST object that comes back, and says why nothing arrives.
    Exit code 1 when something is wrong.
    """
    from cert_exchange.services import doctoring

    if tried is not None:
        if partner != "partner":
            raise typer.BadParameter("give one partner, or `partner P`.")
        _try(tried, read_only=read_only, as_json=as_json, home=home)
        return
    with opened(home) as node:
        findings = doctoring.examine(node, partner=partner)
    wrong = sum(1 for finding in findings if finding.grade == "wrong")
    if as_json:
        printing.document([asdict(finding) for finding in findings])
    else:
        printing.table(
            ["grade", "about", "finding", "next step"],
            [(f.grade, f.about, f.finding, f.step) for f in findings],
        )
    printing.verdict("nothing is wrong" if not wrong else f"{printing.count(wrong, 'thing')} wrong")
    if wrong:
        raise typer.Exit(ExitCode.REFUSED)


def _try(name: str, *, read_only: bool, as_json: bool, home: Path | None) -> None:
    """Run the self-test of one partner and print it."""
    from cert_exchange.services import selftest

    with opened(home) as node:
        done = selftest.try_partner(node, name, write=not read_only, by=operator())
    if as_json:
        printing.document(asdict(done))
    else:
        printing.table(
            ["where", "step", "result", "ms", "said", "what to do"],
            [
                (s.where, s.step, s.result, "" if s.ms is None else f"{s.ms:.1f}", s.said, s.todo)
                for s in done.steps
            ],
        )
    printing.verdict(done.verdict)
    for one in done.left_behind:
        printing.verdict(f"left behind at its server: {one}, marked TEST")
    printing.verdict(
        f"{printing.count(done.wrong, 'step')} wrong" if done.wrong else "no step went wrong"
    )
    if done.wrong:
        raise typer.Exit(ExitCode.REFUSED)
