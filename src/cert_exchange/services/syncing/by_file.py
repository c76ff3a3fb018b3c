"""A source is run over what stands in for its server: a file that somebody carried.

1. It is the run of a pull: lease, pages, statements, receipts, cursor, quarantine. So what came by file is not new when the
   link is there again, and what came over the link is not new by file.
2. It says nothing of the link: attempts, the next try, the last success, the last outcome and the count of quiet runs of the
   source stay as they are. Where no run over the link said anything yet, and where the file shut the source, it is said.
3. What shuts a source over the link shuts it here: the rest of the file comes in when a person has let it go on.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.remote.connection import Connection
from cert_exchange.services.syncing.pulling import pull
from cert_exchange.services.syncing.reporting import (
    COUNTED,
    Ending,
    Progress,
    Run,
    RunReport,
    plural,
)
from cert_exchange.services.syncing.running import refuse_closed
from cert_exchange.store import channels, introductions
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction

log = structlog.get_logger(__name__)

_OF_THE_LINK: Final = (channels.COMPLETE, channels.THERE, "quiet_runs", "seen_there", "limit")
"""In the counters: what a run over the link remembers of its server."""
_BY_FILE: Final = "By file: "
_BUSY: Final = "Another worker runs this source now; bring the file in again in a minute."


def run_by_file(
    node: Node,
    source: Channel,
    connection: Connection,
    *,
    passed: Callable[[], int],
    progress: Progress,
) -> RunReport:
    """Run a source over `connection` under a lease. What goes wrong is in the report; raises StoreError only.

    `passed` says afterwards how many objects of the file lie before the place of the source.
    """
    run = Run(
        node, source, connection.options, secrets.token_hex(8), threading.Event(), progress,
        by_file=True,
    )  # fmt: skip
    if not node.database.transact(
        lambda tx: channels.take_lease(
            tx, source, owner=run.owner, now=node.now(), until=run.lease_until()
        )
    ):
        return _report(run, _BUSY, ok=False)
    ending = Ending("")
    try:
        with node.database.reading() as tx:
            run.channel = channels.reload(tx, source)
            confined = introductions.is_confined(tx, run.channel.partner, run.channel.collection)
        refuse_closed(run.channel, confined=confined)
        ending = _with_passed(run, pull(run, connection), passed())
    except errors.CursorMoved:
        return _report(run, _BUSY, ok=False)
    except (errors.RemoteError, errors.ConfigurationInvalid, errors.InputRefused) as error:
        ending = Ending(error.public)
    ok = ending.drained and not ending.pause
    _finish(run, ending)
    log.info(
        "channel ran by file",
        run=run.id,
        channel=source.name,
        counts=dict(run.counts),
        notes=run.notes,
        ok=ok,
    )
    return _report(run, ending.outcome, ok=ok)


def _with_passed(run: Run, ending: Ending, passed: int) -> Ending:
    """Count what lies before the place of the source: it came before, and no page of it was given."""
    if not passed:
        return ending
    run.counts.update({"received": passed, "unchanged": passed})
    run.progress(passed, None)
    here = (
        f"{plural(passed, 'object')} of the file {'was' if passed == 1 else 'were'} here already."
    )
    return replace(ending, outcome=f"{ending.outcome} {here}")


def _finish(run: Run, ending: Ending) -> None:
    def work(tx: Transaction) -> None:
        row = channels.reload(tx, run.channel)
        said = row.last_outcome
        if ending.pause or not said or said.startswith(_BY_FILE):
            said = _BY_FILE + ending.outcome
        for name in _OF_THE_LINK:
            run.memory.pop(name, None)
        channels.finish(
            tx,
            run.channel,
            owner=run.owner,
            outcome=said,
            counters=run.counters(row.counters, {}),
            attempts=row.attempts,
            next_attempt_at=row.next_attempt_at,
            drop_token=ending.drained,
            pause_at=run.node.now() if ending.pause else None,
        )

    run.node.database.transact(work)


def _report(run: Run, outcome: str, *, ok: bool) -> RunReport:
    return RunReport(
        name=run.channel.name,
        direction=run.channel.direction,
        partner=run.channel.partner_name,
        ok=ok,
        outcome=outcome,
        counts={name: run.counts[name] for name in COUNTED["pull"]},
        refusals=tuple(run.refusals),
        notes=tuple(run.notes),
        next_attempt_at=run.channel.next_attempt_at,
        id=run.id,
    )
