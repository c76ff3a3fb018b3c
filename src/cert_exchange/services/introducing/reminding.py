"""What of channels a person should look at: cards to be confirmed, words to be compared anew, set-ups that stand still.

1. Each quarter a person calls and goes through the card; each year the words are compared, as at the beginning.
2. A month after that was due it is no reminder any more, but wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from cert_exchange.node import Node
from cert_exchange.services.introducing.promoting import progress
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import introductions as rows
from cert_exchange.store.introductions import HeldCard

log = structlog.get_logger(__name__)

DAY: Final = 86_400_000_000
QUARTER: Final = 92 * DAY
YEAR: Final = 366 * DAY
LATE: Final = 30 * DAY
STANDS_STILL: Final = 7 * DAY


@dataclass(frozen=True, slots=True)
class Due:
    """One thing for a person to do, about a partner or one that will be."""

    grade: Literal["note", "wrong"]
    partner: str
    finding: str
    step: str


def due(node: Node) -> tuple[Due, ...]:
    """All that is due now."""
    now = node.now()
    with node.database.reading() as tx:
        cards = rows.cards(tx)
    return (
        *(one for held in cards.values() for one in _of_card(held, now)),
        *_of_set_ups(node, now),
    )


def remind(node: Node) -> int:
    """Write what is due to the log; how much that is. The worker does so each day."""
    found = due(node)
    for one in found:
        log.warning(
            "channel needs a person", partner=one.partner, grade=one.grade, finding=one.finding
        )
    return len(found)


def _of_card(held: HeldCard, now: int) -> Iterator[Due]:
    for since, span, what, step in (
        (held.compared_at, YEAR, "the words were last compared", f"--words ... ({held.partner} finds its words by `partner words`)"),
        (held.confirmed_at, QUARTER, "its contact card was last confirmed by a call", ""),
    ):  # fmt: skip
        if now - since < span:
            continue
        grade: Literal["note", "wrong"] = "wrong" if now - since > span + LATE else "note"
        yield Due(
            grade, held.partner, f"{what} {format_micros(since)}",
            f"call its desk, then cert-exchange partner verify {held.partner} {step}".rstrip(),
        )  # fmt: skip
        return  # comparing confirms as well


def _of_set_ups(node: Node, now: int) -> Iterator[Due]:
    for one in progress(node):
        found = one.introduction
        if one.stage == "live" and found.theirs is not None:
            continue
        last = max(
            found.offered_at, found.accepted_at or 0, found.opened_at or 0, found.checked_at or 0
        )
        if one.stage == "test":
            since = f"is in stage test since {format_micros(found.accepted_at or found.offered_at)}: it sees the TEST collection only"
            yield Due("note", one.name, since, one.next)
        elif now - last > STANDS_STILL:
            yield Due(
                "note", one.name, f"its set-up stands still since {format_micros(last)}", one.next
            )
