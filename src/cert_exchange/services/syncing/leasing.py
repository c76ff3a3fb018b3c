"""A run beside the usual ones, which a person asks for: objects sent again, drift repaired.

1. Under the channel's lease: while a worker runs the channel, it is refused.
2. When it ends, however it ends, the channel is due when it was due before, and its cursor is where it was.
3. Where the gate shut meanwhile, the source is paused, as after a pull.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.policy.volumes import Shut
from cert_exchange.remote.connection import decode_options
from cert_exchange.services.syncing.breaking import GATE, sentence
from cert_exchange.services.syncing.reporting import Run
from cert_exchange.store import channels
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction


@contextmanager
def leased(node: Node, channel: Channel, outcome: Callable[[Run], str]) -> Iterator[Run]:
    """Hold a channel for a run; `outcome` is what stands in its row then. Raises ConfigurationInvalid while another runs it."""
    run = Run(
        node, channel, decode_options(channel.options), secrets.token_hex(8), threading.Event(),
        lambda _done, _total: None,
    )  # fmt: skip
    if not node.database.transact(
        lambda tx: channels.take_lease(
            tx, channel, owner=run.owner, now=node.now(), until=run.lease_until()
        )
    ):
        raise errors.ConfigurationInvalid(
            f"Another worker runs {channel.name} now; try again when it has ended."
        )
    try:
        with node.database.reading() as tx:
            run.channel = channels.reload(tx, channel)
        yield run
    finally:
        _give_back(run, outcome)


def _give_back(run: Run, outcome: Callable[[Run], str]) -> None:
    shut = Shut.of(run.memory.get(GATE) or {})
    said = outcome(run) if shut is None else sentence(run.channel.name, shut)

    def work(tx: Transaction) -> None:
        seen = channels.reload(tx, run.channel)
        channels.finish(
            tx, seen, owner=run.owner, outcome=said, attempts=seen.attempts,
            next_attempt_at=seen.next_attempt_at, counters=run.counters(seen.counters, {}),
            pause_at=None if shut is None else run.node.now(),
        )  # fmt: skip

    run.node.database.transact(work)
