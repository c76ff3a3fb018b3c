"""The end of our own indicators: past their valid_until, or no longer in the list that they came from.

1. An end reaches who has the indicator as a revocation by its creator, with a notice to who fetched it (`revoking`).
2. Past valid_until nothing happens by default: whoever reads STIX sees the end in the object. Where the way in says
   `expired: revoke`, the worker revokes what is ours, `GRACE` after its end: a repetition by the author may be late.
3. No object is changed for an end of our own making: valid_until stays what its author wrote, and what a partner sent is
   never touched (CASES I26).
4. What a list of ours dropped is what an earlier version of its report or grouping named, its newest does not, and no
   other report or grouping of ours does.
5. Each revocation is a transaction of its own. Killed in between, repeating it does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.services import revoking, warning
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.store import lifetimes as rows
from cert_exchange.store import objects

GRACE: Final = 86_400_000_000
"""Micros after valid_until."""
PART: Final = 1_000
MOST: Final = 2_000
"""So many are revoked by one round of the worker."""
_CLOCK: Final = "clock"
_LISTS: Final = ("report--", "grouping--")
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """What was revoked, and how many notices went out for it."""

    revoked: int
    notices: int


def end_expired(node: Node, *, most: int = MOST) -> int:
    """Revoke what is ours and has been past its valid_until for `GRACE`, where the node chose so; how many."""
    if not warning.life(node).revokes_expired:
        return 0
    before, after, ended = node.now() - GRACE, 0, 0
    while ended < most:
        with node.database.reading() as conn:
            part = rows.with_an_end(conn, after=after, limit=PART)
        for number, stix_id, body in part:
            after = number
            if _until(body, default=before + 1) > before:
                continue
            if _revoke(node, stix_id, by=_CLOCK, reason="its validity ended") is not None:
                ended += 1
            if ended >= most:
                break
        if len(part) < PART:
            break
    return ended


def look(node: Node, container: str) -> list[str]:
    """The STIX ids of our indicators that a list of ours (report or grouping) named and names no more.

    Raises NotFound where we hold no such list, InputRefused for an id of another type.
    """
    if not container.startswith(_LISTS):
        raise InputRefused(f"{container} is no list: give the id of a report or grouping of ours.")
    with node.database.reading() as conn:
        ident = objects.idents_of(conn, [container]).get(container)
        if ident is None:
            raise NotFound(f"we hold no object {container}; see `search`")
        return rows.dropped(conn, ident)


def delist(
    node: Node,
    stix_ids: Sequence[str],
    *,
    by: str,
    reason: str,
    progress: Progress | None = None,
) -> Ended:
    """Revoke what `look` found, for everyone."""
    revoked = notices = 0
    for done, stix_id in enumerate(stix_ids, start=1):
        told = _revoke(node, stix_id, by=by, reason=reason)
        if told is not None:
            revoked, notices = revoked + 1, notices + told
        if progress is not None:
            progress(done, len(stix_ids))
    return Ended(revoked, notices)


def _revoke(node: Node, stix_id: str, *, by: str, reason: str) -> int | None:
    """Revoke one indicator; the number of notices, None where somebody else was first."""
    try:
        return revoking.revoke(node, stix_id, by=by, reason=reason).notices
    except (InputRefused, NotFound):
        return None


def _until(body: str, *, default: int) -> int:
    until = orjson.loads(body).get("valid_until")
    try:
        return parse_micros(until) if isinstance(until, str) else default
    except InstantInvalid:
        return default
