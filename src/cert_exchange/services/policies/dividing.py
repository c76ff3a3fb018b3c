"""A large store is looked through by several processes: each takes a span of the ids whenever it is free.

1. Python decides in one thread at a time; only other processes use the machine's other cores.
2. This process takes spans from the front and keeps what it finds; the others take them from the back, hand over what they
   found of each, and keep nothing: what is in memory twice is a span.
3. Another process opens the node anew and reads the policies from their texts; numbers come back, no content.
4. What it could not do is done here: a process that fails costs time and changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import structlog

from cert_exchange.errors import CertExchangeError
from cert_exchange.node import Node, open_node
from cert_exchange.policy.companions import Companions
from cert_exchange.policy.document import Policy, parse_policy
from cert_exchange.services.collecting import collected_by_parts
from cert_exchange.services.policies.catalogue import Catalogue
from cert_exchange.services.policies.onlooking import (
    Onlooker,
    Span,
    look_through,
    plans_if_applied,
)
from cert_exchange.services.policies.outlook import Outlook
from cert_exchange.store import releases
from cert_exchange.store import versions as version_rows

_log = structlog.get_logger(__name__)

BETWEEN_COLLECTIONS: Final = 4
"""Parts."""
WORTH_COLLECTING: Final = 10_000
"""Versions; what fewer leave in memory is little."""
WORTH_DIVIDING: Final = 50_000
"""Versions; below that another process takes longer to start than it saves."""
SPANS: Final = 32
"""Into so many a large store is divided: at the end one process waits for at most one of another."""
Texts = Sequence[tuple[str, str, Companions]]
"""of each policy: its name, its text, the files that it names"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What another process found in a span: how many versions it looked at, and by audience what an Onlooker keeps."""

    versions: int
    catalogue: Catalogue
    by_audience: tuple[tuple[tuple[int, ...], list[int], list[str], Outlook], ...]
    """its views, what is held, the names of rules, its rows"""


def look_together(
    node: Node,
    policies: Sequence[tuple[Policy, Companions]],
    partners: Mapping[int, str],
    catalogue: Catalogue,
    onlookers: Sequence[Onlooker],
    *,
    processes: int,
    progress: Callable[[int, int | None], None] | None,
) -> None:
    """Let the onlookers of these policies judge the whole store, by at most so many processes."""
    with node.database.reading() as conn:
        total = version_rows.count_after(conn, 0)
        highest = version_rows.highest_ident(conn)
    now = node.now()
    alone = processes < 2 or total < WORTH_DIVIDING
    spans = _spans(highest, 1 if alone else SPANS)
    texts = [(policy.name, policy.text, dict(companions)) for policy, companions in policies]
    todo = deque(enumerate(spans))
    done = 0

    def here(span: Span) -> None:
        look_through(
            node.database, partners, catalogue, onlookers, span, identity=node.identity,
            now=now, moved=moved,
        )  # fmt: skip

    def moved(versions: int) -> None:
        nonlocal done
        done += versions
        part_done()
        others.keep_busy(todo)
        if progress is not None:
            progress(min(done + others.versions, total), total)

    large = total >= WORTH_COLLECTING
    ask = partial(_elsewhere, node.settings.home, texts, now, large=large)
    with _collected_by_parts(large=large) as part_done:
        with _others(0 if alone else processes - 1, ask) as others:
            others.keep_busy(todo)
            while todo:
                here(todo.popleft()[1])
        # The others have ended, and given back their memory, before what they found is put together.
        for number in sorted(others.asked):
            if not _taken(others.asked.pop(number), catalogue, onlookers):
                here(spans[number])


def _collected_by_parts(*, large: bool) -> AbstractContextManager[Callable[[], None]]:
    """Where the store is not large, to look through the program once takes longer than all else."""
    return collected_by_parts(every=BETWEEN_COLLECTIONS) if large else nullcontext(_nothing)


def _nothing() -> None:
    """Nothing follows when a part is done."""


def _spans(highest: int, count: int) -> list[Span]:
    edges = [1 + highest * index // count for index in range(count)]
    return list(zip(edges, [*edges[1:], None], strict=True))


class _Others:
    """The other processes, each with one span at a time. Once one failed none is asked again."""

    __slots__ = ("_ask", "_count", "_pool", "_running", "asked", "versions")

    def __init__(self, pool: Executor | None, count: int, ask: Callable[[Span], Seen]) -> None:
        self._pool = pool
        self._count = count
        self._ask = ask
        self._running: list[Future[Seen]] = []
        self.asked: dict[int, Future[Seen]] = {}
        """by number of the span"""
        self.versions = 0
        """how many they have looked at"""

    def keep_busy(self, todo: deque[tuple[int, Span]]) -> None:
        """Give whoever is free the last of the spans to do."""
        for one in [one for one in self._running if one.done()]:
            self._running.remove(one)
            if one.exception() is None:
                self.versions += one.result().versions
            else:
                self._pool = None
        while self._pool is not None and todo and len(self._running) < self._count:
            number, span = todo.pop()
            try:
                self.asked[number] = self._pool.submit(self._ask, span)
            except BrokenProcessPool:  # it ended between two spans
                todo.append((number, span))
                self._pool = None
                return
            self._running.append(self.asked[number])


@contextmanager
def _others(count: int, ask: Callable[[Span], Seen]) -> Iterator[_Others]:
    """So many other processes, for as long as this lasts."""
    if not count:
        yield _Others(None, 0, ask)
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        yield _Others(pool, count, ask)


def _taken(asked: Future[Seen], catalogue: Catalogue, onlookers: Sequence[Onlooker]) -> bool:
    """Take over what another process found; False where it failed, or saw other audiences than this one."""
    try:
        seen = asked.result()
    except (BrokenProcessPool, OSError, CertExchangeError) as error:
        _log.warning("preview-process-failed", error=type(error).__name__)
        return False
    if [one[0] for one in seen.by_audience] != [onlooker.plan.view_ids for onlooker in onlookers]:
        return False
    catalogue.join(seen.catalogue)
    for onlooker, (_, held, names, outlook) in zip(onlookers, seen.by_audience, strict=True):
        onlooker.join(held, names, outlook)
    return True


def _elsewhere(home: Path, texts: Texts, now: int, span: Span, *, large: bool) -> Seen:
    """What another process does: the same on a span, with a node of its own."""
    versions = 0

    def moved(count: int) -> None:
        nonlocal versions
        versions += count
        part_done()

    node = open_node(home)
    try:
        with node.database.reading() as conn:
            present = releases.read_sharing(conn)
        catalogue = Catalogue()
        onlookers = [
            Onlooker(plan, catalogue)
            for name, text, companions in texts
            for plan in plans_if_applied(
                present, parse_policy(text, file=f"{name}.yaml", companions=companions)
            )
        ]
        with _collected_by_parts(large=large) as part_done:
            look_through(
                node.database, present.partners, catalogue, onlookers, span,
                identity=node.identity, now=now, moved=moved,
            )  # fmt: skip
    finally:
        node.close()
    told = tuple((one.plan.view_ids, one.held, one.rules.names, one.outlook) for one in onlookers)
    return Seen(versions, catalogue, told)
