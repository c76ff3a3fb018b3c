"""Requests whose answer is overdue, ours and those that we owe: for `status`, `doctor`, the log and figures.

1. Only what expects an answer by an instant is ever overdue, a partner's at the earliest an hour after it came
   (`messages.due_times`). A request of an exercise is none: its clock is not the desk's.
2. Of what we owe the grade is `wrong`, of what is owed to us `note`: the first we can do, for the second a person calls.
3. The log is told once of each while a worker runs; ids and names only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import structlog

from cert_exchange.node import Node
from cert_exchange.policy.wording import lasting
from cert_exchange.services.requesting.reading import threads
from cert_exchange.services.requesting.time_lines import Thread

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Overdue:
    """A request whose answer is overdue, in words."""

    thread: Thread
    grade: Literal["note", "wrong"]
    finding: str
    step: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a person: the overdue ones, the longest first, and how many of partners' are open, those included."""

    overdue: tuple[Overdue, ...]
    to_answer: int


def waiting(node: Node, *, partner: str | None = None) -> Waiting:
    """What waits for a person, of all partners or of one."""
    now = node.now()
    real = [one for one in threads(node, partner=partner, settled=False) if not one.test]
    late = sorted((one for one in real if one.late), key=lambda one: one.due or 0)
    return Waiting(
        tuple(_said(one, now) for one in late),
        sum(1 for one in real if not one.ours and one.request.answer_expected and not one.settled),
    )


def overdue(node: Node, *, partner: str | None = None) -> tuple[Overdue, ...]:
    """All that are, the longest first."""
    return waiting(node, partner=partner).overdue


def remind(node: Node, told: set[str]) -> int:
    """Log each that was not told before, and forget of `told` what is settled; how many are overdue."""
    found = overdue(node)
    for one in found:
        if one.thread.stix_id not in told:
            _log.warning(
                "request overdue",
                request=one.thread.stix_id,
                partner=one.thread.partner,
                owed_by="us" if one.grade == "wrong" else "partner",
                kind=one.thread.request.kind.value,
            )
    told.clear()
    told.update(one.thread.stix_id for one in found)
    return len(found)


def _said(thread: Thread, now: int) -> Overdue:
    since = lasting(max(now - (thread.due or now), 1_000_000))
    what = f"request {thread.short} ({thread.request.kind.value})"
    number = thread.tickets["asked"] or thread.tickets["asker"]
    if number:
        what += f", ticket {number},"
    if thread.ours:
        finding = f"its answer to our {what} is overdue for {since}; state: {thread.state}"
        return Overdue(
            thread,
            "note",
            finding,
            f"call its desk; cert-exchange request show {thread.short}",
        )
    finding = f"our answer to its {what} is overdue for {since}; state: {thread.state}"
    return Overdue(thread, "wrong", finding, f"cert-exchange request show {thread.short}")
