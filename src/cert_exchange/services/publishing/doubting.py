"""A partner disagrees with an object of ours: nothing more of it goes out until a person has looked at it.

1. The opinion is an object of its own, taken in as any other; what it does here is in the same transaction.
2. Who has it keeps it, and so do our own tools: a partner's word takes nothing back from anyone. What is not released yet, to
   whomever, is held (`releasing.judging`), a revocation excepted; what stands in a view and nobody fetched leaves it
   (`withholding`).
3. It counts of what the partner was shown, under its own id or as a derivative. Naming anything else does nothing, and
   its sender is answered the same.
4. One partner holds at most `MOST_OPEN` objects of ours so; what it disagrees with beyond is noted and holds nothing.
5. A later version of the same opinion takes the place of the one before: who agrees after all holds nothing any more.
"""

from __future__ import annotations

from typing import Final

import structlog

from cert_exchange.node import Node
from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.services.publishing.withholding import withhold
from cert_exchange.services.releasing import Releasing
from cert_exchange.store import doubts as rows
from cert_exchange.store.doubts import DoubtState, NewDoubt
from cert_exchange.store.tables import OWN, ObjectStatus

_log = structlog.get_logger(__name__)

MOST_OPEN: Final = 1_000
DISAGREEING: Final = frozenset({"disagree", "strongly-disagree"})
_NAMED: Final = 1_000
"""So many objects of one opinion are looked at."""


def hear(intake: Intake, releasing: Releasing, node: Node) -> set[int]:
    """Note what the opinions of this batch hold against objects of ours; the ids to decide again."""
    origin = intake.sender.origin
    if origin == OWN:
        return set()
    opinions = [
        one for one in intake.news if one.type == "opinion" and one.status is ObjectStatus.ACCEPTED
    ]
    if not opinions:
        return set()
    freed = rows.take_back(
        intake.tx, {one.ident for one in opinions}, partner=origin, at=intake.now
    )
    newest = {one.ident: one for one in sorted(opinions, key=lambda one: one.version_key)}
    named: dict[int, tuple[str, list[int]]] = {}
    for one in newest.values():
        content = intake.contents.get(one.rendition, {})
        word = str(content.get("opinion"))
        refs = content.get("object_refs")
        if word in DISAGREEING and not one.revoked and isinstance(refs, list):
            nums = [intake.nums[ref] for ref in refs[:_NAMED] if ref in intake.nums]
            named[one.id] = (word, nums)
    shown = rows.shown_of_ours(
        intake.tx, {ref for _, refs in named.values() for ref in refs}, origin
    )
    found = [
        NewDoubt(opinion, ident, word)
        for opinion, (word, refs) in named.items()
        for ident in sorted({shown[ref] for ref in refs if ref in shown})
    ]
    holding = _note(intake, found)
    releasing.pool.bindings.doubts_changed()
    return freed | withhold(intake.tx, node, releasing, {one.ident for one in holding})


def _note(intake: Intake, found: list[NewDoubt]) -> list[NewDoubt]:
    """Write them down; those that hold."""
    origin = intake.sender.origin
    room = 0
    if found and (intake.screen is None or intake.screen.life.objections_hold):
        room = max(MOST_OPEN - rows.count_open(intake.tx, partner=origin), 0)
        if room < len(found):
            _log.warning("doubts-noted-only", partner=intake.sender.name, most=MOST_OPEN)
    rows.raise_(intake.tx, found[:room], partner=origin, state=DoubtState.OPEN, at=intake.now)
    rows.raise_(intake.tx, found[room:], partner=origin, state=DoubtState.NOTED, at=intake.now)
    return found[:room]
