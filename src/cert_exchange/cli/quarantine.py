"""Commands about the quarantine: what was refused on its way in, by us, or on its way out, by a partner's server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.files import read_packed, whole, writing_to
from cert_exchange.cli.options import (
    AsJson,
    Home,
    Limit,
    Reason,
    ReasonToAct,
    opened,
    operator,
)
from cert_exchange.cli.reading import Since, instant_of
from cert_exchange.errors import InputRefused, NotFound

if TYPE_CHECKING:
    from cert_exchange.node import Node
    from cert_exchange.services.quarantine import Adoption, Kept, Replayed

app = typer.Typer(
    help="What was refused: look at it, let it in after all, send it again, discard it, or make it ours.",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `quarantine list` shows it.")]
Numbers = Annotated[
    list[int] | None,
    typer.Argument(metavar="[NUMBER]...", help="As `quarantine list` shows them."),
]
From = Annotated[
    str | None,
    typer.Option("--from", help="Only this partner's; `own`: ours that a target refused."),
]
Kind = Annotated[
    str | None,
    typer.Option("--kind", help="rejected, conflict, refused_by_target or statement."),
]
About = Annotated[
    str | None, typer.Option("--about", help="Only where the reason contains this text.")
]
StixId = Annotated[str | None, typer.Option("--id", help="Only of this object.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without this it is only said.")]
_DOCUMENT_BYTES = 16 * 1024 * 1024


@app.command("list")
def list_(
    *,
    partner: From = None,
    kind: Kind = None,
    about: About = None,
    stix_id: StixId = None,
    since: Since = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List what was not taken in, the newest first, with the reason of each."""
    with opened(home) as node:
        found = _chosen(node, (), partner, kind, about, stix_id, since, limit)
    if as_json:
        printing.document([_document(one) for one in found])
        return
    printing.table(
        ["number", "at", "from", "kind", "id", "version", "reason"],
        [
            (
                str(one.number),
                printing.instant(one.at),
                one.sender or "own",
                one.kind,
                one.stix_id,
                one.version,
                one.reason,
            )
            for one in found
        ],
        empty="nothing is in quarantine",
    )
    if len(found) == limit:
        printing.verdict(f"the newest {limit}; --limit shows more")


@app.command()
def show(
    number: Number,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the bytes as they came to a new file.")
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show one of them, and its bytes as text that can do nothing to a terminal."""
    from cert_exchange.services import quarantine

    with opened(home) as node:
        shown = quarantine.show(node, number)
    if out is not None:
        if shown.raw is None:
            raise NotFound(f"Nothing is kept of number {number} but its reason.")
        if out.exists():
            raise InputRefused(f"{out} is there already; name a new file.")
        with writing_to(out), whole(out) as file:
            file.write(shown.raw)
        printing.verdict(f"{len(shown.raw):,} bytes written to {out}")
        return
    text = None if shown.raw is None else shown.raw.decode("utf-8", "backslashreplace")
    if as_json:
        printing.document({**_document(shown.kept), "raw": text})
        return
    one = shown.kept
    printing.facts(
        {
            "from": one.sender or "own",
            "collection": one.collection_name,
            "came": printing.instant(one.at),
            "kind": one.kind,
            "id": one.stix_id,
            "version": one.version,
            "reason": one.reason,
        }
    )
    if text is None:
        printing.verdict("its bytes are not kept: too large, or erased")
    else:
        printing.result(printing.plain(text))


@app.command()
def replay(
    numbers: Numbers = None,
    *,
    partner: From = None,
    kind: Kind = None,
    about: About = None,
    stix_id: StixId = None,
    since: Since = None,
    limit: Limit = 100,
    yes: Yes = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Let what was refused go the very way in once more, after a rule changed; without --yes, say what would happen.

    What is taken in leaves the quarantine; what is refused again stays, with the new reason. What a partner's server refused
    of ours is sent there again, and nothing else with it. Exit code 1 when something stays.
    """
    from cert_exchange.services import quarantine

    with opened(home) as node:
        found = _chosen(node, _named(numbers), partner, kind, about, stix_id, since, limit)
        if not numbers and not any((partner, kind, about, stix_id, since)):
            raise InputRefused("Which? Give numbers, or one of --from --kind --about --id --since.")
        chosen = [one.number for one in found]
        done = (quarantine.replay if yes else quarantine.preview)(node, chosen, by=operator())
    _tell_replayed(done, as_json=as_json, yes=yes)


@app.command()
def discard(
    numbers: Numbers = None,
    *,
    partner: From = None,
    kind: Kind = None,
    about: About = None,
    stix_id: StixId = None,
    since: Since = None,
    limit: Limit = 100,
    reason: Reason,
    yes: Yes = False,
    home: Home = None,
) -> None:
    """Delete from the quarantine for good; without --yes, say what would go. The ledger keeps who, when and why.

    Evidence against a partner stays, and what a legal hold keeps.
    """
    from cert_exchange.services import quarantine

    with opened(home) as node:
        found = _chosen(node, _named(numbers), partner, kind, about, stix_id, since, limit)
        if not numbers and not any((partner, kind, about, stix_id, since)):
            raise InputRefused("Which? Give numbers, or one of --from --kind --about --id --since.")
        chosen = [one.number for one in found]
        gone = quarantine.discard(node, chosen, by=operator(), reason=reason) if yes else 0
    if not yes:
        for one in found:
            printing.result(f"{one.number}\t{one.sender or 'own'}\t{one.stix_id or ''}")
        printing.verdict(f"{printing.count(len(found), 'row')} would go; --yes does it")
        return
    printing.verdict(f"{printing.count(gone, 'row')} discarded")


@app.command()
def adopt(
    number: Number,
    *,
    collection: Annotated[
        str, typer.Option("--collection", help="Where our object shall stand: alias or UUID.")
    ],
    content: Annotated[
        Path | None,
        typer.Option("--content", help="One JSON object in place of what came, mended by you."),
    ] = None,
    share: Annotated[
        bool,
        typer.Option("--share", help="Policy decides who gets it; without this nobody does yet."),
    ] = False,
    reason: ReasonToAct = None,
    yes: Yes = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Make an object of our own of it: new id, ours, as strictly marked; without --yes, say what would come of it.

    The other's object is never edited. Ours never goes back to whom it came from, and to nobody at all until `terms set`
    says so, or --share.
    """
    from cert_exchange.services import quarantine

    if yes and reason is None:
        raise InputRefused("Say why, with --reason: it stands in the ledger.")
    given = None if content is None else read_packed(content, limit=_DOCUMENT_BYTES)
    with opened(home) as node:
        if yes and reason is not None:
            made = quarantine.adopt(
                node, number, collection=collection, share=share, content=given, by=operator(),
                reason=reason,
            )  # fmt: skip
        else:
            made = quarantine.adoption(
                node, number, collection=collection, share=share, content=given, by=operator()
            )
    _tell_adopted(made, as_json=as_json, yes=yes)


def _named(numbers: list[int] | None) -> tuple[int, ...]:
    return tuple(numbers or ())


def _chosen(
    node: Node,
    numbers: Sequence[int],
    partner: str | None,
    kind: str | None,
    about: str | None,
    stix_id: str | None,
    since: str | None,
    limit: int,
) -> list[Kept]:
    from cert_exchange.services import quarantine

    return quarantine.listed(
        node,
        numbers=numbers,
        partner=partner,
        kind=kind,
        about=about,
        stix_id=stix_id,
        since=instant_of(since),
        limit=max(limit, len(numbers)),
    )


def _tell_replayed(done: list[Replayed], *, as_json: bool, yes: bool) -> None:
    if as_json:
        printing.document([asdict(one) for one in done])
    else:
        printing.table(
            ["number", "id", "version", "result", "because"],
            [(str(one.number), one.stix_id, one.version, one.result, one.message) for one in done],
        )
    left = sum(one.left for one in done)
    if not yes:
        printing.verdict("nothing was changed, and nothing sent; --yes does it")
        return
    printing.verdict(
        f"{printing.count(left, 'row')} left the quarantine, {len(done) - left:,} stay"
    )
    if left < len(done):
        raise typer.Exit(ExitCode.REFUSED)


def _tell_adopted(made: Adoption, *, as_json: bool, yes: bool) -> None:
    if as_json:
        printing.document(
            {
                "number": made.number,
                "id": made.stix_id if yes else None,
                "content": made.content,
                "relationship": made.relationship if yes else None,
                "sighted": [asdict(one) for one in made.sighted],
                "done": yes,
            }
        )
    else:
        if yes:
            printing.result(made.stix_id)
        printing.table(
            ["audience", "answer", "reason"],
            [(one.audience, one.answer, one.reason) for one in made.sighted],
            empty="no policy shows it to anybody",
        )
    if not yes:
        printing.verdict("nothing was made; --yes --reason TEXT does it")
        return
    tie = ", with a derived-from to the original" if made.relationship else ""
    printing.verdict(f"ours now: {made.stix_id}{tie}; the row left the quarantine")


def _document(one: Kept) -> dict[str, Any]:
    return {
        "number": one.number,
        "at": printing.instant(one.at),
        "from": one.sender or "own",
        "collection": one.collection_name,
        "kind": one.kind,
        "id": one.stix_id,
        "version": one.version,
        "reason": one.reason,
        "characters": one.size,
    }
