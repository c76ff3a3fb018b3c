"""Commands about heartbeats: how each partner's stands, what a person sets of it, and one at once."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.options import AsJson, Home, opened, operator

if TYPE_CHECKING:
    from cert_exchange.services.beating import Alarm, Pulse

app = typer.Typer(
    help="The TEST object that goes to each partner every hour, and whether it arrives.",
    no_args_is_help=True,
)
Partner = Annotated[str, typer.Argument(metavar="PARTNER", help="Its name here.")]


@app.command("list")
def list_all(*, as_json: AsJson = False, home: Home = None) -> None:
    """Look which arrived, and show how each partner's heartbeat stands and when anything came from it.

    Exit code 1 when there is an alarm.
    """
    from cert_exchange.services import beating
    from cert_exchange.services.beating import sending

    with opened(home) as node:
        sending.look(node)
        found = beating.pulses(node)
        alarms = beating.alarms(node)
    if as_json:
        printing.document([_document(one, alarms) for one in found])
    else:
        printing.table(
            ["partner", "sent", "seen there", "how", "came from it", "clock", "state"],
            [
                (
                    one.partner,
                    printing.instant(one.state.sent_at) or "never",
                    printing.instant(one.state.seen_at) or "never",
                    one.state.way,
                    printing.instant(one.heard_at) or "never",
                    _clock(one.state.skew),
                    _state(one),
                )
                for one in found
            ],
            empty="there is no partner",
        )
    _alarms(alarms)


@app.command("set")
def set_one(
    partner: Partner,
    *,
    off: Annotated[
        bool | None, typer.Option("--off/--on", help="Send it none, or send it some again.")
    ] = None,
    silent_hours: Annotated[
        float | None,
        typer.Option(
            "--silent-hours",
            help="After how many hours without a sign from it an alarm comes; 0: the default.",
        ),
    ] = None,
    test_collection: Annotated[
        str | None,
        typer.Option(
            "--test-collection",
            help='Id or alias of a collection of its server where tests may be written; "": none.',
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Change what is given, and leave the rest."""
    from cert_exchange.services import beating
    from cert_exchange.services.beating import sending

    with opened(home) as node:
        beating.arrange(
            node,
            partner,
            off=off,
            silent_hours=silent_hours,
            test_collection=test_collection,
            by=operator(),
        )
        why = sending.hindrance(node, partner)
    printing.verdict(
        f"set; none can be sent now: {why}"
        if why
        else f"set; `cert-exchange heartbeat now {partner}` sends one at once"
    )


@app.command("now")
def now(partner: Partner, *, home: Home = None) -> None:
    """Send one at once and look whether it arrived. One that is polled arrives when the partner's node asks."""
    from cert_exchange.services import beating
    from cert_exchange.services.beating import sending

    with opened(home) as node:
        sending.beat_now(node, partner)
        sending.look(node)
        one = next(found for found in beating.pulses(node) if found.partner == partner)
        alarms = beating.alarms(node, partner=partner)
    printing.facts(
        {
            "sent": printing.instant(one.state.sent_at) or "never",
            "seen there": printing.instant(one.state.seen_at) or "never",
            "how": one.state.way,
            "clock": _clock(one.state.skew),
        }
    )
    printing.verdict(_state(one))
    _alarms(alarms)


def _alarms(found: list[Alarm]) -> None:
    for one in found:
        printing.verdict(f"{one.partner}: {one.finding}; {one.step}")
    if any(one.grade == "wrong" for one in found):
        raise typer.Exit(ExitCode.REFUSED)


def _state(one: Pulse) -> str:
    if one.state.off:
        return "off"
    if one.stopped:
        return "stopped: suspended or frozen"
    return one.state.trouble or ("arrives" if one.state.seen_at else "none was sent so far")


def _clock(skew: int | None) -> str:
    """`7 s behind ours`; a `Date` header has whole seconds."""
    if skew is None:
        return "unknown"
    seconds = round(abs(skew) / 1_000_000)
    return (
        "agrees" if seconds <= 1 else f"{seconds:,} s {'behind' if skew > 0 else 'ahead of'} ours"
    )


def _document(one: Pulse, alarms: list[Alarm]) -> dict[str, Any]:
    state = one.state
    return {
        "partner": one.partner,
        "off": state.off,
        "stopped": one.stopped,
        "sent_at": printing.instant(state.sent_at) or None,
        "seen_at": printing.instant(state.seen_at) or None,
        "way": state.way or None,
        "trouble": state.trouble or None,
        "heard_at": printing.instant(one.heard_at) or None,
        "its_heartbeat_came_at": printing.instant(one.beat_heard_at) or None,
        "clock_behind_ours_micros": state.skew,
        "clock_measured_at": printing.instant(state.skew_at) or None,
        "its_certificate_ends_at": printing.instant(state.tls_ends_at) or None,
        "silent_hours": state.silent_hours,
        "test_collection": state.test_collection or None,
        "alarms": [asdict(found) for found in alarms if found.number == one.number],
    }
