"""Under which pseudonyms audiences know makers, written down when the key that made them is changed."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import derivatives, identifiers, objects, pseudonyms


def kept(tx: Transaction, audience: int) -> dict[str, str]:
    """Maker's id -> pseudonym, of one audience."""
    rows = tx.execute(
        select(pseudonyms.c.maker, pseudonyms.c.pseudonym).where(pseudonyms.c.audience == audience)
    )
    return {row[0]: row[1] for row in rows}


def told(tx: Transaction) -> list[tuple[int, str]]:
    """(audience, maker's id) of all that may have been told so far and is not written down."""
    makers = identifiers.alias("makers")
    rows = tx.execute(
        select(derivatives.c.audience, makers.c.stix_id)
        .join(objects, objects.c.id == derivatives.c.source)
        .join(makers, makers.c.num == objects.c.creator)
        .outerjoin(
            pseudonyms,
            (pseudonyms.c.audience == derivatives.c.audience)
            & (pseudonyms.c.maker == makers.c.stix_id),
        )
        .where(pseudonyms.c.maker.is_(None))
        .distinct()
    )
    return sorted((row[0], row[1]) for row in rows)


def keep(tx: Transaction, found: Mapping[tuple[int, str], str]) -> None:
    """Write pseudonyms down, by (audience, maker's id)."""
    c = pseudonyms.c
    insert_rows(
        tx,
        (c.audience, c.maker, c.pseudonym),
        [(audience, maker, text) for (audience, maker), text in sorted(found.items())],
    )
