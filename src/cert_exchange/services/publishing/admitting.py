"""Who may bring which id, in which version (DESIGN invariant 4, DECISIONS 5, 6 and 27).

1. A versioned object belongs to its creator: the one of its first accepted version. Only the creator's own channel, or
   a relay that the administrator named, brings it. Anything else is kept as a proposal.
2. Our own identity is never accepted from outside, but for what our identity made and another server of our own
   organisation brings (`owner_group`, S33); our desk may publish any creator that no partner speaks for.
3. An object without a creator belongs to the channel that brought it first.
4. What the sender is told depends only on what it sent before and may see: the same rules are asked twice, once of
   all that we hold for what is done, once of what the sender knows for what it is told. Where the two differ, what it
   sent is kept aside, and answers later on as if it had been taken.
5. Cyber-observables belong to nobody: a copy per origin and content.
6. What is held from a partner stays that partner's when our desk publishes the same version.
7. Ownership compares ids, never names (CASES O08). An identity that a partner speaks for, or ours, is brought by nobody
   else, whoever its created_by_ref says made it; that a third party is our partner is told to nobody.
8. Nothing comes after a revocation: a later version of what an accepted one revoked is refused, from a partner kept as a
   proposal. What is older may still arrive late.
9. An id that stands for an original of ours in somebody's view is brought by nobody, our own desk included (DECISIONS
   14). Who sees it is told what it is told of any object of ours; who does not, what it is told of an id that nobody knows.
10. Nobody keeps an id by being first or by lying in the future: a relay's version that lies ahead of our clock is kept as
   a proposal, and where the creator's own channel brings a version, what another brought that lies ahead, or that revoked
   the object before it, is taken back and shown as a conflict.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from cert_exchange.policy.agreements import Breach
from cert_exchange.services.publishing.declining import (
    after_revocation,
    in_the_future,
    not_yours,
    other_owner,
)
from cert_exchange.services.publishing.rulings import Identities, Known, Ruling, Sender, Step
from cert_exchange.stix.objects import StixObject
from cert_exchange.store.tables import OWN

__all__ = [
    "AHEAD_MICROS",
    "Identities",
    "Known",
    "Ruling",
    "Sender",
    "Step",
    "may_bring",
    "may_bring_identity",
    "not_agreed",
    "owner_of",
    "rule_on",
]

IDENTITY: Final = "identity"
AHEAD_MICROS: Final = 24 * 3600 * 1_000_000
"""How far a creator's clock may go ahead of ours: what lies beyond was not made by today."""
_ARRIVING: Final = (Step.STORE, Step.COPY, Step.PROMOTE)


def owner_of(item: StixObject) -> str | None:
    """The STIX id of who owns an object: its creator; an identity without one owns itself."""
    return item.creator or (item.id if item.type == IDENTITY else None)


def may_bring(sender: Sender, owner: str | None, identities: Identities) -> bool:
    """Whether the sender may bring objects of this owner at all."""
    if owner is None:
        return True
    speaker = identities.spoken_by.get(owner)
    if sender.origin == OWN:
        return speaker is None
    if owner == identities.own:
        return sender.ours
    if speaker is not None:
        return speaker == sender.origin
    return sender.relays_any or owner in sender.relays


def may_bring_identity(sender: Sender, stix_id: str, identities: Identities) -> bool:
    """Whether the sender may bring this identity object, whatever its created_by_ref says."""
    if stix_id == identities.own:
        return sender.origin == OWN
    return identities.spoken_by.get(stix_id, sender.origin) == sender.origin


def not_agreed(broken: Sequence[Breach]) -> Ruling:
    """What breaks the content profile that both sides agreed to is kept aside, and its sender told the clauses."""
    reasons = "; ".join(one.reason for one in broken)
    return Ruling(Step.REFUSE, success=False, message=f"your agreement: {reasons}")


def rule_on(
    item: StixObject,
    version_key: str,
    known: list[Known],
    sender: Sender,
    identities: Identities,
    *,
    collection: int | None,
    seen: Collection[int],
) -> Ruling:
    """What happens to one valid object. `seen`: the known versions (objects.id) that the sender may see now."""
    barred = item.type == IDENTITY and not may_bring_identity(sender, item.id, identities)
    if any(one.derived for one in known):
        done = _rule_on_derived(item, version_key, known, sender, collection)
    else:
        done = _ruled(item, version_key, known, sender, identities, collection, barred=barred)
    if sender.origin == OWN:
        return done
    if item.observable:
        if any(one.derived for one in known):
            return done
        copies = [one for one in known if one.id == done.about]
        again = done.step is Step.JOIN and _taken_back_by_us(
            copies, copies[0].version_key, collection
        )
        return replace(done, barred=again)
    in_sight = [one for one in known if one.origin == sender.origin or one.id in seen]
    final = min((one.version_key for one in in_sight if one.accepted and one.revoked), default=None)
    in_sight = [
        one._replace(accepted=one.accepted or may_bring(sender, one.owner, identities))
        if one.origin == sender.origin
        and (final is None or one.version_key <= final)
        and not _lies_ahead(one.version_key, one.owner, sender, identities)
        else one
        for one in in_sight
    ]
    barred = barred and item.id == identities.own
    told = _ruled(item, version_key, in_sight, sender, identities, collection, barred=barred)
    mine = _with_key(known, version_key, origin=sender.origin)
    step, about, aside = done.step, done.about, False
    if done.step in (Step.NOTHING, Step.CONFLICT, Step.PROPOSE):
        if mine is None and told.step not in (Step.NOTHING, Step.CONFLICT):
            step, aside = Step.PROPOSE, told.success
        elif mine is not None and told.step in (Step.JOIN, Step.REPOST):
            step, about, aside = told.step, mine.id, not mine.accepted
    aside = aside or done.step is Step.TAKE_OVER
    clash = done.step is Step.CONFLICT and step is Step.PROPOSE
    barred_here = step in (Step.COPY, Step.JOIN, Step.PROMOTE) and _taken_back_by_us(
        known, version_key, collection
    )
    ousts = (
        _ousted(version_key, known, sender, identities)
        if step in _ARRIVING and not aside and _is_creator(sender, owner_of(item), identities)
        else ()
    )
    return Ruling(step, told.success, told.message, about, aside, clash, barred_here, ousts)


def _is_creator(sender: Sender, owner: str | None, identities: Identities) -> bool:
    """Whether this is the channel of the partner who speaks for the owner."""
    return owner is not None and identities.spoken_by.get(owner) == sender.origin


def _lies_ahead(
    version_key: str, owner: str | None, sender: Sender, identities: Identities
) -> bool:
    """Whether this is a relay's version of the future."""
    return (
        version_key > identities.ahead
        and owner is not None
        and sender.origin != OWN
        and not _is_creator(sender, owner, identities)
    )


def _ousted(
    version_key: str, known: list[Known], sender: Sender, identities: Identities
) -> tuple[Known, ...]:
    """What others brought and the creator's version does not have to bear."""
    own = {one.version_key for one in known if one.origin == sender.origin} | {version_key}
    return tuple(
        one
        for one in known
        if one.accepted
        and one.in_use
        and one.origin != sender.origin
        and one.version_key not in own
        and (one.version_key > identities.ahead or (one.revoked and one.version_key < version_key))
    )


def _taken_back_by_us(known: list[Known], version_key: str, collection: int | None) -> bool:
    """Whether our desk took this version back, from this collection or from all that it stood in.

    Then no other channel and no other collection brings it back: stored, not released, same answer (DECISIONS 6).
    """
    for one in known:
        if one.accepted and one.version_key == version_key and one.collections:
            takers = set(one.collections.values())
            if takers == {OWN} or (collection, OWN) in one.collections.items():
                return True
    return False


def _ruled(
    item: StixObject,
    version_key: str,
    known: list[Known],
    sender: Sender,
    identities: Identities,
    collection: int | None,
    *,
    barred: bool,
) -> Ruling:
    """The rules, asked of what is known to us or to the sender; `message` is worth saying only of the latter."""
    if item.observable:
        return _rule_on_observable(item, known, sender, collection)
    owner = owner_of(item)
    mine = _with_key(known, version_key, origin=sender.origin)
    if mine is not None and mine.accepted:
        return _again(item, mine, sender, collection)
    others = [one for one in known if one.accepted and one.version_key == version_key]
    alike = [one for one in others if one.sameness == item.sameness]
    same = next((one for one in alike if one.in_use), alike[0] if alike else None)
    if barred or not may_bring(sender, owner, identities):
        if same is not None:
            return Ruling(Step.NOTHING, success=True, about=same.id)
        return not_yours(item.id if barred else owner, mine, sender)
    accepted = [one for one in known if one.accepted]
    if accepted and not _continues(accepted[0], owner, sender):
        if same is not None:
            return Ruling(Step.NOTHING, success=True, about=same.id)
        return other_owner(accepted[0], mine, sender)
    if same is not None:
        if sender.origin == OWN and same.in_use:
            return Ruling(
                Step.NOTHING, success=True, about=same.id,
                message="already held from a partner, and it stays that partner's: policies decide on it as such",
            )  # fmt: skip
        return Ruling(Step.COPY, success=True, about=same.id)
    creator = _is_creator(sender, owner, identities)
    if _lies_ahead(version_key, owner, sender, identities):
        return in_the_future(mine)
    if mine is not None and mine.sameness != item.sameness:
        return Ruling(Step.CONFLICT, success=False, about=mine.id, message=_CONFLICT)
    if others:
        return _other_content(others[0], owner, mine, sender, identities)
    if any(
        one.revoked
        and one.version_key < version_key
        and (one.origin == sender.origin or not creator)
        for one in accepted
    ):
        return after_revocation(mine, sender)
    if mine is not None:  # a proposal of the same sender under this key
        return Ruling(Step.PROMOTE, success=True, about=mine.id)
    return Ruling(Step.STORE, success=True)


_CONFLICT: Final = "other content is already known under this id and version; send your change with a later modified"


def _again(item: StixObject, mine: Known, sender: Sender, collection: int | None) -> Ruling:
    """The same sender brings a version again."""
    if mine.sameness != item.sameness:
        return Ruling(Step.CONFLICT, success=False, about=mine.id, message=_CONFLICT)
    if collection is None:
        return Ruling(Step.NOTHING, success=True, about=mine.id)
    if collection not in mine.collections:
        return Ruling(Step.JOIN, success=True, about=mine.id)
    by = mine.collections[collection]
    if by is None:
        return Ruling(Step.NOTHING, success=True, about=mine.id)
    if by == sender.origin:
        return Ruling(Step.REPOST, success=True, about=mine.id)
    return Ruling(Step.NOTHING, success=True, about=mine.id)  # blocked by our desk: same answer


def _rule_on_observable(
    item: StixObject, known: list[Known], sender: Sender, collection: int | None
) -> Ruling:
    copies = [one for one in known if one.origin == sender.origin and one.sameness == item.sameness]
    if copies and not copies[-1].accepted and not any(one.derived for one in known):
        return Ruling(Step.PROMOTE, success=True, about=copies[-1].id)  # it was undone
    if copies:
        return _again(item, copies[-1], sender, collection)
    return Ruling(Step.STORE, success=True)


def _rule_on_derived(
    item: StixObject, version_key: str, known: list[Known], sender: Sender, collection: int | None
) -> Ruling:
    """What is done with an object whose id is in our own map; what a partner is told of it is asked aside."""
    if sender.origin == OWN:
        return Ruling(
            Step.REFUSE, success=False,
            message="this id stands for another object in a partner's view, see `show`; publish that one, "
            "or an object with an id of its own",
        )  # fmt: skip
    if item.observable:
        done = _rule_on_observable(item, known, sender, collection)
        return replace(
            done, step=Step.PROPOSE if done.step is Step.STORE else done.step, aside=True
        )
    if any(
        one.derived and (one.version_key, one.sameness) == (version_key, item.sameness)
        for one in known
    ):
        return Ruling(Step.NOTHING, success=True)
    mine = _with_key(known, version_key, origin=sender.origin)
    return Ruling(Step.PROPOSE if mine is None else Step.NOTHING, success=False)


def _continues(first: Known, owner: str | None, sender: Sender) -> bool:
    """Whether a version of this owner from this sender continues the object of the first accepted version."""
    if first.owner != owner:
        return False
    return owner is not None or first.origin == sender.origin


def _other_content(
    other: Known, owner: str | None, mine: Known | None, sender: Sender, identities: Identities
) -> Ruling:
    creator_speaks = owner is not None and identities.spoken_by.get(owner) == sender.origin
    if creator_speaks and sender.origin != OWN:
        step = Step.TAKE_OVER if mine is None else Step.NOTHING
        return Ruling(step, success=True, about=other.id)
    return Ruling(Step.CONFLICT, success=False, about=other.id, message=_CONFLICT)


def _with_key(known: list[Known], version_key: str, *, origin: int) -> Known | None:
    return next(
        (one for one in known if one.origin == origin and one.version_key == version_key), None
    )
