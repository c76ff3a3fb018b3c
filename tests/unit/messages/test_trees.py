"""RFC 9162's tree: golden roots, proofs of every size, and that nothing else is proved."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.messages import trees
from cert_exchange.messages.evidence import EMPTY_ROOT, merkle_root

CT_ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
"""The entries that certificate transparency's implementations test with."""


class Grown:
    """A tree, grown in steps, with the complete subtrees that a store would keep."""

    def __init__(self, entries: list[bytes], *, step: int = 3) -> None:
        self.entries = entries
        self.kept: dict[trees.Place, bytes] = {}
        leaves = [sha256(b"\x00" + entry).digest() for entry in entries]
        for start in range(0, len(leaves), step):
            made = trees.grown(start, leaves[start : start + step], self.kept.__getitem__)
            assert not self.kept.keys() & dict(made).keys()
            self.kept.update(made)

    def hash(self, span: trees.Span) -> bytes:
        return trees.folded([self.kept[place] for place in trees.pieces(span)])

    def root(self, size: int) -> bytes:
        return self.hash((0, size))


def entries_of(count: int) -> list[bytes]:
    return [f"entry {number}".encode() for number in range(count)]


def test_golden_roots() -> None:
    """The roots that every implementation of certificate transparency agrees on."""
    tree = Grown(CT_ENTRIES)
    assert tree.root(0) == EMPTY_ROOT
    assert tree.root(1).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert tree.root(8).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_golden_leaf_of_a_line() -> None:
    """Tag, salt and chain hash behind a byte 0: exactly these bytes."""
    salt, link = bytes(range(16)), bytes(range(32))
    spelled = b"\x00cert-exchange leaf 1\x00" + salt + link
    assert trees.line_leaf(salt, link) == sha256(spelled).digest()
    with pytest.raises(ValueError, match="salt"):
        trees.line_leaf(b"", link)


@pytest.mark.parametrize("step", [1, 2, 7, 64])
def test_a_tree_grown_in_steps_is_the_tree(step: int) -> None:
    """However many leaves come at once, the root of every size is that of the whole list."""
    tree = Grown(entries_of(64), step=step)
    for size in range(65):
        assert tree.root(size) == merkle_root(tree.entries[:size])


def test_every_leaf_of_every_small_tree_is_proved_and_nothing_else() -> None:
    """Inclusion: each leaf at its place; not at another place, not another leaf, not with a changed path."""
    tree = Grown(entries_of(20))
    for size in range(1, 21):
        root = tree.root(size)
        for index in range(size):
            path = [tree.hash(span) for span in trees.inclusion_spans(index, size)]
            leaf = tree.kept[0, index]
            assert trees.included(leaf, index, size, path, root)
            assert not trees.included(leaf, (index + 1) % size, size, path, root) or size == 1
            assert not trees.included(bytes(32), index, size, path, root)
            assert not trees.included(leaf, index, size, [*path, bytes(32)], root)
            assert not trees.included(leaf, size, size, path, root)
            for at in range(len(path)):
                assert not trees.included(
                    leaf, index, size, [*path[:at], bytes(32), *path[at + 1 :]], root
                )
                assert not trees.included(leaf, index, size, path[:at] + path[at + 1 :], root)


def test_every_beginning_of_every_small_tree_is_proved_and_nothing_else() -> None:
    """Consistency: of each pair of sizes; not with another old root, another new root or a changed path."""
    tree = Grown(entries_of(20))
    other = Grown([b"another", *entries_of(20)[1:]])
    for second in range(21):
        for first in range(second + 1):
            path = [tree.hash(span) for span in trees.consistency_spans(first, second)]
            old, new = tree.root(first), tree.root(second)
            assert trees.consistent(first, second, old, new, path)
            assert not trees.consistent(first, second, old, new, [*path, bytes(32)])
            if first:
                assert not trees.consistent(first, second, other.root(first), new, path)
                assert not trees.consistent(first, second, old, other.root(second), path)
            for at in range(len(path)):
                changed = [*path[:at], bytes(32), *path[at + 1 :]]
                assert not trees.consistent(first, second, old, new, changed)
                assert not trees.consistent(first, second, old, new, path[:at] + path[at + 1 :])
    assert not trees.consistent(5, 3, tree.root(5), tree.root(3), [])
    assert not trees.consistent(0, 3, bytes(32), tree.root(3), [])
    assert not trees.consistent(3, 5, tree.root(3), tree.root(5), [])


@given(st.integers(1, 400), st.data())
def test_a_fork_has_no_proof(size: int, data: st.DataObject) -> None:
    """Two histories that part at some entry: no root after it is continued by the other one's."""
    parted = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(parted + 1, size))
    entries = entries_of(size)
    honest = Grown(entries, step=64)
    forked = Grown([*entries[:parted], *(one + b"!" for one in entries[parted:])], step=64)
    path = [forked.hash(span) for span in trees.consistency_spans(first, size)]
    assert not trees.consistent(first, size, honest.root(first), forked.root(size), path)
    assert trees.consistent(first, size, forked.root(first), forked.root(size), path)


def test_what_is_outside_of_the_tree_is_refused() -> None:
    """Spans of no leaf, of a tree that shrinks, and pieces that no recursion makes."""
    for ask in (
        lambda: trees.inclusion_spans(3, 3), lambda: trees.inclusion_spans(-1, 3),
        lambda: trees.consistency_spans(4, 3), lambda: trees.pieces((1, 4)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"no leaf|go on|no span"):
            ask()
    assert all(a < b for a, b in pairwise(trees.pieces((0, 13))[::-1]))
