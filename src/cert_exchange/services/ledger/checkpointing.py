"""Signed heads of our ledger, and the proofs that later ones go on from earlier ones.

1. A head is signed for what is sealed, when something was since the last one and an hour has passed; a head of a day is
   signed again, so that silence shows. Partners are shown signed heads only, and never anything between them: how many
   lines there were at an instant would tell them when we did something.
2. Before signing, the new head is proved to go on from the last one: we never sign two histories.
3. It bears signatures of our newest two keys, so that a partner who knows the older one alone believes it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cert_exchange.errors import EvidenceBroken
from cert_exchange.messages import trees
from cert_exchange.messages.checkpoints import Checkpoint, origin_of, signed
from cert_exchange.messages.evidence import EMPTY_ROOT
from cert_exchange.node import Node
from cert_exchange.services.ledger.recording import seal
from cert_exchange.store import checkpoints as rows
from cert_exchange.store.checkpoints import Issued
from cert_exchange.store.database import Transaction

HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR
SIGNERS: Final = 2


@dataclass(frozen=True, slots=True)
class Continuation:
    """The proof that the head of `second` lines goes on from that of `first`."""

    first: int
    second: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The proof that a line stands in a signed head: `salt` and the line's chain hash make its leaf."""

    seq: int
    salt: bytes
    size: int
    path: tuple[bytes, ...]


def origin(node: Node) -> str:
    """The origin of this node's ledger, which is the name of its keys in notes."""
    return origin_of(node.identity)


def issue(node: Node) -> Issued:
    """Seal what waits and sign a head over it; the last one when nothing was sealed since.

    Raises EvidenceBroken when our own ledger does not go on from what we signed, CursorMoved when another sealer is at
    work.
    """
    seal(node)
    while node.database.transact(rows.grow):
        pass
    return node.database.transact(lambda tx: _sign(node, tx))


def issue_due(node: Node) -> Issued | None:
    """`issue` where the last head is an hour old; None where it is younger."""
    with node.database.reading() as tx:
        last = rows.newest(tx)
    return issue(node) if last is None or node.now() - last.issued_at >= HOUR else None


def newest(node: Node) -> Issued | None:
    """The head that we signed last; None before the first one."""
    with node.database.reading() as tx:
        return rows.newest(tx)


def continuation(node: Node, first: int, second: int) -> Continuation | None:
    """The proof between two sizes up to that of our last head; None where there is none: one of them is beyond."""
    with node.database.reading() as tx:
        last = rows.newest(tx)
        if last is None or not 0 <= first <= second <= last.size:
            return None
        path = rows.span_hashes(tx, trees.consistency_spans(first, second))
    return Continuation(first, second, tuple(path))


def inclusion(node: Node, seq: int, size: int) -> Inclusion | None:
    """The proof that line `seq` is among the first `size`; None where the tree does not reach so far."""
    with node.database.reading() as tx:
        salt = rows.salt_of(tx, seq)
        if salt is None or not 0 < seq <= size <= rows.tree_size(tx):
            return None
        path = rows.span_hashes(tx, trees.inclusion_spans(seq - 1, size))
    return Inclusion(seq, salt, size, tuple(path))


def _sign(node: Node, tx: Transaction) -> Issued:
    # Two workers at once: the one that read less would sign the shorter head after the longer one.
    rows.one_at_a_time(tx)
    last = rows.newest(tx)
    size = rows.tree_size(tx)
    now = node.now()
    if last is not None and last.size == size and now - last.issued_at < DAY:
        return last
    root = _proved_root(tx, last, size)
    head = Checkpoint(origin(node), size, root, now)
    issued = Issued(size, root, now, signed(head, *node.secrets.signing_keys[:SIGNERS]))
    rows.add(tx, issued)
    return issued


def _proved_root(tx: Transaction, last: Issued | None, size: int) -> bytes:
    held, held_root = (0, EMPTY_ROOT) if last is None else (last.size, last.root)
    # Missing subtrees, or fewer leaves than were signed: as wrong as a proof that does not hold.
    with suppress(KeyError, ValueError):
        root = rows.root(tx, size)
        path = rows.span_hashes(tx, trees.consistency_spans(held, size))
        if trees.consistent(held, size, held_root, root, path):
            return root
    raise EvidenceBroken(
        "our ledger does not go on from the head that we signed last; nothing is signed until"
        " `cert-exchange ledger verify` passes."
    )
