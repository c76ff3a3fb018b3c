"""What people see of signed delivery: statements with their receipts, what covers an object, and what is open.

1. Signed, unsigned and broken are three things; a partner whose client signs nothing has a fourth: that it was served.
2. Open is what has no receipt where it should be: ours that the partner has not receipted, and our receipts that it has
   not got. After LATE it is an alarm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.errors import NotFound
from cert_exchange.messages.deliveries import Ended, Way
from cert_exchange.messages.signatures import key_named_in, said_in
from cert_exchange.node import Node
from cert_exchange.services.deliveries.checking import QUARANTINED
from cert_exchange.store import channels, delivered, partner_keys, partners
from cert_exchange.store import deliveries as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statement_rows import StatementRow

LATE: Final = 24 * 3_600 * 1_000_000
"""Micros after which what is open asks for a person."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A statement as people see it. Instants are micros."""

    number: int
    partner: str
    ours: bool
    """whether we signed it; else the partner did"""
    way: Way
    stream: str
    seq: int
    objects: int
    after: int
    upto: int
    at: int
    signed_with: str
    receipted_at: int | None
    receipted_with: str | None
    outcomes: Mapping[str, int]
    """how many of its objects ended how, as the receipt says; empty while there is none"""
    wrong: int
    open: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """A version that a partner sent, and what it signed of it. Instants are micros."""

    partner: str
    version: str
    signed_with: str | None
    """None: no statement covers it"""
    statement: int | None
    place: int | None
    at: int | None


@dataclass(frozen=True, slots=True)
class Served:
    """How far a partner that signs nothing may have fetched: our word alone, and no receipt."""

    partner: str
    view: int
    upto: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is open or wrong with one partner."""

    partner: str
    late: int
    """statements and receipts that are open since more than LATE"""
    wrong: int
    """objects of its latest statements, or ours, that did not end as they were signed"""
    broken: int
    """broken texts in its name since the instant that was asked for"""


@dataclass(frozen=True, slots=True)
class Silent:
    """A source whose server signs no more. `until`: when its last statement came, micros."""

    partner: str
    source: str
    until: int
    objects: int
    """that came unsigned since"""


def listing(
    node: Node,
    *,
    partner: str | None = None,
    ours: bool | None = None,
    only_open: bool = False,
    limit: int = 1_000,
) -> tuple[Shown, ...]:
    """Statements, the newest first. Raises NotFound for a partner that there is not."""
    with node.database.reading() as tx:
        names = {row.id: row.name for row in partners.every_partner(tx)}
        number = None if partner is None else _number(tx, partner)
        found = rows.listing(tx, partner=number, ours=ours, only_open=only_open, limit=limit)
    return tuple(_shown(row, names[row.partner]) for row in found)


def texts(node: Node, number: int) -> StatementRow:
    """A statement with its receipt as they were signed, for who checks them elsewhere. Raises NotFound."""
    with node.database.reading() as tx:
        row = rows.by_numbers(tx, [number]).get(number)
    if row is None:
        raise NotFound(f"There is no statement {number}; see `statements list`.")
    return row


def origins(node: Node, stix_id: str) -> tuple[Origin, ...]:
    """What partners sent of an id, the newest last: signed with which key, or unsigned."""
    found = []
    with node.database.reading() as tx:
        for row in partners.every_partner(tx):
            versions = delivered.held(tx, row.id, [stix_id])
            covering = delivered.covered(tx, [one.object for one in versions])
            places = delivered.places(tx, [one.object for one in versions])
            for one in versions:
                statement = covering.get(one.object)
                found.append(
                    Origin(
                        row.name, one.version,
                        None if statement is None else key_named_in(statement.text),
                        None if statement is None else statement.id,
                        places.get(one.object),
                        None if statement is None else statement.at,
                    )
                )  # fmt: skip
    return tuple(found)


def served(node: Node) -> tuple[Served, ...]:
    """How far the partners without a pinned key were served, by our own marks."""
    with node.database.reading() as tx:
        names = {row.id: row.name for row in partners.every_partner(tx)}
        signing = {number for number in names if partner_keys.keys_of(tx, number)}
    return tuple(
        Served(names[mark.partner], mark.view, mark.position)
        for mark in sorted(node.marks.everything(), key=lambda one: (one.partner, one.view))
        if mark.partner in names and mark.partner not in signing
    )


def count_open(node: Node) -> int:
    """How many statements and receipts are open."""
    with node.database.reading() as tx:
        return rows.count_open(tx)


def troubles(node: Node, *, since: int) -> tuple[Trouble, ...]:
    """What is open for long, wrong or broken, by partner; `since`: of what was signed or came after it (micros)."""
    late: Counter[int] = Counter()
    wrong: Counter[int] = Counter()
    before = node.now() - LATE
    with node.database.reading() as tx:
        names = {row.id: row.name for row in partners.every_partner(tx)}
        late.update(rows.open_before(tx, before))
        wrong.update(rows.wrong_since(tx, since))
        broken = delivered.kept_aside_since(tx, QUARANTINED, since)
    return tuple(
        Trouble(names[number], late[number], wrong[number], broken.get(number, 0))
        for number in sorted(names)
        if late[number] or wrong[number] or broken.get(number)
    )


def fallen_silent(node: Node) -> tuple[Silent, ...]:
    """Sources whose server signed what it served until some day, and since then what came was unsigned."""
    found = []
    with node.database.reading() as tx:
        for one in channels.channels(tx):
            count = int(one.counters.get(channels.UNSIGNED, 0))
            last = rows.newest_at(tx, one.partner, one.collection) if count else None
            if last is not None:
                found.append(Silent(one.partner_name, one.name, last, count))
    return tuple(found)


def _number(tx: Transaction, partner: str) -> int:
    found = partners.find_partner(tx, partner)
    if found is None:
        raise NotFound(f"There is no partner {partner}; see `partner list`.")
    return found.id


def _shown(row: StatementRow, partner: str) -> Shown:
    said: dict[str, Any] = {} if row.receipt is None else said_in(row.receipt)
    outcomes: Counter[str] = Counter()
    for many, how in said.get("outcomes", ()):
        outcomes[Ended(how).value] += many
    return Shown(
        row.id, partner, row.ours, row.way, row.stream, row.seq, row.objects,
        row.after, row.upto, row.at, key_named_in(row.text), row.receipt_at,
        None if row.receipt is None else key_named_in(row.receipt), dict(outcomes), row.wrong,
        row.handed_over_at is None,
    )  # fmt: skip
