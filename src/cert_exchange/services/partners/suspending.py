"""Suspending a partner, in one direction or in both, and letting it in again.

1. Suspended in both directions a partner is let in nowhere: every request of it is refused like a stranger's.
2. Sending alone: its GETs answer 503 and nothing is pushed to it; what it sends is taken. Receiving alone: what it sends
   answers 503 and nothing is pulled from it; what it reads is served. No cursor moves, so nobody misses anything.
3. It is read from the database with each request, page and transaction: when `suspend` has returned, nothing that begins
   later passes, in whatever process. What began before ends within its own transaction.
4. `would_resume` says what would go out, and changes nothing; `resume` says nothing and does it. Resuming lifts lock-outs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.services.ledger import record
from cert_exchange.services.partners.administering import existing
from cert_exchange.store import credential_lives, freezes, outgoing, outstanding
from cert_exchange.store import credentials as credential_rows
from cert_exchange.store import partners as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.outstanding import Lot, Waiting
from cert_exchange.store.partners import PartnerRow

SHOWN: Final = 10
"""of the versions that wait in a view, the newest that are named"""


class Direction(StrEnum):
    """Which way: what goes out to the partner, what comes from it, or both."""

    SENDING = "sending"
    RECEIVING = "receiving"
    BOTH = "both"

    @property
    def sending(self) -> bool:
        """Whether it is about what goes out."""
        return self is not Direction.RECEIVING

    @property
    def receiving(self) -> bool:
        """Whether it is about what comes in."""
        return self is not Direction.SENDING


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a partner in one view, by one way out. Instants are micros."""

    collection: str
    way: str
    """`polls`, or the name of a target"""
    lots: tuple[Lot, ...]
    newest: tuple[Waiting, ...]
    """at most SHOWN"""
    since_suspension: int
    """of all that waits, what became visible while sending was suspended"""
    taken_back: int
    """versions that it has from before and that were taken back since"""

    @property
    def versions(self) -> int:
        """How many object versions wait."""
        return sum(lot.versions for lot in self.lots)

    @property
    def size(self) -> int:
        """Bytes of the objects that wait."""
        return sum(lot.size for lot in self.lots)


@dataclass(frozen=True, slots=True)
class Resumption:
    """What resuming would do; nothing was changed."""

    partner: str
    sending_suspended_at: int | None
    receiving_suspended_at: int | None
    backlogs: tuple[Backlog, ...]
    """what would go out; empty where sending is not resumed, or was not suspended"""
    sources: tuple[str, ...]
    """that would be pulled again"""
    credentials: int
    """in force, with which it can come"""
    frozen: bool
    """a freeze would still keep everything that goes out"""

    @property
    def versions(self) -> int:
        """How many object versions would go out, by whatever way the first time."""
        return sum(one.versions for one in self.backlogs)


def suspend(
    node: Node,
    name: str,
    *,
    direction: Direction = Direction.BOTH,
    by: str = "administrator",
) -> None:
    """Stop one direction or both from the next request on, in every process. Raises NotFound."""
    _change(node, name, direction, suspended=True, by=by)


def resume(
    node: Node,
    name: str,
    *,
    direction: Direction = Direction.BOTH,
    by: str = "administrator",
) -> None:
    """End the suspension of one direction or both, the partner's lock-outs lifted. Raises NotFound."""
    _change(node, name, direction, suspended=False, by=by)


def would_resume(node: Node, name: str, *, direction: Direction = Direction.BOTH) -> Resumption:
    """What `resume` would let out, as policy decides now. Raises NotFound."""
    fetched = {(mark.partner, mark.view): mark.position for mark in node.marks.everything()}
    now = node.now()
    with node.database.reading() as tx:
        partner = existing(tx, name)
        sends = direction.sending and partner.sending_suspended_at is not None
        takes = direction.receiving and partner.receiving_suspended_at is not None
        return Resumption(
            name,
            partner.sending_suspended_at,
            partner.receiving_suspended_at,
            tuple(_backlogs(tx, partner, fetched)) if sends else (),
            tuple(outstanding.sources_of(tx, partner.id)) if takes else (),
            len(credential_lives.lives(tx, now, partner=partner.id).get(partner.id, ())),
            freezes.freeze_stands(tx, partner.id),
        )


def _backlogs(
    tx: Transaction, partner: PartnerRow, fetched: dict[tuple[int, int], int]
) -> list[Backlog]:
    found = []
    pushed = outstanding.targets_of(tx, partner.id)
    for view in outstanding.views_of(tx, partner.id):
        ways = [("polls", fetched.get((partner.id, view.view), 0))]
        ways += [  # a target that has not pushed this view yet begins at its beginning
            (one.name, one.position if one.view == view.view else 0)
            for one in pushed
            if one.collection == view.number
        ]
        for way, after in ways:
            lots = outstanding.lots(tx, view.view, partner=partner.id, after=after)
            since = max(after, partner.sending_suspended_at or 0)
            fresh = outstanding.lots(tx, view.view, partner=partner.id, after=since)
            gone = outgoing.recalls_after(
                tx, view.view, after=after, to=view.head, sent=after, partner=partner.id
            )
            found.append(
                Backlog(
                    view.collection,
                    way,
                    tuple(lots),
                    tuple(
                        outstanding.waiting(
                            tx, view.view, partner=partner.id, after=after, most=SHOWN
                        )
                    ),
                    sum(lot.versions for lot in fresh),
                    len(gone),
                )
            )
    return [one for one in found if one.lots or one.taken_back]


def _change(node: Node, name: str, direction: Direction, *, suspended: bool, by: str) -> None:
    now = node.now()

    def work(tx: Transaction) -> None:
        partner = existing(tx, name, lock=True)
        before = (partner.sending_suspended_at, partner.receiving_suspended_at)
        sending, receiving = before
        changed = []
        if direction.receiving and (receiving is not None) != suspended:
            receiving = now if suspended else None
            changed.append(Direction.RECEIVING.value)
        if direction.sending and (sending is not None) != suspended:
            sending = now if suspended else None
            changed.append(Direction.SENDING.value)
        if not changed:
            return
        rows.set_suspended(tx, partner.id, sending_at=sending, receiving_at=receiving)
        if not suspended:
            credential_rows.clear_failures(tx, partner.id)
        kind = "partner.suspend" if suspended else "partner.resume"
        record(tx, Line(kind, now, by, facts={"partner": name, "directions": changed}))

    node.database.transact(work)
