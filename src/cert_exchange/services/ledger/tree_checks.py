"""Checking the tree over the ledger's lines, and the heads of it that we signed, against the lines.

1. The first lines have leaves, each made of its line's hash; the lines that come after them have not joined yet.
2. Every complete subtree is there and is what its two children make.
3. Every head that we signed has the root of so many lines, bears the signature of a key of ours, and later ones are not
   smaller: so lines that were changed, cut off or exchanged together with the whole chain are found as long as one head is
   kept, here or with a partner.

Streamed: memory depends on nothing that grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import zip_longest

from cert_exchange.errors import EvidenceBroken
from cert_exchange.messages import checkpoints, trees
from cert_exchange.messages.checkpoints import Checkpoint
from cert_exchange.store import checkpoints as rows
from cert_exchange.store.checkpoints import Issued
from cert_exchange.store.database import Transaction


def check_tree(tx: Transaction, *, origin: str, keys: Iterable[bytes]) -> tuple[int, int]:
    """Check leaves, subtrees and signed heads; returns (leaves, heads). `keys`: our own public ones.

    Raises EvidenceBroken that names the first thing that is not as it was written.
    """
    known = tuple(keys)
    with closing(rows.every(tx)) as signed, closing(rows.leaves(tx)) as lines:
        size, heads = _check_heads(signed, lines, origin, known)
    stored = rows.tree_size(tx)
    if stored != size:
        raise EvidenceBroken(f"the tree has {stored} leaves, but only {size} lines stand for them.")
    _check_subtrees(tx, size)
    return size, heads


def _check_heads(
    signed: Iterator[Issued], lines: Iterator[rows.LeafRow], origin: str, keys: tuple[bytes, ...]
) -> tuple[int, int]:
    heads = size = 0
    edge = Edge()
    ended = False
    head = next(signed, None)
    while True:
        while head is not None and head.size <= size:
            _check_head(head, size, edge.root(), origin, keys)
            heads, head = heads + 1, next(signed, None)
        row = next(lines, None)
        if row is None or row.leaf is None:
            break
        if row.salt is None or trees.line_leaf(row.salt, row.link) != row.leaf:
            raise EvidenceBroken(f"ledger line {row.seq} is not the one that joined the tree.")
        edge.add(row.leaf)
        size += 1
    if head is not None:
        raise EvidenceBroken(
            f"we signed {head.size} lines of the ledger, but only {size} are there: lines were cut off."
        )
    for row in lines:
        ended = ended or row.leaf is not None
    if ended:
        raise EvidenceBroken(f"the leaf of ledger line {size + 1} is missing.")
    return size, heads


def _check_head(head: Issued, size: int, root: bytes, origin: str, keys: tuple[bytes, ...]) -> None:
    if head.size < size:
        raise EvidenceBroken(f"a head of {head.size} lines was signed after one of {size}.")
    if head.root != root:
        raise EvidenceBroken(
            f"the first {size} lines are not those that we signed: the ledger was rewritten."
        )
    said = checkpoints.checked(head.note, keys, origin=origin)
    if said != Checkpoint(origin, size, root, head.issued_at):
        raise EvidenceBroken(f"the signed head of {size} lines says something else than its row.")


class Edge:
    """The complete subtrees at the right-hand edge of a growing tree, from the greatest: enough for its root."""

    def __init__(self) -> None:
        self._size = 0
        self._hashes: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Let a leaf join."""
        value, number = leaf, self._size
        while number % 2:
            value, number = trees.node_hash(self._hashes.pop(), value), number // 2
        self._hashes.append(value)
        self._size += 1

    def root(self) -> bytes:
        """The root over what joined so far."""
        return trees.folded(self._hashes)


def _check_subtrees(tx: Transaction, size: int) -> None:
    if rows.levels(tx) != size.bit_length():
        raise EvidenceBroken("the tree has subtrees that no leaf stands for, or has lost some.")
    for level in range(size.bit_length()):
        with closing(rows.level(tx, level)) as below, closing(rows.level(tx, level + 1)) as above:
            for made, found in zip_longest(_parents(below), above):
                if made != found:
                    raise EvidenceBroken(
                        f"a subtree of level {level + 1} was changed or is missing."
                    )


def _parents(below: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    left: bytes | None = None
    for expected, (number, value) in enumerate(below):
        if number != expected:
            raise EvidenceBroken("a subtree or a leaf of the tree is missing.")
        if number % 2 == 0:
            left = value
        elif left is not None:
            yield number // 2, trees.node_hash(left, value)
