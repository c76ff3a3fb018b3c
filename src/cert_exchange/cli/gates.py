"""Commands for the gate at the way in: what a pull would change, what may come, and what a person lets in."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, ReasonToAct, opened, operator
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from cert_exchange.services.gating.opening import Gate
    from cert_exchange.services.gating.partnering import PartnerGate
    from cert_exchange.services.gating.previewing import Preview

_WHY: Final = "Say why with --reason: it stands in the ledger."
Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A source, as `source list` names it.")
]


Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="NAME=VALUE: most_objects, most_revocations, most_proposals, most_rejects, window_hours, approval;"
        " may be repeated.",
    ),
]


def register(sync_app: typer.Typer, source_app: typer.Typer, partner_app: typer.Typer) -> None:
    """Add the commands where a person looks for them."""
    sync_app.command("preview")(preview)
    source_app.command("gate")(gate)
    partner_app.command("gate")(partner_gate)


def preview(
    source: Source,
    *,
    most: Annotated[
        int, typer.Option("--most", min=1, max=100_000, help="Look at about so many objects.")
    ] = 10_000,
    everything: Annotated[
        bool, typer.Option("--all", help="List also what would change nothing.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show what a pull of this source would change: nothing is stored, and no cursor moves.

    It asks the remote as a pull does, from where the source stands, and judges by the very pull. Exit code 4 when the
    remote failed, or where the source's gate keeps it out.
    """
    from cert_exchange.services.gating import previewing

    with opened(home) as node, printing.progress("looking") as progress:
        seen = previewing.preview(node, source, most=most, progress=progress)
    if as_json:
        printing.document(_document(seen))
    else:
        printing.table(
            ["would be", "place", "id", "version", "name", "rule", "reason"],
            [
                (one.becomes, one.place, one.id, one.version, one.name, one.rule, one.reason)
                for one in seen.verdicts
                if everything or one.becomes != "unchanged"
            ],
            empty="it would change nothing",
        )
    _say(seen)
    if not seen.ok:
        raise typer.Exit(ExitCode.TEMPORARY)


def _say(seen: Preview) -> None:
    fates = ", ".join(f"{number:,} {name}" for name, number in seen.fates.items() if number)
    printing.verdict(_first(seen, fates or "nothing new"))
    if seen.quarantined:
        printing.verdict(f"{printing.count(seen.quarantined, 'object')} would go to the quarantine")
    if seen.ends:
        printing.verdict(
            f"{printing.count(seen.ends, 'object')} that counts here now would be taken out of use"
            if seen.ends == 1
            else f"{seen.ends:,} objects that count here now would be taken out of use"
        )
    for note in seen.notes:
        printing.verdict(f"{seen.source}: {note}")
    if not seen.ok and seen.gate is None:
        printing.verdict(f"the pull would end here: {seen.outcome}")
    elif not seen.whole:
        printing.verdict(
            f"this is the beginning: {printing.count(seen.fetched, 'object')} were looked at, and the remote has more;"
            " --most looks at more"
        )
    printing.verdict(
        f"nothing was stored here and no cursor moved. The server of {seen.partner} answered"
        f" {printing.count(seen.requests, 'request')} with our credential and gave"
        f" {printing.count(seen.fetched, 'object')}: it may count them as fetched by us"
    )


def _first(seen: Preview, fates: str) -> str:
    if seen.gate is None:
        return f"a pull of {seen.source} now: {fates}"
    if seen.gate.shut:
        return (
            f"a pull of {seen.source} now takes in nothing: its gate is shut: {seen.gate.words}. If a person lets in what"
            f" waits: {fates}"
        )
    return (
        f"a pull of {seen.source} now does not take in all: its gate would shut after"
        f" {seen.gate.before:,} of {printing.count(len(seen.verdicts), 'object')}: {seen.gate.words}. If a person lets in"
        f" all: {fates}"
    )


def _document(seen: Preview) -> dict[str, Any]:
    return {
        "source": seen.source,
        "partner": seen.partner,
        "collection": seen.collection,
        "ok": seen.ok,
        "whole": seen.whole,
        "outcome": seen.outcome,
        "gate": None if seen.gate is None else asdict(seen.gate),
        "objects": seen.fates,
        "quarantined": seen.quarantined,
        "ends": seen.ends,
        "counts": dict(seen.counts),
        "verdicts": [asdict(one) for one in seen.verdicts],
        "notes": list(seen.notes),
        "remote_answered": {"requests": seen.requests, "objects": seen.fetched},
    }


def gate(
    source: Source,
    *,
    settings: Settings = None,
    reason: ReasonToAct = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show a source's gate: what came within its window, its limits, why it is shut; with --set, change it.

    A source that is shut goes on by `source resume`. Exit code 1 while it is shut.
    """
    from cert_exchange.services.gating import opening

    values = dict(_setting(one) for one in settings or ())
    if values and reason is None:
        raise ConfigurationInvalid(_WHY)
    with opened(home) as node:
        if values:
            opening.set_gate(node, source, values, by=operator(), reason=reason or "")
        found = opening.gate_of(node, source)
    if as_json:
        printing.document(asdict(found) | {"shut": _shut_document(found)})
    else:
        printing.facts(_facts(found))
    if found.shut is not None:
        printing.verdict(
            f"{source} is shut: {found.shut.words}. Nothing of it is lost: it waits there. `sync preview {source}` shows"
            f" it; `source resume {source} --take-in` lets it in once, `source resume {source}` goes on under the limits"
            " as they are set"
        )
        raise typer.Exit(ExitCode.REFUSED)


def _setting(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ConfigurationInvalid(f"{text!r}: write NAME=VALUE, such as most_objects=100000.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _facts(found: Gate) -> dict[str, object]:
    shown: dict[str, object] = {
        "source": found.source,
        "partner": found.partner,
        "state": "shut" if found.shut is not None else "paused" if found.paused else "open",
    }
    if found.shut is not None:
        shown["shut since"] = printing.instant(found.shut.at)
        shown["because"] = found.shut.words
    for name, number in found.counted.items():
        shown[name] = (
            f"{number:,} of {found.limits[name]:,} within {found.window_hours} hours"
            f"{_over(found, name, number)}"
        )
    if found.first:
        shown["first full sync"] = (
            "not over yet: more objects may come until all that is there came once"
        )
    if found.once:
        shown["let in"] = "what waits comes in once without a limit, until all that is there came"
    shown["approval"] = "all that comes waits for a person" if found.approval else "not asked for"
    shown["waiting for approval"] = printing.count(found.waiting, "version")
    return shown


def _over(found: Gate, name: str, number: int) -> str:
    """Why a gate is open although the number is over its limit; nothing where it is not."""
    if found.shut is not None or number <= found.limits[name]:
        return ""
    if found.once:
        return "; over its limit, let through by a person (`source resume --take-in`; who, says the ledger)"
    if found.first and name == "rejects":
        return "; over its limit, as it may be until all that is there came once"
    return (
        "; over its limit by what came in the first full sync or before the limit was set: the gate shuts when"
        " one more comes"
    )


def _shut_document(found: Gate | PartnerGate) -> dict[str, Any] | None:
    if found.shut is None:
        return None
    return asdict(found.shut) | {"at": printing.instant(found.shut.at)}


def partner_gate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The partner's name.")],
    *,
    settings: Settings = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Take in again what it posts, after its gate was shut.")
    ] = False,
    take_in: Annotated[
        bool,
        typer.Option(
            "--take-in", help="Open it, and count nothing of what it posts for one window."
        ),
    ] = False,
    reason: ReasonToAct = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show the gate of what a partner posts; with --set, --open or --take-in, change it.

    Without limits nothing is counted. With `approval=true` all that the partner brings, by whichever way, is kept and not
    used until a person lets it in (`intake list`). NAME=null takes a setting away. Exit code 1 while it is shut.
    """
    from cert_exchange.services.gating import partnering

    values = dict(_setting(one) for one in settings or ())
    if (values or open_ or take_in) and reason is None:
        raise ConfigurationInvalid(_WHY)
    with opened(home) as node:
        if values:
            partnering.set_gate(node, name, values, by=operator(), reason=reason or "")
        if open_ or take_in:
            partnering.go_on(node, name, take_in=take_in, by=operator(), reason=reason or "")
        found = partnering.gate_of(node, name)
    if as_json:
        printing.document(
            asdict(found)
            | {
                "shut": _shut_document(found),
                "free_until": printing.instant(found.free_until) or None,
            }
        )
    else:
        printing.facts(_partner_facts(found))
    if found.shut is not None:
        printing.verdict(
            f"nothing that {name} posts is taken in: {found.shut.words}. Nothing is lost: its node is told to send it again"
            f" later; `partner gate {name} --take-in` lets it in, `--open` goes on under the limits as they are set"
        )
        raise typer.Exit(ExitCode.REFUSED)


def _partner_facts(found: PartnerGate) -> dict[str, object]:
    shown: dict[str, object] = {
        "partner": found.partner,
        "state": "shut" if found.shut is not None else "open",
    }
    if found.shut is not None:
        shown["shut since"] = printing.instant(found.shut.at)
        shown["because"] = found.shut.words
    for name, number in found.counted.items():
        limited = name in found.limits
        shown[f"{name} posted"] = (
            f"{number:,} of {found.limits[name]:,} within {found.window_hours} hours"
            if limited
            else "no limit"
        )
    if found.free_until is not None:
        shown["let in"] = f"nothing is counted until {printing.instant(found.free_until)}"
    shown["approval"] = "all that comes waits for a person" if found.approval else "not asked for"
    shown["waiting for approval"] = printing.count(found.waiting, "version")
    return shown
