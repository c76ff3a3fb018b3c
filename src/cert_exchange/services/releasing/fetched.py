"""How far the logs may have been fetched, and by whom: what anybody asks who decides on a line that was or will be taken back.

1. The marks are read last, so that a fetch of what the caller read before has raised its mark by now (DECISIONS 24).
2. A restore forgot marks: what is older than it counts as fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cert_exchange.node import Node
from cert_exchange.store import epochs
from cert_exchange.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the logs may have been fetched. Positions are micros."""

    marks: Mapping[int, Mapping[int, int]]
    """view -> partner -> position"""
    restored: Mapping[int, int]
    """view -> the last position from before a restore"""

    def by(self, partner: int, view: int, position: int) -> bool:
        """Whether this partner may have fetched a line."""
        return position <= max(self.marks.get(view, {}).get(partner, 0), self.restored[view])

    def who(self, view: int, position: int) -> set[int]:
        """The partners whose marks say that they may have fetched a line."""
        return {one for one, mark in self.marks.get(view, {}).items() if mark >= position}

    def has(self, view: int, position: int) -> bool:
        """Whether anyone may have fetched a line."""
        return position <= self.restored[view] or bool(self.who(view, position))


def reached(tx: Transaction, node: Node, views: Iterable[int]) -> Reached:
    """Read it for these views; the last thing that is read. Raises StoreUnavailable."""
    restored = {view: epochs.last_safe(tx, view) for view in sorted(set(views))}
    marks: dict[int, dict[int, int]] = {}
    for mark in node.marks.everything():
        marks.setdefault(mark.view, {})[mark.partner] = mark.position
    return Reached(marks, restored)
