"""Commands about the ledger, the proof of what was disclosed to whom and when."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing, proving
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.files import new_text
from cert_exchange.cli.options import AsJson, Home, Limit, Reason, opened, operator
from cert_exchange.errors import ConfigurationInvalid

app = typer.Typer(help="The proof of what was disclosed to whom and when.", no_args_is_help=True)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@app.callback()
def _ledger() -> None:
    pass


@app.command()
def verify(*, as_json: AsJson = False, home: Home = None) -> None:
    """Check the chain from its first to its last line, the heads that we signed, and the release logs against it.

    Exit code 5 when it breaks.
    """
    from cert_exchange.services import ledger

    with opened(home) as node, printing.progress("verifying") as progress:
        found = ledger.verify(node, progress=progress)
    facts = asdict(found)
    if as_json:
        printing.document(facts)
    else:
        printing.facts(facts)
    printing.verdict("the ledger verifies")


@app.command()
def head(*, home: Home = None) -> None:
    """Sign what is in the ledger now and print the signed head: to be kept elsewhere, with a partner or on paper."""
    from cert_exchange.services.ledger import checkpointing

    with opened(home) as node:
        issued = checkpointing.issue(node)
    printing.result(issued.note.rstrip("\n"))
    printing.verdict(f"{printing.count(issued.size, 'line')} signed")


@app.command()
def key(*, home: Home = None) -> None:
    """Print the public keys that the ledger's heads are signed with, the newest first: what a verifier needs beside a file."""
    from cert_exchange.services import exporting

    with opened(home) as node:
        for one in exporting.public_keys(node):
            printing.result(one)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The file to write; it may not be there yet.")],
    *,
    contents: Annotated[
        bool,
        typer.Option(
            "--opened", help="Open all commitments: the file is then as secret as the whole store."
        ),
    ] = False,
    contents_for: Annotated[
        str | None,
        typer.Option(
            "--opened-for", metavar="PARTNER", help="Open what was released to this partner alone."
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Write the whole ledger with its signed heads: `deploy/ledger-verifier/verify_ledger.py` checks it anywhere.

    Without an option the file says how much was stored and released when, and what persons ordered, but not what that was.
    """
    from cert_exchange.services import exporting

    with (
        new_text(file) as stream,
        opened(home) as node,
        printing.progress("exporting") as progress,
    ):
        done = exporting.export(
            node, stream.write, opened=contents, opened_for=contents_for, progress=progress
        )
    printing.verdict(
        f"{printing.count(done.lines, 'line')}, {printing.count(done.heads, 'signed head')},"
        f" {printing.count(done.commitments, 'commitment')}, {done.opened:,} of them opened"
    )
    printing.verdict("next: verify_ledger.py FILE --key KEY, with the key from `ledger key`")


proving.register(app)


@app.command()
def disclosed(
    *,
    to: Annotated[str, typer.Option("--to", metavar="PARTNER", help="To whom.")],
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="DATE",
            help="As it stood at the end of this day, 2026-11-30, or at this instant,"
            " 2026-11-30T12:00:00Z (UTC). Now if not given.",
        ),
    ] = None,
    fetched: Annotated[
        bool, typer.Option("--fetched", help="Without what it certainly did not fetch.")
    ] = False,
    limit: Limit = 1_000,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Tell what had been disclosed to a partner: each object version, since when, whether it was fetched, by which rule.

    `line` is the ledger line that proves the release; `noted` when the ledger first knew of the fetch. What was taken back
    before the date stays in the list. Seconds before the date may count as after it.
    """
    from cert_exchange.services import disclosing

    with opened(home) as node:
        instant = node.now() if on is None else _instant(on)
        found = disclosing.disclosed(node, to, on=instant)
    if fetched:
        found = tuple(one for one in found if one.has != "not fetched")
    if as_json:
        instants = ("since", "until", "noted_at")
        printing.document(
            [
                asdict(one)
                | {"has": str(one.has)}
                | {name: printing.instant(getattr(one, name)) or None for name in instants}
                for one in found
            ]
        )
    else:
        printing.table(
            [
                "id", "version", "collection", "has it", "since", "taken back", "noted", "rule",
                "line", "sha-256",
            ],
            [
                (
                    one.stix_id, one.version, one.collection, _had(one.has, one.file),
                    printing.instant(one.since), printing.instant(one.until),
                    printing.instant(one.noted_at), one.rule, one.line, one.digest or "erased",
                )
                for one in found[:limit]
            ],
        )  # fmt: skip
        if len(found) > limit:
            printing.verdict(f"the first {limit:,} of {len(found):,}; --limit or --json for all")
    had = sum(one.has != "not fetched" for one in found)
    printing.verdict(
        f"until {printing.instant(instant)} {printing.count(len(found), 'object version')} could be"
        f" fetched by {to}, of which it fetched, or may have, {had:,}"
    )


def _had(has: str, file: int | None) -> str:
    return has if file is None else f"{has}, by file {file}"


@app.command()
def reconcile(
    partner: Annotated[str, typer.Argument(help="The partner's name.")],
    *,
    limit: Limit = 1_000,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Ask a partner's node what it received from us and what we received from it, and list where the accounts differ.

    `signed` says how its signed receipt ended for that object: "received" beside "not there" is a contradiction that proves
    itself. Exit code 1 when they differ in what should not happen; what it does not serve to us any more may be in good order.
    """
    from cert_exchange.services import reconciling

    with opened(home) as node:
        account = reconciling.reconcile(node, partner)
    if as_json:
        printing.document(asdict(account))
    else:
        printing.table(
            ["difference", "id", "version", "signed"],
            [
                (str(one.what), one.stix_id, one.version, one.signed)
                for one in account.differences[:limit]
            ],
        )
    printing.verdict(
        f"agreed: {account.agreed_out:,} to {partner}, {account.agreed_in:,} from it; it keeps"
        f" {account.taken_back:,} that we took back"
    )
    for what, number in sorted(account.counts().items()):
        printing.verdict(f"{what}: {number:,} ({reconciling.WORDS[what]})")
    for odd in account.odd:
        printing.verdict(
            f"{odd.what}: statement {odd.seq} of {odd.stream} ({odd.way}), {printing.count(odd.objects, 'object')}"
        )
    if account.acknowledged is None:
        printing.verdict(f"no key of {partner} is pinned: nothing of it is signed (`keys pin`)")
    else:
        printing.verdict(f"signed receipts of {partner} say the same of {account.acknowledged:,}")
    if not account.whole:
        raise typer.Exit(ExitCode.REFUSED)


@app.command()
def compare(
    partner: Annotated[
        str | None, typer.Argument(help="Only this partner; all that we connect to if not given.")
    ] = None,
    *,
    home: Home = None,
) -> None:
    """Ask partners for the signed heads of their ledgers now, as the worker does each day, and check that they go on.

    Exit code 5 when a history does not continue the one that was shown before, 4 when a partner whose key is pinned told
    nothing.
    """
    from cert_exchange.services.comparing import asking, judging

    with opened(home) as node:
        names = asking.partners_to_ask(node) if partner is None else [partner]
        done = [asking.compare(node, name) for name in names]
        still = asking.breaks(node)
    for one in done:
        if one.trouble:
            printing.verdict(f"{one.partner}: nothing was told: {one.trouble}")
        elif not one.breaks:
            first = "; the first head that it showed us" if one.first else ""
            lines = printing.count(one.size or 0, "line")
            printing.verdict(f"{one.partner}: {lines}, going on from what it showed before{first}")
        for broken in one.breaks:
            printing.verdict(f"{one.partner}: {broken.upper()}: {judging.WORDS[broken]}")
    if not done:
        printing.verdict("we have neither a source nor a target at any partner to ask over")
    if any(partner in (None, one.partner) for one in still):
        printing.verdict("next: cert-exchange ledger breaks, then call the partner")
        raise typer.Exit(ExitCode.BROKEN)
    if any(one.trouble and one.signs for one in done):
        raise typer.Exit(ExitCode.TEMPORARY)


@app.command()
def breaks(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were settled.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List where a ledger does not go on from what was shown before. --json gives both signed heads, which prove it."""
    from cert_exchange.services.comparing import asking

    with opened(home) as node:
        found = asking.breaks(node, only_open=not everything)
    if as_json:
        instants = ("found_at", "settled_at")
        printing.document(
            [
                asdict(one)
                | {name: printing.instant(getattr(one, name)) or None for name in instants}
                for one in found
            ]
        )
        return
    printing.table(
        ["partner", "what", "found", "settled", "by", "reason"],
        [
            (
                one.partner, one.kind, printing.instant(one.found_at),
                printing.instant(one.settled_at), one.settled_by, one.reason,
            )
            for one in found
        ],
    )  # fmt: skip


@app.command()
def settle(
    partner: Annotated[str, typer.Argument(help="The partner's name.")],
    *,
    reason: Reason,
    home: Home = None,
) -> None:
    """Close a partner's breaks after talking to it (it restored a backup, say): its next head is believed anew."""
    from cert_exchange.services.comparing import asking

    with opened(home) as node:
        closed = asking.settle(node, partner, by=operator(), reason=reason)
    printing.verdict(f"{partner}: {printing.count(closed, 'break')} settled")


def _instant(text: str) -> int:
    """Micros of an instant, or of the end of a day. Raises ConfigurationInvalid."""
    from cert_exchange.stix.instants import parse_micros

    try:
        if len(text) == len("2026-11-30"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), tzinfo=UTC)
            return (day + timedelta(days=1) - _EPOCH) // timedelta(microseconds=1) - 1
        return parse_micros(text)
    except ValueError:
        raise ConfigurationInvalid(
            f"{text!r} is no day; give 2026-11-30, or an instant as 2026-11-30T12:00:00Z."
        ) from None
