"""Undoing what came from a partner since an instant: for the night on which its credential was stolen.

    (1) stop it: `partner suspend NAME --receiving`, rotate its credentials  (2) `look`: what it did since then
    (3) `undo`: nothing of it counts any more

1. What it sent is set aside as proposals: it leaves every view and feed, who fetched it is told, and an older version
   that stood before governs again. What its opinions held of ours goes on. Nothing is deleted: what was genuine is
   accepted by a person, or sent again.
2. What it took back since then, by DELETE or by a notice, stands again, and so does what its versions drove out as those of
   the creator (`publishing.refusing.oust`): both stand as on the day before. What it proposed of others' objects stays a
   proposal, as it was: nothing of theirs was changed.
3. Each part is one transaction with one ledger line. Killed in between, repeating it does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages.evidence import Fact
from cert_exchange.messages.notices import Reason
from cert_exchange.node import Node
from cert_exchange.services import ledger, noticing
from cert_exchange.services.erasing import record
from cert_exchange.services.releasing import Releasing, issuer_of
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import doubts, objects, undoing
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import OWN, LineKind
from cert_exchange.store.undoing import Tally

PART: Final = 1_000
Progress = Callable[[int, int | None], None]

__all__ = ["Tally", "Undone", "look", "undo"]


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undoing did."""

    accepted: int
    """versions that counted before it"""
    proposals: int
    """versions that never counted"""
    put_back: int
    """versions that it had taken back, or driven out"""
    withdrawn: int
    """lines that audiences lost"""
    returned: int
    """lines that audiences got, such as of older versions"""
    notices: int


@dataclass(slots=True)
class _Part:
    accepted: int = 0
    proposals: int = 0
    put_back: int = 0
    withdrawn: int = 0
    returned: int = 0

    def add(self, other: _Part) -> None:
        self.accepted += other.accepted
        self.proposals += other.proposals
        self.put_back += other.put_back
        self.withdrawn += other.withdrawn
        self.returned += other.returned


def look(node: Node, partner: str, since: int) -> Tally:
    """What a partner did since an instant (micros), without changing anything. Raises NotFound for an unknown partner."""
    with node.database.reading() as tx:
        return undoing.tally(tx, _number(tx, partner), since)


def undo(
    node: Node,
    partner: str,
    since: int,
    *,
    by: str,
    reason: str,
    progress: Progress | None = None,
) -> Undone:
    """Set aside all that came from a partner since an instant (micros), and let stand again what it took back.

    Raises NotFound for an unknown partner, InputRefused for an instant that is not past.
    """
    if since > node.now():
        raise InputRefused(f"{format_micros(since)} is not past; give an instant before now.")
    with node.database.reading() as tx:
        origin = _number(tx, partner)
        found = undoing.tally(tx, origin, since)
    total = found.accepted + found.proposals + found.taken_back
    ledger.note_fetches(node)  # what was fetched until now was fetched before it was undone
    done = _Part()
    for step in (_set_aside, _put_back):
        while True:
            part = node.database.transact(
                lambda tx, step=step: step(tx, node, partner, origin, since, by, reason)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            )
            if part is None:
                break
            done.add(part)
            if progress is not None:
                progress(done.accepted + done.proposals + done.put_back, total)
    # Commit. The marks are read after it: who fetched any of it is told.
    told = noticing.tell_now(node)
    return Undone(done.accepted, done.proposals, done.put_back, done.withdrawn, done.returned, told)


def _set_aside(
    tx: Transaction, node: Node, partner: str, origin: int, since: int, by: str, reason: str
) -> _Part | None:
    line_id, releasing = _begin(tx, node)
    found = undoing.sent_since(tx, origin, since, limit=PART)
    if not found:
        return None
    idents = sorted({one.ident for one in found})
    counted = [one.object for one in found if one.accepted]
    # Out of every view as what is taken back; then it is gone for policy, and what stood before it governs again.
    objects.take_back(tx, counted, collection=None, by=OWN, at=releasing.now)
    releasing.reconsider(idents)
    undoing.set_aside(tx, found, at=releasing.now, by=by)
    undoing.put_back(tx, counted, taken_by=OWN, since=releasing.now)
    restored = undoing.put_back_ousted(tx, counted)
    freed = doubts.take_back(tx, idents, partner=origin, at=releasing.now)
    releasing.reload()
    releasing.reconsider([*idents, *sorted(freed)])
    part = _part_of(releasing)
    part.accepted, part.proposals = len(counted), len(found) - len(counted)
    part.put_back = restored
    _end(tx, releasing, line_id, part, partner, since, by, reason)
    return part


def _put_back(
    tx: Transaction, node: Node, partner: str, origin: int, since: int, by: str, reason: str
) -> _Part | None:
    line_id, releasing = _begin(tx, node)
    found = undoing.taken_back_since(tx, origin, since, limit=PART)
    if not found:
        return None
    undoing.put_back(tx, {one.object for one in found}, taken_by=origin, since=since)
    releasing.reconsider(sorted({one.ident for one in found}))
    part = _part_of(releasing)
    part.put_back = len(found)
    _end(tx, releasing, line_id, part, partner, since, by, reason)
    return part


def _begin(tx: Transaction, node: Node) -> tuple[int, Releasing]:
    line_id = ledger_rows.reserve_line(tx)
    return line_id, Releasing(
        tx, node.clock.releasing_now(), line_id, owing=Reason.MISTAKE, issuer=issuer_of(node)
    )


def _part_of(releasing: Releasing) -> _Part:
    kinds = [line.kind for line in releasing.lines]
    return _Part(
        withdrawn=kinds.count(LineKind.WITHDRAWAL.value),
        returned=kinds.count(LineKind.RELEASE.value),
    )


def _end(
    tx: Transaction,
    releasing: Releasing,
    line_id: int,
    part: _Part,
    partner: str,
    since: int,
    by: str,
    reason: str,
) -> None:
    facts: dict[str, Fact] = {
        "partner": partner, "since": since, "accepted": part.accepted,
        "proposals": part.proposals, "put_back": part.put_back, "reason": reason,
    }  # fmt: skip
    record(tx, releasing, "undo", by, facts, line_id=line_id)


def _number(tx: Transaction, partner: str) -> int:
    found = partner_rows.find_partner(tx, partner)
    if found is None:
        raise NotFound(f"there is no partner {partner!r}; see `partner list`")
    return int(found.id)
