"""What each of two nodes says the other received, laid side by side.

Out: what our logs and marks say a partner fetched, against what the partner says it holds from us.
In: what we hold from the partner, against what the partner says we fetched.
Both are what a node says today. What it *signed* stands beside it: how its receipts say that each object of ours ended.

1. A partner is told what it sent us and we hold, as far as it may read it (`sighting`), and what it may see of ours now and
   fetched: both it knows. What was taken back is in neither list, so that nobody learns of what he never had.
2. An entry is told by id, version and the SHA-256 of its bytes. A partner that stores other bytes than it was served is no
   cert-exchange, and cannot be asked.
3. The definitions of TLP, which every node has from the start, are left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from cert_exchange.errors import EvidenceBroken, NotFound, SharingFrozen
from cert_exchange.messages.deliveries import Ended
from cert_exchange.node import Node
from cert_exchange.remote import peering
from cert_exchange.remote.connection import Connection
from cert_exchange.services import acknowledging, polling
from cert_exchange.services.acknowledging import Acknowledged, OddReceipt, acknowledged
from cert_exchange.services.comparing.asking import connection_to
from cert_exchange.services.deliveries.showing import LATE
from cert_exchange.services.partners import Caller
from cert_exchange.services.sighting import sight_of
from cert_exchange.stix.markings import TLP_BY_ID
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import proofs
from cert_exchange.store import reconciling as rows
from cert_exchange.store.reconciling import Entry, Shown

RECEIVED: Final = "received"
SERVED: Final = "served"
PAGES: Final = 5_000
"""Answers that one question may take: ten million objects."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
Key = tuple[str, str]
"""(STIX id, version)"""


class Difference(StrEnum):
    """How the two accounts differ about one object version."""

    NOT_THERE = "not there"
    """our marks say that the partner fetched it, and it does not hold it"""
    NOT_SHOWN = "not shown"
    """as above, but our credential there may not see all that it holds from us"""
    NOT_RELEASED = "not released"
    """the partner holds it from us, and we never released it to that partner"""
    NOT_NOTED = "not noted"
    """the partner holds it, and our marks say that it did not fetch it"""
    OTHER_BYTES = "other bytes"
    """the same id and version, other bytes"""
    NOT_HERE = "not here"
    """the partner says that we fetched it, and we do not hold it"""
    NO_RECEIPT = "no receipt"
    """the partner fetched it, as both say, and no signed receipt of it speaks of it for more than a day"""
    RECEIPT_OPEN = "receipt open"
    """as above, within the day"""
    RECEIPT_DIFFERS = "receipt differs"
    """the partner holds it, and its signed receipt says that it did not come as we signed it"""
    NOT_SERVED = "not served"
    """we hold it from the partner, and it does not serve it to us: taken back, or never sent over this channel"""


WORDS: Final[Mapping[Difference, str]] = {
    Difference.NOT_THERE: "it fetched them, as our marks say, and does not hold them: it refused, lost or erased them",
    Difference.NOT_SHOWN: "it fetched them, as our marks say; our credential may not see there whether it holds them",
    Difference.NOT_RELEASED: "it holds them as ours, and we never released them to it",
    Difference.NOT_NOTED: "it holds them, and our marks say that it did not fetch them",
    Difference.OTHER_BYTES: "the same id and version, other bytes",
    Difference.NOT_HERE: "we fetched them, as it says, and do not hold them: see `received`",
    Difference.NO_RECEIPT: "it holds them, and signed no receipt for them",
    Difference.RECEIPT_OPEN: "it holds them; its receipt is still to come",
    Difference.RECEIPT_DIFFERS: "it holds them, and its signed receipt says that they did not come as we signed them",
    Difference.NOT_SERVED: "we hold them, and it does not serve them to us: taken back, or sent another way",
}
REMARKS: Final = frozenset({Difference.NOT_SERVED, Difference.NOT_SHOWN, Difference.RECEIPT_OPEN})
"""What is a difference, but happens in good order."""


@dataclass(frozen=True, slots=True)
class Differs:
    """One object version on which the accounts differ."""

    what: Difference
    stix_id: str
    version: str
    signed: str = ""
    """of ours: how the partner's signed receipt says that it ended; empty where it signs nothing"""


@dataclass(frozen=True, slots=True)
class Account:
    """Both directions. `taken_back`: the partner still holds what we took back, which is its own choice.

    `acknowledged`: how many of those agreed on the partner's signed receipts say the same; None: no key of it is pinned.
    """

    partner: str
    agreed_out: int
    agreed_in: int
    taken_back: int
    differences: tuple[Differs, ...]
    acknowledged: int | None
    odd: tuple[OddReceipt, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing asks for a person."""
        return not self.odd and all(one.what in REMARKS for one in self.differences)

    def counts(self) -> Mapping[Difference, int]:
        """How many of each."""
        return Counter(one.what for one in self.differences)


def received_from(node: Node, caller: Caller, after: int) -> Mapping[str, Any]:
    """Answer a partner that asks what we hold of what it sent, part by part. Raises SharingFrozen."""
    sight, partial = sight_of(node, caller)
    with node.database.reading() as tx:
        said = _answer(rows.held_from(tx, caller.partner, after=after, sight=sight))
    return {**said, "partial": True} if partial else said


def served_to(node: Node, caller: Caller, after: int) -> Mapping[str, Any]:
    """Answer a partner that asks what it fetched of what it may read now, part by part. Raises SharingFrozen."""
    if caller.frozen:
        raise SharingFrozen
    with node.database.raw_reader() as connection:
        grants = polling.list_collections(node, connection, caller)
    readable = {grant.view for grant in grants if grant.can_read and grant.view is not None}
    marks = {
        one.view: one.position
        for one in node.marks.everything()
        if one.partner == caller.partner and one.view in readable
    }
    with node.database.reading() as tx:
        return _answer(rows.served_in(tx, marks, after=after))


def reconcile(node: Node, name: str) -> Account:
    """Ask a partner for its two lists, and lay ours beside them. Raises NotFound, EvidenceBroken, errors.Remote*."""
    with node.database.reading() as tx:
        found = partner_rows.find_partner(tx, name)
    if found is None:
        raise NotFound(f"There is no partner {name}; see `partner list`.")
    connection = connection_to(node, found.id)
    theirs, partial = _listed(connection, RECEIVED)
    differences: list[Differs] = []
    signed = acknowledged(node, found.id)
    agreed_out, taken_back, told = _out(node, found.id, theirs, signed, differences)
    served, _ = _listed(connection, SERVED)
    agreed_in = _in(node, found.id, served, differences)
    if partial:
        differences = [_not_shown(one) for one in differences]
    differences.sort(key=lambda one: (one.what, one.stix_id, one.version))
    return Account(
        name, agreed_out, agreed_in, taken_back, tuple(differences),
        None if signed is None else told, () if signed is None else tuple(signed.odd),
    )  # fmt: skip


def _not_shown(one: Differs) -> Differs:
    """What only seems to be missing to a credential that may not see all."""
    return replace(one, what=Difference.NOT_SHOWN) if one.what is Difference.NOT_THERE else one


def _out(
    node: Node,
    partner: int,
    theirs: dict[Key, set[bytes]],
    signed: Acknowledged | None,
    differences: list[Differs],
) -> tuple[int, int, int]:
    """How many are agreed on, how many were taken back and are kept, and how many of the first are receipted."""
    marks = {one.view: one.position for one in node.marks.everything() if one.partner == partner}
    ours: dict[Key, list[Shown]] = {}
    with node.database.reading() as tx:
        proofs.take_time(tx)
        with closing(rows.shown_to(tx, partner)) as shown:
            for one in shown:
                if one.stix_id not in TLP_BY_ID:
                    ours.setdefault((one.stix_id, one.version), []).append(one)
    agreed = taken_back = told = 0
    recent = node.now() - LATE
    for key, listed in ours.items():
        held = theirs.get(key)
        word = "" if signed is None else signed.of(key)
        fetched = any(one.standing and one.position <= marks.get(one.view, 0) for one in listed)
        if held is None:
            if fetched:
                differences.append(Differs(Difference.NOT_THERE, *key, word))
        elif held.isdisjoint(one.digest for one in listed):
            differences.append(Differs(Difference.OTHER_BYTES, *key, word))
        elif not any(one.standing for one in listed):
            taken_back += 1
        elif not any(one.position <= marks.get(one.view, 0) for one in listed):
            differences.append(Differs(Difference.NOT_NOTED, *key, word))
        else:
            agreed += 1
            told += word == Ended.RECEIVED
            lacks = _lacks(word, recent=max(one.position for one in listed) > recent)
            if lacks is not None:
                differences.append(Differs(lacks, *key, word))
    unknown = theirs.keys() - ours.keys()
    differences += [Differs(Difference.NOT_RELEASED, *key) for key in unknown]
    return agreed, taken_back, told


def _lacks(word: str, *, recent: bool) -> Difference | None:
    """What is wrong with the receipt of an object that both accounts agree on; "": the partner signs nothing."""
    match word:
        case "" | Ended.RECEIVED | Ended.SUPERSEDED:
            return None
        case acknowledging.OPEN:
            return Difference.RECEIPT_OPEN
        case acknowledging.UNSTATED:
            return Difference.RECEIPT_OPEN if recent else Difference.NO_RECEIPT
        case acknowledging.LATE_OPEN:
            return Difference.NO_RECEIPT
        case _:
            return Difference.RECEIPT_DIFFERS


def _in(node: Node, partner: int, theirs: dict[Key, set[bytes]], differences: list[Differs]) -> int:
    agreed = 0
    held: set[Key] = set()
    for key, digest in _held(node, partner):
        held.add(key)
        told = theirs.get(key)
        if told is None:
            differences.append(Differs(Difference.NOT_SERVED, *key))
        elif digest not in told:
            differences.append(Differs(Difference.OTHER_BYTES, *key))
        else:
            agreed += 1
    missing = theirs.keys() - held
    differences += [Differs(Difference.NOT_HERE, *key) for key in missing]
    return agreed


def _held(node: Node, partner: int) -> Iterator[tuple[Key, bytes]]:
    after = 0
    while True:
        with node.database.reading() as tx:
            part = rows.held_from(tx, partner, after=after)
        if not part:
            return
        for one in part:
            if one.stix_id not in TLP_BY_ID:
                yield (one.stix_id, one.version), one.digest
        after = part[-1].place


def _answer(part: list[Entry]) -> Mapping[str, Any]:
    return {
        "entries": [[one.stix_id, one.version, one.digest.hex()] for one in part],
        "next": part[-1].place if part else None,
    }


def _listed(connection: Connection, resource: str) -> tuple[dict[Key, set[bytes]], bool]:
    """The partner's list, and whether our credential there may not see all of it."""
    partial = False
    found: dict[Key, set[bytes]] = {}
    after = 0
    for _ in range(PAGES):
        answer = peering.ask(connection, resource, {"after": str(after)})
        if answer is None:
            raise NotFound(
                "the partner's server is no cert-exchange that could be asked for its account"
            )
        for entry in _entries(answer):
            found.setdefault(entry[0], set()).add(entry[1])
        partial = partial or answer.get("partial") is True
        last = answer.get("next")
        if last is None:
            return found, partial
        if not isinstance(last, int) or last <= after:
            raise EvidenceBroken("the partner's account does not go on.")
        after = last
    raise EvidenceBroken("the partner's account does not end.")


def _entries(answer: Mapping[str, Any]) -> Iterator[tuple[Key, bytes]]:
    listed = answer.get("entries")
    if not isinstance(listed, list) or len(listed) > rows.MOST:
        raise EvidenceBroken("the partner's account is not readable.")
    for entry in listed:
        if (
            not isinstance(entry, list)
            or len(entry) != 3
            or not all(isinstance(one, str) for one in entry)
            or not _DIGEST.fullmatch(entry[2])
        ):
            raise EvidenceBroken("the partner's account is not readable.")
        if entry[0] not in TLP_BY_ID:
            yield (entry[0], entry[1]), bytes.fromhex(entry[2])
