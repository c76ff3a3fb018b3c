"""Commands for requests between desks: ask a partner, see what was asked of whom, and say how it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.files import read_packed
from cert_exchange.cli.options import AsJson, Home, Limit, opened, operator
from cert_exchange.errors import InputRefused
from cert_exchange.messages.requests import Kind, State

if TYPE_CHECKING:
    from cert_exchange.services.requesting import Line, Sent, Thread, Waiting

app = typer.Typer(
    help="Requests between desks: takedown, information, a sample, logs to be kept, permission to re-share, a dispute.",
    no_args_is_help=True,
)
_CELL: Final = 80
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
    kind: Annotated[Kind, typer.Argument(help="What is asked for.")],
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
    ]
    shown = found[:limit]
    if as_json:
        printing.document([thread_document(one) for one in shown])
        return
    printing.table(
        ["request", "from", "to", "for", "text", "state", "since", "due", "our ticket", "theirs"],
        [
            (
                one.short,
                "us" if one.ours else one.partner,
                one.partner if one.ours else "us",
                _kind(one),
                _short(one.request.text),
                f"{one.state}, OVERDUE" if one.late else one.state,
                printing.instant(one.state_at),
                _due(one),
                one.tickets["asker" if one.ours else "asked"],
                one.tickets["asked" if one.ours else "asker"],
            )
            for one in shown
        ],
        empty="no request",
    )
    more = len(found) - len(shown)
    if more:
        printing.verdict(f"{printing.count(more, 'older request')} not shown: --limit {len(found)}")


@app.command()
def show(request: Request, *, as_json: AsJson = False, home: Home = None) -> None:
    """Show a request and its time-line, which both sides read alike.

    The check value is equal on both sides where both hold the same notes: read it out on the telephone.
    """
    from cert_exchange.services import requesting

    with opened(home) as node:
        one = requesting.find(node, request)
    if as_json:
        printing.document(thread_document(one))
        return
    printing.facts(
        {
            "request": one.stix_id,
            "from": "us" if one.ours else one.partner,
            "to": one.partner if one.ours else "us",
            "for": _kind(one),
            "about": ", ".join(one.request.about),
            **(
                {
                    "to be shared with": ", ".join(one.request.recipients),
                    "until": printing.instant(one.request.until),
                }
                if one.request.recipients
                else {}
            ),
            "our ticket": one.tickets["asker" if one.ours else "asked"],
            "their ticket": one.tickets["asked" if one.ours else "asker"],
            "state": f"{one.state} since {printing.instant(one.state_at)}",
            "due": f"{_due(one)}{', OVERDUE' if one.late else ''}",
        }
    )
    printing.result("")
    for line in one.lines:
        _print_line(one, line)
    printing.result("")
    printing.result(f"check: {one.check}")
    todo = _next_step(one)
    if todo:
        printing.verdict(f"next: {todo}")


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
            collection=collection, by=operator(),
        )  # fmt: skip
    if as_json:
        printing.document(_sent(done))
        return
    printing.result(done.stix_id)
    printing.verdict(f"said {_seen(done)}")


def print_waiting(found: Waiting) -> None:
    """What `status` says of requests: how many wait for our answer, and whose answer is overdue."""
    if found.to_answer:
        waits = "waits" if found.to_answer == 1 else "wait"
        printing.verdict(
            f"{printing.count(found.to_answer, 'request')} of partners {waits} for our answer:"
            " cert-exchange request list --open --theirs"
        )
    for one in found.overdue:
        printing.verdict(f"{one.thread.partner}: {one.finding}; {one.step}")


def waiting_document(found: Waiting) -> dict[str, Any]:
    """The same for a script."""
    return {
        "requests_to_answer": found.to_answer,
        "overdue_requests": [
            {
                "request": one.thread.stix_id,
                "partner": one.thread.partner,
                "owed_by": "partner" if one.thread.ours else "us",
                "due": printing.instant(one.thread.request.due),
                "finding": one.finding,
            }
            for one in found.overdue
        ],
    }


def thread_document(one: Thread) -> dict[str, Any]:
    """One request as JSON; `timeline` and `check` are equal on both sides."""
    request = one.request
    return {
        "request": one.stix_id,
        "partner": one.partner,
        "ours": one.ours,
        "test": one.test,
        "kind": request.kind.value,
        "text": request.text,
        "about": list(request.about),
        "answer_expected": request.answer_expected,
        "due": printing.instant(request.due) or None,
        "share_to": list(request.recipients),
        "until": printing.instant(request.until) or None,
        "state": one.state,
        "state_at": printing.instant(one.state_at),
        "why": one.why,
        "tickets": dict(one.tickets),
        "overdue": one.late,
        "timeline": [
            {
                "id": line.stix_id,
                "version": line.version,
                "at": printing.instant(line.at),
                "side": line.side,
                "said": line.said,
                "text": line.text,
                "ticket": line.ticket,
                "refs": list(line.refs),
                "until": printing.instant(line.until) or None,
            }
            for line in one.lines
        ],
        "check": one.check,
        "here": [
            {
                "id": line.stix_id,
                "stored_at": printing.instant(line.came_at),
                "reached": line.reached or None,
            }
            for line in one.lines
        ],
    }


def _print_line(one: Thread, line: Line) -> None:
    who = "we" if (line.side == "asker") is one.ours else one.partner
    parts = [f"{printing.instant(line.at)} {who}: {line.said}"]
    if line.ticket:
        parts.append(f"ticket {line.ticket}")
    if line.until is not None:
        parts.append(f"until {printing.instant(line.until)}")
    parts.append(line.reached or f"came {printing.instant(line.came_at)}")
    printing.result("; ".join(parts))
    if line.text:
        printing.result("    " + "\n    ".join(line.text.splitlines()))
    given = [ref for ref in line.refs if ref != one.stix_id] if line is not one.lines[0] else []
    if given:
        printing.result(f"    with {', '.join(given)}")


def _next_step(one: Thread) -> str:
    if one.settled:
        return ""
    if not one.ours:
        return f"cert-exchange request answer {one.short} received --ticket OURS (or passed-on, done, not-possible)"
    return f"call the desk of {one.partner}" if one.late else ""


def _kind(one: Thread) -> str:
    kind = (
        one.request.kind.value
        if one.request.answer_expected
        else f"{one.request.kind.value}, informative"
    )
    return f"TEST {kind}" if one.test else kind


def _due(one: Thread) -> str:
    if not one.request.answer_expected:
        return "no answer expected"
    return printing.instant(one.request.due) or "answer expected, no time set"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CELL else line[: _CELL - 1] + "…"


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
