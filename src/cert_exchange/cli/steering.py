"""Commands about one source or target: how it stands, pause, resume, reset, resend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, ReasonToAct, opened, operator
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from pathlib import Path

    from cert_exchange.services.syncing import Begun, Stand

Direction = Literal["pull", "push"]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]
Ask = Annotated[
    bool, typer.Option("--ask", help="Ask its server now what it still has beyond our cursor.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Change nothing: say from where, and how many objects.")
]


def register(source: typer.Typer, target: typer.Typer) -> None:
    """Add these commands to `source` and `target`."""
    source.command("show")(source_show)
    target.command("show")(target_show)
    source.command("pause")(source_pause)
    target.command("pause")(target_pause)
    source.command("resume")(source_resume)
    target.command("resume")(target_resume)
    source.command("reset")(source_reset)
    target.command("resend")(target_resend)


def source_show(
    name: Name, *, ask: Ask = False, as_json: AsJson = False, home: Home = None
) -> None:
    """Show how a source stands: the last request and its answer, what has not come yet, and what to do."""
    _show("pull", name, ask=ask, as_json=as_json, home=home)


def target_show(name: Name, *, as_json: AsJson = False, home: Home = None) -> None:
    """Show how a target stands: the last request and its answer, what waits to go out, and what to do."""
    _show("push", name, ask=False, as_json=as_json, home=home)


def source_pause(name: Name, *, home: Home = None) -> None:
    """Leave a source out until it is resumed. Nothing is lost: it goes on where it stopped."""
    _pause("pull", name, home)


def target_pause(name: Name, *, home: Home = None) -> None:
    """Leave a target out until it is resumed. Nothing is lost: it goes on where it stopped."""
    _pause("push", name, home)


def source_resume(
    name: Name,
    *,
    take_in: Annotated[
        bool,
        typer.Option(
            "--take-in",
            help="What waits there comes in once without a limit, until all of it came.",
        ),
    ] = False,
    reason: ReasonToAct = None,
    home: Home = None,
) -> None:
    """Go on with a source after a pause, or at once after failures; also with one that its gate shut (`source gate`)."""
    from cert_exchange.services.gating import opening

    if take_in and reason is None:
        raise ConfigurationInvalid("Say why with --reason: it stands in the ledger.")
    with opened(home) as node:
        shut = opening.go_on(node, name, take_in=take_in, by=operator(), reason=reason or "")
    printing.verdict(f"{name} is active, and due at once")
    if take_in:
        printing.verdict("what waits there comes in once without a limit, until all of it came")
    elif shut is not None:
        printing.verdict(
            f"it was shut: {shut.words}. Its limits stand, and it shuts again if as much comes; --take-in lets it in once"
        )


def target_resume(name: Name, *, home: Home = None) -> None:
    """Go on with a target after a pause, or at once after failures."""
    _resume("push", name, home)


def source_reset(
    name: Name,
    *,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            help="The instant to pull from anew, such as 2026-01-31T00:00:00Z; all if not given.",
        ),
    ] = "",
    dry_run: DryRun = False,
    home: Home = None,
) -> None:
    """Forget how far a source has come, and pull anew from an instant on. What is held already counts as unchanged."""
    from cert_exchange.services import syncing

    with opened(home) as node:
        begun = syncing.reset(node, name, since, by=operator(), dry_run=dry_run)
    start = f"at {begun.start}" if begun.start else "at its very beginning"
    had = f"it had come to {begun.before}" if begun.before else "it had not come anywhere yet"
    if dry_run:
        printing.verdict(f"{name} would start again {start}; {had}; {_shown(begun)}")
        return
    printing.verdict(f"{name} starts again {start}; {had}; next: cert-exchange sync now {name}")


def target_resend(
    name: Name,
    *,
    since: Annotated[
        str,
        typer.Option(
            "--since", help="Send again what was released since then, as 2026-01-31T00:00:00Z."
        ),
    ],
    dry_run: DryRun = False,
    home: Home = None,
) -> None:
    """Push again what the partner's view shows now of what was released since an instant. Its server drops what it has."""
    from cert_exchange.services import syncing

    with opened(home) as node:
        begun = syncing.resend_since(node, name, since, by=operator(), dry_run=dry_run)
    more = " or more" if begun.at_least else ""
    number = printing.count(begun.objects or 0, "object")
    said = f"since {begun.start}: {number}{more}; it had come to {begun.before}"
    if dry_run:
        printing.verdict(f"{name} would send again what was released {said}")
        return
    printing.verdict(
        f"{name} sends again what was released {said}; next: cert-exchange sync now {name}"
    )


def _shown(begun: Begun) -> str:
    if begun.objects is None:
        return "how much comes again cannot be told: its manifest cannot be read"
    more = " or more" if begun.at_least else ""
    return f"its manifest shows {printing.count(begun.objects, 'object version')}{more} from there"


def _pause(direction: Direction, name: str, home: Path | None) -> None:
    from cert_exchange.services import syncing

    with opened(home) as node:
        syncing.pause(node, name, direction=direction, by=operator())
    word = "source" if direction == "pull" else "target"
    printing.verdict(f"{name} is paused; next: cert-exchange {word} resume {name}")


def _resume(direction: Direction, name: str, home: Path | None) -> None:
    from cert_exchange.services import syncing

    with opened(home) as node:
        syncing.resume(node, name, direction=direction, by=operator())
    printing.verdict(f"{name} is active, and due at once")


def _show(direction: Direction, name: str, *, ask: bool, as_json: bool, home: Path | None) -> None:
    from cert_exchange.services import syncing

    with opened(home) as node:
        found = syncing.stand(node, direction, name, ask=ask)
    if as_json:
        printing.document(syncing.document(found))
        return
    printing.facts(_facts(found))
    for title, exchanged in (
        ("last request", found.exchanged),
        ("last request beside TAXII", found.beside),
    ):
        if exchanged is not None:
            printing.result("")
            printing.facts({title: printing.instant(exchanged["at"])} | _exchange(exchanged))
    for note in found.notes:
        printing.verdict(f"{name}: {note}")
    if found.step:
        printing.verdict(f"next: {found.step}")


def _facts(found: Stand) -> dict[str, object]:
    channel = found.channel
    pulls = channel.direction == "pull"
    behind = found.lag.words
    if found.lag.as_of is not None:
        behind += f" (as of {printing.instant(found.lag.as_of)})"
    counted = {name: number for name, number in found.last.items() if number}
    shown: dict[str, object] = {
        "name": channel.name,
        "does": "pulls from" if pulls else "pushes to",
        "partner": channel.partner_name,
        "url": channel.url,
        "remote collection": channel.remote_collection,
        "state": found.state,
        "cursor" if pulls else "pushed up to": found.place or "nothing yet",
        "waits there" if pulls else "waits here": behind,
        "last success": printing.instant(channel.last_success_at) or "never",
        "next try": printing.instant(channel.next_attempt_at or None) or "at once",
        "outcome": channel.last_outcome,
        "last run": ", ".join(f"{name} {number:,}" for name, number in counted.items()),
    }
    if found.interrupted:
        shown["interrupted runs"] = (
            f"{found.interrupted:,}, the last one of {printing.instant(found.interrupted_at)}"
        )
    return shown


def _exchange(one: dict[str, Any] | Any) -> dict[str, object]:
    answer = "none" if one["status"] is None else str(one["status"])
    shown: dict[str, object] = {
        "asked": f"{one['method']} {one['address']}",
        "request id": one["request"],
        "sent": f"{one['sent']:,} bytes",
        "answer": f"{answer} after {one['seconds']:.3f} s",
    }
    shown |= {f"  {header}": value for header, value in one["headers"].items()}
    if one["error"]:
        shown["it said"] = one["error"]
    if one["trouble"]:
        shown["trouble"] = one["trouble"]
    return shown
