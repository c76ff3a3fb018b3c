"""Commands about others' certificates: what we sign for partners, and whose authorities we believe."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import Home, opened, operator
from cert_exchange.cli.pki import Days, To, hand_out, read
from cert_exchange.errors import InputRefused


class Why(StrEnum):
    """Reasons of a revocation, as lists write them."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key_compromise"
    SUPERSEDED = "superseded"
    CESSATION = "cessation_of_operation"


Partner = Annotated[str, typer.Argument(metavar="PARTNER", help="The partner's short name.")]
Voluntary = Annotated[
    bool,
    typer.Option(
        "--voluntary", help="Do not yet demand a certificate with the partner's requests."
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to `pki`."""
    for command in (issue, revoke, pin, unpin, require):
        app.command()(command)


def issue(
    partner: Partner,
    file: Annotated[
        Path, typer.Argument(metavar="REQUEST", help="The partner's request (PKCS #10).")
    ],
    *,
    days: Days = 90,
    voluntary: Voluntary = False,
    to: To = None,
    home: Home = None,
) -> None:
    """Certify a partner's key out of its request. From now on it must show a certificate.

    Older ones stay valid until they end or are revoked.
    """
    from cert_exchange.services import pki

    raw = read(file)
    with opened(home) as node:
        made, text = pki.issue_for_partner(
            node,
            partner,
            raw,
            lifetime=timedelta(days=days),
            required=not voluntary,
            by=operator(),
        )
    hand_out(text, to)
    printing.verdict(
        f"serial {made.serial}, until {printing.instant(made.ends_at)}; it is no secret: hand it to the partner"
    )


def revoke(
    serial: Annotated[
        str,
        typer.Argument(help="Its serial or fingerprint, or at least eight signs of the beginning."),
    ],
    *,
    reason: Annotated[
        Why, typer.Option("--reason", help="Why, as the list says it.")
    ] = Why.UNSPECIFIED,
    home: Home = None,
) -> None:
    """Take back a certificate that our authority gave: refused from the next request on, also on open connections."""
    from cert_exchange.services import pki

    with opened(home) as node:
        row = pki.revoke(node, serial, reason=reason.value, by=operator())
    printing.verdict(f"{row.serial} ({row.subject}) is revoked, and our list says so")


def pin(
    partner: Partner,
    *,
    authority: Annotated[
        Path | None, typer.Option("--ca", help="The certificate of the partner's authority.")
    ] = None,
    crl_file: Annotated[
        Path | None,
        typer.Option("--crl", help="Its newest revocation list; alone: of one pinned before."),
    ] = None,
    only: Annotated[
        list[Path] | None,
        typer.Option("--only", help="Believe just this certificate of it; may be repeated."),
    ] = None,
    voluntary: Voluntary = False,
    home: Home = None,
) -> None:
    """Believe a partner's authority, for this partner alone. Compare the fingerprint by telephone first."""
    from cert_exchange.services import pki

    if authority is None and crl_file is None:
        raise InputRefused("Give --ca FILE, or --crl FILE for an authority that is pinned already.")
    listed = None if crl_file is None else read(crl_file)
    with opened(home) as node:
        if authority is None:
            assert listed is not None  # asked above
            number = pki.new_list(node, partner, listed, by=operator())
            printing.verdict(f"taken; it names {printing.count(number, 'certificate')}")
            return
        made = pki.pin(
            node,
            partner,
            read(authority),
            crl=listed,
            only=[read(one) for one in only or ()],
            required=not voluntary,
            by=operator(),
        )
    printing.facts({"authority": made.subject, "fingerprint": pki.spoken(made.fingerprint)})
    if listed is None:
        printing.verdict(f"nothing of it is accepted before its list: pki pin {partner} --crl FILE")


def unpin(partner: Partner, *, home: Home = None) -> None:
    """Believe none of a partner's authorities any more."""
    from cert_exchange.services import pki

    with opened(home) as node:
        number = pki.unpin(node, partner, by=operator())
    printing.verdict(
        f"{number} no longer believed; {partner} needs a certificate of another authority"
    )


def require(
    partner: Partner,
    *,
    no: Annotated[bool, typer.Option("--no", help="Its credential is enough again.")] = False,
    home: Home = None,
) -> None:
    """Demand a certificate with every request of a partner, besides its credential."""
    from cert_exchange.services import pki

    with opened(home) as node:
        pki.require(node, partner, required=not no, by=operator())
    printing.verdict(f"{partner} {'need not' if no else 'must'} show a certificate")
