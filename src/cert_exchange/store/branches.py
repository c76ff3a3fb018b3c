"""Where a partner's stream of statements forked, and from where a person let it go on.

1. A fork is kept with both texts until a person settles it, as the breaks of ledgers are, and in their table. One of a
   stream is open at a time.
2. What counts after that is a branch of the stream: it goes on after a number and a digest, and its first statement may
   be named. What was held of other branches stays, and counts no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import and_, func, select, update

from cert_exchange.messages.deliveries import NOTHING_BEFORE, Way
from cert_exchange.messages.signatures import said_in
from cert_exchange.store.database import Transaction
from cert_exchange.store.facts import fact, facts_like, put_fact
from cert_exchange.store.partner_heads import STATEMENTS, add_break
from cert_exchange.store.statement_rows import Stream, named
from cert_exchange.store.tables import delivery_statements, ledger_breaks, partners

_FACT: Final = "statements"


@dataclass(frozen=True, slots=True)
class Branch:
    """From where a stream goes on."""

    number: int = 0
    seq: int = 0
    """the number of the statement before its first"""
    digest: bytes = NOTHING_BEFORE
    """of the statement before its first"""
    first: bytes | None = None
    """digest that its first statement must have; None: any that goes on from there"""


@dataclass(frozen=True, slots=True)
class Fork:
    """A stream that did not go on from what we held. Instants are micros."""

    id: int
    partner: str
    way: Way
    stream: str
    held: str
    """the statement that we held, as it was signed; empty where there was none"""
    told: str
    """the statement that came instead, as it was signed, or what the partner said of its last one (JSON, not signed)"""
    found_at: int
    settled_at: int | None
    settled_by: str | None
    reason: str | None

    @property
    def held_seq(self) -> int | None:
        """The number of the statement that we held."""
        return int(said_in(self.held)["seq"]) if self.held else None

    @property
    def told_seq(self) -> int | None:
        """The number of the statement that came instead; None: none came."""
        return None if self.told.startswith("{") else int(said_in(self.told)["seq"])


def current(tx: Transaction, stream: Stream) -> Branch:
    """The branch of a partner's stream that counts."""
    kept = fact(tx, _name(stream))
    return Branch() if kept is None else _read(kept)


def begin(tx: Transaction, stream: Stream, branch: Branch) -> None:
    """Let a stream go on from there."""
    first = "" if branch.first is None else branch.first.hex()
    put_fact(tx, _name(stream), f"{branch.number} {branch.seq} {branch.digest.hex()} {first}")


def ends(tx: Transaction, partner: int, way: Way) -> dict[str, tuple[int, bytes]]:
    """Stream of a partner's -> number and digest of the last statement that counts."""
    begun = _begun(tx, partner, way)
    found: dict[str, tuple[int, bytes]] = {
        name: (branch.seq, branch.digest) for name, branch in begun.items() if branch.seq
    }
    for stored, end in _ends(tx, partner, way).items():
        name, number = named(stored)
        if number == begun.get(name, Branch()).number:
            found[name] = end
    return found


def add(tx: Transaction, stream: Stream, *, held: str, told: str, now: int) -> bool:
    """Keep a fork; False where it is kept, or one of this stream is open."""
    return add_break(tx, stream.partner, _kind(stream), held=held, told=told, now=now)


def forks(tx: Transaction, *, partner: int | None = None, only_open: bool = True) -> list[Fork]:
    """What forked, the newest first."""
    c = ledger_breaks.c
    wanted = (
        select(
            c.id, partners.c.name, c.kind, c.held, c.told, c.found_at, c.settled_at, c.settled_by,
            c.reason,
        )
        .join(partners, partners.c.id == c.partner)
        .where(c.kind.startswith(STATEMENTS))
        .order_by(c.found_at.desc(), c.id.desc())
    )  # fmt: skip
    if partner is not None:
        wanted = wanted.where(c.partner == partner)
    if only_open:
        wanted = wanted.where(c.settled_at.is_(None))
    found = []
    for row in tx.execute(wanted):
        _, way, name = str(row[2]).split(" ", 2)
        found.append(Fork(row[0], row[1], Way(way), name, *tuple(row)[3:]))
    return found


def close(tx: Transaction, fork: int, *, now: int, by: str, reason: str) -> None:
    """Note that a person settled a fork."""
    tx.execute(
        update(ledger_breaks)
        .where(ledger_breaks.c.id == fork, ledger_breaks.c.settled_at.is_(None))
        .values(settled_at=now, settled_by=by, reason=reason)
    )


def _kind(stream: Stream) -> str:
    return f"{STATEMENTS} {stream.way.value} {stream.name}"


def _name(stream: Stream) -> str:
    return f"{_of_partner(stream.partner, stream.way)}{stream.name}"


def _of_partner(partner: int, way: Way) -> str:
    return f"{_FACT}.{partner}.{way.value}."


def _begun(tx: Transaction, partner: int, way: Way) -> Mapping[str, Branch]:
    prefix = _of_partner(partner, way)
    return {name.removeprefix(prefix): _read(kept) for name, kept in facts_like(tx, prefix).items()}


def _read(kept: str) -> Branch:
    number, seq, digest, first = kept.split(" ")
    return Branch(
        int(number), int(seq), bytes.fromhex(digest), bytes.fromhex(first) if first else None
    )


def _ends(tx: Transaction, partner: int, way: Way) -> dict[str, tuple[int, bytes]]:
    """Stream of a partner's, by its name in the table -> number and digest of its last statement."""
    c = delivery_statements.c
    mine = and_(c.partner == partner, c.ours == 0, c.way == way.value)
    newest = select(c.stream, func.max(c.seq).label("seq")).where(mine).group_by(c.stream)
    by = newest.subquery()
    found = tx.execute(
        select(c.stream, c.seq, c.digest)
        .join(by, and_(by.c.stream == c.stream, by.c.seq == c.seq))
        .where(mine)
    )
    return {row[0]: (row[1], bytes(row[2])) for row in found}
