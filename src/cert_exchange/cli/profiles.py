"""Commands for profiles of tables: see what the columns of a file are taken for, and keep it under a name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, opened

if TYPE_CHECKING:
    from cert_exchange.services.table_profiles import Layout

app = typer.Typer(
    help="How the columns of CSV, TSV and lists are read, kept as profiles for `publish --profile`.",
    no_args_is_help=True,
)

_WHY: Final = {"ignore": "its header is not known", "description": "words beside the values"}
Table = Annotated[Path, typer.Argument(metavar="FILE", help="A table or a list, also gzip.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits, dots, dashes.")]


@app.command("list")
def list_(*, as_json: AsJson = False, home: Home = None) -> None:
    """List the profiles of this node, and what is wrong with any."""
    from cert_exchange.services import table_profiles

    with opened(home) as node:
        kept = table_profiles.listed(node)
    rows = [
        (
            one.name,
            len(one.profile.columns) if one.profile else 0,
            str(one.file),
            one.wrong.replace("\n", "; "),
        )
        for one in kept
    ]
    if as_json:
        names = ("name", "columns", "file", "wrong")
        printing.document([dict(zip(names, row, strict=True)) for row in rows])
        return
    printing.table(("name", "columns", "file", "wrong"), rows, empty="no profile yet")


@app.command()
def show(name: Name, *, home: Home = None) -> None:
    """Print a profile; a file of one may be named, too, and is checked so."""
    from cert_exchange.services import table_profiles

    with opened(home) as node:
        profile = table_profiles.load(node, name)
    printing.result(table_profiles.as_text(profile).removesuffix("\n"))


@app.command()
def columns(
    file: Table,
    *,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Read it by this profile.")
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say what the columns of a file are taken for, with samples, and store nothing."""
    from cert_exchange.services import table_profiles

    with opened(home) as node:
        said = table_profiles.load(node, profile) if profile is not None else None
        layout = table_profiles.tell(_head(file), profile=said)
    if as_json:
        printing.document(
            [
                {
                    "column": column.place + 1,
                    "name": column.name,
                    "holds": str(column.holds),
                    "stated": column.stated,
                    "samples": list(column.samples),
                }
                for column in layout.columns
            ]
        )
        return
    _print(file, layout)


@app.command()
def make(
    name: Name,
    file: Table,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where a profile of this name says otherwise.")
    ] = False,
    home: Home = None,
) -> None:
    """Keep what the columns of a file are taken for, so that the next file of its source is read the same way."""
    from cert_exchange.services import table_profiles

    with opened(home) as node:
        layout = table_profiles.tell(_head(file))
        kept = table_profiles.from_layout(layout, name)
        where = table_profiles.keep(node, kept, replace=replace)
    _print(file, layout)
    printing.verdict(
        f"kept as {where}: look at what each column holds, change what is wrong, then"
        f" `publish FILE --profile {name}`"
    )


def _print(file: Path, layout: Layout) -> None:
    rows = [
        (
            column.place + 1,
            column.name,
            str(column.holds),
            column.aside
            or ("" if column.stated else _WHY.get(str(column.holds), "told by its look")),
            ", ".join(column.samples),
        )
        for column in layout.columns
    ]
    printing.table(("column", "name", "holds", "why to look", "samples"), rows)
    sign = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}.get(layout.delimiter)
    header = f"a header in line {layout.header_line}" if layout.header_line else "no header"
    shape = f"{header}, cut at {sign}" if sign else "one value a line"
    printing.verdict(f"{file}: {shape}, {layout.encoding.name}")
    for guess in layout.guessed:
        printing.verdict(f"a guess: {guess}")


def _head(file: Path) -> bytes:
    from cert_exchange.services.table_profiles import HEAD
    from cert_exchange.services.taking.sources import Source

    return Source(str(file), lambda: file.open("rb")).head(HEAD)
