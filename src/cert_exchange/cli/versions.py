"""Commands about a policy's versions: history, show, diff, restore, and whether the files say what is in force."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator
from cert_exchange.errors import NotFound

Name = Annotated[str, typer.Argument(metavar="NAME", help="The policy's name.")]
Confirm = Annotated[
    int | None,
    typer.Option(
        "--confirm",
        min=0,
        metavar="N",
        help="How many objects will newly be visible or shown more of, as `policy preview` of the same files said.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to `policy`."""
    app.command()(history)
    app.command()(show)
    app.command()(diff)
    app.command()(restore)
    app.command()(drift)


def history(name: Name, *, as_json: AsJson = False, home: Home = None) -> None:
    """List all versions of a policy, the newest first: when, by whom, why, and how many lines changed.

    The lines of the files that it names count as well.
    """
    from cert_exchange.services import policies

    with opened(home) as node:
        found = policies.history(node, name)
    if as_json:
        printing.document(
            [
                asdict(one)
                | {
                    "applied_at": printing.instant(one.applied_at),
                    "replaced_at": printing.instant(one.replaced_at),
                }
                for one in found
            ]
        )
        return
    printing.table(
        ["version", "applied", "replaced", "author", "lines", "reason"],
        [
            (
                str(one.version),
                printing.instant(one.applied_at),
                printing.instant(one.replaced_at) or "in force",
                one.author,
                f"+{one.added} -{one.removed}",
                one.reason,
            )
            for one in found
        ],
    )


def show(
    name: Name,
    version: Annotated[
        int | None,
        typer.Argument(metavar="VERSION", help="A version; the one in force if not given."),
    ] = None,
    *,
    home: Home = None,
) -> None:
    """Print the text of a policy version, as it was applied."""
    from cert_exchange.services import policies

    with opened(home) as node:
        text = policies.text_of(node, name, version)
    printing.result(text.removesuffix("\n"))


def diff(
    name: Name,
    old: Annotated[
        int | None,
        typer.Argument(metavar="V1", help="A version; the one before the newest if not given."),
    ] = None,
    new: Annotated[
        int | None, typer.Argument(metavar="V2", help="Another; the newest if not given.")
    ] = None,
    *,
    home: Home = None,
) -> None:
    """Show which lines differ between two versions of a policy and of the files that it names."""
    from cert_exchange.services import policies

    with opened(home) as node:
        lines = policies.difference(node, name, old, new)
    for line in lines:
        printing.result(line)
    if not lines:
        printing.verdict("the two versions say the same")


def restore(
    name: Name,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version to go back to.")],
    *,
    reason: Reason,
    confirm: Confirm = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Bring an earlier version of a policy into force again, as a new version.

    With the files that it named as they were then. The file in your folder stays as it is: `policy show NAME` prints
    the text to put there.
    """
    from cert_exchange.services import policies

    with opened(home) as node, printing.progress(f"restoring {name}") as progress:
        done = policies.restore(
            node,
            name,
            version,
            author=operator(),
            reason=reason,
            widening=node.settings.policy_widening,
            confirmed=confirm,
            progress=progress,
        )
    if as_json:
        printing.document(asdict(done))
    change = f"in force with the text of version {version}" if done.changed else "is this text"
    printing.verdict(
        f"{done.name}: version {done.version} {change};"
        f" {printing.count(done.lost, 'object')} taken back, {done.gained:,} released"
    )


def drift(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Policy files; the node's own folder if not given."),
    ] = None,
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Compare the policy files with what is in force. Exit code 1 when one says something else."""
    from cert_exchange.services import policies

    with opened(home) as node:
        place = folder or node.settings.path(node.settings.policies_directory)
        if not place.is_dir():
            raise NotFound(f"There is no folder {place}; name the one with your policy files.")
        found = policies.drift(node, place)
    if as_json:
        printing.document([asdict(one) for one in found])
    else:
        printing.table(
            ["policy", "version", "file", "state", "remark"],
            [
                (one.policy, "" if one.version is None else str(one.version), one.file, one.state, one.remark)
                for one in found
            ],
            empty="there is no policy and no file",
        )  # fmt: skip
    drifted = [one for one in found if one.state != "same"]
    if drifted:
        printing.verdict(
            f"{printing.count(len(drifted), 'policy') if len(drifted) == 1 else f'{len(drifted)} policies'}"
            " drifted; see `policy diff`, `policy preview FILE` and `policy show NAME`"
        )
        raise typer.Exit(ExitCode.REFUSED)
    printing.verdict("every file is what is in force")
