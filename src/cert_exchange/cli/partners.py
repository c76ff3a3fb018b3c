"""Commands about partners: who they are, and what they may speak for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import credentials, printing, suspension
from cert_exchange.cli.options import AsJson, Home, opened, operator

if TYPE_CHECKING:
    from cert_exchange.services.partners import Authority, Listed

app = typer.Typer(
    help="Other CERTs: identities, credentials, suspension.",
    no_args_is_help=True,
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The partner's short name, as policies write it.")
]
SpeaksFor = Annotated[
    list[str] | None,
    typer.Option("--speaks-for", help="A STIX identity the partner speaks for; may be repeated."),
]
Relays = Annotated[
    list[str] | None,
    typer.Option(
        "--relays", help="A creator whose objects the partner may pass on; may be repeated."
    ),
]
RelaysAny = Annotated[
    bool,
    typer.Option(
        "--relays-any", help="It may pass on every creator that no other partner speaks for."
    ),
]


@app.command()
def add(
    name: Name,
    *,
    title: Annotated[str, typer.Option("--title", help="The partner's full name.")],
    speaks_for: SpeaksFor = None,
    relays: Relays = None,
    relays_any: RelaysAny = False,
    contact: Annotated[str | None, typer.Option("--contact", help="How people reach it.")] = None,
    country: Annotated[
        str | None,
        typer.Option("--country", help="Two letters, such as EE: for terms that name countries."),
    ] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(
            "--requests-per-minute", min=1, help="Its share; the node's setting if not given."
        ),
    ] = None,
    empty_objects_list: Annotated[
        bool,
        typer.Option(
            "--empty-objects-list",
            help='For clients that break on an answer without "objects" (Elastic).',
        ),
    ] = False,
    letter: Annotated[
        Path | None,
        typer.Option(
            "--letter",
            help="It runs cert-exchange too: also write our letter to it into this file (partner invite).",
        ),
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="With --letter: where it reaches our API root.")
    ] = None,
    home: Home = None,
) -> None:
    """Add a partner. It sees nothing until a collection lets it in and a policy names it.

    With --letter this begins the set-up of a channel, which goes on with `partner accept`.
    """
    from cert_exchange.cli import introducing
    from cert_exchange.services import partners

    if letter is not None:
        introducing.invite(name, to=letter, url=url, home=home)
    with opened(home) as node:
        partners.add(
            node,
            name,
            title=title,
            speaks_for=tuple(speaks_for or ()),
            relays=tuple(relays or ()),
            relays_any=relays_any,
            contact=contact,
            requests_per_minute=requests_per_minute,
            empty_objects_list=empty_objects_list,
            country=country,
            by=operator(),
        )
    if letter is None:
        printing.verdict(f"{name} added; next: `cert-exchange partner issue {name}`")


@app.command()
def amend(
    name: Name,
    *,
    speaks_for: SpeaksFor = None,
    no_speaks_for: Annotated[
        bool, typer.Option("--no-speaks-for", help="It speaks for nobody any more.")
    ] = False,
    relays: Relays = None,
    relays_any: RelaysAny = False,
    no_relays: Annotated[
        bool, typer.Option("--no-relays", help="It may pass on nobody's objects any more.")
    ] = False,
    home: Home = None,
) -> None:
    """Change whom a partner speaks for, or whom it may relay; what is not given stays as it is.

    What is given replaces what was: name each identity that is to stand. --relays takes the place of --relays-any.
    """
    from cert_exchange.services import locating, partners

    if no_speaks_for and speaks_for:
        raise typer.BadParameter("--no-speaks-for and --speaks-for exclude each other.")
    if no_relays and (relays or relays_any):
        raise typer.BadParameter("--no-relays excludes --relays and --relays-any.")
    about_relays = bool(relays) or relays_any or no_relays
    if not (speaks_for or no_speaks_for or about_relays):
        raise typer.BadParameter(
            "say what to change; to take away all, say --no-speaks-for or --no-relays."
        )
    with opened(home) as node:
        before, after = partners.amend(
            node,
            name,
            speaks_for=tuple(speaks_for or ()) if speaks_for or no_speaks_for else None,
            relays=tuple(relays or ()) if about_relays else None,
            relays_any=relays_any if about_relays else None,
            by=operator(),
        )
        locating.name_anew(node, name, by=operator())
    printing.table(
        ["what", "before", "now"],
        [
            ("speaks for", *(", ".join(sorted(one.speaks_for)) for one in (before, after))),
            ("relays", *(_relayed(one) for one in (before, after))),
        ],
    )
    printing.verdict(f"{name} amended")


def _relayed(authority: Authority) -> str:
    return "any" if authority.relays_any else ", ".join(sorted(authority.relays))


@app.command("list")
def list_(*, as_json: AsJson = False, home: Home = None) -> None:
    """List partners, their identities and credentials."""
    from cert_exchange.services import partners

    with opened(home) as node:
        found = partners.listing(node)
    if as_json:
        printing.document([_document(row) for row in found])
        return
    printing.table(
        ["name", "title", "state", "country", "speaks for", "relays", "credentials in force"],
        [
            (
                row.partner.name,
                row.partner.title,
                _state(row),
                row.partner.country or "",
                ", ".join(row.speaks_for),
                "any" if row.partner.relays_any else ", ".join(row.relays),
                ", ".join(
                    f"{one.id} until {printing.instant(one.expires_at)}"
                    if one.expires_at
                    else one.id
                    for one in row.credentials
                ),
            )
            for row in found
        ],
    )


def _state(row: Listed) -> str:
    if row.partner.suspended_at is not None:
        return f"suspended {printing.instant(row.partner.suspended_at)}"
    if row.partner.sending_suspended_at is not None:
        return f"sending suspended {printing.instant(row.partner.sending_suspended_at)}"
    if row.partner.receiving_suspended_at is not None:
        return f"receiving suspended {printing.instant(row.partner.receiving_suspended_at)}"
    if row.audience is None:
        return "sees nothing: no policy names it"
    if row.stage == "test":
        return "in stage test: the TEST collection only"
    return "active"


def _document(row: Listed) -> dict[str, Any]:
    partner = row.partner
    return {
        "name": partner.name,
        "title": partner.title,
        "contact": partner.contact,
        "country": partner.country,
        "added_at": printing.instant(partner.added_at),
        "suspended_at": printing.instant(partner.suspended_at) or None,
        "sending_suspended_at": printing.instant(partner.sending_suspended_at) or None,
        "receiving_suspended_at": printing.instant(partner.receiving_suspended_at) or None,
        "governed": row.audience is not None,
        "stage": row.stage,
        "speaks_for": row.speaks_for,
        "relays": "any" if partner.relays_any else row.relays,
        "requests_per_minute": partner.requests_per_minute,
        "empty_objects_list": partner.empty_objects_list,
        "credentials": [credentials.document(one) for one in row.credentials],
        "lockouts": [
            asdict(one)
            | {
                "last_failure_at": printing.instant(one.last_failure_at),
                "locked_until": printing.instant(one.locked_until) if one.locked_until else None,
            }
            for one in row.lockouts
        ],
    }


credentials.register(app)
suspension.register(app)
