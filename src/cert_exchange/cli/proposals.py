"""Commands about proposals: what partners sent of objects that they may not bring."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, Limit, Reason, opened, operator
from cert_exchange.errors import InputRefused

if TYPE_CHECKING:
    from cert_exchange.services.proposals import Change, Draft, Proposal

app = typer.Typer(
    help="Versions that partners sent of objects that they may not bring: accept, decline or answer.",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `proposals list` shows it.")]
_CELL = 200


@app.command("list")
def list_(
    *,
    partner: Annotated[str | None, typer.Option("--from", help="Only this partner's.")] = None,
    stix_id: Annotated[str | None, typer.Option("--id", help="Only of this object.")] = None,
    ended: Annotated[
        bool, typer.Option("--ended", help="Also those that were accepted, declined or undone.")
    ] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List the proposals that wait for a person, the newest first.

    `stands`: ours, that our desk can accept; contested, which it can hand over to the creator; another's, whose own channel
    decides; not held; a derivative, whose id stands for an object of ours.
    """
    from cert_exchange.services import proposals

    with opened(home) as node:
        found = proposals.proposals(
            node, partner=partner, stix_id=stix_id, ended=ended, limit=limit
        )
    if as_json:
        printing.document([_document(one) for one in found])
        return
    printing.table(
        [
            "number",
            "id",
            "version",
            "from",
            "names as creator",
            "stands",
            "held from",
            "newest",
            "state",
        ],
        [
            (
                str(one.row.number),
                one.row.stix_id,
                one.row.version,
                one.row.partner_name,
                one.row.creator,
                one.standing.value,
                one.brought_by,
                one.newest,
                _state(one),
            )
            for one in found
        ],
        empty="no proposal waits",
    )


@app.command()
def show(number: Number, *, as_json: AsJson = False, home: Home = None) -> None:
    """Show one proposal: what accepting it would change, and what was said to it."""
    from cert_exchange.errors import ConfigurationInvalid
    from cert_exchange.services import proposals

    with opened(home) as node:
        one = proposals.find(node, number)
        changes = proposals.compared(node, number)
        why = seen = None
        try:
            seen = proposals.draft(node, number)
        except ConfigurationInvalid as error:
            why = error.public
    if as_json:
        printing.document(
            {
                **_document(one),
                "draft": _drafted(seen),
                "changes": _changed(changes),
                "not_acceptable": why,
            }
        )
        return
    printing.facts(
        {
            "id": one.row.stix_id,
            "version": one.row.version,
            "from": one.row.partner_name,
            "came": printing.instant(one.row.stored_at),
            "names as creator": one.row.creator,
            "revokes": "yes" if one.row.revoked else "no",
            "stands": one.standing.value,
            **({"stands for": one.original} if one.original else {}),
            "its owner": one.owner,
            "held from": one.brought_by,
            "newest version": one.newest,
            "state": _state(one),
        }
    )
    for said in one.said:
        printing.result(f"{printing.instant(said.at)} {said.answer} by {said.by}: {said.words}")
    if seen is not None:
        _show_draft(seen)
    elif changes:
        held = "as its sender was shown it" if one.original else "as it stands"
        _table_of(changes, held)
    if why is not None:
        printing.verdict(why)


@app.command()
def accept(
    number: Number,
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it. Without this it is only said.")
    ] = False,
    words: Annotated[str, typer.Option("--words", help="What to remember about it.")] = "",
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Take a proposal up; without --yes, say what would change.

    Of our own object it becomes our next version, marked as strictly as both, and policy decides who gets it. Of a contested
    id the creator's versions count from then on, and the first comer's are set aside.
    """
    from cert_exchange.services import proposals

    with opened(home) as node:
        seen = proposals.draft(node, number)
        done = proposals.accept(node, number, by=operator(), words=words) if yes else None
    if as_json:
        printing.document(
            {
                "draft": _drafted(seen),
                "done": done is not None,
                "audiences": done.audiences if done is not None else None,
            }
        )
    else:
        _show_draft(seen)
    if done is None:
        printing.verdict(
            f"nothing was changed: `cert-exchange proposals accept {number} --yes` does it"
        )
    else:
        printing.verdict(
            f"accepted: {done.stix_id}; it went out to {', '.join(done.audiences) or 'nobody'}"
        )


@app.command()
def decline(
    numbers: Annotated[
        list[int], typer.Argument(metavar="NUMBER...", help="As `proposals list` shows them.")
    ],
    *,
    reason: Reason,
    home: Home = None,
) -> None:
    """Decline proposals: they are kept, and wait no more. Nobody is told; `answer` tells the sender."""
    from cert_exchange.services import proposals

    with opened(home) as node:
        for number in numbers:
            done = proposals.decline(node, number, by=operator(), reason=reason)
            printing.verdict(f"declined: {done.stix_id} {done.version} of {done.partner}")


@app.command()
def answer(
    number: Number,
    *,
    text: Annotated[str | None, typer.Option("--text", help="What to say.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A file with what to say, in UTF-8.")
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option("--collection", help="Where; where the object stands if not given."),
    ] = None,
    home: Home = None,
) -> None:
    """Answer a proposal's sender with a note about the object, which nobody else gets.

    Policy decides on it as on anything we publish: a note about what is hidden from the sender waits.
    """
    from cert_exchange.cli.files import read_text
    from cert_exchange.services import proposals

    if (text is None) == (file is None):
        raise InputRefused("Give --text or --file.")
    said = text if file is None else read_text(file)
    assert said is not None
    with opened(home) as node:
        done = proposals.answer(node, number, said, by=operator(), collection=collection)
    printing.result(done.note)
    if done.reached:
        printing.verdict(f"published to {done.collection}; seen by {', '.join(done.reached)}")
    else:
        printing.verdict(
            f"published to {done.collection}; nobody sees it yet: `cert-exchange policy explain` says why"
        )


def _state(one: Proposal) -> str:
    if one.undone:
        return "undone"
    ended = [said for said in one.said if said.answer != "answered"]
    if ended:
        return f"{ended[-1].answer} by {ended[-1].by}"
    return "answered, waits" if one.said else "waits"


def _show_draft(seen: Draft) -> None:
    if seen.changes:
        _table_of(seen.changes, "as it stands")
    if seen.set_aside:
        printing.verdict(
            f"would count no more: {len(seen.set_aside)} from {seen.proposal.brought_by}"
            f" ({', '.join(seen.set_aside)}); would count: {', '.join(seen.taken_in)}"
        )
    printing.verdict(f"in: {', '.join(seen.collections) or 'no collection any more'}")


def _table_of(changes: Sequence[Change], held: str) -> None:
    printing.table(
        ["property", held, "as proposed"],
        [(one.name, _value(one.before), _value(one.after)) for one in changes],
    )


def _changed(changes: Sequence[Change]) -> dict[str, Any]:
    return {one.name: {"before": one.before, "after": one.after} for one in changes}


def _value(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


def _drafted(seen: Draft | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    return {
        "changes": _changed(seen.changes),
        "collections": seen.collections,
        "set_aside": seen.set_aside,
        "taken_in": seen.taken_in,
    }


def _document(one: Proposal) -> dict[str, Any]:
    return {
        "number": one.row.number,
        "id": one.row.stix_id,
        "type": one.row.type,
        "version": one.row.version,
        "from": one.row.partner_name,
        "creator": one.row.creator,
        "revokes": one.row.revoked,
        "stored_at": printing.instant(one.row.stored_at),
        "stands": one.standing.value,
        "stands_for": one.original,
        "owner": one.owner,
        "held_from": one.brought_by,
        "newest": one.newest,
        "state": _state(one),
        "said": [
            {
                "answer": said.answer,
                "words": said.words,
                "at": printing.instant(said.at),
                "by": said.by,
            }
            for said in one.said
        ],
    }
