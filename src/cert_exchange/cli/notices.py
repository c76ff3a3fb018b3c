"""Commands about what was taken back for good: revoke, and notices, sent and received, with their answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, Limit, Reason, opened, operator, original_of
from cert_exchange.cli.reviewing import tell_left
from cert_exchange.errors import InputRefused
from cert_exchange.messages.notices import Reply

if TYPE_CHECKING:
    from cert_exchange.services.receipts import Receipt, Told

app = typer.Typer(
    help="Notices of withdrawal: whom we told of what was taken back, and what partners took back from us.",
    no_args_is_help=True,
)
_INSTANTS = ("made_at", "received_at", "due_at")


def register(program: typer.Typer) -> None:
    """Add these commands to the program."""
    program.command()(revoke)
    program.add_typer(app, name="notices")


def revoke(
    stix_id: Annotated[
        str, typer.Argument(metavar="ID", help="The object's STIX id, or a derivative's.")
    ],
    *,
    reason: Reason,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say to everyone that an object of ours is wrong: a last version that revokes it, for good.

    Who fetched the object is told by a notice. What cannot be revoked (cyber-observables, what a partner sent) is withdrawn
    and kept back, with the same notice.
    """
    from cert_exchange.services import reviewing, revoking

    with opened(home) as node:
        stix_id = original_of(node, stix_id)
        done = revoking.revoke(node, stix_id, by=operator(), reason=reason)
        left = reviewing.still_shared(node, stix_id)
    if as_json:
        printing.document(
            {
                "version": done.version,
                "why_withdrawn": done.why_withdrawn or None,
                "shown_to": done.shown_to,
                "taken_from": done.taken_from,
                "notices": done.notices,
            }
        )
    if done.version is None:
        printing.verdict(f"withdrawn, not revoked: {done.why_withdrawn}")
    else:
        shown = ", ".join(done.shown_to) or "nobody: no audience may see it"
        printing.verdict(f"revoked by its version {done.version}, which goes to {shown}")
    if done.taken_from:
        printing.verdict(f"taken back from {', '.join(done.taken_from)}")
    printing.verdict(
        f"{printing.count(done.notices, 'notice')} to who fetched it: cert-exchange notices list"
        if done.notices
        else "nobody fetched it, so nobody needs a notice"
    )
    tell_left(left)


@app.command(name="list")
def list_notices(
    stix_id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Only notices about this object; all if not given."),
    ] = None,
    *,
    received: Annotated[
        bool, typer.Option("--received", help="Those that partners sent us, in place of ours.")
    ] = False,
    only_open: Annotated[
        bool, typer.Option("--open", help="Only those that are not answered.")
    ] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List notices: ours with each partner's receipt, or those of partners with what they took back."""
    from cert_exchange.services import receipts

    with opened(home) as node:
        if received:
            theirs = receipts.told(node, about=stix_id, limit=limit)
            theirs = tuple(one for one in theirs if not (only_open and one.answered))
        else:
            ours = receipts.receipts(node, about=stix_id, only_open=only_open, limit=limit)
    if as_json:
        printing.document([receipt_document(one) for one in (theirs if received else ours)])
    elif received:
        print_told(theirs)
    else:
        print_receipts(ours)


@app.command()
def answer(
    notice: Annotated[str, typer.Argument(metavar="NOTICE", help="The id of a partner's notice.")],
    reply: Annotated[Reply, typer.Argument(help="done, noted or refused.")],
    *,
    collection: Annotated[
        str, typer.Option("--collection", help="Where the partner reads: alias or UUID.")
    ],
    text: Annotated[
        str, typer.Option("--text", help="What else to say. The partner reads it.")
    ] = "",
    home: Home = None,
) -> None:
    """Answer a partner's notice by a note of ours, which goes where your policies let it go."""
    from cert_exchange.services import receipts

    with opened(home) as node:
        stix_id, report = receipts.answer(
            node, notice, reply, text=text, collection=collection, by=operator()
        )
    (outcome,) = report.outcomes
    if not outcome.success:
        raise InputRefused(f"the answer was not published: {outcome.message}")
    seen = sorted({line.audience for line in report.lines if line.stix_id == stix_id})
    printing.result(stix_id)
    printing.verdict(f"answered; seen by {', '.join(seen) or 'nobody yet: no policy lets it go'}")
    if not seen:
        raise typer.Exit(ExitCode.REFUSED)


def print_receipts(found: tuple[Receipt, ...]) -> None:
    """A table of our notices, a row for each partner."""
    printing.table(
        ["notice", "partner", "about", "reason", "asked", "by", "made", "notice fetched", "answer"],
        [
            (
                one.notice,
                one.partner,
                _about(one.subjects),
                one.reason,
                one.action,
                printing.instant(one.due_at),
                printing.instant(one.made_at),
                "yes" if one.fetched else "not yet",
                one.answer or "open",
            )
            for one in found
        ],
    )
    still = sum(one.is_open for one in found)
    printing.verdict(f"{printing.count(len(found), 'receipt')}, {still:,} open")


def print_told(found: tuple[Told, ...]) -> None:
    """A table of partners' notices."""
    printing.table(
        ["notice", "partner", "about", "reason", "asked", "by", "received", "answered"],
        [
            (
                one.notice,
                one.partner,
                _about(one.subjects),
                one.reason,
                one.action,
                printing.instant(one.due_at),
                printing.instant(one.received_at),
                "yes" if one.answered else "no",
            )
            for one in found
        ],
    )
    printing.verdict(f"{printing.count(len(found), 'notice')} received")


def _about(subjects: tuple[str, ...]) -> str:
    if not subjects:
        return "nothing that it sent us"
    more = f" and {len(subjects) - 1:,} more" if len(subjects) > 1 else ""
    return subjects[0] + more


def receipt_document(one: Receipt | Told) -> dict[str, Any]:
    """One row as JSON."""
    document = asdict(one)
    for name in _INSTANTS:
        if name in document:
            document[name] = printing.instant(document[name]) or None
    return document
