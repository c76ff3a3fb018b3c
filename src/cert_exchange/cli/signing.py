"""Commands about what is signed: our keys and partners', statements of deliveries, receipts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import forks, printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, Limit, opened, operator

if TYPE_CHECKING:
    from cert_exchange.services.deliveries import Shown

keys = typer.Typer(
    help="Keys that we sign with, and those of partners whose signatures we take.",
    no_args_is_help=True,
)
statements = typer.Typer(
    help="What was signed of what went out and came in, and the receipts for it.",
    no_args_is_help=True,
)
Partner = Annotated[str, typer.Argument(metavar="PARTNER", help="The partner's name.")]


def register(program: typer.Typer) -> None:
    """Add these commands to the program."""
    program.add_typer(keys, name="keys")
    program.add_typer(statements, name="statements")
    forks.register(statements)


@keys.command(name="show")
def show_keys(*, as_json: AsJson = False, home: Home = None) -> None:
    """Show our public keys, the one that signs first: a partner pins it with `keys pin`, once it was compared by voice."""
    from cert_exchange.services import signing

    with opened(home) as node:
        ours = signing.our_keys(node)
    if as_json:
        printing.document([{**asdict(key), "since": printing.instant(key.since)} for key in ours])
        return
    printing.table(
        ("key", "public", "since"),
        [(key.kid, key.public, printing.instant(key.since)) for key in ours],
    )


@keys.command(name="list")
def list_keys(*, as_json: AsJson = False, home: Home = None) -> None:
    """List partners' keys: who compared them or which key vouched for them, and until when they count."""
    from cert_exchange.messages.keys import public_text
    from cert_exchange.services import signing

    with opened(home) as node:
        found = signing.pinned(node)
        now = node.now()
    listed = [
        {
            "partner": one.partner,
            "key": one.key.kid,
            "counts": one.key.holds_at(now),
            "pinned_at": printing.instant(one.pinned_at),
            "until": printing.instant(one.key.until) or None,
            "vouched_by": one.vouched_by,
            "public": public_text(one.key.public),
        }
        for one in found
    ]
    if as_json:
        printing.document(listed)
        return
    printing.table(
        ("partner", "key", "counts", "pinned", "until", "vouched for by"),
        [
            (
                one["partner"],
                one["key"],
                "yes" if one["counts"] else "no",
                one["pinned_at"],
                one["until"] or "",
                one["vouched_by"] or "a person",
            )
            for one in listed
        ],
    )


@keys.command(name="pin")
def pin_key(
    partner: Partner,
    public: Annotated[
        str,
        typer.Argument(metavar="PUBLIC", help="Its public key, as its `keys show` prints it."),
    ],
    *,
    again_for_days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=90,
            help="Only for a key that ended: let it count again for so many days, for what is still on its way. It vouches for"
            " nothing.",
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Take a partner's signatures by this key, once you have compared it with its people by another way than this one.

    From then on it is asked for signed statements, and its newer keys are taken where this one vouches for them.
    """
    from cert_exchange.services import signing

    again_for = None if again_for_days is None else timedelta(days=again_for_days)
    with opened(home) as node:
        kid = signing.pin(node, partner, public, by=operator(), again_for=again_for)
    printing.verdict(f"key {kid} is pinned to {partner}")


@keys.command(name="end")
def end_key(
    partner: Partner,
    kid: Annotated[str, typer.Argument(metavar="KEY", help="The key's name: `keys list`.")],
    *,
    home: Home = None,
) -> None:
    """Take nothing more that is signed with this key of a partner, as when it was stolen."""
    from cert_exchange.services import signing

    with opened(home) as node:
        signing.end(node, partner, kid, by=operator())
    printing.verdict(
        f"nothing that is signed with key {kid} from now on counts; pin the partner's new key by `keys pin`"
    )


@keys.command(name="rotate")
def rotate_key(*, home: Home = None) -> None:
    """Sign with a new key from now on. Partners' nodes follow by themselves: the key before vouches for it."""
    from cert_exchange.services import signing

    with opened(home) as node:
        fresh = signing.rotate(node, by=operator())
    printing.verdict(f"key {fresh.kid} signs from now on; back the secrets directory up")


@statements.command(name="list")
def list_statements(
    partner: Annotated[
        str | None, typer.Argument(metavar="PARTNER", help="Only with this partner.")
    ] = None,
    *,
    only_open: Annotated[
        bool, typer.Option("--open", help="Only those whose receipt is not where it should be.")
    ] = False,
    ours: Annotated[
        bool | None,
        typer.Option("--ours/--theirs", help="Only those that we signed, or that partners did."),
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List signed statements, the newest first: what went out or came in, and how its receipt says that it ended."""
    from cert_exchange.services import deliveries

    with opened(home) as node:
        found = deliveries.listing(
            node, partner=partner, ours=ours, only_open=only_open, limit=limit
        )
        served = deliveries.served(node) if partner is None and not only_open else ()
    if as_json:
        printing.document(
            {
                "statements": [_document(one) for one in found],
                "served_without_receipt": [
                    {**asdict(one), "upto": printing.instant(one.upto)} for one in served
                ],
            }
        )
        return
    printing.table(
        ("number", "partner", "signed by", "way", "seq", "objects", "when", "receipt"),
        [
            (
                one.number,
                one.partner,
                "us" if one.ours else one.partner,
                one.way.value,
                one.seq,
                one.objects,
                printing.instant(one.at),
                _ended(one),
            )
            for one in found
        ],
    )
    for one in served:
        printing.verdict(
            f"{one.partner}: its client signs nothing; served up to {printing.instant(one.upto)} by our own record alone"
        )


@statements.command(name="show")
def show_statement(
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", help="Of the statement: `statements list`.")
    ],
    *,
    home: Home = None,
) -> None:
    """Print a statement and its receipt as they were signed, with its commitments, for who checks them elsewhere."""
    from cert_exchange.messages.deliveries import split
    from cert_exchange.services import deliveries

    with opened(home) as node:
        row = deliveries.texts(node, number)
    printing.document(
        {
            "statement": row.text,
            "commitments": [leaf.hex() for leaf in split(row.leaves)],
            "receipt": row.receipt,
        }
    )


@statements.command(name="of")
def statement_of(
    stix_id: Annotated[
        str, typer.Argument(metavar="ID", help="The STIX id of what a partner sent.")
    ],
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say of what partners sent under an id who signed it, or that it came unsigned. Exit code 3: nobody sent it."""
    from cert_exchange.services import deliveries

    with opened(home) as node:
        found = deliveries.origins(node, stix_id)
    if as_json:
        printing.document(
            [{**asdict(one), "at": printing.instant(one.at) or None} for one in found]
        )
    elif found:
        printing.table(
            ("partner", "version", "signed with", "statement", "place", "when"),
            [
                (
                    one.partner,
                    one.version,
                    one.signed_with or "unsigned",
                    "" if one.statement is None else one.statement,
                    "" if one.place is None else one.place,
                    printing.instant(one.at),
                )
                for one in found
            ],
        )
    if not found:
        printing.verdict(f"no partner sent {stix_id}")
        raise typer.Exit(ExitCode.NOT_FOUND)


def _ended(one: Shown) -> str:
    if one.receipted_at is None:
        return "open" if one.open else "set aside: it waits for none"
    said = ", ".join(f"{count} {how}" for how, count in one.outcomes.items())
    return f"{said} (the partner has not got it)" if one.open else said


def _document(one: Shown) -> dict[str, Any]:
    return {
        **asdict(one),
        "at": printing.instant(one.at),
        "receipted_at": printing.instant(one.receipted_at) or None,
        "outcomes": dict(one.outcomes),
    }
