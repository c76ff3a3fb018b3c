"""What came from one partner, looked at again as a whole: its retention is over, or what lets it go changed.

1. What an agreement no longer lets us keep leaves every view. It stays stored until it is erased: by a person, or by
   the worker where the setting `erase_past_retention` says so (`purging`).
2. Losses are found among what is in force, and go at once; gains are looked for in parts, a transaction and a ledger
   line each. Cut off in between, the rest comes when the objects are next decided.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from typing import Final

from cert_exchange.node import Node
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.bindings import promises_of
from cert_exchange.services.releasing.evaluating import plans_for
from cert_exchange.services.releasing.orders import in_one_line, reconsider_many
from cert_exchange.store import consents as rows
from cert_exchange.store import releases
from cert_exchange.store.database import Transaction

PART: Final = 1_000
_CLOCK: Final = "clock"


def end_passed(node: Node) -> int:
    """Take out of every view what is older than the agreement with its sender lets us keep it; how many lines.

    It stays stored: erasing is another thing. The worker does so again and again.
    """
    with node.database.reading() as conn:
        found = dict(_past_retention(conn, now=node.now()))
    ended = 0
    for _, idents in sorted(found.items()):
        for start in range(0, len(idents), PART):
            part = idents[start : start + PART]
            ended += _reconsider(node, part, "retention", _CLOCK)
    return ended


def count_passed(node: Node) -> dict[str, int]:
    """Partner -> how many versions are stored that its agreement no longer lets us keep."""
    with node.database.reading() as conn:
        sharing = releases.read_sharing(conn)
        numbers = {name: number for number, name in sharing.partners.items()}
        found = {
            name: rows.count_stored(
                conn, numbers[name], stored_before=node.now() - promise.retention
            )
            for name, promise in promises_of(plans_for(conn, sharing)).items()
            if promise.retention is not None and name in numbers
        }
    return {name: count for name, count in found.items() if count}


def look_again(node: Node, partner: int, *, kind: str, by: str) -> int:
    """Decide all that came from a partner again, in parts; how many lines. For what lets more go: losses go at once."""
    lines, after = 0, 0
    while True:
        with node.database.reading() as conn:
            idents = rows.idents_of(conn, partner, after=after, limit=PART)
        if not idents:
            return lines
        lines += _reconsider(node, idents, kind, by)
        after = idents[-1]


def look_again_at_once(releasing: Releasing, partner: int) -> None:
    """Decide all that is in force and came from a partner again, within the caller's transaction."""
    reconsider_many(releasing, rows.live_idents_of(releasing.tx, partner))


def _reconsider(node: Node, idents: Collection[int], kind: str, by: str) -> int:
    _, releasing = node.database.transact(
        lambda tx: in_one_line(
            tx, node, kind, by, partial(reconsider_many, idents=idents), only_if_released=True
        )
    )
    return releasing.released


def _past_retention(conn: Transaction, *, now: int) -> Iterable[tuple[str, list[int]]]:
    sharing = releases.read_sharing(conn)
    numbers = {name: number for number, name in sharing.partners.items()}
    for name, promise in promises_of(plans_for(conn, sharing)).items():
        if promise.retention is not None and name in numbers:
            before = now - promise.retention
            idents = rows.live_idents_of(conn, numbers[name], stored_before=before)
            if idents:
                yield name, idents
