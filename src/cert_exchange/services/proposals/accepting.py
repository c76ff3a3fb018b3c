"""Accepting a proposal: of our own object as our next version, of a contested one as its creator's.

1. What is accepted of ours is published by our desk as a new version: our creator and first instant, markings of both, so
   that accepting never loosens; policy decides on it as on anything that we publish. The proposal stays as it came.
2. Of a contested id all that the first comer brought is set aside as proposals, and what the creator proposed is taken in
   anew by the rules for partners: screening and agreements are asked as if it came now.
3. `draft` says what would change, and changes nothing.
4. One transaction, with a ledger line of its own beside those of what is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cert_exchange.errors import ConfigurationInvalid, InputRefused
from cert_exchange.messages.evidence import Fact
from cert_exchange.messages.evidence import Line as LedgerLine
from cert_exchange.messages.notices import Reason
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION
from cert_exchange.services import ledger
from cert_exchange.services.proposals.answering import labels_of, places_of, waiting
from cert_exchange.services.proposals.listing import (
    Change,
    Proposal,
    Standing,
    changes_of,
    content_of,
    counting_of,
    owner_of,
)
from cert_exchange.services.publishing.taking_in import Outcome, take_in_watched
from cert_exchange.services.releasing.orders import in_one_line
from cert_exchange.stix.canonical import canonical_bytes
from cert_exchange.stix.envelopes import examine
from cert_exchange.stix.instants import format_micros, parse_micros
from cert_exchange.store import objects, undoing
from cert_exchange.store import proposals as rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Version
from cert_exchange.store.tables import OWN, LineKind
from cert_exchange.store.undoing import Sent


@dataclass(frozen=True, slots=True)
class Draft:
    """What accepting would do; nothing was changed."""

    proposal: Proposal
    changes: tuple[Change, ...]
    """of ours: the properties that would change"""
    collections: tuple[str, ...]
    """in which the new version would stand"""
    set_aside: tuple[str, ...]
    """of a contested id: the versions that would count no more"""
    taken_in: tuple[str, ...]
    """the versions that would count then"""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What accepting did."""

    stix_id: str
    outcomes: tuple[Outcome, ...]
    """of what was taken in, once for each collection"""
    set_aside: int
    audiences: tuple[str, ...]
    """who got a line by it"""


def draft(node: Node, number: int) -> Draft:
    """What `accept` would do. Raises NotFound, ConfigurationInvalid where our desk is not who accepts it."""
    with node.database.reading() as tx:
        one = _acceptable(tx, number)
        labels = labels_of(tx)
        places = tuple(labels[place] for place in places_of(tx, one.row.ident) if place in labels)
        if one.standing is Standing.CONTESTED:
            return Draft(
                one,
                (),
                places,
                tuple(version.version for version in _usurping(tx, one)),
                tuple(row.version for row in _claimed(tx, one)),
            )
        before = content_of(tx, _newest(tx, one).rendition)
        return Draft(one, changes_of(before, _ours(tx, one, node.now())), places, (), ())


def accept(node: Node, number: int, *, by: str, words: str = "") -> Accepted:
    """Take a proposal up. Raises as `draft`, InputRefused where what it would become is no valid object, ClockDoubtful."""

    def work(tx: Transaction) -> Accepted:
        now = node.clock.releasing_now()
        one = _acceptable(tx, number)
        places = places_of(tx, one.row.ident)
        if not places:
            raise ConfigurationInvalid(
                f"{one.row.stix_id} stands in no collection any more; publish it first, or decline."
            )
        if one.standing is Standing.CONTESTED:
            done = _hand_over(tx, node, one, places, by=by, now=now)
        else:
            done = _publish(tx, node, one, places, by=by, now=now)
        facts: dict[str, Fact] = {
            "id": one.row.stix_id,
            "version": one.row.version,
            "partner": one.row.partner_name,
            "standing": one.standing.value,
            "set_aside": done.set_aside,
        }
        ledger.record(tx, LedgerLine("proposal.accept", now, by, facts=facts))
        made = max(version.id for version in version_rows.versions(tx, [one.row.ident]))
        rows.keep_answer(tx, number, answer=rows.ACCEPTED, words=words, made=made, at=now, by=by)
        return done

    return node.database.transact(work)


def _acceptable(tx: Transaction, number: int) -> Proposal:
    one = waiting(tx, number)
    name = one.row.partner_name
    match one.standing:
        case Standing.OURS | Standing.CONTESTED:
            return one
        case Standing.OTHERS:
            raise ConfigurationInvalid(
                f"{one.row.stix_id} is of {one.owner or 'nobody named'} and came from {one.brought_by}: its own channel"
                f" brings its versions, or a relay that you name (`partner amend {name} --relays ...`). Decline it, or"
                " answer."
            )
        case Standing.STANDS_FOR:
            raise ConfigurationInvalid(
                f"{one.row.stix_id} stands for {one.original or 'an object of ours'} in somebody's view; publish that one"
                " anew with what you take of it, or decline."
            )
        case Standing.UNHELD:
            raise ConfigurationInvalid(
                f"we hold no {one.row.stix_id}: if {name} may speak for or relay {one.row.creator or 'its creator'},"
                f" say so with `partner amend {name}`, and it counts when {name} sends it again. Else decline it."
            )


def _newest(tx: Transaction, one: Proposal) -> Version:
    counting = counting_of(list(version_rows.versions(tx, [one.row.ident])))
    return max(counting, key=lambda version: (version.version_key, -version.id))


def _ours(tx: Transaction, one: Proposal, now: int) -> dict[str, Any]:
    """The proposal as a version of ours (rule 1)."""
    newest = _newest(tx, one)
    standing, made = content_of(tx, newest.rendition), content_of(tx, one.row.rendition)
    for name in ("created", "created_by_ref"):
        if name in standing:
            made[name] = standing[name]
        else:
            made.pop(name, None)
    after = max(now, parse_micros(newest.version) + 1)
    made["modified"] = format_micros(after)
    for name in ("object_marking_refs", "granular_markings"):
        both = [*standing.get(name, ()), *made.get(name, ())]
        kept = [value for number, value in enumerate(both) if value not in both[:number]]
        if kept:
            made[name] = kept
    terms = (standing.get("extensions") or {}).get(EXTENSION)
    if terms is not None:
        made.setdefault("extensions", {})[EXTENSION] = terms
    return made


def _publish(
    tx: Transaction, node: Node, one: Proposal, places: list[int], *, by: str, now: int
) -> Accepted:
    body = canonical_bytes({"objects": [_ours(tx, one, now)]})
    outcomes: list[Outcome] = []
    audiences: set[str] = set()
    for place in places:
        told, releasing = take_in_watched(
            tx, node, examine(body, limits=node.limits), origin=OWN, collection=place, now=now, by=by,
            facts={"proposed_by": one.row.partner_name, "proposal": one.row.number},
        )  # fmt: skip
        if not told[0].success:
            raise InputRefused(f"It cannot become a version of ours: {told[0].message}")
        outcomes += told
        audiences |= {line.audience for line in releasing.lines if line.kind == LineKind.RELEASE}
    return Accepted(one.row.stix_id, tuple(outcomes), 0, tuple(sorted(audiences)))


def _usurping(tx: Transaction, one: Proposal) -> list[Version]:
    """Every version that counts and is not of the creator that the proposal names."""
    counting = counting_of(list(version_rows.versions(tx, [one.row.ident])))
    creators = version_rows.stix_ids(
        tx, {each.creator for each in counting if each.creator is not None}
    )
    claimed = one.row.creator or one.row.stix_id
    return [each for each in counting if owner_of(each, creators) != claimed]


def _claimed(tx: Transaction, one: Proposal) -> list[rows.Proposed]:
    """What the sender proposed of this id under the same creator."""
    return [
        each
        for each in rows.of_sender(tx, one.row.ident, one.row.partner)
        if each.creator == one.row.creator
    ]


def _hand_over(
    tx: Transaction, node: Node, one: Proposal, places: list[int], *, by: str, now: int
) -> Accepted:
    ident = one.row.ident
    usurping = _usurping(tx, one)
    numbers = [each.id for each in usurping]

    def order(releasing: Any) -> None:
        # First out of every view as what is taken back, so that who fetched it is told; then it counts no more.
        objects.take_back(tx, numbers, collection=None, by=OWN, at=releasing.now)
        releasing.reconsider([ident])
        undoing.set_aside(
            tx, [Sent(number, ident, accepted=True) for number in numbers], at=now, by=by
        )
        releasing.reload()
        releasing.reconsider([ident])

    in_one_line(
        tx, node, "proposal.hand_over", by, order, owing=Reason.WITHDRAWN,
        id=one.row.stix_id, partner=one.row.partner_name, set_aside=len(numbers),
    )  # fmt: skip
    outcomes: list[Outcome] = []
    audiences: set[str] = set()
    for each in _claimed(tx, one):
        body = b'{"objects":[' + rows.body_of(tx, each.rendition).encode("utf-8") + b"]}"
        for place in places:
            told, releasing = take_in_watched(
                tx, node, examine(body, limits=node.limits), origin=one.row.partner,
                collection=place, now=now, facts={"proposal": each.number}, answered=True,
            )  # fmt: skip
            outcomes += told
            audiences |= {
                line.audience for line in releasing.lines if line.kind == LineKind.RELEASE
            }
    if not any(outcome.success for outcome in outcomes):
        said = outcomes[0].message if outcomes else "nothing of it waits"
        raise InputRefused(f"It cannot be taken in: {said}")
    return Accepted(one.row.stix_id, tuple(outcomes), len(numbers), tuple(sorted(audiences)))
