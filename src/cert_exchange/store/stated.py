"""Which object of a partner's states which value, written down in parts after the objects: nobody who brings one waits.

1. `note_part` goes through the objects by number and remembers how far it came; two that run at once wait for each other.
2. A number that was reserved is seen after its commit, which may be later than that of a higher one: what was stored in the
   last `SETTLING` micros is left for the next time.
3. Keys only (`policy.stating`); erasing an object takes its own along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import and_, delete, or_, select, update

from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    ObjectStatus,
    identifiers,
    node_facts,
    objects,
    partners,
    renditions,
    stated,
)

SETTLING: Final = 60_000_000
PART: Final = 2_000
_UPTO: Final = "stated.upto"
_PER_KEY: Final = 5
"""So many objects of one value are looked at."""
Keys = Callable[[Mapping[str, Any]], Mapping[bytes, str]]


_SILENT: Final = (
    "grouping", "identity", "marking-definition", "note", "opinion", "relationship", "report", "sighting",
)  # fmt: skip
_THEIRS: Final = objects.c.origin.in_(select(partners.c.id))
# Of ours only what was revoked is compared: what our desk publishes at night would be most of it.
_COMPARED: Final = and_(
    objects.c.status == ObjectStatus.ACCEPTED.value,
    objects.c.type.not_in(_SILENT),
    or_(_THEIRS, objects.c.revoked.is_(True)),
)


@dataclass(frozen=True, slots=True)
class Stating:
    """The newest accepted version of an object that states a value. `partner` is None for one of ours."""

    ident: int
    stix_id: str
    partner: str | None
    revoked: bool
    content: Mapping[str, Any]


def note_part(tx: Transaction, keys: Keys, *, now: int, limit: int = PART) -> int:
    """Write down what the next objects state; how many were looked at, 0 when there is none left."""
    # As a lock: who comes second reads what the first has written.
    tx.execute(update(node_facts).where(node_facts.c.name == _UPTO).values(name=_UPTO))
    upto = int(
        tx.execute(select(node_facts.c.value).where(node_facts.c.name == _UPTO)).scalar() or 0
    )
    settled = objects.c.stored_at <= now - SETTLING
    rows = tx.execute(
        select(objects.c.id, renditions.c.body)
        .join(renditions, renditions.c.id == objects.c.rendition)
        .where(objects.c.id > upto, settled, _COMPARED)
        .order_by(objects.c.id)
        .limit(limit)
    ).all()
    if len(rows) == limit:
        last = rows[-1][0]
    else:  # nothing that is compared is left below the newest that has settled
        newest = select(objects.c.id).where(settled).order_by(objects.c.id.desc()).limit(1)
        last = max(tx.execute(newest).scalar() or 0, upto)
    found = [(key, number) for number, body in rows for key in keys(orjson.loads(body))]
    insert_rows(tx, (stated.c.digest, stated.c.object), found)
    tx.execute(update(node_facts).where(node_facts.c.name == _UPTO).values(value=str(last)))
    return len(rows)


def stating(conn: Transaction, keys: Iterable[bytes]) -> dict[int, Stating]:
    """The objects that state any of these values, by identifiers.num; what is erased is not among them."""
    idents: set[int] = set()
    for part in parts(sorted(set(keys))):
        counts: dict[bytes, int] = {}
        rows = conn.execute(
            select(stated.c.digest, objects.c.ident)
            .join(objects, objects.c.id == stated.c.object)
            .where(stated.c.digest.in_(part), objects.c.status == ObjectStatus.ACCEPTED.value)
            .order_by(stated.c.digest, stated.c.object.desc())
        )
        for key, ident in rows:
            digest = bytes(key)
            counts[digest] = counts.get(digest, 0) + 1
            if counts[digest] <= _PER_KEY:
                idents.add(ident)
    return newest_of(conn, idents)


def fresh(conn: Transaction, *, limit: int) -> dict[int, Stating] | None:
    """The objects of partners of which it is not written down yet what they state; None where they are more than `limit`."""
    upto = int(
        conn.execute(select(node_facts.c.value).where(node_facts.c.name == _UPTO)).scalar() or 0
    )
    rows = conn.execute(
        select(objects.c.ident)
        .where(
            _THEIRS,
            objects.c.id > upto,
            objects.c.status == ObjectStatus.ACCEPTED.value,
            objects.c.type.not_in(_SILENT),
        )
        .limit(limit + 1)
    ).all()
    return None if len(rows) > limit else newest_of(conn, {row[0] for row in rows})


def newest_of(conn: Transaction, idents: Iterable[int]) -> dict[int, Stating]:
    """The newest accepted versions of these ids."""
    found: dict[int, Stating] = {}
    for part in parts(sorted(idents)):
        rows = conn.execute(
            select(
                objects.c.ident, identifiers.c.stix_id, partners.c.name, objects.c.revoked,
                renditions.c.body,
            )
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .join(renditions, renditions.c.id == objects.c.rendition)
            .outerjoin(partners, partners.c.id == objects.c.origin)
            .where(objects.c.ident.in_(part), objects.c.status == ObjectStatus.ACCEPTED.value)
            .order_by(objects.c.ident, objects.c.version_key)
        )  # fmt: skip
        for ident, stix_id, partner, revoked, body in rows:
            found[ident] = Stating(ident, stix_id, partner, bool(revoked), orjson.loads(body))
    return found


def forget(tx: Transaction, numbers: Iterable[int]) -> None:
    """Drop the keys of these versions (objects.id): they are erased."""
    for part in parts(numbers):
        tx.execute(delete(stated).where(stated.c.object.in_(part)))
