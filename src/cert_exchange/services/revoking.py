"""The owner's order "this is wrong, for everyone" (DECISIONS 19).

    (1) a last version of our own object with `revoked: true`, in every collection where it ever stood  (2) what its
    audiences lose by that, and what they had before, owes a notice, in the same transaction  (3) the notices

1. Who may see the last version learns by it; who may not any more sees the object go. Both are told by a notice, once
   anyone of them fetched.
2. What has no such property (cyber-observables, marking definitions), and what a partner sent, is withdrawn and kept
   back, with the same notice: another's object is not ours to revoke.
3. A revocation is final: no version comes after it, from nobody (`publishing.admitting`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages.notices import Reason
from cert_exchange.node import Node
from cert_exchange.services import noticing
from cert_exchange.services.publishing.taking_in import take_in_watched
from cert_exchange.services.releasing import Line, withdraw
from cert_exchange.stix.canonical import parse_json
from cert_exchange.stix.envelopes import Batch, examine_objects
from cert_exchange.stix.instants import format_micros, parse_micros
from cert_exchange.store import doubts, lifetimes, objects, releases
from cert_exchange.store import notices as rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.doubts import DoubtState
from cert_exchange.store.lifetimes import Ending
from cert_exchange.store.notices import LineInForce, Owed
from cert_exchange.store.objects import Version
from cert_exchange.store.tables import OWN, LineKind, ObjectStatus

_WITHOUT: Final = frozenset({"marking-definition"})
"""Types besides the cyber-observables that have no `revoked` (STIX 2.1, 3.2)."""
_DEPTH: Final = 1_000
"""What is stored was read once, with a lower limit."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a revocation did. `version` is the last one, None where the object was withdrawn instead."""

    version: str | None
    why_withdrawn: str
    """why it was not revoked; empty when it was"""
    lines: tuple[Line, ...]
    notices: int

    @property
    def shown_to(self) -> tuple[str, ...]:
        """The audiences that see the revocation itself."""
        return self._audiences(LineKind.RELEASE)

    @property
    def taken_from(self) -> tuple[str, ...]:
        """The audiences that lost a line by it."""
        return self._audiences(LineKind.WITHDRAWAL)

    def _audiences(self, kind: LineKind) -> tuple[str, ...]:
        return tuple(sorted({line.audience for line in self.lines if line.kind == kind.value}))


def revoke(
    node: Node,
    stix_id: str,
    *,
    by: str,
    reason: str,
    ended: Ending | None = None,
    tell: bool = True,
) -> Revoked:
    """Revoke an object of ours for everyone, or withdraw what cannot be revoked, and tell who fetched it.

    `ended`: it is no person's word, and its value may come back. `tell`: else the caller tells, of several at once.

    Raises NotFound when we hold no such object, InputRefused when it is revoked already or stands in no collection.
    """
    with node.database.reading() as tx:
        why = _why_not(_newest(tx, stix_id))
    if why:
        taken = withdraw(
            node, stix_id, by=by, reason=reason, block=True, owing=Reason.REVOKED
        )  # fmt: skip
        node.database.transact(lambda tx: _settle(tx, stix_id, at=node.now(), by=by, reason=reason))
        return Revoked(None, why, taken.lines, noticing.tell_now(node) if tell else 0)
    version, lines = node.database.transact(
        lambda tx: _last_version(tx, node, stix_id, by=by, reason=reason, ended=ended)
    )
    # Commit. The marks are read after it: who fetched anything of the object before is told.
    return Revoked(version, "", lines, noticing.tell_now(node) if tell else 0)


def _newest(tx: Transaction, stix_id: str) -> Version:
    ident = objects.idents_of(tx, [stix_id]).get(stix_id)
    found = [
        one
        for one in version_rows.versions(tx, [] if ident is None else [ident])
        if one.status == ObjectStatus.ACCEPTED.value
    ]
    if not found:
        raise NotFound(f"we hold no object {stix_id}; see `search`")
    return max(found, key=lambda one: (one.version_key, one.origin == OWN))


def _why_not(newest: Version) -> str:
    if newest.origin != OWN:
        return "a partner sent it, and only its owner can revoke it"
    if newest.observable or newest.type in _WITHOUT:
        return f"objects of type {newest.type} cannot be revoked"
    return ""


def _last_version(
    tx: Transaction, node: Node, stix_id: str, *, by: str, reason: str, ended: Ending | None
) -> tuple[str, tuple[Line, ...]]:
    releases.lock_sharing(tx)()  # what is read from here on is what is revoked
    newest = _newest(tx, stix_id)
    if newest.revoked:
        raise InputRefused(f"{stix_id} was revoked already, by its version {newest.version}.")
    ours = [one.id for one in version_rows.versions(tx, [newest.ident]) if one.origin == OWN]
    places = version_rows.memberships_of(tx, ours)
    collections = sorted({place.collection for those in places.values() for place in those})
    if not collections:
        raise InputRefused(
            f"{stix_id} is in no collection; it is carried along with what needs it, and a newer"
            " version of it is published."
        )
    before = rows.lines_of(tx, newest.ident)
    now = node.clock.releasing_now()
    content = _revoked(tx, newest, now)
    (examined,) = examine_objects([content], limits=node.publish_limits).items
    if examined.item is None:
        raise InputRefused(f"{stix_id} cannot be revoked: {examined.refusal}")
    lines: list[Line] = []
    for collection in collections:
        (outcome,), releasing = take_in_watched(
            tx, node, Batch((examined,)), origin=OWN, collection=collection, now=now, by=by,
            facts={"revokes": stix_id, "reason": reason},
        )  # fmt: skip
        if not outcome.success:
            raise InputRefused(f"{stix_id} was not revoked: {outcome.message}")
        lines += releasing.lines
    if ended is not None:
        lifetimes.end(tx, newest.ident, ended)
    _settle(tx, stix_id, at=now, by=by, reason=reason)
    rows.reword(tx, newest.ident, reason=Reason.REVOKED.value)
    rows.owe(tx, _debts(before, rows.lines_of(tx, newest.ident)))
    return str(content["modified"]), tuple(lines)


def _settle(tx: Transaction, stix_id: str, *, at: int, by: str, reason: str) -> None:
    """What partners held against it is answered by that (`services.reviewing`)."""
    idents = objects.idents_of(tx, [stix_id]).values()
    doubts.end(tx, list(idents), DoubtState.REVOKED, at=at, by=by, remark=reason)


def _revoked(tx: Transaction, newest: Version, now: int) -> dict[str, Any]:
    ((_, body),) = version_rows.ask_bodies(tx, [newest.rendition])()
    content = parse_json(body.encode("utf-8"), depth=_DEPTH)
    assert isinstance(content, dict)
    last = parse_micros(newest.version)
    return {**content, "revoked": True, "modified": format_micros(max(now, last + 1))}


def _debts(before: Sequence[LineInForce], after: Sequence[LineInForce]) -> list[Owed]:
    """What is owed where the object stays in force: to who fetched anything of it before its last version.

    An original and what was shown in its place are told of each by its own id, where any of them says something new.
    """
    first: dict[tuple[int, int], LineInForce] = {}
    for line in before:
        first.setdefault((line.view, line.ident), line)
    last = {(line.view, line.ident): line for line in after}
    moved = {
        key[0] for key, line in first.items() if key in last and last[key].position > line.position
    }
    return [
        Owed(key[0], last[key].position, line.position, last[key].object, Reason.REVOKED.value)
        for key, line in first.items()
        if key in last and key[0] in moved
    ]
