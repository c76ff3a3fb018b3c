"""Commands for what partners hold against objects of ours: list it, keep the object, or revoke it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator

if TYPE_CHECKING:
    from cert_exchange.services.reviewing import Left

app = typer.Typer(
    help="Objects of ours that a partner disagrees with, such as false positives.",
    no_args_is_help=True,
)

Ids = Annotated[
    list[str], typer.Argument(metavar="ID...", help="STIX ids of objects that are disputed.")
]


@app.command("list")
def list_(
    *,
    ended: Annotated[
        bool, typer.Option("--ended", help="What was looked at, or taken back, instead.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List what waits for a person: which object, who disagrees and why, since when. It goes to nobody new meanwhile."""
    from cert_exchange.services import reviewing

    state = reviewing.DoubtState
    states = (state.KEPT, state.REVOKED, state.TAKEN_BACK) if ended else (state.OPEN, state.NOTED)
    with opened(home) as node:
        found = reviewing.list_disputed(node, states=states)
    if as_json:
        printing.document(
            [
                asdict(one)
                | {
                    "raised_at": printing.instant(one.raised_at),
                    "ended_at": printing.instant(one.ended_at) or None,
                }
                for one in found
            ]
        )
        return
    printing.table(
        ["id", "about", "partner", "says", "because", "since", "state", "answer"],
        [
            (
                one.stix_id,
                one.name,
                one.partner,
                one.word,
                one.because,
                printing.instant(one.raised_at),
                one.state,
                f"{one.ended_by}: {one.remark}" if one.ended_by is not None else "",
            )
            for one in found
        ],
    )
    if found and not ended:
        printing.verdict(
            "next: `review revoke ID` where the partner is right, `review keep ID` where it is not"
        )


@app.command()
def keep(
    stix_ids: Ids,
    *,
    answer: Annotated[
        str,
        typer.Option(
            "--answer",
            help="What the partners who disagree are told, in a note about the object; nobody else gets it.",
        ),
    ] = "",
    reason: Reason,
    home: Home = None,
) -> None:
    """Keep objects as they are: what was held goes on to whom policy shows it."""
    from cert_exchange.services import reviewing

    with opened(home) as node:
        done = reviewing.keep(node, stix_ids, by=operator(), reason=reason, answer=answer)
    told = f"; {', '.join(done.answered)} told" if done.answered else ""
    printing.verdict(
        f"{printing.count(done.ended, 'dispute')} ended, {done.released:,} released{told}"
    )


@app.command()
def revoke(
    stix_id: Annotated[
        str, typer.Argument(metavar="ID", help="STIX id of an object that is disputed.")
    ],
    *,
    reason: Reason,
    home: Home = None,
) -> None:
    """The partner is right: revoke the object for everyone who has it."""
    from cert_exchange.services import reviewing

    with opened(home) as node:
        done = reviewing.revoke(node, stix_id, by=operator(), reason=reason)
        left = reviewing.still_shared(node, stix_id)
    how = f"withdrawn, since {done.why_withdrawn}" if done.version is None else "revoked"
    printing.verdict(
        f"{how}; shown to {', '.join(done.shown_to) or 'nobody'},"
        f" taken from {', '.join(done.taken_from) or 'nobody'}; {printing.count(done.notices, 'notice')}"
    )
    tell_left(left)


def tell_left(left: Left) -> None:
    """Name what has the same values and did not go with an indicator, with what ends it."""
    for one in left.indicators:
        printing.verdict(
            f"our indicator {one} on the same value is still shared: where it is wrong too, `cert-exchange revoke {one} --reason ...`"
        )
    for one in left.observables:
        printing.verdict(
            f"its observable {one} is still shared: where it is wrong too, `cert-exchange withdraw {one} --reason ...`"
        )
