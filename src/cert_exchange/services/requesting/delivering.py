"""A note between desks on its way to the one partner that it is for.

1. It goes to nobody else, whatever the policies of others say: terms beside it name the partner alone, and stand in it too,
   with `onward: none`, so that the partner's node passes it on to nobody.
2. What the partner would not see, or not get, is refused before anything is stored, with the rule and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from cert_exchange.errors import InputRefused
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import Onward, SharingTerms
from cert_exchange.services import publishing
from cert_exchange.services.reaching import way
from cert_exchange.store import releases


@dataclass(frozen=True, slots=True)
class Sent:
    """A note of ours, and what its partner sees of it. `due` in micros, None where nothing is expected."""

    stix_id: str
    partner: str
    answer: str
    """released, or held: a person of ours has to let it go first"""
    why: str
    way: str
    """by which way it gets there, in words"""
    due: int | None
    stored: bool
    counts: bool = True
    """of what was said to a request: whether that is its state now"""
    state: str = ""
    """of what was said to a request: its state after it"""


def deliver(
    node: Node,
    content: dict[str, Any],
    partner: str,
    *,
    collection: str,
    by: str,
    due: int | None,
    test: bool,
    look_only: bool = False,
) -> Sent:
    """Store a note of ours so that the partner, and nobody else, sees it; with `look_only` only say whether it would.

    Raises InputRefused where it would not.
    """
    body = publishing.carry_terms(
        node, orjson.dumps({"objects": [content]}), _carried(node, partner, test=test)
    )
    only = SharingTerms(only_to=(frozenset({partner}),), test=test)
    stix_id = str(content["id"])
    audience = _audience(node, partner)
    seen = publishing.preview_publish(node, body, collection=collection, by=by, terms=only)
    (outcome,) = seen.outcomes
    if not outcome.success:
        raise InputRefused(f"It cannot be sent: {outcome.message}")
    said = [
        one for one in seen.sighted if (one.audience, one.stix_id) == (audience, stix_id)
    ]  # none where the audience has no view of the collection
    stands = next((one for one in said if one.answer in ("released", "held")), None)
    if stands is None:
        why = (
            f"{said[0].reason} (rule {said[0].rule})"
            if said
            else f"its policy does not name {collection}"
        )
        raise InputRefused(
            f"{partner} would not see it, so nothing was stored: {why}. Let its policy allow notes in {collection}, and name"
            " only objects that it sees or sent."
        )
    by_way = way(node, partner, collection)
    if not by_way.there:
        raise InputRefused(f"{partner} would not get it, so nothing was stored: {by_way.words}.")
    if not look_only:
        report = publishing.publish(node, body, collection=collection, by=by, terms=only)
        (outcome,) = report.outcomes
        if not outcome.success:
            raise InputRefused(f"It could not be sent: {outcome.message}")
    return Sent(
        stix_id, partner, stands.answer, stands.reason, by_way.words, due, stored=not look_only
    )


def _carried(node: Node, partner: str, *, test: bool) -> SharingTerms:
    """What a note tells its reader's node. A partner without an identity cannot be named there: `onward` binds it anyway."""
    with node.database.reading() as tx:
        named = bool(releases.read_sharing(tx).said.spoken.get(partner))
    only = (frozenset({partner}),) if named else ()
    return SharingTerms(only_to=only, onward=Onward.NONE, test=test)


def _audience(node: Node, partner: str) -> str:
    """The name of the audience that the partner is alone in. Raises InputRefused where there is none."""
    with node.database.reading() as tx:
        audiences = releases.read_sharing(tx).audiences
    for one in audiences:
        members = set(one.members.values())
        if members == {partner}:
            return one.name
        if partner in members:
            others = ", ".join(sorted(members - {partner}))
            raise InputRefused(
                f"{partner} shares its policy's view with {others}, who would see it too; give it a policy of its own."
            )
    raise InputRefused(f"No policy names {partner}, so it would see nothing; apply one first.")
