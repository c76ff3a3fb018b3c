"""What a partner's notice of withdrawal ends here (DECISIONS 20).

1. What its sender named and had sent us itself counts as taken back by it, as if it had been deleted: it is released to
   nobody any more, and what needed it goes with it. The versions stay stored, and people find them marked.
2. Nothing else is touched: no object of ours, no copy that another partner sent. A stolen key must not wipe what we
   hold; a person deletes, or a rule of ours does.
3. A notice of a revocation adds nothing to the last version that says so itself: that one goes on, so that whoever has the
   object from us learns of it too.
4. Who sends an object again after its notice, be it in the same batch, or a newer version, has put it back.
"""

from __future__ import annotations

from cert_exchange.messages.notices import Notice, Reason, read
from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.stix.objects import StixObject
from cert_exchange.store import notices, objects
from cert_exchange.store import versions as version_rows
from cert_exchange.store.tables import OWN


def speaks_of_withdrawal(item: StixObject) -> bool:
    """Whether an object is a notice, or an answer to one: no content profile keeps these out."""
    return item.type == "note" and read(item.content) is not None


def obey(intake: Intake, item: StixObject, ident: int) -> int:
    """Carry out a note that was just taken in from a partner, if it is a notice; how many objects it ends.

    What is stored is taken back now; what this batch brought before it is left in `intake.ended`.
    """
    said = read(item.content)
    origin = intake.sender.origin
    if origin == OWN or intake.collection is None or not isinstance(said, Notice):
        return 0
    named = {intake.nums[one] for one in said.subjects} - {ident}
    stored = [
        one for one in version_rows.versions(intake.tx, sorted(named)) if one.origin == origin
    ]
    revoked: set[int] = set()
    if said.reason is Reason.REVOKED:
        revoked = {one.ident for one in stored if one.revoked}
        revoked |= {
            number
            for number in named & intake.known.keys()
            if any(one.revoked and one.origin == origin for one in intake.known[number])
        }
        named -= revoked
        stored = [one for one in stored if one.ident not in revoked]
    ids = {one.id for one in stored}
    objects.take_back(intake.tx, sorted(ids), collection=None, by=origin, at=intake.now)
    theirs = {one.ident for one in stored}
    for number in sorted(named & intake.known.keys()):
        known = intake.known[number]
        if any(one.origin == origin for one in known):
            theirs.add(number)
        intake.ended += [one.id for one in known if one.origin == origin and one.id not in ids]
        intake.known[number] = [
            one._replace(
                collections={
                    place: origin if taker is None else taker
                    for place, taker in one.collections.items()
                },
            )
            if one.origin == origin
            else one
            for one in known
        ]
    intake.changed.update(dict.fromkeys(sorted(theirs)))
    notices.keep(
        intake.tx, stix_id=item.id, audience=None, partner=origin, collection=intake.collection,
        reason=said.reason.value, action=said.action.value, due_at=said.due, made_at=intake.now,
        subjects=theirs | revoked,
    )  # fmt: skip
    return len(theirs)
