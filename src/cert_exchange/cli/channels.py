"""Commands about remote TAXII servers: sources we pull from, targets we push to."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.discovering import Discover, DnsServer, Search, Use, where
from cert_exchange.cli.options import AsJson, Home, opened, operator, read_secret
from cert_exchange.errors import InputRefused

source_app = typer.Typer(help="Remote collections that this node pulls from.", no_args_is_help=True)
target_app = typer.Typer(help="Remote collections that this node pushes to.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A short name of your own for it.")]
Partner = Annotated[str, typer.Option("--partner", help="The partner whose server it is.")]
Url = Annotated[
    str | None,
    typer.Option("--url", help="The remote API root, such as https://taxii.example/api/."),
]
Remote = Annotated[
    str | None, typer.Option("--remote-collection", help="Its id or alias over there.")
]
Auth = Annotated[
    str,
    typer.Option(
        "--auth",
        help="How we log in: bearer, basic, token, api_key or none; certificates by --option.",
    ),
]
User = Annotated[str | None, typer.Option("--user", help="The user of basic.")]
SecretFile = Annotated[
    Path | None, typer.Option("--secret-file", help="A file with the secret; it is copied, 0600.")
]
SecretEnv = Annotated[
    str | None,
    typer.Option(
        "--secret-env",
        help="An environment variable with the secret; asked for if neither is given.",
    ),
]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", help="PEM file of the CA that signed its certificate.")
]
More = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="NAME=VALUE, such as every_seconds=60 or server=cert-exchange; may be repeated.",
    ),
]


@source_app.command("add")
def source_add(
    name: Name,
    *,
    partner: Partner,
    collection: Annotated[
        str, typer.Option("--collection", help="Our collection that what is pulled joins.")
    ],
    url: Url = None,
    remote_collection: Remote = None,
    discover: Discover = None,
    use: Use = None,
    dns_server: DnsServer = None,
    auth: Auth = "bearer",
    user: User = None,
    secret_file: SecretFile = None,
    secret_env: SecretEnv = None,
    ca_file: CaFile = None,
    options: More = None,
    home: Home = None,
) -> None:
    """Add a remote collection to pull from. The worker pulls it regularly; `sync now` does at once."""
    from cert_exchange.services import syncing

    given = _options(auth, user, ca_file, options)
    root, there, secret = where(
        home, url, remote_collection, Search(discover, use, dns_server),
        secret=lambda: _secret(auth, secret_file, secret_env), options=given,
    )  # fmt: skip
    with opened(home) as node:
        syncing.add_source(
            node,
            name,
            partner=partner,
            url=root,
            remote_collection=there,
            collection=collection,
            secret=secret,
            options=given,
        )
    printing.verdict(
        f"{name} added; next: `cert-exchange sync preview {name}` shows what would come, `sync now {name}` takes it in"
    )


@target_app.command("add")
def target_add(
    name: Name,
    *,
    partner: Partner,
    collection: Annotated[
        str,
        typer.Option(
            "--collection", help="Our collection: what this partner may see of it is pushed."
        ),
    ],
    url: Url = None,
    remote_collection: Remote = None,
    discover: Discover = None,
    use: Use = None,
    dns_server: DnsServer = None,
    auth: Auth = "bearer",
    user: User = None,
    secret_file: SecretFile = None,
    secret_env: SecretEnv = None,
    ca_file: CaFile = None,
    options: More = None,
    home: Home = None,
) -> None:
    """Add a remote collection to push to: exactly what the partner's view shows, and nothing that came from it."""
    from cert_exchange.services import syncing

    given = _options(auth, user, ca_file, options)
    root, there, secret = where(
        home, url, remote_collection, Search(discover, use, dns_server),
        secret=lambda: _secret(auth, secret_file, secret_env), options=given,
    )  # fmt: skip
    with opened(home) as node:
        syncing.add_target(
            node,
            name,
            partner=partner,
            url=root,
            remote_collection=there,
            collection=collection,
            secret=secret,
            options=given,
        )
    printing.verdict(f"{name} added; next: `cert-exchange sync now {name}`")


def _listing(direction: str, *, as_json: bool, home: Path | None) -> None:
    from cert_exchange.services import holdings

    with opened(home) as node:
        status = holdings.status(node)
    found = [row for row in status.channels if row.direction == direction]
    if as_json:
        printing.document(
            [
                asdict(row)
                | {
                    "counters": json.loads(row.counters),
                    "behind": asdict(status.lags[row.direction, row.name]),
                }
                for row in found
            ]
        )
        return
    printing.table(
        ["name", "partner", "collection", "url", "state", "last success", "waits", "outcome"],
        [
            (
                row.name,
                row.partner,
                row.collection,
                row.url,
                "paused"
                if row.paused
                else f"failed {printing.count(row.attempts, 'time')}"
                if row.attempts
                else "active",
                printing.instant(row.last_success_at) or "never",
                status.lags[row.direction, row.name].words,
                row.last_outcome,
            )
            for row in found
        ],
    )


@source_app.command("list")
def source_list(*, as_json: AsJson = False, home: Home = None) -> None:
    """List what this node pulls, with how it fares."""
    _listing("pull", as_json=as_json, home=home)


@target_app.command("list")
def target_list(*, as_json: AsJson = False, home: Home = None) -> None:
    """List what this node pushes, with how it fares."""
    _listing("push", as_json=as_json, home=home)


@source_app.command("secret")
@target_app.command("secret")
def secret(
    name: Name,
    *,
    secret_file: SecretFile = None,
    secret_env: SecretEnv = None,
    home: Home = None,
) -> None:
    """Log in with a new secret, as after `partner rotate` over there. Place and options stay; nothing is sent again.

    Other sources and targets at the same partner that held the old secret get the new one too.
    """
    from cert_exchange.services import syncing

    text = read_secret(secret_file, secret_env, prompt="The new secret")
    with opened(home) as node:
        changed = syncing.change_secret(node, name, text, by=operator())
    for one in changed:
        what = "source" if one.direction == "pull" else "target"
        printing.verdict(f"{what} {one.name} logs in with the new secret")
    printing.verdict(
        f"next: `cert-exchange sync now {name}`, then the old one can be revoked there"
    )


@source_app.command("look")
@target_app.command("look")
def look(
    url: Annotated[
        str, typer.Argument(help="Its discovery address, such as https://host/taxii2/.")
    ],
    *,
    auth: Auth = "bearer",
    user: User = None,
    secret_file: SecretFile = None,
    secret_env: SecretEnv = None,
    ca_file: CaFile = None,
    options: More = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List what a remote server offers to our credential, before anything is added."""
    from cert_exchange.services import syncing

    given = _options(auth, user, ca_file, options)
    secret = _secret(auth, secret_file, secret_env)
    with opened(home) as node:
        offers = syncing.look_around(node, url, secret=secret, options=given)
    if as_json:
        printing.document([asdict(one) for one in offers])
        return
    printing.table(
        ["url", "id", "alias", "title", "read", "write", "trouble"],
        [
            (o.root, o.collection, o.alias, o.title, o.can_read, o.can_write, o.trouble)
            for o in offers
        ],
    )


@source_app.command("remove")
def source_remove(name: Name, *, home: Home = None) -> None:
    """Remove a source with its cursor and its secret, shown once more. What was pulled stays."""
    _remove("pull", name, home)


@target_app.command("remove")
def target_remove(name: Name, *, home: Home = None) -> None:
    """Remove a target with its cursor and its secret, shown once more. What was pushed stays over there."""
    _remove("push", name, home)


def _remove(direction: Literal["pull", "push"], name: str, home: Path | None) -> None:
    from cert_exchange.services import syncing

    with opened(home) as node:
        gone = syncing.remove(node, direction, name, by=operator())
    printing.facts(
        {
            "name": gone.name,
            "partner": gone.partner_name,
            "url": gone.url,
            "remote collection": gone.remote_collection,
            "options": gone.options,
            "cursor": gone.cursor
            if direction == "pull"
            else printing.instant(gone.position or None),
            "last success": printing.instant(gone.last_success_at),
        }
    )
    printing.verdict(f"{name} is removed; added again it begins anew")


def _secret(auth: str, file: Path | None, variable: str | None) -> bytes | None:
    """What we log in with, wherever it comes from; it is written nowhere but into the node's secrets."""
    if auth == "none":
        return None
    return read_secret(file, variable, prompt=f"Secret for {auth}").encode()


def _options(
    auth: str, user: str | None, ca_file: Path | None, more: list[str] | None
) -> dict[str, Any]:
    given: dict[str, Any] = {"auth": auth}
    if user is not None:
        given["user"] = user
    if ca_file is not None:
        given["ca_file"] = str(ca_file.absolute())
    for pair in more or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputRefused(
                f"{pair!r} is no option: write NAME=VALUE, such as every_seconds=60."
            )
        given[name] = _value(value)
    return given


def _value(text: str) -> Any:
    """Read numbers, true, false and lists as such; everything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
