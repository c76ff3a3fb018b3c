"""Commands for where objects may go: terms, our own stricter marking, what partners allowed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import partners, printing
from cert_exchange.cli.options import AsJson, Home, Limit, Reason, opened, operator, original_of
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from cert_exchange.services.consenting import ConsentRow
    from cert_exchange.services.terms import Beside, Changed

app = typer.Typer(
    help="Where objects may go, beside what policies say: terms of sharing.", no_args_is_help=True
)
consent_app = typer.Typer(
    help="What partners allowed: to whom, until when, and who said so.", no_args_is_help=True
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The object's STIX id, or a derivative's.")]
OnlyTo = Annotated[
    list[str] | None,
    typer.Option(
        "--only-to",
        help="Only to this: a partner's name, country:XX or an identity's id; may be repeated.",
    ),
]
NotTo = Annotated[
    list[str] | None, typer.Option("--not-to", help="Never to this, spelled as for --only-to.")
]
Embargo = Annotated[
    str | None,
    typer.Option("--embargo", help="Not before: an instant in UTC, or a duration from now."),
]
Purpose = Annotated[str | None, typer.Option("--purpose", help="What it may be used for.")]
Onward = Annotated[
    str | None,
    typer.Option("--onward", help="What a receiver may do towards others: none, ask or free."),
]
Exercise = Annotated[
    bool,
    typer.Option(
        "--test", help="It belongs to an exercise: only rules that say test: true let it go."
    ),
]


def register(program: typer.Typer) -> None:
    """Add these commands to the program."""
    program.add_typer(app, name="terms")
    program.command()(mark)
    partners.app.command()(locate)
    program.add_typer(consent_app, name="consent")


def locate(
    name: partners.Name,
    country: Annotated[
        str, typer.Argument(metavar="COUNTRY", help="Two letters, such as EE; none if not known.")
    ],
    *,
    home: Home = None,
) -> None:
    """Say in which country a partner is, for terms that name countries. What it may no longer see goes at once."""
    from cert_exchange.services import locating

    with opened(home) as node:
        lines = locating.locate(node, name, country, by=operator())
    printing.verdict(f"{name} located; {printing.written(lines)}")


@app.command("list")
def list_(*, limit: Limit = 1_000, as_json: AsJson = False, home: Home = None) -> None:
    """List what was said beside objects, the newest first."""
    from cert_exchange.services import terms

    with opened(home) as node:
        found = terms.list_terms(node, limit=limit)
    if as_json:
        printing.document([_document(one) for one in found])
        return
    _print_beside(found)


@app.command()
def show(stix_id: Id, *, as_json: AsJson = False, home: Home = None) -> None:
    """Show all that binds an object: what was said here, what it carries, agreements, consents."""
    from cert_exchange.services import terms

    with opened(home) as node:
        found = terms.show_terms(node, original_of(node, stix_id))
    if as_json:
        printing.document(
            {
                "id": found.stix_id,
                "beside": [_document(one) for one in found.beside],
                "carried": [
                    {"origin": origin, "version": version, "said": list(said)}
                    for origin, version, said in found.carried
                ],
                "agreed": [{"partner": name, "said": list(said)} for name, said in found.agreed],
                "consents": [_consent(one) for one in found.consents],
            }
        )
        return
    rows = [
        ("our desk", one.copies, "; ".join(one.said), f"{one.set_by}: {one.reason}")
        for one in found.beside
    ]
    rows += [
        (f"in the object, from {origin}", version, "; ".join(said), "")
        for origin, version, said in found.carried
    ]
    rows += [(f"agreement with {name}", "", "; ".join(said), "") for name, said in found.agreed]
    rows += [
        (
            f"consent {one.id}",
            "all that came from there" if one.stix_id is None else "this object",
            f"to {one.recipient} {_until(one)}",
            f"{one.said_by} of {one.name}",
        )
        for one in found.consents
    ]
    printing.table(["whose", "about", "what", "who said it"], rows)


@app.command("set")
def set_(
    stix_id: Id,
    *,
    only_to: OnlyTo = None,
    not_to: NotTo = None,
    embargo: Embargo = None,
    purpose: Purpose = None,
    onward: Onward = None,
    test: Exercise = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Say nothing any more; policies alone decide.")
    ] = False,
    reason: Reason,
    home: Home = None,
) -> None:
    """Say where an object may go, in place of what was said here before. What it may no longer reach loses it at once."""
    from cert_exchange.services import terms

    with opened(home) as node:
        said = terms.read_terms(
            node,
            only_to=only_to or (),
            not_to=not_to or (),
            embargo=embargo,
            purpose=purpose,
            onward=onward,
            test=test,
        )
        if (said is None) is not clear:
            raise ConfigurationInvalid(
                "What? Give at least one of --only-to, --not-to, --embargo, --purpose, --onward and --test, or --clear"
                " alone."
            )
        stix_id = original_of(node, stix_id)
        done = terms.set_terms(node, stix_id, said, by=operator(), reason=reason)
    _print_changed(stix_id, done)
    if test:
        printing.verdict(
            "who sees it by a rule of the exercise is not told: publish a newer version with --test"
        )


def mark(
    stix_id: Id,
    *,
    tlp: Annotated[
        str, typer.Option("--tlp", help="clear, green, amber, amber+strict or red; none ends it.")
    ],
    reason: Reason,
    home: Home = None,
) -> None:
    """Treat an object as marked stricter, here and beside it: no pull and no later version takes that away.

    Of this and its own markings the strictest counts.
    """
    from cert_exchange.services import terms

    with opened(home) as node:
        stix_id = original_of(node, stix_id)
        done = terms.mark(node, stix_id, tlp, by=operator(), reason=reason)
    _print_changed(stix_id, done)


@consent_app.command()
def give(
    partner: Annotated[
        str, typer.Argument(metavar="PARTNER", help="Whose objects: who allowed it.")
    ],
    stix_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="The object; without it, all that came from there."),
    ] = None,
    *,
    to: Annotated[
        str,
        typer.Option("--to", help="A partner's name, country:XX, an identity's id, or any."),
    ],
    until: Annotated[
        str, typer.Option("--until", help="An instant in UTC, or a duration such as 30 days.")
    ],
    said_by: Annotated[str, typer.Option("--said-by", help="Who there allowed it.")],
    note: Annotated[
        str | None, typer.Option("--note", help="How: a ticket, a message, a call.")
    ] = None,
    home: Home = None,
) -> None:
    """Write down that a partner allowed passing on what came from it.

    It lifts the partner's own terms, and that what is above TLP:GREEN is not for others; the ceiling, every rule and
    our own terms still stand.
    """
    from cert_exchange.services import consenting

    with opened(home) as node:
        done = consenting.give(
            node, partner, to=to, until=until, said_by=said_by, stix_id=stix_id, note=note,
            by=operator(),
        )  # fmt: skip
    printing.verdict(
        f"consent {done.consent.id} stands {_until(done.consent)}; {printing.written(done.lines)}"
    )


@consent_app.command("list")
def list_consents(
    partner: Annotated[
        str | None, typer.Argument(metavar="[PARTNER]", help="Only of this partner.")
    ] = None,
    *,
    ended: Annotated[bool, typer.Option("--ended", help="Also those that are over.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List the consents that stand."""
    from cert_exchange.services import consenting
    from cert_exchange.services.called import called

    with opened(home) as node:
        found = consenting.list_consents(node, partner=partner, ended=ended)
        words = called(node, (word for one in found for word in (one.stix_id or "", one.recipient)))
    if as_json:
        printing.document([_consent(one) for one in found])
        return
    printing.table(
        ["consent", "partner", "id", "to", "until", "said by", "recorded", "ended"],
        [
            (
                one.id,
                one.name,
                printing.named(one.stix_id, words) if one.stix_id else "all that came from it",
                printing.named(one.recipient, words),
                printing.instant(one.until),
                one.said_by,
                f"{printing.instant(one.given_at)} by {one.given_by}",
                ""
                if one.ended_at is None
                else f"{printing.instant(one.ended_at)} by {one.ended_by}",
            )
            for one in found
        ],
    )


@consent_app.command()
def end(
    number: Annotated[int, typer.Argument(metavar="CONSENT", help="Its number.")],
    *,
    reason: Reason,
    home: Home = None,
) -> None:
    """End a consent now: what is visible only by it goes at once."""
    from cert_exchange.services import consenting

    with opened(home) as node:
        done = consenting.end(node, number, by=operator(), reason=reason)
    printing.verdict(f"consent {number} ended; {printing.written(done.lines)}")


def _print_changed(stix_id: str, done: Changed) -> None:
    printing.changes(done.lines)
    printing.verdict(f"{stix_id}: {'; '.join(done.said) or 'nothing is said beside it any more'}")


def _print_beside(found: list[Beside]) -> None:
    printing.table(
        ["id", "about", "what", "since", "who said it", "reason"],
        [
            (
                one.stix_id,
                one.copies,
                "; ".join(one.said),
                printing.instant(one.set_at),
                one.set_by,
                one.reason,
            )
            for one in found
        ],
    )


def _document(one: Beside) -> dict[str, object]:
    return {**asdict(one), "said": list(one.said), "set_at": printing.instant(one.set_at)}


def _consent(one: ConsentRow) -> dict[str, object]:
    return {
        "consent": one.id,
        "partner": one.name,
        "id": one.stix_id,
        "to": one.recipient,
        "until": printing.instant(one.until),
        "said_by": one.said_by,
        "note": one.note,
        "given_at": printing.instant(one.given_at),
        "given_by": one.given_by,
        "ended_at": None if one.ended_at is None else printing.instant(one.ended_at),
        "ended_by": one.ended_by,
    }


def _until(one: ConsentRow) -> str:
    if one.ended_at is not None:
        return f"ended {printing.instant(one.ended_at)}"
    return f"until {printing.instant(one.until)}"
