"""Which versions of a partner's it is shown again, in SQL."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select

from cert_exchange.store.tables import collection_rights, memberships, objects, partners


@dataclass(frozen=True, slots=True)
class Sight:
    """What one credential may be shown of what its partner sent."""

    partner: int
    readable: frozenset[int]
    """collections that it may read"""
    fetched: bool
    """whether also what we fetched from the partner ourselves"""


def seen_with(sight: Sight) -> ColumnElement[bool]:
    """Whether a version stands in a collection that is readable, or was handed into none by the partner."""
    m = memberships.c
    readable = (
        select(m.object)
        .where(m.object == objects.c.id, m.collection.in_(sorted(sight.readable)))
        .exists()
    )
    if not sight.fetched:
        return readable
    handed_in = (
        select(m.object)
        .join(collection_rights, collection_rights.c.collection == m.collection)
        .where(
            m.object == objects.c.id,
            collection_rights.c.partner == sight.partner,
            collection_rights.c.may_write,
        )
        .exists()
    )
    # While it is only tried out, the TEST collection is all that there is for it.
    live = (
        select(partners.c.id)
        .where(partners.c.id == sight.partner, partners.c.stage == "live")
        .exists()
    )
    return or_(readable, and_(~handed_in, live))
