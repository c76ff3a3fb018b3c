"""What a partner's signed receipts say of each object that we released to it.

1. A receipt speaks of the statement that it names, place by place. The place's commitment is opened by our own release line,
   so that what is told is: our ledger released this version, and the partner signed how it ended.
2. A commitment that no release line opens, beyond those whose lines were erased, was stated and never released.
3. Receipts that were refused are looked at once more: whether they name another text than ours, or one that we never made.
   Only what a key of the partner signed is told, also one that has ended since.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cert_exchange.errors import SignatureBroken
from cert_exchange.messages.deliveries import (
    Ended,
    delivery_commitment,
    delivery_salt,
    read_receipt,
    split,
)
from cert_exchange.messages.keys import VerifyingKey
from cert_exchange.messages.signatures import said_in, verify
from cert_exchange.node import Node
from cert_exchange.services.deliveries.checking import QUARANTINED
from cert_exchange.services.deliveries.showing import LATE
from cert_exchange.store import acknowledged as rows
from cert_exchange.store import deliveries, partner_keys
from cert_exchange.store.database import Transaction
from cert_exchange.store.statement_rows import StatementRow, Stream

OPEN: Final = "open"
"""The statement that covers it has no receipt yet, and was made within the last day."""
LATE_OPEN: Final = "no receipt"
"""The statement that covers it had no receipt for more than a day."""
UNSTATED: Final = "no statement"
"""No statement of ours covers it: none was asked for."""
_BETTER: Final = {Ended.RECEIVED.value: 3, Ended.SUPERSEDED.value: 2, OPEN: 1, LATE_OPEN: 1}
"""Of several statements about one version the one that says most; any other word says that it did not come as signed."""
_MOST: Final = 1_000_000
Key = tuple[str, str]


class Odd(StrEnum):
    """A signed receipt that fits nothing of ours."""

    OTHER_DIGEST = "receipt of another text"
    """it names this statement's number, and another digest"""
    NEVER_STATED = "receipt of nothing"
    """it names a statement that we never made"""
    OTHERWISE = "second receipt"
    """it says otherwise than the first one for this statement"""
    UNRELEASED = "stated and not released"
    """our statement covers what no release line of ours opens"""


@dataclass(frozen=True, slots=True)
class OddReceipt:
    """One of them, by the statement that it speaks of."""

    what: Odd
    way: str
    stream: str
    seq: int
    number: int
    """of the statement in `statements list`; 0: there is none"""
    objects: int
    """how many it speaks of"""


@dataclass(slots=True)
class Acknowledged:
    """What a partner's receipts say; `said` by id and version."""

    said: dict[Key, str] = field(default_factory=dict)
    odd: list[OddReceipt] = field(default_factory=list)

    def of(self, key: Key) -> str:
        """How a version ended, in a receipt's word; OPEN, LATE_OPEN or UNSTATED where none speaks of it."""
        return self.said.get(key, UNSTATED)

    def note(self, key: Key, word: str) -> None:
        """Keep what says most."""
        before = self.said.get(key)
        if before is None or _BETTER.get(word, 0) > _BETTER.get(before, 0):
            self.said[key] = word


def acknowledged(node: Node, partner: int) -> Acknowledged | None:
    """What the partner's receipts say of all that we stated; None where no key of it is pinned."""
    found = Acknowledged()
    late = node.now() - LATE
    with node.database.reading() as tx:
        keys = partner_keys.keys_of(tx, partner)
        if not keys:
            return None
        for row in deliveries.listing(tx, partner=partner, ours=True, limit=_MOST):
            _read(tx, row, found, late=late)
        found.odd += _refused(
            tx, partner, [VerifyingKey(key.kid, key.public) for key in keys], node.now()
        )
    return found


def _read(tx: Transaction, row: StatementRow, found: Acknowledged, *, late: int) -> None:
    leaves = split(row.leaves)
    if row.receipt is None:
        words = [LATE_OPEN if row.at < late else OPEN] * len(leaves)
    else:
        words = [how for many, how in said_in(row.receipt)["outcomes"] for _ in range(many)]
    places = dict(zip(leaves, words, strict=True))
    if row.view is None:
        return
    with closing(rows.released(tx, row.view, after=row.after, upto=row.upto)) as lines:
        for line in lines:
            word = places.pop(delivery_commitment(delivery_salt(line.salt), line.content), None)
            if word is not None:
                found.note((line.stix_id, line.version), word)
    erased = rows.count_erased(tx, row.view, after=row.after, upto=row.upto)
    if len(places) > erased:
        found.odd.append(_odd(Odd.UNRELEASED, row, len(places) - erased))


def _odd(what: Odd, row: StatementRow, objects: int) -> OddReceipt:
    return OddReceipt(what, row.way.value, row.stream, row.seq, row.id, objects)


def _refused(tx: Transaction, partner: int, keys: list[VerifyingKey], now: int) -> list[OddReceipt]:
    """Signed receipts that were refused when they came, each by what is wrong with it."""
    found = []
    for kept in rows.kept_aside(tx, partner, QUARANTINED):
        try:
            receipt = read_receipt(verify(kept.text, keys, now))
        except SignatureBroken:
            continue  # no receipt, or nobody's: `received` shows it
        place = Stream(partner, ours=True, way=receipt.way, name=receipt.stream)
        row = deliveries.numbered(tx, place, receipt.seq)
        if row is None:
            found.append(
                OddReceipt(
                    Odd.NEVER_STATED,
                    receipt.way.value,
                    receipt.stream,
                    receipt.seq,
                    0,
                    receipt.count,
                )
            )
        elif row.digest != receipt.statement:
            found.append(_odd(Odd.OTHER_DIGEST, row, receipt.count))
        elif row.receipt not in (None, kept.text):
            found.append(_odd(Odd.OTHERWISE, row, receipt.count))
    return found
