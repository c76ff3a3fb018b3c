"""The command that pulls and pushes at once, and what it tells of each run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, opened

if TYPE_CHECKING:
    from cert_exchange.services.syncing import RunReport

sync_app = typer.Typer(help="Pull and push now.", no_args_is_help=True)


@sync_app.command("now")
def now(
    name: Annotated[
        str | None, typer.Argument(help="One source or target; all if not given.")
    ] = None,
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Pull and push at once, also what is not due yet. Exit code 4 when one failed, 1 when objects were refused."""
    from cert_exchange.services import syncing

    with opened(home) as node, printing.progress("exchanging") as progress:
        reports = syncing.sync_once(node, only=name, progress=progress)
    if as_json:
        printing.document([_report_document(report) for report in reports])
    else:
        printing.table(
            ["name", "does", "partner", "run", "objects", "outcome"],
            [(r.name, r.direction, r.partner, r.id, _fates(r), r.outcome) for r in reports],
            empty="there is no source or target",
        )
        refused = [
            (r.name, one.stix_id, one.version, one.reason) for r in reports for one in r.refusals
        ]
        if refused:
            printing.table(["name", "id", "version", "refused because"], refused)
    for report in reports:
        for note in report.notes:
            printing.verdict(f"{report.name}: {note}")
    suspended = sum(1 for report in reports if report.suspended)
    failed = sum(1 for report in reports if not report.ok) - suspended
    left_out = f", {suspended} left out: the partner is suspended by us" if suspended else ""
    printing.verdict(f"{printing.count(len(reports), 'run')}, {failed} failed{left_out}")
    if failed:
        raise typer.Exit(ExitCode.TEMPORARY)
    if any(report.refusals for report in reports):
        raise typer.Exit(ExitCode.REFUSED)


def _fates(report: RunReport) -> str:
    """`3 new, 470 unchanged, 4 failed`: each thing by its own number, those that are none left out."""
    return ", ".join(f"{number:,} {name}" for name, number in report.fates.items() if number)


def _report_document(report: RunReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "direction": report.direction,
        "partner": report.partner,
        "ok": report.ok,
        "suspended": report.suspended,
        "outcome": report.outcome,
        "run": report.id,
        "objects": report.fates,
        "counts": dict(report.counts),
        "refusals": [asdict(one) for one in report.refusals],
        "notes": list(report.notes),
        "next_attempt_at": printing.instant(report.next_attempt_at),
    }
