"""Partners' receipts for our statements: taken in, checked, kept.

1. A receipt counts when a pinned key of the partner signed it, and it names a statement of ours to this partner with its
   own stream, number and count.
2. It names the receipt before, as far as we have that one and the partner does not say that it may have lost it.
3. The first receipt of a statement stands. Another one that says otherwise is broken, and kept as evidence; but a partner
   that told us that it was restored may have lost the first one: it is shown to it, and stands.
4. A store that was restored may have lost the statement: that a receipt for it came stands in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cert_exchange.errors import SignatureBroken
from cert_exchange.messages.deliveries import (
    WRONG,
    Ended,
    Receipt,
    read_receipt,
    text_digest,
)
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.signatures import key_named_in, verify
from cert_exchange.node import Node
from cert_exchange.services import signing
from cert_exchange.services.comparing import judging
from cert_exchange.services.deliveries.checking import keep_broken
from cert_exchange.services.ledger import record
from cert_exchange.store import deliveries as rows
from cert_exchange.store import epochs, partner_epochs, partner_keys, partners
from cert_exchange.store.database import Transaction
from cert_exchange.store.statement_rows import StatementHead, Stream


@dataclass(frozen=True, slots=True)
class Receipted:
    """A partner's receipt. `stands`: the text of the one that we keep, where that is another, signed before it was restored."""

    receipt: Receipt
    stands: str | None = None


def take_receipt(node: Node, partner: int, document: Mapping[str, Any]) -> Receipted:
    """Check a partner's receipt and keep it; the same one again changes nothing. Raises SignatureBroken."""
    text = document.get("receipt")
    if not isinstance(text, str):
        raise SignatureBroken("what should be a receipt is none.")
    try:
        return _take(node, partner, text, document)
    except SignatureBroken as broken:
        keep_broken(node, partner, None, text, broken.public)
        raise


def wrong_of(receipt: Receipt) -> int:
    """How many objects did not end as the sender signed them."""
    return sum(receipt.total(ended) for ended in WRONG)


def _take(node: Node, partner: int, text: str, document: Mapping[str, Any]) -> Receipted:
    now = node.now()
    with node.database.reading() as tx:
        keys = partner_keys.keys_of(tx, partner)
        who = partners.authority(tx, partner)
    if key_named_in(text) not in {key.kid for key in keys} and "signed" in document:
        keys = signing.follow(node, partner, document)
    receipt = read_receipt(verify(text, keys, now))
    if receipt.receiver not in who.speaks_for or node.identity not in receipt.senders:
        raise SignatureBroken("the receipt is not from this partner to us.")
    wrong = wrong_of(receipt)

    def work(tx: Transaction) -> str | None:
        rows.lock(tx, partner)
        row = _named(tx, partner, receipt)
        if row is None and epochs.current(tx) > epochs.FIRST:
            record(
                tx, Line("receipt.received", now, who.name, facts=_lost(receipt, text, who.name))
            )
            return None
        if row is None:
            raise SignatureBroken("the receipt names a statement that we never made.")
        if not _is_of(receipt, row):
            raise SignatureBroken("the receipt is not that of the statement which it names.")
        if row.receipt is not None:
            if row.receipt == text:
                return None
            if _was_restored(tx, partner):
                return row.receipt
            raise SignatureBroken("the receipt says otherwise than the one before.")
        before = rows.before(tx, row)
        if (
            before is not None
            and before.receipt is not None
            and text_digest(before.receipt) != receipt.previous
            and not _was_restored(tx, partner)
        ):
            raise SignatureBroken("the receipt does not name the one before.")
        rows.add_receipt(tx, row.id, text, at=now, wrong=wrong, handed_over=True)
        facts: Mapping[str, str | int | list[str]] = {
            "partner": who.name,
            "way": row.way.value,
            "stream": row.stream,
            "seq": row.seq,
            "statement": row.digest.hex(),
            "receipt": text_digest(text).hex(),
            **{ended.value: receipt.total(ended) for ended in Ended if receipt.total(ended)},
        }
        record(tx, Line("receipt.received", now, who.name, facts=facts))
        judging.note_stated(
            tx, partner, receipt.receiver, receipt.ledger, at=receipt.at, text=text, now=now
        )
        return None

    return Receipted(receipt, node.database.transact(work))


def _is_of(receipt: Receipt, row: StatementHead) -> bool:
    """Whether a receipt speaks of exactly the objects of the statement that it names."""
    place = (row.way, row.stream, row.seq, row.objects)
    return place == (receipt.way, receipt.stream, receipt.seq, receipt.count)


def _named(tx: Transaction, partner: int, receipt: Receipt) -> StatementHead | None:
    """The statement of the digest that a receipt names: where it says that it stands, else wherever it does."""
    place = Stream(partner, ours=True, way=receipt.way, name=receipt.stream)
    row = rows.head_numbered(tx, place, receipt.seq)
    if row is not None and row.digest == receipt.statement:
        return row
    return rows.by_digest(tx, partner, receipt.statement)


def _was_restored(tx: Transaction, partner: int) -> bool:
    """Whether the partner told us that its store was restored."""
    return partner_epochs.of_partner(tx, partner).theirs > epochs.FIRST


def _lost(receipt: Receipt, text: str, partner: str) -> Mapping[str, str | int | list[str]]:
    return {
        "partner": partner,
        "way": receipt.way.value,
        "stream": receipt.stream,
        "seq": receipt.seq,
        "statement": receipt.statement.hex(),
        "receipt": text_digest(text).hex(),
        "lost": 1,
    }
