"""A request between desks with its time-line, as values; `threads` puts them together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from cert_exchange.messages.requests import FINAL, OF_PERMISSION, Change, Request, State

Side = Literal["asker", "asked"]
ASKED_FOR: Final = "request"
CHANGED: Final = "changed"
TAKEN_BACK: Final = "taken back"
OPEN: Final = "open"
"""The state of a request to which the asked side said nothing."""
KEPT_BACK: Final = "not released"
SHORT: Final = 8
_AHEAD: Final = 3600 * 1_000_000
"""Two clocks may differ by so much, micros."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a time-line. Instants in micros: `at` as its writer dated it, `came_at` when it was stored here.

    `counts_at` is from when on its word counts here (`counting`); `changes` what a changed request asks otherwise.
    """

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
    counts_at: int
    changes: tuple[Change, ...] = ()

    @property
    def ahead(self) -> bool:
        """Whether it is dated further ahead of its coming than clocks may differ."""
        return self.at > self.counts_at + _AHEAD


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
    word: Line | None
    """the line whose word the state is; None where nothing was said, or the request itself was taken back"""
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
        """The line of the asked side by which it counts as done; None where it does not, or waits at the way in.

        What was asked otherwise after it was said is not what was granted.
        """
        word = self.word
        if self.state != State.DONE or word is None or word.kept_out:
            return None
        since = (one for one in self.lines if one.counts_at >= word.counts_at)
        asked_otherwise = any(each.what in OF_PERMISSION for one in since for each in one.changes)
        return None if asked_otherwise else word

    @property
    def check(self) -> str:
        """A short digest of the time-line: equal on both sides where both hold the same."""
        told = hashlib.sha256()
        for one in self.lines:
            if one.reached != KEPT_BACK:
                told.update(f"{one.stix_id} {one.version_key} {one.sameness.hex()}\n".encode())
        text = told.hexdigest()[:12]
        return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
