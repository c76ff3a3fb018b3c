"""A partner's statement: whether it is the partner's, for us, the next of its stream, and whole.

    (1) signed by a pinned key that counts   (2) from one of the partner's identities, to ours, this way
    (3) the next number, naming the one before, no position left out   (4) its commitments are those that were signed
Whoever takes an object for signed MUST compare it with its commitment (`Opened.fits`).
1. What breaks one of these is kept as evidence, once, with a ledger line; nothing of it counts. Where it breaks (3) the
   partner's history has forked: a person settles it (`forking`).
2. A statement that verified is kept before anything that it covers is taken in.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cert_exchange.errors import SignatureBroken
from cert_exchange.messages.deliveries import (
    LONGEST_TEXT,
    MOST_TAKEN,
    Statement,
    Way,
    delivery_commitment,
    over,
    read_receipt,
    read_statement,
    split,
    text_digest,
)
from cert_exchange.messages.evidence import DIGEST_BYTES, SALT_BYTES, Line
from cert_exchange.messages.keys import VerifyingKey
from cert_exchange.messages.signatures import Verified, key_named_in, said_in, verify
from cert_exchange.node import Node
from cert_exchange.services import signing
from cert_exchange.services.comparing import judging
from cert_exchange.services.deliveries.forking import keep_fork
from cert_exchange.services.ledger import record
from cert_exchange.store import branches, delivered, objects, partner_keys, partners
from cert_exchange.store import deliveries as rows
from cert_exchange.store.branches import Branch
from cert_exchange.store.database import Transaction
from cert_exchange.store.statement_rows import StatementHead, StatementRow, Stream

QUARANTINED: Final = "statement"
"""The kind under which a broken statement or receipt stands in the quarantine."""
CLOSED: Final = bytes(SALT_BYTES)
"""The salt of a commitment that stays closed."""
_FIELDS: Final = 5
_KEPT: Final = 8_192
"""Characters of a broken text that are kept; a true one has some thousand."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One commitment of a statement with what opens it."""

    leaf: bytes
    salt: bytes
    stix_id: str = ""
    """empty in the short form"""
    version: str = ""
    """empty in the short form, and for an observable"""
    is_last: bool = True
    """whether the sender serves it now where it serves the last version of each object"""

    def fits(self, content: bytes) -> bool:
        """Whether this content (its digest of sameness) is what was signed."""
        return delivery_commitment(self.salt, content) == self.leaf


@dataclass(frozen=True, slots=True)
class Taken:
    """A partner's statement that verified and is kept. An entry is None where its commitment stays closed."""

    row: StatementRow
    statement: Statement
    entries: tuple[Opened | None, ...]
    named: bool
    """whether the entries name ids"""
    receipt: str | None = None
    """our own receipt for it, where the partner shows us one: a store that was restored may not hold it"""


@dataclass(frozen=True, slots=True)
class _Forked:
    """A statement that does not go on from what we hold, and what that is."""

    reason: str
    held: StatementHead | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a statement must be: of whom, which way, and in which of our collections what it covers stands."""

    partner: int
    way: Way
    collection: int


def take_statement(node: Node, expected: Expected, document: Mapping[str, Any]) -> Taken:
    """Check a partner's statement and keep it; one that is kept already is read again. Raises SignatureBroken."""
    text = document.get("statement")
    if not isinstance(text, str):
        raise SignatureBroken("what should be a statement is none.")
    try:
        return _take(node, expected, text, document)
    except SignatureBroken as broken:
        keep_broken(node, expected.partner, expected.collection, text, broken.public)
        raise


def needs_keys(node: Node, partner: int, document: Mapping[str, Any]) -> bool:
    """Whether a text is signed with a key of a partner that is not pinned yet, so that its list of keys is wanted."""
    text = document.get("statement") or document.get("receipt")
    if not isinstance(text, str):
        return False
    with node.database.reading() as tx:
        known = {key.kid for key in partner_keys.keys_of(tx, partner)}
    try:
        return key_named_in(text) not in known
    except SignatureBroken:
        return False  # whoever takes it says what is wrong, and keeps it


def _take(node: Node, expected: Expected, text: str, document: Mapping[str, Any]) -> Taken:
    now = node.now()
    with node.database.reading() as tx:
        keys = partner_keys.keys_of(tx, expected.partner)
        who = partners.authority(tx, expected.partner)
    if key_named_in(text) not in {key.kid for key in keys} and "signed" in document:
        keys = signing.follow(node, expected.partner, document)
    statement = read_statement(verify(text, keys, now))
    if statement.sender not in who.speaks_for or node.identity not in statement.recipients:
        raise SignatureBroken("the statement is not from this partner to us.")
    if statement.way is not expected.way or statement.count > MOST_TAKEN:
        raise SignatureBroken("the statement is of another kind of delivery.")
    named = "entries" in document
    leaves, entries = _named(document) if named else _nameless(document)
    if len(entries) != statement.count or over(leaves) != statement.commitments:
        raise SignatureBroken("the commitments are not those that were signed.")
    digest = text_digest(text)
    stream = Stream(expected.partner, ours=False, way=statement.way, name=statement.stream)

    def work(tx: Transaction) -> StatementRow | _Forked:
        rows.lock(tx, expected.partner)
        branch = branches.current(tx, stream)
        here = replace(stream, branch=branch.number)
        known = rows.numbered(tx, here, statement.seq)
        if known is not None:
            return known if known.digest == digest else _two(known)
        forked = _check_next(rows.last(tx, here), branch, statement, digest)
        if forked is not None:
            return forked
        number = rows.add(
            tx, here, seq=statement.seq, view=None, collection=expected.collection,
            after=statement.after, upto=statement.upto, digest=digest, text=text, leaves=leaves,
            at=now,
        )  # fmt: skip
        facts: Mapping[str, str | int | list[str]] = {
            "partner": who.name,
            "way": statement.way.value,
            "stream": statement.stream,
            "seq": statement.seq,
            "after": statement.after,
            "to": statement.upto,
            "objects": statement.count,
            "statement": digest.hex(),
            **({"restored": 1} if statement.restored else {}),
        }
        record(tx, Line("statement.received", now, who.name, facts=facts))
        judging.note_stated(
            tx, expected.partner, statement.sender, statement.ledger,
            at=statement.at, text=text, now=now,
        )  # fmt: skip
        return rows.by_numbers(tx, [number])[number]

    row = node.database.transact(work)
    if isinstance(row, _Forked):
        keep_fork(node, stream, row.held, text)
        raise SignatureBroken(row.reason)
    shown = document.get("receipt")
    receipt = shown if isinstance(shown, str) and is_ours(node, shown, row) else None
    return Taken(row, statement, entries, named, receipt)


def _two(known: StatementRow) -> _Forked:
    return _Forked(
        f"two statements have number {known.seq}: the partner's history has forked.", known
    )


def _check_next(
    last: StatementHead | None, branch: Branch, statement: Statement, digest: bytes
) -> _Forked | None:
    """Check (3): none left out, none put in between."""
    seq, previous = (branch.seq, branch.digest) if last is None else (last.seq, last.digest)
    if statement.seq != seq + 1:
        return _Forked(f"statement {statement.seq} came where {seq + 1} is the next.", last)
    if statement.previous != previous or (last is None and branch.first not in (None, digest)):
        return _Forked(
            f"statement {statement.seq} does not name the one before: the partner's history has forked.",
            last,
        )
    if last is not None and statement.after > last.upto:
        return _Forked(f"statement {statement.seq} leaves positions out.", last)
    return None


def is_ours(node: Node, text: str, row: StatementRow) -> bool:
    """Whether a text that a partner shows is a receipt of ours for its statement, signed with a key that we still have."""
    keys = [VerifyingKey(key.kid, key.public) for key in node.secrets.signing_keys]
    try:
        said = read_receipt(verify(text, keys, node.now()))
    except SignatureBroken:
        return False
    place = (said.way, said.stream, said.seq, said.count)
    fits = place == (row.way, row.stream, row.seq, row.objects)
    return fits and said.statement == row.digest and said.receiver == node.identity


def open_again(row: StatementRow, document: Mapping[str, Any]) -> Taken | None:
    """Open the commitments of a partner's statement that is kept with what its server says once more; None: of another.

    Its signature counted when it was kept, and its key may have ended since: it is not verified again.
    """
    if document.get("statement") != row.text:
        return None
    statement = read_statement(Verified(key_named_in(row.text), b"", said_in(row.text)))
    kept = {"leaves": b64encode(row.leaves).decode(), "salts": document.get("salts")}
    try:
        return Taken(row, statement, _nameless(kept)[1], named=False)
    except SignatureBroken:
        return None


def _nameless(document: Mapping[str, Any]) -> tuple[bytes, tuple[Opened | None, ...]]:
    """Read the short form; what opens the commitments is not signed, and proves itself by fitting."""
    try:
        leaves = b64decode(document["leaves"], validate=True)
        salts = b64decode(document["salts"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise SignatureBroken("the statement comes without its commitments.") from None
    if len(leaves) % DIGEST_BYTES or len(salts) * DIGEST_BYTES != len(leaves) * SALT_BYTES:
        raise SignatureBroken("the commitments are not those that were signed.")
    opened = (salts[start : start + SALT_BYTES] for start in range(0, len(salts), SALT_BYTES))
    return leaves, tuple(
        None if salt == CLOSED else Opened(leaf, salt)
        for leaf, salt in zip(split(leaves), opened, strict=True)
    )


def _named(document: Mapping[str, Any]) -> tuple[bytes, tuple[Opened | None, ...]]:
    """Read the long form."""
    listed = document["entries"]
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes):
        raise SignatureBroken("the statement comes without its commitments.")
    try:
        entries = [_entry(one) for one in listed]
    except (TypeError, ValueError, IndexError):
        raise SignatureBroken("the statement's commitments cannot be read.") from None
    return b"".join(leaf for leaf, _ in entries), tuple(entry for _, entry in entries)


def _entry(one: Any) -> tuple[bytes, Opened | None]:
    leaf = bytes.fromhex(one[0])
    if len(leaf) != DIGEST_BYTES:
        raise ValueError(one)
    if len(one) == 1:
        return leaf, None
    _, stix_id, version, salt, is_last = one
    if len(one) != _FIELDS or not (_is_name(stix_id) and _is_name(version)):
        raise ValueError(one)
    raw = bytes.fromhex(salt)
    if len(raw) != SALT_BYTES:
        raise ValueError(one)
    return leaf, Opened(leaf, raw, stix_id, version, bool(is_last))


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()


def keep_broken(node: Node, partner: int, collection: int | None, text: str, reason: str) -> None:
    """Keep what a partner signed wrongly, or another in its name, for our people and as evidence; once."""
    now = node.now()
    digest = text_digest(text.encode("ascii", "replace").decode("ascii"))

    def work(tx: Transaction) -> None:
        if delivered.is_kept_aside(tx, partner, QUARANTINED, digest.hex()):
            return
        objects.keep_refused(
            tx, origin=partner, collection=collection, kind=QUARANTINED, stix_id=None,
            version=digest.hex(), reason=reason,
            raw=text[:_KEPT].replace("\x00", "\ufffd"), at=now,
        )  # fmt: skip
        facts: Mapping[str, str | int | list[str]] = {
            "partner": partners.authority(tx, partner).name,
            "reason": reason,
            "digest": digest.hex(),
        }
        record(tx, Line("statement.broken", now, "node", facts=facts))

    node.database.transact(work)
