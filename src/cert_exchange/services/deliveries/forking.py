"""A partner's statements that do not go on from what we hold: kept with both texts, and settled by a person.

1. A fork stops its stream, and what is delivered in it, until a person settles it. Both texts stay, before and after.
2. Settled, the stream goes on in a branch of its own: with the text that came, or from a number that is named, where what
   we hold before that number stands. The partner's node is then asked for its statements from there on, as for any others.
3. What we hold of the old branch counts no more and waits for no receipt; the rows stay, and what they cover stays covered.
4. A settlement is a ledger line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from cert_exchange.errors import NotFound, QueryInvalid
from cert_exchange.messages.deliveries import NOTHING_BEFORE, Way, number_of, pairs_of, text_digest
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.signatures import said_in
from cert_exchange.node import Node
from cert_exchange.services.ledger import record
from cert_exchange.store import branches, partners
from cert_exchange.store import deliveries as rows
from cert_exchange.store.branches import Branch, Fork
from cert_exchange.store.database import Transaction
from cert_exchange.store.statement_rows import StatementHead, Stream

__all__ = ["Fork", "Settled", "forks", "keep_fork", "lacking", "settle_forks"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """A stream that goes on. `seq`: the number of the first statement that is taken in it."""

    way: Way
    stream: str
    seq: int
    set_aside: int
    """statements of before that wait for no receipt any more"""


def keep_fork(node: Node, stream: Stream, held: StatementHead | None, told: str) -> None:
    """Keep that a stream forked, with the statement that we held and what came instead; once while it is open."""
    now = node.now()
    here = Stream(stream.partner, ours=False, way=stream.way, name=stream.name)

    def work(tx: Transaction) -> bool:
        rows.lock(tx, stream.partner)
        if not branches.add(tx, here, held="" if held is None else held.text, told=told, now=now):
            return False
        facts: dict[str, str | int | list[str]] = {
            "partner": partners.authority(tx, stream.partner).name,
            "way": stream.way.value,
            "stream": stream.name,
            "held": "" if held is None else held.digest.hex(),
            "told": text_digest(told).hex(),
        }
        record(tx, Line("statement.forked", now, "node", facts=facts))
        return True

    if node.database.transact(work):
        log.error("a partner's statements forked", partner=stream.partner, stream=stream.name)


def forks(node: Node, *, partner: str | None = None, only_open: bool = True) -> tuple[Fork, ...]:
    """What forked, with both texts, the newest first. Raises NotFound for a partner that there is not."""
    with node.database.reading() as tx:
        number = None if partner is None else _number(tx, partner)
        return tuple(branches.forks(tx, partner=number, only_open=only_open))


def lacking(node: Node, partner: int, stream: str, document: Mapping[str, Any]) -> str:
    """Keep that a partner lacks a statement that it signed and announces no restore; says so in words.

    `document`: its answer. Raises ValueError, TypeError, KeyError for one that cannot be read.
    """
    said: dict[str, Any] = {"lacks": number_of(document["lacks"], least=1)}
    last = document.get("last")
    if last is not None:
        seq, digest = pairs_of({stream: last})[stream]
        said["last"] = [seq, digest.hex()]
    here = Stream(partner, ours=False, way=Way.SERVED, name=stream)
    with node.database.reading() as tx:
        branch = branches.current(tx, here)
        held = rows.last(tx, replace(here, branch=branch.number))
    keep_fork(node, here, held, json.dumps(said, sort_keys=True))
    return f"it lacks its own statement {said['lacks']} and announces no restore: its history has forked."


def settle_forks(
    node: Node,
    partner: str,
    *,
    by: str,
    reason: str,
    first: int | None = None,
    stream: str | None = None,
) -> tuple[Settled, ...]:
    """Let a partner's forked streams go on: with the text that came, or from its statement number `first`.

    `stream`: that one alone. Raises NotFound (nothing forked, no such partner), QueryInvalid where `first` does not say
    from where.
    """
    now = node.now()

    def work(tx: Transaction) -> tuple[Settled, ...]:
        number = _number(tx, partner)
        rows.lock(tx, number)
        open_ones = [
            one for one in branches.forks(tx, partner=number) if stream in (None, one.stream)
        ]
        if not open_ones:
            raise NotFound(f"No statements of {partner} forked; see `statements forks --all`.")
        if first is not None and len(open_ones) > 1:
            raise QueryInvalid("Several streams forked: say which one with --stream.")
        return tuple(
            _settle(tx, number, one, first, by=by, reason=reason, now=now) for one in open_ones
        )

    return node.database.transact(work)


def _settle(
    tx: Transaction, partner: int, fork: Fork, first: int | None, *, by: str, reason: str, now: int
) -> Settled:
    plain = Stream(partner, ours=False, way=fork.way, name=fork.stream)
    before = branches.current(tx, plain)
    here = Stream(partner, ours=False, way=fork.way, name=fork.stream, branch=before.number)
    fresh = _from_text(fork, before) if first is None else _from_number(tx, here, first, before)
    branches.begin(tx, plain, fresh)
    # Of what both histories share a receipt may still be on its way.
    shared = rows.by_digest(tx, partner, fresh.digest, ours=False)
    aside = rows.set_aside(tx, here, after=0 if shared is None else fresh.seq, at=now)
    branches.close(tx, fork.id, now=now, by=by, reason=reason)
    facts: dict[str, str | int | list[str]] = {
        "partner": fork.partner,
        "way": fork.way.value,
        "stream": fork.stream,
        "seq": fresh.seq + 1,
        "previous": fresh.digest.hex(),
        "told": text_digest(fork.told).hex(),
        "set_aside": aside,
        "reason": reason,
    }
    record(tx, Line("statement.settled", now, by, facts=facts))
    return Settled(fork.way, fork.stream, fresh.seq + 1, aside)


def _from_text(fork: Fork, before: Branch) -> Branch:
    """Go on with the statement that came, or after the last one that the partner says it has."""
    number = before.number + 1
    if fork.told.startswith("{"):
        last = json.loads(fork.told).get("last")
        return (
            Branch(number) if last is None else Branch(number, int(last[0]), bytes.fromhex(last[1]))
        )
    said: Mapping[str, Any] = said_in(fork.told)
    return Branch(
        number, said["seq"] - 1, bytes.fromhex(said["previous"]), first=text_digest(fork.told)
    )


def _from_number(tx: Transaction, here: Stream, first: int, before: Branch) -> Branch:
    if first == 1:
        return Branch(before.number + 1, 0, NOTHING_BEFORE)
    if first - 1 == before.seq:
        return Branch(before.number + 1, before.seq, before.digest)
    held = None
    for number in range(before.number, -1, -1):  # a branch begins where the one before it was left
        held = held or rows.numbered(tx, replace(here, branch=number), first - 1)
    if held is None:
        raise QueryInvalid(
            f"We hold no statement {first - 1} that it could go on from; name another number, or 1 for all of them."
        )
    return Branch(before.number + 1, held.seq, held.digest)


def _number(tx: Transaction, partner: str) -> int:
    found = partners.find_partner(tx, partner)
    if found is None:
        raise NotFound(f"There is no partner {partner}; see `partner list`.")
    return found.id
