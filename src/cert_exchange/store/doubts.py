"""What partners hold against objects of ours: open until a person has looked at it, and kept afterwards.

1. A row belongs to one version of a partner's opinion and one object of ours. What the partner says there is read from
   the opinion's own bytes, never kept twice.
2. A doubt counts only of what its partner was shown, under the object's own id or as a derivative (DECISIONS 16).
3. Nothing here decides; instants are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import func, insert, select, update

from cert_exchange.store import disclosures
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    LineKind,
    ObjectStatus,
    audience_members,
    derived_ids,
    doubts,
    identifiers,
    live,
    objects,
    partners,
    release_log,
    renditions,
)

_CARRIED: Final = ("identity", "marking-definition", "extension-definition")
"""What goes along with other objects is nobody's to doubt."""
_ours = identifiers.alias("ours")


class DoubtState(StrEnum):
    """What became of a doubt. An `open` one holds further release; a `noted` one was never meant to."""

    OPEN = "open"
    NOTED = "noted"
    KEPT = "kept"
    REVOKED = "revoked"
    TAKEN_BACK = "taken back"


@dataclass(frozen=True, slots=True)
class NewDoubt:
    """A partner's opinion (objects.id) against an object of ours (identifiers.num)."""

    opinion: int
    ident: int
    word: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """One doubt as our people list it. `said` is the opinion's body."""

    ident: int
    stix_id: str
    partner: str
    word: str
    opinion: str
    raised_at: int
    state: DoubtState
    ended_at: int | None
    ended_by: str | None
    remark: str | None
    body: str


def shown_of_ours(tx: Transaction, targets: Collection[int], partner: int) -> dict[int, int]:
    """Of these ids, those that a partner was shown and that are ours: the id -> our object's."""
    found: dict[int, int] = {}
    for part in parts(sorted(targets)):
        derived = (
            select(derived_ids.c.ident, derived_ids.c.original)
            .join(audience_members, audience_members.c.audience == derived_ids.c.audience)
            .where(derived_ids.c.ident.in_(part), audience_members.c.partner == partner)
        )
        found.update((row[0], row[1]) for row in tx.execute(derived))
    views_ = disclosures.views_of(tx, partner)
    for part in parts(sorted(set(targets) - found.keys())):
        there = select(live.c.ident).where(live.c.view.in_(views_), live.c.ident.in_(part))
        found.update((row[0], row[0]) for row in tx.execute(there.distinct()))
    found.update((one, one) for one in _once_shown(tx, set(targets) - found.keys(), views_))
    ours = _own(tx, found.values())
    return {target: ident for target, ident in found.items() if ident in ours}


def _once_shown(tx: Transaction, idents: Collection[int], views_: Collection[int]) -> set[int]:
    """Of ids of ours, those that a line of these logs showed: no log has an index by object, so each is read once."""
    of: dict[int, int] = {}
    stored: list[int] = []
    for part in parts(sorted(idents)):
        rows = tx.execute(
            select(objects.c.id, objects.c.ident, objects.c.stored_at).where(
                objects.c.ident.in_(part),
                objects.c.origin == OWN,
                objects.c.status == ObjectStatus.ACCEPTED.value,
            )
        ).all()
        of.update((row[0], row[1]) for row in rows)
        stored += (row[2] for row in rows)
    shown: set[int] = set()
    for part in parts(sorted(of)):
        lines = select(release_log.c.object).where(
            release_log.c.view.in_(views_),
            release_log.c.position >= min(stored) - disclosures.MARGIN,
            release_log.c.object.in_(part),
            release_log.c.kind == LineKind.RELEASE.value,
        )
        shown.update(of[row[0]] for row in tx.execute(lines.distinct()))
    return shown


def _own(tx: Transaction, idents: Iterable[int]) -> set[int]:
    """Of these ids, those whose object our desk brought and that are no companions of others."""
    ours: set[int] = set()
    for part in parts(sorted(set(idents))):
        rows = tx.execute(
            select(objects.c.ident)
            .where(
                objects.c.ident.in_(part),
                objects.c.origin == OWN,
                objects.c.status == ObjectStatus.ACCEPTED.value,
                objects.c.type.not_in(_CARRIED),
            )
            .distinct()
        )
        ours.update(row[0] for row in rows)
    return ours


def raise_(
    tx: Transaction, found: Sequence[NewDoubt], *, partner: int, state: DoubtState, at: int
) -> None:
    """Write doubts down; what the same opinion held against the same objects before is `take_back`'s to end."""
    if found:
        tx.execute(
            insert(doubts),
            [
                {
                    "opinion": one.opinion,
                    "ident": one.ident,
                    "partner": partner,
                    "word": one.word,
                    "raised_at": at,
                    "state": state.value,
                }
                for one in found
            ],
        )


def count_open(tx: Transaction, *, partner: int | None = None) -> int:
    """How many doubts wait for a person, of one partner or all."""
    wanted = select(func.count()).where(doubts.c.state == DoubtState.OPEN.value)
    if partner is not None:
        wanted = wanted.where(doubts.c.partner == partner)
    return int(tx.execute(wanted).scalar_one())


def open_against(tx: Transaction) -> dict[int, tuple[str, ...]]:
    """Our objects (identifiers.num) that a doubt stands against, with the partners who doubt."""
    rows = tx.execute(
        select(doubts.c.ident, partners.c.name)
        .join(partners, partners.c.id == doubts.c.partner)
        .where(doubts.c.state == DoubtState.OPEN.value)
        .distinct()
        .order_by(doubts.c.ident, partners.c.name)
    )
    found: dict[int, tuple[str, ...]] = {}
    for ident, name in rows:
        found[ident] = (*found.get(ident, ()), name)
    return found


def take_back(tx: Transaction, opinions: Collection[int], *, partner: int, at: int) -> set[int]:
    """End what a partner's own opinions (identifiers.num) held: a later version came, or it was undone; against what."""
    ended: set[int] = set()
    for part in parts(sorted(opinions)):
        rows = tx.execute(
            select(doubts.c.opinion, doubts.c.ident)
            .join(objects, objects.c.id == doubts.c.opinion)
            .where(
                objects.c.ident.in_(part),
                doubts.c.partner == partner,
                doubts.c.state.in_((DoubtState.OPEN.value, DoubtState.NOTED.value)),
            )
        ).all()
        for opinion, ident in rows:
            tx.execute(
                update(doubts)
                .where(doubts.c.opinion == opinion, doubts.c.ident == ident)
                .values(state=DoubtState.TAKEN_BACK.value, ended_at=at)
            )
            ended.add(ident)
    return ended


def end(
    tx: Transaction,
    idents: Collection[int],
    state: DoubtState,
    *,
    at: int,
    by: str,
    remark: str,
) -> int:
    """A person has looked at all that is held against these objects; how many doubts ended."""
    ended = 0
    for part in parts(sorted(idents)):
        done = tx.execute(
            update(doubts)
            .where(
                doubts.c.ident.in_(part),
                doubts.c.state.in_((DoubtState.OPEN.value, DoubtState.NOTED.value)),
            )
            .values(state=state.value, ended_at=at, ended_by=by, remark=remark)
        )
        ended += done.rowcount
    return ended


def listed(
    conn: Transaction, states: Iterable[DoubtState], *, ident: int | None = None, limit: int
) -> list[Doubt]:
    """Doubts in these states, the oldest first."""
    wanted = (
        select(
            doubts.c.ident, _ours.c.stix_id, partners.c.name, doubts.c.word, identifiers.c.stix_id,
            doubts.c.raised_at, doubts.c.state, doubts.c.ended_at, doubts.c.ended_by, doubts.c.remark,
            renditions.c.body,
        )
        .join(objects, objects.c.id == doubts.c.opinion)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(renditions, renditions.c.id == objects.c.rendition)
        .join(_ours, _ours.c.num == doubts.c.ident)
        .join(partners, partners.c.id == doubts.c.partner)
        .where(doubts.c.state.in_([one.value for one in states]))
        .order_by(doubts.c.raised_at, doubts.c.opinion, doubts.c.ident)
        .limit(limit)
    )  # fmt: skip
    if ident is not None:
        wanted = wanted.where(doubts.c.ident == ident)
    return [Doubt(*row[:6], DoubtState(row[6]), *row[7:]) for row in conn.execute(wanted)]
