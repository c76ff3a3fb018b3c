"""Which partners get by no channel what their policies allow (CASES M16), and by which way one gets what is in a collection.

A partner is reached where it can log in and poll, or where something is pushed to it. Everybody else gets files: an export
holds what its view serves, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from cert_exchange.node import Node
from cert_exchange.services import partners
from cert_exchange.store import channels, figures, freezes, releases
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Way:
    """By which way what a partner may see gets there, in words; or what is missing."""

    there: bool
    words: str


def without_channel(node: Node) -> frozenset[str]:
    """The partners that have neither a credential in force nor a target."""
    with node.database.reading() as conn:
        pushed = {one.partner for one in figures.channels(conn) if one.direction == "push"}
    return frozenset(
        row.partner.name
        for row in partners.listing(node)
        if not row.credentials and row.partner.name not in pushed
    )


def way(node: Node, partner: str, collection: str) -> Way:
    """How what a known partner may see of a collection that there is (alias or UUID) gets there."""
    with node.database.reading() as tx:
        return way_in(node, tx, partner, collection)


def way_in(node: Node, tx: Transaction, partner: str, collection: str) -> Way:
    """`way` in a caller's transaction."""
    number = policy_rows.partner_ids(tx)[partner]
    place = collection_rows.find_collection(tx, collection)
    assert place is not None
    pushing = [
        one.name
        for one in channels.channels(tx)
        if (one.direction, one.partner, one.collection) == ("push", number, place.id)
    ]
    readable = collection_rows.may_read(tx, place.id, number)
    if not readable and not pushing:
        return Way(
            there=False,
            words=f"it may not read {collection} and no target pushes it: name it under `read` in the collection's file and"
            " run `cert-exchange collection load`, or add a target",
        )
    if freezes.frozen(tx, number):
        return Way(
            there=True,
            words="what goes out to it is frozen or suspended, so that it gets it afterwards: cert-exchange frozen",
        )
    if pushing:
        return Way(there=True, words=f"target {', '.join(pushing)} pushes it")
    views = {one.view for one in releases.read_sharing(tx).heads if one.collection == place.id}
    marks = node.marks.everything()
    if any(one.partner == number and one.view in views for one in marks):
        return Way(there=True, words=f"it finds it when it next polls {collection}")
    return Way(
        there=True,
        words=f"it finds it when it polls {collection}, from where it has fetched nothing so far: its desk may not know"
        " that something lies there",
    )
