"""Rows of notices: what is owed, what was made, what came, and what is kept from one audience alone.

1. A debt is written in the transaction that takes something back, and goes in the transaction that makes its notice, or
   decides that none is due. Killed in between, it is looked at again.
2. Nothing decides here: `services.noticing` does, from the marks that it reads after the commit.
3. A notice of ours is for one audience for ever; who else asks for it is told nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import (
    CompoundSelect,
    bindparam,
    delete,
    insert,
    select,
    union_all,
    update,
)

from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Asked, Kept, among
from cert_exchange.store.tables import (
    audience_members,
    derivatives,
    derived_ids,
    identifiers,
    live,
    memberships,
    notice_readers,
    notice_subjects,
    notices,
    objects,
    owed_notices,
    partners,
    views,
)


class Owed(NamedTuple):
    """A withdrawal that nobody has decided on yet, in the order of its columns. Positions are micros."""

    view: int
    position: int
    released: int
    """the position of the line that was taken back"""
    object: int
    reason: str


@dataclass(frozen=True, slots=True)
class Debt:
    """One that was read back, with what it is about as the audience knows it."""

    view: int
    position: int
    released: int
    reason: str
    audience: int
    collection: int
    ident: int
    stix_id: str


class LineInForce(NamedTuple):
    """A line in force; its position in micros."""

    view: int
    position: int
    object: int
    ident: int
    """as the audience knows it: of a derivative its own id's number"""


@dataclass(frozen=True, slots=True)
class Member:
    """A partner that reads or read an audience's views."""

    audience: int
    partner: int
    name: str
    now: bool
    """whether it is of the audience now"""


_OWED_COLUMNS: Final = tuple(owed_notices.c[name] for name in Owed._fields)
_AUDIENCE_OF: Final = Kept(
    select(notices.c.audience).where(
        notices.c.stix_id == bindparam("note"), notices.c.audience.is_not(None)
    )
)
_SETTLE: Final = Kept(
    delete(owed_notices)
    .where(owed_notices.c.view == bindparam("view"), among(owed_notices.c.position, "positions"))
    .returning(owed_notices.c.position),
    "positions",
)
_VIEWS_OF: Final = Kept(
    select(views.c.collection, views.c.id)
    .where(views.c.audience == bindparam("audience"))
    .order_by(views.c.id)
)
_SHOWN: Final = Kept(
    select(live.c.ident, objects.c.revoked)
    .join(views, views.c.id == live.c.view)
    .join(objects, objects.c.id == live.c.object)
    .where(
        views.c.audience == bindparam("audience"),
        among(live.c.ident, "idents"),
        live.c.is_last == 1,
    ),
    "idents",
)
_NAMING: Final = (
    select(objects.c.id, objects.c.ident, notice_subjects.c.ident, memberships.c.collection,
           memberships.c.taken_back_at)
    .select_from(notice_subjects)
    .join(notices, notices.c.id == notice_subjects.c.notice)
    .join(identifiers, identifiers.c.stix_id == notices.c.stix_id)
    .join(objects, objects.c.ident == identifiers.c.num)
    .join(memberships, memberships.c.object == objects.c.id)
    .where(notices.c.audience == bindparam("audience"))
)  # fmt: skip
_NAMED: Final = Kept(_NAMING.where(among(notice_subjects.c.ident, "idents")), "idents")
_NAMED_AS: Final = Kept(
    _NAMING.with_only_columns(
        objects.c.id, objects.c.ident, derived_ids.c.original, memberships.c.collection,
        memberships.c.taken_back_at,
    )
    .join(derived_ids, derived_ids.c.ident == notice_subjects.c.ident)
    .where(among(derived_ids.c.original, "idents")),
    "idents",
)  # fmt: skip
_present = audience_members.alias("present")
_OWED: Final = (
    select(
        owed_notices.c.view, owed_notices.c.position, owed_notices.c.released,
        owed_notices.c.reason, views.c.audience, views.c.collection, objects.c.ident,
        identifiers.c.stix_id,
    )
    .join(views, views.c.id == owed_notices.c.view)
    .join(objects, objects.c.id == owed_notices.c.object)
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .where(
        views.c.audience.in_(
            select(audience_members.c.audience)
            .join(_present, _present.c.partner == audience_members.c.partner)
            .where(_present.c.until.is_(None))
        )
    )
    .order_by(owed_notices.c.view, owed_notices.c.position)
)  # fmt: skip


def owe(tx: Transaction, rows: Sequence[Owed]) -> None:
    """Write down withdrawals that may need a notice, in the transaction that makes them."""
    insert_rows(tx, _OWED_COLUMNS, rows)


def owed(tx: Transaction, *, limit: int) -> list[Debt]:
    """The oldest debts of each view, at most so many.

    Those of an audience whose partners are of none now wait until one of them is of one again.
    """
    return [Debt(*row) for row in tx.execute(_OWED.limit(limit))]


def ask_settle(tx: Transaction, debts: Iterable[Debt]) -> Callable[[], int]:
    """Strike off debts; call it for how many of them stood. Fewer than given: another worker was first."""
    by_view: dict[int, list[int]] = {}
    for debt in debts:
        by_view.setdefault(debt.view, []).append(debt.position)
    asked = [
        _SETTLE.ask_among(tx, "positions", sorted(positions), view=view)
        for view, positions in sorted(by_view.items())
    ]
    return lambda: sum(len(one()) for one in asked)


def members(tx: Transaction, audiences_: Collection[int]) -> list[Member]:
    """Who is or was of these audiences."""
    rows = tx.execute(
        select(
            audience_members.c.audience,
            partners.c.id,
            partners.c.name,
            audience_members.c.until.is_(None),
        )
        .join(partners, partners.c.id == audience_members.c.partner)
        .where(audience_members.c.audience.in_(audiences_))
        .order_by(audience_members.c.audience, partners.c.name)
    )
    return [Member(row[0], row[1], row[2], bool(row[3])) for row in rows]


def present_audiences(tx: Transaction, partners_: Collection[int]) -> dict[int, int]:
    """Partner -> the audience that it is of now."""
    rows = tx.execute(
        select(audience_members.c.partner, audience_members.c.audience).where(
            audience_members.c.partner.in_(partners_), audience_members.c.until.is_(None)
        )
    )
    return {row[0]: row[1] for row in rows}


def views_of(tx: Transaction, audience: int) -> dict[int, int]:
    """Collection -> view of an audience."""
    return dict(ask_views_of(tx, audience)())


def ask_views_of(tx: Transaction, audience: int) -> Asked:
    """Rows (collection, view) of an audience, by view."""
    return _VIEWS_OF.ask(tx, {"audience": audience})


def ask_shown(
    tx: Transaction, audience: int, idents: Collection[int]
) -> Callable[[], dict[int, bool]]:
    """Of these ids those in force for the audience, and whether what is last of them is a revocation."""
    asked = _SHOWN.ask_among(tx, "idents", sorted(idents), audience=audience)

    def shown() -> dict[int, bool]:
        found: dict[int, bool] = {}
        for ident, revoked in asked():
            found[ident] = bool(revoked) and found.get(ident, True)
        return found

    return shown


def ask_naming(tx: Transaction, audience: int, idents: Collection[int], *, deriving: bool) -> Asked:
    """Notices to an audience that name these ids or, with `deriving`, what stood for them: a row for each collection.

    (the note's objects.id, its id, the id that it names as an original's, collection, when it was taken back from there)
    """
    listed = sorted(idents)
    asked = [_NAMED.ask_among(tx, "idents", listed, audience=audience)]
    if deriving:
        asked.append(_NAMED_AS.ask_among(tx, "idents", listed, audience=audience))
    return lambda: [row for one in asked for row in one()]


def lines_of(tx: Transaction, ident: int) -> list[LineInForce]:
    """The lines in force of an id, and of what audiences see in its place, oldest first; carried ones left out."""
    # By (view, ident): `live` has no index that begins with the object, and it is long.
    numbers = tx.execute(select(views.c.id).order_by(views.c.id)).scalars().all()
    known_as = select(derived_ids.c.ident).where(derived_ids.c.original == ident)
    idents = [ident, *tx.execute(known_as).scalars()]
    rows = tx.execute(
        select(live.c.view, live.c.position, live.c.object, live.c.ident)
        .where(live.c.view.in_(numbers), live.c.ident.in_(idents), live.c.carried == 0)
        .order_by(live.c.view, live.c.position)
    )
    return [LineInForce(*row) for row in rows]


def reword(tx: Transaction, ident: int, *, reason: str) -> None:
    """Give another reason to what is owed about an id, and about what audiences see in its place."""
    tx.execute(
        update(owed_notices)
        .where(owed_notices.c.object.in_(_versions_of(ident)))
        .values(reason=reason)
    )


def _versions_of(ident: int) -> CompoundSelect[int]:
    made = select(derivatives.c.object).where(derivatives.c.original == ident)
    return union_all(select(objects.c.id).where(objects.c.ident == ident), made)


def keep(
    tx: Transaction,
    *,
    stix_id: str,
    audience: int | None,
    partner: int | None,
    collection: int,
    reason: str,
    action: str,
    due_at: int | None,
    made_at: int,
    subjects: Collection[int],
    readers: Collection[int] = (),
) -> None:
    """Write down a notice that we make (for an audience) or got (from a partner); an id that is known changes nothing.

    `readers`: of ours, the partners that may have fetched what it names.
    """
    known = tx.execute(select(notices.c.id).where(notices.c.stix_id == stix_id)).scalar()
    if known is None:
        known = tx.execute(
            insert(notices)
            .values(
                stix_id=stix_id, audience=audience, partner=partner, collection=collection,
                reason=reason, action=action, due_at=due_at, made_at=made_at,
            )
            .returning(notices.c.id)
        ).scalar_one()  # fmt: skip
        asked = notice_readers.c
        insert_rows(
            tx, (asked.notice, asked.partner), [(known, partner) for partner in sorted(readers)]
        )
    there = set(
        tx.execute(
            select(notice_subjects.c.ident).where(notice_subjects.c.notice == known)
        ).scalars()
    )
    c = notice_subjects.c
    fresh = sorted(set(subjects) - there)
    insert_rows(tx, (c.notice, c.ident), [(known, ident) for ident in fresh])


def audience_of(tx: Transaction, stix_id: str) -> int | None:
    """The audience that a note of ours is a notice for; None where it is no notice."""
    rows = _AUDIENCE_OF.rows(tx, {"note": stix_id})
    return rows[0][0] if rows else None
