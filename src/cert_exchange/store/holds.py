"""What policy holds back for a time or until persons let it go.

1. A row of `holds` is the one hold that stands on a version for an audience in a collection: of several rules the one
   that holds longest. `hold_endings` keeps what ended a rule's hold for good, so that the next rule's comes up alone.
2. Since when a rule holds is kept as long as its hold stands, whatever is reconsidered; another rule's hold begins anew.
3. An expiry counts from there: an old object that a new rule holds is not expired at once.
4. Nothing here decides; that a hold expired is written by who has read the policy in force.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import and_, bindparam, delete, exists, insert, literal, select, union_all, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Kept, among, parts
from cert_exchange.store.tables import hold_approvals, hold_endings, holds, objects

_NONE: Final[frozenset[str]] = frozenset()
_KEY: Final = ("audience", "object", "collection", "rule")


class Outcome(StrEnum):
    """How a rule's hold ended for good."""

    RELEASED = "released"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Ended:
    """The rules whose hold on a version ended for good: by persons or by expiry, one way or the other."""

    released: frozenset[str] = _NONE
    denied: frozenset[str] = _NONE


@dataclass(frozen=True, slots=True)
class HoldLine:
    """One object version held back from one audience in one collection. Instants are micros."""

    object: int
    collection: int
    rule: str
    reason: str
    due_at: int | None
    owner: str = ""
    expires: int | None = None
    """so long after the hold began it ends; in place of `due_at`"""
    on_expiry: Outcome | None = None
    approvals: int = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """A hold that stands, by numbers. Instants are micros."""

    audience: int
    object: int
    ident: int
    collection: int
    rule: str
    held_at: int
    due_at: int | None
    on_expiry: str | None
    approvals: int

    @property
    def key(self) -> tuple[int, int, int, str]:
        """Audience, object, collection and rule: what a person or an expiry ends."""
        return self.audience, self.object, self.collection, self.rule


_STANDING: Final = (
    select(
        holds.c.audience,
        holds.c.object,
        objects.c.ident,
        holds.c.collection,
        holds.c.rule,
        holds.c.held_at,
        holds.c.due_at,
        holds.c.on_expiry,
        holds.c.approvals,
    )
    .join(objects, objects.c.id == holds.c.object)
    .where(holds.c.released_at.is_(None))
)


def due(tx: Transaction, *, now: int, limit: int) -> list[Standing]:
    """Holds whose time has passed, by the number of their id."""
    rows = tx.execute(
        _STANDING.where(holds.c.due_at <= now).order_by(objects.c.ident, objects.c.id).limit(limit)
    )
    return [_standing(tuple(row)) for row in rows]


def standing_on(
    tx: Transaction,
    idents: Collection[int],
    *,
    audience: int | None = None,
    rule: str | None = None,
    reason: str | None = None,
) -> list[Standing]:
    """The holds that stand on versions of these ids."""
    terms = [
        column == value
        for column, value in (
            (holds.c.audience, audience),
            (holds.c.rule, rule),
            (holds.c.reason, reason),
        )
        if value is not None
    ]
    found: list[Standing] = []
    for part in parts(idents):
        rows = tx.execute(_STANDING.where(objects.c.ident.in_(part), *terms))
        found.extend(_standing(tuple(row)) for row in rows)
    return found


def _standing(
    row: tuple[int, int, int, int, str, int, int | None, str | None, int | None],
) -> Standing:
    return Standing(*row[:8], approvals=row[8] or 1)


def approvals(tx: Transaction, one: Standing) -> int:
    """How many persons let this hold go so far."""
    return len(_approvers(tx, one))


def approve(tx: Transaction, one: Standing, *, by: str, at: int) -> int:
    """Note that a person lets a hold go; how many persons have done so now, by names that differ in more than case."""
    known = _approvers(tx, one)
    if by.strip().casefold() not in known:
        key = dict(zip(_KEY, one.key, strict=True))
        tx.execute(insert(hold_approvals).values(**key, person=by, approved_at=at))
        known.add(by.strip().casefold())
    return len(known)


def _approvers(tx: Transaction, one: Standing) -> set[str]:
    key = dict(zip(_KEY, one.key, strict=True))
    persons = select(hold_approvals.c.person).where(
        *(hold_approvals.c[name] == value for name, value in key.items())
    )
    return {person.strip().casefold() for person in tx.execute(persons).scalars()}


def end(tx: Transaction, those: Sequence[Standing], outcome: Outcome, *, at: int, by: str) -> None:
    """These holds ended for good. The caller reconsiders their ids."""
    for one in those:
        key = dict(zip(_KEY, one.key, strict=True))
        tx.execute(
            delete(hold_endings).where(
                *(hold_endings.c[name] == value for name, value in key.items())
            )
        )
        tx.execute(
            insert(hold_endings).values(
                **key, outcome=outcome.value, held_at=one.held_at, ended_at=at, ended_by=by
            )
        )
        if outcome is Outcome.RELEASED:
            tx.execute(
                update(holds)
                .where(*(holds.c[name] == value for name, value in key.items()))
                .values(released_at=at, released_by=by)
            )


def reopen(tx: Transaction, idents: Collection[int], *, audience: int | None = None) -> int:
    """Forget that holds on versions of these ids ended in denial, and who let them go before; how many."""
    count = 0
    for part in parts(idents):
        of_part = hold_endings.c.object.in_(select(objects.c.id).where(objects.c.ident.in_(part)))
        terms = [of_part, hold_endings.c.outcome == Outcome.DENIED.value]
        if audience is not None:
            terms.append(hold_endings.c.audience == audience)
        denied = exists().where(
            *terms,
            *(hold_endings.c[name] == hold_approvals.c[name] for name in _KEY),
        )
        tx.execute(delete(hold_approvals).where(denied))
        count += tx.execute(delete(hold_endings).where(*terms)).rowcount
    return count


# An older program over the same database writes releases into the hold's own row only.
_ENDED: Final = Kept(
    union_all(
        select(
            holds.c.object, holds.c.collection, holds.c.rule, literal(Outcome.RELEASED.value)
        ).where(
            holds.c.audience == bindparam("audience"),
            among(holds.c.object, "objects"),
            holds.c.released_at.is_not(None),
        ),
        select(
            hold_endings.c.object,
            hold_endings.c.collection,
            hold_endings.c.rule,
            hold_endings.c.outcome,
        ).where(
            hold_endings.c.audience == bindparam("audience"),
            among(hold_endings.c.object, "objects"),
        ),
    ),
    "objects",
)


def ended_rules(
    tx: Transaction, audience: int, object_ids: Iterable[int]
) -> dict[tuple[int, int], Ended]:
    """(object, collection) -> the rules whose hold ended for good for this audience."""
    released: dict[tuple[int, int], set[str]] = {}
    denied: dict[tuple[int, int], set[str]] = {}
    for number, collection, rule, outcome in _ENDED.among(
        tx, "objects", object_ids, audience=audience
    ):
        into = released if outcome == Outcome.RELEASED else denied
        into.setdefault((number, collection), set()).add(rule)
    return {
        key: Ended(frozenset(released.get(key, ())), frozenset(denied.get(key, ())))
        for key in released.keys() | denied.keys()
    }


def held_in(conn: Transaction, audiences_: Collection[int], idents: Iterable[int]) -> set[int]:
    """Which of these ids have a version that a hold stands on in one of the audiences."""
    found: set[int] = set()
    for part in parts(idents):
        rows = conn.execute(
            select(objects.c.ident)
            .join(holds, holds.c.object == objects.c.id)
            .where(
                holds.c.audience.in_(sorted(audiences_)),
                holds.c.released_at.is_(None),
                objects.c.ident.in_(part),
            )
        )
        found.update(row[0] for row in rows)
    return found


def forget_open(tx: Transaction, audience: int) -> None:
    """Drop the open holds of an audience whose policy holds nothing any more."""
    tx.execute(delete(holds).where(holds.c.audience == audience, holds.c.released_at.is_(None)))


def replace_holds(
    tx: Transaction,
    audience: int,
    considered: Collection[int],
    rows: Sequence[HoldLine],
    *,
    at: int,
) -> None:
    """Drop the open holds of these versions and write those that stand now; what ended stays in `hold_endings`."""
    kept: dict[tuple[int, int, str], int] = {}
    for part in parts(considered):
        where = and_(
            holds.c.audience == audience,
            holds.c.object.in_(part),
            holds.c.released_at.is_(None),
        )
        for row in tx.execute(
            select(holds.c.object, holds.c.collection, holds.c.rule, holds.c.held_at).where(where)
        ):
            kept[row[0], row[1], row[2]] = row[3]
        tx.execute(delete(holds).where(where))
    if not rows:
        return
    for one in rows:  # a released hold of another rule gives way to the one that stands now
        tx.execute(
            delete(holds).where(
                holds.c.audience == audience,
                holds.c.object == one.object,
                holds.c.collection == one.collection,
            )
        )
    tx.execute(
        insert(holds),
        [_row(audience, row, kept.get((row.object, row.collection, row.rule), at)) for row in rows],
    )


def _row(audience: int, row: HoldLine, held_at: int) -> dict[str, object]:
    return {
        "audience": audience,
        "object": row.object,
        "collection": row.collection,
        "rule": row.rule,
        "reason": row.reason,
        "held_at": held_at,
        "due_at": row.due_at if row.expires is None else held_at + row.expires,
        "owner": row.owner or None,
        "on_expiry": None if row.on_expiry is None else row.on_expiry.value,
        "approvals": row.approvals if row.approvals > 1 else None,
    }
