"""The answer in one sentence, with what is known and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.services import terms
from cert_exchange.services.arriving.knowing import Step, known
from cert_exchange.services.arriving.showing import BEHIND, Here, closed_of, shown_by
from cert_exchange.stix.instants import format_micros, order_key
from cert_exchange.stix.references import is_identifier
from cert_exchange.store import (
    channels,
    introductions,
)
from cert_exchange.store import holdings as rows
from cert_exchange.store.channels import Channel
from cert_exchange.store.tables import OWN


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known, what happened here first; `verdict` is the answer in one sentence, `step` what to do next."""

    stix_id: str
    partner: str
    steps: tuple[Step, ...]
    verdict: str
    step: str


def explain(node: Node, partner: str, stix_id: str, *, ask: bool = True) -> Arrival:
    """Tell what became of an object of a partner. Raises InputRefused for no STIX id, NotFound for an unknown partner."""
    with node.database.reading() as tx:
        names = rows.names_of_origins(tx)
        origin = next((number for number, name in names.items() if name == partner), OWN)
        if origin == OWN:
            raise errors.NotFound(
                f"There is no partner {partner}; `cert-exchange partner list` names them."
            )
        steps, mine = known(tx, partner, origin, names, stix_id)
        sources = [
            (one, closed_of(one, confined=introductions.is_confined(tx, origin, one.collection)))
            for one in channels.channels(tx)
            if one.direction == "pull" and one.partner == origin
        ]
    if not is_identifier(stix_id):
        if not steps:  # what was refused under such a name is told
            raise errors.InputRefused(
                f"{stix_id!r} is no STIX id: give a type, two hyphens and a UUID in lower case."
            )
        ask = False
    steps += [
        Step(None, "here", "", "bound by our desk", "terms", said)
        for said in terms.sentences(node, stix_id)
    ]
    here = Here(
        stix_id,
        frozenset(order_key(one.version) for one in mine),
        any(one.decision in _UNKEPT for one in steps),
    )
    there = [
        step for source, closed in sources for step in shown_by(node, source, closed, here, ask=ask)
    ]
    verdict, step = _verdict(partner, stix_id, steps, there, [one for one, _ in sources])
    return Arrival(stix_id, partner, (*steps, *there), verdict, step)


_SAID: Final = {
    "waits there": "waits there",
    BEHIND: "waits there, and is not asked for",
    "passed over": "was passed over",
    "there, filtered": "is there, and the source asks for others only",
}
"""How a version that is there and not here is told of, what comes soonest first."""
_UNKEPT: Final = (
    "refused",
    "refused at the way in",
    "held at the way in",
    "kept as a proposal",
    "kept out",
    "set aside",
    "discarded",
)
_OURS: Final = {
    "undo": "it",
    "quarantine": "it, and it was kept in the quarantine",
    "proposals": "it, and it was kept as a proposal",
}
"""By the rule of what our desk did: what a partner had done before."""


def _verdict(
    partner: str, stix_id: str, steps: list[Step], there: list[Step], sources: list[Channel]
) -> tuple[str, str]:
    """The one sentence, from what was decided last to what never came."""
    decided = sorted(
        (one for one in steps if one.at is not None and one.decision != "held from elsewhere"),
        key=lambda one: one.at or 0,
    )
    order = list(_SAID)
    waiting = sorted(
        (one for one in there if one.decision in _SAID), key=lambda one: order.index(one.decision)
    )
    settled = any(one.decision in _UNKEPT or one.rule in _OURS for one in steps)
    if waiting and not settled:
        first = waiting[0]
        return f"version {first.version} {_SAID[first.decision]}: {first.reason}", first.step
    if decided:
        last = decided[-1]
        return _sentence(partner, last), last.step or _step(partner, stix_id, last, waiting)
    if any(one.decision == "kept out" for one in steps):
        return "it was erased here and is kept out", "cert-exchange erasures list"
    for one in there:
        if one.decision in ("filtered", "not asked for", "not known", "not there"):
            step = one.step or f"cert-exchange source show {one.where.partition(' ')[2]}"
            return f"nothing of it is kept here: {one.reason}", step
    if not sources:
        return (
            f"nothing of it is kept here: no source pulls from {partner}, and nothing that it posted of it is known",
            f"cert-exchange doctor {partner}",
        )
    return "nothing of it is kept here", f"cert-exchange sync now {sources[0].name}"


def _sentence(partner: str, last: Step) -> str:
    seen = format_micros(last.at or 0)
    if last.rule in _OURS:
        return f"{partner} sent {_OURS[last.rule]}: {last.decision} at {seen} {last.reason}"
    by = f" by {last.rule}" if last.rule else ""
    why = f": {last.reason}" if last.reason else ""
    return f"seen at {seen}: {last.decision}{by}{why}"


def _step(partner: str, stix_id: str, last: Step, waiting: list[Step]) -> str:
    """What to do next where the last decision does not say so itself."""
    if last.decision == "taken in":
        return f"cert-exchange show {stix_id}"
    if last.decision == "held at the way in":
        return "cert-exchange intake list"
    if last.decision == "kept as a proposal":
        return f"cert-exchange proposals list --from {partner}"
    if last.rule in ("undo", "proposals"):
        return f"cert-exchange proposals list --from {partner} --ended"
    if last.decision == "discarded" and waiting:
        return waiting[0].step
    return f"cert-exchange quarantine list --from {partner}"
