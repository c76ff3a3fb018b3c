"""Commands about the ledger, the proof of what was disclosed to whom and when."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, opened

app = typer.Typer(help="The proof of what was disclosed to whom and when.", no_args_is_help=True)


@app.callback()
def _ledger() -> None:
    pass


@app.command()
def verify(*, as_json: AsJson = False, home: Home = None) -> None:
    """Check the chain from its first to its last line and the release logs against it. Exit code 5 when it breaks."""
    from cert_exchange.services import ledger

    with opened(home) as node, printing.progress("verifying") as progress:
        found = ledger.verify(node, progress=progress)
    facts = asdict(found)
    if as_json:
        printing.document(facts)
    else:
        printing.facts(facts)
    printing.verdict("the ledger verifies")
