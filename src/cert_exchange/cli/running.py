"""Commands about the node as a whole: init, serve, work, status."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing, request_threads
from cert_exchange.cli.files import writing_to
from cert_exchange.cli.options import (
    AsJson,
    Home,
    ask_passphrase,
    home_of,
    opened,
    quiet_logs,
)

if TYPE_CHECKING:
    from cert_exchange.services.holdings import Status
    from cert_exchange.settings import Settings

ClockOk = Annotated[
    bool,
    typer.Option(
        "--clock-ok", help="The clock was checked by a person: release again after a jump."
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (init, serve, work, status):
        app.command()(command)


def init(
    context: typer.Context,
    *,
    title: Annotated[
        str, typer.Option("--title", help="The name of your CERT, as partners read it.")
    ],
    identity: Annotated[
        str | None,
        typer.Option(
            "--identity",
            help="Your CERT's STIX identity, such as identity--UUID. A new one if not given.",
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 8443,
    tls_certificate: Annotated[
        Path | None,
        typer.Option("--tls-certificate", help="PEM file with the certificate and its chain."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", help="PEM file with its key.")
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url", help="PostgreSQL instead of SQLite; without a password in it."
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Make a node's folder: keys, settings, database, your identity.

    Run again, it goes on where it was cut off, changes nothing that is there, and says which options it ignored.
    """
    from cert_exchange.node import make_home, open_node
    from cert_exchange.services import publishing
    from cert_exchange.settings import FILE, load_settings

    folder = home_of(home)
    # Relative names in node.yaml would start at the home, not where the person stands who types them.
    given: dict[str, Any] = {
        "title": title,
        "identity": identity,
        "host": host,
        "port": port,
        "tls_certificate": tls_certificate.absolute() if tls_certificate else None,
        "tls_key": tls_key.absolute() if tls_key else None,
        "database_url": database_url,
    }
    ignored: list[str] = []
    if (folder / FILE).exists():
        # Given again they would stand over the file for this run only, and a second database would be made.
        ignored = _ignored(context, load_settings(folder), given)
        given = {}
    elif identity is None:
        given["identity"] = f"identity--{uuid.uuid4()}"
    with quiet_logs(), writing_to(folder):
        make_home(folder, **{name: value for name, value in given.items() if value is not None})
        node = open_node(folder)
        try:
            publishing.seed(node)
        finally:
            node.close()
    printing.facts(
        {
            "home": folder.absolute(),
            "identity": node.settings.identity,
            "title": node.settings.title,
        }
    )
    if ignored:
        printing.verdict(
            f"this node was there already, so these were ignored: {'; '.join(ignored)}. Change them in"
            f" {folder.absolute() / FILE}, then start `cert-exchange serve` again."
        )
    printing.verdict(
        "next: put files into collections/ and policies/, then `cert-exchange partner add`"
    )


def _ignored(context: typer.Context, held: Settings, given: dict[str, Any]) -> list[str]:
    """Options of the command line that differ from the settings of the node that is there."""
    told = []
    for name, value in given.items():
        source = context.get_parameter_source(name)
        now = getattr(held, name)
        if source is None or source.name != "COMMANDLINE" or str(value) == str(now):
            continue
        # A database address may hold a password.
        is_now = "" if name == "database_url" or now is None else f" (it is {now})"
        told.append(f"--{name.replace('_', '-')}{is_now}")
    return told


def serve(
    *,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Also run the sync worker, as a child.")
    ] = True,
    clock_ok: ClockOk = False,
    home: Home = None,
) -> None:
    """Answer partners over TAXII 2.1, the sync worker beside it.

    Runs until SIGTERM or Ctrl-C. The worker is a process of its own and is started again when it ends.
    """
    from cert_exchange import http

    place = home_of(home)
    ask_passphrase(place)
    http.serve(place, with_worker=worker, clock_ok=clock_ok)


def work(*, clock_ok: ClockOk = False, home: Home = None) -> None:
    """Run the sync worker alone, for `serve --no-worker`.

    It pulls, pushes, releases what an embargo held, goes on with policies and seals the ledger.
    """
    from cert_exchange import worker

    place = home_of(home)
    ask_passphrase(place)
    worker.work(place, clock_ok=clock_ok)


def status(*, as_json: AsJson = False, home: Home = None) -> None:
    """Show what is held, what partners see, how sync fares."""
    from cert_exchange.services import (
        beating,
        deliveries,
        feeding,
        holdings,
        policies,
        requesting,
        reviewing,
        revocation_lists,
    )

    with opened(home) as node:
        found = holdings.status(node)
        lists = revocation_lists.alarms(node)
        unreceipted = deliveries.count_open(node)
        overdue = [one for one in policies.agreements(node) if one.overdue]
        beats = beating.alarms(node)
        asked = requesting.waiting(node)
        disputed = reviewing.count_open(node)
        watched = feeding.watch(node)
    if as_json:
        late = [{"partner": one.partner, "review": one.review} for one in overdue]
        ending = [{"partner": one.partner, "finding": one.finding} for one in lists]
        more = {
            "overdue_agreements": late,
            "open_statements": unreceipted,
            "revocation_lists": ending,
            "heartbeats": [{"partner": one.partner, "finding": one.finding} for one in beats],
            **request_threads.waiting_document(asked),
            "disputes": disputed,
            "feeds": [{"feed": one.feed, "finding": one.finding} for one in watched],
        }
        printing.document(_status_document(found) | more)
        return
    printing.facts({"node": found.title, "identity": found.identity, "database": found.engine})
    printing.result("")
    printing.table(
        ["collection", "published", "received", "taken back", "title"],
        [(c.collection, c.own, c.received, c.taken_back, c.title) for c in found.collections],
        title="collections (object versions)",
    )
    printing.table(
        ["view", "visible", "held", "withdrawn", "fetched", "last fetch"],
        [
            (
                f"{view.audience}/{view.collection}",
                view.live,
                view.held,
                view.withdrawn,
                "; ".join(f"{r.partner} {view.live - r.behind:,}" for r in view.readers)
                or "no reader",
                "; ".join(printing.instant(r.fetched_to) or "never" for r in view.readers),
            )
            for view in found.views
        ],
        title="what partners see",
    )
    printing.table(
        ["name", "does", "partner", "collection", "last success", "waits", "outcome"],
        [
            (
                c.name,
                c.direction,
                c.partner,
                c.collection,
                c.stopped or printing.instant(c.last_success_at) or "never",
                found.lags[c.direction, c.name].words,
                c.last_outcome,
            )
            for c in found.channels
        ],
        title="sources and targets",
    )
    printing.result(
        f"ledger: {printing.count(found.ledger_sealed, 'line')} sealed, {found.ledger_open:,} waiting for their seal"
    )
    for source in found.channels:
        if source.shut is not None:
            printing.verdict(
                f"{source.name} is shut by its gate: {source.shut}; cert-exchange source gate {source.name}"
            )
    if found.proposals:
        waits = "waits" if found.proposals == 1 else "wait"
        printing.verdict(
            f"{printing.count(found.proposals, 'proposal')} {waits} for a person: cert-exchange proposals list"
        )
    if unreceipted:
        printing.verdict(
            f"{printing.count(unreceipted, 'statement')} without a receipt: cert-exchange statements list --open"
        )
    for agreed in overdue:
        printing.verdict(f"{agreed.partner}: {agreed.warning}")
    for one in lists:
        whose = "certificates" if one.partner is None else one.partner
        printing.verdict(f"{whose}: {one.finding}; {one.step}")
    for beat in beats:
        printing.verdict(f"{beat.partner}: {beat.finding}; {beat.step}")
    request_threads.print_waiting(asked)
    if disputed:
        waits = "waits" if disputed == 1 else "wait"
        printing.verdict(
            f"{printing.count(disputed, 'dispute')} of partners {waits} for a person: cert-exchange review list"
        )
    for feed in watched:
        printing.verdict(f"feed {feed.feed}: {feed.finding}; {feed.step}")


def _status_document(found: Status) -> dict[str, Any]:
    return {
        "title": found.title,
        "identity": found.identity,
        "database": found.engine,
        "collections": [asdict(row) for row in found.collections],
        "proposals": found.proposals,
        "views": [
            {
                "audience": view.audience,
                "collection": view.collection,
                "visible": view.live,
                "held": view.held,
                "withdrawn": view.withdrawn,
                "readers": [
                    {
                        "partner": reader.partner,
                        "fetched_to": printing.instant(reader.fetched_to) or None,
                        "fetched": view.live - reader.behind,
                        "behind": reader.behind,
                    }
                    for reader in view.readers
                ],
            }
            for view in found.views
        ],
        "channels": [
            asdict(row)
            | {
                "next_attempt_at": printing.instant(row.next_attempt_at),
                "last_success_at": printing.instant(row.last_success_at) or None,
                "counters": json.loads(row.counters),
                "behind": asdict(found.lags[row.direction, row.name]),
            }
            for row in found.channels
        ],
        "ledger": {"sealed": found.ledger_sealed, "open": found.ledger_open},
    }
