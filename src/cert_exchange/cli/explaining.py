"""Commands that say why: one object and partner, and what is withheld."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, opened

PartnerName = Annotated[str, typer.Argument(metavar="PARTNER", help="The partner's name.")]


def register(app: typer.Typer) -> None:
    """Add these commands to `policy`."""
    for command in (explain, withheld):
        app.command()(command)


def explain(
    stix_id: Annotated[str, typer.Argument(metavar="ID", help="The object's STIX id.")],
    partner: PartnerName,
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say why a partner sees an object or not.

    For every version: the answer, each rule with why it matched or not, and what it waits for.
    """
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


def withheld(partner: PartnerName, *, as_json: AsJson = False, home: Home = None) -> None:
    """Rank what is withheld from a partner by the rule that does it.

    With an example of each, which `policy explain` tells more about.
    """
    from cert_exchange.services import policies

    with opened(home) as node, printing.progress("asking the policy") as progress:
        found = policies.withheld(node, partner=partner, progress=progress)
    if as_json:
        printing.document([asdict(row) for row in found])
        return
    printing.table(
        ["collection", "versions", "answer", "rule", "reason", "example"],
        [
            (row.collection, row.versions, row.answer, row.rule, row.reason, row.example)
            for row in found
        ],
        empty="nothing is withheld",
    )
