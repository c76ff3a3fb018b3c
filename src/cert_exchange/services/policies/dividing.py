"""A large store is looked through by several processes, each a span of the ids.

1. Python decides in one thread at a time; only other processes use the machine's other cores.
2. Another process opens the node anew and reads the policies from their texts; numbers come back, no content.
3. What it could not do is done here: a process that fails costs time and changes nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import structlog

from cert_exchange.errors import CertExchangeError
from cert_exchange.node import Node, open_node
from cert_exchange.policy.companions import Companions
from cert_exchange.policy.document import Policy, parse_policy
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

BETWEEN_COLLECTIONS: Final = 50_000
"""Objects of Python."""
WORTH_DIVIDING: Final = 50_000
"""Versions; below that another process takes longer to start than it saves."""
Seen = tuple[Catalogue, list[tuple[tuple[int, ...], list[int], list[str], Outlook]]]
"""of each audience: its views, what is held, the names of rules, its rows"""


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
    spans = _spans(highest, processes if total >= WORTH_DIVIDING else 1)
    done = 0

    def moved(versions: int) -> None:
        nonlocal done
        done += versions
        if progress is not None:  # the others are as far with their spans as we are with ours
            progress(min(done * len(spans), total), total)

    def here(span: Span) -> None:
        with _seldom_collected():
            look_through(
                node.database, partners, catalogue, onlookers, span, identity=node.identity,
                now=now, moved=moved,
            )  # fmt: skip

    first, *others = spans
    if not others:
        here(first)
        return
    texts = [(policy.name, policy.text, dict(companions)) for policy, companions in policies]
    with ProcessPoolExecutor(len(others), mp_context=get_context("spawn")) as pool:
        asked = [
            (span, pool.submit(_elsewhere, node.settings.home, texts, span, now)) for span in others
        ]
        here(first)
        for span, future in asked:
            if not _taken(future, catalogue, onlookers):
                here(span)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let Python look for cycles seldom: it would take a fifth of the time.

    When it looks it looks through everything: what a part has read hangs together, and would stay for many parts.
    """
    usual = gc.get_threshold()
    gc.set_threshold(BETWEEN_COLLECTIONS, 1, 1)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _spans(highest: int, count: int) -> list[Span]:
    edges = [1 + highest * index // count for index in range(count)]
    return list(zip(edges, [*edges[1:], None], strict=True))


def _taken(future: Future[Seen], catalogue: Catalogue, onlookers: Sequence[Onlooker]) -> bool:
    """Take over what another process found; False where it failed, or saw other audiences than this one."""
    try:
        there, told = future.result()
    except (BrokenProcessPool, OSError, CertExchangeError) as error:
        _log.warning("preview-process-failed", error=type(error).__name__)
        return False
    if [one[0] for one in told] != [onlooker.plan.view_ids for onlooker in onlookers]:
        return False
    catalogue.join(there)
    for onlooker, (_, held, names, outlook) in zip(onlookers, told, strict=True):
        onlooker.join(held, names, outlook)
    return True


def _elsewhere(
    home: Path, texts: Sequence[tuple[str, str, Companions]], span: Span, now: int
) -> Seen:
    """What another process does: the same on a span, with a node of its own."""
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
        with _seldom_collected():
            look_through(
                node.database, present.partners, catalogue, onlookers, span,
                identity=node.identity, now=now, moved=_unheard,
            )  # fmt: skip
    finally:
        node.close()
    return catalogue, [
        (one.plan.view_ids, one.held, one.rules.names, one.outlook) for one in onlookers
    ]


def _unheard(_versions: int) -> None:
    return
