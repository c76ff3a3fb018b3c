"""Paging through a remote collection, in a way that ends (taxii21 65-67).

1. `next` is opaque and asked once, with the options of the first request beside it; some servers forget it when
   they have answered. After any trouble we begin again at the last safe instant, never at an old `next`.
2. The cursor is X-TAXII-Date-Added-Last as it came. It never falls, is never our clock and never an instant far
   in the future, which would silence the source for ever.
3. A server that is not known to give each object its own instant is asked again for some time below the cursor;
   who stores the page drops what it has.
4. Every end has its own reason. Where nothing advances, that is an error and no end; pages that were yielded stay.
5. Bodies stay bytes: one parser judges the objects, and it is not here.
"""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal
from urllib.parse import quote

import orjson

from cert_exchange import errors
from cert_exchange.remote.connection import Answer, AnswerTooLarge, Connection
from cert_exchange.remote.envelope import Envelope, read_envelope, with_spec_version
from cert_exchange.stix import instants

LIMIT_CEILING: Final = 10_000
_FUTURE_MICROS: Final = 86_400_000_000  # a day: clocks differ, centuries do not
_RESTARTS: Final = 3
_STALE_PAGES: Final = 3
_LOST_TOKEN: Final = frozenset({400, 404, 410})


class End(StrEnum):
    """Why a run of pages ended without an error."""

    DRAINED = "nothing more"
    EMPTY_TWICE = "two empty pages in a row said that there is more"
    PAGE_CAP = "the page cap of one run was reached"
    TIME = "the time of one run was used up"
    STOPPED = "the worker was told to stop"


class Note(StrEnum):
    """What a server does wrong and we survived; shown in the report once a run."""

    FILTER_IGNORED = "it ignored added_after and sent older objects"
    NO_DATES = "it sends no usable X-TAXII-Date-Added-Last"
    FUTURE_DATES = "its dates lie in the future and are not used"
    TOKEN_LOST = "it forgot its own `next`; begun again at the last safe instant"  # noqa: S105 - no secret: a sentence
    PAGES_HALVED = "its pages were too large; smaller ones were asked for"
    FALLING_DATES = "its dates fell; they are no cursor"
    TYPE_FORGIVEN = "its Content-Type is wrong and was forgiven by accept_types"
    SPEC_VERSION_MENDED = (
        "it writes an object's type as its spec_version: read as 2.1 by mend_spec_version"
    )


@dataclass(frozen=True, slots=True)
class Page:
    """One answer. `cursor` is what may be stored once the page is: the highest date header so far, as received."""

    number: int
    body: bytes
    envelope: Envelope
    cursor: str | None
    server_instant: int | None  # the answer's Date header, micros
    wire_bytes: int


@dataclass(slots=True)
class Pager:
    """Pages of one run. `now` is an instant in microseconds; `stop` and `monotonic` are asked between pages.

    `match` filters this run alone, over the connection's own filter: many runs may go over one connection at once.
    """

    connection: Connection
    collection: str
    cursor: str | None
    now: int
    monotonic: Callable[[], float]
    stop: Callable[[], bool] = lambda: False
    token: str | None = None  # used only when there is no cursor to begin at
    limit: int = 0  # objects a page; 0: the options'
    resource: Literal["objects", "manifest"] = "objects"
    match: Mapping[str, str] = field(default_factory=dict)
    end: End | None = field(default=None, init=False)
    notes: set[Note] = field(default_factory=set, init=False)
    _last: int | None = field(default=None, init=False)
    _after: str | None = field(default=None, init=False)
    _asked: int | None = field(default=None, init=False)
    _seen_pages: set[bytes] = field(default_factory=set, init=False)
    _seen_tokens: set[str] = field(default_factory=set, init=False)
    _stale: int = field(default=0, init=False)
    _empty: int = field(default=0, init=False)
    _restarts: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Page]:
        """Yield pages until there is nothing more. When the caller asks for the next, the page before is stored.

        Raises errors.Remote*; RemoteAnswerInvalid when the server's paging does not advance.
        """
        options = self.connection.options
        ends = self.monotonic() + options.run_seconds
        self.limit = min(self.limit or options.limit, options.limit, LIMIT_CEILING)
        token = self.token if self.cursor is None else None
        self._begin()
        for number in range(1, options.page_cap + 1):
            if self.stop():
                self.end = End.STOPPED
                return
            if number > 1 and self.monotonic() > ends:
                self.end = End.TIME
                return
            answer, token = self._ask(token)
            page = self._read(number, answer)
            yield page
            if not page.envelope.more:
                self.end = End.DRAINED
                return
            self._empty = 0 if page.envelope.count else self._empty + 1
            if self._empty == 2:
                self.end = End.EMPTY_TWICE
                return
            token = self._advance(page.envelope, token)
        self.end = End.PAGE_CAP

    def _begin(self) -> None:
        """Stand at the last safe instant: the cursor less the overlap."""
        overlap = self.connection.options.overlap_micros
        start = self.cursor or self.connection.options.start or None
        self._last = None if start is None else instants.parse_micros(start)
        if self._last is None:
            self._after = None
        elif overlap and self.cursor is not None:
            self._after = instants.format_micros(self._last - overlap)
        else:  # a person's `start` may lack the fraction that some servers insist on; a cursor goes back as it came
            self._after = self.cursor or instants.format_micros(self._last)
        self._asked = None if self._after is None else instants.parse_micros(self._after)
        self._seen_pages.clear()
        self._seen_tokens.clear()
        self._stale = 0

    def _ask(self, token: str | None) -> tuple[Answer, str | None]:
        """Ask for one page; begin again when the token is lost, with half the limit when the page is too large."""
        while True:
            try:
                return self._get(token), token
            except errors.RemoteRefused as refusal:
                if token is None or refusal.remote_status not in _LOST_TOKEN:
                    raise
                self._restarts += 1
                if self._restarts > _RESTARTS:
                    raise
                self.notes.add(Note.TOKEN_LOST)
            except AnswerTooLarge:
                if self.limit == 1:
                    raise
                self.limit = max(self.limit // 2, 1)
                self.notes.add(Note.PAGES_HALVED)
            token = None
            self._begin()

    def _get(self, token: str | None) -> Answer:
        asked = {**self.connection.options.match, **self.match}
        params = {f"match[{name}]": value for name, value in asked.items()}
        if self._after is not None:
            params["added_after"] = self._after
        params["limit"] = str(self.limit)
        if token is not None:
            params["next"] = token
        url = (
            f"{self.connection.root}collections/{quote(self.collection, safe='')}/{self.resource}/"
        )
        answer = self.connection.fetch("GET", url, params=params)
        if self.connection.tolerated:
            self.notes.add(Note.TYPE_FORGIVEN)
        return answer

    def _read(self, number: int, answer: Answer) -> Page:
        body = answer.body
        if self.connection.options.mend_spec_version:
            body = with_spec_version(body)
            if body is not answer.body:
                self.notes.add(Note.SPEC_VERSION_MENDED)
        envelope = read_envelope(body)
        first = _instant(answer.headers.get("X-TAXII-Date-Added-First"))
        text = answer.headers.get("X-TAXII-Date-Added-Last")
        last = _instant(text)
        if envelope.count:
            if first is not None and self._asked is not None and first <= self._asked:
                self.notes.add(Note.FILTER_IGNORED)
            if last is None:
                self.notes.add(Note.NO_DATES)
            elif last > self.now + _FUTURE_MICROS:
                self.notes.add(Note.FUTURE_DATES)
            elif self._last is None or last > self._last:
                self._last, self.cursor = last, text
                self._stale = 0
            elif first is not None and last < first:
                self.notes.add(Note.FALLING_DATES)
        return Page(
            number,
            body,
            envelope,
            self.cursor,
            _http_instant(answer.headers.get("Date")),
            answer.wire_bytes,
        )

    def _advance(self, envelope: Envelope, token: str | None) -> str | None:
        """Choose what the next request carries. Raises RemoteAnswerInvalid when it would repeat this one."""
        known = envelope.count > 0 and envelope.digest in self._seen_pages
        self._seen_pages.add(envelope.digest)
        self._stale = self._stale + 1 if known else 0
        if envelope.next is not None:
            # A `next` may stay the same text while the server moves on (medallion); the same page may not.
            if known and (envelope.next in self._seen_tokens or self._stale >= _STALE_PAGES):
                raise errors.RemoteAnswerInvalid(
                    "The server's paging goes in a circle: it repeats a page that it had sent. What came is kept."
                )
            self._seen_tokens.add(envelope.next)
            return envelope.next
        if self._empty:
            return token  # asked once more; the second empty page ends the run
        self._step_by_date()
        return None

    def _step_by_date(self) -> None:
        """Go on by date where there is no `next`: one instant below the last, as others may share it."""
        if self._last is None:
            raise errors.RemoteAnswerInvalid(
                "The server says that there is more, but sends neither `next` nor a date to go on from."
            )
        below = 1 if self.connection.options.overlap_micros else 0
        if self._asked is not None and self._last - below <= self._asked:
            if self.limit < LIMIT_CEILING and below and self._last > self._asked:
                # A whole page of one instant: a larger page may reach beyond it.
                self.limit = min(self.limit * 2, LIMIT_CEILING)
                self._seen_pages.clear()
                return
            raise errors.RemoteAnswerInvalid(
                "The server's paging does not advance: it says that there is more, sends no `next`, and its "
                f"dates stay at {instants.format_micros(self._last)}. What came is kept."
            )
        self._asked = self._last - below
        self._after = instants.format_micros(self._asked)


def _instant(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return instants.parse_micros(text)
    except ValueError:
        return None


def _http_instant(text: str | None) -> int | None:
    try:
        return int(email.utils.parsedate_to_datetime(text or "").timestamp()) * 1_000_000
    except (ValueError, TypeError, OverflowError):
        return None


def manifest_cursor(pager: Pager, seen: set[str]) -> str | None:
    """Return the date up to which a server without date headers has given us everything (taxii21 66).

    `pager` walks the manifest, oldest first; `seen` are the ids of this run. The first record that we have not
    seen ends the walk: what is dated before it is ours. None when the manifest tells nothing.
    """
    best: str | None = None
    highest: int | None = None
    for page in pager:
        for stix_id, text in _records(page.body):
            if stix_id not in seen:
                return best
            date = _instant(text)
            if date is None or date > pager.now + _FUTURE_MICROS:  # rule 2
                continue
            if highest is None or date >= highest:
                highest, best = date, text
    return best


def _records(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield id and date_added of each manifest record (TAXII 2.1 section 5.3.1)."""
    try:
        value = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise errors.RemoteAnswerInvalid("The manifest is no JSON.") from error
    for record in value.get("objects") or []:
        if isinstance(record, dict):
            yield str(record.get("id", "")), str(record.get("date_added", ""))
