"""Our statements: what we say of what a partner polled, or of what we pushed to it.

For each: (1) where it begins and ends  (2) in one transaction: what is in force there, signed, with its ledger line
(3) answer: in short form commitments and salts, in long form also ids and versions
1. The partner says which statement of ours it has last. What it lacks is told again, and nothing new is made before: so
   a lost answer costs nothing, and a partner that was restored gets all statements once more.
2. What opens the commitments is read when it is asked for, and only of lines in force: what was taken back since
   stays a closed commitment. The long form names ids: before it is told the partner's mark is raised, durably.
3. Where our store was restored (its epoch says so), a partner may have statements of ours that we do not: the stream
   goes on after the number and digest that it names, and the statement says so. Once we stated something after the
   restore that explains no more: a disk was put back, or a copy runs. Then, and where no store was restored, nothing is
   stated to such a one, and it is told how far we came: one of the two histories is not ours (`went_back`).
4. While what goes out is frozen, nothing is stated to who polls.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from cert_exchange.messages.deliveries import (
    MOST,
    NOTHING_BEFORE,
    Statement,
    Way,
    delivery_commitment,
    delivery_salt,
    over,
    split,
    text_digest,
    write_statement,
)
from cert_exchange.messages.evidence import DIGEST_BYTES, SALT_BYTES, Line
from cert_exchange.messages.signatures import canonical, sign
from cert_exchange.node import Node
from cert_exchange.services.deliveries.checking import CLOSED
from cert_exchange.services.deliveries.committing import AT_ONCE, make, put_together
from cert_exchange.services.ledger import record
from cert_exchange.store import delivered, delivery_blocks, delivery_leaves, epochs, partners
from cert_exchange.store import deliveries as rows
from cert_exchange.store.checkpoints import signed_head
from cert_exchange.store.database import Transaction
from cert_exchange.store.delivery_leaves import Joined
from cert_exchange.store.outgoing import view_of
from cert_exchange.store.statement_rows import StatementHead, StatementRow, Stream

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Span:
    """Of which log a statement may speak: a partner's view of a collection, up to a position (micros)."""

    partner: int
    collection: int
    uuid: str
    """of the collection"""
    way: Way
    stream: str
    after: int
    """where the first statement begins"""
    upto: int | None = None
    """None: the head"""

    @property
    def place(self) -> Stream:
        """The stream of our statements."""
        return Stream(self.partner, ours=True, way=self.way, name=self.stream)


@dataclass(frozen=True, slots=True)
class Told:
    """A statement with what opens its commitments, as a peer gets it: `entries` in the long form, else `salts`."""

    row: StatementRow
    salts: bytes = b""
    entries: tuple[tuple[Any, ...], ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON; with the partner's receipt where we have it, for one who lost his."""
        told: dict[str, Any] = {"statement": self.row.text}
        if self.row.receipt is not None:
            told["receipt"] = self.row.receipt
        if self.entries:
            return {**told, "entries": [list(entry) for entry in self.entries]}
        return {
            **told,
            "leaves": b64encode(self.row.leaves).decode("ascii"),
            "salts": b64encode(self.salts).decode("ascii"),
        }


def tell_next(node: Node, span: Span, has: tuple[int, bytes] | None) -> Told | None:
    """The statement after the one that the partner has (number and digest), in short form; None where there is none."""
    plan = _plan(node, span, has)
    if plan is None:
        return None
    if isinstance(plan, StatementRow):
        return tell_again(node, plan)
    return node.database.transact(lambda tx: _write(tx, node, span, plan, has))


def went_back(node: Node, span: Span, has: tuple[int, bytes]) -> dict[str, Any] | None:
    """What is told to a partner that names a statement of ours that we never made, where no restore explains it."""
    with node.database.reading() as tx:
        last = rows.last(tx, span.place)
        known = _explained(tx, last) or (last is not None and last.seq >= has[0])
    if known:
        return None
    return {"lacks": has[0], "last": None if last is None else [last.seq, last.digest.hex()]}


def _explained(tx: Transaction, last: StatementHead | None) -> bool:
    """Whether a restore explains that we lack statements after the last one: we made none since."""
    if epochs.current(tx) == epochs.FIRST:
        return False
    return last is None or last.view is None or last.upto <= epochs.last_safe(tx, last.view)


def owes(node: Node, span: Span) -> bool:
    """Whether something of a span is in force that no statement of ours covers."""
    with node.database.reading() as tx:
        last = rows.last(tx, span.place)
        view = view_of(tx, partner=span.partner, collection=span.collection)
        if view is None:
            return False
        number, head = view
        upto = head if span.upto is None else min(head, span.upto)
        after = _begin(last, number, span)
        return delivered.holds_any(tx, number, after=after, upto=upto, partner=span.partner)


def tell_again(node: Node, row: StatementRow) -> Told:
    """A statement of ours with what opens its commitments now, in short form."""
    with node.database.reading() as tx:
        salts, lacking = _salts(tx, row)
    if lacking and row.view is not None:
        # Made ahead they were, and are not there: made again from the log, they are the same.
        view = row.view
        while (
            node.database.transact(lambda tx: make(tx, view, after=row.after, upto=row.upto))
            == AT_ONCE
        ):
            pass
        with node.database.reading() as tx:
            salts, _ = _salts(tx, row)
    return Told(row, salts=salts)


def tell_long(node: Node, row: StatementRow) -> Told:
    """A statement of ours with the ids and versions of what is in force of it."""
    # Before anything is named: from now on the partner may know these ids.
    if row.view is not None:
        node.marks.advance(row.partner, row.view, row.upto)
    with node.database.reading() as tx:
        return Told(row, entries=_entries(tx, row))


@dataclass(frozen=True, slots=True)
class _Plan:
    view: int
    after: int
    upto: int


def _plan(node: Node, span: Span, has: tuple[int, bytes] | None) -> _Plan | StatementRow | None:
    with node.database.reading() as tx:
        last = rows.last(tx, span.place)
        seq = 0 if has is None else has[0]
        if last is not None and seq < last.seq:
            again = rows.numbered(tx, span.place, seq + 1)
            if again is not None:
                return again
        view = view_of(tx, partner=span.partner, collection=span.collection)
        if view is None:
            return None
        number, head = view
        after = _begin(last, number, span)
        head = head if span.upto is None else min(head, span.upto)
        if head <= after:
            return None
        upto = delivery_blocks.end_of(tx, number, after=after, head=head, partner=span.partner)
        if upto is None:
            upto = delivered.end_of_batch(
                tx, number, after=after, head=head, partner=span.partner, limit=MOST
            )
        return _Plan(number, after, upto)


def _begin(last: StatementHead | None, view: int, span: Span) -> int:
    """Where the next statement begins: after the last one, and with a new log (another audience) at its beginning."""
    if last is None:
        return span.after
    return last.upto if last.view == view else 0


def _write(
    tx: Transaction, node: Node, span: Span, plan: _Plan, has: tuple[int, bytes] | None
) -> Told | None:
    rows.lock(tx, span.partner)
    last = rows.last(tx, span.place)
    if last is not None and (has is None or last.seq > has[0]):
        # Somebody asked at the same time: the same answer for both.
        same = rows.numbered(tx, span.place, last.seq)
        return None if same is None else Told(same, salts=_salts(tx, same)[0])
    block = delivery_blocks.whole(
        tx, plan.view, after=plan.after, upto=plan.upto, partner=span.partner
    )
    listed = (
        put_together(tx, plan.view, after=plan.after, upto=plan.upto, partner=span.partner)
        if block is None
        else Joined(block.lines, block.leaves, block.salts)
    )
    who = partners.authority(tx, span.partner)
    if not listed.count or not who.speaks_for:
        return None
    seq, previous = (0, NOTHING_BEFORE) if last is None else (last.seq, last.digest)
    restored = has is not None and seq < has[0]
    if has is not None and restored:
        if not _explained(tx, last):
            log.warning("a partner names a statement that we never made", partner=who.name)
            return None
        seq, previous = has
    now = node.now()
    statement = Statement(
        sender=node.identity,
        recipients=tuple(sorted(who.speaks_for)),
        way=span.way,
        collection=span.uuid,
        stream=span.stream,
        seq=seq + 1,
        previous=previous,
        after=plan.after,
        upto=plan.upto,
        count=listed.count,
        commitments=over(listed.leaves),
        at=now,
        ledger=signed_head(tx),
        restored=restored,
    )
    text = sign(canonical(write_statement(statement)), node.secrets.signing_keys[0])
    digest = text_digest(text)
    rows.add(
        tx, span.place, seq=statement.seq, view=plan.view, collection=span.collection,
        after=plan.after, upto=plan.upto, digest=digest, text=text, at=now,
        leaves=listed.leaves if block is None else b"", block=None if block is None else block.id,
    )  # fmt: skip
    facts: Mapping[str, str | int | list[str]] = {
        "partner": who.name,
        "way": span.way.value,
        "stream": span.stream,
        "seq": statement.seq,
        "view": plan.view,
        "after": plan.after,
        "to": plan.upto,
        "objects": listed.count,
        "statement": digest.hex(),
    }
    record(tx, Line("statement", now, "node", facts=facts))
    row = rows.numbered(tx, span.place, statement.seq)
    return None if row is None else Told(row, salts=listed.salts)


def _salts(tx: Transaction, row: StatementRow) -> tuple[bytes, int]:
    """The salts of a statement's commitments in their order, and how many are still to be made.

    Of a line that is not in force any more it is CLOSED.
    """
    view = view_of(tx, partner=row.partner, collection=row.collection)
    if view is None or view[0] != row.view:
        return CLOSED * (len(row.leaves) // DIGEST_BYTES), 0
    found, lacking = delivery_leaves.joined(
        tx, view[0], after=row.after, upto=row.upto, partner=row.partner
    )
    if found.leaves == row.leaves:
        return found.salts, 0
    salts = (
        found.salts[start : start + SALT_BYTES] for start in range(0, len(found.salts), SALT_BYTES)
    )
    opened = dict(zip(split(found.leaves), salts, strict=True))
    return b"".join(opened.get(leaf, CLOSED) for leaf in split(row.leaves)), lacking


def _entries(tx: Transaction, row: StatementRow) -> tuple[tuple[Any, ...], ...]:
    """Each commitment, with id, version, salt and whether it is the last version where its line is in force."""
    opened: dict[bytes, tuple[Any, ...]] = {}
    view = view_of(tx, partner=row.partner, collection=row.collection)
    if view is not None and view[0] == row.view:
        listed = delivered.lines(tx, view[0], after=row.after, upto=row.upto, partner=row.partner)
        for line in listed:
            salt = delivery_salt(line.salt)
            leaf = delivery_commitment(salt, line.content)
            opened[leaf] = (leaf.hex(), line.stix_id, line.version, salt.hex(), int(line.is_last))
    return tuple(opened.get(leaf, (leaf.hex(),)) for leaf in split(row.leaves))
