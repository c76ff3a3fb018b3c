"""What partners hold against objects of ours, as our people look at it: keep the object, or revoke it, and answer.

1. Until a person has looked, what is disputed goes to nobody new, in no new version; who has it keeps it, and so do our
   own tools (`publishing.doubting`).
2. `keep` ends the dispute with a reason of ours: what was held goes on. An answer is a note of ours about the object,
   for the partners who disputed it and nobody else.
3. `revoke` is the owner's order for everyone (`revoking`); the disputes end with it in the same transaction.
4. Who disputes is known to our own people only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import orjson

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services import publishing, revoking
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.orders import in_one_line
from cert_exchange.services.revoking import Revoked
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import doubts as rows
from cert_exchange.store import objects, releases
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.doubts import DoubtState
from cert_exchange.store.tables import OWN, ObjectStatus

__all__ = ["Disputed", "DoubtState", "Kept", "count_open", "keep", "list_disputed", "revoke"]

SHOWN: Final = 1_000
LONGEST: Final = 10_000
"""Characters of an answer."""
_SENTENCE: Final = 300


@dataclass(frozen=True, slots=True)
class Disputed:
    """One partner's disagreement with one object of ours. Instants in micros."""

    stix_id: str
    name: str
    """what the object is called, or what its pattern is"""
    partner: str
    word: str
    """disagree | strongly-disagree"""
    because: str
    opinion: str
    """the opinion's STIX id"""
    raised_at: int
    state: DoubtState
    ended_at: int | None
    ended_by: str | None
    remark: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What keeping disputed objects did: how many disputes ended, how many lines went out, who was answered."""

    ended: int
    released: int
    answered: tuple[str, ...]


def list_disputed(
    node: Node, *, states: Iterable[DoubtState] = (DoubtState.OPEN,), limit: int = SHOWN
) -> list[Disputed]:
    """What partners hold against objects of ours, the oldest first."""
    with node.database.reading() as conn:
        found = rows.listed(conn, states, limit=limit)
        names = _names(conn, {one.ident for one in found})
    return [
        Disputed(
            one.stix_id, names.get(one.ident, ""), one.partner, one.word, _because(one.body),
            one.opinion, one.raised_at, one.state, one.ended_at, one.ended_by, one.remark,
        )
        for one in found
    ]  # fmt: skip


def count_open(node: Node) -> int:
    """How many disputes wait for a person."""
    with node.database.reading() as conn:
        return rows.count_open(conn)


def keep(node: Node, stix_ids: Iterable[str], *, by: str, reason: str, answer: str = "") -> Kept:
    """Keep objects as they are: the disputes end, and what was held goes out. `answer` tells those who disputed.

    Raises NotFound where nothing is disputed, InputRefused for an answer that is too long.
    """
    ids = list(dict.fromkeys(stix_ids))
    if len(answer) > LONGEST:
        raise InputRefused(f"The answer is longer than {LONGEST:,} characters; say it shorter.")
    disputed = _open(node, ids)

    def work(tx: Transaction) -> tuple[int, int]:
        idents = sorted(objects.idents_of(tx, ids).values())

        def order(releasing: Releasing) -> int:
            ended = rows.end(tx, idents, DoubtState.KEPT, at=releasing.now, by=by, remark=reason)
            if not ended:
                raise NotFound("nothing is disputed of these objects; see `review list`")
            releasing.pool.bindings.doubts_changed()
            releasing.reconsider(idents)
            return ended

        ended, releasing = in_one_line(tx, node, "review-kept", by, order, ids=ids, reason=reason)
        return ended, releasing.released

    ended, released = node.database.transact(work)
    told: dict[str, None] = {}
    for stix_id, partners in disputed.items() if answer else ():
        _answer(node, stix_id, partners, answer, by=by)
        told.update(dict.fromkeys(partners))
    return Kept(ended, released, tuple(sorted(told)))


def revoke(node: Node, stix_id: str, *, by: str, reason: str) -> Revoked:
    """Revoke a disputed object for everyone. Raises NotFound where nothing of it is disputed, and as `revoking.revoke`."""
    _open(node, [stix_id])
    return revoking.revoke(node, stix_id, by=by, reason=reason)


def _open(node: Node, ids: list[str]) -> dict[str, list[str]]:
    """Of these ids, those that are disputed, with the partners who do. Raises NotFound where none is."""
    found: dict[str, list[str]] = {}
    for one in list_disputed(node, states=(DoubtState.OPEN, DoubtState.NOTED)):
        if one.stix_id in ids and one.partner not in found.setdefault(one.stix_id, []):
            found[one.stix_id].append(one.partner)
    if not found:
        raise NotFound("nothing is disputed of these objects; see `review list`")
    return found


def _answer(node: Node, stix_id: str, partners: list[str], answer: str, *, by: str) -> None:
    """A note of ours about the object, marked as it is, where it stands, for these partners alone."""
    with node.database.reading() as tx:
        newest, content = _newest(tx, objects.idents_of(tx, [stix_id])[stix_id])
        places = [
            place.collection
            for place in version_rows.memberships_of(tx, [newest]).get(newest, ())
            if place.taken_back_at is None
        ]
        known = releases.read_sharing(tx).collections
        labels = [known[place][0] for place in places if place in known]
    made = format_micros(node.now())
    note: dict[str, Any] = {
        "type": "note",
        "spec_version": "2.1",
        "id": f"note--{uuid4()}",
        "created": made,
        "modified": made,
        "created_by_ref": node.identity,
        "content": answer,
        "object_refs": [stix_id],
    }
    if content.get("object_marking_refs"):
        note["object_marking_refs"] = content["object_marking_refs"]
    for label in labels:
        publishing.publish(
            node, orjson.dumps({"objects": [note]}), collection=label, by=by,
            terms=SharingTerms(only_to=(frozenset(partners),)),
        )  # fmt: skip


def _newest(tx: Transaction, ident: int) -> tuple[int, dict[str, Any]]:
    found = [
        one
        for one in version_rows.versions(tx, [ident])
        if one.origin == OWN and one.status == ObjectStatus.ACCEPTED.value
    ]
    if not found:  # it was erased since
        return 0, {}
    newest = max(found, key=lambda one: one.version_key)
    ((_, body),) = version_rows.ask_bodies(tx, [newest.rendition])()
    content: dict[str, Any] = orjson.loads(body)
    return newest.id, content


def _names(tx: Transaction, idents: Iterable[int]) -> dict[int, str]:
    found = {}
    for ident in sorted(idents):
        _, content = _newest(tx, ident)
        text = content.get("pattern") or content.get("name") or content.get("value") or ""
        found[ident] = str(text)[:_SENTENCE]
    return found


def _because(body: str) -> str:
    said = orjson.loads(body).get("explanation")
    return " ".join(str(said).split())[:_SENTENCE] if said else ""
