"""What a CERT's own people ask about what their node holds: search, show, received, status.

1. Each sentence is one read transaction: its answer is one state of the node.
2. Nothing is changed and no policy is asked; why something is withheld is what `policies` answers.
3. These answers are for this node's own people. No face may hand them to a partner.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cert_exchange.errors import NotFound
from cert_exchange.services import derivatives, markings
from cert_exchange.services.derivatives import Answer, Stand
from cert_exchange.services.exercises import Mark, exercises
from cert_exchange.services.hits import Hit, hit_of
from cert_exchange.services.lagging import Lag, every_lag
from cert_exchange.services.recalled import honoured
from cert_exchange.services.tallying import Tally, tally
from cert_exchange.store import blocks, checkups, erasures, figures, held, objects
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import holdings as rows
from cert_exchange.store.figures import Channel, CollectionCount
from cert_exchange.store.held import Pending
from cert_exchange.store.holdings import Membership, Visible, Wanted
from cert_exchange.store.tables import ObjectStatus

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cert_exchange.node import Node


@dataclass(frozen=True, slots=True)
class Story:
    """All there is to know about one object version: content, collections, who sees it, what keeps it back."""

    hit: Hit
    content: dict[str, Any]
    memberships: tuple[Membership, ...]
    visible: tuple[Visible, ...]
    pending: tuple[Pending, ...]
    kept_from: tuple[str, ...]
    """the audiences from which alone our desk keeps it"""
    blocked: bool
    """our desk keeps this cyber-observable out of every view until it is freed"""
    markings: tuple[str, ...]
    """what its markings say, a line each: the level that governs, PAP, the terms of an IEP"""
    stands_for: Stand | None
    """of a derivative: what it stands for"""
    shown_as: tuple[Stand, ...]
    """the derivatives made of this version, by audience, the oldest first"""
    answers: tuple[Answer, ...]
    """what partners said about the object, whichever version; the newest stored first, at most ANSWERS"""
    tally: Tally
    """the same, counted"""
    given: tuple[Answer, ...]
    """what our desk said about it in sightings, opinions and notes; the newest stored first, at most ANSWERS"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that came and was rejected or conflicted."""

    origin: str
    kind: str
    stix_id: str | None
    version: str | None
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class Reader:
    """How far a member of an audience has fetched a view; `behind` counts object versions in force beyond that."""

    partner: str
    fetched_to: int | None
    behind: int


@dataclass(frozen=True, slots=True)
class ViewFigures:
    """What an audience sees in a collection."""

    audience: str
    collection: str
    live: int
    withdrawn: int
    held: int
    readers: tuple[Reader, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The node at a glance."""

    title: str
    identity: str
    engine: str
    collections: tuple[CollectionCount, ...]
    views: tuple[ViewFigures, ...]
    channels: tuple[Channel, ...]
    lags: Mapping[tuple[str, str], Lag]
    """(direction, name) -> how far that source or target is behind"""
    proposals: int
    """versions of partners that wait for a person; they stand in no collection"""
    ledger_sealed: int
    ledger_open: int


def search(
    node: Node,
    *,
    text: str | None = None,
    type_: str | None = None,
    collection: str | None = None,
    origin: str | None = None,
    status: str | None = None,
    stored_since: int | None = None,
    all_versions: bool = False,
    hidden: bool = False,
    limit: int = 100,
) -> tuple[Hit, ...]:
    """Find object versions by text anywhere in them (or a whole STIX id) and by property, newest stored first.

    `hidden`: also what partners took back whose recalls are hidden here; who asks by an id is always told. Raises NotFound for a collection or origin that does not exist.
    """
    with node.database.reading() as tx:
        names = rows.names_of_origins(tx)
        is_id = text is not None and _looks_like_id(text)
        recalls = honoured(tx)
        wanted = Wanted(
            text=None if text is None or is_id else json.dumps(text, ensure_ascii=False)[1:-1],
            stix_id=text if is_id else None,
            type=type_,
            collection=None if collection is None else _collection(tx, collection),
            origin=None if origin is None else _origin(names, origin),
            status=None if status is None else ObjectStatus(status),
            stored_since=stored_since,
            all_versions=all_versions,
            hidden=frozenset() if hidden or is_id else recalls.hidden,
            limit=limit,
        )
        drills = exercises(tx)
        found = (hit_of(held, names, drills)[0] for held in rows.find(tx, wanted))
        return tuple(recalls.told(found))


def show(node: Node, stix_id: str) -> tuple[Story, ...]:
    """Tell everything about an object: each version of each origin. Raises NotFound.

    What counts comes first, then what was only proposed or taken back; of each the newest stored first.
    """
    with node.database.reading() as tx:
        names = rows.names_of_origins(tx)
        found = rows.find(tx, Wanted(stix_id=stix_id, all_versions=True, limit=1000))
        found.sort(key=lambda one: one.status != ObjectStatus.ACCEPTED.value)
        if not found:
            told = "; ".join(one.sentence() for one in erasures.of_id(tx, stix_id))
            raise NotFound(f"This node holds no object {stix_id}{': ' if told else ''}{told}.")
        ids = [held.object for held in found]
        memberships = rows.memberships_of(tx, ids)
        visible = rows.visible(tx, ids)
        pending = held.pending(tx, ids)
        drills = exercises(tx)
        ident = objects.idents_of(tx, [stix_id])[stix_id]
        blocked = objects.blocked(tx, ident)
        kept_from = tuple(blocks.kept_from(tx, ident))
        stands, made = derivatives.stands(tx, ident, ids)
        heard = derivatives.answers_about(tx, ident, names)
        counted = tally(tx, ident, names)
        given = derivatives.given_about(tx, ident, names)
        said = [markings.told(tx, json.loads(one.body), origin=one.origin) for one in found]
        shown = [hit_of(one, names, drills) for one in found]
        hits = honoured(tx).told(hit for hit, _ in shown)
    return tuple(
        Story(
            hit,
            content,
            memberships=tuple(row for row in memberships if row.object == held.object),
            visible=tuple(row for row in visible if row.object == held.object),
            pending=tuple(row for row in pending if row.object == held.object),
            kept_from=kept_from,
            blocked=blocked,
            markings=lines,
            stands_for=stands.get(held.object),
            shown_as=made.get(held.object, ()),
            answers=heard,
            tally=counted,
            given=given,
        )
        for held, lines, hit, (_, content) in zip(found, said, hits, shown, strict=True)
    )


def is_of_exercise(node: Node, stix_id: str) -> bool:
    """Whether the newest version of an object, from whomever, is marked TEST; False for what we do not hold."""
    with node.database.reading() as tx:
        drills = exercises(tx)
        found = rows.find(tx, Wanted(stix_id=stix_id))
        return any(drills.mark(one.stix_id, one.origin, one.body) is Mark.TEST for one in found)


def received(
    node: Node, partner: str, *, stored_since: int | None = None, limit: int = 100
) -> tuple[tuple[Hit, ...], tuple[Refusal, ...]]:
    """Tell what a partner sent, by POST or through our pulls: kept versions, and what was refused of it.

    Raises NotFound for a partner that does not exist.
    """
    with node.database.reading() as tx:
        names = rows.names_of_origins(tx)
        origin = _origin(names, partner)
        wanted = Wanted(origin=origin, stored_since=stored_since, all_versions=True, limit=limit)
        drills = exercises(tx)
        kept = tuple(hit_of(held, names, drills)[0] for held in rows.find(tx, wanted))
        refused = rows.refusals(tx, origin=origin, stored_since=stored_since, limit=limit)
    return kept, tuple(
        Refusal(
            origin=names.get(row.origin, str(row.origin)),
            kind=row.kind,
            stix_id=row.stix_id,
            version=row.version,
            reason=row.reason,
            at=row.at,
        )
        for row in refused
    )


def status(node: Node) -> Status:
    """Give the figures of the whole node."""
    with node.database.reading() as tx:
        counted = figures.count_views(tx)
        reading = figures.readers(tx)
        views = tuple(
            ViewFigures(
                audience=view.audience,
                collection=view.collection,
                live=view.live,
                withdrawn=view.withdrawn,
                held=view.held,
                readers=tuple(
                    _reader(node, tx, view, partner, name)
                    for of_view, partner, name in reading
                    if of_view == view.view
                ),
            )
            for view in counted
        )
        sealed, unsealed = figures.ledger_state(tx)
        return Status(
            title=node.settings.title,
            identity=node.settings.identity,
            engine=node.database.dialect,
            collections=tuple(figures.count_collections(tx)),
            views=views,
            channels=tuple(figures.channels(tx)),
            lags=every_lag(tx, now=node.now()),
            proposals=sum(checkups.proposals(tx).values()),
            ledger_sealed=sealed,
            ledger_open=unsealed,
        )


def _reader(node: Node, tx: Connection, view: figures.ViewCount, partner: int, name: str) -> Reader:
    reached = node.marks.reached(partner, view.view)
    seen = figures.count_live(tx, view.view, up_to=reached) if reached else 0
    return Reader(partner=name, fetched_to=reached or None, behind=view.live - seen)


def _looks_like_id(text: str) -> bool:
    kind, _, rest = text.partition("--")
    try:
        return bool(kind) and str(uuid.UUID(rest)) == rest.lower()
    except ValueError:
        return False


def _origin(names: dict[int, str], wanted: str) -> int:
    for number, name in names.items():
        if name == wanted:
            return number
    raise NotFound(f"There is no partner {wanted}; there are: {', '.join(names.values())}.")


def _collection(tx: Connection, wanted: str) -> int:
    found = collection_rows.find_collection(tx, wanted, retired=True)
    if found is None:
        known = ", ".join(rows.names_of_collections(tx).values())
        raise NotFound(f"There is no collection {wanted}; there are: {known or 'none'}.")
    return found.id
