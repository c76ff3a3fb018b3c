"""Which files were made for partners and brought in from them, and what is known of those that are on their way."""

from __future__ import annotations

from dataclasses import dataclass

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.store import carrying as files
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Listed:
    """One file. Instants are micros."""

    partner: str
    ours: bool
    number: int
    base: int
    at: int
    objects: int
    size: int
    receipts: int
    digest: str
    """of its signed text, hexadecimal: both sides say the same"""
    answered_at: int | None
    """of ours: when the partner said that it has it"""
    lost: bool
    """of ours: only the partner knows what it held, since our store was restored"""


def next_number(node: Node, partner: str) -> int:
    """The number that the next file for a partner gets. Raises NotFound."""
    with node.database.reading() as tx:
        last = files.last(tx, _partner(tx, partner), ours=True)
    return 1 if last is None else last.number + 1


def listing(node: Node, *, partner: str | None = None) -> tuple[Listed, ...]:
    """All files, the newest first. Raises NotFound."""
    with node.database.reading() as tx:
        number = None if partner is None else _partner(tx, partner)
        rows = files.listing(tx, partner=number)
    return tuple(
        Listed(
            name, row.ours, row.number, row.base, row.at, row.objects, row.bytes,
            len(row.receipts) or int(row.heard.get("receipts", 0)), row.digest.hex(), row.answered_at, lost=row.ours and not row.text,
        )
        for name, row in rows
    )  # fmt: skip


def _partner(tx: Transaction, name: str) -> int:
    found = partner_rows.find_partner(tx, name)
    if found is None:
        raise NotFound(f"There is no partner {name}; see `partner list`.")
    return found.id
