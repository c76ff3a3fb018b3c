"""Work is rehearsed: everything that it writes is rolled back at the end, whatever it calls.

1. `rehearse` gives work a database of its own: each `transact` there is a savepoint of one transaction, and `reading`
   sees what was written before it. So the very services that do a thing can show what it would do.
2. Nothing of it is ever committed, also where the work says nothing and ends well.
3. Other writers wait meanwhile, as for any transaction: work that waits for a network has no place here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cert_exchange.store.database import Database, Transaction, Unprepared

T = TypeVar("T")


class Rehearsed(Database):
    """A database inside one transaction of another, for as long as that lasts. For one thread."""

    def __init__(self, real: Database, tx: Transaction) -> None:
        # Not the parent's: it has the real one's connections, and makes none.
        self.__dict__.update(real.__dict__)
        self._tx = tx

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a savepoint. What it raises takes back what it wrote, and passes."""
        while True:
            try:
                with self._tx.begin_nested():
                    return work(self._tx)
            except Unprepared as missing:
                missing.prepare(self._tx)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """The same transaction: what was written in it is seen."""
        yield self._tx


class _RolledBackError(Exception):
    """Ends the rehearsal's transaction without a commit."""


def rehearse(database: Database, work: Callable[[Database], T]) -> T:
    """Run `work` with a database of which nothing stays, and return what it returned.

    It may run several times, as work of `transact`. Raises what it raises, and StoreUnavailable.
    """
    seen: list[T] = []

    def all_of_it(tx: Transaction) -> None:
        seen.clear()
        seen.append(work(Rehearsed(database, tx)))
        raise _RolledBackError

    try:
        database.transact(all_of_it)
    except _RolledBackError:
        return seen[0]
    raise AssertionError("a rehearsal always rolls back")


__all__ = ["Rehearsed", "rehearse"]
