"""What is remembered of heartbeats, one fact for each partner: written over, never added to.

1. An hour's beat changes a row and adds none, so that years of them cost what one costs.
2. Instants are micros since 1970 UTC.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from sqlalchemy import select

from cert_exchange.store import facts
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import delivery_statements, identifiers, live, objects, partners

_PREFIX: Final = "heartbeat/"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Settings of a person for one partner, and how its heartbeat stands."""

    off: bool = False
    silent_hours: float | None = None
    """after how long without anything from it an alarm is raised; None: only where heartbeats of it came before"""
    test_collection: str = ""
    """the collection of its server where tests may be written"""
    sent_at: int | None = None
    """when the last beat of ours left"""
    version: str = ""
    """its version"""
    seen_at: int | None = None
    """when the last beat left that is known to have arrived"""
    way: str = ""
    """how that is known"""
    trouble: str = ""
    """why the last one is not known to have arrived"""
    troubled_at: int | None = None
    """since when"""
    asked_at: int | None = None
    """when it was looked after last"""
    skew: int | None = None
    """micros that its clock is behind ours"""
    skew_at: int | None = None
    tls_ends_at: int | None = None
    """the end of the certificate that its server showed"""
    view: int | None = None
    """of ours: where the last beat stands"""
    position: int | None = None
    leaves: bool = False
    """whether its server lets us delete nothing: then there is one version a day"""
    said: str = ""
    """which alarms the log has told of"""


def state_of(tx: Transaction, partner: int) -> Heartbeat:
    """How it stands with a partner."""
    return _read(facts.fact(tx, f"{_PREFIX}{partner}"))


def every(tx: Transaction) -> dict[int, Heartbeat]:
    """All that is known, by the partner's number."""
    found = facts.facts_like(tx, _PREFIX)
    return {int(name.removeprefix(_PREFIX)): _read(text) for name, text in found.items()}


def put(tx: Transaction, partner: int, **values: Any) -> Heartbeat:
    """Change what is named, and keep the rest."""
    changed = Heartbeat(**{**asdict(state_of(tx, partner)), **values})
    facts.put_fact(tx, f"{_PREFIX}{partner}", json.dumps(asdict(changed), sort_keys=True))
    return changed


def _read(text: str | None) -> Heartbeat:
    if text is None:
        return Heartbeat()
    known = {one.name for one in fields(Heartbeat)}
    return Heartbeat(**{name: value for name, value in json.loads(text).items() if name in known})


def claim(tx: Transaction, partner: int, *, at: int, after: int) -> bool:
    """Take it upon oneself to beat for a partner now; False where somebody did so within the last `after` micros.

    A beat that was noted at a later instant than now was before the clock was set back, and holds nothing up.
    """
    tx.execute(select(partners.c.id).where(partners.c.id == partner).with_for_update())
    known = state_of(tx, partner)
    if known.asked_at is not None and 0 <= at - known.asked_at < after:
        return False
    put(tx, partner, asked_at=at)
    return True


def line_of(tx: Transaction, view: int, stix_id: str) -> tuple[int, str] | None:
    """Position and version of the newest version of an object that stands in a view."""
    row = tx.execute(
        select(live.c.position, live.c.version)
        .join(identifiers, identifiers.c.num == live.c.ident)
        .where(live.c.view == view, identifiers.c.stix_id == stix_id)
        .order_by(live.c.object.desc())
        .limit(1)
    ).first()
    return None if row is None else (row[0], row[1])


def has_receipt(tx: Transaction, partner: int, view: int, position: int) -> bool:
    """Whether the partner signed that it has what stands at a position of its view."""
    c = delivery_statements.c
    return (
        tx.execute(
            select(c.id)
            .where(
                c.partner == partner, c.ours == 1, c.view == view, c.after < position,
                c.upto >= position, c.receipt.is_not(None),
            )
            .limit(1)
        ).first()
        is not None
    )  # fmt: skip


def newest_from(tx: Transaction, partner: int) -> int | None:
    """When the newest thing was stored that came from a partner."""
    return tx.execute(
        select(objects.c.stored_at)
        .where(objects.c.origin == partner)
        .order_by(objects.c.id.desc())
        .limit(1)
    ).scalar()


def newest_beat(tx: Transaction, partner: int, ids: Collection[str]) -> int | None:
    """When the newest version of one of these ids was stored that came from a partner."""
    found = [
        tx.execute(
            select(objects.c.stored_at)
            .where(objects.c.ident == number, objects.c.origin == partner)
            .order_by(objects.c.version_key.desc())
            .limit(1)
        ).scalar()
        for number in tx.execute(
            select(identifiers.c.num).where(identifiers.c.stix_id.in_(sorted(ids)))
        )
        .scalars()
        .all()
    ]
    return max((one for one in found if one is not None), default=None)
