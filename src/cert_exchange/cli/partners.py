"""Commands about partners: who they are, what they may speak for, their credentials."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, opened, operator
from cert_exchange.errors import InputRefused

if TYPE_CHECKING:
    from cert_exchange.services.partners import Listed

app = typer.Typer(
    help="Other CERTs: identities, credentials, suspension.",
    no_args_is_help=True,
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The partner's short name, as policies write it.")
]
Lifetime = Annotated[
    str | None,
    typer.Option(
        "--lifetime",
        help="How long the credential lives, such as 90d, 12h or 26w; for ever if not given.",
    ),
]
SecretTo = Annotated[
    Path | None,
    typer.Option(
        "--to", help="Write the credential into this new file (0600) instead of showing it once."
    ),
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


class SecretForm(StrEnum):
    """How a credential is written down."""

    BEARER = "bearer"
    BASIC = "basic"
    PASSWORD = "password"  # noqa: S105 - the name of a form, no secret


_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


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
    home: Home = None,
) -> None:
    """Add a partner. It sees nothing until a collection lets it in and a policy names it."""
    from cert_exchange.services import partners

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
    printing.verdict(f"{name} added; next: `cert-exchange partner issue {name}`")


@app.command()
def amend(
    name: Name,
    *,
    speaks_for: SpeaksFor = None,
    relays: Relays = None,
    relays_any: RelaysAny = False,
    home: Home = None,
) -> None:
    """Replace whom a partner speaks for and may relay.

    What is not named is taken away.
    """
    from cert_exchange.services import locating, partners

    with opened(home) as node:
        partners.amend(
            node,
            name,
            speaks_for=tuple(speaks_for or ()),
            relays=tuple(relays or ()),
            relays_any=relays_any,
            by=operator(),
        )
        locating.name_anew(node, name, by=operator())
    printing.verdict(f"{name} amended")


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
                    f"{credential} until {printing.instant(end)}" if end else credential
                    for credential, end in row.credentials
                ),
            )
            for row in found
        ],
    )


@app.command()
def issue(
    name: Name,
    *,
    lifetime: Lifetime = None,
    to: SecretTo = None,
    form: Annotated[
        SecretForm,
        typer.Option(
            "--form",
            help="bearer: the whole token; basic: USER:PASSWORD; password: without the user.",
        ),
    ] = SecretForm.BEARER,
    home: Home = None,
) -> None:
    """Issue a credential and show it once.

    The node keeps only a digest of it. Older ones stay valid until they are revoked.

    One credential serves Bearer and Basic alike: with Basic its id is the user and the rest the password.
    """
    from cert_exchange.services import partners

    lives = _span(lifetime)
    with opened(home) as node, _place(to) as file:
        issued = partners.issue(node, name, lifetime=lives, by=operator())
        match form:
            case SecretForm.BEARER:
                text = issued.token
            case SecretForm.BASIC:
                text = f"{issued.credential_id}:{issued.secret}"
            case SecretForm.PASSWORD:
                text = issued.secret
        _hand_out(text, issued.credential_id, file)


@app.command()
def revoke(
    credential: Annotated[
        str, typer.Argument(help="The id of the credential: the part before its dot.")
    ],
    *,
    home: Home = None,
) -> None:
    """End a credential at once. The partner's other credentials go on."""
    from cert_exchange.services import partners

    with opened(home) as node:
        partners.revoke(node, credential, by=operator())
    printing.verdict(f"{credential} is not valid any more")


@app.command()
def suspend(name: Name, *, home: Home = None) -> None:
    """Shut a partner out from its next request on.

    With every credential that it has. What it sent stays.
    """
    from cert_exchange.services import partners

    with opened(home) as node:
        partners.suspend(node, name, by=operator())
    printing.verdict(f"{name} is suspended; `cert-exchange partner resume {name}` lets it in again")


@app.command()
def resume(name: Name, *, home: Home = None) -> None:
    """Let a suspended partner in again, and lift its lock-outs."""
    from cert_exchange.services import partners

    with opened(home) as node:
        partners.resume(node, name, by=operator())
    printing.verdict(f"{name} is active again")


def _state(row: Listed) -> str:
    if row.partner.suspended_at is not None:
        return f"suspended {printing.instant(row.partner.suspended_at)}"
    if row.audience is None:
        return "sees nothing: no policy names it"
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
        "governed": row.audience is not None,
        "speaks_for": row.speaks_for,
        "relays": "any" if partner.relays_any else row.relays,
        "requests_per_minute": partner.requests_per_minute,
        "empty_objects_list": partner.empty_objects_list,
        "credentials": [
            {"id": credential, "expires_at": printing.instant(end) or None}
            for credential, end in row.credentials
        ],
        "lockouts": [
            asdict(one)
            | {
                "last_failure_at": printing.instant(one.last_failure_at),
                "locked_until": printing.instant(one.locked_until) if one.locked_until else None,
            }
            for one in row.lockouts
        ],
    }


@contextmanager
def _place(to: Path | None) -> Iterator[TextIO | None]:
    """Make the new file that only its owner reads before a credential is issued; an error takes it away again."""
    if to is None:
        yield None
        return
    try:
        file = open(to, "x", encoding="utf-8", opener=_private)  # noqa: SIM115 - closed below
    except FileExistsError as error:
        raise InputRefused(
            f"{to} is there already; name a new file. No credential was issued."
        ) from error
    except OSError as error:
        raise InputRefused(
            f"{to} cannot be written: {error.strerror}. Name a new file in a folder that exists and that you may"
            " write to. No credential was issued."
        ) from error
    try:
        with file:
            yield file
    except BaseException:
        to.unlink(missing_ok=True)
        raise


def _hand_out(text: str, credential_id: str, file: TextIO | None) -> None:
    """Show the secret, or write it where only its owner reads; nothing else ever holds it whole."""
    if file is None:
        printing.result(text)
        printing.verdict(
            "shown once: hand it to the partner by a safe way, it cannot be shown again"
        )
        return
    try:
        file.write(text + "\n")
        file.flush()
    except OSError as error:
        raise InputRefused(
            f"{file.name} cannot be written ({error.strerror}), so credential {credential_id} was not handed out:"
            f" `cert-exchange partner revoke {credential_id}`, then issue one to another file."
        ) from error
    printing.verdict(
        f"{credential_id} written to {file.name}; hand it to the partner by a safe way"
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _span(text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = _SPAN.fullmatch(text)
    if match is None:
        raise InputRefused(f"{text!r} is no lifetime: write a number and h, d or w, such as 90d.")
    return int(match.group(1)) * _UNITS[match.group(2)]
