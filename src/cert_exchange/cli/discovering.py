"""Finding a remote server by its domain, for `source add --discover` and `target add --discover`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import opened
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from cert_exchange.services.discovering import Server

Discover = Annotated[
    str | None,
    typer.Option(
        "--discover",
        metavar="DOMAIN",
        help="In place of --url: ask DNS (SRV at _taxii2._tcp) for the domain's server; nothing is used unconfirmed.",
    ),
]
Use = Annotated[
    str | None,
    typer.Option(
        "--use", metavar="HOST[:PORT]", help="The server, of those found, that you confirm."
    ),
]
DnsServer = Annotated[
    str | None,
    typer.Option(
        "--dns-server",
        metavar="ADDRESS[:PORT]",
        help="Ask this DNS server in place of the machine's.",
    ),
]


@dataclass(frozen=True, slots=True)
class Search:
    """How a server is looked for, as the options say; nothing where --url was given."""

    domain: str | None
    use: str | None
    dns_server: str | None


def where(
    home: Path | None,
    url: str | None,
    collection: str | None,
    search: Search,
    *,
    secret: Callable[[], bytes | None],
    options: dict[str, Any],
) -> tuple[str, str, bytes | None]:
    """The API root, the remote collection and the secret: as they were given, or found by the domain and confirmed.

    Raises ConfigurationInvalid where the options do not say it; ends the command where nobody confirms.
    """
    if url is not None and search.domain is not None:
        raise ConfigurationInvalid(
            "Both --url and --discover were given, and either says where it is: leave one out."
        )
    if url is None and search.domain is None:
        raise ConfigurationInvalid("Where is it? Give --url, or --discover with its domain.")
    if url is not None:
        if collection is None:
            raise ConfigurationInvalid(
                "Which collection over there? Give --remote-collection; `source look` lists what there is."
            )
        return url, collection, secret()
    server = _confirmed(home, str(search.domain), search)
    shown = secret()
    root, there = _offered(home, server, collection, secret=shown, options=options)
    return root, there, shown


def _confirmed(home: Path | None, domain: str, search: Search) -> Server:
    from cert_exchange.services import discovering

    with opened(home) as node:
        found = discovering.named_by(node, domain, dns_server=search.dns_server)
    printing.table(
        ["server", "port", "priority", "weight", "addresses", "look at"],
        [
            (
                one.host,
                one.port,
                one.priority,
                one.weight,
                ", ".join(one.addresses),
                "; ".join(one.remarks),
            )
            for one in found
        ],
        title=f"what DNS says of {domain}; none of them was spoken to",
    )
    if search.use is not None:
        return discovering.chosen(found, search.use)
    first = found[0]
    if sys.stdin.isatty() and typer.confirm(
        f"Send your credential to {first.url} and add what it offers?", default=False, err=True
    ):
        return first
    printing.verdict(
        "nothing was added: ask the domain's people whether that is their server, then give"
        f" --use {first.host}:{first.port}"
    )
    raise typer.Exit(ExitCode.REFUSED)


def _offered(
    home: Path | None,
    server: Server,
    collection: str | None,
    *,
    secret: bytes | None,
    options: dict[str, Any],
) -> tuple[str, str]:
    """Ask the confirmed server: the API root and the id of the collection. Raises ConfigurationInvalid where both are open."""
    from cert_exchange.services import discovering

    with opened(home) as node:
        meant, offers = discovering.offer_of(
            node, server, collection, secret=secret, options=options
        )
    if meant is not None:
        printing.verdict(f"{server.url} offers {meant.title or meant.collection} at {meant.root}")
        return meant.root, meant.collection
    printing.table(
        ["url", "id", "alias", "title", "read", "write", "trouble"],
        [
            (o.root, o.collection, o.alias, o.title, o.can_read, o.can_write, o.trouble)
            for o in offers
        ],
        title=f"what {server.url} offers",
    )
    raise ConfigurationInvalid(
        "Which collection? Give --remote-collection with an id, alias or title of these."
        if collection is None
        else f"It offers no collection {collection!r}, or more than one; give the id of one of these."
    )
