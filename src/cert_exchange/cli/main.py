"""The program `cert-exchange`: every command in one tree, every error through one door.

1. Commands are thin: they call one service sentence and print its answer. import-linter and a test hold that.
2. A command imports what it needs when it runs, so that help and usage errors come at once.
3. Secrets are never arguments (others on the machine can read those): see `options.read_secret`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import Annotated

import typer
from typer.main import get_command

from cert_exchange.cli import (
    answering,
    answers,
    arriving,
    carrying,
    certifying,
    channels,
    collections,
    delisting,
    doctoring,
    drifting,
    erasing,
    exchanging,
    exits,
    explaining,
    feeds,
    gates,
    heartbeats,
    holds,
    intake,
    introducing,
    keeping,
    ledger,
    locking,
    notices,
    overriding,
    partners,
    pki,
    policies,
    printing,
    profiles,
    proposals,
    publishing,
    quarantine,
    reading,
    recall,
    requests,
    reviewing,
    running,
    signing,
    steering,
    terms,
    undoing,
    withdrawing,
)
from cert_exchange.errors import CertExchangeError

app = typer.Typer(
    name="cert-exchange",
    help="Exchange cyber-threat indicators with partner CERTs over TAXII 2.1, under your own sharing policies.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # help is plain text: the same in a terminal, a pipe and docs/cli.md
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        printing.result(f"cert-exchange {version('cert-exchange')}")
        raise typer.Exit


@app.callback()
def _program(
    *,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    _ = show_version


running.register(app)
doctoring.register(app)
publishing.register(app)
withdrawing.register(app)
delisting.register(app)
app.add_typer(holds.app, name="hold")
app.add_typer(intake.app, name="intake")
app.add_typer(profiles.app, name="profile")
app.add_typer(reviewing.app, name="review")
answering.register(app)
app.add_typer(answers.app, name="answers")
app.add_typer(proposals.app, name="proposals")
app.add_typer(quarantine.app, name="quarantine")
recall.register(app)
undoing.register(app)
erasing.register(app)
notices.register(app)
terms.register(app)
app.add_typer(overriding.app, name="override")
app.add_typer(requests.app, name="request")
reading.register(app)
app.add_typer(feeds.app, name="feeds")
app.add_typer(collections.app, name="collection")
introducing.register(partners.app)
app.add_typer(partners.app, name="partner")
certifying.register(pki.app)
app.add_typer(pki.app, name="pki")
explaining.register(policies.app)
app.add_typer(policies.app, name="policy")
signing.register(app)
steering.register(channels.source_app, channels.target_app)
app.add_typer(channels.source_app, name="source")
app.add_typer(channels.target_app, name="target")
gates.register(exchanging.sync_app, channels.source_app, partners.app)
drifting.register(exchanging.sync_app)
arriving.register(exchanging.sync_app)
app.add_typer(exchanging.sync_app, name="sync")
app.add_typer(carrying.app, name="carry")
app.add_typer(heartbeats.app, name="heartbeat")
app.add_typer(ledger.app, name="ledger")
keeping.register(app)
app.add_typer(locking.app, name="secrets")


@cache
def _commands() -> Callable[[], object]:
    """All commands, put together once in a process: that costs more than most of them."""
    return get_command(app)


def run() -> None:
    """Run the program with the arguments of the process and end it with a documented exit code."""
    printing.prepare_streams()
    try:
        _commands()()
    except CertExchangeError as error:
        sys.exit(exits.report(error))
    except KeyboardInterrupt:
        sys.exit(exits.ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the door: a fault of ours ends in words and code 70
        sys.exit(exits.report_fault(error))
