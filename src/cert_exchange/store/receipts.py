"""Notices as people look at them: sent and received, what they name, where they stand, and what refers to them.

Reading only; `notices` writes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, and_, func, or_, select, union

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    audiences,
    collections,
    derived_ids,
    identifiers,
    live,
    notice_readers,
    notice_subjects,
    notices,
    objects,
    owed_notices,
    partners,
    references,
    renditions,
    views,
)


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice, sent or received. Instants are micros."""

    id: int
    stix_id: str
    audience: int | None
    audience_name: str | None
    """whom ours is for"""
    partner: str | None
    """who sent it; None: it is ours"""
    collection: str
    reason: str
    action: str
    due_at: int | None
    made_at: int


@dataclass(frozen=True, slots=True)
class Received:
    """An object that refers to a notice."""

    stix_id: str
    origin: int
    body: str

    @property
    def ours(self) -> bool:
        """Whether our own desk published it."""
        return self.origin == OWN


_NOTICES: Final = (
    select(
        notices.c.id, notices.c.stix_id, notices.c.audience, audiences.c.name, partners.c.name,
        func.coalesce(collections.c.alias, collections.c.uuid), notices.c.reason,
        notices.c.action, notices.c.due_at, notices.c.made_at,
    )
    .join(collections, collections.c.id == notices.c.collection)
    .outerjoin(audiences, audiences.c.id == notices.c.audience)
    .outerjoin(partners, partners.c.id == notices.c.partner)
)  # fmt: skip


def every_notice(tx: Transaction, *, received: bool, limit: int) -> list[NoticeRow]:
    """Notices that partners sent, or ours; the newest first."""
    side = notices.c.partner if received else notices.c.audience
    return _read(tx, _NOTICES.where(side.is_not(None)).limit(limit))


def about(tx: Transaction, ident: int) -> list[NoticeRow]:
    """All notices that name an id, or what stands for it in a view, sent or received; the newest first."""
    known_as = select(derived_ids.c.ident).where(derived_ids.c.original == ident)
    naming = select(notice_subjects.c.notice).where(
        or_(notice_subjects.c.ident == ident, notice_subjects.c.ident.in_(known_as))
    )
    return _read(tx, _NOTICES.where(notices.c.id.in_(naming)))


def find(tx: Transaction, stix_id: str) -> NoticeRow | None:
    """A notice by its note's id."""
    return next(iter(_read(tx, _NOTICES.where(notices.c.stix_id == stix_id))), None)


def places_of(tx: Transaction, notices_: Collection[str]) -> dict[str, list[tuple[int, int]]]:
    """Notice -> (view, position) of its lines in force."""
    found: dict[str, list[tuple[int, int]]] = {}
    for part in parts(sorted(notices_)):
        rows = tx.execute(
            select(identifiers.c.stix_id, live.c.view, live.c.position)
            .join(views, views.c.audience == notices.c.audience)
            .join(identifiers, identifiers.c.stix_id == notices.c.stix_id)
            .join(live, and_(live.c.view == views.c.id, live.c.ident == identifiers.c.num))
            .where(notices.c.stix_id.in_(part))
        )
        for stix_id, view, position in rows:
            found.setdefault(stix_id, []).append((view, position))
    return found


def referring(tx: Transaction, notices_: Collection[str]) -> dict[str, list[Received]]:
    """Notice -> what refers to it, whoever brought it and however it is kept, the oldest first."""
    named = identifiers.alias("named")
    found: dict[str, list[Received]] = {}
    for part in parts(sorted(notices_)):
        rows = tx.execute(
            select(named.c.stix_id, identifiers.c.stix_id, objects.c.origin, renditions.c.body)
            .join(references, references.c.target == named.c.num)
            .join(objects, objects.c.id == references.c.source)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .join(renditions, renditions.c.id == objects.c.rendition)
            .where(named.c.stix_id.in_(part), objects.c.status != ObjectStatus.DERIVATIVE.value)
            .order_by(objects.c.id)
        )
        for notice, *row in rows:
            found.setdefault(notice, []).append(Received(*row))
    return found


def _read(tx: Transaction, statement: Select[Any]) -> list[NoticeRow]:
    rows = tx.execute(statement.order_by(notices.c.made_at.desc(), notices.c.id.desc()))
    return [NoticeRow(*row) for row in rows]


def named_to(tx: Transaction, view: int, stix_ids: Collection[str]) -> set[str]:
    """Of these ids those that a notice to the view's audience names, or is still owed for."""
    audience = tx.execute(select(views.c.audience).where(views.c.id == view)).scalar_one()
    found: set[str] = set()
    for part in parts(sorted(stix_ids)):
        wanted = (
            select(identifiers.c.stix_id, identifiers.c.num)
            .where(identifiers.c.stix_id.in_(part))
            .subquery()
        )
        made = (
            select(wanted.c.stix_id)
            .join(notice_subjects, notice_subjects.c.ident == wanted.c.num)
            .join(notices, notices.c.id == notice_subjects.c.notice)
            .where(notices.c.audience == audience)
        )
        due = (
            select(wanted.c.stix_id)
            .join(objects, objects.c.ident == wanted.c.num)
            .join(owed_notices, owed_notices.c.object == objects.c.id)
            .where(owed_notices.c.view == view)
        )
        found.update(tx.execute(union(made, due)).scalars())
    return found


def readers_of(tx: Transaction, notices_: Collection[int]) -> dict[int, set[int]]:
    """Notice -> the partners that may have fetched what it names; nothing of notices of earlier releases."""
    found: dict[int, set[int]] = {}
    for part in parts(sorted(notices_)):
        rows = tx.execute(
            select(notice_readers.c.notice, notice_readers.c.partner).where(
                notice_readers.c.notice.in_(part)
            )
        )
        for number, partner in rows:
            found.setdefault(number, set()).add(partner)
    return found


def subjects_of(tx: Transaction, notices_: Collection[int]) -> dict[int, list[str]]:
    """Notice -> the ids that it names."""
    found: dict[int, list[str]] = {number: [] for number in notices_}
    for part in parts(sorted(notices_)):
        rows = tx.execute(
            select(notice_subjects.c.notice, identifiers.c.stix_id)
            .join(identifiers, identifiers.c.num == notice_subjects.c.ident)
            .where(notice_subjects.c.notice.in_(part))
            .order_by(identifiers.c.stix_id)
        )
        for number, stix_id in rows:
            found[number].append(stix_id)
    return found
