"""Who fetched a version that was taken back while its id stood, and was told nothing of it (DECISIONS 19).

1. A row is written in the transaction that strikes the debt off because the id is in force still, and goes in the one
   that tells of the id, or leaves it to a person. In between the marks are not asked again: what was fetched since then
   is another version.
2. The id is the one that the audience knows: a derivative's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import bindparam, delete, select

from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Kept, among
from cert_exchange.store.tables import identifiers, untold_fetches

_C: Final = untold_fetches.c
_OF_IDS: Final = Kept(
    select(_C.audience, _C.ident, _C.partner).where(among(_C.ident, "idents")), "idents"
)
_FORGET: Final = Kept(
    delete(untold_fetches).where(among(_C.ident, "idents"), _C.partner == bindparam("partner")),
    "idents",
)


def who(tx: Transaction, idents: Collection[int]) -> dict[tuple[int, int], set[int]]:
    """Of these ids: (audience, id) -> the partners that are to be told when it goes."""
    found: dict[tuple[int, int], set[int]] = {}
    for audience, ident, partner in _OF_IDS.among(tx, "idents", sorted(idents)):
        found.setdefault((audience, ident), set()).add(partner)
    return found


def of_partner(tx: Transaction, audience: int, partner: int) -> dict[int, str]:
    """The ids that a partner is to be told of when they go from this audience: number -> text."""
    rows = tx.execute(
        select(_C.ident, identifiers.c.stix_id)
        .join(identifiers, identifiers.c.num == _C.ident)
        .where(_C.audience == audience, _C.partner == partner)
        .order_by(_C.ident)
    )
    return {row[0]: row[1] for row in rows}


def keep(tx: Transaction, audience: int, fetched: Mapping[int, Collection[int]]) -> None:
    """Write down who fetched something of these ids, by id; what is known changes nothing."""
    known = who(tx, fetched) if fetched else {}
    rows = [
        (audience, ident, partner)
        for ident, partners in sorted(fetched.items())
        for partner in sorted(set(partners) - known.get((audience, ident), set()))
    ]
    insert_rows(tx, (_C.audience, _C.ident, _C.partner), rows)


def forget(tx: Transaction, idents: Collection[int], partners: Collection[int]) -> None:
    """These partners know, or a person tells them, that these ids were taken back."""
    for partner in sorted(partners):
        _FORGET.run_among(tx, "idents", sorted(idents), partner=partner)
