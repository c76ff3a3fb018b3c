"""The command that answers why a partner's object is, or is not, here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, opened


def register(sync_app: typer.Typer) -> None:
    """Add the command where a person looks for it."""
    sync_app.command("explain")(explain)


def explain(
    stix_id: Annotated[str, typer.Argument(metavar="ID", help="The object's STIX id.")],
    *,
    partner: Annotated[str, typer.Option("--from", help="The partner whose object it is.")],
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the partner's server whether it is there.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Tell what became of a partner's object: seen when, decided how, by which rule; also where it never arrived."""
    from cert_exchange.services import arriving

    with opened(home) as node:
        found = arriving.explain(node, partner, stix_id, ask=not offline)
    if as_json:
        printing.document(
            asdict(found)
            | {
                "steps": [
                    asdict(one) | {"at": printing.instant(one.at) or None} for one in found.steps
                ]
            }
        )
        return
    printing.table(
        ["seen at", "where", "version", "decision", "rule", "reason"],
        [
            (printing.instant(one.at), one.where, one.version, one.decision, one.rule, one.reason)
            for one in found.steps
        ],
        empty="nothing is known of it here",
    )
    printing.verdict(found.verdict)
    printing.verdict(f"next: {found.step}")
