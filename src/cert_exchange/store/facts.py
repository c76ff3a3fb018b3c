"""Single facts about the node, by name."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import node_facts


def fact(tx: Transaction, name: str) -> str | None:
    """The value, or None."""
    return tx.execute(select(node_facts.c.value).where(node_facts.c.name == name)).scalar()


def facts_like(tx: Transaction, prefix: str) -> dict[str, str]:
    """The facts whose names start so."""
    rows = tx.execute(
        select(node_facts.c.name, node_facts.c.value)
        .where(node_facts.c.name.startswith(prefix, autoescape=True))
        .order_by(node_facts.c.name)
    )
    return {row[0]: row[1] for row in rows}


def put_fact(tx: Transaction, name: str, value: str | None) -> None:
    """Set or, with None, forget a fact."""
    if value is None:
        tx.execute(delete(node_facts).where(node_facts.c.name == name))
        return
    changed = tx.execute(
        update(node_facts).where(node_facts.c.name == name).values(value=value)
    ).rowcount
    if not changed:
        tx.execute(insert(node_facts).values(name=name, value=value))
