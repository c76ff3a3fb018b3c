"""The Merkle tree over the ledger's lines: RFC 9162, 2.1, with its proofs of inclusion and of consistency.

What may never change, because old heads must verify for ever (golden bytes: tests/unit/messages):

1. The entry of line `seq`, leaf `seq` - 1, is a tag, 16 random bytes and the line's chain hash. Lines can be guessed (a
   partner was suspended, at about four o'clock), and proofs show the hashes of neighbours: the salt keeps them mute.
2. A leaf is SHA-256 behind a byte 0, a node behind a byte 1; a tree splits at the greatest power of two below its size.
3. A subtree over 2^level leaves from a multiple of that on is *complete*: its hash never changes as the tree grows. It is
   named (level, number) and is what the store keeps; every other hash is folded from these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from cert_exchange.messages.evidence import DIGEST_BYTES, EMPTY_ROOT, SALT_BYTES

Place = tuple[int, int]
"""(level, number) of a complete subtree."""
Span = tuple[int, int]
"""Leaves from the first to before the second."""
_ENTRY: Final = b"cert-exchange leaf 1\x00"


def line_leaf(salt: bytes, link: bytes) -> bytes:
    """The hash of the leaf of a line, from its salt and its chain hash."""
    if len(salt) != SALT_BYTES or len(link) != DIGEST_BYTES:
        raise ValueError("a leaf needs a salt of 16 bytes and a hash of 32")
    return sha256(b"\x00" + _ENTRY + salt + link).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two children."""
    return sha256(b"\x01" + left + right).digest()


def grown(
    size: int, leaves: Sequence[bytes], read: Callable[[Place], bytes]
) -> list[tuple[Place, bytes]]:
    """The complete subtrees that appear when a tree of `size` leaves gets these: with the leaves themselves, level 0.

    `read` gives complete subtrees of the tree as it was.
    """
    made: dict[Place, bytes] = {}
    for index, leaf in enumerate(leaves, start=size):
        level, number, value = 0, index, leaf
        made[level, number] = value
        while number % 2:
            left = (level, number - 1)
            value = node_hash(made[left] if left in made else read(left), value)
            level, number = level + 1, number // 2
            made[level, number] = value
    return list(made.items())


def pieces(span: Span) -> list[Place]:
    """The complete subtrees that a span of RFC 9162's recursion consists of, from left to right."""
    start, end = span
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start % (1 << level):
            raise ValueError(f"{span} is no span of the recursion")
        found.append((level, start >> level))
        start += 1 << level
    return found


def folded(hashes: Sequence[bytes]) -> bytes:
    """The hash of a span, from those of its `pieces`."""
    if not hashes:
        return EMPTY_ROOT
    *rest, value = hashes
    for left in reversed(rest):
        value = node_hash(left, value)
    return value


def _split(size: int) -> int:
    """The greatest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The spans whose hashes prove leaf `index` in a tree of `size` (RFC 9162, 2.1.3.1). Raises ValueError outside."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    start, end = 0, size
    path: list[Span] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_spans(first: int, second: int) -> list[Span]:
    """The spans whose hashes prove that a tree of `first` leaves begins one of `second` (RFC 9162, 2.1.4.1)."""
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} does not go on from {first}")
    if first in (0, second):
        return []
    start, end, whole = 0, second, True
    path: list[Span] = []
    while first - start != end - start:
        middle = start + _split(end - start)
        if first <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start, whole = middle, False
    if not whole:
        path.append((start, end))
    return path[::-1]


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path shows that this leaf stands at `index` in the tree of this size and root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at % 2 or at == last:
            value = node_hash(sibling, value)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and value == root


def consistent(
    first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the path shows that the tree of `first` leaves is the beginning of that of `second` (RFC 9162, 2.1.4.2)."""
    if not 0 <= first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    if first == 0:
        return not path and first_root == EMPTY_ROOT
    hashes = list(path)
    if first & (first - 1) == 0:  # a complete subtree: its root, which the asker knows, is not sent
        hashes.insert(0, first_root)
    if not hashes:
        return False
    at, last = first - 1, second - 1
    while at % 2:
        at, last = at >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if at % 2 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root
