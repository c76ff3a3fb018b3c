"""Orders of people and partners: withdraw, take back, free.

1. Each sentence is one transaction with one ledger line; nothing is half-done.
2. What is taken back stays so: "taken-back" stands on (version, collection) and no reconsidering revives it.
3. The desk's order on a cyber-observable blocks its id in all views until freed (DECISIONS 5).
4. A partner takes back what it submitted, and nothing else (taxii21 58-60).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cert_exchange.errors import ConfigurationInvalid, DeleteRefused, NotFound
from cert_exchange.messages.evidence import Line as LedgerLine
from cert_exchange.messages.evidence import commitments_root
from cert_exchange.messages.notices import Reason
from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.services.releasing.appending import Line, Releasing
from cert_exchange.services.releasing.evaluating import Pool
from cert_exchange.services.releasing.naming import issuer_of
from cert_exchange.stix.instants import order_key
from cert_exchange.store import blocks, objects, releases
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Version
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import OWN, LineKind, ObjectStatus

T = TypeVar("T")


class Submitter(Protocol):
    """Who deletes: a `services.partners.Caller`, of which a sibling room needs only this."""

    @property
    def partner(self) -> int:
        """The partner's number."""

    @property
    def name(self) -> str:
        """Its name, for the ledger."""

    @property
    def audience(self) -> int | None:
        """The audience's number, if a policy names the partner."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What an order took back: versions, and the lines that the audiences lost or got back."""

    versions: int
    lines: tuple[Line, ...]

    @property
    def audiences(self) -> tuple[str, ...]:
        """Who lost something by it."""
        return tuple(sorted({line.audience for line in self.gone}))

    @property
    def gone(self) -> tuple[Line, ...]:
        """The lines of what an audience does not see any more: what is shown anew in its place is not gone."""
        return tuple(
            line for line in self.lines if line.kind == LineKind.WITHDRAWAL and not line.anew
        )


def in_one_line(
    tx: Transaction,
    node: Node,
    kind: str,
    by: str,
    work: Callable[[Releasing], T],
    *,
    only_if_released: bool = False,
    owing: Reason = Reason.NO_LONGER_SHARED,
    **facts: str | int | list[str],
) -> tuple[T, Releasing]:
    """Run work that releases, and write the transaction's ledger line, with or without releases.

    `only_if_released`: no line when nothing was appended, for work that is repeated until nothing is left. `owing`: what
    notices of what is withdrawn give as their reason.
    """
    line_id = ledger_rows.reserve_line(tx)
    releasing = Releasing(
        tx, node.clock.releasing_now(), line_id, owing=owing, issuer=issuer_of(node)
    )
    result = work(releasing)
    if only_if_released and not releasing.ranges:
        return result, releasing
    ledger.record(
        tx,
        LedgerLine(
            kind=kind,
            at=releasing.now,
            by=by,
            stored=len(releasing.stored),
            stored_root=commitments_root(releasing.stored),
            released=releasing.released,
            released_root=commitments_root(releasing.commitments),
            ranges=releasing.ranges,
            facts=facts,
        ),
        line_id=line_id,
    )
    return result, releasing


def reconsider_many(
    releasing: Releasing, idents: Iterable[int], *, audiences: Collection[int] | None = None
) -> None:
    """Decide any number of ids again, as `Releasing.reconsider` does; what was read of a part is dropped before the next."""
    for part in parts(idents):
        releasing.reconsider(part, audiences=audiences)
        read = releasing.pool
        releasing.pool = Pool(read.tx, read.names, read.bindings, read.views, read.deriving)


def withdraw(
    node: Node,
    stix_id: str,
    *,
    by: str,
    reason: str,
    version: str | None = None,
    collection: str | None = None,
    block: bool = False,
    owing: Reason = Reason.WITHDRAWN,
) -> Withdrawal:
    """Our desk takes an object back: one version or all, from one collection or all.

    A cyber-observable without a version or collection named is blocked in every view until `free`; with `block` any object
    is, so that publishing it once more, as a feed does at night, does not undo the order. `owing`: why, for the notice to
    who fetched it.
    Raises NotFound when we hold no such object or version, ConfigurationInvalid for an unknown collection.
    """

    def work(tx: Transaction) -> Withdrawal:
        found = _accepted(tx, stix_id)
        chosen = [v for v in found if version is None or v.version_key == _key(version)]
        if not chosen:
            raise NotFound(f"we hold no version {version} of {stix_id}; see `show {stix_id}`")
        number = _collection(tx, collection)

        def order(releasing: Releasing) -> int:
            ident = chosen[0].ident
            if chosen[0].observable and version is None and collection is None:
                objects.block(tx, ident, at=releasing.now)
                taken = len(chosen)
            else:
                ids = [one.id for one in chosen]
                taken = objects.take_back(tx, ids, collection=number, by=OWN, at=releasing.now)
                if block:
                    objects.block(tx, ident, at=releasing.now)
            releasing.reconsider([ident])
            return taken

        taken, releasing = in_one_line(
            tx, node, "withdraw", by, order, owing=owing,
            id=stix_id, version=version or "", reason=reason,
        )  # fmt: skip
        return Withdrawal(taken, tuple(releasing.lines))

    return node.database.transact(work)


def withdraw_from(
    node: Node,
    stix_id: str,
    audiences: Collection[int],
    *,
    by: str,
    reason: str,
    owing: Reason = Reason.MISTAKE,
) -> Withdrawal:
    """Our desk keeps an object from some audiences alone, until `free`; the others go on seeing it.

    Raises NotFound when we hold no such object.
    """

    def work(tx: Transaction) -> Withdrawal:
        found = _accepted(tx, stix_id)

        def order(releasing: Releasing) -> int:
            ident = found[0].ident
            kept = blocks.block(tx, ident, audiences, at=releasing.now, by=by, reason=reason)
            if kept:
                releasing.reconsider([ident])
            return len(found) if kept else 0

        names = blocks.names_of(tx, audiences)
        taken, releasing = in_one_line(
            tx, node, "withdraw", by, order, owing=owing, id=stix_id, audiences=names, reason=reason
        )
        return Withdrawal(taken, tuple(releasing.lines))

    return node.database.transact(work)


def free(node: Node, stix_id: str, *, by: str, reason: str) -> Withdrawal:
    """Lift our desk's block on an id. What was taken back as well is released when it is published again.

    Raises NotFound when we hold no such object.
    """

    def work(tx: Transaction) -> Withdrawal:
        found = _accepted(tx, stix_id)

        def order(releasing: Releasing) -> None:
            objects.block(tx, found[0].ident, at=None)
            blocks.unblock(tx, found[0].ident)
            releasing.reconsider([found[0].ident])

        _, releasing = in_one_line(tx, node, "free", by, order, id=stix_id, reason=reason)
        return Withdrawal(len(found), tuple(releasing.lines))

    return node.database.transact(work)


def withdraw_submitted(
    node: Node,
    caller: Submitter,
    collection: int,
    stix_id: str,
    *,
    versions: Collection[str] = (),
    can_read: bool = True,
) -> None:
    """A partner's DELETE: take back what it submitted to this collection (TAXII 2.1, 5.7).

    `versions` are the values of match[version]: none or "all" for every version, "first", "last", timestamps.
    Raises NotFound where the caller submitted no such object here and sees none, DeleteRefused where it sees one.
    """

    def work(tx: Transaction) -> None:
        # Absent and hidden run the same statements: an id that nobody knows is asked for as number 0, which none has.
        ident = objects.idents_of(tx, [stix_id]).get(stix_id, 0)
        mine = [v for v in version_rows.versions(tx, [ident]) if v.origin == caller.partner]
        sees = _sees(tx, caller, collection, ident)
        places = version_rows.memberships_of(tx, [one.id for one in mine])
        standing = [
            one
            for one in mine
            if any(
                place.collection == collection and place.taken_back_at is None
                for place in places.get(one.id, ())
            )
        ]
        if not standing:
            if can_read and sees:
                raise DeleteRefused(detail=f"partner {caller.partner} did not submit {stix_id}")
            raise NotFound(detail=f"partner {caller.partner} has nothing to delete at {stix_id}")
        chosen = _chosen(standing, versions)

        def order(releasing: Releasing) -> int:
            ids = [one.id for one in chosen]
            taken = objects.take_back(
                tx, ids, collection=collection, by=caller.partner, at=releasing.now
            )
            releasing.reconsider([standing[0].ident])
            return taken

        in_one_line(
            tx, node, "taken-back", caller.name, order, owing=Reason.WITHDRAWN,
            id=stix_id, collection=collection,
        )  # fmt: skip

    node.database.transact(work)


def _chosen(standing: list[Version], versions: Collection[str]) -> list[Version]:
    if not versions or "all" in versions:
        return standing
    keys = {_key(text) for text in versions if text not in ("first", "last")}
    if "first" in versions:
        keys.add(standing[0].version_key)
    if "last" in versions:
        keys.add(standing[-1].version_key)
    return [one for one in standing if one.version_key in keys]


def _sees(tx: Transaction, caller: Submitter, collection: int, ident: int) -> bool:
    views = [
        head.view
        for head in releases.lock_sharing(tx)().heads
        if head.audience == caller.audience and head.collection == collection
    ]
    return bool(releases.visible_idents(tx, views, [ident]))


def _accepted(tx: Transaction, stix_id: str) -> list[Version]:
    ident = objects.idents_of(tx, [stix_id]).get(stix_id)
    found = (
        []
        if ident is None
        else [
            v for v in version_rows.versions(tx, [ident]) if v.status == ObjectStatus.ACCEPTED.value
        ]
    )
    if not found:
        raise NotFound(f"we hold no object {stix_id}; see `search`")
    return found


def _key(version: str) -> str:
    try:
        return order_key(version)
    except ValueError:
        return ""


def _collection(tx: Transaction, name: str | None) -> int | None:
    if name is None:
        return None
    found = collection_rows.find_collection(tx, name)
    if found is None:
        raise ConfigurationInvalid(f"there is no collection {name!r}; see `collection list`")
    return found.id
