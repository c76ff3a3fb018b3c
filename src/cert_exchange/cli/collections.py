"""Commands about collections: what there is, and loading their files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, opened, operator

app = typer.Typer(help="TAXII collections, declared by files.", no_args_is_help=True)


@app.command("list")
def list_(*, as_json: AsJson = False, home: Home = None) -> None:
    """List the collections with what they hold, in object versions."""
    from cert_exchange.services import holdings

    with opened(home) as node:
        found = holdings.status(node).collections
    if as_json:
        printing.document([asdict(row) for row in found])
        return
    printing.table(
        ["collection", "id", "title", "published", "received"],
        [(c.collection, c.uuid, c.title, c.own, c.received) for c in found],
        empty="none: put a file into collections/ and run `cert-exchange collection load`",
    )


@app.command()
def load(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder with the files; the node's collections/ if not given."),
    ] = None,
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Read the collection files and bring them into force.

    New ones are added, changed ones take effect, and whose file is gone is closed to everybody. Nothing is deleted.
    """
    from cert_exchange.services import collections

    with opened(home) as node:
        loaded = collections.load_collections(node, folder, by=operator())
    if as_json:
        printing.document(asdict(loaded))
    else:
        for change, names in asdict(loaded).items():
            for name in names:
                printing.result(f"{name}\t{change}")
    printing.verdict("loaded" if loaded.anything else "nothing has changed")
