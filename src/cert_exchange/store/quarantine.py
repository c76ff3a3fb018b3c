"""Rows of the quarantine: what was not taken in, by us or by a partner's server, with its reason and its bytes.

1. Bytes that no text column can hold as they came are kept in base64 (`as_text`): what is shown, or goes the way in once
   more, is what came, never a mended copy.
2. Evidence (a statement that was broken) is neither discarded nor forgotten here; nor is what stands under a legal hold.
3. A row that is refused again keeps its number and the instant at which it came; so does one whose sender sends the same
   bytes once more (`kept_before`): a server that is asked for the same time again fills nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, update

from cert_exchange.store.database import Transaction
from cert_exchange.store.outgoing import READY, Ready
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    collections,
    identifiers,
    legal_holds,
    live,
    partners,
    quarantine,
)

REJECTED: Final = "rejected"
CONFLICT: Final = "conflict"
REFUSED_BY_TARGET: Final = "refused_by_target"
EVIDENCE: Final = "statement"
KINDS: Final = (REJECTED, CONFLICT, REFUSED_BY_TARGET, EVIDENCE)
_AS_BYTES: Final = "base64:"
_LOOKED_AT: Final = 4

_c = quarantine.c


@dataclass(frozen=True, slots=True)
class Kept:
    """One row. `size` counts the characters that are kept, None where nothing is; `at` in micros."""

    number: int
    origin: int
    """the partner that sent it; OWN for what a target refused of ours"""
    sender: str | None
    """the partner's name"""
    collection: int | None
    collection_name: str | None
    kind: str
    stix_id: str | None
    version: str | None
    reason: str
    size: int | None
    at: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a listing asks for; None does not restrict."""

    origin: int | None = None
    kind: str | None = None
    about: str | None = None
    """text anywhere in the reason, in any letter case"""
    stix_id: str | None = None
    since: int | None = None
    numbers: tuple[int, ...] = ()
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows went because of their age, and because one sender had too many."""

    old: int = 0
    crowded: int = 0


def as_text(raw: bytes) -> str:
    """Bytes as the column keeps them."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if not text or "\x00" in text or text.startswith(_AS_BYTES):
        return _AS_BYTES + base64.b64encode(raw).decode("ascii")
    return text


def as_bytes(text: str) -> bytes:
    """What `as_text` kept."""
    if text.startswith(_AS_BYTES):
        try:
            return base64.b64decode(text[len(_AS_BYTES) :], validate=True)
        except (binascii.Error, ValueError):
            pass  # written by a release before this one, as it came
    return text.encode("utf-8")


def listed(tx: Transaction, wanted: Wanted) -> list[Kept]:
    """Rows, the newest first."""
    statement = _wanted().order_by(_c.id.desc()).limit(wanted.limit)
    for column, value in (
        (_c.origin, wanted.origin), (_c.kind, wanted.kind), (_c.stix_id, wanted.stix_id),
    ):  # fmt: skip
        if value is not None:
            statement = statement.where(column == value)
    if wanted.about is not None:
        statement = statement.where(
            func.lower(_c.reason).contains(wanted.about.lower(), autoescape=True)
        )
    if wanted.since is not None:
        statement = statement.where(_c.at >= wanted.since)
    if not wanted.numbers:
        return [Kept(*row) for row in tx.execute(statement)]
    found = [
        Kept(*row)
        for part in parts(sorted(set(wanted.numbers)))
        for row in tx.execute(statement.where(_c.id.in_(part)))
    ]
    return sorted(found, key=lambda one: -one.number)[: wanted.limit]


def raw_of(tx: Transaction, number: int) -> bytes | None:
    """The bytes of a row, None where none are kept."""
    text = tx.execute(select(_c.raw).where(_c.id == number)).scalar_one_or_none()
    return None if text is None else as_bytes(text)


def newest(tx: Transaction) -> int:
    """The greatest number there is, 0 without any."""
    return tx.execute(select(func.max(_c.id))).scalar() or 0


def kept_again(tx: Transaction, one: Kept, *, after: int, at: int) -> bool:
    """Move what was said of a row that was just refused once more into that row; False where nothing was written of it.

    `after`: the greatest number before it went the way in; `at`: when that was.
    """
    new = tx.execute(
        select(_c.id, _c.kind, _c.stix_id, _c.reason)
        .where(
            _c.id > after, _c.at == at, _c.origin == one.origin, _c.kind.in_((REJECTED, CONFLICT))
        )
        .order_by(_c.id.desc())
        .limit(1)
    ).one_or_none()
    if new is None:
        return False
    tx.execute(delete(quarantine).where(_c.id == new.id))
    say(tx, one.number, kind=new.kind, reason=new.reason)
    return True


def kept_before(
    tx: Transaction,
    *,
    origin: int,
    collection: int | None,
    kind: str,
    stix_id: str,
    version: str | None,
    raw: str | None,
) -> tuple[int, str] | None:
    """The number and the reason of what the same sender sent before and is kept for the same: the same bytes of one id.

    Only the newest few rows of an id are looked at: whoever sends ever other bytes under one costs no more than that.
    """
    rows = tx.execute(
        select(_c.id, _c.reason, _c.collection, _c.kind, _c.version, _c.raw)
        .where(_c.origin == origin, _c.stix_id == stix_id)
        .order_by(_c.id.desc())
        .limit(_LOOKED_AT)
    )
    for number, reason, *rest in rows:
        if rest == [collection, kind, version, raw]:
            return number, reason
    return None


def say(tx: Transaction, number: int, *, reason: str, kind: str | None = None) -> None:
    """Say anew why a row is here."""
    values = {"reason": reason} | ({} if kind is None else {"kind": kind})
    tx.execute(update(quarantine).where(_c.id == number).values(**values))


def remove(tx: Transaction, numbers: Collection[int]) -> int:
    """Delete these rows; how many there were."""
    gone = 0
    for part in parts(sorted(numbers)):
        gone += tx.execute(delete(quarantine).where(_c.id.in_(part))).rowcount
    return gone


def held_by_law(tx: Transaction, numbers: Collection[int]) -> set[int]:
    """Which of these a legal hold keeps."""
    found: set[int] = set()
    for part in parts(sorted(numbers)):
        found.update(tx.execute(select(_c.id).where(_c.id.in_(part), _HELD)).scalars())
    return found


def forget(tx: Transaction, *, before: int, characters: int) -> Forgotten:
    """Delete what came before an instant, and of each sender the oldest beyond so many characters."""
    mortal = and_(_c.kind != EVIDENCE, ~_HELD)
    old = tx.execute(delete(quarantine).where(_c.at < before, mortal)).rowcount
    crowded = 0
    sizes = select(_c.origin).group_by(_c.origin).having(func.sum(_LENGTH) > characters)
    for origin in tx.execute(sizes).scalars().all():
        running = func.sum(_LENGTH).over(order_by=_c.id.desc())
        within = select(_c.id.label("id"), running.label("sum")).where(_c.origin == origin)
        ranked = within.subquery()
        last = tx.execute(select(func.max(ranked.c.id)).where(ranked.c.sum > characters)).scalar()
        crowded += tx.execute(
            delete(quarantine).where(_c.origin == origin, _c.id <= last, mortal)
        ).rowcount
    return Forgotten(old, crowded)


def counts(tx: Transaction) -> Sequence[tuple[str | None, str, int]]:
    """(partner's name, None for ours; kind; how many rows), for figures."""
    rows = tx.execute(
        select(partners.c.name, _c.kind, func.count())
        .select_from(quarantine.outerjoin(partners, partners.c.id == _c.origin))
        .group_by(partners.c.name, _c.kind)
        .order_by(partners.c.name, _c.kind)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def served_now(
    tx: Transaction, view: int, *, partner: int, stix_id: str, version: str | None
) -> Ready | None:
    """What a target refused, as its view serves it now; without a version the last one. None where it is not in force."""
    wanted = (
        READY.where(live.c.view == view, live.c.origin != partner, identifiers.c.stix_id == stix_id)
        .order_by(live.c.position.desc())
        .limit(1)
    )
    wanted = wanted.where(live.c.is_last == 1 if version is None else live.c.version == version)
    row = tx.execute(wanted).one_or_none()
    return None if row is None else Ready(*row)


_LENGTH: Final = func.length(_c.reason) + func.coalesce(func.length(_c.raw), 0)
_HELD: Final[ColumnElement[bool]] = exists(
    select(legal_holds.c.id)
    .outerjoin(identifiers, identifiers.c.num == legal_holds.c.ident)
    .where(
        legal_holds.c.lifted_at.is_(None),
        or_(legal_holds.c.partner.is_(None), legal_holds.c.partner == _c.origin),
        or_(legal_holds.c.ident.is_(None), identifiers.c.stix_id == _c.stix_id),
    )
    .correlate(quarantine)
)
"""Whether a legal hold keeps it: over its sender, over its id, or over both together."""


def _wanted() -> Select[Any]:
    return select(
        _c.id,
        _c.origin,
        partners.c.name,
        _c.collection,
        func.coalesce(collections.c.alias, collections.c.uuid),
        _c.kind,
        _c.stix_id,
        _c.version,
        _c.reason,
        func.length(_c.raw),
        _c.at,
    ).select_from(
        quarantine.outerjoin(partners, partners.c.id == _c.origin).outerjoin(
            collections, collections.c.id == _c.collection
        )
    )


__all__ = [
    "CONFLICT", "EVIDENCE", "KINDS", "OWN", "REFUSED_BY_TARGET", "REJECTED", "Forgotten", "Kept", "Wanted", "as_bytes",
    "as_text", "counts", "forget", "held_by_law", "kept_again", "kept_before", "listed", "newest", "raw_of", "remove", "say",
    "served_now",
]  # fmt: skip
