"""Commands for requests between desks: ask a partner, see what was asked of whom, and say how it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cert_exchange.cli import printing, request_threads
from cert_exchange.cli.files import read_packed
from cert_exchange.cli.options import AsJson, Home, Limit, opened, operator
from cert_exchange.errors import InputRefused
from cert_exchange.messages.requests import Kind, State

if TYPE_CHECKING:
    from cert_exchange.services.requesting import Sent

app = typer.Typer(
    help="Requests between desks: takedown, information, a sample, logs to be kept, permission to re-share, a dispute.",
    no_args_is_help=True,
)
_BYTES: Final = 200_000

Request = Annotated[
    str,
    typer.Argument(
        metavar="REQUEST", help="Its id, the beginning of it, or a ticket number of either side."
    ),
]
Text = Annotated[str, typer.Option("--text", help="In words. The partner reads them.")]
TextFile = Annotated[
    Path | None, typer.Option("--text-file", help="The words from a file; - for standard input.")
]
Ticket = Annotated[str, typer.Option("--ticket", help="Our own number for it.")]
Tlp = Annotated[str, typer.Option("--tlp", help="How the note is marked.")]
Collection = Annotated[
    str, typer.Option("--collection", help="Where the partner reads: alias or UUID.")
]


@app.command()
def send(
    kind: Annotated[
        Kind,
        typer.Argument(
            help="What is asked for: takedown, information, sample, log-preservation, re-share or dispute."
        ),
    ],
    *,
    to: Annotated[str, typer.Option("--to", help="The partner whose desk is asked.")],
    text: Text = "",
    text_file: TextFile = None,
    about: Annotated[
        list[str] | None,
        typer.Option("--about", metavar="ID", help="An object that it is about; repeat it."),
    ] = None,
    ticket: Ticket = "",
    due: Annotated[
        str | None,
        typer.Option(
            "--due",
            help="When an answer is expected by: an instant or a duration. Else 24 hours for a takedown and for logs,"
            " 72 hours for the rest.",
        ),
    ] = None,
    informative: Annotated[
        bool, typer.Option("--informative", help="No answer is expected.")
    ] = False,
    share_to: Annotated[
        list[str] | None,
        typer.Option(
            "--share-to",
            metavar="WHO",
            help="re-share: a partner's name, country:XX, an identity's id, or any; repeat it. The asked side reads who.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="re-share: until when; an instant or a duration.")
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="An exercise: the note says TEST itself.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say whether the partner would see it.")
    ] = False,
    tlp: Tlp = "amber",
    collection: Collection = "requests",
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Ask a partner's desk for something. It goes to this partner alone.

    What the partner would not see is refused before anything is stored. Permission to re-share that is granted becomes a
    consent by itself (`consent list`).
    """
    from cert_exchange.services import requesting

    words = _words(text, text_file)
    with opened(home) as node:
        done = requesting.send(
            node, kind, to, text=words, about=about or (), answer_expected=not informative, due=due,
            ticket=ticket, share_to=share_to or (), until=until, tlp=tlp, test=test,
            collection=collection, by=operator(), look_only=dry_run,
        )  # fmt: skip
    if as_json:
        printing.document(_sent(done))
        return
    if done.stored:
        printing.result(done.stix_id)
    what = "sent" if done.stored else "not sent, this was a look:"
    expected = f"; an answer is expected by {printing.instant(done.due)}" if done.due else ""
    printing.verdict(f"{what} {_seen(done)}{expected}")
    if done.stored:
        short = done.stix_id.partition("--")[2][:8]
        printing.verdict(f"next: cert-exchange request show {short}")


@app.command("list")
def list_(
    *,
    partner: Annotated[
        str | None, typer.Option("--partner", help="Only with this partner.")
    ] = None,
    only_open: Annotated[
        bool, typer.Option("--open", help="Only those to which something is still to be said.")
    ] = False,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only those whose answer is overdue.")
    ] = False,
    ours: Annotated[
        bool | None,
        typer.Option("--ours/--theirs", help="Only what we asked, or what we are asked."),
    ] = None,
    about: Annotated[
        str | None, typer.Option("--about", metavar="ID", help="Only those about this object.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List requests, ours and those of partners, the newest first."""
    from cert_exchange.services import requesting

    with opened(home) as node:
        every = requesting.threads(node, partner=partner)
    found = [
        one
        for one in every
        if (ours is None or one.ours is ours)
        and (not only_open or not one.settled)
        and (not overdue or one.late)
        and about in (None, *one.request.about)
    ]
    shown = found[:limit]
    if as_json:
        printing.document([request_threads.thread_document(one) for one in shown])
        return
    request_threads.print_table(shown)
    more = len(found) - len(shown)
    if more:
        printing.verdict(f"{printing.count(more, 'older request')} not shown: --limit {len(found)}")


@app.command()
def show(request: Request, *, as_json: AsJson = False, home: Home = None) -> None:
    """Show a request and its time-line, which both sides read alike.

    The check value is equal on both sides where both hold the same notes: read it out on the telephone.
    """
    from cert_exchange.services import requesting
    from cert_exchange.services.called import called

    with opened(home) as node:
        one = requesting.find(node, request)
        words = called(node, request_threads.named_in(one))
    if as_json:
        printing.document(request_threads.thread_document(one))
        return
    request_threads.print_thread(one, words)


@app.command()
def answer(
    request: Request,
    state: Annotated[
        State,
        typer.Argument(
            help="As who is asked: received, passed-on, done, not-possible. As who asked: withdrawn. remark changes nothing."
        ),
    ],
    *,
    text: Text = "",
    text_file: TextFile = None,
    ticket: Ticket = "",
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="ID", help="An object that is given with it; repeat it."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", help="Permission to re-share for a shorter time than was asked."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Also to a request that was withdrawn.")
    ] = False,
    tlp: Tlp = "amber",
    collection: Collection = "requests",
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say how a request stands, or something to it. Both sides read it; nobody changes what the other said.

    `done` to a request for permission to re-share grants it.
    """
    from cert_exchange.services import requesting

    words = _words(text, text_file)
    with opened(home) as node:
        done = requesting.answer(
            node, request, state, text=words, ticket=ticket, refs=with_ or (), until=until, tlp=tlp,
            collection=collection, by=operator(), anyway=yes,
        )  # fmt: skip
    if as_json:
        printing.document(_sent(done))
        return
    printing.result(done.stix_id)
    printing.verdict(f"said {_seen(done)}")
    if not done.counts:
        printing.verdict(f"it changes nothing: the request stays {done.state}")


def _seen(done: Sent) -> str:
    if done.answer == "held":
        return f"to {done.partner}, which sees it when a person lets it go: {done.why}; cert-exchange hold list"
    return f"to {done.partner}: {done.way}"


def _sent(done: Sent) -> dict[str, Any]:
    return {
        "id": done.stix_id,
        "partner": done.partner,
        "stored": done.stored,
        "answer": done.answer,
        "way": done.way,
        "due": printing.instant(done.due) or None,
        **({"state": done.state, "counts": done.counts} if done.state else {}),
    }


def _words(text: str, file: Path | None) -> str:
    if file is None:
        return text
    if text:
        raise InputRefused("Give --text or --text-file, not both.")
    try:
        return read_packed(file, limit=_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefused(f"The file {file} is not UTF-8 text; save it so.") from error
