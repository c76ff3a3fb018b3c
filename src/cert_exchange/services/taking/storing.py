"""An input goes in, chunk by chunk: each is one commit, and repeating the whole after a break is safe.

1. What a chunk holds is settled, validated and looked at (`walking`), then taken in like anything that our desk publishes.
2. Ids depend on what is said: a repetition finds its objects as they are, and adds nothing.
3. An observable that stood for itself and was held for that alone is let in when an indicator on it goes out (`pairing`): in a
   transaction of its own after the chunk's, which a repetition does as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from cert_exchange.intake.batches import bare_name
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services import publishing, screening, warning
from cert_exchange.services.collecting import collected_by_parts
from cert_exchange.services.ending import unread_fact
from cert_exchange.services.pairing import held_for_nothing
from cert_exchange.services.publishing import Outcome
from cert_exchange.services.publishing.taking_in import take_in_watched
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.taking.chunks import Chunk, contents_of
from cert_exchange.services.taking.reading import Order, Understanding, read
from cert_exchange.services.taking.sources import Source
from cert_exchange.services.taking.together import Together
from cert_exchange.services.taking.understanding import Found, OnLoss, Progress, asked_of
from cert_exchange.services.taking.walking import Walk
from cert_exchange.stix.envelopes import Batch
from cert_exchange.stix.references import is_observable_id
from cert_exchange.store import facts
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import OWN

SHOWN: Final = 100
"""Outcomes that are told one by one: what was not accepted, or is held."""


@dataclass(slots=True)
class Taken:
    """What became of one input. `found` says what was in it when it went in."""

    found: Found
    results: Counter[str] = field(default_factory=Counter)
    held: int = 0
    """stored, and shared with nobody until a person lets it in"""
    let_in: int = 0
    """observables that were held for want of an indicator, and are no more"""
    gained: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """lines of the release log by (audience, kind, rule)"""
    outcomes: list[Outcome] = field(default_factory=list)
    """of what was not accepted, or is held, the first"""


def take(
    node: Node,
    source: Source,
    how: Understanding,
    order: Order,
    *,
    collection: str,
    by: str,
    together: Together | None = None,
    terms: SharingTerms | None = None,
    carried: SharingTerms | None = None,
    progress: Progress | None = None,
    total: int | None = None,
    on_loss: OnLoss | None = None,
) -> Taken:
    """Publish an input into a collection (alias or UUID). `total`: its findings, if they were counted before.

    Raises InputRefused and what the readers raise, ConfigurationInvalid, StoreError, ClockDoubtful. What was stored until
    then stays.
    """
    number = publishing.collection_number(node, collection)
    together = together or Together([(source, how)], order)
    walk = Walk(
        node,
        order,
        how,
        together,
        name=source.name,
        lives=warning.lives(node, collection),
        terms=terms,
        carried=carried,
    )
    taken = Taken(Found(source.name, how))
    with collected_by_parts(after=1) as part_done:
        for chunk in walk.chunks(read(source, how)):
            taken.found.add(chunk, on_loss)
            if chunk.ready:
                _store(node, chunk, taken, number=number, by=by, terms=terms)
            if progress is not None:
                progress(taken.found.findings, total)
            part_done()
    if walk.list_name:
        together.unread[walk.list_name] += taken.found.lost.total()
        _note_unread(node, walk.list_name, together.unread[walk.list_name])
    return taken


def _note_unread(node: Node, name: str, places: int) -> None:
    """Remember how many places of an input were not used: what stands there is not dropped from its list (`ending`)."""

    def work(tx: Transaction) -> None:
        facts.put_fact(tx, unread_fact(bare_name(name)), str(places) if places else None)

    node.database.transact(work)


def _store(
    node: Node, chunk: Chunk, taken: Taken, *, number: int, by: str, terms: SharingTerms | None
) -> None:
    batch = Batch(tuple(one.examined for one in chunk.ready))
    holding = asked_of(chunk)

    def work(tx: Transaction) -> tuple[tuple[Outcome, ...], Releasing]:
        return take_in_watched(
            tx, node, batch, origin=OWN, collection=number, now=node.clock.releasing_now(), by=by,
            terms=terms, holding=holding,
        )  # fmt: skip

    outcomes, releasing = node.database.transact(work)
    for one in outcomes:
        taken.results[one.result] += 1
        taken.held += one.held
        if (one.held or not one.success) and len(taken.outcomes) < SHOWN:
            taken.outcomes.append(one)
    taken.gained.update((line.audience, str(line.kind), line.rule) for line in releasing.lines)
    known = {one.id for one in outcomes if one.result == "duplicate" and is_observable_id(one.id)}
    if known:
        taken.let_in += _let_in(node, chunk, known, by=by)


def _let_in(node: Node, chunk: Chunk, known: Collection[str], *, by: str) -> int:
    """Let in what was held only for want of an indicator on it. `known`: observables that were stored before."""
    pairs: dict[str, set[str]] = {}
    for content in contents_of(chunk.ready):
        if content["type"] == "relationship" and content["target_ref"] in known:
            pairs.setdefault(content["target_ref"], set()).add(content["source_ref"])
    if not pairs:
        return 0
    with node.database.reading() as conn:
        found = held_for_nothing(conn, pairs)
    if not found:
        return 0
    return screening.let_in(node, found, by=by, reason="an indicator on it was published").versions
