"""What the node holds, for its own people: searches, one object's whole story, counts, an export.

1. Reading only; nothing here is on a partner's way (`releases` serves those) and nothing decides.
2. Every function reads in the caller's transaction, so one answer is one state.
3. Rows come as frozen values; instants are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)

from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    audiences,
    collections,
    identifiers,
    live,
    memberships,
    objects,
    partners,
    policies,
    quarantine,
    release_log,
    renditions,
    views,
)

EXPORT_CHUNK = 1000
"""Objects that an export reads at a time."""

WITHDRAWN_BY_SENDER = "withdrawn by its sender"
"""In place of a status: its sender took it back from every collection, by DELETE or by a notice (DECISIONS 20)."""

KEPT_OUT = "kept out at the way in"
"""In place of a status: something listed was found in it, and no person let it in; `intake list` says what."""

_newer = objects.alias("newer")
_status = case(
    (
        and_(
            objects.c.origin != OWN,
            objects.c.status == ObjectStatus.ACCEPTED.value,
            exists().where(
                memberships.c.object == objects.c.id,
                memberships.c.taken_back_by == objects.c.origin,
            ),
            ~exists().where(
                memberships.c.object == objects.c.id, memberships.c.taken_back_at.is_(None)
            ),
        ),
        literal(WITHDRAWN_BY_SENDER),
    ),
    (
        and_(objects.c.status == ObjectStatus.ACCEPTED.value, objects.c.kept_out),
        literal(KEPT_OUT),
    ),
    else_=objects.c.status,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search asks for; None does not restrict."""

    text: str | None = None  # as it stands in canonical JSON
    stix_id: str | None = None
    type: str | None = None
    collection: int | None = None
    origin: int | None = None
    status: ObjectStatus | None = None
    stored_since: int | None = None
    all_versions: bool = False
    hidden: frozenset[int] = frozenset()  # origins whose objects, taken back by them, are left out
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Held:
    """One object version of one origin, as stored."""

    object: int
    stix_id: str
    type: str
    version: str
    origin: int
    status: str
    """an ObjectStatus, or WITHDRAWN_BY_SENDER"""
    stored_at: int
    revoked: bool
    body: str


@dataclass(frozen=True, slots=True)
class Membership:
    """That an object version belongs to a collection, and whether it was taken back there."""

    object: int
    collection: str
    added_at: int
    taken_back_at: int | None
    taken_back_by: int | None


@dataclass(frozen=True, slots=True)
class Visible:
    """A line in force: who sees an object version now, since when, by which rule."""

    object: int
    audience: str
    collection: str
    position: int
    rule: str
    policy_version: int | None
    carried: bool
    is_last: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """What came and could not be kept as it was."""

    origin: int
    kind: str
    stix_id: str | None
    version: str | None
    reason: str
    at: int


def names_of_origins(tx: Connection) -> dict[int, str]:
    """Give the name of each origin: `own`, and every partner's."""
    names = {OWN: "own"}
    names.update((row.id, row.name) for row in tx.execute(select(partners.c.id, partners.c.name)))
    return names


def names_of_collections(tx: Connection) -> dict[int, str]:
    """Give the name a person uses for each collection: its alias, else its UUID."""
    rows = tx.execute(select(collections.c.id, collections.c.alias, collections.c.uuid))
    return {row.id: row.alias or row.uuid for row in rows}


def find(tx: Connection, wanted: Wanted) -> list[Held]:
    """Find object versions, newest stored first; of each object and origin only the newest unless all are wanted."""
    terms: list[ColumnElement[bool]] = [objects.c.salt.is_not(None)]  # what is erased has none
    if wanted.text is not None:
        terms.append(renditions.c.body.icontains(wanted.text, autoescape=True))
    if wanted.stix_id is not None:
        terms.append(identifiers.c.stix_id == wanted.stix_id)
    if wanted.type is not None:
        terms.append(objects.c.type == wanted.type)
    if wanted.origin is not None:
        terms.append(objects.c.origin == wanted.origin)
    if wanted.status is not None:
        terms.append(objects.c.status == wanted.status.value)
    elif (
        wanted.stix_id is None
    ):  # what is shown in an object's place is found with it, or by its own id
        terms.append(objects.c.status != ObjectStatus.DERIVATIVE.value)
    if wanted.stored_since is not None:
        terms.append(objects.c.stored_at >= wanted.stored_since)
    if wanted.collection is not None:
        member = and_(
            memberships.c.object == objects.c.id, memberships.c.collection == wanted.collection
        )
        terms.append(exists().where(member))
    if wanted.hidden:
        terms.append(
            not_(
                and_(
                    objects.c.origin.in_(sorted(wanted.hidden)),
                    _status == literal(WITHDRAWN_BY_SENDER),
                )
            )
        )
    if not wanted.all_versions:
        terms.append(
            ~exists().where(
                _newer.c.ident == objects.c.ident,
                _newer.c.origin == objects.c.origin,
                _newer.c.status == objects.c.status,
                _newer.c.version_key > objects.c.version_key,
            )
        )
    rows = tx.execute(
        select(
            objects.c.id,
            identifiers.c.stix_id,
            objects.c.type,
            objects.c.version,
            objects.c.origin,
            _status,
            objects.c.stored_at,
            objects.c.revoked,
            renditions.c.body,
        )
        .join(identifiers, identifiers.c.num == objects.c.ident)
        .join(renditions, renditions.c.id == objects.c.rendition)
        .where(*terms)
        .order_by(objects.c.id.desc())
        .limit(wanted.limit)
    )
    return [Held(*row) for row in rows]


def memberships_of(tx: Connection, object_ids: list[int]) -> list[Membership]:
    """Tell which collections the given object versions belong to."""
    rows = tx.execute(
        select(
            memberships.c.object,
            func.coalesce(collections.c.alias, collections.c.uuid),
            memberships.c.added_at,
            memberships.c.taken_back_at,
            memberships.c.taken_back_by,
        )
        .join(collections, collections.c.id == memberships.c.collection)
        .where(memberships.c.object.in_(object_ids))
        .order_by(memberships.c.object, collections.c.id)
    )
    return [Membership(*row) for row in rows]


def visible(tx: Connection, object_ids: list[int]) -> list[Visible]:
    """Tell which audiences see the given object versions now."""
    rows = tx.execute(
        select(
            live.c.object,
            audiences.c.name,
            func.coalesce(collections.c.alias, collections.c.uuid),
            live.c.position,
            release_log.c.rule,
            policies.c.version,
            live.c.carried,
            live.c.is_last,
        )
        .join(views, views.c.id == live.c.view)
        .join(audiences, audiences.c.id == views.c.audience)
        .join(collections, collections.c.id == views.c.collection)
        .join(
            release_log,
            and_(release_log.c.view == live.c.view, release_log.c.position == live.c.position),
        )
        .outerjoin(policies, policies.c.id == release_log.c.policy)
        .where(live.c.object.in_(object_ids))
        .order_by(audiences.c.name, collections.c.id, live.c.position)
    )
    return [Visible(*row[:6], carried=bool(row[6]), is_last=bool(row[7])) for row in rows]


def refusals(
    tx: Connection, *, origin: int | None, stored_since: int | None, limit: int
) -> list[Refused]:
    """List what was rejected or conflicted, the newest first."""
    terms: list[ColumnElement[bool]] = []
    if origin is not None:
        terms.append(quarantine.c.origin == origin)
    if stored_since is not None:
        terms.append(quarantine.c.at >= stored_since)
    rows = tx.execute(
        select(
            quarantine.c.origin,
            quarantine.c.kind,
            quarantine.c.stix_id,
            quarantine.c.version,
            quarantine.c.reason,
            quarantine.c.at,
        )
        .where(*terms)
        .order_by(quarantine.c.id.desc())
        .limit(limit)
    )
    return [Refused(*row) for row in rows]


def find_view(tx: Connection, audience: str, collection: str) -> int | None:
    """Find an open view by its audience's name and its collection's alias or UUID."""
    return tx.execute(
        select(views.c.id)
        .join(audiences, audiences.c.id == views.c.audience)
        .join(collections, collections.c.id == views.c.collection)
        .where(
            audiences.c.name == audience,
            or_(collections.c.alias == collection, collections.c.uuid == collection.lower()),
        )
    ).scalar_one_or_none()


def bodies_of_view(tx: Connection, view: int) -> Iterator[list[tuple[str, int, str]]]:
    """Read what a default client of the view holds at rest, in log order, a chunk at a time: (STIX id, origin, bytes)."""
    after = -1
    while True:
        rows = tx.execute(
            select(live.c.position, identifiers.c.stix_id, objects.c.origin, renditions.c.body)
            .join(renditions, renditions.c.id == live.c.rendition)
            .join(objects, objects.c.id == live.c.object)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .where(live.c.view == view, live.c.is_last == 1, live.c.position > after)
            .order_by(live.c.position)
            .limit(EXPORT_CHUNK)
        ).all()
        if not rows:
            return
        after = rows[-1].position
        yield [(row.stix_id, row.origin, row.body) for row in rows]


def beside_the_last(
    tx: Connection, view: int, stix_ids: Collection[str]
) -> Iterator[tuple[str, int, str]]:
    """What a view shows of these ids besides what is last: older versions and other origins' copies, the newest first.

    Ours come before a partner's. Each as in `bodies_of_view`.
    """
    for part in parts(sorted(stix_ids)):
        for row in tx.execute(
            select(identifiers.c.stix_id, objects.c.origin, renditions.c.body)
            .select_from(live)
            .join(renditions, renditions.c.id == live.c.rendition)
            .join(objects, objects.c.id == live.c.object)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .where(live.c.view == view, live.c.is_last == 0, identifiers.c.stix_id.in_(part))
            .order_by(objects.c.version_key.desc(), objects.c.origin, objects.c.id.desc())
        ):
            yield row[0], row[1], row[2]
