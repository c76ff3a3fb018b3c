"""Commands that stop what goes out, to some or to everyone, and let it go on: freeze, unfreeze, frozen."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from cert_exchange.services.freezing import Frozen

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help="Audiences, policies or partners."),
]
Everyone = Annotated[bool, typer.Option("--all", help="Everyone, in place of names.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (freeze, unfreeze, frozen):
        app.command()(command)


def freeze(
    names: Names = None,
    *,
    everyone: Everyone = False,
    reason: Reason,
    home: Home = None,
) -> None:
    """Stop what goes out: their polls answer 503, nothing is pushed to them, `export` writes no file for them.

    Receiving goes on, and nothing is lost. What our own people export with --own-use does not go out: it is written.
    """
    from cert_exchange.services import freezing

    with opened(home) as node:
        _check_names(names, everyone=everyone)
        done = (
            freezing.freeze_everyone(node, by=operator(), reason=reason)
            if everyone
            else freezing.freeze(node, *(names or ()), by=operator(), reason=reason)
        )
    _print_frozen(done, "frozen", "was frozen already")


def unfreeze(
    names: Names = None,
    *,
    everyone: Everyone = False,
    reason: Reason,
    home: Home = None,
) -> None:
    """Lift a freeze: what became visible meanwhile is there now. A freeze of everyone is lifted with --all.

    --all lifts the freeze of everyone, not those of single audiences. Exit code 1 when somebody of whom it was asked is
    still frozen.
    """
    from cert_exchange.services import freezing

    with opened(home) as node:
        _check_names(names, everyone=everyone)
        done = freezing.unfreeze(node, *(names or ()), by=operator(), reason=reason)
        left = freezing.frozen(node)
    _print_frozen(done, "goes out again", "was not frozen")
    if left:
        still = ", ".join(one.audience or "everyone" for one in left)
        printing.verdict(f"still frozen: {still}")
    if left and (everyone or None in [one.audience for one in left]):
        names_left = [one.audience for one in left if one.audience is not None]
        asked = "--all" if len(names_left) < len(left) else " ".join(names_left)
        printing.verdict(f"next: cert-exchange unfreeze {asked} --reason ...")
        raise typer.Exit(ExitCode.REFUSED)


def frozen(*, as_json: AsJson = False, home: Home = None) -> None:
    """List what is frozen: whose outbound, since when, by whom and why."""
    from cert_exchange.services import freezing

    with opened(home) as node:
        found = freezing.frozen(node)
    if as_json:
        printing.document(
            [asdict(one) | {"frozen_at": printing.instant(one.frozen_at)} for one in found]
        )
        return
    printing.table(
        ["audience", "since", "by", "reason"],
        [
            (
                one.audience or "everyone",
                printing.instant(one.frozen_at),
                one.frozen_by,
                one.reason,
            )
            for one in found
        ],
    )


def _check_names(names: list[str] | None, *, everyone: bool) -> None:
    if bool(names) == everyone:
        raise ConfigurationInvalid("Whom? Give names of audiences, policies or partners, or --all.")


def _print_frozen(done: Frozen, changed: str, unchanged: str) -> None:
    for name in done.changed:
        printing.verdict(f"{name}: {changed}")
    for name in done.unchanged:
        printing.verdict(f"{name}: {unchanged}")
