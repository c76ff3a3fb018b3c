"""Commands that stop a partner, one way or both, and let it go on: first what would go out is said, then it is done."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, opened, operator
from cert_exchange.errors import InputRefused

if TYPE_CHECKING:
    from cert_exchange.services.partners import Direction, Resumption

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The partner's short name, as policies write it.")
]
Sending = Annotated[bool, typer.Option("--sending", help="Only what goes out to it.")]
Receiving = Annotated[bool, typer.Option("--receiving", help="Only what comes from it.")]
Both = Annotated[bool, typer.Option("--both", help="Both ways, as without any of these.")]


def register(app: typer.Typer) -> None:
    """Put the commands beside the others about partners."""
    for command in (suspend, resume):
        app.command()(command)


def suspend(
    name: Name,
    *,
    sending: Sending = False,
    receiving: Receiving = False,
    both: Both = False,
    home: Home = None,
) -> None:
    """Stop a partner from its next request on, in every process.

    With --sending nothing goes out to it any more, by polls or by pushes, and what it sends is taken as always: stop
    sending, keep listening. With --receiving nothing is taken from it, by POST or by pull, and what it reads is served.
    Otherwise it is let in nowhere, with every credential that it has. Nothing is lost by waiting: no cursor moves. What
    it sent stays.
    """
    from cert_exchange.services import partners

    direction = _direction(sending=sending, receiving=receiving, both=both)
    with opened(home) as node:
        partners.suspend(node, name, direction=direction, by=operator())
    said = {
        "sending": f"nothing goes out to {name} any more; what it sends is taken",
        "receiving": f"nothing is taken from {name} any more; what it reads is served",
        "both": f"{name} is suspended",
    }[direction.value]
    way = "" if direction.value == "both" else f" --{direction.value}"
    printing.verdict(
        f"{said}; `cert-exchange partner resume {name}{way}` says what would go out then"
    )


def resume(
    name: Name,
    *,
    sending: Sending = False,
    receiving: Receiving = False,
    both: Both = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it. Without this it is only said.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say what would go out to a suspended partner; with --yes, let it go on and lift its lock-outs.

    What waits is what policy allows now and the partner has not fetched or been sent yet. Exit code 0 either way.
    """
    from cert_exchange.services import partners

    direction = _direction(sending=sending, receiving=receiving, both=both)
    with opened(home) as node:
        seen = partners.would_resume(node, name, direction=direction)
        if yes:
            partners.resume(node, name, direction=direction, by=operator())
    if as_json:
        printing.document({**_document(seen), "done": yes})
    else:
        _show(seen)
    if yes:
        printing.verdict(f"{name} is active again{_left(seen, direction)}")
    elif _suspended(seen):
        way = "" if direction.value == "both" else f" --{direction.value}"
        printing.verdict(
            f"nothing was changed: `cert-exchange partner resume {name}{way} --yes` does it"
        )


def _direction(*, sending: bool, receiving: bool, both: bool) -> Direction:
    from cert_exchange.services.partners import Direction

    if sending + receiving + both > 1:
        raise InputRefused("Give one of --sending, --receiving and --both.")
    if sending:
        return Direction.SENDING
    return Direction.RECEIVING if receiving else Direction.BOTH


def _suspended(seen: Resumption) -> bool:
    return seen.sending_suspended_at is not None or seen.receiving_suspended_at is not None


def _show(seen: Resumption) -> None:
    if not _suspended(seen):
        printing.verdict(f"{seen.partner} is not suspended")
        return
    for word, since in (
        ("sending", seen.sending_suspended_at),
        ("receiving", seen.receiving_suspended_at),
    ):
        if since is not None:
            printing.verdict(f"{word} is suspended since {printing.instant(since)}")
    printing.table(
        ["collection", "by", "would go out", "of them new", "bytes", "taken back", "types"],
        [
            (
                one.collection,
                one.way,
                one.versions,
                one.since_suspension,
                one.size,
                one.taken_back,
                ", ".join(f"{lot.versions:,} {lot.type}" for lot in one.lots),
            )
            for one in seen.backlogs
        ],
        empty="nothing would go out",
    )
    newest = [(one.collection, one.way, found) for one in seen.backlogs for found in one.newest]
    if newest:
        printing.table(
            ["collection", "by", "id", "version", "visible since"],
            [
                (collection, way, one.stix_id, one.version, printing.instant(one.since))
                for collection, way, one in newest
            ],
            title="the newest of it",
        )
    if seen.frozen and seen.sending_suspended_at is not None:
        printing.verdict("what goes out to it is frozen as well: it waits until `unfreeze`")
    if seen.sources:
        printing.verdict(f"would be pulled from again: {', '.join(seen.sources)}")
    if not seen.credentials:
        printing.verdict("it has no credential in force: it cannot log in")


def _left(seen: Resumption, direction: Direction) -> str:
    if not direction.sending and seen.sending_suspended_at is not None:
        return ", except that sending to it stays suspended"
    if not direction.receiving and seen.receiving_suspended_at is not None:
        return ", except that receiving from it stays suspended"
    return ""


def _document(seen: Resumption) -> dict[str, Any]:
    return {
        "partner": seen.partner,
        "sending_suspended_at": printing.instant(seen.sending_suspended_at) or None,
        "receiving_suspended_at": printing.instant(seen.receiving_suspended_at) or None,
        "would_go_out": [
            {
                "collection": one.collection,
                "by": one.way,
                "versions": one.versions,
                "new_since_suspension": one.since_suspension,
                "bytes": one.size,
                "taken_back": one.taken_back,
                "types": {lot.type: lot.versions for lot in one.lots},
                "newest": [
                    asdict(found) | {"since": printing.instant(found.since)} for found in one.newest
                ],
            }
            for one in seen.backlogs
        ],
        "pulled_again": seen.sources,
        "credentials_in_force": seen.credentials,
        "frozen": seen.frozen,
    }
