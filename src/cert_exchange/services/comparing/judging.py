"""What a partner shows of its ledger, judged against what it showed before.

    (1) signed by a key that is pinned and counts, and a ledger of one of the partner's identities
    (2) no other head of that size was shown before: else it has forked, and the two notes prove it to anybody
    (3) not smaller than a head that it showed: else lines were cut off
    (4) a proof that it goes on from that head: else it was rewritten
The first head that is shown is believed: from then on nothing before it can be changed unseen.

1. What breaks (2), (3) or (4) is kept with both notes and a ledger line, until a person settles it. Nothing is stopped by
   it: that is a person's decision, and a partner could else stop us by a restore.
2. What fails at (1) shows nothing of the partner's ledger, for anybody could have sent it: it is refused, and said.
3. Each head that is judged stands in our own ledger: what the partner showed when is then in *our* history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from cert_exchange.errors import EvidenceBroken
from cert_exchange.messages import checkpoints, trees
from cert_exchange.messages.checkpoints import Checkpoint, origin_of
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.services.ledger import checkpointing
from cert_exchange.store import checkpoints as own_heads
from cert_exchange.store import partner_heads as rows
from cert_exchange.store import partner_keys
from cert_exchange.store.database import Transaction
from cert_exchange.store.partner_heads import HeadRow, Standing
from cert_exchange.store.partners import authority

_log = structlog.get_logger(__name__)


class Break(StrEnum):
    """How a history fails to continue what was shown."""

    FORKED = "forked"
    CUT_OFF = "cut off"
    REWRITTEN = "rewritten"
    OURS = "ours"
    """the partner holds a head that we signed, and our own ledger does not go on from it"""


WORDS: Final[Mapping[Break, str]] = {
    Break.FORKED: "it signed two histories: two heads of one size differ",
    Break.CUT_OFF: "its ledger is shorter than the one that it showed before",
    Break.REWRITTEN: "its ledger does not go on from the one that it showed before",
    Break.OURS: "it holds a head that we signed, and our ledger does not go on from that: ours was"
    " restored, cut off or rewritten",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A partner's answer: its head as a note, and the proof from the size that was asked for. None: it gave none."""

    note: str
    path: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of it."""

    head: Checkpoint
    first: bool
    """nothing was held of this partner before"""
    broken: Break | None


def take(node: Node, partner: int, held: HeadRow | None, shown: Shown) -> Judged:
    """Judge a head against one that the partner showed before (None: the first). Raises EvidenceBroken at step (1)."""
    now = node.now()
    head = _verified(node, partner, shown.note)

    def work(tx: Transaction) -> tuple[Break | None, bool]:
        rows.lock(tx, partner)
        broken, evidence = _judged(tx, partner, held, head, shown.path)
        first = held is None and rows.newest_proved(tx, partner) is None
        if broken is None:
            if held is not None:
                rows.stand(tx, [held.id], Standing.PROVED)
            if rows.keep(tx, partner, head, shown.note, now=now, standing=Standing.PROVED):
                _record(tx, partner, head, now, "first" if first else "continues")
            return None, first
        _break(tx, partner, broken, evidence, shown.note, now=now, head=head)
        if held is not None and held.standing is Standing.SEEN:
            rows.stand(tx, [held.id], Standing.BROKEN)  # asked for once; the evidence is kept
        rows.keep(tx, partner, head, shown.note, now=now, standing=Standing.BROKEN)
        return broken, first

    broken, first = node.database.transact(work)
    _alarm(partner, broken)
    return Judged(head, first, broken)


def note_seen(node: Node, partner: int, note: str) -> Checkpoint:
    """Keep a head that came with something else, to be proved at the next comparison; a fork is found at once.

    Raises EvidenceBroken at step (1).
    """
    now = node.now()
    head = _verified(node, partner, note)

    broken = node.database.transact(lambda tx: _keep_seen(tx, partner, head, note, now))
    _alarm(partner, broken)
    return head


def note_stated(
    tx: Transaction,
    partner: int,
    sender: str,
    stated: tuple[int, bytes],
    *,
    at: int,
    text: str,
    now: int,
) -> None:
    """Keep the head (size, root) that stands in a statement or a receipt of the partner, whose signature was verified.

    `text` is the signed text, which proves it. Size 0: the partner has signed no head yet.
    """
    size, root = stated
    if size:
        _keep_seen(tx, partner, Checkpoint(origin_of(sender), size, root, at), text, now)


def _keep_seen(
    tx: Transaction, partner: int, head: Checkpoint, text: str, now: int
) -> Break | None:
    rows.lock(tx, partner)
    other = _other_of_size(tx, partner, head)
    if other is None:
        rows.keep(tx, partner, head, text, now=now, standing=Standing.SEEN)
        return None
    _break(tx, partner, Break.FORKED, other.note, text, now=now, head=head)
    return Break.FORKED


def take_ours(node: Node, partner: int, note: str) -> Break | None:
    """Judge our own ledger by the head of it that a partner holds. Raises EvidenceBroken when that is none of ours."""
    now = node.now()
    keys = [key.public for key in node.secrets.signing_keys]
    head = checkpoints.checked(note, keys, origin=checkpointing.origin(node))

    def work(tx: Transaction) -> Break | None:
        if head.size <= own_heads.tree_size(tx) and own_heads.root(tx, head.size) == head.root:
            return None
        rows.lock(tx, partner)
        _break(tx, partner, Break.OURS, note, "", now=now, head=head)
        return Break.OURS

    broken = node.database.transact(work)
    _alarm(partner, broken)
    return broken


def _alarm(partner: int, broken: Break | None) -> None:
    if broken is not None:
        _log.error("a ledger does not go on from what was shown", partner=partner, kind=broken)


def _verified(node: Node, partner: int, note: str) -> Checkpoint:
    now = node.now()
    with node.database.reading() as tx:
        keys = partner_keys.keys_of(tx, partner)
        who = authority(tx, partner)
    head = checkpoints.checked(note, [key.public for key in keys if key.holds_at(now)])
    if head.origin not in {origin_of(identity) for identity in who.speaks_for}:
        raise EvidenceBroken(
            f"{who.name} shows the ledger of somebody else.", detail=repr(head.origin)
        )
    return head


def _judged(
    tx: Transaction,
    partner: int,
    held: HeadRow | None,
    head: Checkpoint,
    path: Sequence[bytes] | None,
) -> tuple[Break | None, str]:
    """Do the steps 2 to 4; with a break, the note that the partner showed before."""
    other = _other_of_size(tx, partner, head)
    if other is not None:
        return Break.FORKED, other.note
    if held is None:
        return None, ""
    if head.size < held.size:
        return Break.CUT_OFF, held.note
    whole = path is not None and trees.consistent(held.size, head.size, held.root, head.root, path)
    return (None, "") if whole else (Break.REWRITTEN, held.note)


def _other_of_size(tx: Transaction, partner: int, head: Checkpoint) -> HeadRow | None:
    others = [one for one in rows.of_size(tx, partner, head.size) if one.root != head.root]
    return others[0] if others else None


def _break(
    tx: Transaction,
    partner: int,
    kind: Break,
    held: str,
    told: str,
    *,
    now: int,
    head: Checkpoint,
) -> None:
    if rows.add_break(tx, partner, kind.value, held=held, told=told, now=now):
        _record(tx, partner, head, now, kind.value)


def _record(tx: Transaction, partner: int, head: Checkpoint, now: int, found: str) -> None:
    facts: dict[str, str | int | list[str]] = {
        "partner": authority(tx, partner).name,
        "found": found,
        "size": head.size,
        "root": head.root.hex(),
        "signed": head.at,
    }
    ledger.record(tx, Line("checkpoint.compared", now, "node", facts=facts))
