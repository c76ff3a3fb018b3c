"""Commands about answers: what partners said to our objects, what we said to theirs, and replies to questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.answering import Text, TextFile, asks_manner, tell, words_of
from cert_exchange.cli.options import AsJson, Home, Limit, opened, operator
from cert_exchange.errors import InputRefused

if TYPE_CHECKING:
    from cert_exchange.services.answering import Heard, Manner

app = typer.Typer(
    help="Answers: what partners said to our objects, and what we said to theirs.",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    *,
    given: Annotated[
        bool,
        typer.Option(
            "--given",
            help="What we said to partners' objects, in place of what partners said to ours.",
        ),
    ] = False,
    partner: Annotated[str | None, typer.Option("--from", help="Only this partner's.")] = None,
    about: Annotated[str | None, typer.Option("--about", help="Only about this object.")] = None,
    only_open: Annotated[
        bool, typer.Option("--open", help="Only questions that nobody replied to.")
    ] = False,
    never_shown: Annotated[
        bool,
        typer.Option(
            "--never-shown",
            help="Only what names an object of ours that its sender was never shown by us.",
        ),
    ] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List answers, the newest first. `show ID` counts those about one object."""
    from cert_exchange.services import answering

    if given and never_shown:
        raise InputRefused("--never-shown is about what partners say; with --given it is ours.")
    if given and partner is not None:
        raise InputRefused("--from is whose answers to list; with --given they are ours.")
    with opened(home) as node:
        found = answering.heard(
            node, given=given, partner=partner, about=about, only_open=only_open,
            never_shown=never_shown, limit=limit,
        )  # fmt: skip
    if as_json:
        printing.document([_document(one) for one in found])
        return
    printing.table(
        [
            "id",
            "what",
            "from",
            "stored",
            "about",
            "of",
            "says",
            "reply by",
            "state",
            *(["fetched"] if given else []),
        ],
        [
            (
                one.hit.stix_id,
                one.what,
                one.hit.origin,
                printing.instant(one.hit.stored_at),
                " ".join(one.about),
                " ".join(one.whose),
                one.says,
                printing.instant(one.due),
                _state(one),
                *((one.fetched,) if given else ()),
            )
            for one in found
        ],
        empty="no answers",
    )


@app.command()
@asks_manner(without=("to", "everyone"))
def reply(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="The id of a partner's question.")
    ],
    *,
    text: Text = None,
    file: TextFile = None,
    manner: Manner,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Reply to a partner's question by a note of ours, for who asked alone."""
    from cert_exchange.services import answering

    said = words_of(text, file)
    with opened(home) as node:
        done = answering.reply(node, question, said, by=operator(), manner=manner)
    tell(done, as_json=as_json)


def _state(one: Heard) -> str:
    status = "" if one.hit.status == "accepted" else f"{one.hit.status}; "
    revoked = "revoked; " if one.hit.revoked else ""
    test = "TEST; " if one.hit.test else ""
    unshown = "never shown to it; " if one.unshown else ""
    return f"{unshown}{test}{revoked}{status}{one.state}".rstrip("; ")


def _document(one: Heard) -> dict[str, Any]:
    return {
        "id": one.hit.stix_id,
        "what": one.what,
        "from": one.hit.origin,
        "version": one.hit.version,
        "stored_at": printing.instant(one.hit.stored_at),
        "about": list(one.about),
        "named": list(one.named),
        "whose": list(one.whose),
        "says": one.says,
        "reply_by": printing.instant(one.due) or None,
        "state": one.state,
        "fetched": one.fetched or None,
        "never_shown": list(one.unshown),
        "status": one.hit.status,
        "revoked": one.hit.revoked,
        "test": one.hit.test,
    }
