"""What partners hold against objects of ours, as our people look at it: keep the object, or revoke it, and answer.

1. Until a person has looked, what is disputed goes to nobody new, in no new version, and leaves the views from which nobody
   fetched it; who has it keeps it, and so do our own tools (`publishing.doubting`, `withholding`).
2. `keep` ends the dispute with a reason of ours: what was held goes on. An answer is a reply to the opinion, to each
   partner who disputed in a note of its own: none learns that another did, and its terms travel in it.
3. `revoke` is the owner's order for everyone (`revoking`); the disputes end with it in the same transaction.
4. Who disputes is known to our own people only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import orjson

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages import answers as messages
from cert_exchange.node import Node
from cert_exchange.services import revoking
from cert_exchange.services.answering import RETURN, Given, Manner
from cert_exchange.services.answering.giving import dress, give
from cert_exchange.services.answering.subjects import names_it, subject_of
from cert_exchange.services.pairing import observables_beside
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.orders import in_one_line
from cert_exchange.services.revoking import Revoked
from cert_exchange.store import answers as answer_rows
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import doubts as rows
from cert_exchange.store import holdings, objects, releases, sights
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.doubts import DoubtState
from cert_exchange.store.tables import OWN, ObjectStatus

__all__ = [
    "Disputed",
    "DoubtState",
    "Kept",
    "Left",
    "count_open",
    "keep",
    "list_disputed",
    "revoke",
    "still_shared",
]

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


@dataclass(frozen=True, slots=True)
class Left:
    """STIX ids of ours with the value of an indicator that went, which somebody still sees."""

    observables: tuple[str, ...] = ()
    indicators: tuple[str, ...] = ()


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

    Raises NotFound where nothing is disputed, InputRefused for an answer that is too long or that one of them would not
    see: then nothing is changed.
    """
    ids = list(dict.fromkeys(stix_ids))
    if len(answer) > LONGEST:
        raise InputRefused(f"The answer is longer than {LONGEST:,} characters; say it shorter.")
    disputed = _open(node, ids)
    answers = [
        _Answer(node, stix_id, partner, opinions, answer)
        for stix_id, partners in (disputed.items() if answer else ())
        for partner, opinions in partners.items()
    ]
    for one in answers:
        one.look(by=by)

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
    for one in answers:
        one.give(by=by)
    return Kept(ended, released, tuple(sorted({one.partner for one in answers})))


def revoke(node: Node, stix_id: str, *, by: str, reason: str) -> Revoked:
    """Revoke a disputed object for everyone. Raises NotFound where nothing of it is disputed, and as `revoking.revoke`."""
    _open(node, [stix_id])
    return revoking.revoke(node, stix_id, by=by, reason=reason)


def still_shared(node: Node, stix_id: str) -> Left:
    """What of ours says the same as an indicator of ours, and somebody still sees it: none goes with that one.

    The cyber-observables with its values, which `publish` makes beside it and which stand for themselves; and the indicators
    that are based on any of them too, such as what another input said of the value for a narrower circle.
    """
    with node.database.reading() as tx:
        idents = objects.idents_of(tx, [stix_id])
        _, content = _newest(tx, idents[stix_id]) if idents else (0, {})
        named = observables_beside(content)
        if not named:
            return Left()
        known = objects.idents_of(tx, named).values()
        others = sights.indicators_tied_to(tx, known) - {idents[stix_id]}
        return Left(_seen(tx, known), _seen(tx, others))


def _seen(tx: Transaction, idents: Collection[int]) -> tuple[str, ...]:
    """Those of these ids of ours that somebody sees as they are, or in whose place something is shown; revoked ones not."""
    found = []
    for ident in sorted(idents):
        number, content = _newest(tx, ident)
        if number and content.get("revoked") is not True:
            held = [one.id for one in version_rows.versions(tx, [ident]) if one.origin == OWN]
            cut = [one.object for one in answer_rows.shown_for(tx, ident) if not one.revoked]
            if holdings.visible(tx, held) or answer_rows.places_of(tx, cut):
                found.append(str(content["id"]))
    return tuple(found)


def _open(node: Node, ids: list[str]) -> dict[str, dict[str, list[str]]]:
    """Of these ids, those that are disputed: per partner who does, its opinions. Raises NotFound where none is."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in list_disputed(node, states=(DoubtState.OPEN, DoubtState.NOTED)):
        if one.stix_id in ids:
            said = found.setdefault(one.stix_id, {}).setdefault(one.partner, [])
            if one.opinion not in said:
                said.append(one.opinion)
    if not found:
        raise NotFound("nothing is disputed of these objects; see `review list`")
    return found


class _Answer:
    """What one partner is told of one object that it disputed: a reply to its opinion, for it alone.

    It goes as `answers reply` does: the terms are written into it, and it lies in the return collection, or where the
    object stands on a node that has none.
    """

    __slots__ = ("_content", "_node", "_places", "_said", "_to", "partner")

    def __init__(
        self, node: Node, stix_id: str, partner: str, opinions: list[str], words: str
    ) -> None:
        self._node, self.partner, self._to = node, partner, (partner,)
        with node.database.reading() as tx:
            ident = objects.idents_of(tx, [stix_id])[stix_id]
            derived = answer_rows.shown_for(tx, ident)  # its id is for its audience alone
            named = not derived and names_it(tx, stix_id, partner)  # else it would wait for it
            self._places = _places(tx, ident)
        made = messages.write_reply(
            [*opinions, *((stix_id,) if named else ())], opinions[0], words,
            stix_id=f"note--{uuid4()}", creator=node.identity, now=node.now(),
        )  # fmt: skip
        made["abstract"] = "Reply to your opinion"
        subject = subject_of(node, stix_id)
        self._content, self._said = dress(node, subject, made, Manner(to=self._to), self._to)

    def look(self, *, by: str) -> None:
        """Find where the partner would see it. Raises InputRefused with why it would not."""
        (reached,) = self._give(dry_run=True, by=by).reached
        if not (reached.sees or reached.held):
            raise InputRefused(
                f"{self.partner} would not see the answer, so nothing was changed: {reached.why}. Let its policy allow notes"
                f" in {self._places[0]}, or keep the object without an answer."
            )

    def give(self, *, by: str) -> None:
        """Publish it."""
        self._give(dry_run=False, by=by)

    def _give(self, *, dry_run: bool, by: str) -> Given:
        manner = Manner(to=self._to, collection=self._places[0], dry_run=dry_run)
        return give(self._node, [self._content], self._said, manner, self._to, by=by)


def _places(tx: Transaction, ident: int) -> list[str]:
    """Collections for an answer about an object, the best first."""
    labels = collection_rows.collection_labels(tx)
    if RETURN in labels:
        return [RETURN]
    newest, _ = _newest(tx, ident)
    known = releases.read_sharing(tx).collections
    standing = [
        known[place.collection][0]
        for place in version_rows.memberships_of(tx, [newest]).get(newest, ())
        if place.taken_back_at is None and place.collection in known
    ]
    return standing or [RETURN]  # where there is none, `give` says how to make it


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
