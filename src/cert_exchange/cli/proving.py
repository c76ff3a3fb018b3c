"""The command that shows one line of the ledger to somebody else: `ledger prove`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.files import new_text
from cert_exchange.cli.options import Home, opened


def register(app: typer.Typer) -> None:
    """Add this command to those about the ledger."""
    app.command()(prove)


def prove(
    line: Annotated[
        int,
        typer.Argument(metavar="LINE", help="Its number, as `ledger disclosed` shows it.", min=1),
    ],
    file: Annotated[Path, typer.Argument(help="The file to write; it may not be there yet.")],
    *,
    home: Home = None,
) -> None:
    """Write one line with the proof that it stands in our ledger: `deploy/ledger-verifier/verify_ledger.py` checks it.

    The file tells that line as it is, and nothing of any other. A head is signed now, so that every line can be proved.
    """
    from cert_exchange.services.ledger import proving

    with opened(home) as node:
        proof = proving.prove(node, line)
    with new_text(file) as stream:
        stream.write(json.dumps(proof, ensure_ascii=False, indent=1) + "\n")
    printing.verdict(f"line {line:,} and its proof written to {file}")
    printing.verdict("next: verify_ledger.py FILE --key KEY, with the key from `ledger key`")
