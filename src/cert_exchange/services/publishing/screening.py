"""What is asked of an object when it comes in: whether anything of it is listed, or a host of our own people.

1. The file of the way in that is in force is read once a process, before a transaction where that can be; where it
   cannot be read, everything is held.
2. A partner is answered as if nothing had been found: what it is told must not say what we look for.
3. Our desk is told what was found. What the file refuses is refused to our desk, and kept aside of a partner's.
4. What a person let in once comes in again as a new version, as long as nothing else is found in it.
5. What our desk publishes is also held, or refused, for what it would have been warned of (`policy.warnings`), and for that
   where no file is in force too.
6. What was erased here does not come in again: nothing of it is stored, and a partner is answered as if it were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.cautions import Act, Caution, Of
from cert_exchange.policy.screening import (
    BUILT_IN,
    FILE_NAME,
    Finding,
    Screen,
    UnreadableScreen,
    joined,
    parse_screen,
)
from cert_exchange.services.publishing.admitting import Ruling, Step
from cert_exchange.services.publishing.approving import with_approval
from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.services.publishing.meeting import met
from cert_exchange.stix.envelopes import Examined
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.objects import StixObject
from cert_exchange.store import screening as rows
from cert_exchange.store.database import Transaction, Unprepared
from cert_exchange.store.releases import Sharing
from cert_exchange.store.screening import Caught, State
from cert_exchange.store.tables import OWN

_log = structlog.get_logger(__name__)

_read: Final[dict[bytes, Screen]] = {}
_in_place: Final[set[bytes]] = set()
"""what reading before a transaction did not help with"""
_KEPT: Final = 4
_ERASED: Final = "it was erased here and is not taken in again; `erasures list` says by which order, `erasures lift` ends it"
_UNREADABLE: Final = UnreadableScreen()
_KNOWN: Final = (Step.JOIN, Step.REPOST, Step.PROMOTE)
"""a version that is stored already comes in, perhaps once more"""
_ENTERING: Final = (Step.STORE, Step.COPY, Step.PROPOSE, Step.TAKE_OVER, *_KNOWN)


def screen_for(
    tx: Transaction, sharing: Sharing, collection: int | None
) -> Screen | UnreadableScreen | None:
    """What is asked of objects that come into a collection now; None: nothing is.

    `collection` None is what `init` seeds, which nobody sends.
    """
    if collection is None:
        return None
    if sharing.screen is None:
        return BUILT_IN
    found = _in_force(tx, sharing.screen)
    uuid, alias = sharing.collections[collection]
    return found if found.covers([uuid] if alias is None else [uuid, alias]) else None


def screen_now(conn: Transaction) -> Screen | UnreadableScreen:
    """What is asked of objects that would come in now, into whichever collection."""
    digest = rows.digest_in_force(conn)
    if digest is None:
        return BUILT_IN
    return _read.get(digest) or _from(conn, digest) or _UNREADABLE


def screened(intake: Intake, ident: int, item: StixObject, ruling: Ruling) -> Ruling:
    """The ruling on an object, after it was looked for what is listed; `intake.found` says what was found."""
    intake.found = None
    if item.digest in intake.gone:
        if intake.sender.origin == OWN:
            return Ruling(Step.GONE, success=False, message=_ERASED)
        return replace(ruling, step=Step.GONE, about=None)
    if ruling.step not in _ENTERING:
        return ruling
    finding = with_approval(intake, ruling, item, _listed(intake, ident, item, ruling))
    if finding is None or intake.sender.origin != OWN:
        intake.found = finding
        return ruling
    if finding.action == "refuse":
        return Ruling(Step.REFUSE, success=False, message=f"refused at the way in: {finding.said}")
    intake.found = finding
    return replace(ruling, message=f"held at the way in: {finding.said}")


def asked_of(
    intake: Intake, items: Sequence[Examined], holding: Mapping[str, str]
) -> dict[str, list[tuple[Caution, Act]]]:
    """By STIX id, what our desk asks to be held of a publication, and what its values meet that holds or refuses."""
    asked: dict[str, list[tuple[Caution, Act]]] = {
        one: [(Caution(Of.CONTEXT, "", said), "hold")] for one, said in holding.items()
    }
    screen = intake.screen
    if intake.sender.origin != OWN or screen is None:
        return asked
    acts = {of: screen.warnings[of] for of in (Of.KNOWN, Of.CONTRADICTED)}
    if any(act in ("hold", "refuse") for act in acts.values()):
        found = met(intake.tx, [one.item.content for one in items if one.item is not None])
        for stix_id, told in found.items():
            asked.setdefault(stix_id, []).extend((one, acts[one.of]) for one in told)
    return asked


def _listed(intake: Intake, ident: int, item: StixObject, ruling: Ruling) -> Finding | None:
    finding = intake.screen.find(item.content) if intake.screen is not None else None
    if intake.sender.origin == OWN and intake.screen is not None:
        at = format_micros(intake.now)
        finding = intake.screen.weighed(item.content, finding, at=at)
        finding = joined(finding, intake.asked.get(item.id, ()))
    if finding is None or ident in intake.fresh:
        return finding
    if finding.said in rows.let_in_before(intake.tx, ident, intake.sender.origin):
        return None
    if ruling.step in _KNOWN and ruling.about is not None and rows.why(intake.tx, ruling.about):
        return None  # it waits already, or a person has answered
    return finding


def catch(intake: Intake, number: int) -> None:
    """Write down that the version is held, if anything was found in the object that is ruled on."""
    if intake.found is not None:
        state = State.REFUSED if intake.found.action == "refuse" else State.HELD
        what = ", ".join(intake.found.what)
        intake.caught[number] = Caught(number, what, intake.found.said, state)


def remember(screen: Screen) -> None:
    """A file that was read to be applied need not be read again."""
    for oldest in list(_read)[: len(_read) - _KEPT + 1]:
        _read.pop(oldest, None)
    _read[screen.digest] = screen


def _in_force(tx: Transaction, digest: bytes) -> Screen | UnreadableScreen:
    found = _read.get(digest)
    if found is not None:
        return found
    if digest not in _in_place:  # a long list takes seconds, in which no other writer should wait
        raise Unprepared(partial(_read_before, digest=digest))
    return _from(tx, digest) or _UNREADABLE


def _read_before(conn: Transaction, *, digest: bytes) -> None:
    if _from(conn, digest) is None:
        _in_place.add(digest)


def _from(conn: Transaction, digest: bytes) -> Screen | None:
    version = rows.in_force(conn)
    if version is None or version.digest != digest or version.companions is None:
        _log.error("screen-unreadable", digest=digest.hex())
        return None
    try:
        found = parse_screen(version.text, file=FILE_NAME, companions=version.companions)
    except PolicyInvalid as error:
        # It was valid when it was applied: another release's, or a row that somebody changed.
        _log.error("screen-unreadable", problems=len(error.problems))
        return None
    if found.digest != digest:
        _log.error("screen-unreadable", digest=digest.hex())
        return None
    remember(found)
    return found
