"""The commitments of our statements: made ahead for logs that grew, so that no partner waits for them.

1. What is made ahead is what a statement would make itself: it follows from the log, and can be made again.
2. Whenever enough lines more are in force, they are put together in a block, which many statements may refer to.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from cert_exchange.messages.deliveries import MOST, delivery_commitment, delivery_salt
from cert_exchange.node import Node
from cert_exchange.store import delivery_blocks, delivery_leaves
from cert_exchange.store.database import Transaction
from cert_exchange.store.delivery_leaves import Joined, Unmade

AT_ONCE: Final = 2_000
"""Commitments that are made ahead in one transaction."""
_NOBODY: Final = -1
"""No partner: every line counts, whoever it came from."""


def make_ahead(node: Node, *, most: int = 20, block: int = MOST) -> int:
    """Make commitments for the logs that grew, so that no partner waits for them; how many were made.

    At most `most` transactions: what is left is made by the next call, or when a partner asks. Whenever `block` lines more
    are in force, their commitments are put together.
    """
    with node.database.reading() as tx:
        grown = delivery_leaves.behind(tx)
    total = 0
    for view, after, head in grown:
        while most > 0:
            most -= 1

            made = node.database.transact(partial(make, view=view, after=after, upto=head))
            total += made
            if made < AT_ONCE:
                keep = partial(_keep_block, view=view, head=head, lines=block)
                while node.database.transact(keep):
                    pass
                break
    return total


def _keep_block(tx: Transaction, view: int, *, head: int, lines: int) -> bool:
    """Make the next block of a log; False while too little of it is in force."""
    span = delivery_blocks.next_span(tx, view, head=head, lines=lines)
    if span is None:
        return False
    after, upto = span
    found, lacking = delivery_leaves.joined(tx, view, after=after, upto=upto, partner=_NOBODY)
    if lacking or not found.count:
        return False
    delivery_blocks.keep(
        tx, view, after=after, upto=upto, lines=found.count, leaves=found.leaves, salts=found.salts
    )
    return True


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
