"""What a log holds for a statement, and what of a statement we hold.

1. Only lines in force are listed; what was withdrawn is in no statement (invariant 1).
2. What a statement covers is noted once, with what opens its commitment; the salt goes when the object is erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Integer, and_, bindparam, func, select, update

from cert_exchange.store import deliveries as statement_rows
from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statement_rows import StatementRow
from cert_exchange.store.statements import Kept, parts
from cert_exchange.store.tables import (
    delivered,
    erased_objects,
    identifiers,
    live,
    objects,
    quarantine,
    release_log,
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A line in force of a view, as a commitment needs it. `version` is empty for an observable."""

    stix_id: str
    version: str
    content: bytes
    salt: bytes
    is_last: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A version that we hold from a partner. `version` is empty for an observable."""

    object: int
    ident: int
    stix_id: str
    version: str
    content: bytes
    erased: bool
    """its bytes are gone, and `content` says nothing"""


_BOTH: Final = 2
_AROUND: Final = Kept(
    select(live.c.position)
    .where(
        live.c.view == bindparam("view"),
        live.c.position > bindparam("after"),
        live.c.position <= bindparam("head"),
        live.c.origin != bindparam("partner"),
    )
    .order_by(live.c.position)
    .limit(_BOTH)
    .offset(bindparam("skip", type_=Integer))
)
"""The last line that a batch has room for, and the one after it."""


_ANY: Final = Kept(
    select(live.c.position)
    .where(
        live.c.view == bindparam("view"),
        live.c.position > bindparam("after"),
        live.c.position <= bindparam("upto"),
        live.c.origin != bindparam("partner"),
    )
    .limit(1)
)


def end_of_batch(
    tx: Transaction, view: int, *, after: int, head: int, partner: int, limit: int
) -> int:
    """Where a statement that begins after a position ends: at the head, or with the last of `limit` lines in force."""
    asked = {"view": view, "after": after, "head": head, "partner": partner, "skip": limit - 1}
    around = _AROUND.rows(tx, asked)
    return int(around[0][0]) if len(around) == _BOTH else head


def holds_any(tx: Transaction, view: int, *, after: int, upto: int, partner: int) -> bool:
    """Whether a line that a partner may see is in force in (after, upto]."""
    return bool(_ANY.rows(tx, {"view": view, "after": after, "upto": upto, "partner": partner}))


def lines(tx: Transaction, view: int, *, after: int, upto: int, partner: int) -> list[Listed]:
    """The lines in force in (after, upto] that a partner may see, in order."""
    rows = tx.execute(
        select(
            identifiers.c.stix_id, live.c.version, objects.c.observable,
            objects.c.sameness, release_log.c.salt, live.c.is_last,
        )
        .join(identifiers, identifiers.c.num == live.c.ident)
        .join(objects, objects.c.id == live.c.object)
        .join(
            release_log,
            and_(release_log.c.view == live.c.view, release_log.c.position == live.c.position),
        )
        .where(
            live.c.view == view,
            live.c.position > after,
            live.c.position <= upto,
            live.c.origin != partner,
            release_log.c.salt.is_not(None),
        )
        .order_by(live.c.position)
    )  # fmt: skip
    return [
        Listed(row[0], "" if row[2] else row[1], bytes(row[3]), bytes(row[4]), bool(row[5]))
        for row in rows
    ]


def held(tx: Transaction, partner: int, stix_ids: Iterable[str]) -> list[Held]:
    """The versions that we hold from a partner of these ids."""
    found = []
    for part in parts(stix_ids):
        rows = tx.execute(
            select(
                objects.c.id, objects.c.ident, identifiers.c.stix_id, objects.c.version,
                objects.c.observable, objects.c.sameness, erased_objects.c.object.is_not(None),
            )
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .outerjoin(erased_objects, erased_objects.c.object == objects.c.id)
            .where(identifiers.c.stix_id.in_(part), objects.c.origin == partner)
            .order_by(objects.c.id)
        )  # fmt: skip
        found += [
            Held(row[0], row[1], row[2], "" if row[4] else row[3], bytes(row[5]), bool(row[6]))
            for row in rows
        ]
    return found


def barred(tx: Transaction, stix_ids: Iterable[str]) -> set[str]:
    """Which of these ids were erased here and are not taken in again."""
    found: set[str] = set()
    for part in parts(stix_ids):
        c = identifiers.c
        rows = tx.execute(select(c.stix_id).where(c.stix_id.in_(part), c.barred_at.is_not(None)))
        found.update(rows.scalars())
    return found


def others_hold(tx: Transaction, partner: int, stix_ids: Iterable[str]) -> set[tuple[str, bytes]]:
    """(id, content) of what we hold of these ids from anybody else, our own desk among them."""
    found: set[tuple[str, bytes]] = set()
    for part in parts(stix_ids):
        rows = tx.execute(
            select(identifiers.c.stix_id, objects.c.sameness)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .where(identifiers.c.stix_id.in_(part), objects.c.origin != partner)
        )
        found.update((row[0], bytes(row[1])) for row in rows)
    return found


def refusals(
    tx: Transaction, partner: int, stix_ids: Iterable[str]
) -> dict[tuple[str, str], tuple[str, str]]:
    """(id, version) -> (kind, reason) of what of a partner's was not taken."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    c = quarantine.c
    for part in parts(stix_ids):
        rows = tx.execute(
            select(c.stix_id, c.version, c.kind, c.reason)
            .where(c.stix_id.in_(part), c.origin == partner)
            .order_by(c.id)
        )
        found.update({(row[0], row[1] or ""): (row[2], row[3]) for row in rows})
    return found


def cover(tx: Transaction, statement: int, places: Sequence[tuple[int, int, bytes]]) -> None:
    """Note which statement covers object versions: (object, place, salt). What one covers already stays as it is."""
    known: set[int] = set()
    for part in parts(number for number, _, _ in places):
        rows = tx.execute(select(delivered.c.object).where(delivered.c.object.in_(part)))
        known.update(rows.scalars())
    c = delivered.c
    fresh = {number: (number, statement, place, salt) for number, place, salt in places}
    insert_rows(
        tx,
        (c.object, c.statement, c.place, c.salt),
        [row for number, row in fresh.items() if number not in known],
    )


def covered(tx: Transaction, numbers: Iterable[int]) -> dict[int, StatementRow]:
    """Object version -> the statement that covers it."""
    by_object: dict[int, int] = {}
    for part in parts(numbers):
        rows = tx.execute(
            select(delivered.c.object, delivered.c.statement).where(delivered.c.object.in_(part))
        )
        by_object.update((row[0], row[1]) for row in rows)
    known = statement_rows.by_numbers(tx, sorted(set(by_object.values())))
    return {number: known[statement] for number, statement in by_object.items()}


def is_kept_aside(tx: Transaction, partner: int, kind: str, version: str) -> bool:
    """Whether something of this kind and version stands in the quarantine already."""
    c = quarantine.c
    wanted = select(c.id).where(c.origin == partner, c.kind == kind, c.version == version).limit(1)
    return tx.execute(wanted).first() is not None


def kept_aside_since(tx: Transaction, kind: str, since: int) -> dict[int, int]:
    """Partner -> how many of this kind came into the quarantine since then."""
    c = quarantine.c
    rows = tx.execute(
        select(c.origin, func.count()).where(c.kind == kind, c.at >= since).group_by(c.origin)
    )
    return {row[0]: int(row[1]) for row in rows}


def places_of(tx: Transaction, statement: int) -> set[int]:
    """The places of a statement whose objects we hold as it covers them."""
    wanted = select(delivered.c.place).where(delivered.c.statement == statement)
    return set(tx.execute(wanted).scalars())


def places(tx: Transaction, numbers: Iterable[int]) -> dict[int, int]:
    """Object version -> its place among the commitments of the statement that covers it."""
    found: dict[int, int] = {}
    for part in parts(numbers):
        c = delivered.c
        found.update(
            (row[0], row[1])
            for row in tx.execute(select(c.object, c.place).where(c.object.in_(part)))
        )
    return found


def close(tx: Transaction, numbers: Iterable[int]) -> None:
    """Forget what opens the commitments of object versions that are erased; the commitments stay, closed for ever."""
    for part in parts(numbers):
        tx.execute(update(delivered).where(delivered.c.object.in_(part)).values(salt=None))
