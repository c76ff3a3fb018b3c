"""Partners take their seats in a policy's audiences when it comes into force, and leave them.

1. A partner is in one audience at a time: who changes policy leaves the one before it joins the other, in one transaction.
2. The first partners of a policy share an audience; who joins later gets one of its own.
3. A new view starts above every head of its members' former views, so that a cursor they hold is below everything in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, insert, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.policies import partner_ids
from cert_exchange.store.tables import audience_members, audiences, collections, views


def unseat(tx: Transaction, name: str, partner_names: Sequence[str], *, at: int) -> None:
    """Let go whom the policy does not name any more; they see nothing until they are seated elsewhere."""
    ids = partner_ids(tx)
    leaving = _members(tx, name) - {ids[partner] for partner in partner_names}
    if leaving:
        tx.execute(
            update(audience_members)
            .where(
                audience_members.c.partner.in_(sorted(leaving)),
                audience_members.c.until.is_(None),
            )
            .values(until=at)
        )


def seat(
    tx: Transaction,
    name: str,
    partner_names: Sequence[str],
    collection_names: Sequence[str],
    *,
    at: int,
) -> list[tuple[int, int]]:
    """Let a policy's partners into audiences and make the views they need; (view, start) of each new view."""
    unseat(tx, name, partner_names, at=at)
    ids = partner_ids(tx)
    wanted = {ids[partner] for partner in partner_names}
    present = _members(tx, name)
    joining = sorted(wanted - present)
    known = tx.execute(select(func.count()).where(audiences.c.policy == name)).scalar_one()
    if not known:
        _make_audience(tx, name, name, joining, at=at)
    else:
        by_id = {number: partner for partner, number in ids.items()}
        for partner in joining:
            _make_audience(tx, _free_name(tx, f"{name}.{by_id[partner]}"), name, [partner], at=at)
    return _make_views(tx, name, collection_names)


def _members(tx: Transaction, name: str) -> set[int]:
    """The partners that the policy governs now."""
    rows = tx.execute(
        select(audience_members.c.partner)
        .join(audiences, audiences.c.id == audience_members.c.audience)
        .where(audiences.c.policy == name, audience_members.c.until.is_(None))
    )
    return {row[0] for row in rows}


def _make_audience(
    tx: Transaction, name: str, policy: str, members: Sequence[int], *, at: int
) -> None:
    number = tx.execute(
        insert(audiences).values(name=name, policy=policy, made_at=at).returning(audiences.c.id)
    ).scalar_one()
    if members:
        tx.execute(
            insert(audience_members),
            [{"audience": number, "partner": partner, "since": at} for partner in members],
        )


def _free_name(tx: Transaction, wanted: str) -> str:
    taken = set(tx.execute(select(audiences.c.name)).scalars())
    name, count = wanted, 2
    while name in taken:
        name, count = f"{wanted}.{count}", count + 1
    return name


def _make_views(
    tx: Transaction, policy: str, collection_names: Sequence[str]
) -> list[tuple[int, int]]:
    numbers = sorted(
        row[0]
        for row in tx.execute(select(collections.c.id, collections.c.uuid, collections.c.alias))
        if row[1] in collection_names or row[2] in collection_names
    )
    made: list[tuple[int, int]] = []
    for audience in (
        tx.execute(
            select(audiences.c.id).where(audiences.c.policy == policy).order_by(audiences.c.id)
        )
        .scalars()
        .all()
    ):
        have = set(
            tx.execute(select(views.c.collection).where(views.c.audience == audience)).scalars()
        )
        start = _former_head(tx, audience)
        for collection in numbers:
            if collection not in have:
                view = tx.execute(
                    insert(views)
                    .values(audience=audience, collection=collection, head=start)
                    .returning(views.c.id)
                ).scalar_one()
                made.append((view, start))
    return made


def _former_head(tx: Transaction, audience: int) -> int:
    """The greatest instant in any view that a member of the audience could ever poll."""
    mine = select(audience_members.c.partner).where(audience_members.c.audience == audience)
    theirs = select(audience_members.c.audience).where(audience_members.c.partner.in_(mine))
    value = tx.execute(
        select(func.max(views.c.head)).where(
            views.c.audience.in_(theirs), views.c.audience != audience
        )
    ).scalar()
    return int(value or 0)
