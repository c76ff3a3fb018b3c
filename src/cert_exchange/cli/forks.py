"""Commands about partners' statements that did not go on from what we hold: what forked, and letting it go on."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator

if TYPE_CHECKING:
    from cert_exchange.services.deliveries import Fork


def register(statements: typer.Typer) -> None:
    """Add these commands to those about statements."""
    statements.command(name="forks")(list_forks)
    statements.command(name="settle")(settle)


def list_forks(
    partner: Annotated[
        str | None, typer.Argument(metavar="PARTNER", help="Only this partner's.")
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were settled.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List streams of partners' statements that did not go on from what we hold; each stands still until it is settled.

    Exit code 0 in any case. --json gives both texts as they were signed: they prove it to anybody who has the partner's key.
    """
    from cert_exchange.services import deliveries

    with opened(home) as node:
        found = deliveries.forks(node, partner=partner, only_open=not everything)
    if as_json:
        printing.document([_document(one) for one in found])
        return
    printing.table(
        ("partner", "way", "stream", "held", "came", "found", "settled", "by", "reason"),
        [
            (
                one.partner, one.way.value, one.stream, one.held_seq or "nothing", _came(one),
                printing.instant(one.found_at), printing.instant(one.settled_at), one.settled_by,
                one.reason,
            )
            for one in found
        ],
    )  # fmt: skip
    if any(one.settled_at is None for one in found):
        printing.verdict(
            "next: call the partner over a number that you held before, then: cert-exchange statements settle"
        )


def settle(
    partner: Annotated[str, typer.Argument(metavar="PARTNER", help="The partner's name.")],
    *,
    reason: Reason,
    first: Annotated[
        int | None,
        typer.Option(
            "--from",
            metavar="NUMBER",
            min=1,
            help="Take its statements from this number on, after what we hold before it; 1: all of them. If not given:"
            " from the one that came.",
        ),
    ] = None,
    stream: Annotated[
        str | None, typer.Option("--stream", help="Only this stream: `statements forks`.")
    ] = None,
    home: Home = None,
) -> None:
    """Let a partner's forked statements go on, after talking to its people (it restored a copy of a disk, say).

    What we held and what came stay as evidence, and the ledger says who settled it and why. Exit code 3: nothing forked.
    """
    from cert_exchange.services import deliveries

    with opened(home) as node:
        done = deliveries.settle_forks(
            node, partner, by=operator(), reason=reason, first=first, stream=stream
        )
    for one in done:
        aside = (
            f"; {printing.count(one.set_aside, 'statement')} of before set aside"
            if one.set_aside
            else ""
        )
        printing.verdict(
            f"{partner}: {one.way.value} {one.stream} goes on from statement {one.seq}{aside}"
        )
    printing.verdict(f"next: cert-exchange sync now; then statements list {partner}")


def _came(one: Fork) -> str:
    if one.told_seq is not None:
        return str(one.told_seq)
    return "it lacks what we hold"


def _document(one: Fork) -> dict[str, Any]:
    return {
        **asdict(one),
        "way": one.way.value,
        "held_seq": one.held_seq,
        "told_seq": one.told_seq,
        "found_at": printing.instant(one.found_at),
        "settled_at": printing.instant(one.settled_at) or None,
    }
