"""Taking bytes and salts away from rows that stay: what an erasure writes, and what is read of erasures.

1. A row stays, with its commitment in place of the salt, so that every ledger line verifies as before. What goes is the
   bytes, their digest (content is guessable, and a digest tells a guess right), what was read out of the bytes (creator,
   references, sameness), and what was written about the content beside it.
2. Bytes that another origin's copy shares stay that one's; the row that is erased then points at an empty rendition.
3. Nothing here decides, and nothing in force is erased: `services.erasing` takes it out of every view before.
4. On SQLite freed places are overwritten (`secure_delete`). What lies in unused places from before goes with `rewrite`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    bindparam,
    delete,
    exists,
    insert,
    literal,
    null,
    select,
    text,
    update,
)

from cert_exchange.messages.evidence import (
    ERASED_BODY,
    erased_digest,
    object_commitment,
    release_commitment,
)
from cert_exchange.store import delivered, delivery_blocks, delivery_leaves, stated
from cert_exchange.store.database import Transaction, reserve_ids
from cert_exchange.store.disclosures import MARGIN
from cert_exchange.store.erasable import Erasable, made_of
from cert_exchange.store.in_force import ENDED
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    ObjectStatus,
    derivatives,
    erased_objects,
    handling_dates,
    holds,
    kept_out,
    memberships,
    objects,
    quarantine,
    references,
    release_log,
    renditions,
    terms,
    views,
    waiting,
)

GONE: Final = "erased"
"""In place of words that quoted the content."""


@dataclass(frozen=True, slots=True)
class Wiped:
    """What one transaction erased: rows, and the commitments that stay of them."""

    versions: int
    derivatives: int
    lines: int
    """of the release logs"""
    commitments: tuple[bytes, ...]


def wipe_refused(tx: Transaction, origin: int) -> None:
    """What came from a partner, was refused, and is kept aside."""
    if tx.dialect.name == "sqlite":
        tx.execute(text("PRAGMA secure_delete = ON"))
    tx.execute(
        update(quarantine).where(quarantine.c.origin == origin).values(raw=null(), reason=GONE)
    )


def wipe(
    tx: Transaction, chosen: Sequence[Erasable], *, erasure: int, ledger_line: int, at: int
) -> Wiped:
    """Erase these versions, the derivatives made of them, and all log lines of both. They are in force nowhere."""
    if tx.dialect.name == "sqlite":
        tx.execute(text("PRAGMA secure_delete = ON"))
    made = made_of(tx, [one.object for one in chosen])
    rows = [*chosen, *made]
    numbers = [one.object for one in rows]
    elsewhere = _stand_ins(tx, rows)
    lines = _wipe_lines(tx, rows, elsewhere)
    commitments = _wipe_objects(tx, rows, elsewhere)
    _empty(tx, sorted({one.rendition for one in rows} - elsewhere.keys()))
    _wipe_beside(tx, numbers)
    _wipe_said(tx, chosen)
    tx.execute(
        insert(erased_objects),
        [
            {"object": number, "erasure": erasure, "erased_at": at, "ledger_line": ledger_line}
            for number in numbers
        ],
    )
    return Wiped(len(chosen), len(made), len(lines), (*commitments, *lines))


def _empty(tx: Transaction, rendition_ids: Sequence[int]) -> None:
    if rendition_ids:
        tx.execute(
            update(renditions)
            .where(renditions.c.id == bindparam("number"))
            .values(body=ERASED_BODY, size=len(ERASED_BODY), digest=bindparam("instead")),
            [{"number": one, "instead": erased_digest(one)} for one in rendition_ids],
        )


def _stand_ins(tx: Transaction, rows: Sequence[Erasable]) -> Mapping[int, int]:
    """Shared rendition -> the empty one that takes its place. Only copies of one id can share bytes."""
    numbers = {one.object for one in rows}
    wanted = {one.rendition for one in rows}
    shared: set[int] = set()
    for part in parts(sorted({one.ident for one in rows})):
        found = tx.execute(
            select(objects.c.id, objects.c.rendition).where(
                objects.c.ident.in_(part), objects.c.salt.is_not(None)
            )
        )
        shared.update(row[1] for row in found if row[0] not in numbers and row[1] in wanted)
    if not shared:
        return {}
    made = reserve_ids(tx, renditions, len(shared))
    tx.execute(
        insert(renditions),
        [
            {
                "id": one,
                "digest": erased_digest(one),
                "body": ERASED_BODY,
                "size": len(ERASED_BODY),
            }
            for one in made
        ],
    )
    return dict(zip(sorted(shared), made, strict=True))


def _wipe_lines(
    tx: Transaction, rows: Sequence[Erasable], elsewhere: Mapping[int, int]
) -> list[bytes]:
    """Take the salts of all log lines of these versions; the commitments that stay."""
    start = min(one.stored_at for one in rows) - MARGIN  # as `disclosures`: no index by object
    wiped: list[dict[str, Any]] = []
    for view in tx.execute(select(views.c.id).order_by(views.c.id)).scalars().all():
        for part in parts(one.object for one in rows):
            found = tx.execute(
                select(
                    release_log.c.position, release_log.c.kind, release_log.c.object,
                    release_log.c.rendition, release_log.c.policy, release_log.c.rule,
                    release_log.c.salt, renditions.c.digest,
                )
                .join(renditions, renditions.c.id == release_log.c.rendition)
                .where(
                    release_log.c.view == view,
                    release_log.c.position >= start,
                    release_log.c.object.in_(part),
                    release_log.c.salt.is_not(None),
                )
            )  # fmt: skip
            for row in found:
                commitment = release_commitment(
                    bytes(row.salt), view, row.position, row.kind, bytes(row.digest),
                    object_id=row.object, policy=row.policy, rule=row.rule,
                )  # fmt: skip
                wiped.append(
                    {
                        "v": view, "p": row.position, "kept": commitment,
                        "instead": elsewhere.get(row.rendition, row.rendition),
                    }
                )  # fmt: skip
    if wiped:
        lines = [(one["v"], one["p"]) for one in wiped]
        delivery_leaves.forget(tx, lines)
        delivery_blocks.close(tx, lines)
        tx.execute(
            update(release_log)
            .where(release_log.c.view == bindparam("v"), release_log.c.position == bindparam("p"))
            .values(salt=null(), commitment=bindparam("kept"), rendition=bindparam("instead")),
            wiped,
        )
    return [one["kept"] for one in wiped]


def _wipe_objects(
    tx: Transaction, rows: Sequence[Erasable], elsewhere: Mapping[int, int]
) -> list[bytes]:
    wiped: list[dict[str, Any]] = [
        {
            "number": one.object,
            "kept": object_commitment(one.salt, one.stix_id, one.version, one.origin, one.digest),
            "nothing": os.urandom(32),
            "instead": elsewhere.get(one.rendition, one.rendition),
            "kind": one.status
            if one.status == ObjectStatus.DERIVATIVE.value
            else ObjectStatus.ERASED.value,
        }
        for one in rows
    ]
    tx.execute(
        update(objects)
        .where(objects.c.id == bindparam("number"))
        .values(
            salt=null(), commitment=bindparam("kept"), sameness=bindparam("nothing"),
            rendition=bindparam("instead"), status=bindparam("kind"), creator=null(),
        ),
        wiped,
    )  # fmt: skip
    made = [
        {"number": one.object, "nothing": os.urandom(32)}
        for one in rows
        if one.status == ObjectStatus.DERIVATIVE.value
    ]
    if made:
        tx.execute(
            update(derivatives)
            .where(derivatives.c.object == bindparam("number"), derivatives.c.trimmed != ENDED)
            .values(trimmed=bindparam("nothing")),
            made,
        )
        tx.execute(
            update(derivatives)
            .where(derivatives.c.object == bindparam("number"))
            .values(content=bindparam("nothing")),
            made,
        )
    return [one["kept"] for one in wiped]


def _wipe_beside(tx: Transaction, numbers: Iterable[int]) -> None:
    """What was read out of the bytes, or stands for a version that is no more."""
    for part in parts(numbers):
        delivered.close(tx, part)
        tx.execute(delete(references).where(references.c.source.in_(part)))
        stated.forget(tx, part)
        for table in (memberships, waiting, holds, handling_dates):
            tx.execute(delete(table).where(table.c.object.in_(part)))
        tx.execute(update(kept_out).where(kept_out.c.object.in_(part)).values(said=GONE))


def _wipe_said(tx: Transaction, chosen: Sequence[Erasable]) -> None:
    """What came under these ids and was refused, from the same senders; and what was said beside what is wholly gone."""
    for one in {(one.stix_id, one.origin, one.ident) for one in chosen}:
        stix_id, origin, ident = one
        tx.execute(
            update(quarantine)
            .where(quarantine.c.stix_id == stix_id, quarantine.c.origin == origin)
            .values(raw=null(), reason=GONE)
        )
        left = exists(select(literal(1))).where(
            objects.c.ident == ident, objects.c.origin == origin, objects.c.salt.is_not(None)
        )
        tx.execute(delete(terms).where(terms.c.ident == ident, terms.c.origin == origin, ~left))


def sweep(tx: Transaction) -> int:
    """Erase bytes that no row names: what came, was refused, and is kept by nothing else. How many. Under the heads' locks."""
    if tx.dialect.name == "sqlite":
        tx.execute(text("PRAGMA secure_delete = ON"))
    rows = tx.execute(
        select(renditions.c.id, renditions.c.digest).where(
            renditions.c.id.not_in(select(objects.c.rendition)),
            renditions.c.id.not_in(select(release_log.c.rendition)),
        )
    )
    left = [row[0] for row in rows if bytes(row[1]) != erased_digest(row[0])]
    _empty(tx, left)
    return len(left)
