"""Rows of proposals: what partners sent of objects that they may not bring, and what our people answered.

1. A proposal is open until it was accepted, declined or undone; an answer in words leaves it open.
2. Answers are only added.
3. Nothing here decides; what counts is in `objects`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, and_, exists, insert, select

from cert_exchange.messages.answers import EXTENSION
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    identifiers,
    objects,
    partners,
    proposal_answers,
    references,
    renditions,
    undone_objects,
)

ACCEPTED: Final = "accepted"
DECLINED: Final = "declined"
ANSWERED: Final = "answered"


@dataclass(frozen=True, slots=True)
class Said:
    """What our people said to a proposal. `at` in micros."""

    answer: str
    """accepted | declined | answered"""
    words: str
    made: int | None
    """the version (objects.id) that came of it: a version of ours, or the note"""
    at: int
    by: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """One version that is kept as a proposal. Instants in micros."""

    number: int
    """objects.id"""
    ident: int
    stix_id: str
    type: str
    version: str
    version_key: str
    partner: int
    partner_name: str
    creator: str | None
    """whom it names as its creator"""
    revoked: bool
    observable: bool
    stored_at: int
    rendition: int


_CREATOR = identifiers.alias("creators")
_UNDONE = exists().where(undone_objects.c.object == objects.c.id)
_ENDED = exists().where(
    proposal_answers.c.object == objects.c.id,
    proposal_answers.c.answer.in_((ACCEPTED, DECLINED)),
)
_note = objects.alias("proposing_note")
_named = references.alias("named_by_note")
_bears = references.alias("borne_by_note")
_extension = identifiers.alias("answers_extension")
CAME_IN_A_NOTE: Final = and_(
    objects.c.status == ObjectStatus.PROPOSAL.value,
    exists().where(
        _named.c.target == objects.c.ident,
        _note.c.id == _named.c.source,
        _note.c.origin == objects.c.origin,
        _note.c.stored_at == objects.c.stored_at,
        _bears.c.source == _note.c.id,
        _bears.c.target
        == select(_extension.c.num).where(_extension.c.stix_id == EXTENSION).scalar_subquery(),
    ),
)
"""A proposal that was never sent as such: taken out of its sender's note in the transaction that stored both."""
WAITING: Final = (~_UNDONE, ~_ENDED)
"""Conditions on a proposal: it waits for a person."""


def _wanted() -> Select[Any]:
    return (
        select(
            objects.c.id,
            objects.c.ident,
            identifiers.c.stix_id,
            objects.c.type,
            objects.c.version,
            objects.c.version_key,
            objects.c.origin,
            partners.c.name,
            _CREATOR.c.stix_id,
            objects.c.revoked,
            objects.c.observable,
            objects.c.stored_at,
            objects.c.rendition,
        )
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(partners, partners.c.id == objects.c.origin)
        .outerjoin(_CREATOR, _CREATOR.c.num == objects.c.creator)
        .where(objects.c.status == ObjectStatus.PROPOSAL.value, objects.c.origin != OWN)
    )


def _proposed(row: Any) -> Proposed:
    return Proposed(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], bool(row[9]),
        bool(row[10]), row[11], row[12],
    )  # fmt: skip


def listed(
    tx: Transaction,
    *,
    partner: int | None = None,
    ident: int | None = None,
    ended: bool = False,
    limit: int,
) -> list[Proposed]:
    """The proposals, the newest first: those that are open, or with `ended` also those that were ended."""
    wanted = _wanted().order_by(objects.c.id.desc()).limit(limit)
    if partner is not None:
        wanted = wanted.where(objects.c.origin == partner)
    if ident is not None:
        wanted = wanted.where(objects.c.ident == ident)
    if not ended:
        wanted = wanted.where(*WAITING)
    return [_proposed(row) for row in tx.execute(wanted)]


def find(tx: Transaction, number: int) -> Proposed | None:
    """The proposal of this number, ended ones included."""
    row = tx.execute(_wanted().where(objects.c.id == number)).one_or_none()
    return None if row is None else _proposed(row)


def of_sender(tx: Transaction, ident: int, partner: int) -> list[Proposed]:
    """What one partner proposed under an id and nobody ended, the oldest version first."""
    wanted = _wanted().where(objects.c.ident == ident, objects.c.origin == partner, *WAITING)
    return [_proposed(row) for row in tx.execute(wanted.order_by(objects.c.version_key))]


def said(tx: Transaction, numbers: Collection[int]) -> dict[int, list[Said]]:
    """What was said to these proposals, the oldest first."""
    found: dict[int, list[Said]] = {}
    for part in parts(sorted(numbers)):
        rows = tx.execute(
            select(
                proposal_answers.c.object,
                proposal_answers.c.answer,
                proposal_answers.c.words,
                proposal_answers.c.made,
                proposal_answers.c.answered_at,
                proposal_answers.c.answered_by,
            )
            .where(proposal_answers.c.object.in_(part))
            .order_by(proposal_answers.c.id)
        )
        for row in rows:
            found.setdefault(row[0], []).append(Said(*row[1:]))
    return found


def undone(tx: Transaction, numbers: Collection[int]) -> set[int]:
    """Which of these were undone as a whole with what their sender sent."""
    found: set[int] = set()
    for part in parts(sorted(numbers)):
        found.update(
            tx.execute(
                select(undone_objects.c.object).where(undone_objects.c.object.in_(part))
            ).scalars()
        )
    return found


def keep_answer(
    tx: Transaction,
    number: int,
    *,
    answer: str,
    words: str,
    made: int | None = None,
    at: int,
    by: str,
) -> None:
    """Write down what was said to a proposal."""
    tx.execute(
        insert(proposal_answers).values(
            object=number, answer=answer, words=words, made=made, answered_at=at, answered_by=by
        )
    )


def body_of(tx: Transaction, rendition: int) -> str:
    """The stored text of a version: canonical JSON."""
    return str(
        tx.execute(select(renditions.c.body).where(renditions.c.id == rendition)).scalar_one()
    )
