"""The object versions that this node's own people may work with: their own, and what partners sent.

1. Of each id at most one version: the newest that is in force; a cyber-observable's is ours before a partner's.
2. In force is what was accepted, is held at no way in, and stands in at least one collection where nobody took it back:
   neither its owner, by revocation, deletion or a notice that was obeyed (DECISIONS 20), nor our desk. With `kept`, what
   these partners took back themselves, and did not revoke, is in force on.
3. A revocation that counts ends every version, whoever brought it. An id that our desk blocked is not there. With `ended`
   the revocation itself is there, once, for who must be told what to remove; reports are not, as no format takes one away.
4. Streamed, in the order of storing; reading only, in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, FromClause, and_, exists, func, or_, select

from cert_exchange.store.database import Transaction, streamed
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    ObjectStatus,
    identifiers,
    ledger_head,
    ledger_lines,
    memberships,
    objects,
    policies,
    renditions,
)

_better = objects.alias("better")
_end = objects.alias("end")
_REPORTS: Final = ("report", "grouping")
_ROWS: Final = (
    select(
        objects.c.id,
        identifiers.c.stix_id,
        objects.c.type,
        objects.c.origin,
        objects.c.stored_at,
        renditions.c.body,
    )
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .join(renditions, renditions.c.id == objects.c.rendition)
)


@dataclass(frozen=True, slots=True)
class UsableRow:
    """One version in force, its bytes as stored. `stored_at` in micros."""

    object: int
    stix_id: str
    type: str
    origin: int
    stored_at: int
    body: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of them; empty does not restrict."""

    types: frozenset[str] = frozenset()
    origins: frozenset[int] = frozenset()
    collections: frozenset[int] = frozenset()
    ended: bool = False
    kept: frozenset[int] = frozenset()
    anywhere: bool = False
    """also what was never put into a collection, and so taken back from none"""


def count_lines(tx: Transaction) -> int:
    """How many ledger lines there are: every transaction that changes an object or what is said about it adds one.

    Counted without reading them: sealed ones are numbered without a gap. It only rises, in the order of commits.
    """
    sealed = tx.execute(select(ledger_head.c.seq)).scalar_one_or_none() or 0
    waiting = tx.execute(
        select(func.count()).select_from(ledger_lines).where(ledger_lines.c.seq.is_(None))
    ).scalar_one()
    return int(sealed) + int(waiting)


@contextmanager
def usable(tx: Transaction, wanted: Wanted) -> Iterator[Iterator[UsableRow]]:
    """The versions in force, in the order of storing."""
    with streamed(tx, _ROWS.where(*_conditions(wanted)).order_by(objects.c.id)) as rows:
        yield (UsableRow(*row) for row in rows)


def rows_of(tx: Transaction, numbers: Collection[int]) -> Iterator[UsableRow]:
    """The versions of these numbers, which the caller knows to be in force."""
    for part in parts(sorted(numbers)):
        for row in tx.execute(_ROWS.where(objects.c.id.in_(part)).order_by(objects.c.id)):
            yield UsableRow(*row)


def named(tx: Transaction, ids: Collection[str], *, kept: frozenset[int]) -> Iterator[UsableRow]:
    """What is in force under these ids, each once, as rule 1 says; also what was put into no collection (seeds, helpers)."""
    wanted = Wanted(kept=kept, anywhere=True)
    for part in parts(sorted(ids)):
        statement = _ROWS.where(*_conditions(wanted), identifiers.c.stix_id.in_(part))
        for row in tx.execute(statement.order_by(objects.c.id)):
            yield UsableRow(*row)


def definitions(tx: Transaction) -> list[int]:
    """The numbers of every marking definition that counts, in whatever collection or none."""
    return list(
        tx.execute(
            select(objects.c.id)
            .where(
                objects.c.type == "marking-definition",
                objects.c.status == ObjectStatus.ACCEPTED.value,
                objects.c.salt.is_not(None),
            )
            .order_by(objects.c.id)
        ).scalars()
    )


def policies_in_force(tx: Transaction) -> list[tuple[str, int]]:
    """(name, version) of every policy in force: agreements say how long what a partner sent may be kept."""
    rows = tx.execute(
        select(policies.c.name, policies.c.version).where(policies.c.replaced_at.is_(None))
    )
    return [(row[0], row[1]) for row in rows]


def usable_ids(tx: Transaction, wanted: Wanted) -> list[int]:
    """The numbers of those versions, rising: enough to tell whether anything changed."""
    statement = (
        select(objects.c.id)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .where(*_conditions(wanted))
        .order_by(objects.c.id)
    )
    return list(tx.execute(statement).scalars())


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    lives = _lives(wanted)
    terms: list[ColumnElement[bool]] = [
        _in_force(objects, wanted),
        identifiers.c.blocked_at.is_(None),
        or_(lives, _ended(wanted)) if wanted.ended else lives,
    ]
    if wanted.types:
        terms.append(objects.c.type.in_(sorted(wanted.types)))
    if wanted.origins:
        terms.append(objects.c.origin.in_(sorted(wanted.origins)))
    return terms


def _ended(wanted: Wanted) -> ColumnElement[bool]:
    """Whether a version is the revocation of its id: the newest, ours before a partner's."""
    return and_(
        objects.c.revoked.is_(True),
        objects.c.type.not_in(_REPORTS),
        ~exists().where(
            _end.c.ident == objects.c.ident,
            _end.c.revoked.is_(True),
            _in_force(_end, wanted),
            _restricted(_end, wanted.origins),
            or_(
                _end.c.version_key > objects.c.version_key,
                and_(
                    _end.c.version_key == objects.c.version_key,
                    _end.c.origin < objects.c.origin,
                ),
            ),
        ),
    )


def _lives(wanted: Wanted) -> ColumnElement[bool]:
    """Whether nothing ended a version that is in force, and none is better (rules 1 and 3)."""
    return and_(
        objects.c.revoked.is_(False),
        ~exists().where(
            _end.c.ident == objects.c.ident,
            _end.c.status == ObjectStatus.ACCEPTED.value,
            _end.c.revoked.is_(True),
        ),
        ~exists().where(
            _better.c.ident == objects.c.ident,
            _better.c.id != objects.c.id,
            _in_force(_better, wanted),
            _restricted(_better, wanted.origins),
            or_(
                and_(
                    objects.c.observable.is_(True),
                    or_(
                        _better.c.origin < objects.c.origin,
                        and_(
                            _better.c.origin == objects.c.origin,
                            _better.c.version_key > objects.c.version_key,
                        ),
                    ),
                ),
                and_(
                    objects.c.observable.is_(False),
                    or_(
                        _better.c.version_key > objects.c.version_key,
                        and_(
                            _better.c.version_key == objects.c.version_key,
                            _better.c.origin < objects.c.origin,
                        ),
                    ),
                ),
            ),
        ),
    )


def _in_force(rows: FromClause, wanted: Wanted) -> ColumnElement[bool]:
    """Rule 2. Where collections are named, it is one of those in which it stands."""
    stands: ColumnElement[bool] = memberships.c.taken_back_at.is_(None)
    if wanted.kept:
        theirs = and_(
            memberships.c.taken_back_by == rows.c.origin, rows.c.origin.in_(sorted(wanted.kept))
        )
        stands = or_(stands, theirs)
    standing = [memberships.c.object == rows.c.id, stands]
    if wanted.collections:
        standing.append(memberships.c.collection.in_(sorted(wanted.collections)))
    stood: ColumnElement[bool] = exists().where(*standing)
    if wanted.anywhere:
        stood = or_(stood, ~exists().where(memberships.c.object == rows.c.id))
    return and_(
        rows.c.status == ObjectStatus.ACCEPTED.value,
        rows.c.kept_out.is_(False),
        rows.c.salt.is_not(None),  # what is erased has none
        stood,
    )


def _restricted(rows: FromClause, origins: Collection[int]) -> ColumnElement[bool]:
    return rows.c.origin.in_(sorted(origins)) if origins else rows.c.id.is_not(None)
