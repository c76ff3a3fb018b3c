"""Commands that erase for good, and what keeps things from it: erase, erasures, legal-hold, partner end."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import partners, printing
from cert_exchange.cli.files import whole, writing_to
from cert_exchange.cli.options import AsJson, Home, Limit, Reason, opened, operator
from cert_exchange.errors import InputRefused

if TYPE_CHECKING:
    from cert_exchange.services.erasing import Erased
    from cert_exchange.services.purging import Ended, Purged

app = typer.Typer(help="What was erased, and what is left to do after it.", no_args_is_help=True)
hold_app = typer.Typer(
    help="Legal holds: what nobody erases while they stand.", no_args_is_help=True
)

Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without this it is only said.")]
Order = Annotated[int, typer.Argument(metavar="ORDER", help="Its number in `erasures list`.")]
Hold = Annotated[int, typer.Argument(metavar="HOLD", help="Its number in `legal-hold list`.")]


def register(program: typer.Typer) -> None:
    """Add these commands to the program."""
    program.command()(erase)
    program.add_typer(app, name="erasures")
    program.add_typer(hold_app, name="legal-hold")
    partners.app.command()(end)


def erase(
    stix_id: Annotated[
        str, typer.Argument(metavar="ID", help="The object's STIX id, or a derivative's.")
    ],
    *,
    reason: Reason,
    version: Annotated[
        str | None, typer.Option("--version", help="Only this version; all if not given.")
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option("--from", help="Only copies of this sender: 'own' or a partner's name."),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Erase an object for good: its bytes, their digests and the ledger's salts. This cannot be undone.

    It leaves every view, who fetched it is asked to delete it, and it is not taken in again until `erasures lift`. The
    ledger goes on proving what it proved. The reason stands in the ledger for ever: write no personal data there.
    """
    from cert_exchange.services import erasing

    with opened(home) as node:
        done = erasing.erase(
            node, stix_id, by=operator(), reason=reason, version=version, origin=origin
        )
    if as_json:
        printing.document(asdict(done))
        return
    _tell_erased(done)


def _tell_erased(done: Erased) -> None:
    seen = ", ".join(done.audiences) or "nobody: no audience saw it"
    printing.verdict(
        f"order {done.order}: {printing.count(done.versions, 'version')} erased,"
        f" {printing.count(done.derivatives, 'derivative')} with it; taken from {seen}"
    )
    if done.notices:
        printing.verdict(
            f"{printing.count(done.notices, 'notice')} ask who fetched it to delete it"
        )
    if done.named_by:
        printing.verdict("its id still stands in other objects; erase these as well if it must go:")
        for one in done.named_by:
            printing.result(one)
    for copy in done.backups:
        printing.verdict(
            f"{copy.folder} still holds it, a backup of {printing.instant(copy.made_at)}"
        )
    printing.verdict(
        "`erasures rewrite`, in a quiet hour, clears unused places of the database's files"
    )


@app.command("list")
def list_(*, limit: Limit = 1_000, as_json: AsJson = False, home: Home = None) -> None:
    """List the orders to erase, the newest first: what, who, when, why, and whether it may come again."""
    from cert_exchange.services import erasing

    with opened(home) as node:
        found = erasing.list_erasures(node, limit=limit)
    if as_json:
        printing.document([asdict(one) for one in found])
        return
    printing.table(
        ["order", "what", "from", "versions", "at", "by", "may come again", "reason"],
        [
            (
                one.id,
                one.stix_id or one.kind,
                one.partner or "all",
                one.versions,
                printing.instant(one.ordered_at),
                one.ordered_by,
                printing.instant(one.lifted_at) if one.lifted_at else "no",
                one.reason,
            )
            for one in found
        ],
    )


@app.command()
def lift(number: Order, *, reason: Reason, home: Home = None) -> None:
    """Let what an order keeps out come in again. What is erased stays erased."""
    from cert_exchange.services import erasing

    with opened(home) as node:
        count = erasing.lift(node, number, by=operator(), reason=reason)
    printing.verdict(f"order {number} lifted: {printing.count(count, 'id')} may come in again")


@app.command()
def passed(
    *,
    partner: Annotated[
        str | None, typer.Option("--from", help="Only what came from this partner.")
    ] = None,
    yes: Yes = False,
    home: Home = None,
) -> None:
    """Say what was kept as long as agreements let us; with --yes, erase it.

    The worker does so by itself with the setting `erase_past_retention: true`.
    """
    from cert_exchange.services import purging, retention

    with opened(home) as node:
        due = {
            name: count
            for name, count in retention.count_passed(node).items()
            if partner in (None, name)
        }
        if not yes:
            printing.table(["partner", "versions"], list(due.items()))
            printing.verdict("nothing was changed: --yes erases them" if due else "nothing is due")
            return
        with printing.progress("erasing") as progress:
            done = purging.purge_passed(node, partner=partner, by=operator(), progress=progress)
    for name, purged in done.items():
        _tell_purged(name, purged)
    if not done:
        printing.verdict("nothing is due")


@app.command()
def rewrite(*, home: Home = None) -> None:
    """Make the database's files anew, so that unused places hold nothing of what was erased. Writers wait meanwhile."""
    from cert_exchange.services import forgetting

    with opened(home) as node:
        forgetting.rewrite(node)
    printing.verdict("the database's files were made anew")


@app.command()
def redo(
    journal: Annotated[
        Path, typer.Argument(help="erasures.jsonl, from the home of the node that was lost.")
    ],
    *,
    home: Home = None,
) -> None:
    """After an older backup was put back: erase again what had been erased since."""
    from cert_exchange.services import forgetting

    with opened(home) as node:
        done = forgetting.redo(node, journal, by=operator())
    printing.verdict(
        f"{printing.count(done.orders, 'order')} read; {printing.count(done.erased, 'version')} erased again,"
        f" {done.held:,} kept by legal holds"
    )


@app.command()
def leftovers(*, as_json: AsJson = False, home: Home = None) -> None:
    """Say where what was erased may still be read: backups, unused places. Exit code 1 when there is anything."""
    from cert_exchange.services import forgetting

    with opened(home) as node:
        found = forgetting.leftovers(node)
    if as_json:
        printing.document(asdict(found))
    else:
        printing.table(
            ["backup", "made at"],
            [(one.folder, printing.instant(one.made_at)) for one in found.backups],
        )
    for after, until in found.unknown:
        printing.verdict(
            f"backups made between {printing.instant(after)} and {printing.instant(until)} are unknown to this node: it was"
            " restored from one of before; look for them where backups lie"
        )
    if found.unused_places:
        printing.verdict("unused places of the database's files; `erasures rewrite` clears them")
    if found.backups or found.unused_places:
        raise InputRefused("what was erased may still be read there")
    printing.verdict("nothing of what was erased is known to be left on this machine")


@hold_app.command()
def place(
    stix_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The object's STIX id; all if not given.")
    ] = None,
    *,
    partner: Annotated[
        str | None, typer.Option("--from", help="Only what came from this partner.")
    ] = None,
    reason: Reason,
    home: Home = None,
) -> None:
    """Keep an object, or all that came from a partner, from being erased by anybody or anything."""
    from cert_exchange.services import legal_holds

    with opened(home) as node:
        number = legal_holds.place(
            node, stix_id=stix_id, partner=partner, by=operator(), reason=reason
        )
    printing.verdict(f"legal hold {number} stands")


@hold_app.command("lift")
def lift_hold(number: Hold, *, reason: Reason, home: Home = None) -> None:
    """End a legal hold."""
    from cert_exchange.services import legal_holds

    with opened(home) as node:
        legal_holds.lift(node, number, by=operator(), reason=reason)
    printing.verdict(f"legal hold {number} lifted")


@hold_app.command("list")
def list_holds(
    *,
    every: Annotated[bool, typer.Option("--all", help="Also those that were lifted.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List the legal holds that stand."""
    from cert_exchange.services import legal_holds

    with opened(home) as node:
        found = legal_holds.list_holds(node, standing_only=not every)
    if as_json:
        printing.document([asdict(one) for one in found])
        return
    printing.table(
        ["hold", "over", "from", "since", "by", "lifted", "reason"],
        [
            (
                one.id,
                one.stix_id or "all",
                one.partner or "all",
                printing.instant(one.placed_at),
                one.placed_by,
                printing.instant(one.lifted_at),
                one.reason,
            )
            for one in found
        ],
    )


def end(
    name: partners.Name,
    *,
    reason: Reason,
    return_to: Annotated[
        Path | None,
        typer.Option("--return", help="Write all that came from it into this file, for it."),
    ] = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Erase all that came from it, legal holds aside.")
    ] = False,
    yes: Yes = False,
    home: Home = None,
) -> None:
    """End an agreement: suspend the partner, give back what came from it, erase it, or both.

    Without --yes it only says how much that is. The file is a STIX bundle with the bytes as they came.
    """
    from cert_exchange.services import purging

    if return_to is not None and return_to.exists():
        raise InputRefused(f"{return_to} is there already; name a new file.")
    if return_to is None and not purge:
        raise InputRefused("Give --return FILE, --purge, or both.")
    with opened(home) as node:
        if not yes:
            count = purging.count(node, name)
            printing.verdict(
                f"{printing.count(count, 'version')} came from {name}; nothing was changed: --yes does it"
            )
            return
        file = nullcontext() if return_to is None else whole(return_to)
        guard = nullcontext() if return_to is None else writing_to(return_to)
        with guard, file as out, printing.progress("erasing") as progress:
            done = purging.end(
                node, name, by=operator(), reason=reason, return_to=out, erase=purge,
                progress=progress,
            )  # fmt: skip
    _tell_ended(name, done, return_to)


def _tell_ended(name: str, done: Ended, file: Path | None) -> None:
    printing.verdict(f"{name} is suspended in both directions")
    if done.given_back is not None:
        given = done.given_back
        printing.verdict(
            f"{printing.count(given.versions, 'version')} written to {file}; SHA-256 {given.digest}"
        )
    if done.purged is not None:
        _tell_purged(name, done.purged)


def _tell_purged(name: str, done: Purged) -> None:
    printing.verdict(
        f"{printing.count(done.versions, 'version')} of {name} erased; {done.held:,} kept by legal holds;"
        f" {printing.count(done.notices, 'notice')} to who fetched any of it"
    )
