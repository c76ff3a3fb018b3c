"""The commitments of our statements: made ahead for logs that grew, so that no partner waits for them.

1. What is made ahead is what a statement would make itself: it follows from the log, and can be made again.
2. Whenever enough lines more are in force, they are put together in a block, which many statements may refer to; and
   where a log came to rest, what is left of it, unless that is little.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from cert_exchange.messages.deliveries import MOST, delivery_commitment, delivery_salt
from cert_exchange.node import Node
from cert_exchange.store import delivery_blocks, delivery_leaves
from cert_exchange.store.database import Transaction
from cert_exchange.store.delivery_blocks import Span
from cert_exchange.store.delivery_leaves import Joined, Log, Unmade

AT_ONCE: Final = 2_000
"""Commitments that are made ahead in one transaction."""
AT_REST: Final = 600 * 1_000_000
"""Micros after which a log to which nothing was added is at rest."""
LEAST: Final = 1_000
"""Lines in no block for which one is made at rest: fewer are soon joined."""
_NOBODY: Final = -1
"""No partner: every line counts, whoever it came from."""


def make_ahead(
    node: Node, *, most: int = 20, block: int = MOST, least: int = LEAST, at_rest: int = AT_REST
) -> int:
    """Make commitments for the logs that grew, so that no partner waits for them; how many were made.

    At most `most` transactions: what is left is made by the next call, or when a partner asks. Whenever `block` lines more
    are in force, their commitments are put together, and `least` or more when nothing came for `at_rest` micros.
    """
    now = node.now()
    with node.database.reading() as tx:
        logs = delivery_leaves.stated(tx)
    total = 0
    for log in logs:
        while log.behind and most > 0:
            most -= 1
            made = node.database.transact(
                partial(make, view=log.view, after=log.made, upto=log.head)
            )
            total += made
            if made < AT_ONCE:
                break
        _keep_blocks(node, log, lines=block, least=least, rest=now - log.head >= at_rest)
    return total


def _keep_blocks(node: Node, log: Log, *, lines: int, least: int, rest: bool) -> None:
    """Make all blocks of a log that can be made."""

    def due(tx: Transaction) -> Span | None:
        return delivery_blocks.next_span(
            tx, log.view, head=log.head, lines=lines, least=least, rest=rest
        )

    def keep(tx: Transaction) -> bool:
        span = due(tx)
        if span is None:
            return False
        found, lacking = delivery_leaves.joined(
            tx, log.view, after=span.after, upto=span.upto, partner=_NOBODY
        )
        if lacking or not found.count:
            return False
        delivery_blocks.keep(
            tx, log.view, span, lines=found.count, leaves=found.leaves, salts=found.salts
        )
        return True

    while True:
        with node.database.reading() as tx:
            if due(tx) is None:
                return
        if not node.database.transact(keep):
            return


def put_together(tx: Transaction, view: int, *, after: int, upto: int, partner: int) -> Joined:
    """What a span commits to; what was not made ahead is made now."""
    found, lacking = delivery_leaves.joined(tx, view, after=after, upto=upto, partner=partner)
    if lacking:
        while make(tx, view, after=after, upto=upto) == AT_ONCE:
            pass
        found, _ = delivery_leaves.joined(tx, view, after=after, upto=upto, partner=partner)
    return found


def make(tx: Transaction, view: int, *, after: int, upto: int) -> int:
    """Make what is lacking of a span, at most AT_ONCE; how many were made."""
    lines = delivery_leaves.unmade(tx, view, after=after, upto=upto, limit=AT_ONCE)
    delivery_leaves.keep(tx, view, list(_commit(lines)))
    return len(lines)


def _commit(lines: Iterable[Unmade]) -> Iterable[tuple[int, bytes, bytes]]:
    for line in lines:
        salt = delivery_salt(line.salt)
        yield line.position, delivery_commitment(salt, line.content), salt
