"""Commands about what a partner logs in with: issued, replaced with an overlap, limited, shown, revoked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, opened, operator
from cert_exchange.errors import InputRefused

if TYPE_CHECKING:
    from cert_exchange.services.partners import IssuedSecret, Life, Limits

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The partner's short name, as policies write it.")
]
Lifetime = Annotated[
    str | None,
    typer.Option("--lifetime", help="How long the credential lives, such as 90d, 12h or 26w."),
]
SecretTo = Annotated[
    Path | None,
    typer.Option(
        "--to", help="Write the credential into this new file (0600) instead of showing it once."
    ),
]
Network = Annotated[
    list[str] | None,
    typer.Option(
        "--network",
        help="Where it may come from, such as 192.0.2.0/24 or one address; may be repeated.",
    ),
]
Read = Annotated[
    list[str] | None,
    typer.Option(
        "--read", help="It may read this collection, and only what is named; may be repeated."
    ),
]
Write = Annotated[
    list[str] | None,
    typer.Option(
        "--write",
        help="It may write to this collection, and only to what is named; may be repeated.",
    ),
]
Label = Annotated[str | None, typer.Option("--label", help="What it is for, as `list` shows it.")]


class SecretForm(StrEnum):
    """How a credential is written down."""

    BEARER = "bearer"
    BASIC = "basic"
    PASSWORD = "password"  # noqa: S105 - the name of a form, no secret


Form = Annotated[
    SecretForm,
    typer.Option(
        "--form", help="bearer: the whole token; basic: USER:PASSWORD; password: without the user."
    ),
]

_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def register(app: typer.Typer) -> None:
    """Put the commands beside the others about partners."""
    for command in (issue, rotate, credentials, revoke):
        app.command()(command)


def issue(
    name: Name,
    *,
    lifetime: Lifetime = None,
    label: Label = None,
    network: Network = None,
    read: Read = None,
    write: Write = None,
    to: SecretTo = None,
    form: Form = SecretForm.BEARER,
    home: Home = None,
) -> None:
    """Issue a credential and show it once.

    The node keeps only a digest of it. Older ones stay valid until they are revoked; `rotate` replaces one.
    Without --lifetime it lives for ever. Without --read and --write it may all that the partner may, from anywhere
    without --network.

    One credential serves Bearer and Basic alike: with Basic its id is the user and the rest the password.
    """
    from cert_exchange.services import partners

    lives = span(lifetime)
    with opened(home) as node, _place(to) as file:
        issued = partners.issue(
            node, name, lifetime=lives, limits=_limits(label, network, read, write), by=operator()
        )
        _hand_out(issued, form, file)


def rotate(
    name: Name,
    credential: Annotated[
        str | None,
        typer.Argument(help="The id of the credential to replace, where the partner has several."),
    ] = None,
    *,
    overlap: Annotated[
        str,
        typer.Option("--overlap", help="How long the old one goes on, such as 14d, 12h; 0: not."),
    ] = "14d",
    lifetime: Lifetime = None,
    label: Label = None,
    network: Network = None,
    read: Read = None,
    write: Write = None,
    to: SecretTo = None,
    form: Form = SecretForm.BEARER,
    home: Home = None,
) -> None:
    """Replace a credential without a pause: the new one is valid now, the old one until the overlap ends.

    What is not said stays as it was: label, networks, collections, and how long it lives. A third one never runs: what
    went before the old one ends now. A new one that was never used, so that it may have been lost, is revoked and
    replaced, and the old one keeps its end.
    """
    from cert_exchange.services import partners

    meanwhile = timedelta(0) if overlap == "0" else span(overlap)
    assert meanwhile is not None
    lives = span(lifetime)
    with opened(home) as node, _place(to) as file:
        done = partners.rotate(
            node, name, credential=credential, overlap=meanwhile, lifetime=lives,
            limits=_limits(label, network, read, write), by=operator(),
        )  # fmt: skip
        _hand_out(done.issued, form, file)
    if done.ends_at is None:
        printing.verdict(f"{done.replaces} was never used, and is not valid any more")
    else:
        printing.verdict(f"{done.replaces} is valid until {printing.instant(done.ends_at)}")
    for one in done.ended:
        printing.verdict(f"{one}, which it had replaced, is not valid any more")
    if done.still is not None:
        end = printing.instant(done.still[1])
        printing.verdict(f"{done.still[0]} goes on{f' until {end}' if end else ''}")


def credentials(
    name: Annotated[str | None, typer.Argument(help="Only this partner's.")] = None,
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List the credentials in force: until when, what they may, from where, and when each was last used.

    The last use is exact to a minute.
    """
    from cert_exchange.services import partners

    with opened(home) as node:
        found = [
            (row.partner.name, one)
            for row in partners.listing(node)
            for one in row.credentials
            if name in (None, row.partner.name)
        ]
    if as_json:
        printing.document([{"partner": partner, **document(one)} for partner, one in found])
        return
    printing.table(
        ["partner", "id", "label", "ends", "may", "from", "last used", "used from", "replaces"],
        [
            (
                partner,
                one.id,
                one.label,
                printing.instant(one.expires_at) or "never",
                _reach(one),
                one.networks or "anywhere",
                printing.instant(one.last_used_at) or "never",
                one.last_network,
                one.replaces,
            )
            for partner, one in found
        ],
    )
    for partner, one in found:
        if one.refused_at is not None:
            printing.verdict(
                f"{one.id} of {partner} came from {one.refused_network} at {printing.instant(one.refused_at)}, which is"
                " none of its networks: ask the partner, and rotate it if that was not the partner"
            )


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


def document(one: Life) -> dict[str, Any]:
    """A credential in JSON, without its secret, which nobody has."""
    return {
        "id": one.id,
        "label": one.label,
        "issued_at": printing.instant(one.issued_at),
        "expires_at": printing.instant(one.expires_at) or None,
        "networks": one.networks.split() if one.networks else None,
        "collections": None
        if one.scope is None
        else {
            alias: {"read": reach.may_read, "write": reach.may_write}
            for alias, reach in one.scope.items()
        },
        "replaces": one.replaces,
        "last_used_at": printing.instant(one.last_used_at) or None,
        "last_network": one.last_network,
        "refused_at": printing.instant(one.refused_at) or None,
        "refused_network": one.refused_network,
    }


def _reach(one: Life) -> str:
    if one.scope is None:
        return "all that it may"
    return "; ".join(
        f"{'read ' if reach.may_read else ''}{'write ' if reach.may_write else ''}{alias}"
        for alias, reach in sorted(one.scope.items())
    )


def _limits(
    label: str | None,
    network: list[str] | None,
    read: list[str] | None,
    write: list[str] | None,
) -> Limits:
    from cert_exchange.services.partners import Limits, Reach

    reads, writes = set(read or ()), set(write or ())
    scope = {name: Reach(name in reads, name in writes) for name in sorted(reads | writes)}
    return Limits(label, tuple(network or ()), scope)


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


def _hand_out(issued: IssuedSecret, form: SecretForm, file: TextIO | None) -> None:
    """Show the secret, or write it where only its owner reads; nothing else ever holds it whole."""
    text = {
        SecretForm.BEARER: issued.token,
        SecretForm.BASIC: f"{issued.credential_id}:{issued.secret}",
        SecretForm.PASSWORD: issued.secret,
    }[form]
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
            f"{file.name} cannot be written ({error.strerror}), so credential {issued.credential_id} was not handed out:"
            f" `cert-exchange partner revoke {issued.credential_id}`, then issue one to another file."
        ) from error
    printing.verdict(
        f"{issued.credential_id} written to {file.name}; hand it to the partner by a safe way"
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def span(text: str | None) -> timedelta | None:
    """A span that a person typed, such as 90d; None for none. Raises InputRefused."""
    if text is None:
        return None
    match = _SPAN.fullmatch(text)
    if match is None:
        raise InputRefused(f"{text!r} is no span: write a number and h, d or w, such as 90d.")
    return int(match.group(1)) * _UNITS[match.group(2)]
