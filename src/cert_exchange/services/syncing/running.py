"""Which channels run when, by whom, and what is remembered of a run that failed.

1. A channel runs under a lease; who loses it stores nothing (store/channels).
2. A failure of one channel is its own: the others run on (W07).
3. Back-off doubles from half a minute to an hour, with jitter, and stands in the row; Retry-After is obeyed.
4. A run that began and never ended, since its process was killed or lost its lease, is noted by the next one (W12).
5. A target runs as soon as there is something to send or to take back, however long its pause; one that failed waits.
6. 401, 403 and a collection's 404 are no passing trouble: an alarm, and an hour until the next try.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, assert_never

import structlog

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.remote.connection import Options, decode_options
from cert_exchange.services.syncing.arranging import find
from cert_exchange.services.syncing.meeting import meet
from cert_exchange.services.syncing.pulling import pull
from cert_exchange.services.syncing.pushing import has_news, push
from cert_exchange.services.syncing.reporting import COUNTED, Ending, Progress, Run, RunReport
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import channels, introductions
from cert_exchange.store.channels import Channel, Direction
from cert_exchange.store.database import Transaction

_log = structlog.get_logger(__name__)

AT_ONCE: Final = 8
"""How many channels run side by side; one that is silent holds one of them until its limits end it."""
OF_ONE_PARTNER: Final = 2
"""How many of them a worker runs of one partner: a silent one with ten sources delays nobody else."""
AT_MOST_EVERY: Final = 2_000_000
"""Micros between two runs of a target for what is new."""
FIRST_PAUSE: Final = 30.0
LONGEST_PAUSE: Final = 3600.0
_ALARMS: Final = frozenset({401, 403, 404})
_NEXT_STEP: Final = {
    401: ("Failing", "Its server does not take our credential: ask its people for a new one. "),
    403: ("Failing", "It refuses us this: ask its people for our rights, and whether they let our address in. "),
    404: ("Failing", "It has no such collection for us: compare its id with what its discovery lists. "),
    429: ("Waiting", "It is busy, and asked us to come back later: nothing is lost, and nothing is to be done. "),
    503: ("Waiting", "It is busy or stopped for now: nothing is lost; ask its people if it stays so. "),
}  # fmt: skip
"""By the remote's status: our state in a word, and the next step of a person (CASES U08)."""
_jitter: Final = random.Random()  # noqa: S311 - spreads load, guards nothing


def sync_once(
    node: Node,
    *,
    only: str | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> list[RunReport]:
    """Run every source and target that is not paused, due or not; with `only` those of that name, paused or not.

    `progress` is called with how many objects have gone either way. Raises NotFound for a name that is unknown.
    """
    with node.database.reading() as tx:
        wanted = (
            [one for one in channels.channels(tx) if not one.paused]
            if only is None
            else find(tx, only)
        )
    stop = stop or threading.Event()
    owner = secrets.token_hex(8)
    lock = threading.Lock()
    done = 0

    def count(more: int, _: int | None) -> None:
        nonlocal done
        with lock:
            done += more
            if progress is not None:
                progress(done, None)

    done_by: dict[tuple[Direction, int], RunReport] = {}

    def run(one: Channel) -> None:
        done_by[one.key] = run_channel(node, one, owner=owner, stop=stop, progress=count)

    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="sync") as pool:
        list(pool.map(run, in_turn(wanted)))
    return [done_by[one.key] for one in wanted]


def in_turn(found: Sequence[Channel]) -> list[Channel]:
    """The channels partner by partner in turn, so that one with many does not stand before the others."""
    before: Counter[int] = Counter()
    ranked = []
    for one in found:
        ranked.append((before[one.partner], one))
        before[one.partner] += 1
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])]


def due_channels(node: Node) -> list[Channel]:
    """List the channels that are due now, not paused and not leased, partner by partner in turn."""
    now = node.now()
    with node.database.reading() as tx:
        due = channels.channels(tx, due_at=now)
        timely = {one.key for one in due}
        early = [
            one
            for one in channels.channels(tx)
            if one.key not in timely and _may_run_early(one, now) and has_news(tx, one)
        ]
    found = in_turn([*due, *early])
    return [one for one in found if not channels.stands(one, now=now, until=_lease_of(node, one))]


def _may_run_early(one: Channel, now: int) -> bool:
    """Whether a target whose pause is not over may run for what is new."""
    return (
        one.direction == "push"
        and not (one.paused or one.suspended)
        and one.attempts == 0
        and one.pending is None
        and int(one.counters.get(channels.PLANNED, 0)) + AT_MOST_EVERY <= now
    )


def _lease_of(node: Node, channel: Channel) -> int:
    """Until when a lease would last that a worker took now."""
    try:
        options = decode_options(channel.options)
    except errors.ConfigurationInvalid:
        options = Options()
    return Run(node, channel, options, "", threading.Event(), _nothing).lease_until()


def _nothing(_done: int, _total: int | None) -> None:
    """Show no progress."""


def run_channel(
    node: Node,
    channel: Channel,
    *,
    owner: str,
    stop: threading.Event,
    progress: Progress = _nothing,
) -> RunReport:
    """Run one channel under a lease. What goes wrong is in the report; raises StoreUnavailable only."""
    try:
        options = decode_options(channel.options)
    except errors.ConfigurationInvalid as error:
        options = Options()
        broken: errors.CertExchangeError | None = error
    else:
        broken = None
    run = Run(node, channel, options, owner, stop, progress)
    begun = node.database.transact(lambda tx: _begin(tx, run))
    if begun is None:
        return _report(run, "Another worker runs this channel now.", channel.next_attempt_at)
    run.channel, left = begun
    if left is not None:
        _say_interrupted(run, left)
    with node.database.reading() as tx:
        confined = introductions.is_confined(tx, run.channel.partner, run.channel.collection)
    if options.insecure:
        run.note("it is spoken to in the clear (option insecure): anybody on the way reads along")
    try:
        if broken is not None:
            raise broken
        if run.channel.suspended:
            return _suspended(run)
        refuse_closed(run.channel, confined=confined)
        ending = _run(run)
        meet(run)
        return _ended(run, ending)
    except errors.CursorMoved:
        return _report(run, "Another worker took this channel over; what it stored counts.", 0)
    except errors.CertExchangeError as error:
        if isinstance(error, errors.ReceivingSuspended) and _is_suspended(run):
            return _suspended(run)
        return _failed(run, error)


def _begin(tx: Transaction, run: Run) -> tuple[Channel, dict[str, Any] | None] | None:
    """Take the lease and note that a run is under way; with the one before, where that never ended. None: leased."""
    now = run.node.now()
    if not channels.take_lease(tx, run.channel, owner=run.owner, now=now, until=run.lease_until()):
        return None
    seen = channels.reload(tx, run.channel)
    left = seen.counters.get(channels.UNDER_WAY)
    counters = dict(seen.counters) | {channels.UNDER_WAY: {"run": run.id, "at": now}}
    if left is not None:
        counters[channels.INTERRUPTED] = int(counters.get(channels.INTERRUPTED) or 0) + 1
        counters[channels.LEFT] = left
    channels.note(tx, seen, owner=run.owner, counters=counters)
    return replace(seen, counters=counters), left


def _say_interrupted(run: Run, left: dict[str, Any]) -> None:
    run.note(
        f"the run {left.get('run')} of {format_micros(int(left.get('at') or 0))} was interrupted: its process was killed,"
        " or another worker took over; what it had stored counts, and this run went on from there"
    )
    _log.warning(
        "channel was interrupted",
        run=run.id,
        interrupted=left.get("run"),
        channel=run.channel.name,
        direction=run.channel.direction,
    )


def refuse_closed(channel: Channel, *, confined: bool) -> None:
    """Refuse a channel to a partner that nothing is exchanged with now. Raises ConfigurationInvalid."""
    name = channel.partner_name
    if channel.suspended:
        way = "pulled from" if channel.direction == "pull" else "pushed to"
        raise errors.ConfigurationInvalid(f"The partner {name} is suspended: nothing is {way} it.")
    if confined:
        raise errors.ConfigurationInvalid(
            f"The partner {name} is in stage test: only the TEST collection is exchanged with it."
        )


def _run(run: Run) -> Ending:
    match run.channel.direction:
        case "pull":
            return pull(run)
        case "push":
            return push(run)
        case other:
            assert_never(other)


def _ended(run: Run, ending: Ending) -> RunReport:
    now = run.node.now()
    wait = 0.0 if ending.again else run.options.every_seconds * _jitter.uniform(0.95, 1.05)
    next_at = now + int(wait * 1_000_000)
    run.memory |= {"failing_since": None, channels.PLANNED: now}
    _finish(
        run,
        outcome=ending.outcome,
        attempts=0,
        next_attempt_at=next_at,
        succeeded_at=None if ending.pause else now,
        drop_token=ending.drained,
        pause_at=now if ending.pause else None,
    )
    _log.info(
        "channel ran",
        run=run.id,
        channel=run.channel.name,
        direction=run.channel.direction,
        counts=dict(run.counts),
        notes=run.notes,
        paused=ending.pause,
    )
    return _report(run, ending.outcome, next_at, ok=not ending.pause)


def _is_suspended(run: Run) -> bool:
    with run.node.database.reading() as tx:
        return channels.reload(tx, run.channel).suspended


def _suspended(run: Run) -> RunReport:
    """End a run to a partner that our people suspended: how it failed or worked before counts on."""
    channel = run.channel
    way = "pulled from" if channel.direction == "pull" else "pushed to"
    outcome = (
        f"The partner {channel.partner_name} is suspended by us: nothing is {way} it until"
        f" `partner resume {channel.partner_name}`."
    )
    due = channel.next_attempt_at
    _finish(run, outcome=outcome, attempts=channel.attempts, next_attempt_at=due)
    _log.info("channel is suspended", run=run.id, channel=channel.name, direction=channel.direction)
    return replace(_report(run, outcome, due), suspended=True)


def _failed(run: Run, error: errors.CertExchangeError) -> RunReport:
    now = run.node.now()
    attempts = run.channel.attempts + 1
    status = error.remote_status if isinstance(error, errors.RemoteRefused) else None
    alarm = status in _ALARMS
    wait = min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE) * _jitter.uniform(
        0.75, 1.25
    )
    if alarm:
        wait = LONGEST_PAUSE
    if isinstance(error, errors.RemoteRefused) and error.retry_after is not None:
        wait = max(wait, error.retry_after)
    next_at = now + int(wait * 1_000_000)
    since = int(run.channel.counters.get("failing_since") or now)
    run.memory |= {"failing_since": since, channels.PLANNED: now}
    state, step = _NEXT_STEP.get(status or 0, ("Failing", ""))
    outcome = (
        f"{state} since {format_micros(since)}: {error.public} {step}"
        f"Next try at {format_micros(next_at)}."
    )
    _finish(
        run,
        outcome=outcome,
        attempts=attempts,
        next_attempt_at=next_at,
    )
    (_log.error if alarm else _log.warning)(
        "channel failed",
        run=run.id,
        channel=run.channel.name,
        direction=run.channel.direction,
        alarm=alarm,
        status=status,
        error=type(error).__name__,
        attempts=attempts,
        counts=dict(run.counts),
    )
    return _report(run, outcome, next_at)


def _finish(run: Run, **values: Any) -> None:
    def work(tx: Transaction) -> None:
        # Counted from what is stored: the answer to the last commit may have been lost, its counts are not.
        stored = channels.reload(tx, run.channel).counters
        counters = run.counters(stored, {}) | {channels.UNDER_WAY: None}
        channels.finish(tx, run.channel, owner=run.owner, counters=counters, **values)

    run.node.database.transact(work)


def _report(run: Run, outcome: str, next_at: int, *, ok: bool = False) -> RunReport:
    return RunReport(
        name=run.channel.name,
        direction=run.channel.direction,
        partner=run.channel.partner_name,
        ok=ok,
        outcome=outcome,
        counts={name: run.counts[name] for name in COUNTED[run.channel.direction]},
        refusals=tuple(run.refusals),
        notes=tuple(run.notes),
        next_attempt_at=next_at,
        id=run.id,
    )
