"""A request and what both sides said to it, put together from the notes that each of them wrote.

1. Nothing is kept beside the notes: what stands there follows from them alone, so that both sides, who hold the same notes,
   read the same time-line; `check` is equal where they do.
2. A side's words are what came by its own channel under its own identity, or none. What a third party says, or a partner
   under another's name, is no part of it.
3. Only the asked side says that a request is received, passed on, done or not possible; only the asker that it is
   withdrawn. In the other's mouth these are remarks. The last word by its own instant counts.
4. What was revoked, or taken back, says nothing any more; that it was revoked is a line of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import orjson

from cert_exchange.messages.due_times import owed_by
from cert_exchange.messages.requests import FINAL, OF_ASKED, Request, State, Statement, read
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.store.requests import Letter
from cert_exchange.store.tables import OWN

Side = Literal["asker", "asked"]
ASKED_FOR: Final = "request"
CHANGED: Final = "changed"
TAKEN_BACK: Final = "taken back"
OPEN: Final = "open"
"""The state of a request to which the asked side said nothing."""
KEPT_BACK: Final = "not released"
SHORT: Final = 8


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


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a time-line. Instants in micros: `at` as its writer dated it, `came_at` when it was stored here."""

    stix_id: str
    version: str
    at: int
    side: Side
    said: str
    """request, changed, taken back, or a word of State"""
    text: str
    ticket: str
    refs: tuple[str, ...]
    until: int | None
    came_at: int
    reached: str
    """of our own: fetched | pushed | not fetched yet | not released; empty for the partner's"""
    kept_out: bool
    """it waits for a person of ours at the way in"""
    number: int
    """objects.id"""
    version_key: str
    sameness: bytes


@dataclass(frozen=True, slots=True)
class Thread:
    """A request as it stands. Instants in micros."""

    stix_id: str
    ident: int
    partner: str
    partner_number: int
    ours: bool
    """whether we asked"""
    test: bool
    """whether it belongs to an exercise, or has terms that cannot be read"""
    request: Request
    asked_at: int
    state: str
    state_at: int
    why: str
    """what was said with the state"""
    tickets: Mapping[Side, str]
    due: int | None
    """from when on the answer is overdue here (`messages.due_times`); `request.due` is what was said"""
    late: bool
    """whether the answer that is expected is overdue"""
    lines: tuple[Line, ...]

    @property
    def short(self) -> str:
        """The beginning of its id, the same on both sides: for the telephone."""
        return self.stix_id.partition("--")[2][:SHORT]

    @property
    def settled(self) -> bool:
        """Whether nothing is waited for any more."""
        return self.state in FINAL

    @property
    def granting(self) -> Line | None:
        """The line of the asked side by which it counts as done; None where it does not, or waits at the way in."""
        if self.state != State.DONE:
            return None
        last = next(
            one for one in reversed(self.lines) if (one.side, one.said) == ("asked", self.state)
        )
        return None if last.kept_out else last

    @property
    def check(self) -> str:
        """A short digest of the time-line: equal on both sides where both hold the same."""
        told = hashlib.sha256()
        for one in self.lines:
            if one.reached != KEPT_BACK:
                told.update(f"{one.stix_id} {one.version_key} {one.sameness.hex()}\n".encode())
        text = told.hexdigest()[:12]
        return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


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
        said = read(content)
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

    def line(one: Opened, word: str, side: Side) -> Line:
        return _line(one, word, side, reach(partner, one.letter.ident))

    standing = [one for one in versions if one.letter.in_use and not one.letter.revoked]
    gone = next((one for one in versions if one.letter.revoked), None)
    shown = versions[:1] if gone is not None or not standing else standing
    request = shown[-1].said
    assert isinstance(request, Request)
    begun = line(shown[0], ASKED_FOR, "asker")
    said = [line(one, CHANGED, "asker") for one in shown[1:]]
    if gone is not None and gone is not shown[0]:
        said.append(line(gone, TAKEN_BACK, "asker"))
    asker = OWN if ours else partner
    heard = [one for one in open_letters(replies, parties) if may_speak(one.letter.origin, partner)]
    for one, word in _spoken(heard, asker):
        said.append(line(one, word, "asker" if one.letter.origin == asker else "asked"))
    said.sort(key=lambda one: (one.version_key, one.stix_id))
    state, at, why = _state(said)
    if gone is not None or not standing:
        state, at, why = State.WITHDRAWN.value, None, ""
    tickets: dict[Side, str] = {"asker": request.ticket, "asked": ""}
    for told in said:
        if told.ticket:
            tickets[told.side] = told.ticket
    last = shown[-1].letter
    due = owed_by(request.due, asked_at=_dated(last), came_at=None if ours else last.stored_at)
    late = request.answer_expected and due is not None and due < now and state not in FINAL
    return Thread(
        first.stix_id, first.ident, parties.names.get(partner, "?"), partner, ours, test, request,
        begun.at, state, begun.at if at is None else at, why, tickets, due, late,
        (begun, *said),
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


def _line(one: Opened, word: str, side: Side, reached: str) -> Line:
    letter, found = one.letter, one.said
    return Line(
        letter.stix_id, letter.version, _dated(letter), side, word, "" if word == TAKEN_BACK else found.text,
        found.ticket, found.refs if isinstance(found, Statement) else found.about, found.until,
        letter.stored_at, reached if letter.origin == OWN else "", letter.kept_out, letter.object,
        letter.version_key, letter.sameness,
    )  # fmt: skip


def _dated(letter: Letter) -> int:
    try:
        return parse_micros(letter.version)
    except InstantInvalid:
        return letter.stored_at


def _state(said: Sequence[Line]) -> tuple[str, int | None, str]:
    """The last word that is one, when, and what was said with it."""
    silent = {State.REMARK.value, TAKEN_BACK, CHANGED}
    last = next((one for one in reversed(said) if one.said not in silent), None)
    return (OPEN, None, "") if last is None else (last.said, last.at, last.text)
