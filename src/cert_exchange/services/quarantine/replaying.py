"""What was refused goes the way in once more, after a rule, an agreement or a version of the software changed.

1. The very same way in: validation, ownership, agreement, screening, policy, as if it arrived now from whom it came from.
   Whoever may bring nothing now (suspended, in stage test, no longer allowed to write) brings nothing this way either.
2. What is taken in leaves the quarantine; what is refused again stays, under its number, with the new reason.
3. Each object is a transaction of its own with a ledger line: one that fails spoils nothing, and a break repeats nothing.
4. What its sender's signed statement contradicts is not let in by us: only its sender can send it right.
5. A preview runs the very same transactions and rolls them back.
6. What a partner's server refused is sent there again by its target, and nothing else with it (`syncing.resending`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cert_exchange import errors
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.remote.connection import decode_options
from cert_exchange.services import ledger, syncing
from cert_exchange.services.deliveries import OTHER_CONTENT
from cert_exchange.services.publishing.rulings import Approval
from cert_exchange.services.publishing.taking_in import Outcome, take_in
from cert_exchange.services.quarantine.keeping import find
from cert_exchange.services.syncing.resending import target_of
from cert_exchange.services.syncing.vouching import UNSIGNED
from cert_exchange.stix.envelopes import examine
from cert_exchange.store import channels, introductions
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import quarantine as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.quarantine import EVIDENCE, REFUSED_BY_TARGET, Kept

Result = Literal[
    "accepted", "duplicate", "proposal", "conflict", "rejected", "erased",
    "confirmed", "refused", "unconfirmed", "ready", "impossible",
]  # fmt: skip
"""As for arrivals; of what is sent again: confirmed, refused or unconfirmed there, `ready` in a preview. `impossible`: it
was not tried, and the message says why."""
LEAVES: Final = frozenset({"accepted", "duplicate", "proposal", "confirmed"})
_AGAIN: Final = frozenset({"rejected", "conflict", "erased"})


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became, or would become, of one row."""

    number: int
    stix_id: str | None
    version: str | None
    result: Result
    message: str

    @property
    def left(self) -> bool:
        """Whether it stands in the quarantine no more."""
        return self.result in LEAVES


class _LookedAt(Exception):
    """Ends a preview's transaction without a commit."""


def preview(node: Node, numbers: Sequence[int], *, by: str) -> list[Replayed]:
    """What `replay` would do with these rows now; nothing is changed and nothing sent. Raises NotFound."""
    seen: list[Replayed] = []

    def work(tx: Transaction) -> None:
        seen.clear()
        seen.extend(_look(tx, node, number, by=by) for number in _oldest_first(numbers))
        raise _LookedAt

    try:
        node.database.transact(work)
    except _LookedAt:
        return seen
    raise AssertionError("a preview always rolls back")


def replay(node: Node, numbers: Sequence[int], *, by: str) -> list[Replayed]:
    """Let these rows go their way once more, the oldest first. Raises NotFound, StoreError, ClockDoubtful."""
    done: list[Replayed] = []
    ours: dict[str, list[Kept]] = defaultdict(list)
    for number in _oldest_first(numbers):
        with node.database.reading() as tx:
            one = find(tx, number)
        if one.kind == REFUSED_BY_TARGET:
            ours[target_of(one)].append(one)
            continue

        def work(tx: Transaction, number: int = number) -> Replayed:
            return _let_in(tx, node, find(tx, number), by=by)

        done.append(node.database.transact(work))
    for target, kept in ours.items():
        done += [
            Replayed(again.kept.number, again.kept.stix_id, again.kept.version, again.result, again.message)
            for again in syncing.resend(node, target, kept, by=by)
        ]  # fmt: skip
    return done


def _oldest_first(numbers: Sequence[int]) -> list[int]:
    return sorted(set(numbers))


def _look(tx: Transaction, node: Node, number: int, *, by: str) -> Replayed:
    one = find(tx, number)
    if one.kind != REFUSED_BY_TARGET:
        return _let_in(tx, node, one, by=by)
    why = syncing.why_not_resent(tx, one)
    if why is not None:
        return _impossible(one, why)
    words = f"goes to {target_of(one)} once more"
    return Replayed(one.number, one.stix_id, one.version, "ready", words)


def _let_in(tx: Transaction, node: Node, one: Kept, *, by: str) -> Replayed:
    """Rules 1 and 2, in the caller's transaction."""
    raw = rows.raw_of(tx, one.number)
    why = _closed(tx, one, raw)
    if why is not None:
        return _impossible(one, why)
    assert raw is not None
    assert one.collection is not None
    now = node.clock.releasing_now()
    newest = rows.newest(tx)
    try:
        batch = examine(b'{"objects":[' + raw + b"]}", limits=node.limits)
    except errors.InputRefused as refusal:
        rows.say(tx, one.number, kind=rows.REJECTED, reason=refusal.public)
        done = Replayed(one.number, one.stix_id, one.version, "rejected", refusal.public)
    else:
        if len(batch.items) != 1:
            return _impossible(one, "it is more than one object")
        (outcome,) = take_in(
            tx, node, batch, origin=one.origin, collection=one.collection, now=now,
            facts={"quarantine": one.number}, approval=_approval_for(tx, one),
        )  # fmt: skip
        done = _ended(tx, one, outcome, after=newest, now=now)
    facts: dict[str, Fact] = {
        "number": one.number,
        "id": done.stix_id or "",
        "partner": one.sender or "",
        "result": done.result,
    }
    ledger.record(tx, Line("quarantine.replay", now, by, facts=facts))
    return done


def _approval_for(tx: Transaction, one: Kept) -> Approval | None:
    """What comes by a source that waits for approval waits as well when it is replayed."""
    way = ("pull", one.origin, one.collection)
    for each in channels.channels(tx):
        here = (each.direction, each.partner, each.collection) == way
        if here and decode_options(each.options).approval:
            return Approval("source", each.name)
    return None


def _ended(tx: Transaction, one: Kept, outcome: Outcome, *, after: int, now: int) -> Replayed:
    if outcome.result in _AGAIN:
        if not rows.kept_again(tx, one, after=after, at=now):
            rows.say(tx, one.number, reason=outcome.message or outcome.result)
    else:
        rows.remove(tx, [one.number])
    return Replayed(one.number, outcome.id, outcome.version, outcome.result, outcome.message)


def _closed(tx: Transaction, one: Kept, raw: bytes | None) -> str | None:
    """Why this cannot go the way in now; None when it can (rules 1 and 4)."""
    if one.kind == EVIDENCE:
        return "it is a statement that its partner signed wrongly, kept as evidence"
    if raw is None:
        return "its bytes are not kept: too large, erased, or taken back by its creator's version"
    if one.reason == OTHER_CONTENT:
        return (
            "its partner signed other content under this id and version: only its partner can send it"
            " right (`source reset` asks for it again)"
        )
    if one.sender is None or one.collection is None:
        return "nothing says whom it came from, or where it went"
    if partner_rows.authority(tx, one.origin).receiving_suspended:
        return f"nothing is taken from {one.sender}: it is suspended"
    named = next(
        (each for each in collection_rows.declared(tx).values() if each.id == one.collection), None
    )
    if named is None or named.retired_at is not None:
        return f"the collection {one.collection_name} is not in use any more"
    if introductions.is_confined(tx, one.origin, one.collection):
        return f"{one.sender} is in stage test: only the TEST collection is exchanged with it"
    sources = [
        each
        for each in channels.channels(tx)
        if each.direction == "pull"
        and each.partner == one.origin
        and each.collection == one.collection
    ]
    if not sources and not collection_rows.may_write(tx, one.collection, one.origin):
        return f"{one.sender} may write nothing into {one.collection_name}, and no source pulls into it"
    if one.reason == UNSIGNED and any(
        decode_options(each.options).statements == "require" for each in sources
    ):
        return "its source takes in nothing that its partner did not sign (option `statements`)"
    return None


def _impossible(one: Kept, why: str) -> Replayed:
    return Replayed(one.number, one.stix_id, one.version, "impossible", why)
