"""Epochs of the logs: what happens when a log finds itself below what it handed out (DECISIONS 8).

1. Such a log is a restored one. It starts a new epoch by itself: every head is raised above the greatest instant ever
   handed out, so that a client that polls by `added_after` misses nothing that comes.
2. A token of an older epoch answers from its last safe position: the head as the restore left it.
3. Of a view whose head was raised the ledger has an empty range, so that the ranges still join.
4. Each epoch but the first knows until when what was stored is still there: what came later may be lost.
5. An epoch's number is the second at which it began, so that two restores of one backup have two numbers: whoever heard of
   the first hears of the second. Where the clock stands before the last number, it is that number and one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import select, update

from cert_exchange.messages.evidence import Line, Range, encode_line
from cert_exchange.store.database import Transaction
from cert_exchange.store.facts import fact, facts_like, put_fact
from cert_exchange.store.ledger import reserve_line, write_line
from cert_exchange.store.tables import views

EPOCH: Final = "epoch"
FIRST: Final = 1
LAST: Final = 2**32 - 1
"""A token holds four bytes of it: the seconds since 1970 until the year 2106."""
_SECOND: Final = 1_000_000
_SAFE: Final = "epoch.safe."
_KEPT: Final = "epoch.kept."


def current(tx: Transaction) -> int:
    """The epoch that tokens are issued in: 1, or the second since 1970 at which the last restore was noticed."""
    return int(fact(tx, EPOCH) or FIRST)


def safe_position(tx: Transaction, view: int, epoch: int, position: int) -> int:
    """Where a token of `epoch` at `position` goes on: at most the head that each later epoch began with."""
    later = [
        int(value)
        for name, value in facts_like(tx, f"{_SAFE}{view}.").items()
        if int(name.rsplit(".", 1)[1]) > epoch
    ]
    return min([position, *later])


def last_safe(tx: Transaction, view: int) -> int:
    """The greatest head that a restore left of this log: lines up to it are older than that restore. 0: there was none."""
    return max((int(value) for value in facts_like(tx, f"{_SAFE}{view}.").values()), default=0)


def lost_since(tx: Transaction, known: int) -> int | None:
    """From when on (micros) things may be lost, for who last knew the epoch `known`; None: nothing is, or nobody knows."""
    later = [
        int(value)
        for name, value in facts_like(tx, _KEPT).items()
        if int(name.removeprefix(_KEPT)) > known
    ]
    return min(later, default=None)


def below(tx: Transaction, seen: Mapping[int, int]) -> bool:
    """Whether any log's head is below what was handed out, by view."""
    rows = tx.execute(select(views.c.id, views.c.head))
    return any(seen.get(view, 0) > head for view, head in rows)


def begin(tx: Transaction, seen: Mapping[int, int], *, at: int, by: str) -> int:
    """Start a new epoch if a log is below `seen` (the greatest position handed out, by view); returns the epoch.

    All heads rise above everything in `seen`: what a partner knows of one view tells about the age of the restored
    state, and others may have been handed out more than is known.
    """
    rows = tx.execute(select(views.c.id, views.c.head).order_by(views.c.id).with_for_update()).all()
    epoch = current(tx)
    if not any(seen.get(view, 0) > head for view, head in rows):
        return epoch
    # Nobody says how old the restored state is: what it released last is the last that is known of it.
    kept_until = max((head for _, head in rows), default=0)
    return raise_heads(tx, above=max(seen.values()), at=at, by=by, kept_until=kept_until)


def raise_heads(tx: Transaction, *, above: int, at: int, by: str, kept_until: int) -> int:
    """Start a new epoch whose logs go on after `above`, as after a restore; returns it.

    `kept_until`: what was stored later may be lost. All in micros.
    """
    rows = tx.execute(select(views.c.id, views.c.head).order_by(views.c.id).with_for_update()).all()
    second = at // _SECOND
    epoch = max(current(tx) + 1, second if second <= LAST else 0)
    put_fact(tx, EPOCH, str(epoch))
    put_fact(tx, f"{_KEPT}{epoch}", str(kept_until))
    ranges = []
    for view, head in rows:
        put_fact(tx, f"{_SAFE}{view}.{epoch}", str(head))
        if head < above:
            tx.execute(update(views).where(views.c.id == view).values(head=above))
            ranges.append(Range(view=view, after=head, to=above, lines=0))
    line = Line("epoch", at, by, ranges=tuple(ranges), facts={"epoch": epoch, "above": above})
    write_line(tx, reserve_line(tx), encode_line(line))
    return epoch
