"""The worker: what has to happen without anybody asking, in a process of its own.

1. Each step is alone: what one raises is logged, and the others run on.
2. A channel that is silent holds its own thread only, and a partner has few of them; a channel never runs twice at once
   (its lease).
3. Nothing here has to end well: every step can be killed and is repeated. SIGTERM lets steps end at their next page.
4. Several workers may run over one database.

Started by `serve` as a child process, by `cert-exchange work`, or as `python -m cert_exchange.worker --home HOME`.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import structlog

from cert_exchange import errors, logs
from cert_exchange.node import Node, open_node
from cert_exchange.services import (
    consenting,
    deliveries,
    ending,
    forgetting,
    introducing,
    ledger,
    noticing,
    pki,
    purging,
    quarantine,
    requesting,
    retention,
    syncing,
)
from cert_exchange.services.beating import sending
from cert_exchange.services.comparing import asking
from cert_exchange.services.holding import release_due
from cert_exchange.services.ledger import checkpointing
from cert_exchange.services.moving import tell_movers
from cert_exchange.services.policies import continue_gains, remind
from cert_exchange.services.publishing import forget_submissions
from cert_exchange.services.publishing.meeting import note_values
from cert_exchange.services.releasing.dating import pass_dates
from cert_exchange.services.timekeeping import accept_clock
from cert_exchange.store.channels import Channel, Direction

_log = structlog.get_logger(__name__)

TICK_SECONDS: Final = 1.0
GRACE_SECONDS: Final = 10.0
GAIN_PARTS_A_TICK: Final = 4
NOTICE_ROUNDS_A_TICK: Final = 10
_TIDY_TICKS: Final = 600
_DAILY_TICKS: Final = 86_400
_LEDGER_TICKS: Final = 3
_COMPARE_TICKS: Final = 60
_BEAT_TICKS: Final = 60
_FIRST_BEAT: Final = 15
"""Not with the first tick: what a start has to catch up with goes first."""

Key = tuple[Direction, int]


class Worker:
    """The loop over one node. `run` returns when `stop` is set."""

    def __init__(self, node: Node, *, stop: threading.Event, parent: int | None = None) -> None:
        self._node = node
        self._stop = stop
        self._parent = parent
        self._owner = secrets.token_hex(8)
        self._running: dict[Key, threading.Thread] = {}
        self._partner_of: dict[Key, int] = {}
        self._troubles: dict[str, str] = {}
        self._beside: dict[str, threading.Thread] = {}
        self._overdue: set[str] = set()
        self._newest_request: int | None = None

    def run(self) -> None:
        """Work until `stop` is set; then give running channels some seconds to end at their next page."""
        _log.info("worker started", owner=self._owner)
        tick = 0
        while not self._stop.is_set():
            self.tick(tick)
            tick += 1
            if self._parent is not None and os.getppid() != self._parent:
                _log.warning("worker ends: its parent is gone")
                self._stop.set()
            self._stop.wait(TICK_SECONDS)
        for thread in self._running.values():
            thread.join(GRACE_SECONDS / max(len(self._running), 1))
        for thread in self._beside.values():
            thread.join(1.0)
        _log.info("worker ended", owner=self._owner)

    def tick(self, number: int) -> None:
        """Do once what is due."""
        if number % _TIDY_TICKS == 0:  # before channels, which need it
            self._step("trust", lambda: introducing.believe_again(self._node))
        self._step("channels", self._start_channels)
        self._step("holds", lambda: release_due(self._node))
        self._step("markings", lambda: pass_dates(self._node))
        self._step("consents", lambda: consenting.end_due(self._node))
        self._step("gains", lambda: continue_gains(self._node, parts=GAIN_PARTS_A_TICK))
        self._step("notices", lambda: noticing.tell(self._node, rounds=NOTICE_ROUNDS_A_TICK))
        self._step("movers", lambda: tell_movers(self._node))
        self._step("commitments", lambda: deliveries.make_ahead(self._node))
        if number % _LEDGER_TICKS == 0:
            self._step("fetches", lambda: ledger.note_fetches(self._node))
            self._step("seal", lambda: ledger.seal(self._node))
            self._step("heads", lambda: checkpointing.issue_due(self._node))
            self._step("permissions", lambda: self._grant(again=number % _COMPARE_TICKS == 0))
        if number % _COMPARE_TICKS == 0:
            self._step("requests", lambda: requesting.remind(self._node, self._overdue))
        if number % _COMPARE_TICKS == _COMPARE_TICKS // 2:
            self._step("values", lambda: note_values(self._node))
            self._start_beside("ledgers", lambda: asking.compare_due(self._node))
        if number % _BEAT_TICKS == _FIRST_BEAT:
            self._start_beside("heartbeats", self._beat)
        if number % _TIDY_TICKS == 0:
            self._step("submissions", lambda: forget_submissions(self._node))
            self._step("quarantine", lambda: quarantine.forget_old(self._node))
            self._step("retention", lambda: retention.end_passed(self._node))
            self._step("log file", lambda: forgetting.empty_log(self._node))
            if self._node.settings.erase_past_retention:
                self._step("erasing", lambda: purging.purge_passed(self._node))
            self._step("lists", lambda: pki.renew_lists(self._node))
            self._step("certificates", lambda: pki.renew_due(self._node))
        if number % _DAILY_TICKS == 0:
            self._step("agreements", lambda: remind(self._node))
            self._step("expiry", lambda: ending.end_expired(self._node))
            self._step("cards", lambda: introducing.remind(self._node))
            self._step("backups", lambda: forgetting.remove_old_backups(self._node))
            self._step("journal", lambda: forgetting.complete_journal(self._node))

    def _step(self, name: str, work: Callable[[], object]) -> None:
        """Run a step; say once what keeps it from working, and once when it works again."""
        try:
            work()
        except errors.CursorMoved:
            return  # another worker was first, and did it
        except errors.CertExchangeError as error:
            trouble = type(error).__name__
            detail = str(error)
        except Exception as error:  # noqa: BLE001 - the named place: no step may end the worker
            trouble = f"{type(error).__name__} (a fault of ours)"
            detail = trouble
            _log.exception("step failed", step=name)
        else:
            if self._troubles.pop(name, None) is not None:
                _log.info("step works again", step=name)
            return
        if self._troubles.get(name) != trouble:
            self._troubles[name] = trouble
            _log.error("step failed", step=name, error=trouble, detail=detail)

    def _start_channels(self) -> None:
        self._running = {key: one for key, one in self._running.items() if one.is_alive()}
        for channel in syncing.due_channels(self._node):
            if len(self._running) >= syncing.AT_ONCE:
                return
            busy = sum(1 for key in self._running if self._partner_of.get(key) == channel.partner)
            if (
                channel.key in self._running
                or self._stop.is_set()
                or busy >= syncing.OF_ONE_PARTNER
            ):
                continue
            # A daemon: a remote that does not answer may not keep the process from ending (rule 3).
            thread = threading.Thread(
                target=self._step,
                args=(f"{channel.direction} {channel.name}", lambda one=channel: self._sync(one)),
                name=f"sync-{channel.direction}-{channel.id}",
                daemon=True,
            )
            self._running[channel.key] = thread
            self._partner_of[channel.key] = channel.partner
            thread.start()

    def _start_beside(self, name: str, work: Callable[[], object]) -> None:
        """Ask partners something in a thread of its own: a server that does not answer holds nothing else."""
        running = self._beside.get(name)
        if running is None or not running.is_alive():
            thread = threading.Thread(
                target=self._step, args=(name, work), name=f"beside-{name}", daemon=True
            )
            self._beside[name] = thread
            thread.start()

    def _grant(self, *, again: bool) -> None:
        """Carry out what partners permitted, where a note of a request is new, and once a minute in any case."""
        since = None if again else self._newest_request
        self._newest_request = requesting.settle(self._node, since=since)

    def _beat(self) -> None:
        sending.beat_due(self._node, stop=self._stop.is_set)
        sending.look(self._node)

    def _sync(self, channel: Channel) -> None:
        syncing.run_channel(self._node, channel, owner=self._owner, stop=self._stop)
        introducing.renew_due(self._node, channel)


def run(home: Path, *, stop: threading.Event, parent: int | None = None) -> None:
    """Work for the node at `home` until `stop` is set. Raises ConfigurationInvalid, StoreUnavailable at the start.

    `parent`: end as well when that process is no longer our parent.
    """
    node = open_node(home)
    logs.configure(node.now)
    try:
        Worker(node, stop=stop, parent=parent).run()
    finally:
        node.close()


def work(home: Path, *, clock_ok: bool = False, parent: int | None = None) -> None:
    """Work until SIGTERM or SIGINT. `clock_ok`: a person looked at the clock (DECISIONS 9)."""
    stop = threading.Event()

    def ended(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ended)
    if clock_ok:
        node = open_node(home)
        try:
            accept_clock(node, by="--clock-ok")
        finally:
            node.close()
    run(home, stop=stop, parent=parent)


def main() -> None:
    """Read `--home`, `--clock-ok` and `--parent` and work."""
    parser = argparse.ArgumentParser(prog="python -m cert_exchange.worker")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--clock-ok", action="store_true")
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    given = parser.parse_args()
    work(given.home, clock_ok=given.clock_ok, parent=given.parent)


if __name__ == "__main__":
    main()
