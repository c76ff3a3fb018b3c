"""Commands of the desk that take back and give back: withdraw, free."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator, original_of
from cert_exchange.cli.reviewing import tell_left
from cert_exchange.errors import InputRefused

if TYPE_CHECKING:
    from cert_exchange.services.holdings import Story
    from cert_exchange.services.releasing import Withdrawal

StixId = Annotated[
    str, typer.Argument(metavar="ID", help="The object's STIX id, or a derivative's.")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (withdraw, free):
        app.command()(command)


def withdraw(
    stix_id: StixId,
    *,
    reason: Reason,
    version: Annotated[
        str | None, typer.Option("--version", help="Only this version; all if not given.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", help="Only from this collection.")
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Take an object of ours back from everyone who may see it. It stays stored; the log keeps both lines.

    Exit code 1 when there was nothing to take back.
    """
    from cert_exchange.services import holdings, noticing, releasing, reviewing

    with opened(home) as node:
        stix_id = original_of(node, stix_id)
        stories = holdings.show(node, stix_id)
        if stories[0].blocked and version is None and collection is None:
            raise InputRefused(
                f"{stix_id} was withdrawn already: it is blocked in every view until `cert-exchange free {stix_id}`."
            )
        done = releasing.withdraw(
            node, stix_id, version=version, collection=collection, by=operator(), reason=reason
        )
        told = noticing.tell_now(node)
        left = reviewing.still_shared(node, stix_id)
    if not done.versions:
        raise InputRefused(_nothing_to_take_back(stix_id, stories, collection))
    _print_withdrawal(done, as_json=as_json)
    printing.verdict(
        f"{printing.count(done.versions, 'version')} taken back from {', '.join(done.audiences) or 'nobody: no audience saw it'}"
    )
    if told:
        printing.verdict(f"{printing.count(told, 'notice')} to who fetched it")
    if version is None and collection is None:
        tell_left(left)


def free(
    stix_id: StixId,
    *,
    reason: Reason,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Lift the block that `recall`, or `withdraw` of a cyber-observable, put on an id. Exit code 1 when there is none.

    Publish it again to release what was taken back as well.
    """
    from cert_exchange.services import holdings, releasing
    from cert_exchange.stix.references import is_observable_id

    with opened(home) as node:
        stix_id = original_of(node, stix_id)
        story = holdings.show(node, stix_id)[0]
        if not story.blocked and not story.kept_from:
            raise InputRefused(
                f"{stix_id} is not blocked; nothing was changed. `cert-exchange show {stix_id}` says who sees it."
                if is_observable_id(stix_id)
                else f"{stix_id} is not blocked; nothing was changed. What was withdrawn comes back by publishing it"
                " again, or a newer version of it."
            )
        done = releasing.free(node, stix_id, by=operator(), reason=reason)
    _print_withdrawal(done, as_json=as_json)
    printing.verdict(f"free again: {printing.written(len(done.lines))}")


def _nothing_to_take_back(stix_id: str, stories: Iterable[Story], collection: str | None) -> str:
    """Say why a withdrawal found nothing."""
    places = [place for story in stories for place in story.memberships]
    if not places:
        return (
            f"{stix_id} is in no collection, so there is nothing to take back: it is carried along with what needs it"
            " and leaves with it. Withdraw the objects that refer to it."
        )
    standing = sorted({place.collection for place in places if place.taken_back_at is None})
    if standing and collection is not None:
        return f"{stix_id} is not in {collection}, or was taken back there; it is in {', '.join(standing)}."
    return f"{stix_id} was withdrawn already; `cert-exchange show {stix_id}` says when."


def _print_withdrawal(done: Withdrawal, *, as_json: bool) -> None:
    if as_json:
        lines = [asdict(line) | {"kind": str(line.kind)} for line in done.lines]
        printing.document({"versions": done.versions, "lines": lines})
        return
    printing.changes(done.lines)
