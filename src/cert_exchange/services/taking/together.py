"""The inputs of one command, walked through twice: once to show them, once to store them.

1. Tables and lists of one name make one list, and so does everything that a person names with --name: the second would
   take the place of the first.
2. The strictest that any place says of a value counts before any of it is stored. The first walk finds what is said more
   strictly later on, the second knows it from the start.
3. At most `REMEMBERED` such values; beyond, what is stricter further on is tightened when it comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from cert_exchange.intake.building import Batch, Builder, Stricter
from cert_exchange.intake.recognising import Format
from cert_exchange.services.taking.reading import Order, Understanding
from cert_exchange.services.taking.sources import Source

REMEMBERED: Final = 500_000
TABLES: Final = frozenset({Format.CSV, Format.TSV, Format.LIST})
Key = tuple[str, str]
"""(name, what is put around): inputs of one key make one list."""


class Together:
    """One walk through the inputs of a command, in their order."""

    def __init__(self, inputs: Iterable[tuple[Source, Understanding]], order: Order) -> None:
        self._inputs = list(inputs)
        self._order = order
        self._left = Counter(
            key for source, how in self._inputs if (key := self.key(source.name, how))
        )
        self._builders: dict[Key, Builder] = {}
        self._stricter: dict[str, Stricter] = {}
        self.unread: Counter[str] = Counter()
        """by the name of a list: the places that could not be read in any of its inputs"""

    def again(self) -> Together:
        """The second walk, which knows what the first has found."""
        other = Together(self._inputs, self._order)
        other._stricter = self._stricter
        return other

    def key(self, name: str, how: Understanding) -> Key | None:
        """Which list this input is a part of; None: of one of its own."""
        table = how.form in TABLES
        if how.form is Format.MISP or not (table or self._order.name):
            return None
        return self._order.name or name, self._order.around or ("grouping" if table else "report")

    def begin(self, batch: Batch, key: Key | None) -> Builder:
        """Who builds the objects of this batch: the same for all inputs of one key."""
        if key is not None and key in self._builders:
            return self._builders[key]
        known = self._stricter.setdefault(batch.key or batch.name, Stricter(REMEMBERED))
        builder = Builder(batch, known)
        if key is not None:
            self._builders[key] = builder
        return builder

    def ends(self, key: Key | None) -> bool:
        """Whether this was the last input of its key: its lists are made now."""
        if key is None:
            return True
        self._left[key] -= 1
        if self._left[key] > 0:
            return False
        self._builders.pop(key, None)
        return True
