"""Commands that answer a partner's objects: sight, opine, note, ask, propose; and what each tells of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, opened, operator
from cert_exchange.errors import InputRefused
from cert_exchange.messages.answers import Opinion

if TYPE_CHECKING:
    from cert_exchange.services.answering import Given, Manner

About = Annotated[str, typer.Argument(metavar="ID", help="The object's STIX id.")]
To = Annotated[
    list[str] | None,
    typer.Option("--to", help="Whom to tell, by name, in place of the object's owner; repeatable."),
]
Everyone = Annotated[
    bool,
    typer.Option("--everyone", help="To everyone whom policy lets have it, not only to the owner."),
]
Level = Annotated[
    str | None,
    typer.Option(
        "--tlp",
        help="Its marking; TLP:AMBER, or the object's where that is stricter, if not given.",
    ),
]
Onward = Annotated[
    str, typer.Option("--onward", help="What its reader may do towards others: none, ask or free.")
]
Where = Annotated[
    str,
    typer.Option("--collection", help="The collection that it goes into: our return collection."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show it, and who would see it.")]
Text = Annotated[str | None, typer.Option("--text", help="What to say.")]
TextFile = Annotated[
    Path | None,
    typer.Option("--file", help="A file with what to say, in UTF-8; - is standard input."),
]
RETURN = "answers"
NONE = "none"
_LONGEST = 1_000_000
_MANNER: Final[Mapping[str, tuple[Any, Any]]] = {
    "to": (To, None),
    "everyone": (Everyone, False),
    "tlp": (Level, None),
    "onward": (Onward, NONE),
    "collection": (Where, RETURN),
    "dry_run": (DryRun, False),
}
"""Options by the fields of `Manner`: their kind and what they are where nobody says."""


def asks_manner(
    without: Collection[str] = (),
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that tells a partner something: how that goes out is asked by the options that all of them share.

    They stand before its own --json and --home, and come to it as one `manner`. `without`: names of those that it has not.
    """
    asked = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _MANNER.items()
        if name not in without
    ]

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        def run(**given: Any) -> None:
            from cert_exchange.services.answering import Manner

            said = {one.name: given.pop(one.name) for one in asked}
            said["to"] = tuple(said.get("to") or ())
            command(**given, manner=Manner(**said))

        own = signature(command, eval_str=True, locals={"Manner": Any}).parameters
        shown: list[Parameter] = []
        for one in own.values():
            shown += asked if one.name == "manner" else [one]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = Signature(shown)  # type: ignore[attr-defined]  # what Typer reads the options from
        run.__annotations__ = {one.name: one.annotation for one in shown}
        return run

    return decorated


def register(program: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (sight, opine, note, ask, propose):
        program.command()(command)


@asks_manner()
def sight(
    stix_id: About,
    *,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            help="How often; 0: looked for and not seen. It may tell of victims: not told if not given.",
        ),
    ] = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--first", help="When first, in UTC: 2026-11-26T08:00:00Z. Not told if not given."
        ),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--last", help="When last. Not told if not given.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            help="Where: `us`, country:XX, or the id of an identity or location; repeatable. It may name a victim: not told"
            " if not given.",
        ),
    ] = None,
    text: Annotated[str, typer.Option("--text", help="What else to say.")] = "",
    manner: Manner,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Tell an object's owner that we saw what it describes: that alone, unless you say how often, when or where."""
    from cert_exchange.services import answering

    with opened(home) as node:
        done = answering.sight(
            node, stix_id, by=operator(), manner=manner, count=count, first=first, last=last,
            where=where or (), words=text,
        )  # fmt: skip
    tell(done, as_json=as_json)


@asks_manner()
def opine(
    stix_id: About,
    opinion: Annotated[Opinion, typer.Argument(help="The standard's words.")],
    *,
    because: Annotated[str, typer.Option("--because", help="Why. The owner reads it.")] = "",
    manner: Manner,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Tell an object's owner what we think of it. Said again, it takes the place of what we said before.

    `disagree` and `strongly-disagree` say that it is wrong: an owner with this program holds it back at once and looks.
    """
    from cert_exchange.services import answering

    with opened(home) as node:
        done = answering.opine(
            node, stix_id, opinion, because=because, by=operator(), manner=manner
        )
    tell(done, as_json=as_json)


@asks_manner()
def note(
    stix_id: About,
    *,
    text: Text = None,
    file: TextFile = None,
    manner: Manner,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Tell an object's owner something about it, in words."""
    from cert_exchange.services import answering

    said = words_of(text, file)
    with opened(home) as node:
        done = answering.note(node, stix_id, said, by=operator(), manner=manner)
    tell(done, as_json=as_json)


@asks_manner()
def ask(
    stix_id: About,
    *,
    text: Text = None,
    file: TextFile = None,
    due: Annotated[
        str | None,
        typer.Option(
            "--due", help="By when a reply is asked for: an instant in UTC, or a duration from now."
        ),
    ] = None,
    manner: Manner,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Ask an object's owner about it. `answers list --given --open` shows what nobody replied to."""
    from cert_exchange.services import answering

    said = words_of(text, file)
    with opened(home) as node:
        done = answering.ask(node, stix_id, said, due=due, by=operator(), manner=manner)
    tell(done, as_json=as_json)


@asks_manner(without=("everyone", "onward"))
def propose(
    stix_id: About,
    *,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="NAME=VALUE: a property, its value as JSON or as plain text; repeatable."
        ),
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", help="A property to leave out; repeatable.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="The whole object as you propose it, in place of the one that we hold."
        ),
    ] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Propose to revoke it.")] = False,
    because: Annotated[str, typer.Option("--because", help="Why. The owner reads it.")] = "",
    manner: Manner,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Propose the next version of a partner's object to its owner, who decides (`proposals` over there)."""
    from cert_exchange.cli.files import read_packed
    from cert_exchange.services import answering

    changes = dict(_pair(one) for one in sets or ())
    whole = None if file is None else read_packed(file, limit=_LONGEST)
    with opened(home) as node:
        done = answering.propose(
            node, stix_id, changes=changes, without=unset or (), whole=whole, revoke=revoke,
            because=because, by=operator(), manner=manner,
        )  # fmt: skip
    tell(done, as_json=as_json)


def words_of(text: str | None, file: Path | None) -> str:
    """What a person says, of an option or a file. Raises InputRefused, NotFound."""
    from cert_exchange.cli.files import read_packed

    if (text is None) == (file is None):
        raise InputRefused("Give --text or --file.")
    if file is None:
        assert text is not None
        return text
    try:
        return read_packed(file, limit=_LONGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefused(f"The file {file} is not UTF-8 text; save it in UTF-8.") from error


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputRefused(f"{text!r} names no property; write NAME=VALUE.")
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value


def tell(done: Given, *, as_json: bool) -> None:
    """Say what became of an answer; exit code 1 where somebody whom it is for does not see it."""
    unseen = [one for one in done.reached if not one.sees]
    if as_json:
        printing.document(
            {
                "id": done.stix_id,
                "content": done.content,
                "collection": done.collection or None,
                "stored": done.stored,
                "said_before": done.repeated,
                "reached": [
                    {"partner": one.partner, "sees": one.sees, "why": one.why, "way": one.way}
                    for one in done.reached
                ],
            }
        )
    else:
        printing.result(done.stix_id)
        if not done.stored and not done.repeated:
            printing.result(json.dumps(done.content, ensure_ascii=False, indent=2))
    if done.repeated:
        printing.verdict("that stands already, word by word; nothing was changed")
        return
    what = "published to" if done.stored else "only looked at; it would go to"
    printing.verdict(f"{what} {done.collection}, {done.marked}")
    would = "sees" if done.stored else "would see"
    for one in done.reached:
        if one.sees:
            printing.verdict(f"{one.partner} {would} it by rule {one.why}; {one.way}")
        else:
            printing.verdict(f"{one.partner} {would} it not: {one.why}")
    if not done.reached:
        printing.verdict("nobody sees it: no policy is in force")
    if unseen or not done.reached:
        raise typer.Exit(ExitCode.REFUSED)
