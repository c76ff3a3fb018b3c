"""Commands that set up a channel with another administrator, step by step: invite, accept, check, promote, verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.files import read_packed, whole, writing_to
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator

if TYPE_CHECKING:
    from cert_exchange.services.introducing import Card, Seen

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The partner's short name, as policies write it.")
]
To = Annotated[Path, typer.Option("--to", help="The file for our letter; nothing in it is secret.")]
Url = Annotated[
    str | None,
    typer.Option("--url", help="Where they reach our API root; by the settings if not given."),
]
Words = Annotated[
    str | None,
    typer.Option(
        "--words", help="The words that they read out on the telephone; four letters of each do."
    ),
]
_LETTER_BYTES = 256 * 1024


def register(app: typer.Typer) -> None:
    """Add these commands to those about partners."""
    for command in (
        card, invite, accept, check, promote, demote, pull, renew, words, verify, channels,
    ):  # fmt: skip
        app.command()(command)


def card(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The partner whose card it is; ours if not given."),
    ] = None,
    *,
    organisation: Annotated[
        str | None, typer.Option("--organisation", help="Our full name.")
    ] = None,
    desk: Annotated[
        str | None, typer.Option("--desk", help="The duty desk's telephone, with country code.")
    ] = None,
    backup: Annotated[
        str | None, typer.Option("--backup", help="Another way, on another line.")
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option("--language", help="Such as en, the best first; may be repeated."),
    ] = None,
    hours: Annotated[
        str | None, typer.Option("--hours", help="When the desk is staffed, with the zone.")
    ] = None,
    mail: Annotated[str | None, typer.Option("--mail", help="The desk's mail address.")] = None,
    country: Annotated[
        str | None, typer.Option("--country", help="Two letters, such as EE.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--fingerprint", help="Of a key for mail; may be repeated."),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Write or show our contact card, or show a partner's. What is not given stays as it is."""
    from cert_exchange.services import introducing

    given = {
        "organisation": organisation, "desk": desk, "backup": backup, "languages": language,
        "hours": hours, "mail": mail, "country": country, "keys": key,
    }  # fmt: skip
    given = {part: value for part, value in given.items() if value}
    with opened(home) as node:
        if name is not None:
            shown, held = introducing.card_of(node, name)
            facts = {
                "confirmed": f"{printing.instant(held.confirmed_at)} by {held.confirmed_by}",
                "words compared": f"{printing.instant(held.compared_at)} by {held.compared_by}",
            }
        else:
            before = introducing.our_card(node)
            facts = {}
            content: dict[str, Any] = {"organisation": node.settings.title}
            if before is not None:
                content = before.document()
            if given:
                shown = introducing.set_our_card(node, content | given, by=operator())
            elif before is not None:
                shown = before
            else:
                printing.verdict(
                    "there is no card yet: give --desk, --backup, --language and --hours"
                )
                raise typer.Exit(ExitCode.NOT_FOUND)
    if as_json:
        printing.document(shown.document() | facts)
        return
    _show(shown, facts)


def invite(
    name: Name,
    *,
    to: To,
    url: Url = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="With new keys: the set-up begins again.")
    ] = False,
    home: Home = None,
) -> None:
    """Write our letter to a partner: who we are, and what it recognises us by. Begins the set-up of a channel.

    Makes our certificate authority and the TEST collection where they are missing.
    """
    from cert_exchange.services import introducing

    with opened(home) as node:
        made = introducing.invite(node, name, url=url, anew=anew, by=operator())
    _write(to, made.letter)
    for told in made.told:
        printing.verdict(told)
    _say_words(made.words, to)
    printing.verdict(
        f"then, with their letter: `cert-exchange partner accept {name} FILE --to NEW-FILE`"
    )


def accept(
    name: Name,
    letter: Annotated[Path, typer.Argument(help="The letter that they sent.")],
    *,
    to: To,
    words: Words = None,
    url: Url = None,
    home: Home = None,
) -> None:
    """Accept a partner's letter, once its words were compared, and write ours to be sent back.

    The partner is let in for tests only. Run it again with each newer letter of theirs.
    """
    from cert_exchange.services import introducing

    raw = read_packed(letter, limit=_LETTER_BYTES)
    with opened(home) as node:
        seen = introducing.look(node, name, raw)
        if not seen.known and words is None:
            words = _hear(seen, name)
        done = introducing.accept(node, name, raw, heard=words, url=url, by=operator())
    _write(to, done.letter)
    for told in done.told:
        printing.verdict(told)
    if done.ready:
        printing.verdict(
            f"set up from here. Send {to} if they are not ready, then: `cert-exchange partner check {name}`"
        )
        return
    _say_words(done.words, to)
    printing.verdict(
        f"when they have accepted it: `partner accept {name}` once more, with what they send"
    )


def check(name: Name, *, as_json: AsJson = False, home: Home = None) -> None:
    """Check the channel to a partner from here, with one object that is marked TEST. Both sides do so.

    Exit code 1 while a question is open.
    """
    from cert_exchange.services import introducing

    with opened(home) as node:
        found = introducing.check(node, name, by=operator())
    rows = [
        ({True: "yes", False: "no", None: "not yet"}[one.right], one.question, one.said)
        for one in found
    ]
    if as_json:
        printing.document(
            [dict(zip(("answer", "question", "said"), row, strict=True)) for row in rows]
        )
    else:
        printing.table(["answer", "question", "said"], rows)
    open_ = sum(one.right is not True for one in found)
    if open_:
        printing.verdict(f"{printing.count(open_, 'question')} open")
        raise typer.Exit(ExitCode.REFUSED)
    printing.verdict(
        f"the channel works. When the policy that you agreed on is applied: `partner promote {name} --reason ...`"
    )


def promote(
    name: Name,
    *,
    reason: Reason,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Although no self-check of late was without a no.")
    ] = False,
    home: Home = None,
) -> None:
    """Open a channel for what is real: from now on the partner has what collections' files and policies give it."""
    from cert_exchange.services import introducing

    with opened(home) as node:
        rights = introducing.promote(node, name, reason=reason, unchecked=unchecked, by=operator())
    printing.table(
        ["collection", "reads", "writes"],
        [(one.collection, _yes(one.may_read), _yes(one.may_write)) for one in rights],
    )
    printing.verdict(
        f"{name} is live; pull what is theirs by `cert-exchange partner pull {name} COLLECTION --into OURS`"
    )


def demote(name: Name, *, reason: Reason, home: Home = None) -> None:
    """Confine a partner to the TEST collection again, from its next request on."""
    from cert_exchange.services import introducing

    with opened(home) as node:
        introducing.demote(node, name, reason=reason, by=operator())
    printing.verdict(f"{name} has the TEST collection only")


def pull(
    name: Name,
    collection: Annotated[str, typer.Argument(help="Their collection, by id or alias.")],
    *,
    into: Annotated[str, typer.Option("--into", help="Our collection that what is pulled joins.")],
    home: Home = None,
) -> None:
    """Pull a collection of a partner, with the certificate and credential of the channel."""
    from cert_exchange.services import introducing

    with opened(home) as node:
        source = introducing.pull(node, name, collection, into=into, by=operator())
    printing.verdict(f"{source} added; next: `cert-exchange sync now {source}`")


def renew(name: Name, *, home: Home = None) -> None:
    """Get a new certificate for our side of a channel now. The worker does so in the last 30 days of the old one."""
    from cert_exchange.services import introducing

    with opened(home) as node:
        introducing.renew(node, name, by=operator())
    printing.verdict(f"the channel to {name} shows a new certificate from now on")


def words(*, home: Home = None) -> None:
    """Show the words that we read out when a partner compares anew what we are recognised by."""
    from cert_exchange.services import introducing

    with opened(home) as node:
        found = introducing.words(node)
    printing.result(introducing.words_shown(found))


def verify(name: Name, *, words: Words = None, home: Home = None) -> None:
    """Note that a partner's desk was called and its card gone through, each quarter; each year with --words as well.

    Fetches the card as it is now and shows what changed. They find their words by `partner words`.
    """
    from cert_exchange.errors import EvidenceBroken, RemoteError
    from cert_exchange.services import introducing

    with opened(home) as node:
        fresh = None
        try:
            fresh = introducing.card_from(node, name)
        except (RemoteError, EvidenceBroken) as error:
            printing.verdict(f"their card could not be fetched: {error.public}")
        done = introducing.confirm(node, name, fresh=fresh, heard=words, by=operator())
    _show(done.card, {})
    for line in done.changed:
        printing.verdict(f"changed: {line}")
    printing.verdict(
        "card confirmed, and the words compared" if done.compared else "card confirmed"
    )


def channels(*, as_json: AsJson = False, home: Home = None) -> None:
    """List the channels that are or were set up, how far each has come, and what comes next."""
    from cert_exchange.services import introducing

    with opened(home) as node:
        found = introducing.progress(node)
    rows = [
        {
            "name": one.name,
            "stage": one.stage or "invited",
            "invited": printing.instant(one.introduction.offered_at),
            "accepted": printing.instant(one.introduction.accepted_at),
            "set up": printing.instant(one.introduction.opened_at),
            "checked": printing.instant(one.introduction.checked_at),
            "promoted": printing.instant(one.introduction.promoted_at),
            "next": one.next,
        }
        for one in found
    ]
    if as_json:
        printing.document(rows)
        return
    columns = ["name", "stage", "invited", "accepted", "set up", "checked", "promoted", "next"]
    printing.table(columns, [[row[column] for column in columns] for row in rows])


def _hear(seen: Seen, name: str) -> str | None:
    """Ask for the words where a person sits there; what is compared with them is not shown."""
    if not sys.stdin.isatty():
        return None
    printing.verdict(f"the letter says that it is from {seen.card.organisation}, {seen.identity},")
    printing.verdict(f"their node {seen.url}, written {printing.instant(seen.at)}")
    printing.verdict(
        f"call {name} by a number that you did not take from this letter, and let them read out its words"
    )
    return str(typer.prompt("words", err=True))


def _write(to: Path, letter: bytes) -> None:
    with writing_to(to), whole(to) as out:
        out.write(letter)


def _say_words(said: tuple[str, ...], to: Path) -> None:
    from cert_exchange.services import introducing

    printing.verdict(f"send {to}. When they call, or you call them, read out these words of it:")
    printing.result(introducing.words_shown(said))


def _show(shown: Card, facts: dict[str, str]) -> None:
    pairs = {
        part: ", ".join(value) if isinstance(value, list) else value
        for part, value in shown.document().items()
    }
    printing.facts(pairs | facts)


def _yes(right: bool) -> str:  # noqa: FBT001 - a cell of a table
    return "yes" if right else ""
