"""The commands for a link that is out: the channel as a file that somebody carries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, opened, operator

if TYPE_CHECKING:
    from cert_exchange.services.carrying import Brought, Looked, Made
    from cert_exchange.services.syncing import RunReport

app = typer.Typer(
    help="The channel by hand, where the link is out: signed, encrypted, numbered files.",
    no_args_is_help=True,
)
_MOST: Final = 100_000
TheFile = Annotated[Path, typer.Argument(help="The file that a partner's `carry out` made.")]


@app.command("out")
def out(
    *,
    to: Annotated[str, typer.Option("--to", help="The partner.")],
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="Where it goes; a new file carried-to-PARTNER-N.cxc here if not given."
        ),
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", help="Only this collection; may be given more than once."),
    ] = None,
    again_from: Annotated[
        int | None,
        typer.Option("--from", min=1, help="Once more all from our file of this number on."),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Everything, for a partner that lost its store.")
    ] = False,
    most: Annotated[
        int,
        typer.Option("--most", min=1, max=_MOST, help="About so many objects; more in the next."),
    ] = _MOST,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway", help="Also with nothing to carry: a partner that was restored asks for it."
        ),
    ] = False,
    form: Annotated[
        int,
        typer.Option("--format", min=1, help="The format, for a partner with an older version."),
    ] = 1,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Make the next file for a partner: what it would poll now, our signatures, and our receipts for its own.

    What is in it counts as disclosed from now on. Nobody but the partner opens it. Exit code 0 also where there is nothing
    to carry, and then there is no file.
    """
    from cert_exchange.services import carrying

    if again_from is not None and whole:
        raise typer.BadParameter("--whole holds all that --from would")
    with opened(home) as node:
        path = file or Path(f"carried-to-{to}-{carrying.next_number(node, to)}.cxc")
        wanted = carrying.Wanted(tuple(collection or ()), again_from, whole, most, anyway, form)
        made = carrying.take_out(node, to, path, wanted, by=operator())
    if as_json:
        printing.document(None if made is None else _made(made))
    elif made is not None:
        printing.facts(_made(made))
    if made is None:
        printing.verdict(
            f"nothing to carry: {to} has all, as far as our files and its receipts say"
        )
        return
    for note in made.notes:
        printing.verdict(note)
    if made.left:
        printing.verdict("there is more: run it again for the next file")
    printing.verdict(
        f"{made.path} is file {made.number} for {to}: {printing.count(made.objects, 'object')},"
        f" {printing.count(made.receipts, 'receipt')}; delete it here once it has arrived"
    )


@app.command("in")
def bring_in(
    file: TheFile,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check it, and say what it is.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Take in a partner's file, as a pull would: a second time, and later over the link, nothing of it is new.

    Exit code 1 when objects were refused, 4 when a source could not take in all: bring it in again.
    """
    from cert_exchange.services import carrying

    if dry_run:
        show(file, as_json=as_json, home=home)
        return
    with opened(home) as node, printing.progress("bringing in") as progress:
        brought = carrying.bring_in(node, file, by=operator(), progress=progress)
    if as_json:
        printing.document(_brought(brought))
    else:
        held = brought.looked.contents.collections
        printing.table(
            ["source", "run", "objects", "outcome"],
            [
                (run.name, run.id, _fates(run.fates), "" if run.ok and _news(run) else run.outcome)
                for run in brought.runs
            ],
            empty="no collection of it is taken by a source of ours"
            if held
            else "it holds no objects",
        )
        refused = [
            (run.name, one.stix_id, one.version, one.reason)
            for run in brought.runs
            for one in run.refusals
        ]
        if refused:
            printing.table(["source", "id", "version", "refused because"], refused)
    _tell(brought)
    if not brought.ok:
        raise typer.Exit(ExitCode.TEMPORARY)
    if any(run.refusals for run in brought.runs):
        raise typer.Exit(ExitCode.REFUSED)


def _tell(brought: Brought) -> None:
    looked = brought.looked
    for one in looked.left_out:
        printing.verdict(
            f"left out: {printing.count(one.objects, 'object')} of {one.title or one.uuid}; to take them, `source add` one"
            f" with --remote-collection {one.uuid} (and `source pause` it), then bring this in again, or one of `carry out --whole`"
        )
    for run in brought.runs:
        for note in run.notes:
            printing.verdict(f"{run.name}: {note}")
    for note in brought.notes:
        printing.verdict(note)
    if brought.answered:
        names = ", ".join(map(str, brought.answered))
        printing.verdict(
            f"{looked.partner.name} has our file{'s'[: len(brought.answered) > 1]} {names}"
        )
    again = " (taken in before)" if looked.taken_at is not None else ""
    printing.verdict(
        f"file {looked.carried.number} of {looked.partner.name}{again}: {_total(brought)} of"
        f" {printing.count(looked.carried.objects, 'object')} new here,"
        f" {printing.count(brought.receipts, 'receipt')}"
        + ("" if brought.ok else "; not all of it came in: bring it in again")
    )
    if brought.ok and looked.contents.collections:
        printing.verdict(
            f"our receipts go back with the link, or now with `carry out --to {looked.partner.name}`"
        )


@app.command("show")
def show(file: TheFile, *, as_json: AsJson = False, home: Home = None) -> None:
    """Open and check a file without taking anything in: from whom it is, its number, and what it holds."""
    from cert_exchange.services import carrying

    with opened(home) as node:
        looked = carrying.look(node, file)
    said = _looked(looked)
    if as_json:
        printing.document(said)
        return
    printing.facts({name: value for name, value in said.items() if name != "collections"})
    printing.table(
        ["collection", "title", "objects", "statements", "after", "up to", "source of ours"],
        [tuple(one.values()) for one in said["collections"]],
        empty="it holds no objects",
    )


@app.command("list")
def listing(
    partner: Annotated[str | None, typer.Argument(help="One partner; all if not given.")] = None,
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List the files that were made and brought in, and which of ours are not known to have arrived."""
    from cert_exchange.services import carrying

    with opened(home) as node:
        found = carrying.listing(node, partner=partner)
    rows = [
        {
            "partner": one.partner,
            "way": "out" if one.ours else "in",
            "number": one.number,
            "builds_on": one.base,
            "at": printing.instant(one.at),
            "objects": one.objects,
            "bytes": one.size,
            "receipts": one.receipts,
            "digest": one.digest,
            "arrived": printing.instant(one.answered_at) if one.ours else "",
        }
        for one in found
    ]
    if as_json:
        printing.document(rows)
        return
    printing.table(
        [
            "partner",
            "way",
            "file",
            "after file",
            "made or taken in",
            "objects",
            "bytes",
            "receipts",
            "arrived",
        ],
        [tuple(value for name, value in row.items() if name != "digest") for row in rows],
        empty="no file was made or brought in",
    )
    waiting = sum(1 for one in found if one.ours and one.answered_at is None)
    if waiting:
        printing.verdict(f"{printing.count(waiting, 'file')} of ours not yet known to have arrived")


def _made(made: Made) -> dict[str, Any]:
    return {
        "file": str(made.path),
        "number": made.number,
        "builds_on": made.base,
        "objects": made.objects,
        "receipts": made.receipts,
        "bytes": made.size,
        "collections": {
            name: f"{_from(after)} to {printing.instant(upto)}" for name, after, upto in made.spans
        },
        "more": made.left,
    }


def _brought(brought: Brought) -> dict[str, Any]:
    return {
        "file": _looked(brought.looked),
        "complete": brought.ok,
        "sources": [
            {
                "name": run.name,
                "run": run.id,
                "ok": run.ok,
                "outcome": run.outcome,
                "objects": run.fates,
                "refusals": [[one.stix_id, one.version, one.reason] for one in run.refusals],
                "notes": list(run.notes),
            }
            for run in brought.runs
        ],
        "receipts": brought.receipts,
        "arrived": list(brought.answered),
        "notes": brought.notes,
    }


def _looked(looked: Looked) -> dict[str, Any]:
    carried, sources = looked.carried, {one.uuid: channel.name for one, channel in looked.sources}
    return {
        "from": looked.partner.name,
        "number": carried.number,
        "builds_on": carried.base,
        "made": printing.instant(carried.at),
        "made_with": str(looked.contents.head.get("made_with", "an older version"))[:40],
        "state": looked.standing.value
        + (f" at {printing.instant(looked.taken_at)}" if looked.taken_at is not None else ""),
        "objects": carried.objects,
        "receipts": len(looked.contents.receipts),
        "bytes": looked.contents.size,
        "digest": looked.digest.hex(),
        "collections": [
            {
                "collection": one.alias or one.uuid,
                "title": one.title,
                "objects": one.objects,
                "statements": len(one.statements),
                "after": _from(one.after),
                "upto": printing.instant(one.upto),
                "source": sources.get(one.uuid, ""),
            }
            for one in looked.contents.collections.values()
        ],
    }


def _from(after: int) -> str:
    return printing.instant(after) if after else "the beginning"


def _fates(fates: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in fates.items() if number)


def _total(brought: Brought) -> int:
    return sum(map(_news, brought.runs))


def _news(run: RunReport) -> int:
    return run.fates["new"] + run.fates["updated"]
