"""The end of our own indicators: past their valid_until, or no longer in the list that they came from.

1. An end reaches who has the indicator as a revocation by its creator, with a notice to who fetched it (`revoking`).
2. Past valid_until nothing happens by default: whoever reads STIX sees the end in the object. Where the way in says
   `expired: revoke`, the worker revokes what is ours, `GRACE` after its end: a repetition by the author may be late.
3. No object is changed for an end of our own making: valid_until stays what its author wrote, and what a partner sent is
   never touched (CASES I26).
4. What a list of ours dropped is what an earlier version of any of its parts named, and no report or grouping of ours names
   now. A list is all reports or groupings of its name.
5. Where the input that the list was last made of had places that could not be read, what stands there may be among what
   seems dropped: `look` says so, and who revokes has to know.
6. Each revocation is a transaction of its own, and the notices of all follow together. Killed in between, repeating it
   does the rest.
7. What ended so may come back: its value gets an id of the next generation (`services.taking.generations`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.intake.batches import bare_name
from cert_exchange.node import Node
from cert_exchange.services import noticing, revoking, warning
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.stix.references import is_identifier
from cert_exchange.store import facts, objects
from cert_exchange.store import lifetimes as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.lifetimes import Ending

GRACE: Final = 86_400_000_000
"""Micros after valid_until."""
PART: Final = 1_000
MOST: Final = 2_000
"""So many are revoked by one round of the worker."""
_CLOCK: Final = "clock"
_LISTS: Final = ("report--", "grouping--")
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a list of ours names no more: (STIX id, what it looks for) of each indicator. `lists`: the ids of its parts."""

    name: str
    lists: tuple[str, ...]
    indicators: tuple[tuple[str, str], ...]
    unread: int
    """places that could not be read when the list was published last"""


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
            ended += _revoke(node, stix_id, Ending.EXPIRED, by=_CLOCK, reason="its validity ended")
            if ended >= most:
                break
        if len(part) < PART:
            break
    if ended:
        noticing.tell_now(node)
    return ended


def look(node: Node, which: str) -> Dropped:
    """What a list of ours dropped. `which`: the STIX id of one of its reports or groupings, or its name.

    Raises NotFound where we hold no such list, InputRefused for an id of another type.
    """
    with node.database.reading() as conn:
        name = _name_of(conn, which) if is_identifier(which) else which.strip()
        lists = [
            one for one in rows.lists_called(conn, name) if bare_name(one[2]) == bare_name(name)
        ]
        if not lists:
            raise NotFound(f"no report or grouping of ours is called {name!r}; see `search`")
        dropped = rows.dropped(conn, [ident for ident, _, _ in lists])
        unread = int(facts.fact(conn, unread_fact(bare_name(name))) or 0)
    return Dropped(
        bare_name(name),
        tuple(sorted(stix_id for _, stix_id, _ in lists)),
        tuple((stix_id, _sought(body)) for stix_id, body in dropped),
        unread,
    )


def unread_fact(name: str) -> str:
    """Under which name it is kept how many places of a list could not be read."""
    return f"unread.{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _name_of(conn: Transaction, stix_id: str) -> str:
    if not stix_id.startswith(_LISTS):
        raise InputRefused(f"{stix_id} is no list: give the id of a report or grouping of ours.")
    ident = objects.idents_of(conn, [stix_id]).get(stix_id)
    found = [] if ident is None else rows.names_of(conn, ident)
    if not found:
        raise NotFound(f"we hold no list {stix_id} of our own; see `search`")
    return bare_name(found[-1])


def _sought(body: str) -> str:
    content = orjson.loads(body)
    return str(content.get("pattern") or content.get("name") or "")


def delist(
    node: Node,
    stix_ids: Sequence[str],
    *,
    by: str,
    reason: str,
    progress: Progress | None = None,
) -> Ended:
    """Revoke what `look` found, for everyone. `stix_ids`: the ids of the indicators."""
    revoked = 0
    for done, stix_id in enumerate(stix_ids, start=1):
        revoked += _revoke(node, stix_id, Ending.DELISTED, by=by, reason=reason)
        if progress is not None:
            progress(done, len(stix_ids))
    return Ended(revoked, noticing.tell_now(node) if revoked else 0)


def _revoke(node: Node, stix_id: str, ended: Ending, *, by: str, reason: str) -> bool:
    """Revoke one indicator; False where somebody else was first."""
    try:
        revoking.revoke(node, stix_id, by=by, reason=reason, ended=ended, tell=False)
    except (InputRefused, NotFound):
        return False
    return True


def _until(body: str, *, default: int) -> int:
    until = orjson.loads(body).get("valid_until")
    try:
        return parse_micros(until) if isinstance(until, str) else default
    except InstantInvalid:
        return default
