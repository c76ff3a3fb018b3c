"""Notices of what was taken back: decided from what was fetched, made, and released to whom they concern.

1. A withdrawal owes a notice from its own transaction on. Whether one is due is decided afterwards, from the marks read
   after that commit: no page that is read from then on has the object (DECISIONS 19).
2. A notice goes to an audience once anyone of it may have fetched, and to nobody else. It names what that audience saw:
   a derivative by its own id.
3. What is in force again, or still, for the audience needs no notice; only what our desk revoked is told all the same.
   Who fetched something of it is written down, and told when the id goes: it may never fetch what stands there now.
4. Who left the audience since is told in its present one, unless somebody there never was of the old one: then a person
   has to tell it, and the ledger says so.
5. A freeze holds notices back like everything else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple
from uuid import uuid4

import structlog

from cert_exchange.errors import CertExchangeError, CursorMoved
from cert_exchange.messages.notices import SUBJECTS, Notice, Reason, notice_of, write_notice
from cert_exchange.node import Node
from cert_exchange.services.publishing import take_in
from cert_exchange.services.releasing.fetched import reached
from cert_exchange.stix.envelopes import Batch, examine_objects
from cert_exchange.stix.references import Role
from cert_exchange.store import notices as rows
from cert_exchange.store import releases, untold
from cert_exchange.store.database import Transaction
from cert_exchange.store.notices import Debt, Member
from cert_exchange.store.tables import OWN

_log = structlog.get_logger(__name__)

PART: Final = 5_000
"""So many withdrawals are looked at in one go."""
BY_HAND: Final = 0
"""In place of an audience: a notice would reach others too."""
LATER: Final = -1
"""In place of an audience: no policy names the partner; it is told when one does (`moving`)."""
BY: Final = "notices"
"""Who publishes them, in the ledger."""


@dataclass(frozen=True, slots=True)
class _Telling:
    """Which audiences are to be told, and for which reason. None: nobody whom a notice would reach alone."""

    audiences: tuple[int, ...]
    reason: Reason


Fetched = Mapping[int, Collection[int]]
"""ident -> the partners that may have fetched what was taken back of it"""


class _Portion(NamedTuple):
    """What is told in one notice to each audience, or struck off."""

    telling: _Telling
    debts: Sequence[Debt]
    fetched: Mapping[int, Fetched]
    """audience -> who is told there of what; or BY_HAND"""
    later: Mapping[int, Fetched]
    """audience that the partners left -> who is told of what LATER"""


@dataclass(slots=True)
class _Found:
    """What was looked at: the debts, whom to tell of them, and for each debt by audience who fetched (`_Portion`)."""

    debts: list[Debt]
    told: dict[_Telling, list[Debt]] = field(default_factory=dict)
    had: dict[Debt, dict[int, frozenset[int]]] = field(default_factory=dict)


def tell(node: Node, *, rounds: int | None = None) -> int:
    """Make every notice that was due when it was called, and strike off what is not; how many notices were made.

    Repeating it is safe. `rounds` limits how much is looked at, for a worker that has other work too. Raises StoreError,
    ClockDoubtful: then what is owed stays owed.
    """
    made = 0
    while rounds is None or rounds > 0:
        found = _look(node)
        if not found.debts:
            break
        try:
            for together in _portions(found):
                made += _settle(node, together)
        except CursorMoved:
            pass  # another worker was first with some of them: look again
        else:
            if len(found.debts) < PART:
                break  # what is owed since then can wait for more: each notice keeps every writer waiting
        rounds = None if rounds is None else rounds - 1
    return made


def tell_now(node: Node) -> int:
    """`tell` right after an order that is done: what fails here is left to the worker, and the order stands."""
    try:
        return tell(node)
    except CertExchangeError as error:
        _log.warning("notices wait for the worker", error=type(error).__name__)
        return 0


def _look(node: Node) -> _Found:
    with node.database.reading() as tx:
        found = _Found(rows.owed(tx, limit=PART))
        if not found.debts:
            return found
        members = rows.members(tx, {debt.audience for debt in found.debts})
        present = rows.present_audiences(tx, {one.partner for one in members})
        others = rows.members(tx, set(present.values()))
        before = untold.who(tx, {debt.ident for debt in found.debts})
        # Read after the log: a fetch of what stood there before the withdrawal has raised its mark by now.
        far = reached(tx, node, (one.view for one in found.debts))
    readers = _Readers(members, others, present)
    for debt in found.debts:
        earlier = before.get((debt.audience, debt.ident), ())
        fetched = [
            one
            for one in readers.of(debt.audience)
            if far.by(one.partner, debt.view, debt.released) or one.partner in earlier
        ]
        had = found.had[debt] = readers.told_in(fetched)
        audiences = tuple(sorted(had.keys() - {BY_HAND, LATER}))
        if BY_HAND in had:
            _log.error("notice to be given by hand", id=debt.stix_id, audience=debt.audience)
        found.told.setdefault(_Telling(audiences, Reason(debt.reason)), []).append(debt)
    return found


@dataclass(slots=True)
class _Readers:
    """Who reads what, and where who left an audience is now."""

    members: Sequence[Member]
    others: Sequence[Member]
    """of the present audiences of all of them"""
    present: Mapping[int, int]

    def of(self, audience: int) -> list[Member]:
        """Who is or was of an audience."""
        return [one for one in self.members if one.audience == audience]

    def told_in(self, fetched: Iterable[Member]) -> dict[int, frozenset[int]]:
        """The audiences in which these are told, so that nobody is told who never was of theirs; who, by audience."""
        found: dict[int, set[int]] = {}
        for one in fetched:
            if one.now:
                found.setdefault(one.audience, set()).add(one.partner)
                continue
            moved = self.present.get(one.partner)
            there = {
                other.partner for other in self.others if other.audience == moved and other.now
            }
            alone = there <= {other.partner for other in self.of(one.audience)}
            where = LATER if moved is None else moved if alone else BY_HAND
            found.setdefault(where, set()).add(one.partner)
        return {audience: frozenset(partners) for audience, partners in found.items()}


def _portions(found: _Found) -> Iterator[list[_Portion]]:
    """What is settled in one transaction each: what nobody is told of, then so much that no writer waits long."""
    silent = [_portion(found, one, these) for one, these in found.told.items() if not one.audiences]
    if silent:
        yield silent
    together: list[_Portion] = []
    room = SUBJECTS
    for telling, these in found.told.items():
        for start in range(0, len(these) if telling.audiences else 0, SUBJECTS):
            portion = _portion(found, telling, these[start : start + SUBJECTS])
            if together and len(portion.debts) > room:
                yield together
                together, room = [], SUBJECTS
            together.append(portion)
            room -= len(portion.debts)
    if together:
        yield together


def _portion(found: _Found, telling: _Telling, debts: Sequence[Debt]) -> _Portion:
    fetched: dict[int, dict[int, set[int]]] = {}
    later: dict[int, dict[int, set[int]]] = {}
    for debt in debts:
        for audience, partners in found.had[debt].items():
            place = later if audience == LATER else fetched
            where = debt.audience if audience == LATER else audience
            place.setdefault(where, {}).setdefault(debt.ident, set()).update(partners)
    return _Portion(telling, debts, fetched, later)


def _settle(node: Node, together: Sequence[_Portion]) -> int:
    """Strike off these debts, and make the notices that are due for them; how many. Raises CursorMoved."""
    debts = [debt for portion in together for debt in portion.debts]
    wanted = [(audience, portion) for portion in together for audience in portion.telling.audiences]

    def work(tx: Transaction) -> int:
        if wanted:
            # What is in force for them stays so until the notices stand beside it.
            releases.lock_sharing(tx)
        struck = rows.ask_settle(tx, debts)
        drafts = [
            _Draft(tx, audience, one.telling.reason, one.debts, one.fetched[audience])
            for audience, one in wanted
        ]
        if struck() != len(debts):
            raise CursorMoved("notices")
        for portion in together:
            _forget(tx, portion.fetched.get(BY_HAND, {}))
            for audience, fetched in portion.later.items():
                untold.keep(tx, audience, fetched)
        return sum(draft.make(node) for draft in drafts)

    return node.database.transact(work)


def _forget(tx: Transaction, fetched: Fetched) -> None:
    partners = {partner for these in fetched.values() for partner in these}
    untold.forget(tx, fetched.keys(), partners)


def make(
    tx: Transaction,
    node: Node,
    audience: int,
    reason: Reason,
    debts: Sequence[Debt],
    *,
    readers: Collection[int],
) -> int:
    """One audience's notice about what it sees no longer; 0 where there is nothing to tell it.

    At most SUBJECTS debts, which its partners `readers` may have fetched; the caller holds the heads' locks.
    """
    fetched = {debt.ident: readers for debt in debts}
    return _Draft(tx, audience, reason, debts, fetched).make(node)


class _Draft:
    """A notice that may be made: what it depends on is asked at once, and read when it is made."""

    def __init__(
        self,
        tx: Transaction,
        audience: int,
        reason: Reason,
        debts: Sequence[Debt],
        fetched: Fetched,
    ) -> None:
        self._tx = tx
        self._audience = audience
        self._reason = reason
        self._fetched = fetched
        self._collection = debts[0].collection
        self._subjects = {debt.ident: debt.stix_id for debt in debts}
        self._shown = rows.ask_shown(tx, audience, self._subjects)
        self._places = rows.ask_views_of(tx, audience)

    def make(self, node: Node) -> int:
        """Make it; 0 where there is nothing to tell."""
        tx, subjects = self._tx, self._subjects
        standing = {
            ident: self._fetched.get(ident, ())
            for ident, revoked in self._shown().items()
            if not (revoked and self._reason is Reason.REVOKED)
        }
        untold.keep(tx, self._audience, standing)
        for ident in standing:
            del subjects[ident]
        for ident, stix_id in list(subjects.items()):
            if stix_id.startswith("note--") and rows.audience_of(tx, stix_id) is not None:
                del subjects[ident]  # a notice of ours that was withdrawn
        places = [collection for collection, _ in self._places()]
        if not subjects or not places:
            return 0
        fetched = {ident: self._fetched.get(ident, ()) for ident in subjects}
        _forget(tx, fetched)
        collection = self._collection if self._collection in places else places[0]
        now = node.clock.releasing_now()
        notice = notice_of(sorted(subjects.values()), self._reason, now=now)
        stix_id = f"note--{uuid4()}"
        rows.keep(
            tx, stix_id=stix_id, audience=self._audience, partner=None, collection=collection,
            reason=self._reason.value, action=notice.action.value, due_at=notice.due, made_at=now,
            subjects=subjects.keys(),
            readers={partner for these in fetched.values() for partner in these},
        )  # fmt: skip
        batch = _as_batch(node, notice, stix_id, now)
        (outcome,) = take_in(
            tx, node, batch, origin=OWN, collection=collection, now=now, by=BY,
            facts={
                "notice": stix_id, "reason": self._reason.value, "about": list(notice.subjects),
            },
        )  # fmt: skip
        assert outcome.result == "accepted", outcome.message
        _log.info("notice made", notice=stix_id, audience=self._audience, about=len(subjects))
        return 1


def _as_batch(node: Node, notice: Notice, stix_id: str, now: int) -> Batch:
    """The notice as it is taken in: it needs nothing of what it names to be visible.

    What it is about is hidden from its audience by now, and a policy that closed may keep even our identity back, which
    the audience has by what it fetched.
    """
    content = write_notice(notice, stix_id=stix_id, creator=node.identity, now=now)
    (examined,) = examine_objects([content], limits=node.limits).items
    assert examined.item is not None, examined.refusal
    loose = tuple(replace(one, role=Role.EXTENSION) for one in examined.item.references)
    return Batch((replace(examined, item=replace(examined.item, references=loose)),))
