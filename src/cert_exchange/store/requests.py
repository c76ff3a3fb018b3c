"""Notes between desks as they are stored: those that bear our extension, and what refers to them.

1. Reading only; what a note is, and whose word counts, is said by `services.requesting`. What it says is read only of those
   that are asked for: most requests were settled long ago.
2. Accepted versions only: what somebody sent under another's id is a proposal, and nobody's word.
3. Of each side so many of the newest are read: no partner's flood hides what another, or we, said.
4. Instants are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, and_, exists, func, select

from cert_exchange.messages.requests import EXTENSION
from cert_exchange.stix.references import Role
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    ObjectStatus,
    audience_members,
    identifiers,
    live,
    memberships,
    objects,
    references,
    renditions,
    views,
)

MOST: Final = 10_000
"""So many notes of each side are read."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One version of a note."""

    object: int
    ident: int
    stix_id: str
    version: str
    version_key: str
    origin: int
    sameness: bytes
    revoked: bool
    stored_at: int
    in_use: bool
    """whether it was not taken back from every collection"""
    taken_back_at: int | None
    """when it was taken back from the last one of those that it was taken back from"""
    kept_out: bool
    """whether it waits for a person of ours at the way in"""
    body: str


class Outline(NamedTuple):
    """One version of a note without what it says. A tuple: `status` reads all there are."""

    object: int
    ident: int
    stix_id: str
    version_key: str
    origin: int
    revoked: bool
    version: str
    stored_at: int


_borne = references.alias("borne")
_ASKS: Final = '"what":"request"'
"""So a request says in its canonical bytes that it is one; inside a text the quotes would have backslashes."""
_LETTERS: Final = (
    select(
        objects.c.id, objects.c.ident, identifiers.c.stix_id, objects.c.version,
        objects.c.version_key, objects.c.origin, objects.c.sameness, objects.c.revoked,
        objects.c.stored_at,
        exists().where(
            memberships.c.object == objects.c.id, memberships.c.taken_back_at.is_(None)
        ),
        select(func.max(memberships.c.taken_back_at))
        .where(memberships.c.object == objects.c.id)
        .scalar_subquery(),
        objects.c.kept_out, renditions.c.body,
    )
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .join(renditions, renditions.c.id == objects.c.rendition)
    .where(objects.c.status == ObjectStatus.ACCEPTED.value, objects.c.type == "note")
)  # fmt: skip
_OUTLINES: Final = (
    select(
        objects.c.id, objects.c.ident, identifiers.c.stix_id, objects.c.version_key,
        objects.c.origin, objects.c.revoked, objects.c.version, objects.c.stored_at,
    )
    .join(_borne, _borne.c.source == objects.c.id)
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .where(objects.c.status == ObjectStatus.ACCEPTED.value, objects.c.type == "note")
)  # fmt: skip


def _extension(tx: Transaction) -> int | None:
    """The number of our extension's id; None before any note bore it."""
    return tx.execute(
        select(identifiers.c.num).where(identifiers.c.stix_id == EXTENSION)
    ).scalar_one_or_none()


def asking(tx: Transaction, origins: Iterable[int]) -> list[Outline]:
    """The notes of these sides that may be requests, the oldest first; of each side MOST."""
    number = _extension(tx)
    if number is None:
        return []
    wanted = (
        _OUTLINES.join(renditions, renditions.c.id == objects.c.rendition)
        .where(_borne.c.target == number, renditions.c.body.contains(_ASKS, autoescape=True))
        .order_by(objects.c.id.desc())
        .limit(MOST)
    )
    found = [row for one in origins for row in tx.execute(wanted.where(objects.c.origin == one))]
    return sorted((Outline(*row) for row in found), key=lambda one: one.object)


def spoken(tx: Transaction, origins: Iterable[int]) -> list[tuple[int, Outline]]:
    """(what it refers to, note) of all that these sides said with our extension; of each side MOST rows."""
    number = _extension(tx)
    if number is None:
        return []
    wanted = (
        _OUTLINES.add_columns(references.c.target)
        .join(references, references.c.source == objects.c.id)
        .where(_borne.c.target == number, references.c.role == Role.REQUIRED.value)
        .order_by(objects.c.id.desc())
        .limit(MOST)
    )
    found = [row for one in origins for row in tx.execute(wanted.where(objects.c.origin == one))]
    return [(target, Outline(*row)) for *row, target in found]


def letters(tx: Transaction, numbers: Iterable[int]) -> list[Letter]:
    """These notes (objects.id), the oldest first."""
    found: list[Letter] = []
    for part in parts(sorted(numbers)):
        found += _read(tx, _LETTERS.where(objects.c.id.in_(part)))
    return sorted(found, key=lambda one: one.object)


def referring(
    tx: Transaction, idents: Collection[int], origins: Iterable[int]
) -> dict[int, list[Letter]]:
    """Id -> the notes of these sides that refer to it, with or without our extension, the oldest first."""
    found: dict[int, list[Letter]] = {}
    sides = list(origins)
    for part in parts(sorted(idents)):
        wanted = (
            _LETTERS.add_columns(references.c.target)
            .join(references, references.c.source == objects.c.id)
            .where(references.c.target.in_(part), references.c.role == Role.REQUIRED.value)
            .order_by(objects.c.id.desc())
            .limit(MOST)
        )
        for origin in sides:
            for *row, target in tx.execute(wanted.where(objects.c.origin == origin)):
                found.setdefault(target, []).append(_letter(row))
    return {target: sorted(those, key=lambda one: one.object) for target, those in found.items()}


def newest(tx: Transaction) -> int:
    """The number of the newest note that bears our extension; 0 where there is none."""
    number = _extension(tx)
    if number is None:
        return 0
    found = tx.execute(
        select(func.max(references.c.source)).where(references.c.target == number)
    ).scalar()
    return int(found or 0)


def places_of(
    tx: Transaction, idents: Collection[int]
) -> dict[int, dict[int, list[tuple[int, int]]]]:
    """Id -> partner -> (view, position) of its lines in force that the partner may poll."""
    found: dict[int, dict[int, list[tuple[int, int]]]] = {}
    for part in parts(sorted(idents)):
        rows = tx.execute(
            select(live.c.ident, audience_members.c.partner, live.c.view, live.c.position)
            .join(views, views.c.id == live.c.view)
            .join(
                audience_members,
                and_(
                    audience_members.c.audience == views.c.audience,
                    audience_members.c.until.is_(None),
                ),
            )
            .where(live.c.ident.in_(part))
        )
        for ident, partner, view, position in rows:
            found.setdefault(ident, {}).setdefault(partner, []).append((view, position))
    return found


def _read(tx: Transaction, statement: Select[Any]) -> list[Letter]:
    return [_letter(row) for row in tx.execute(statement)]


def _letter(row: Any) -> Letter:
    return Letter(
        row[0], row[1], row[2], row[3], row[4], row[5], bytes(row[6]), bool(row[7]), row[8],
        bool(row[9]), row[10], bool(row[11]), row[12],
    )  # fmt: skip
