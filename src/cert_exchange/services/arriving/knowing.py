"""What is known here of a partner's object: what was decided when, and what our desk did since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cert_exchange.messages.evidence import decode_line
from cert_exchange.store import (
    erasures,
    ledger,
    objects,
    proposals,
    quarantine,
    screening,
    undoing,
)
from cert_exchange.store import holdings as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.holdings import Held, Wanted
from cert_exchange.store.screening import KeptOut, State
from cert_exchange.store.tables import OWN, ObjectStatus


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is known of the object. `at`: micros, None where nobody knows."""

    at: int | None
    where: str
    version: str
    decision: str
    rule: str
    reason: str
    step: str = ""
    """what to do next about it, where that is known from it alone"""


def known(
    tx: Transaction, partner: str, origin: int, names: dict[int, str], stix_id: str
) -> tuple[list[Step], list[Held]]:
    """What is known here of an id and a partner, and the versions of it that are held from that partner."""
    found = rows.find(tx, Wanted(stix_id=stix_id, all_versions=True, limit=1000))
    mine = [one for one in found if one.origin == origin]
    steps = [
        *_held(tx, stix_id, mine),
        *_refused(tx, stix_id, origin),
        *_ended(tx, stix_id, partner),
        *_erased(tx, stix_id),
        *_others(found, origin, names),
    ]
    return steps, mine


def _held(tx: Transaction, stix_id: str, mine: list[Held]) -> Iterator[Step]:
    ident = objects.idents_of(tx, [stix_id]).get(stix_id)
    kept = (
        {one.object: one for one in screening.listed(tx, states=tuple(State), idents=[ident])}
        if ident is not None
        else {}
    )
    blocked = ident is not None and objects.blocked(tx, ident)
    numbers = [one.object for one in mine]
    places = rows.memberships_of(tx, numbers)
    undone, said = undoing.orders_of(tx, numbers), proposals.said(tx, numbers)
    for one in sorted(mine, key=lambda held: held.stored_at):
        if one.status == ObjectStatus.PROPOSAL.value and one.object in undone:
            at, by = undone[one.object]
            yield Step(one.stored_at, "here", one.version, "came", "", "")
            yield Step(
                at, "here", one.version, "set aside", "undo",
                f"by {by}, with what else came from its sender then",
            )  # fmt: skip
        else:
            yield Step(one.stored_at, "here", one.version, *_decided(one, kept.get(one.object)))
        for answer in said.get(one.object, ()):
            if answer.answer != proposals.ANSWERED:
                yield Step(
                    answer.at, "here", one.version, answer.answer, "proposals",
                    f"by {answer.by}" + (f": {answer.words}" if answer.words else ""),
                )  # fmt: skip
        for place in places:
            if place.object == one.object and place.taken_back_at is not None:
                who = "our desk" if place.taken_back_by == OWN else "its sender"
                yield Step(
                    place.taken_back_at, place.collection, one.version,
                    "taken out of use", "withdrawal", f"by {who}",
                )  # fmt: skip
    if blocked and mine:
        yield Step(
            None, "here", "", "kept from everybody", "block", "by our desk's order; `free` ends it"
        )


def _decided(one: Held, kept: KeptOut | None) -> tuple[str, str, str]:
    if one.status == ObjectStatus.PROPOSAL.value:
        return (
            "kept as a proposal",
            "ownership",
            "its sender may not speak for its creator, see `proposals list`",
        )
    if one.status == ObjectStatus.ERASED.value:
        return "erased", "erasure", "its bytes are gone"
    if kept is not None and kept.state is State.HELD:
        return "held at the way in", kept.what, f"{kept.said}; see `intake list`"
    if kept is not None and kept.state is not State.LET_IN:
        said = kept.said if kept.remark is None else f"{kept.said}; {kept.remark}"
        return "refused at the way in", kept.what, said
    if one.status != ObjectStatus.ACCEPTED.value:
        return one.status, "", ""
    return (
        "taken in",
        "" if kept is None else kept.what,
        "" if kept is None else "let in by a person",
    )


def _refused(tx: Transaction, stix_id: str, origin: int) -> Iterator[Step]:
    wanted = quarantine.Wanted(origin=origin, stix_id=stix_id)
    for one in reversed(quarantine.listed(tx, wanted)):
        yield Step(
            one.at, one.collection_name or "here", one.version or "", "refused", one.kind,
            f"{one.reason} (quarantine {one.number})",
        )  # fmt: skip


def _ended(tx: Transaction, stix_id: str, partner: str) -> Iterator[Step]:
    """What our desk made of rows of the quarantine that are gone."""
    for kind in ("quarantine.adopt", "quarantine.discard"):
        for _, body in ledger.lines_saying(tx, kind, about=stix_id):
            line = decode_line(body)
            facts = line.facts
            ids = facts.get("ids", [facts.get("id")])
            if line.kind != kind or facts.get("partner") != partner:
                continue
            if not isinstance(ids, list) or stix_id not in ids:
                continue
            by = f"by {line.by}: {facts.get('reason')}"
            if kind == "quarantine.discard":
                yield Step(line.at, "here", "", "discarded", "quarantine", by)
            else:
                made = str(facts.get("made"))
                yield Step(
                    line.at, "here", "", f"adopted as our own {made}", "quarantine", by,
                    f"cert-exchange show {made}",
                )  # fmt: skip


def _erased(tx: Transaction, stix_id: str) -> Iterator[Step]:
    for order in erasures.of_id(tx, stix_id):
        yield Step(None, "here", "", "kept out", "erasure", order.sentence())


def _others(found: list[Held], origin: int, names: dict[int, str]) -> Iterator[Step]:
    for one in found:
        if one.origin != origin and one.status == ObjectStatus.ACCEPTED.value:
            whose = "our desk" if one.origin == OWN else names.get(one.origin, "another partner")
            yield Step(
                one.stored_at, "here", one.version, "held from elsewhere", "", f"from {whose}"
            )
