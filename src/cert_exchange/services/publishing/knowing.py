"""What taking in must know of a batch before it rules on it: read in a fixed number of statements, and once.

What the sender may see is read here too, because what it is told depends on that and on nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from cert_exchange.node import Node
from cert_exchange.services.publishing.admitting import (
    Identities,
    Known,
    Sender,
)
from cert_exchange.services.releasing import Releasing
from cert_exchange.stix.envelopes import Examined
from cert_exchange.store import objects, releases
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction, ask_ids
from cert_exchange.store.objects import NewVersion, Version
from cert_exchange.store.tables import OWN, ObjectStatus
from cert_exchange.store.tables import objects as objects_table


@dataclass(slots=True)
class Intake:
    """The state of one batch while it is ruled on, object by object."""

    tx: Transaction
    sender: Sender
    identities: Identities
    collection: int | None
    """None: what `init` seeds, which is in no collection"""
    now: int
    nums: Mapping[str, int]
    known: dict[int, list[Known]]
    seen: set[int]
    """the known versions (objects.id) that the sender may see now"""
    renditions: Mapping[bytes, int]
    numbers: Sequence[int]
    fresh: Collection[int]
    """ids that this transaction numbered"""
    news: list[NewVersion] = field(default_factory=list)
    commitments: list[bytes] = field(default_factory=list)
    joins: list[int] = field(default_factory=list)
    barred: list[int] = field(default_factory=list)
    """of those that join: what our desk took back, which stays so"""
    changed: dict[int, None] = field(default_factory=dict)
    sent: set[int] = field(default_factory=set)
    contents: dict[int, Mapping[str, object]] = field(default_factory=dict)
    fed: list[tuple[Version, list[tuple[int, int]]]] = field(default_factory=list)
    """accepted versions of ids that nobody knew before"""


def sender_of(tx: Transaction, origin: int, by: str) -> Sender:
    """Who sends, with what the administrator lets it speak for and relay."""
    if origin == OWN:
        return Sender(OWN, by or "desk", frozenset(), frozenset(), relays_any=False)
    row = partner_rows.authority(tx, origin)
    return Sender(origin, row.name, row.speaks_for, row.relays, row.relays_any)


def read(
    tx: Transaction,
    node: Node,
    releasing: Releasing,
    sender: Sender,
    items: Sequence[Examined],
    collection: int | None,
    now: int,
) -> Intake:
    """Everything that ruling needs, in a fixed number of statements per part."""
    texts: set[str] = set()
    bodies: dict[bytes, bytes] = {}
    for one in items:
        assert one.item is not None
        texts.add(one.item.id)
        texts.update(reference.target for reference in one.item.references)
        bodies[one.item.digest] = one.item.body
    asked_ids = objects.ask_idents(tx, texts)
    asked_bodies = objects.ask_renditions(tx, bodies)
    asked_spoken = partner_rows.ask_spoken(tx)
    asked_numbers = ask_ids(tx, objects_table, len(items))
    nums, fresh, renditions = objects.number_and_store(
        tx, texts, bodies, dict(asked_ids()), dict(asked_bodies())
    )
    own_ids = {nums[one.item.id] for one in items if one.item is not None}
    known = _known(tx, own_ids - fresh)
    seen = _seen(tx, releasing, sender, own_ids - fresh)
    identities = Identities(node.identity, dict(asked_spoken()))
    return Intake(
        tx,
        sender,
        identities,
        collection,
        now,
        nums,
        known,
        seen,
        renditions,
        asked_numbers(),
        fresh,
    )


def _known(tx: Transaction, idents: Collection[int]) -> dict[int, list[Known]]:
    versions = list(version_rows.versions(tx, sorted(idents)))
    places = version_rows.memberships_of(tx, [version.id for version in versions])
    creators = version_rows.stix_ids(tx, {v.creator for v in versions if v.creator is not None})
    found: dict[int, list[Known]] = {}
    for version in sorted(versions, key=lambda one: one.id):
        owner = creators.get(version.creator) if version.creator is not None else None
        if owner is None and version.type == "identity":
            owner = version.stix_id
        found.setdefault(version.ident, []).append(
            Known(
                version.id,
                version.version,
                version.version_key,
                version.origin,
                version.sameness,
                version.status == ObjectStatus.ACCEPTED.value,
                owner,
                {
                    place.collection: place.taken_back_by
                    if place.taken_back_at is not None
                    else None
                    for place in places.get(version.id, ())
                },
            )
        )
    return found


def _seen(
    tx: Transaction, releasing: Releasing, sender: Sender, idents: Collection[int]
) -> set[int]:
    """The versions of these ids that are in force in a view of the sender."""
    seen: set[int] = set()
    for plan in releasing.plans:
        if sender.origin in plan.audience.members:
            seen.update(line.object for line in releases.live_rows(tx, plan.view_ids, idents))
    return seen
