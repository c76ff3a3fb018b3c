"""What taking in must know of a batch before it rules on it: read in a fixed number of statements, and once.

What the sender may see is read here too, because what it is told depends on that and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from cert_exchange.errors import ReceivingSuspended
from cert_exchange.node import Node
from cert_exchange.policy.agreements import Agreement
from cert_exchange.policy.cautions import Act, Caution
from cert_exchange.policy.screening import Finding, Screen, UnreadableScreen
from cert_exchange.services.publishing.admitting import (
    AHEAD_MICROS,
    Identities,
    Known,
    Sender,
)
from cert_exchange.services.publishing.rulings import Approval, Marks
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.marked import bearers
from cert_exchange.stix.envelopes import Examined
from cert_exchange.stix.instants import format_micros, order_key, parse_micros
from cert_exchange.stix.objects import StixObject
from cert_exchange.store import erasures, objects, releases, statements
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction, reserve_each
from cert_exchange.store.objects import Membership, NewVersion, Version
from cert_exchange.store.releases import Sharing
from cert_exchange.store.screening import Caught
from cert_exchange.store.tables import OWN, ObjectStatus, identifiers, ledger_lines, renditions
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
    ended: list[int] = field(default_factory=list)
    """versions of this batch that a notice of their own sender took back in it"""
    changed: dict[int, None] = field(default_factory=dict)
    promoted: dict[int, str] = field(default_factory=dict)
    """proposals that count from now on, with their type"""
    sent: set[int] = field(default_factory=set)
    contents: dict[int, Mapping[str, object]] = field(default_factory=dict)
    agreed: Agreement | None = None
    """the agreement with the sender, whose content profile counts on receipt too"""
    screen: Screen | UnreadableScreen | None = None
    """what is looked for in what comes in; None: nothing"""
    approval: Approval | None = None
    """on whose account everything waits for a person; None: it does not"""
    found: Finding | None = None
    """what the object that is ruled on is held for"""
    asked: Mapping[str, Sequence[tuple[Caution, Act]]] = field(default_factory=dict)
    """what our desk asks to be held of what it publishes, by STIX id, and why"""
    caught: dict[int, Caught] = field(default_factory=dict)
    """versions that are held at the way in"""
    marks: Marks | None = None
    """what our desk's publication meets of exercises and real objects under its ids; None: nothing"""
    gone: frozenset[bytes] = frozenset()
    """digests of what was erased here and does not come in again"""
    fed: list[tuple[Version, list[tuple[int, int]]]] = field(default_factory=list)
    """accepted versions of ids that nobody knew before"""


def touched(intake: Intake) -> dict[int, None]:
    """The ids to decide again: what changed, and what bears a marking definition that came after it."""
    accepted = intake.promoted | {
        new.ident: new.type
        for new in intake.news
        if new.status is ObjectStatus.ACCEPTED and new.ident not in intake.fresh
    }
    definitions = [ident for ident, kind in accepted.items() if kind == "marking-definition"]
    return intake.changed | dict.fromkeys(sorted(bearers(intake.tx, definitions)))


def version_of(intake: Intake, item: StixObject, known: Sequence[Known]) -> tuple[str, str]:
    """An object's version and its order; an observable's is its instant of storage, above all of its id."""
    text = item.version or item.created
    if text is not None and not item.observable:
        return text, order_key(text)
    micros = intake.now
    if known:
        highest = max(one.version_key for one in known)
        micros = max(micros, parse_micros(highest + "Z") + 1)
    text = format_micros(micros)
    return text, order_key(text)


def sender_of(
    tx: Transaction, origin: int, by: str, *, owner_group: Collection[str] = ()
) -> Sender:
    """Who sends, with what the administrator lets it speak for and relay. Raises ReceivingSuspended."""
    if origin == OWN:
        return Sender(OWN, by or "desk", frozenset(), frozenset(), relays_any=False)
    row = partner_rows.authority(tx, origin)
    if row.receiving_suspended:
        raise ReceivingSuspended(detail=f"receiving from partner {row.name} is suspended")
    ours = row.name in owner_group
    return Sender(
        origin, row.name, row.speaks_for, row.relays, row.relays_any, row.gate, ours
    )  # fmt: skip


@dataclass(slots=True)
class Asked:
    """What was asked about a batch behind the heads' locks; `read` calls for it."""

    texts: Collection[str]
    bodies: Mapping[bytes, bytes]
    reserved: tuple[Sequence[int], Sequence[int], Sequence[int]]
    """numbers for identifiers, renditions and objects, more than will be used"""
    sharing: Callable[[], Sharing]
    idents: statements.Asked
    renditions: statements.Asked
    spoken: statements.Asked


def ask(tx: Transaction, items: Sequence[Examined]) -> tuple[int, Asked]:
    """Reserve a ledger line's and all other numbers, lock the heads, and ask what a batch needs known: in two round trips.

    What is reserved is read before the locks are waited for.
    """
    texts: set[str] = set()
    bodies: dict[bytes, bytes] = {}
    for one in items:
        assert one.item is not None
        texts.add(one.item.id)
        texts.update(reference.target for reference in one.item.references)
        bodies[one.item.digest] = one.item.body
    counts = {
        ledger_lines: 1, identifiers: len(texts), renditions: len(bodies), objects_table: len(items),
    }  # fmt: skip
    [line], *reserved = reserve_each(tx, counts)
    return line, Asked(
        texts,
        bodies,
        (reserved[0], reserved[1], reserved[2]),
        releases.lock_sharing(tx),
        objects.ask_numbers(tx, texts),
        objects.ask_renditions(tx, bodies),
        partner_rows.ask_spoken(tx),
    )


def read(
    tx: Transaction,
    node: Node,
    releasing: Releasing,
    sender: Sender,
    items: Sequence[Examined],
    collection: int | None,
    now: int,
    asked: Asked,
) -> Intake:
    """Everything that ruling needs, in a fixed number of statements per part."""
    numbered, known_bodies = asked.idents(), dict(asked.renditions())
    gone = _gone(tx, sender, items, {row[0]: row[1] for row in numbered if row[2] is not None})
    bodies = asked.bodies
    if gone:  # not stored, not even for as long as it is ruled on
        bodies = {digest: body for digest, body in bodies.items() if digest not in gone}
    nums, fresh, stored = objects.number_and_store(
        tx, asked.texts, bodies, {row[0]: row[1] for row in numbered}, known_bodies,
        asked.reserved[:2],
    )  # fmt: skip
    own_ids = {nums[one.item.id] for one in items if one.item is not None}
    known = _known(tx, own_ids - fresh)
    seen = _seen(tx, releasing, sender, own_ids - fresh)
    ahead = order_key(format_micros(now + AHEAD_MICROS))
    identities = Identities(node.identity, dict(asked.spoken()), ahead)
    return Intake(
        tx,
        sender,
        identities,
        collection,
        now,
        nums,
        known,
        seen,
        stored,
        asked.reserved[2],
        fresh,
        agreed=_agreed(releasing, sender),
        gone=gone,
    )


def _gone(
    tx: Transaction, sender: Sender, items: Sequence[Examined], barred: Mapping[str, int]
) -> frozenset[bytes]:
    """The digests of what was erased and is kept out, of this id, from this sender, in this version."""
    if not barred:
        return frozenset()
    orders = erasures.barred(tx, barred.values())
    found = set()
    for item in (one.item for one in items):
        if item is None or item.id not in barred or barred[item.id] not in orders:
            continue
        text = None if item.observable else item.version or item.created
        if orders[barred[item.id]].covers(None if text is None else order_key(text), sender.origin):
            found.add(item.digest)
    return frozenset(found)


def _agreed(releasing: Releasing, sender: Sender) -> Agreement | None:
    """The agreement with the sender that the policy in force for it names, if it names one."""
    for plan in releasing.plans if sender.origin != OWN else ():
        agreed = plan.policy.agreed if plan.policy is not None else None
        if sender.origin in plan.audience.members and agreed is not None:
            return agreed if agreed.partner == sender.name else None
    return None


def _known(tx: Transaction, idents: Collection[int]) -> dict[int, list[Known]]:
    versions = list(version_rows.versions(tx, sorted(idents)))
    asked_places = version_rows.ask_memberships(tx, [version.id for version in versions])
    asked_creators = version_rows.ask_stix_ids(
        tx, {version.creator for version in versions if version.creator is not None}
    )
    places: dict[int, dict[int, int | None]] = {}
    for row in asked_places():
        place = Membership(*row)
        taken_back_by = place.taken_back_by if place.taken_back_at is not None else None
        places.setdefault(place.object, {})[place.collection] = taken_back_by
    creators = dict(asked_creators())
    found: dict[int, list[Known]] = {}
    for version in sorted(versions, key=lambda one: one.id):
        if version.status == ObjectStatus.ERASED.value:
            continue
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
                version.status != ObjectStatus.PROPOSAL.value,
                owner,
                places.get(version.id, {}),
                version.status == ObjectStatus.DERIVATIVE.value,
                version.revoked,
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
            # Under its own name only: who sees a derivative does not see its original.
            lines = releases.live_rows(tx, plan.view_ids, idents, deriving=False)
            seen.update(line.object for line in lines)
    return seen
