"""Commands about certificates: our own authority, what it signs, whose certificates we believe."""

from __future__ import annotations

import sys
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.files import read_packed, whole, writing_to
from cert_exchange.cli.options import AsJson, Home, opened, operator
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from cert_exchange.services.pki import Listing

app = typer.Typer(
    help="Certificates: our authority, what it signs, whose certificates we believe.",
    no_args_is_help=True,
)

MOST_BYTES: Final = 1 << 20


class Algorithm(StrEnum):
    """Kinds of keys."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    ED25519 = "ed25519"
    RSA_3072 = "rsa-3072"


class Purpose(StrEnum):
    """What a certificate of ours is for."""

    SERVER = "server"
    CLIENT = "client"


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A name of your own for it, such as to-b.")
]
To = Annotated[
    Path | None, typer.Option("--to", help="Write it into this file; else it is printed.")
]
Days = Annotated[int, typer.Option("--days", min=1, max=398, help="How long it lives.")]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", help="A host name or address that it is for; may be repeated."),
]


@app.command()
def init(
    *,
    algorithm: Annotated[
        Algorithm | None,
        typer.Option(
            "--algorithm", help="The kind of its key; the setting pki_algorithm if not given."
        ),
    ] = None,
    years: Annotated[int, typer.Option("--years", min=1, max=30, help="How long it lives.")] = 10,
    another: Annotated[
        bool, typer.Option("--another", help="A new one beside the one there is, to change over.")
    ] = False,
    home: Home = None,
) -> None:
    """Make our certificate authority. Its key stays in the node's secrets."""
    from cert_exchange.services import introducing, pki

    with opened(home) as node:
        made = pki.init(
            node,
            algorithm=None if algorithm is None else algorithm.value,
            lifetime=timedelta(days=365 * years),
            another=another,
            by=operator(),
        )
        unaware = introducing.unaware_of(node, made.fingerprint)
    printing.facts({"authority": made.subject, "fingerprint": pki.spoken(made.fingerprint)})
    for name in unaware:
        printing.verdict(
            f"first: `cert-exchange partner renew {name}`, so that it believes this one too"
        )
    printing.verdict(
        ("then: " if unaware else "next: ")
        + "`cert-exchange pki own server --host NAME`, and pki show --authority"
    )


@app.command()
def own(
    purpose: Annotated[
        Purpose, typer.Argument(help="server: partners connect to it; client: we connect.")
    ],
    *,
    hosts: Hosts = None,
    days: Days = 90,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Also where partners do not know our newest authority yet."),
    ] = False,
    home: Home = None,
) -> None:
    """Make a key of ours and certify it with our newest authority. The worker renews it in time."""
    from cert_exchange.services import introducing, pki

    with opened(home) as node:
        known = pki.describe_own(node)
        unaware = introducing.unaware_of(node, known[-1][0].fingerprint) if known else ()
        if purpose is Purpose.SERVER and unaware and not anyway:
            raise ConfigurationInvalid(
                f"{', '.join(unaware)} could not connect to a server that shows our newest authority: first"
                " `cert-exchange partner renew` each of them, or give --anyway."
            )
        made = pki.issue_own(
            node,
            purpose.value,
            hosts=tuple(hosts or ()),
            lifetime=timedelta(days=days),
            by=operator(),
        )
        file = node.settings.secrets_directory / pki.pair_file(purpose.value)
    printing.facts({"serial": made.serial, "ends": printing.instant(made.ends_at)})
    setting = (
        f"set tls_certificate and tls_key to {file}"
        if purpose is Purpose.SERVER
        else f"give channels --option client_certificate={file}"
    )
    printing.verdict(setting)


@app.command()
def request(name: Name, *, hosts: Hosts = None, to: To = None, home: Home = None) -> None:
    """Make a key of ours and a request for another side's authority to sign. The key never travels."""
    from cert_exchange.services import pki

    with opened(home) as node:
        text = pki.request(node, name, hosts=tuple(hosts or ()))
    hand_out(text, to)
    printing.verdict(f"when its certificate comes: `cert-exchange pki accept {name} FILE`")


@app.command()
def accept(
    name: Name,
    file: Annotated[Path, typer.Argument(help="The certificate that was made of our request.")],
    *,
    home: Home = None,
) -> None:
    """Take up the certificate that another side made of our request."""
    from cert_exchange.services import pki

    raw = read(file)
    with opened(home) as node:
        made = pki.accept(node, name, raw, by=operator())
        place = node.settings.secrets_directory / pki.pair_file(name)
    printing.facts({"issuer": made.issuer, "ends": printing.instant(made.ends_at)})
    printing.verdict(f"give channels --option client_certificate={place}")


@app.command()
def renew(
    *,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Our own certificates too, also those that have time left."),
    ] = False,
    home: Home = None,
) -> None:
    """Sign our revocation lists anew, and renew our own certificates that are due. The worker does so by itself."""
    from cert_exchange.services import pki

    with opened(home) as node:
        lists = pki.renew_lists(node, at_once=True)
        made = pki.renew_due(node, at_once=everything, by=operator())
    printing.verdict(
        f"{printing.count(lists, 'list')} signed, {printing.count(len(made), 'certificate')} renewed"
    )


@app.command()
def retire(
    fingerprint: Annotated[str, typer.Argument(help="Its fingerprint, or the beginning of it.")],
    *,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where somebody still shows what it signed.")
    ] = False,
    home: Home = None,
) -> None:
    """Believe an older authority of ours no more, and nothing that it signed."""
    from cert_exchange.services import pki

    with opened(home) as node:
        cut_off = pki.leaning_on(node, fingerprint)
        if cut_off and not anyway:
            raise ConfigurationInvalid(
                f"It would cut off {', '.join(cut_off)}: what they show it has signed. Give them certificates of the newer"
                " authority first (`pki own`, `partner renew`, `pki issue`), or give --anyway."
            )
        pki.retire(node, fingerprint, by=operator())
    printing.verdict("what it signed is refused from the next request on")


@app.command()
def crl(*, to: To = None, home: Home = None) -> None:
    """Hand out the revocation lists of our authorities, for partners that pinned them."""
    from cert_exchange.services import pki

    with opened(home) as node:
        text = pki.newest_list(node)
    hand_out(text, to)


@app.command()
def show(
    *,
    authority: Annotated[
        bool, typer.Option("--authority", help="Print our authorities in PEM, to hand to partners.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show authorities, certificates and who must show one."""
    from cert_exchange.services import pki

    with opened(home) as node:
        if authority:
            printing.result("".join(text for _, text in pki.describe_own(node)).rstrip())
            return
        found = pki.listing(node)
    if as_json:
        printing.document(_document(found))
        return
    printing.table(
        ["authority of", "name", "fingerprint", "ends", "list until", "signs here"],
        [
            (
                one.partner or "us",
                one.described.subject,
                pki.spoken(one.described.fingerprint),
                printing.instant(one.described.ends_at),
                printing.instant(one.row.crl_ends_at) or "none",
                "yes" if one.signs else "",
            )
            for one in found.authorities
        ],
    )
    printing.table(
        ["certificate of", "for", "serial", "fingerprint", "ends", "state"],
        [
            (
                partner or "us",
                row.purpose,
                row.serial,
                row.fingerprint or "",
                printing.instant(row.ends_at),
                f"revoked {printing.instant(row.revoked_at)}" if row.revoked_at else "",
            )
            for row, partner in found.certificates
            if row.purpose != "listed"
        ],
    )
    for name, since in found.required.items():
        printing.verdict(f"{name} must show a certificate since {printing.instant(since)}")


def _document(found: Listing) -> dict[str, Any]:
    return {
        "authorities": [
            {
                "partner": one.partner,
                "name": one.described.subject,
                "fingerprint": one.described.fingerprint,
                "ends_at": printing.instant(one.described.ends_at),
                "crl_ends_at": printing.instant(one.row.crl_ends_at) or None,
                "named_only": one.partner is not None and one.row.named_only,
                "signs": one.signs,
            }
            for one in found.authorities
        ],
        "certificates": [
            {
                "partner": partner,
                "purpose": row.purpose,
                "serial": row.serial,
                "fingerprint": row.fingerprint,
                "ends_at": printing.instant(row.ends_at) or None,
                "revoked_at": printing.instant(row.revoked_at) or None,
                "reason": row.reason,
            }
            for row, partner in found.certificates
        ],
        "own": {
            name: {"fingerprint": one.fingerprint, "ends_at": printing.instant(one.ends_at)}
            for name, one in found.own.items()
        },
        "required": {name: printing.instant(since) for name, since in found.required.items()},
    }


def read(file: Path) -> bytes:
    """Read a certificate, request or list that a person names."""
    return read_packed(file, limit=MOST_BYTES)


def hand_out(text: str, to: Path | None) -> None:
    """Print it, or write it as a whole."""
    if to is None:
        sys.stdout.write(text)
        return
    with writing_to(to), whole(to) as out:
        out.write(text.encode("ascii"))
