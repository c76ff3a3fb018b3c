"""Attempts by answers: what a partner says about our objects, and what it hides in that."""

from __future__ import annotations

import json

from tests.attack import guards
from tests.attack.attempts import PARTNER, attempt
from tests.attack.attempts_h_objects import _held, _sent
from tests.attack.world import World
from tests.scenes import B_IDENTITY, at, indicator, uid

guards.add(
    "notes: proposals only",
    "a note brings in nothing but a proposal of what our desk brought, and never what its sender may bring itself",
    {
        "cert_exchange.services.publishing.unfolding._is_to_be_proposed": guards.Wrapped(
            lambda _real: lambda _intake, _item: True
        )
    },
)


@attempt("object in a note", guard="notes: proposals only", by=PARTNER)
def object_in_a_note(world: World) -> bool:
    """An object inside a proposal, so that no statement of what was delivered names it and no filter of a source sees it."""
    from cert_exchange.messages import answers

    hidden = indicator("hidden", by=B_IDENTITY)
    note = answers.write_proposal(
        answers.Proposal(hidden["id"], at(0), json.dumps(hidden)), [], "see inside",
        stix_id=f"note--{uid('proposing')}", creator=B_IDENTITY, now=world.wall.read(),
    )  # fmt: skip
    _sent(world.a, "b", note)
    return bool(_held(world.a, hidden["id"]))
