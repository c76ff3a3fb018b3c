"""Commands for what our own desk does with an object, whoever made it: not share it on, not detect by it."""

from __future__ import annotations

from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator, original_of
from cert_exchange.errors import ConfigurationInvalid

app = typer.Typer(
    help="What our own desk does with an object, whoever made it. It never changes the object.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The object's STIX id, or a derivative's.")]
NoShare = Annotated[
    bool, typer.Option("--no-share", help="Do not share it on with anybody, whatever policies say.")
]
NoDetect = Annotated[
    bool, typer.Option("--no-detect", help="Leave it out of what is written for our own detection.")
]


@app.command("set")
def set_(
    stix_id: Id,
    *,
    no_share: NoShare = False,
    no_detect: NoDetect = False,
    reason: Reason,
    home: Home = None,
) -> None:
    """Set an override beside an object. Later versions of it are under the same one."""
    _change(
        stix_id, no_share=no_share, no_detect=no_detect, reason=reason, lifting=False, home=home
    )


@app.command()
def remove(
    stix_id: Id,
    *,
    no_share: NoShare = False,
    no_detect: NoDetect = False,
    reason: Reason,
    home: Home = None,
) -> None:
    """Take an override away again. What policies allow goes out again."""
    _change(stix_id, no_share=no_share, no_detect=no_detect, reason=reason, lifting=True, home=home)


@app.command("list")
def list_(*, as_json: AsJson = False, home: Home = None) -> None:
    """List every override, the newest first, with its reason."""
    from cert_exchange.services import overriding

    with opened(home) as node:
        found = overriding.overrides(node)
    if as_json:
        printing.document(
            [
                {
                    "id": one.stix_id,
                    "override": one.kind,
                    "reason": one.reason,
                    "set_at": printing.instant(one.set_at),
                    "set_by": one.set_by,
                }
                for one in found
            ]
        )
        return
    printing.table(
        ["id", "override", "reason", "set at", "by"],
        [
            (one.stix_id, one.kind, one.reason, printing.instant(one.set_at), one.set_by)
            for one in found
        ],
        empty="there is no override",
    )


def _change(
    stix_id: str, *, no_share: bool, no_detect: bool, reason: str, lifting: bool, home: Home
) -> None:
    from cert_exchange.services import overriding

    if not (no_share or no_detect):
        raise ConfigurationInvalid("Which? Give --no-share, --no-detect or both.")
    with opened(home) as node:
        stix_id = original_of(node, stix_id)
        for kind, wanted in zip(overriding.KINDS, (no_share, no_detect), strict=True):
            if not wanted:
                continue
            if lifting:
                done = overriding.lift(node, stix_id, kind, by=operator(), reason=reason)
            else:
                done = overriding.override(node, stix_id, kind, by=operator(), reason=reason)
            verb = "lifted" if lifting else "set"
            printing.verdict(f"{stix_id}: {kind} {verb}; {printing.written(len(done.lines))}")
