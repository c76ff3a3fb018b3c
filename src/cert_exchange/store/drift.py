"""What two sides hold of each other's, read for a comparison: page by page, so that memory does not depend on how much it is.

1. An observable's version is each node's own instant of storage: whoever compares leaves it out (`bucketing.entry`).
2. What was erased is held by nobody any more; what is barred is known by its id.
3. Only lines in force are shown to anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from cert_exchange.store.database import Transaction, streamed
from cert_exchange.store.outgoing import READY, Ready
from cert_exchange.store.proposals import CAME_IN_A_NOTE
from cert_exchange.store.quarantine import CONFLICT, REFUSED_BY_TARGET, REJECTED
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    LineKind,
    ObjectStatus,
    erased_objects,
    identifiers,
    live,
    memberships,
    objects,
    quarantine,
    release_log,
    renditions,
)

MOST: Final = 2_000
"""Entries of one answer, and rows of one page."""
_ERASED: Final = (
    select(erased_objects.c.object).where(erased_objects.c.object == objects.c.id).exists()
)


@dataclass(frozen=True, slots=True)
class Line:
    """What stands in a list at a place: `digest` is the SHA-256 of its bytes."""

    place: int
    stix_id: str
    version: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """One version that we hold of an id, and how it stands in a collection."""

    id: int
    stix_id: str
    version: str
    version_key: str
    origin: int
    status: str
    digest: bytes
    kept_out: bool
    erased: bool
    here: bool
    """whether it stands in the collection at all"""
    taken_back_by: int | None
    """who took it back there: OWN, or a partner"""
    blocked: bool
    """our desk keeps the id from everybody"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The newest row of the quarantine about an id."""

    number: int
    version: str | None
    kind: str
    reason: str


def shown_in(
    tx: Transaction, view: int, *, after: int, part: str | None, limit: int = MOST
) -> list[Line]:
    """What a reader of a view is shown without a filter, by position, after a position; `part`: how the UUID begins."""
    statement = _shown(view).where(live.c.position > after).order_by(live.c.position).limit(limit)
    if part is not None:
        statement = statement.where(_begins(part))
    return [Line(row[0], row[1], row[2], bytes(row[3])) for row in tx.execute(statement)]


def all_shown_in(tx: Transaction, view: int) -> Iterator[Line]:
    """All of that, in any order."""
    yield from _lines(tx, _shown(view))


def pushed_to(
    tx: Transaction,
    view: int,
    partner: int,
    *,
    upto: int,
    part: str | None = None,
    last: bool = True,
) -> Iterator[Line]:
    """What of a view in force a target has passed, in any order. `last`: the newest version of each id alone."""
    statement = _in_force(view).where(live.c.origin != partner, live.c.position <= upto)
    if last:
        statement = statement.where(live.c.is_last == 1)
    if part is not None:
        statement = statement.where(_begins(part))
    yield from _lines(tx, statement)


def in_force_of(tx: Transaction, view: int, stix_ids: Collection[str]) -> list[Line]:
    """The lines in force in a view of these ids."""
    return [
        Line(row[0], row[1], row[2], bytes(row[3]))
        for part in parts(sorted(set(stix_ids)))
        for row in tx.execute(_in_force(view).where(identifiers.c.stix_id.in_(part)))
    ]


def ready_at(tx: Transaction, view: int, positions: Collection[int], partner: int) -> list[Ready]:
    """What of a view stands at these positions now, as a target sends it: never what came from its partner."""
    found = [
        Ready(*row)
        for part in parts(sorted(set(positions)))
        for row in tx.execute(
            READY.where(
                live.c.view == view, live.c.position.in_(part), live.c.origin != partner
            ).order_by(live.c.position)
        )
    ]
    return sorted(found, key=lambda one: one.position)


def handed_in(
    tx: Transaction,
    partner: int,
    collection: int,
    *,
    after: int,
    part: str | None,
    limit: int = MOST,
) -> list[Line]:
    """What came from a partner into a collection and is held, by our number of it, after a number."""
    statement = (
        _handed_in(partner, collection)
        .where(objects.c.id > after)
        .order_by(objects.c.id)
        .limit(limit)
    )
    if part is not None:
        statement = statement.where(_begins(part))
    return [Line(row[0], row[1], row[2], bytes(row[3])) for row in tx.execute(statement)]


def all_handed_in(tx: Transaction, partner: int, collection: int) -> Iterator[Line]:
    """All of that, in any order."""
    yield from _lines(tx, _handed_in(partner, collection))


def newest_id(tx: Transaction) -> int:
    """The greatest objects.id there is: what comes later came while we compared."""
    return int(tx.execute(select(func.coalesce(func.max(objects.c.id), 0))).scalar_one())


def held_of(tx: Transaction, collection: int, stix_ids: Collection[str]) -> list[Held]:
    """All that we hold of these ids, from anybody, and how it stands in a collection."""
    return [
        _held(row)
        for part in parts(sorted(set(stix_ids)))
        for row in tx.execute(_of(collection).where(identifiers.c.stix_id.in_(part)))
    ]


def held_from(
    tx: Transaction, partner: int, collection: int, *, upto: int, part: str | None = None
) -> Iterator[Held]:
    """What we hold from a partner in a collection, proposals with it, in the order of ids and versions.

    `upto`: the greatest objects.id that counts.
    """
    statement = (
        _of(collection)
        .where(
            objects.c.origin == partner,
            objects.c.id <= upto,
            ~_ERASED,
            or_(memberships.c.object.is_not(None), objects.c.status == ObjectStatus.PROPOSAL.value),
            ~CAME_IN_A_NOTE,
        )
        .order_by(objects.c.ident, objects.c.version_key)
    )
    if part is not None:
        statement = statement.where(_begins(part))
    with streamed(tx, statement) as rows:
        for row in rows:
            yield _held(row)


def refusals(
    tx: Transaction, origin: int, stix_ids: Collection[str], *, sent: bool = False
) -> dict[str, Refusal]:
    """Of ids that stand in the quarantine, the newest row.

    `sent`: what a target refused of ours, else what was refused here of a partner's.
    """
    kinds = (REFUSED_BY_TARGET,) if sent else (REJECTED, CONFLICT)
    c = quarantine.c
    found: dict[str, Refusal] = {}
    for part in parts(sorted(set(stix_ids))):
        rows = tx.execute(
            select(c.stix_id, c.id, c.version, c.kind, c.reason)
            .where(c.origin == (OWN if sent else origin), c.kind.in_(kinds), c.stix_id.in_(part))
            .order_by(c.id)
        )
        found |= {row[0]: Refusal(row[1], row[2], row[3], row[4]) for row in rows}
    return found


def barred_ids(tx: Transaction, stix_ids: Collection[str]) -> set[str]:
    """Of these ids those of which something was erased here, and may be kept out."""
    return {
        row[0]
        for part in parts(sorted(set(stix_ids)))
        for row in tx.execute(
            select(identifiers.c.stix_id).where(
                identifiers.c.stix_id.in_(part), identifiers.c.barred_at.is_not(None)
            )
        )
    }


def released_once(
    tx: Transaction, view: int, stix_ids: Collection[str], *, upto: int
) -> set[tuple[str, str]]:
    """(id, version) of what was released into a view up to a position, whether it still stands or not."""
    found: set[tuple[str, str]] = set()
    for part in parts(sorted(set(stix_ids))):
        numbers = list(
            tx.execute(
                select(objects.c.id)
                .join(identifiers, identifiers.c.num == objects.c.ident)
                .where(identifiers.c.stix_id.in_(part))
            ).scalars()
        )
        for some in parts(numbers):
            rows = tx.execute(
                select(identifiers.c.stix_id, objects.c.version)
                .select_from(release_log)
                .join(objects, objects.c.id == release_log.c.object)
                .join(identifiers, identifiers.c.num == objects.c.ident)
                .where(
                    release_log.c.view == view,
                    release_log.c.position <= upto,
                    release_log.c.kind == LineKind.RELEASE.value,
                    release_log.c.object.in_(some),
                )
                .distinct()
            )
            found |= {(row[0], row[1]) for row in rows}
    return found


def _shown(view: int) -> Select[Any]:
    return _in_force(view).where(live.c.is_last == 1)


def _in_force(view: int) -> Select[Any]:
    return (
        select(live.c.position, identifiers.c.stix_id, live.c.version, renditions.c.digest)
        .join(identifiers, identifiers.c.num == live.c.ident)
        .join(renditions, renditions.c.id == live.c.rendition)
        .where(live.c.view == view)
    )


def _handed_in(partner: int, collection: int) -> Select[Any]:
    return (
        select(objects.c.id, identifiers.c.stix_id, objects.c.version, renditions.c.digest)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(renditions, renditions.c.id == objects.c.rendition)
        .join(
            memberships,
            and_(memberships.c.object == objects.c.id, memberships.c.collection == collection),
        )
        .where(objects.c.origin == partner, ~_ERASED)
    )


def _of(collection: int) -> Select[Any]:
    return (
        select(
            objects.c.id, identifiers.c.stix_id, objects.c.version, objects.c.version_key,
            objects.c.origin, objects.c.status, renditions.c.digest, objects.c.kept_out, _ERASED,
            memberships.c.object, memberships.c.taken_back_by, identifiers.c.blocked_at,
        )
        .select_from(objects)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(renditions, renditions.c.id == objects.c.rendition)
        .outerjoin(
            memberships,
            and_(memberships.c.object == objects.c.id, memberships.c.collection == collection),
        )
        .where(objects.c.status != ObjectStatus.DERIVATIVE.value)
    )  # fmt: skip


def _held(row: Sequence[Any]) -> Held:
    return Held(
        row[0], row[1], row[2], row[3], row[4], row[5], bytes(row[6]), bool(row[7]), bool(row[8]),
        row[9] is not None, row[10], row[11] is not None,
    )  # fmt: skip


def _begins(part: str) -> ColumnElement[bool]:
    return identifiers.c.stix_id.like(f"%--{part}%")


def _lines(tx: Transaction, statement: Select[Any]) -> Iterator[Line]:
    with streamed(tx, statement) as rows:
        for row in rows:
            yield Line(row[0], row[1], row[2], bytes(row[3]))
