"""The options that say what goes into an output, for feeds and for `export`, and how what is left out is shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.files import whole, writing_to

if TYPE_CHECKING:
    from cert_exchange.services.feeding import Choice, Output

FORMATS: Final = "csv, csv-people, list, stix, misp, rpz, suricata, sigma or yara"
_IDS: Final = 3

Format = Annotated[
    str,
    typer.Option(
        "--format",
        help=f"{FORMATS}. csv is exact, for machines; in csv-people no cell runs as a formula.",
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="Only these kinds of values, such as domain; may be repeated."),
]
Use = Annotated[
    str | None,
    typer.Option(
        "--use",
        help="What is done with it: block, monitor or logs. What its PAP or IEP does not permit for that stays out.",
    ),
]
Level = Annotated[
    str | None,
    typer.Option("--tlp", help="The highest level that goes in. Without it amber+strict."),
]
Purposes = Annotated[
    list[str] | None,
    typer.Option(
        "--purpose",
        help="What it is for: what its terms bind to this purpose goes in too; may be repeated.",
    ),
]
Origins = Annotated[
    list[str] | None,
    typer.Option("--from", help="'own' or a partner's name; may be repeated."),
]
Collections = Annotated[
    list[str] | None,
    typer.Option("--collection", help="Alias or UUID; may be repeated."),
]
Confidence = Annotated[
    int | None,
    typer.Option(
        "--confidence", min=0, max=100, help="The least confidence; what says none stays out."
    ),
]
Simple = Annotated[
    bool,
    typer.Option("--simple", help="Only patterns of one comparison, for tools that know no more."),
]
Subdomains = Annotated[
    bool, typer.Option("--subdomains", help="In a zone, a name's subdomains as well.")
]

Doubtful = Annotated[
    bool,
    typer.Option(
        "--doubtful",
        help="Where it blocks: also what partners sent and our own warnings would hold (own, benign, private, too broad, listed).",
    ),
]


def chosen(
    form: str,
    *,
    kinds: list[str] | None,
    use: str | None,
    tlp: str | None,
    purposes: list[str] | None,
    simple: bool,
    subdomains: bool,
    doubtful: bool = False,
    origins: list[str] | None = None,
    collections: list[str] | None = None,
    confidence: int | None = None,
) -> Choice:
    """What was typed, as a choice. Raises InputRefused with the words that there are."""
    from cert_exchange.services import feeding

    return feeding.read_choice(
        form, kinds=kinds or (), use=use, tlp=tlp, purposes=purposes or (), origins=origins or (),
        collections=collections or (), least_confidence=confidence, simple=simple, subdomains=subdomains,
        doubtful=doubtful,
    )  # fmt: skip


def tell_left_out(left_out: Mapping[str, list[str]], *, every_id: bool = False) -> None:
    """What is not in an output, a row for each reason with some ids; all ids where they are asked for."""
    from cert_exchange.services import feeding

    rows = list(feeding.reasons_of(left_out))
    if every_id:
        printing.table(
            ["id", "reason"],
            [(one, reason) for reason, _, ids in rows for one in ids],
            title="left out",
        )
    elif rows:
        printing.table(
            ["left out", "reason", "such as"],
            [(count, reason, ", ".join(ids[:_IDS])) for reason, count, ids in rows],
        )


def write(output: Output, file: Path) -> None:
    """Write an output where a person says; a table of what is left out goes to the terminal only beside a file."""
    from cert_exchange.services import feeding

    body = output.files[feeding.MAIN]
    left = sum(map(len, output.left_out.values()))
    if str(file) == "-":
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    else:
        with writing_to(file), whole(file) as out:
            out.write(body)
        tell_left_out(output.left_out)
    entries = f"{output.held:,} {'entry' if output.held == 1 else 'entries'}"
    strictest = f", the strictest {level(output)}" if output.tlp else ""
    printing.verdict(
        f"{entries} written to {file}{strictest}; {printing.count(left, 'object')} left out"
    )


def level(output: Output) -> str:
    """The strictest level of an output, as people write it."""
    return f"TLP:{output.tlp.upper()}" if output.tlp else ""


def document(left_out: Mapping[str, list[str]]) -> list[dict[str, object]]:
    """The same in JSON, with every id."""
    from cert_exchange.services import feeding

    return [
        {"reason": reason, "count": count, "ids": ids}
        for reason, count, ids in feeding.reasons_of(left_out)
    ]
