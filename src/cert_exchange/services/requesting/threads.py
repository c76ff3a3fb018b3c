"""A request and what both sides said to it, put together from the notes that each of them wrote.

1. Nothing is kept beside the notes: what stands there follows from them alone, so that both sides, who hold the same notes,
   read the same time-line; `check` is equal where they do.
2. A side's words are what came by its own channel under its own identity, or none. What a third party says, or a partner
   under another's name, is no part of it.
3. Only the asked side says that a request is received, passed on, done or not possible; only the asker that it is
   withdrawn. In the other's mouth these are remarks. The last word counts (`counting`).
4. What was revoked, or taken back, says nothing any more; that it was revoked is a line of its own. Of a request all
   versions stay to be read: what somebody acted on is not rewritten.
5. A notice that a node sends of its own is nobody's word.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from cert_exchange.messages import notices
from cert_exchange.messages.due_times import owed_by
from cert_exchange.messages.requests import (
    FINAL,
    OF_ASKED,
    Change,
    Request,
    State,
    Statement,
    changes_between,
    read,
)
from cert_exchange.services.requesting.counting import Word, counting_from
from cert_exchange.services.requesting.time_lines import (
    ASKED_FOR,
    CHANGED,
    OPEN,
    TAKEN_BACK,
    Line,
    Side,
    Thread,
)
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.store.requests import Letter
from cert_exchange.store.tables import OWN


@dataclass(frozen=True, slots=True)
class Parties:
    """Who may speak: our identity, and of each partner its name and the identities that it speaks for."""

    own: str
    names: Mapping[int, str]
    spoken: Mapping[int, frozenset[str]]

    def speaks(self, origin: int, creator: object) -> bool:
        """Whether this creator's words came by its own channel."""
        if creator is None:
            return True
        return creator == self.own if origin == OWN else creator in self.spoken.get(origin, ())

    def partner_of(self, identity: str | None) -> int | None:
        """The partner that speaks for an identity; None for nobody."""
        return next((one for one, those in self.spoken.items() if identity in those), None)


Reach = Callable[[int, int], str]
"""(partner, ident of a note of ours) -> how far it got there: fetched | pushed | not fetched yet | not released"""


@dataclass(frozen=True, slots=True)
class Opened:
    """A letter that was read, and what it says."""

    letter: Letter
    said: Request | Statement


def open_letters(letters: Iterable[Letter], parties: Parties) -> Iterator[Opened]:
    """Read letters, and leave out those whose creator did not bring them itself."""
    for letter in letters:
        content = orjson.loads(letter.body)
        said = None if notices.declares(content) else read(content)
        if said is not None and parties.speaks(letter.origin, content.get("created_by_ref")):
            yield Opened(letter, said)


def asked_by(letters: Iterable[Letter], parties: Parties) -> dict[str, list[Opened]]:
    """Of these letters the requests: STIX id -> their versions, the oldest first, each of one side and to one side."""
    found: dict[str, list[Opened]] = {}
    for one in open_letters(letters, parties):
        if isinstance(one.said, Request):
            found.setdefault(one.letter.stix_id, []).append(one)
    for versions in found.values():
        versions.sort(key=lambda one: one.letter.version_key)
    return {
        stix_id: versions
        for stix_id, versions in found.items()
        if _partner(versions, parties) is not None
    }


def put_together(
    versions: Sequence[Opened],
    replies: Iterable[Letter],
    parties: Parties,
    *,
    now: int,
    test: bool,
    reach: Reach,
) -> Thread:
    """The thread of one request (`asked_by`) and the notes that refer to it."""
    first = versions[0].letter
    partner = _partner(versions, parties)
    assert partner is not None
    ours = first.origin == OWN

    heard = [one for one in open_letters(replies, parties) if may_speak(one.letter.origin, partner)]
    counts = counting_from((_placed(one.letter) for one in (*versions, *heard)), now)

    def line(one: Opened, word: str, side: Side, changes: tuple[Change, ...] = ()) -> Line:
        reached = reach(partner, one.letter.ident)
        return _line(one, word, side, reached, counts[one.letter.object], changes)

    unrevoked = [one for one in versions if not one.letter.revoked]
    standing = [one for one in unrevoked if one.letter.in_use]
    gone = next((one for one in versions if one.letter.revoked), None)
    shown = (standing if gone is None else []) or unrevoked or versions[:1]
    request = shown[-1].said
    assert isinstance(request, Request)
    begun = line(shown[0], ASKED_FOR, "asker")
    said = [
        line(one, CHANGED, "asker", _changes(before, one))
        for before, one in itertools.pairwise(shown)
    ]
    if gone is not None and gone is not shown[0]:
        said.append(line(gone, TAKEN_BACK, "asker"))
    asker = OWN if ours else partner
    for one, word in _spoken(heard, asker):
        said.append(line(one, word, "asker" if one.letter.origin == asker else "asked"))
    said.sort(key=lambda one: (one.version_key, one.stix_id))
    state, at, why, stands = OPEN, begun.at, "", _last(said)
    if stands is not None:
        state, at, why = stands.said, stands.counts_at, stands.text
    if gone is not None or not standing:
        taken_back = [one.letter.taken_back_at for one in versions if one.letter.taken_back_at]
        at = counts[gone.letter.object] if gone is not None else max(taken_back, default=begun.at)
        state, why, stands = State.WITHDRAWN.value, "", None
    tickets: dict[Side, str] = {"asker": request.ticket, "asked": ""}
    for told in sorted(said, key=lambda one: (one.counts_at, one.version_key, one.stix_id)):
        if told.ticket:
            tickets[told.side] = told.ticket
    last = shown[-1].letter
    due = owed_by(
        request.due,
        asked_at=dated(last.version, last.stored_at),
        came_at=None if ours else last.stored_at,
    )
    late = request.answer_expected and due is not None and due < now and state not in FINAL
    return Thread(
        first.stix_id, first.ident, parties.names.get(partner, "?"), partner, ours, test, request,
        begun.at, state, at, why, stands, tickets, due, late, (begun, *said),
    )  # fmt: skip


def may_speak(origin: int, partner: int) -> bool:
    """Whether who brought a note has a word in a request that is between us and this partner."""
    return origin in (OWN, partner)


def ends(first: Letter, last: Letter, parties: Parties) -> bool:
    """Whether the last of all words to a request, whose first version this is, says that nothing is waited for any more."""
    asked = list(open_letters([first], parties))
    heard = list(open_letters([last], parties))
    if not asked or not heard or not last.in_use or last.revoked:
        return False
    request, said = asked[0].said, heard[0].said
    if not isinstance(request, Request) or not isinstance(said, Statement):
        return False
    partner = _partner(asked, parties)
    if partner is None or not may_speak(last.origin, partner):
        return False
    asker = OWN if first.origin == OWN else partner
    return _word(said.state, of_asker=last.origin == asker) in FINAL


def _partner(versions: Sequence[Opened], parties: Parties) -> int | None:
    """With whom a request is: whom ours asks, or who asks us; None where it is not between the two."""
    request = versions[0].said
    assert isinstance(request, Request)
    origin = versions[0].letter.origin
    if origin == OWN:
        return parties.partner_of(request.asked)
    return origin if request.asked in (None, parties.own) and origin in parties.names else None


def _spoken(letters: Iterable[Opened], asker: int) -> Iterator[tuple[Opened, str]]:
    """What counts of what refers to the request, and the word that it counts as."""
    by_id: dict[str, list[Opened]] = {}
    for one in letters:
        if one.letter.in_use and isinstance(one.said, Statement):
            by_id.setdefault(one.letter.stix_id, []).append(one)
    for versions in by_id.values():
        gone = next((one for one in versions if one.letter.revoked), None)
        if gone is not None:
            yield gone, TAKEN_BACK
            continue
        for one in versions:
            assert isinstance(one.said, Statement)
            yield one, _word(one.said.state, of_asker=one.letter.origin == asker)


def _word(state: State, *, of_asker: bool) -> str:
    if (of_asker and state in OF_ASKED) or (state is State.WITHDRAWN and not of_asker):
        return State.REMARK.value
    return state.value


def _changes(before: Opened, after: Opened) -> tuple[Change, ...]:
    was, is_now = before.said, after.said
    if not isinstance(was, Request) or not isinstance(is_now, Request):
        return ()
    return changes_between(was, is_now)


def _placed(letter: Letter) -> Word:
    return Word(
        letter.object,
        letter.version_key,
        letter.stix_id,
        dated(letter.version, letter.stored_at),
        letter.stored_at,
    )


def _line(
    one: Opened, word: str, side: Side, reached: str, counts_at: int, changes: tuple[Change, ...]
) -> Line:
    letter, found = one.letter, one.said
    return Line(
        letter.stix_id, letter.version, dated(letter.version, letter.stored_at), side, word, "" if word == TAKEN_BACK else found.text,
        found.ticket, found.refs if isinstance(found, Statement) else found.about, found.until,
        letter.stored_at, reached if letter.origin == OWN else "", letter.kept_out, letter.object,
        letter.version_key, letter.sameness, counts_at, changes,
    )  # fmt: skip


def dated(version: str, stored_at: int) -> int:
    """When a note is dated by its writer, micros."""
    try:
        return parse_micros(version)
    except InstantInvalid:
        return stored_at


def _last(said: Iterable[Line]) -> Line | None:
    """The last word that is one."""
    silent = {State.REMARK.value, TAKEN_BACK, CHANGED}
    words = [one for one in said if one.said not in silent]
    return max(words, key=lambda one: (one.counts_at, one.version_key, one.stix_id), default=None)
