"""Commands for the way in: what is looked for in whatever comes, what is held for it, and a person's answer."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.files import read_text
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cert_exchange.services.screening import Answered

app = typer.Typer(
    help="What is held at the way in, before any policy is asked.", no_args_is_help=True
)

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="The file of the way in, such as policies/intake.yaml."),
]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID...", help="STIX ids of objects that are held.")
]
Found = Annotated[
    str | None,
    typer.Option(
        "--found", help='Only where this was found, as `intake list` spells it: "listed keep-out".'
    ),
]


class Shown(StrEnum):
    """Which are listed."""

    HELD = "held"
    REFUSED = "refused"
    LET_IN = "let in"


@app.command()
def check(file: File, *, home: Home = None) -> None:
    """Look for mistakes in the file of the way in, and change nothing."""
    from cert_exchange.services import screening

    with opened(home) as node:
        screening.check(node, read_text(file), file=str(file), folder=file.parent)
    printing.verdict(f"{file} can be applied")


@app.command()
def apply(file: File, *, reason: Reason, home: Home = None) -> None:
    """Look from now on for what this file names, in whatever comes in. What is there already is not held by it."""
    from cert_exchange.services import screening

    with opened(home) as node:
        found = screening.check(node, read_text(file), file=str(file), folder=file.parent)
        version = screening.apply(node, found, by=operator(), reason=reason)
    printing.verdict(f"the way in: version {version} in force")


@app.command()
def off(*, reason: Reason, home: Home = None) -> None:
    """Look for nothing any more. What is held stays held."""
    from cert_exchange.services import screening

    with opened(home) as node:
        screening.lift(node, by=operator(), reason=reason)
    printing.verdict("nothing is looked for at the way in any more")


@app.command()
def show(*, home: Home = None) -> None:
    """Print the text that is in force, as it was applied."""
    from cert_exchange.services import screening

    with opened(home) as node:
        found = screening.in_force(node)
    if found is None:
        printing.verdict("nothing is looked for at the way in")
        return
    printing.result(found.text.removesuffix("\n"))
    printing.verdict(
        f"version {found.version}, since {printing.instant(found.applied_at)}, by {found.author}:"
        f" {found.reason}"
    )


@app.command("list")
def list_(
    *,
    state: Annotated[
        Shown, typer.Option("--state", help="What was held and is in this state.")
    ] = Shown.HELD,
    found: Found = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List what is held at the way in, what was found in it, and since when; the oldest first."""
    from cert_exchange.services import screening

    with opened(home) as node:
        kept = screening.list_kept(node, state=screening.State(state.value), what=found)
    if as_json:
        printing.document(
            [
                {key: value for key, value in asdict(one).items() if key not in ("object", "ident")}
                | {
                    "held_at": printing.instant(one.held_at),
                    "ended_at": printing.instant(one.ended_at) or None,
                }
                for one in kept
            ]
        )
        return
    printing.table(
        ["id", "version", "from", "found", "since", "reason", "answer"],
        [
            (
                one.stix_id,
                one.version,
                one.origin,
                one.what,
                printing.instant(one.held_at),
                one.said,
                f"{one.ended_by}: {one.remark}" if one.ended_by is not None else "",
            )
            for one in kept
        ],
    )


@app.command()
def release(
    stix_ids: Ids = None,
    *,
    found: Found = None,
    reason: Reason,
    home: Home = None,
) -> None:
    """Let objects in: these, or all that are held for one finding. From then on policy decides on them.

    Later versions of an object come in without a question as long as nothing else is found in them. With an indicator come
    the observables that `publish` made beside it and that are held for the same.
    """
    from cert_exchange.services import screening

    done = _answered(screening.let_in, stix_ids, found, reason, home)
    _tell_beside(done, "let in")
    printing.verdict(
        f"{printing.count(done.versions, 'version')} let in, {done.released:,} released"
    )


@app.command()
def refuse(
    stix_ids: Ids = None,
    *,
    found: Found = None,
    reason: Reason,
    home: Home = None,
) -> None:
    """Keep objects out for good: they stay stored and go to nobody. `intake release ID` lets one in after all.

    With an indicator go the observables that `publish` made beside it and that are held for the same.
    """
    from cert_exchange.services import screening

    done = _answered(screening.refuse, stix_ids, found, reason, home)
    _tell_beside(done, "refused")
    printing.verdict(f"{printing.count(done.versions, 'version')} refused")


def _answered(
    answer: Callable[..., Answered],
    stix_ids: list[str] | None,
    found: str | None,
    reason: str,
    home: Path | None,
) -> Answered:
    if bool(stix_ids) == (found is not None):
        raise ConfigurationInvalid("What? Give ids, or --found to mean all that are held for it.")
    with opened(home) as node:
        return answer(node, stix_ids or (), what=found, by=operator(), reason=reason)


def _tell_beside(done: Answered, word: str) -> None:
    for stix_id in done.beside:
        printing.verdict(f"{word} with its indicator, held for the same: {stix_id}")
    for one in done.left:
        printing.verdict(f"still {one.state.value}: {one.stix_id}, {one.what}: {one.said}")
