"""Asking partners for the heads of their ledgers, each day, and showing them ours.

1. A partner is asked over a connection that there is anyway, that of a source or a target of ours; who has none is told
   from what comes with its statements alone.
2. The question names the head that we hold; the answer is the newest head, the proof between the two, and the head of our
   own ledger that the partner holds. Heads that came with statements are proved in the same way.
3. A server that knows no such question is no cert-exchange: nothing is compared, and nothing is wrong.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.errors import CertExchangeError, EvidenceBroken, NotFound
from cert_exchange.messages.checkpoints import is_note
from cert_exchange.messages.evidence import DIGEST_BYTES, Line
from cert_exchange.node import Node
from cert_exchange.remote import peering
from cert_exchange.remote.connection import Connection
from cert_exchange.services import ledger, signing
from cert_exchange.services.comparing import judging
from cert_exchange.services.comparing.judging import Break, Shown
from cert_exchange.services.ledger import checkpointing
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.store import channels, partner_keys
from cert_exchange.store import partner_heads as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.partner_heads import BreakRow, HeadRow, Tried
from cert_exchange.store.partners import find_partner

RESOURCE: Final = "checkpoint"
DAY: Final = 24 * 3_600_000_000
AGAIN: Final = 3_600_000_000
"""After a try that told nothing."""
SEEN_AT_ONCE: Final = 30
_PATH: Final = 64
"""A proof of consistency has at most as many hashes as a size has bits, and one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of asking one partner. `trouble`: why nothing could be told; empty when it could."""

    partner: str
    size: int | None
    """lines in the head that it showed"""
    first: bool
    breaks: tuple[Break, ...]
    trouble: str
    signs: bool
    """a key of it is pinned, so that it should have told something"""


def show(node: Node, partner: int, first: int | None) -> Mapping[str, Any]:
    """Answer a partner's question: our newest head, the proof from `first` on, and what we hold of the partner's."""
    with node.database.reading() as tx:
        theirs = rows.newest_proved(tx, partner)
    last = checkpointing.newest(node)
    proof = None
    if last is not None and first is not None:
        proof = checkpointing.continuation(node, first, last.size)
    return {
        "checkpoint": None if last is None else last.note,
        "from": first,
        "proof": None if proof is None else [b64encode(one).decode() for one in proof.path],
        # What was stated and not shown yet is kept as the statement's text, which is no note: there is none to show.
        "yours": theirs.note if theirs is not None and is_note(theirs.note) else None,
    }


def compare(node: Node, name: str) -> Comparison:
    """Ask a partner for its head and judge it, and ours by what it holds. Raises NotFound; all else is in the answer."""
    with node.database.reading() as tx:
        found = find_partner(tx, name)
        signs = found is not None and bool(partner_keys.keys_of(tx, found.id))
    if found is None:
        raise NotFound(f"There is no partner {name}; see `partner list`.")
    breaks: list[Break] = []
    head: judging.Judged | None = None
    trouble = ""
    try:
        head = _ask_and_judge(node, found.id, breaks)
        if head is None:
            trouble = "it has no head of its ledger to show yet, or is no cert-exchange"
    except CertExchangeError as error:
        trouble = f"{error.public} {error.detail}".strip()
    now = node.now()
    node.database.transact(lambda tx: rows.note_try(tx, found.id, now=now, trouble=trouble))
    return Comparison(
        partner=name,
        size=None if head is None else head.head.size,
        first=head is not None and head.first,
        breaks=tuple(dict.fromkeys(breaks)),
        trouble=trouble,
        signs=signs,
    )


def compare_due(node: Node) -> list[Comparison]:
    """Compare with each partner that was not for a day, or an hour after a try that told nothing."""
    now = node.now()
    with node.database.reading() as tx:
        tried = {one.name: one for one in rows.tries(tx)}
    due = [name for name in partners_to_ask(node) if _is_due(tried.get(name), now)]
    return [compare(node, name) for name in due]


def partners_to_ask(node: Node) -> list[str]:
    """The partners at whose servers we have a source or a target, by name."""
    with node.database.reading() as tx:
        return sorted({one.partner_name for one in channels.channels(tx) if _usable(one)})


def settle(node: Node, name: str, *, by: str, reason: str) -> int:
    """A person looked at a partner's breaks: what was held of it counts no more, the next head is believed anew.

    Returns how many breaks were open. Raises NotFound.
    """
    now = node.now()

    def work(tx: Transaction) -> int:
        found = find_partner(tx, name)
        if found is None:
            raise NotFound(f"There is no partner {name}; see `partner list`.")
        rows.lock(tx, found.id)
        open_ones = rows.settle(tx, found.id, now=now, by=by, reason=reason)
        if open_ones:
            heads = rows.replace_all(tx, found.id)
            facts: dict[str, str | int | list[str]] = {
                "partner": name, "breaks": open_ones, "heads": heads, "reason": reason,
            }  # fmt: skip
            ledger.record(tx, Line("checkpoint.settled", now, by, facts=facts))
        return open_ones

    return node.database.transact(work)


def breaks(node: Node, *, only_open: bool = True) -> list[BreakRow]:
    """What did not fit, with the notes that prove it, the newest first."""
    with node.database.reading() as tx:
        return rows.breaks(tx, only_open=only_open)


def comparisons(node: Node) -> list[Tried]:
    """When each partner was asked, by name."""
    with node.database.reading() as tx:
        return rows.tries(tx)


def _usable(channel: channels.Channel) -> bool:
    return not channel.paused and not channel.suspended


def _is_due(tried: Tried | None, now: int) -> bool:
    if tried is None:
        return True
    if tried.trouble:
        return now - tried.tried_at >= AGAIN
    return now - tried.tried_at >= DAY


def connection_to(node: Node, partner: int) -> Connection:
    """Open a connection to a partner's server: that of its first usable source or target. Raises NotFound."""
    with node.database.reading() as tx:
        found = [one for one in channels.channels(tx) if one.partner == partner and _usable(one)]
    if not found:
        raise NotFound("we have neither a source nor a target at this partner to ask over")
    return connect(node, found[0])


def _ask_and_judge(node: Node, partner: int, breaks: list[Break]) -> judging.Judged | None:
    connection = connection_to(node, partner)
    with node.database.reading() as tx:
        base = rows.newest_proved(tx, partner)
        waiting = rows.seen(tx, partner, limit=SEEN_AT_ONCE)
        pinned = bool(partner_keys.keys_of(tx, partner))
    if not pinned:
        raise NotFound("no key of this partner is pinned: nothing that it signs can be believed")
    _follow(node, partner, connection)
    newest = None
    for held in [base, *waiting]:
        answer = _asked(connection, held)
        if answer is None or answer.get("checkpoint") is None:
            return newest
        judged = judging.take(node, partner, held, _shown(answer))
        if judged.broken is not None:
            breaks.append(judged.broken)
        newest = newest or judged
        ours = answer.get("yours")
        if held is base and isinstance(ours, str):
            broken = judging.take_ours(node, partner, ours)
            breaks += [] if broken is None else [broken]
    return newest


def _follow(node: Node, partner: int, connection: Connection) -> None:
    """Learn the keys that the partner has rotated to since, from a key that is pinned."""
    document = peering.ask(connection, "keys")
    if document is not None:
        signing.follow(node, partner, document)


def _asked(connection: Connection, held: HeadRow | None) -> Mapping[str, Any] | None:
    return peering.ask(connection, RESOURCE, {"from": str(0 if held is None else held.size)})


def _shown(answer: Mapping[str, Any]) -> Shown:
    note, proof = answer.get("checkpoint"), answer.get("proof")
    if not isinstance(note, str):
        raise EvidenceBroken("the partner's answer holds no checkpoint.")
    if proof is None:
        return Shown(note, None)
    if not isinstance(proof, list) or len(proof) > _PATH:
        raise EvidenceBroken("the partner's answer holds no proof.")
    try:
        path = tuple(b64decode(one, validate=True) for one in proof)
    except (TypeError, ValueError, binascii.Error):
        raise EvidenceBroken("the partner's answer holds no proof.") from None
    if any(len(one) != DIGEST_BYTES for one in path):
        raise EvidenceBroken("the partner's answer holds no proof.")
    return Shown(note, path)
