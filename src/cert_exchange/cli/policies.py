"""Commands about sharing policies: check, apply, explain, what is withheld."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode, report
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator
from cert_exchange.errors import InputRefused, NotFound, PolicyInvalid

if TYPE_CHECKING:
    from cert_exchange.node import Node

app = typer.Typer(help="Who may see what, and why.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="Policy files (YAML).")]
PartnerName = Annotated[str, typer.Argument(metavar="PARTNER", help="The partner's name.")]


@app.command()
def check(files: Files, *, home: Home = None) -> None:
    """Look for mistakes in policy files, all at once with line and column, and for what may not be meant.

    Nothing is changed. Exit code 1 when a file has a mistake; warnings alone do not count.
    """
    from cert_exchange.services import policies

    wrong = 0
    with opened(home) as node:
        for file in files:
            try:
                checked = policies.check(node, _read(file), file=str(file))
            except PolicyInvalid as error:
                wrong += 1
                for problem in error.problems:
                    printing.result(str(problem))
                continue
            for warning in checked.warnings:
                printing.result(f"{warning} (warning)")
            printing.verdict(f"{file}: can be applied")
    if wrong:
        printing.verdict(f"{printing.count(wrong, 'file')} with mistakes")
        raise typer.Exit(ExitCode.REFUSED)


@app.command()
def apply(files: Files, *, reason: Reason, as_json: AsJson = False, home: Home = None) -> None:
    """Bring policies into force. All are checked before the first is applied.

    When it ends, no request gets an object any more that the new version withholds, and what it allows is visible.
    """
    from cert_exchange.services import policies

    with opened(home) as node:
        texts = {file: _read(file) for file in files}
        wrong = [error for file, text in texts.items() if (error := _mistakes(node, file, text))]
        if wrong:
            for error in wrong:
                report(error)
            raise typer.Exit(ExitCode.REFUSED)
        done = []
        for file, text in texts.items():
            with printing.progress(f"applying {file.name}") as progress:
                done.append(
                    policies.apply(
                        node,
                        text,
                        file=str(file),
                        author=operator(),
                        reason=reason,
                        progress=progress,
                    )
                )
    if as_json:
        printing.document([asdict(applied) for applied in done])
    for applied in done:
        change = "in force" if applied.changed else "was in force already"
        printing.verdict(
            f"{applied.name}: version {applied.version} {change};"
            f" {printing.count(applied.lost, 'object')} taken back, {applied.gained:,} released"
        )


@app.command()
def explain(
    stix_id: Annotated[str, typer.Argument(metavar="ID", help="The object's STIX id.")],
    partner: PartnerName,
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say why a partner sees an object or not: every version, every rule, and what it waits for."""
    from cert_exchange.services import policies

    with opened(home) as node:
        told = policies.explain(node, stix_id, partner=partner)
    if as_json:
        printing.document(asdict(told))
        return
    printing.result(f"{told.stix_id} before {told.partner} (policy {told.policy or 'none'})")
    if told.remark:
        printing.result(f"  {told.remark}")
    for version in told.versions:
        since = f" since {version.since}" if version.since else ""
        printing.result(
            f"  version {version.version} in {version.collection}: {version.answer}{since}"
        )
        printing.result(f"    by {version.rule}{': ' if version.reason else ''}{version.reason}")
        for target in version.waits_for:
            printing.result(f"    waits for {target}")
        for name, verb, matched, why in version.rules:
            printing.result(
                f"    {'*' if matched else '-'} {verb} {name}{': ' if why else ''}{why}"
            )


@app.command()
def withheld(partner: PartnerName, *, as_json: AsJson = False, home: Home = None) -> None:
    """Rank what is withheld from a partner by the rule that withholds it, with an example of each."""
    from cert_exchange.services import policies

    with opened(home) as node, printing.progress("asking the policy") as progress:
        found = policies.withheld(node, partner=partner, progress=progress)
    if as_json:
        printing.document([asdict(row) for row in found])
        return
    printing.table(
        ["versions", "answer", "rule", "reason", "example"],
        [(row.versions, row.answer, row.rule, row.reason, row.example) for row in found],
        empty="nothing is withheld",
    )


def _mistakes(node: Node, file: Path, text: str) -> PolicyInvalid | None:
    from cert_exchange.services import policies

    try:
        policies.check(node, text, file=str(file))
    except PolicyInvalid as error:
        return error
    return None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {file}.") from error
    except UnicodeDecodeError as error:
        raise InputRefused(f"The file {file} is not UTF-8.") from error
    except OSError as error:
        raise InputRefused(f"The file {file} cannot be read: {error.strerror}.") from error
