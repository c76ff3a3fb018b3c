"""Statements that go with what is delivered, and receipts for it: what they say. See docs/statements.md.

1. A statement covers what one log holds of one collection for one partner in (after, upto]: by the SHA-256 over its
   commitments in the order of their positions. It stands beside the objects and changes none of them.
2. Statements of one stream (who sends, to whom, which way, what) are numbered from 1, and each names the digest of the
   one before: none can be left out, put in between or taken back unseen.
3. A commitment is salted: who has neither salt nor object learns nothing of it, and an erased salt leaves it closed for ever.
4. What is committed to is the content (`stix.canonical`'s digest of sameness, which names id and version), so that
   spelling may change on the way.
5. A receipt names the statement by its digest, says of each of its objects how it ended, and names the receipt before.
6. The format is permanent: `kind` names its version, and old ones are read as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from cert_exchange.errors import SignatureBroken
from cert_exchange.messages.evidence import DIGEST_BYTES, SALT_BYTES
from cert_exchange.messages.signatures import Verified

STATEMENT: Final = "cert-exchange statement 1"
RECEIPT: Final = "cert-exchange receipt 1"
NOTHING_BEFORE: Final = bytes(DIGEST_BYTES)
"""In place of the digest before the first statement or receipt of a stream."""
MOST: Final = 10_000
"""Objects that one statement of ours covers: with ids and versions its commitments are some two megabytes."""
MOST_TAKEN: Final = 20_000
"""Objects of a partner's statement: its node may be a newer one."""
LONGEST_TEXT: Final = 300
"""Characters of any text in a statement or receipt, all of them printable."""
REASON_LENGTH: Final = 200
REASONS: Final = 100

_COMMITMENT: Final = b"cert-exchange delivery 1\x00"
_SALT: Final = b"cert-exchange delivery salt 1\x00"
_INTEROPERABLE: Final = (1 << 53) - 1


class Way(StrEnum):
    """How the objects go: the recipient polls them, or the sender pushes them."""

    SERVED = "served"
    PUSHED = "pushed"


class Ended(StrEnum):
    """How one object of a statement ended with who received it."""

    RECEIVED = "received"
    """it is held with this content (whether it counts there is the receiver's own matter)"""
    REFUSED = "refused"
    """it came and was not taken; the receipt says why"""
    DIFFERS = "differs"
    """what came under its id and version has other content than was signed"""
    MISSING = "missing"
    """it did not come"""
    SUPERSEDED = "superseded"
    """it did not come and needed not: a newer version of it did, or it was taken back meanwhile"""


WRONG: Final = frozenset({Ended.DIFFERS, Ended.MISSING})


@dataclass(frozen=True, slots=True)
class Statement:
    """What a sender says of one batch. Positions and `at` are micros."""

    sender: str
    """the sender's STIX identity"""
    recipients: tuple[str, ...]
    """the identities that the sender knows the recipient by"""
    way: Way
    collection: str
    """the sender's collection, by its UUID"""
    stream: str
    seq: int
    previous: bytes
    after: int
    upto: int
    count: int
    commitments: bytes
    """SHA-256 over all commitments, in order"""
    at: int
    ledger: tuple[int, bytes]
    """size and root of the head of its ledger that the sender signed last (`messages.checkpoints`)"""
    restored: bool = False
    """the sender's own store does not hold the statement before: it was restored from a backup"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receiver says of one statement. `at` is micros."""

    receiver: str
    senders: tuple[str, ...]
    way: Way
    stream: str
    seq: int
    statement: bytes
    """digest of the statement's signed text"""
    previous: bytes
    outcomes: tuple[tuple[int, Ended], ...]
    """runs of (how many, how they ended), over the statement's objects in order"""
    reasons: tuple[tuple[int, str], ...]
    """(place from 0, why) of the first that were refused"""
    at: int
    ledger: tuple[int, bytes]

    @property
    def count(self) -> int:
        """How many objects it speaks of."""
        return sum(many for many, _ in self.outcomes)

    def total(self, ended: Ended) -> int:
        """How many ended so."""
        return sum(many for many, how in self.outcomes if how is ended)


def text_digest(text: str) -> bytes:
    """How a signed text is named: the SHA-256 of its ASCII."""
    return sha256(text.encode("ascii")).digest()


def delivery_salt(release_salt: bytes) -> bytes:
    """The salt of a delivery's commitment, from that of the log line: erased with it, and telling nothing of it."""
    return sha256(_SALT + release_salt).digest()[:SALT_BYTES]


def delivery_commitment(salt: bytes, content: bytes) -> bytes:
    """The commitment to one object version by the digest of its content."""
    return sha256(_COMMITMENT + salt + content).digest()


def over(leaves: bytes) -> bytes:
    """What is signed of commitments of 32 bytes each, in their order."""
    return sha256(leaves).digest()


def split(leaves: bytes) -> list[bytes]:
    """Commitments one by one."""
    return [leaves[start : start + DIGEST_BYTES] for start in range(0, len(leaves), DIGEST_BYTES)]


def runs_of(ends: Sequence[Ended]) -> tuple[tuple[int, Ended], ...]:
    """How objects ended, one by one, as runs."""
    runs: list[tuple[int, Ended]] = []
    for ended in ends:
        if runs and runs[-1][1] is ended:
            runs[-1] = (runs[-1][0] + 1, ended)
        else:
            runs.append((1, ended))
    return tuple(runs)


def write_statement(statement: Statement) -> dict[str, Any]:
    """The content that is signed."""
    content: dict[str, Any] = {
        "kind": STATEMENT,
        "from": statement.sender,
        "to": list(statement.recipients),
        "way": statement.way.value,
        "collection": statement.collection,
        "stream": statement.stream,
        "seq": statement.seq,
        "previous": statement.previous.hex(),
        "positions": [statement.after, statement.upto],
        "objects": statement.count,
        "commitments": statement.commitments.hex(),
        "at": statement.at,
        "ledger": [statement.ledger[0], statement.ledger[1].hex()],
    }
    if statement.restored:
        content["restored"] = True
    return content


def read_statement(verified: Verified) -> Statement:
    """Read a statement that verified. Raises SignatureBroken where it is none."""
    content = verified.of_kind(STATEMENT)
    try:
        after, upto = content["positions"]
        statement = Statement(
            sender=_text(content["from"]),
            recipients=tuple(_text(one) for one in content["to"]),
            way=Way(content["way"]),
            collection=_text(content["collection"]),
            stream=_text(content["stream"]),
            seq=number_of(content["seq"], least=1),
            previous=_digest(content["previous"]),
            after=number_of(after),
            upto=number_of(upto),
            count=number_of(content["objects"], least=1),
            commitments=_digest(content["commitments"]),
            at=number_of(content["at"]),
            ledger=_ledger(content["ledger"]),
            restored=content.get("restored", False) is True,
        )
    except (KeyError, TypeError, ValueError):
        raise SignatureBroken("what should be a statement is none.") from None
    if write_statement(statement) != dict(content) or statement.after >= statement.upto:
        raise SignatureBroken("the statement says more, or other things, than a statement does.")
    return statement


def write_receipt(receipt: Receipt) -> dict[str, Any]:
    """The content that is signed."""
    return {
        "kind": RECEIPT,
        "from": receipt.receiver,
        "to": list(receipt.senders),
        "way": receipt.way.value,
        "stream": receipt.stream,
        "seq": receipt.seq,
        "statement": receipt.statement.hex(),
        "previous": receipt.previous.hex(),
        "outcomes": [[many, how.value] for many, how in receipt.outcomes],
        "reasons": [[place, why] for place, why in receipt.reasons],
        "at": receipt.at,
        "ledger": [receipt.ledger[0], receipt.ledger[1].hex()],
    }


def read_receipt(verified: Verified) -> Receipt:
    """Read a receipt that verified. Raises SignatureBroken where it is none."""
    content = verified.of_kind(RECEIPT)
    try:
        receipt = Receipt(
            receiver=_text(content["from"]),
            senders=tuple(_text(one) for one in content["to"]),
            way=Way(content["way"]),
            stream=_text(content["stream"]),
            seq=number_of(content["seq"], least=1),
            statement=_digest(content["statement"]),
            previous=_digest(content["previous"]),
            outcomes=tuple(
                (number_of(many, least=1), Ended(how)) for many, how in content["outcomes"]
            ),
            reasons=tuple(
                (number_of(place), _text(why)[:REASON_LENGTH]) for place, why in content["reasons"]
            )[:REASONS],
            at=number_of(content["at"]),
            ledger=_ledger(content["ledger"]),
        )
    except (KeyError, TypeError, ValueError):
        raise SignatureBroken("what should be a receipt is none.") from None
    if write_receipt(receipt) != dict(content):
        raise SignatureBroken("the receipt says more, or other things, than a receipt does.")
    return receipt


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    if len(value) > LONGEST_TEXT or not value.isprintable():
        raise ValueError(value)
    return value


def number_of(value: Any, *, least: int = 0) -> int:
    """A whole number that every program reads alike. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    if not least <= value <= _INTEROPERABLE:
        raise ValueError(value)
    return value


def _digest(value: Any) -> bytes:
    """32 bytes in lower-case hex; any other spelling would not be written back as it came, and is refused by that."""
    raw = bytes.fromhex(_text(value))
    if len(raw) != DIGEST_BYTES:
        raise ValueError(value)
    return raw


def _ledger(value: Any) -> tuple[int, bytes]:
    seq, link = value
    return number_of(seq), _digest(link)


def pairs_of(listed: Mapping[str, Any]) -> dict[str, tuple[int, bytes]]:
    """Read what a peer says it has: stream -> (number, digest) of its last statement. Raises ValueError."""
    try:
        return {
            _text(stream): (number_of(pair[0], least=1), _digest(pair[1]))
            for stream, pair in listed.items()
        }
    except (TypeError, KeyError, IndexError):
        raise ValueError(listed) from None
