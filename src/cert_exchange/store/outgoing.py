"""What a target has not been sent yet, read from its partner's view in one snapshot.

1. Only lines in force are sent, in order of position; what was withdrawn before it was sent never leaves.
2. Never what came from the partner itself: policy says so already, and it is asked once more where it would leave.
3. No object is parsed and no policy asked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, exists, func, select

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Kept, parts
from cert_exchange.store.tables import (
    LineKind,
    audience_members,
    holds,
    identifiers,
    live,
    objects,
    partners,
    release_log,
    renditions,
    views,
)


@dataclass(frozen=True, slots=True)
class Ready:
    """One object version that a target has not been sent."""

    position: int
    stix_id: str
    version: str
    observable: bool
    body: str
    size: int


READY: Final = (
    select(
        live.c.position,
        identifiers.c.stix_id,
        live.c.version,
        objects.c.observable,
        renditions.c.body,
        live.c.size,
    )
    .join(identifiers, identifiers.c.num == live.c.ident)
    .join(objects, objects.c.id == live.c.object)
    .join(renditions, renditions.c.id == live.c.rendition)
)
"""Lines in force as `Ready` has them; who asks says which."""


@dataclass(frozen=True, slots=True)
class Recall:
    """One object version that may have been sent and is no longer in force."""

    stix_id: str
    version: str
    observable: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What a view offers after a position, read in one snapshot. All of it lies in (after, to]."""

    view: int
    after: int
    to: int
    ready: tuple[Ready, ...] = ()
    recalls: tuple[Recall, ...] = ()


_VIEW_OF: Final = Kept(
    select(views.c.id, views.c.head)
    .join(audience_members, audience_members.c.audience == views.c.audience)
    .join(partners, partners.c.id == audience_members.c.partner)
    .where(
        partners.c.suspended_at.is_(None),
        audience_members.c.partner == bindparam("partner"),
        audience_members.c.until.is_(None),
        views.c.collection == bindparam("collection"),
    )
)


def view_of(tx: Transaction, *, partner: int, collection: int) -> tuple[int, int] | None:
    """Find the partner's view of a collection and its head; None when no policy gives it one, or it is suspended."""
    found = _VIEW_OF.rows(tx, {"partner": partner, "collection": collection})
    return (found[0][0], found[0][1]) if found else None


_NEWS: Final = Kept(
    select(
        exists().where(
            live.c.view == bindparam("view"),
            live.c.position > bindparam("after"),
            live.c.origin != bindparam("partner"),
        )
        | exists().where(
            release_log.c.view == bindparam("view"),
            release_log.c.position > bindparam("after"),
            release_log.c.kind == LineKind.WITHDRAWAL.value,
        )
    )
)


def has_news(tx: Transaction, view: int, *, after: int, partner: int) -> bool:
    """Whether something behind a position came into force for a partner, or was taken back."""
    [(found,)] = _NEWS.rows(tx, {"view": view, "after": after, "partner": partner})
    return bool(found)


def batch_after(
    tx: Transaction,
    view: int,
    *,
    after: int,
    head: int,
    partner: int,
    limit: int,
    room_bytes: int,
) -> Batch:
    """Read what is to be sent after a position, and the recalls up to there.

    At most `limit` versions in force and `room_bytes` with a comma between them, but one version at least. `head` is
    the view's, read in the same snapshot.
    """
    # Policy never gives a partner what came from it (invariant 5); asked once more where it would leave.
    ours = (live.c.view == view, live.c.position > after, live.c.origin != partner)
    sizes = tx.execute(
        select(live.c.position, live.c.size).where(*ours).order_by(live.c.position).limit(limit + 1)
    ).all()
    taken, used = 0, 0
    for row in sizes[:limit]:
        used += row.size + 1
        if taken and used - 1 > room_bytes:
            break
        taken += 1
    to = max(head, after) if taken == len(sizes) else sizes[taken - 1].position
    rows = tx.execute(READY.where(*ours, live.c.position <= to).order_by(live.c.position))
    return Batch(
        view,
        after,
        to,
        tuple(Ready(*row) for row in rows),
        recalls_after(tx, view, after=after, to=to, sent=after, partner=partner),
    )


def all_in_force(tx: Transaction, batch: Batch) -> bool:
    """Whether all that a batch would send is still in force where it was read."""
    positions = [one.position for one in batch.ready]
    count = 0
    for part in parts(positions):
        count += tx.execute(
            select(func.count())
            .select_from(live)
            .where(live.c.view == batch.view, live.c.position.in_(part))
        ).scalar_one()
    return count == len(positions)


def view_kept(tx: Transaction, *, partner: int, collection: int) -> int | None:
    """The partner's view of a collection, also while it is suspended: what waits for it waits there."""
    return tx.execute(
        select(views.c.id)
        .join(audience_members, audience_members.c.audience == views.c.audience)
        .where(
            audience_members.c.partner == partner,
            audience_members.c.until.is_(None),
            views.c.collection == collection,
        )
    ).scalar_one_or_none()


def waiting(
    tx: Transaction, view: int, *, after: int, partner: int, most: int
) -> tuple[int, int | None]:
    """How many versions in force after a position were not sent yet, `most` at most, and the first one's position."""
    ours = (
        select(live.c.position)
        .where(live.c.view == view, live.c.position > after, live.c.origin != partner)
        .order_by(live.c.position)
        .limit(most)
        .subquery()
    )
    row = tx.execute(select(func.count(), func.min(ours.c.position)).select_from(ours)).one()
    return row[0], row[1]


def between(tx: Transaction, view: int, *, after: int, to: int, partner: int, most: int) -> int:
    """How many versions in force lie in (after, to], `most` at most."""
    ours = select(live.c.position).where(
        live.c.view == view,
        live.c.position > after,
        live.c.position <= to,
        live.c.origin != partner,
    )
    return tx.execute(select(func.count()).select_from(ours.limit(most).subquery())).scalar_one()


def held(tx: Transaction, *, partner: int, collection: int) -> int:
    """How many object versions wait for a person before the partner may see them in a collection."""
    return tx.execute(
        select(func.count())
        .select_from(holds)
        .join(audience_members, audience_members.c.audience == holds.c.audience)
        .where(
            audience_members.c.partner == partner,
            audience_members.c.until.is_(None),
            holds.c.collection == collection,
            holds.c.released_at.is_(None),
        )
    ).scalar_one()


def recalls_after(
    tx: Transaction, view: int, *, after: int, to: int, sent: int, partner: int
) -> tuple[Recall, ...]:
    """Find what was withdrawn in (after, to], is not in force again, and had been released up to `sent`."""
    gone = (
        select(release_log.c.object)
        .where(
            release_log.c.view == view,
            release_log.c.position > after,
            release_log.c.position <= to,
            release_log.c.kind == LineKind.WITHDRAWAL.value,
        )
        .distinct()
    )
    if tx.execute(gone.limit(1)).one_or_none() is None:
        return ()  # the usual case, without a look at the log below
    in_force = exists().where(
        live.c.view == view, live.c.ident == objects.c.ident, live.c.object == objects.c.id
    )
    gone_out = (
        select(release_log.c.object)
        .where(
            release_log.c.view == view,
            release_log.c.position <= sent,
            release_log.c.kind == LineKind.RELEASE.value,
            release_log.c.object.in_(gone),
        )
        .distinct()
    )
    rows = tx.execute(
        select(identifiers.c.stix_id, objects.c.version, objects.c.observable)
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .where(objects.c.id.in_(gone_out), objects.c.origin != partner, ~in_force)
        .order_by(objects.c.id)
    )
    return tuple(Recall(*row) for row in rows)
