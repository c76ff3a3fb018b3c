"""Declining a proposal, and answering its sender in words.

1. A declined proposal is kept as it is, and waits no more. Nothing of it is told to anybody unless a person says so.
2. An answer is a note of ours about the object, bound to its sender alone by its terms, marked as strictly as the object
   and the proposal together. Policy decides on it as on anything: a note about an object that is hidden from the sender
   waits, so that an answer never tells what policy hides.
3. The note and what is written down of it are one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import orjson

from cert_exchange.errors import ConfigurationInvalid, InputRefused
from cert_exchange.messages.evidence import Line as LedgerLine
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services import ledger
from cert_exchange.services.proposals.listing import Proposal, Standing, counting_of, found_in
from cert_exchange.services.publishing.taking_in import take_in_watched
from cert_exchange.stix.envelopes import examine
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import derivatives, objects
from cert_exchange.store import proposals as rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import OWN, LineKind

MOST_WORDS: Final = 10_000
_AMBER: Final = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"  # TLP 2.0


@dataclass(frozen=True, slots=True)
class Declined:
    """A proposal that waits no more."""

    number: int
    stix_id: str
    version: str
    partner: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A note to the sender of a proposal."""

    note: str
    """its STIX id"""
    collection: str
    reached: tuple[str, ...]
    """the audiences that see it now; empty: policy keeps it back, or it waits for the object"""


def decline(node: Node, number: int, *, by: str, reason: str) -> Declined:
    """Say that a proposal will not be taken up. Raises NotFound, ConfigurationInvalid when it does not wait."""

    def work(tx: Transaction) -> Declined:
        now = node.now()
        one = waiting(tx, number)
        rows.keep_answer(tx, number, answer=rows.DECLINED, words=reason, at=now, by=by)
        ledger.record(
            tx,
            LedgerLine(
                "proposal.decline",
                now,
                by,
                facts={
                    "id": one.row.stix_id,
                    "version": one.row.version,
                    "partner": one.row.partner_name,
                    "reason": reason,
                },
            ),
        )
        return Declined(number, one.row.stix_id, one.row.version, one.row.partner_name)

    return node.database.transact(work)


def answer(
    node: Node, number: int, words: str, *, by: str, collection: str | None = None
) -> Answered:
    """Publish a note to a proposal's sender: into `collection`, else where the object stands.

    Raises NotFound, InputRefused for words that are none, ConfigurationInvalid where no collection is known.
    """
    if not words.strip() or len(words) > MOST_WORDS:
        raise InputRefused(f"An answer has 1 to {MOST_WORDS:,} characters.")

    def work(tx: Transaction) -> Answered:
        now = node.clock.releasing_now()
        one = found_in(tx, number)
        about = _about(tx, one)
        place, label = _place(tx, one, collection)
        note: dict[str, Any] = {
            "type": "note",
            "spec_version": "2.1",
            "id": f"note--{uuid4()}",
            "created": format_micros(now),
            "modified": format_micros(now),
            "created_by_ref": node.identity,
            "abstract": f"Answer to the version of {one.row.version} that was proposed",
            "content": words,
            "object_refs": [about],
            "object_marking_refs": _markings(tx, one),
        }
        outcomes, releasing = take_in_watched(
            tx, node, examine(orjson.dumps({"objects": [note]}), limits=node.limits), origin=OWN,
            collection=place, now=now, by=by,
            terms=SharingTerms(only_to=(frozenset({one.row.partner_name}),)),
            facts={"answers": one.row.stix_id, "partner": one.row.partner_name},
        )  # fmt: skip
        if not outcomes[0].success:
            raise InputRefused(f"The answer cannot be published: {outcomes[0].message}")
        made = _newest(tx, note["id"])
        rows.keep_answer(tx, number, answer=rows.ANSWERED, words=words, made=made, at=now, by=by)
        reached = {
            line.audience
            for line in releasing.lines
            if line.kind == LineKind.RELEASE and line.stix_id == note["id"]
        }
        return Answered(str(note["id"]), label, tuple(sorted(reached)))

    return node.database.transact(work)


def waiting(tx: Transaction, number: int) -> Proposal:
    """A proposal that waits for a person. Raises NotFound, ConfigurationInvalid."""
    one = found_in(tx, number)
    if one.undone:
        raise ConfigurationInvalid(
            f"proposal {number} was undone with all that {one.row.partner_name} sent then."
        )
    if not one.open:
        last = one.said[-1]
        raise ConfigurationInvalid(
            f"proposal {number} was {last.answer} by {last.by} at {format_micros(last.at)}."
        )
    return one


def places_of(tx: Transaction, ident: int) -> list[int]:
    """The collections in which the newest version that counts stands, or, where it stands in none, an older one."""
    counting = counting_of(list(version_rows.versions(tx, [ident])))
    standing = version_rows.memberships_of(tx, [one.id for one in counting])
    for version in sorted(counting, key=lambda one: one.version_key, reverse=True):
        found = [
            place.collection
            for place in standing.get(version.id, ())
            if place.taken_back_at is None
        ]
        if found:
            return sorted(found)
    return []


def labels_of(tx: Transaction) -> dict[int, str]:
    """The collections in force: number -> what people call it."""
    return {
        one.id: one.alias or one.uuid
        for one in collection_rows.declared(tx).values()
        if one.retired_at is None
    }


def _about(tx: Transaction, one: Proposal) -> str:
    if one.standing is not Standing.STANDS_FOR:
        return one.row.stix_id
    return derivatives.stood_for(tx, [one.row.stix_id])[one.row.stix_id][1]


def _place(tx: Transaction, one: Proposal, named: str | None) -> tuple[int, str]:
    labels = labels_of(tx)
    if named is not None:
        found = collection_rows.find_collection(tx, named)
        if found is None:
            raise ConfigurationInvalid(
                f"there is no collection {named!r}; there are: {', '.join(sorted(labels.values())) or 'none'}."
            )
        return found.id, labels[found.id]
    ident = objects.idents_of(tx, [_about(tx, one)])[_about(tx, one)]
    for place in places_of(tx, ident):
        if place in labels:
            return place, labels[place]
    raise ConfigurationInvalid("the object stands in no collection; say with --collection where.")


def _markings(tx: Transaction, one: Proposal) -> list[str]:
    """Those of the object as it stands and those of the proposal together; amber where neither has one."""
    newest = max(
        counting_of(list(version_rows.versions(tx, [one.row.ident]))),
        key=lambda version: version.version_key,
        default=None,
    )
    found: dict[str, None] = {}
    for rendition in [one.row.rendition, *([newest.rendition] if newest is not None else [])]:
        content = orjson.loads(rows.body_of(tx, rendition))
        found |= dict.fromkeys(content.get("object_marking_refs", ()))
    return list(found) or [_AMBER]


def _newest(tx: Transaction, stix_id: str) -> int:
    ident = objects.idents_of(tx, [stix_id])[stix_id]
    return max(version.id for version in version_rows.versions(tx, [ident]))
