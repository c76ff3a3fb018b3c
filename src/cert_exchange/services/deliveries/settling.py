"""How each object of a partner's statement ended with us, and our receipt for it.

1. What is said is read from the store, so that a run that was cut off in between says the same. Whose places are noted
   (`cover`) are received; the rest is asked for once more, with its ids, and looked up by them.
2. A receipt tells the partner nothing that it may not know: what is kept back here, kept as a proposal or erased
   here counts as received, as it does in the status of a POST.
3. One transaction: how each object ended, which statement covers it, the receipt and its ledger line.
4. A receipt is signed once. It is handed over until the partner has it. Where our store was restored and lost one, the
   partner shows it to us: it is ours, and stands, also where we signed another one since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cert_exchange.messages.deliveries import (
    NOTHING_BEFORE,
    REASON_LENGTH,
    REASONS,
    WRONG,
    Ended,
    Receipt,
    runs_of,
    text_digest,
    write_receipt,
)
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.signatures import canonical, said_in, sign
from cert_exchange.node import Node
from cert_exchange.services.deliveries.checking import Opened, Taken, is_ours
from cert_exchange.services.ledger import record
from cert_exchange.store import delivered, partners
from cert_exchange.store import deliveries as rows
from cert_exchange.store.checkpoints import signed_head
from cert_exchange.store.database import Transaction
from cert_exchange.store.statement_rows import StatementHead, StatementRow

OTHER_CONTENT: Final = "It is not what the partner signed: its statement has other content."
"""Why an object stands in the quarantine that does not fit its commitment."""
_REJECTED: Final = "rejected"


@dataclass(frozen=True, slots=True)
class _End:
    """How one object ended; `object` and `salt` where the statement covers a version that we hold."""

    ended: Ended
    reason: str = ""
    object: int | None = None
    salt: bytes = b""


def settle(
    node: Node,
    taken: Taken,
    *,
    whole: bool = True,
    again: Callable[[], Taken] | None = None,
    handed_over: bool = False,
) -> StatementRow:
    """Sign the receipt of a statement whose objects have all come, and keep it; the statement with its receipt.

    `whole`: we ask for all that the partner serves. `again` asks the partner once more for the statement, in long form,
    where places are not noted: their objects may have been replaced or taken back since. `handed_over`: the answer that
    carries the receipt is the partner's own request's.
    """
    if again is not None:
        with node.database.reading() as tx:
            noted = delivered.places_of(tx, taken.row.id)
        if len(noted) < len(taken.entries):
            taken = again()

    def work(tx: Transaction) -> StatementRow:
        rows.lock(tx, taken.row.partner)
        now_kept = rows.by_numbers(tx, [taken.row.id])[taken.row.id]
        if now_kept.receipt is None:
            _write(tx, node, taken, _ends(tx, taken, whole=whole), handed_over=handed_over)
        return rows.by_numbers(tx, [taken.row.id])[taken.row.id]

    return node.database.transact(work)


def went_wrong(node: Node, taken: Taken, *, whole: bool) -> list[tuple[str, Ended]]:
    """The ids of what did not come as signed, with how it ended; `taken` in long form, which names them."""
    with node.database.reading() as tx:
        ends = _ends(tx, taken, whole=whole)
    return [
        (entry.stix_id, end.ended)
        for entry, end in zip(taken.entries, ends, strict=True)
        if entry is not None and end.ended in WRONG
    ]


def _write(
    tx: Transaction, node: Node, taken: Taken, ends: list[_End], *, handed_over: bool
) -> None:
    row, statement, now = taken.row, taken.statement, node.now()
    before = _before(tx, row, statement.previous)
    previous = (
        NOTHING_BEFORE if before is None or before.receipt is None else text_digest(before.receipt)
    )
    refused = [
        (place, "".join(c if c.isprintable() else " " for c in end.reason)[:REASON_LENGTH])
        for place, end in enumerate(ends)
        if end.ended is Ended.REFUSED
    ]
    receipt = Receipt(
        receiver=node.identity,
        senders=(statement.sender,),
        way=statement.way,
        stream=statement.stream,
        seq=statement.seq,
        statement=row.digest,
        previous=previous,
        outcomes=runs_of([end.ended for end in ends]),
        reasons=tuple(refused[:REASONS]),
        at=now,
        ledger=signed_head(tx),
    )
    if taken.receipt is None:
        text = sign(canonical(write_receipt(receipt)), node.secrets.signing_keys[0])
        wrong = sum(1 for end in ends if end.ended in WRONG)
    else:
        text, wrong, handed_over = taken.receipt, 0, True
    rows.add_receipt(tx, row.id, text, at=now, wrong=wrong, handed_over=handed_over)
    delivered.cover(
        tx,
        row.id,
        [(end.object, place, end.salt) for place, end in enumerate(ends) if end.object is not None],
    )
    facts: Mapping[str, str | int | list[str]] = {
        **_of(tx, row),
        "receipt": text_digest(text).hex(),
        **{ended.value: receipt.total(ended) for ended in Ended if receipt.total(ended)},
    }
    record(tx, Line("receipt", now, "node", facts=facts))


def _before(tx: Transaction, row: StatementRow, digest: bytes) -> StatementHead | None:
    """The statement that this one names: the one before it, or, where a branch begins with it, one of another branch."""
    before = rows.before(tx, row)
    if (before is not None and before.digest == digest) or digest == NOTHING_BEFORE:
        return before
    return rows.by_digest(tx, row.partner, digest, ours=False)


def _ends(tx: Transaction, taken: Taken, *, whole: bool) -> list[_End]:
    """Say of each commitment, in order, how its object ended."""
    partner = taken.row.partner
    noted = delivered.places_of(tx, taken.row.id)
    if len(noted) == len(taken.entries):
        return [_End(Ended.RECEIVED) for _ in taken.entries]
    ids = {one.stix_id for one in taken.entries if one is not None}
    held = defaultdict(list)
    for version in delivered.held(tx, partner, ids):
        held[version.stix_id, version.version].append(version)
    ends: list[_End | None] = [None] * len(taken.entries)
    left: list[tuple[int, Opened]] = []
    for place, entry in enumerate(taken.entries):
        if place in noted:
            ends[place] = _End(Ended.RECEIVED)
            continue
        if entry is None:
            ends[place] = _End(Ended.SUPERSEDED)
            continue
        versions = held.get((entry.stix_id, entry.version), [])
        fitting = next((one for one in versions if entry.fits(one.content)), None)
        if fitting is not None:
            ends[place] = _End(Ended.RECEIVED, object=fitting.object, salt=entry.salt)
        elif any(one.erased for one in versions):
            ends[place] = _End(Ended.RECEIVED)
        elif versions and entry.version:
            ends[place] = _End(Ended.DIFFERS)
        else:
            left.append((place, entry))
    if left:
        for place, end in _not_held(tx, partner, left, whole=whole):
            ends[place] = end
    return [one for one in ends if one is not None]


def _not_held(
    tx: Transaction, partner: int, left: list[tuple[int, Opened]], *, whole: bool
) -> list[tuple[int, _End]]:
    ids = {entry.stix_id for _, entry in left}
    elsewhere = defaultdict(list)
    for stix_id, content in delivered.others_hold(tx, partner, ids):
        elsewhere[stix_id].append(content)
    gone = delivered.barred(tx, ids)
    refusals = delivered.refusals(tx, partner, ids)
    ends = []
    for place, entry in left:
        kind, reason = refusals.get((entry.stix_id, entry.version), ("", ""))
        if entry.stix_id in gone or any(entry.fits(one) for one in elsewhere[entry.stix_id]):
            end = _End(Ended.RECEIVED)
        elif reason == OTHER_CONTENT:
            end = _End(Ended.DIFFERS)
        elif kind == _REJECTED:
            end = _End(Ended.REFUSED, reason)
        elif kind:
            end = _End(Ended.RECEIVED)  # kept aside, which is not the sender's to know
        else:
            end = _End(Ended.MISSING if entry.is_last and whole else Ended.SUPERSEDED)
        ends.append((place, end))
    return ends


def note_received(
    tx: Transaction,
    partner: int,
    matched: Mapping[int, Mapping[bytes, tuple[int, bytes]]],
    ids: Iterable[str],
) -> None:
    """Note in the transaction that took them in which statement covers which version.

    `matched`: statement (its row) -> content -> (place, salt); `ids`: those of the objects.
    """
    held = delivered.held(tx, partner, ids)
    for statement, places in matched.items():
        found = [
            (one.object, *places[one.content])
            for one in held
            if not one.erased and one.content in places
        ]
        delivered.cover(tx, statement, found)


def handed_over(node: Node, row: StatementRow) -> None:
    """Note that the partner has our receipt."""
    node.database.transact(lambda tx: rows.hand_over(tx, row.id, at=node.now()))


def _of(tx: Transaction, row: StatementRow) -> Mapping[str, str | int | list[str]]:
    """Which statement of a partner a ledger line is about."""
    return {
        "partner": partners.authority(tx, row.partner).name,
        "way": row.way.value,
        "stream": row.stream,
        "seq": row.seq,
        "statement": row.digest.hex(),
    }


def take_back(node: Node, row: StatementRow, text: str) -> bool:
    """Keep the receipt that we signed before we were restored, as the partner shows it, in place of the one signed since.

    False: no key that we still have signed it. The partner keeps it in any case, and waits for no other.
    """
    if not is_ours(node, text, row):
        handed_over(node, row)
        return False
    said = said_in(text)
    wrong = sum(many for many, how in said["outcomes"] if Ended(how) in WRONG)
    now = node.now()

    def work(tx: Transaction) -> None:
        rows.lock(tx, row.partner)
        rows.put_back_receipt(tx, row.id, text, at=now, wrong=wrong)
        facts: Mapping[str, str | int | list[str]] = {
            **_of(tx, row),
            "receipt": text_digest(text).hex(),
            "instead": "" if row.receipt is None else text_digest(row.receipt).hex(),
        }
        record(tx, Line("receipt.returned", now, "node", facts=facts))

    node.database.transact(work)
    return True


def set_aside(node: Node, row: StatementRow) -> None:
    """Let a partner's statement wait for no receipt: its store was restored, and does not know it any more."""
    now = node.now()

    def work(tx: Transaction) -> None:
        rows.hand_over(tx, row.id, at=now)
        record(tx, Line("statement.lost", now, "node", facts=_of(tx, row)))

    node.database.transact(work)
