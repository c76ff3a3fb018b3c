"""Objects enter the store, and what policy allows leaves for the views, in one transaction.

    (1) number the ids, read what is known of them   (2) rule on each object, and screen it   (3) store
    (4) release                                       (5) one ledger line

`examine` was called before, outside the transaction; the caller commits, and must not act on the outcome earlier.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from cert_exchange.messages.evidence import object_commitment
from cert_exchange.node import Node
from cert_exchange.policy.agreements import breaches
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services.publishing import limiting
from cert_exchange.services.publishing.admitting import (
    Known,
    Ruling,
    Step,
    not_agreed,
    owner_of,
    rule_on,
)
from cert_exchange.services.publishing.doubting import hear
from cert_exchange.services.publishing.drilling import lift, marks_met, spared, unmarked
from cert_exchange.services.publishing.knowing import (
    Intake,
    ask,
    read,
    sender_of,
    touched,
    version_of,
)
from cert_exchange.services.publishing.obeying import obey, speaks_of_withdrawal
from cert_exchange.services.publishing.recording import write_line
from cert_exchange.services.publishing.refusing import keep_aside, oust, refused
from cert_exchange.services.publishing.rulings import Approval, Outcome
from cert_exchange.services.publishing.screening import asked_of, catch, screen_for, screened
from cert_exchange.services.publishing.terming import lay_beside
from cert_exchange.services.publishing.unfolding import unfolded
from cert_exchange.services.releasing import Releasing, issuer_of
from cert_exchange.stix.envelopes import Batch
from cert_exchange.stix.markings import TLP_DEFINITIONS
from cert_exchange.stix.objects import StixObject
from cert_exchange.store import objects, screening
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Membership, NewVersion, Version
from cert_exchange.store.tables import OWN, ObjectStatus

_ACCEPTING = (Step.STORE, Step.COPY, Step.JOIN, Step.REPOST, Step.PROMOTE)
"""After these an id is one that its sender may know: what refers to it is no secret to it (DECISIONS 4)."""
_PREDEFINED = frozenset(str(definition["id"]) for definition in TLP_DEFINITIONS)


def take_in(
    tx: Transaction,
    node: Node,
    batch: Batch,
    *,
    origin: int,
    collection: int,
    now: int,
    by: str = "",
    facts: Mapping[str, str | int | list[str]] | None = None,
    approval: Approval | None = None,
    posted: bool = False,
) -> tuple[Outcome, ...]:
    """Store a batch and release it, inside the caller's transaction; an outcome per object, in order.

    `origin` is OWN or the partner's id, `collection` collections.id, `now` micros from `clock.releasing_now()`; with
    `approval` it waits for a person; what is `posted` counts for its sender's gate.
    """
    outcomes, _ = take_in_watched(
        tx, node, batch, origin=origin, collection=collection, now=now, by=by, facts=facts,
        approval=approval, posted=posted,
    )  # fmt: skip
    return outcomes


def take_in_watched(
    tx: Transaction,
    node: Node,
    batch: Batch,
    *,
    origin: int,
    collection: int | None,
    now: int,
    by: str = "",
    facts: Mapping[str, str | int | list[str]] | None = None,
    keep_verdicts: bool = False,
    terms: SharingTerms | None = None,
    approval: Approval | None = None,
    posted: bool = False,
    answered: bool = False,
    holding: Mapping[str, str] | None = None,
) -> tuple[tuple[Outcome, ...], Releasing]:
    """As `take_in`, with the releases it caused; `terms` come with what our desk publishes, `answered` waits for nobody.

    `holding`: STIX ids of our desk's that are held at the way in, each with the reason that nothing in the object says.
    """
    items = [one for one in batch.items if one.item is not None]
    line_id, asked = ask(tx, items)
    sender = sender_of(tx, origin, by, owner_group=node.settings.owner_group)
    if posted:
        limiting.refuse_shut(sender)
    sharing = asked.sharing()
    releasing = Releasing(
        tx, now, line_id, keep_verdicts, keep_lines=origin == OWN, locked=sharing,
        issuer=issuer_of(node),
    )  # fmt: skip
    intake = read(tx, node, releasing, sender, items, collection, now, asked)
    intake.screen = screen_for(tx, sharing, collection)
    intake.asked = asked_of(intake, items, holding or {})
    intake.approval = None if answered else approval or limiting.approval_of(sender)
    if origin == OWN and collection is not None:
        intake.marks = marks_met(intake, releasing, items, terms)
    salts = os.urandom(16 * len(items))
    outcomes: list[Outcome] = []
    taken = 0
    for examined in batch.items:
        if examined.item is None:
            outcomes.append(refused(intake, examined))
            continue
        outcomes.append(
            _one(intake, examined.index, examined.item, salts[16 * taken : 16 * taken + 16])
        )
        taken += 1
    objects.insert_versions(tx, intake.news, stored_at=now, ledger_line=line_id)
    screening.keep_out(tx, list(intake.caught.values()), at=now)
    accepted = [new.id for new in intake.news if new.status is ObjectStatus.ACCEPTED]
    if collection is not None:
        objects.join_collection(tx, accepted + intake.joins, collection=collection, at=now)
        objects.take_back(tx, intake.barred, collection=collection, by=OWN, at=now)
        objects.take_back(tx, intake.ended, collection=None, by=origin, at=now)
    for version, references in intake.fed:
        gone = (now, origin) if version.id in intake.ended else (None, None)
        place = Membership(version.id, collection, now, *gone) if collection is not None else None
        releasing.pool.feed(version, place, references, intake.contents[version.rendition])
    releasing.pool.contents.update(intake.contents)
    real = lift(intake, releasing)
    changed = touched(intake) | real | dict.fromkeys(sorted(hear(intake, releasing, node)))
    if terms is not None:
        changed |= lay_beside(intake, releasing, items, terms)
        facts = {**(facts or {}), "terms": list(terms.said)}
    releasing.reconsider(changed, arrived={origin: intake.sent} if origin != OWN else None)
    if posted:
        limiting.count(tx, sender, outcomes, now=now)
    if intake.news or changed or releasing.commitments or terms is not None:
        if real:
            facts = {"made_real": len(real), **(facts or {})}
        write_line(intake, releasing, line_id, facts)
    for proposed in unfolded(intake, node):
        take_in_watched(tx, node, proposed, origin=origin, collection=collection, now=now)
    return tuple(outcomes), releasing


def _one(intake: Intake, index: int, item: StixObject, salt: bytes) -> Outcome:
    ident = intake.nums[item.id]
    known = intake.known.setdefault(ident, [])
    if item.id in _PREDEFINED and known:
        # TLP definitions have one content for all (STIX 7.2.1.4); validation compared it.
        told = item.version or item.created
        return Outcome(index, item.id, told, "duplicate", success=True, message="")
    version, key = version_of(intake, item, known)
    agreed = None if speaks_of_withdrawal(item) else intake.agreed
    broken = breaches(agreed, item.content) if agreed is not None else ()
    sender, identities, collection = intake.sender, intake.identities, intake.collection
    ruling = (
        not_agreed(broken)
        if broken
        else rule_on(item, key, known, sender, identities, collection=collection, seen=intake.seen)
    )
    ruling = screened(intake, ident, item, spared(intake, ident, item, key, ruling))
    ruling = unmarked(intake, ident, item, ruling)
    if item.observable and ruling.about is not None:
        version = next((one.version for one in known if one.id == ruling.about), version)
    _carry_out(intake, ident, item, version, key, ruling, salt)
    updates = any(one.accepted for one in known)
    ends = int(item.revoked and updates and ruling.result == "accepted")
    if item.type == "note" and ruling.step is Step.STORE and ruling.success:
        ends = obey(intake, item, ident)
    return Outcome(
        index, item.id, version, ruling.result, ruling.success, ruling.message, ruling.mark,
        updates, ruling.barred, ruling.step is not Step.NOTHING, agreed=not broken, found=intake.found, ends=ends,
    )  # fmt: skip


def _carry_out(
    intake: Intake,
    ident: int,
    item: StixObject,
    version: str,
    key: str,
    ruling: Ruling,
    salt: bytes,
) -> None:
    step = ruling.step
    origin = intake.sender.origin
    if step in (Step.STORE, Step.COPY):
        _store(intake, ident, item, version, key, salt, ObjectStatus.ACCEPTED, ruling)
    elif step in (Step.PROPOSE, Step.TAKE_OVER):
        _store(intake, ident, item, version, key, salt, ObjectStatus.PROPOSAL, ruling)
        if ruling.clash:
            keep_aside(intake, item, "conflict", "other content under a known id and version")
        if step is Step.TAKE_OVER:
            assert ruling.about is not None
            objects.take_back(intake.tx, [ruling.about], collection=None, by=OWN, at=intake.now)
            intake.changed[ident] = None
            keep_aside(
                intake, item, "conflict", "its creator brought other content than a relay did"
            )
    elif step is Step.CONFLICT:
        keep_aside(intake, item, "conflict", "other content under a known id and version")
    elif step in (Step.JOIN, Step.REPOST, Step.PROMOTE):
        assert ruling.about is not None
        catch(intake, ruling.about)
        if step is Step.PROMOTE:
            objects.promote(intake.tx, ruling.about)
            intake.promoted[ident] = item.type
        _place(intake, ident, ruling.about, barred=ruling.barred)
        place = OWN if ruling.barred else None
        _note(intake, ident, ruling.about, item, version, key, not ruling.aside, placed=(place,))
        intake.changed[ident] = None
    elif step is Step.REFUSE:
        keep_aside(intake, item, "rejected", ruling.message)
    if ruling.ousts:
        oust(intake, ident, item, ruling.ousts)
    if origin != OWN and step in _ACCEPTING and not ruling.aside:
        intake.sent.add(ident)


def _place(intake: Intake, ident: int, number: int, *, barred: bool) -> None:
    """Let a version stand in the collection that it was sent to, perhaps again."""
    places = next(one.collections for one in intake.known[ident] if one.id == number)
    if barred:
        if intake.collection not in places:
            intake.joins.append(number)
        intake.barred.append(number)
    elif intake.collection in places:
        assert intake.collection is not None
        objects.put_back(intake.tx, number, collection=intake.collection, at=intake.now)
    else:
        intake.joins.append(number)


def _store(
    intake: Intake,
    ident: int,
    item: StixObject,
    version: str,
    key: str,
    salt: bytes,
    status: ObjectStatus,
    ruling: Ruling,
) -> None:
    number = intake.numbers[len(intake.news)]
    catch(intake, number)
    rendition, digest = intake.renditions[item.digest], item.digest
    if ruling.step is Step.COPY and ruling.about is not None:
        rendition, digest = objects.rendition_of(intake.tx, ruling.about)  # first bytes win
    references = [(intake.nums[ref.target], int(ref.role)) for ref in item.references]
    creator = intake.nums[item.creator] if item.creator else None
    intake.news.append(
        NewVersion(
            number, ident, item.type, version, key, intake.sender.origin, rendition, item.sameness,
            creator, item.revoked, item.observable,
            status, salt,
            tuple(references),
        )
    )  # fmt: skip
    intake.commitments.append(
        object_commitment(salt, item.id, version, intake.sender.origin, digest)
    )
    accepted = status is ObjectStatus.ACCEPTED
    if ruling.aside:
        intake.joins.append(number)
    if ruling.barred:
        intake.barred.append(number)
    placed = (OWN if ruling.barred else None,) if accepted or ruling.aside else ()
    _note(intake, ident, number, item, version, key, accepted, placed=placed)
    if accepted:
        intake.changed[ident] = None
        if rendition == intake.renditions[item.digest]:
            intake.contents[rendition] = item.content
            if ident in intake.fresh:
                intake.fed.append(
                    (
                        Version(
                            number, ident, item.id, item.type, version, key, intake.sender.origin,
                            rendition, len(item.body), digest, item.sameness, creator,
                            item.revoked, item.observable, status.value, intake.now,
                            intake.found is not None,
                        ),
                        references,
                    )
                )  # fmt: skip
    elif intake.sender.origin != OWN:
        intake.changed[ident] = None  # what waits for an id that its audience sent


def _note(
    intake: Intake,
    ident: int,
    number: int,
    item: StixObject,
    version: str,
    key: str,
    accepted: bool,  # noqa: FBT001 - one of the facts that are remembered, in their order
    *,
    placed: tuple[int | None, ...],
) -> None:
    """Remember it for the rest of the batch. `placed`: who took it back where it stands now, empty if nowhere."""
    known = [one for one in intake.known[ident] if one.id != number]
    places = dict(next((o.collections for o in intake.known[ident] if o.id == number), {}))
    if placed and intake.collection is not None:
        places[intake.collection] = placed[0]
    known.append(
        Known(
            number, version, key, intake.sender.origin, item.sameness, accepted, owner_of(item), places,
            revoked=item.revoked,
        )
    )  # fmt: skip
    intake.known[ident] = known


__all__ = ["Outcome", "take_in", "take_in_watched"]
