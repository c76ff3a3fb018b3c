"""What a settlement writes, put together before it is written: of all audiences together, or before it is looked at again."""

from __future__ import annotations

from dataclasses import dataclass, field

from cert_exchange.store import notices, releases
from cert_exchange.store.database import Transaction
from cert_exchange.store.notices import Owed
from cert_exchange.store.releases import LiveLine, LogLine


@dataclass(slots=True)
class Drafts:
    """Lines and what they change, in the forms of `releases.append`, `releases.mark` and `notices.owe`."""

    lines: list[LogLine] = field(default_factory=list)
    gained: list[LiveLine] = field(default_factory=list)
    lost: list[tuple[int, int]] = field(default_factory=list)
    heads: dict[int, int] = field(default_factory=dict)
    marks: list[tuple[int, int, bool, bool, bool]] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)

    def write(self, tx: Transaction) -> None:
        """Write them, once."""
        releases.append(tx, self.lines, self.gained, self.lost, self.heads)
        releases.mark(tx, self.marks)
        if self.owed:
            notices.owe(tx, self.owed)
