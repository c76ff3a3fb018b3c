"""Requests between desks and what is said to them, as STIX notes that any TAXII client can carry (docs/requests.md).

1. A request is one note; everything said to it is a note of its own that names it. Nobody changes another's words, and
   each side's words bear that side's `created_by_ref`.
2. `EXTENSION` and the words of `Kind` and `State` are permanent: partners store them. What a reader does not know of
   another's words counts as the mildest: a question for information, a remark.
3. Who is asked, and for whom permission is asked, are named so that no name is a reference: else the note would wait
   until its reader holds that identity.
4. Nothing of a stranger's note can raise, or be longer than its limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

from cert_exchange.messages.notes import bears, write_note
from cert_exchange.stix.instants import InstantInvalid, format_micros, parse_micros
from cert_exchange.stix.references import is_identifier

EXTENSION: Final = "extension-definition--7640eaca-69fc-5ed2-85a4-db03624d347c"
"""Our property extension on requests and what is said to them: UUIDv5 of `cert-exchange:desk-request`, OID namespace."""

EXTENSION_DEFINITION: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": "extension-definition",
        "spec_version": "2.1",
        "id": EXTENSION,
        "created_by_ref": "identity--68de1eea-c28e-5193-8bdc-e4df9880a71a",
        "created": "2026-11-26T00:00:00.000Z",
        "modified": "2026-11-26T00:00:00.000Z",
        "name": "Request between desks",
        "description": "With `what` request the note asks another desk for something: `kind` is takedown, information, "
        "sample, log-preservation, re-share or dispute, `expects` is answer or nothing, `due` when an answer is expected by, "
        "`asked` whose desk is asked, `ticket` the asker's own number. With `what` state the note says how a request in "
        "object_refs stands: `state` is received, passed-on, done, not-possible, withdrawn or remark.",
        "schema": "docs/requests.md of cert-exchange",
        "version": "1.0.0",
        "extension_types": ["property-extension"],
    }
)
"""What the extension means, as a STIX object; the key in `extensions` refers to it, and nobody has to hold it."""

TEXT_CHARACTERS: Final = 20_000
"""So much of a text is read or written."""
TICKET_CHARACTERS: Final = 100
REFERENCES: Final = 500
"""So many objects one note is about."""
RECIPIENTS: Final = 20
_IDENTITY: Final = "identity--"
_NAMED: Final = "identity:"
Word = TypeVar("Word", bound=StrEnum)


class Kind(StrEnum):
    """What is asked for."""

    TAKEDOWN = "takedown"
    """something in the asked side's territory should be taken off the net"""
    INFORMATION = "information"
    SAMPLE = "sample"
    """a file, a message, a memory image"""
    LOG_PRESERVATION = "log-preservation"
    """logs should be kept, whether they are given or not"""
    RE_SHARE = "re-share"
    """permission to pass on what the asked side sent"""
    DISPUTE = "dispute"
    """what the asked side sent seems wrong"""


class State(StrEnum):
    """What is said to a request. `received` to `not-possible` are the asked side's words, `withdrawn` the asker's."""

    RECEIVED = "received"
    PASSED_ON = "passed-on"
    """to whom can do it: a provider, the police"""
    DONE = "done"
    NOT_POSSIBLE = "not-possible"
    WITHDRAWN = "withdrawn"
    REMARK = "remark"
    """words that change nothing"""


OF_ASKED: Final = frozenset({State.RECEIVED, State.PASSED_ON, State.DONE, State.NOT_POSSIBLE})
FINAL: Final = frozenset({State.DONE, State.NOT_POSSIBLE, State.WITHDRAWN})
"""After these nothing is waited for."""

WITHIN: Final[Mapping[Kind, timedelta]] = MappingProxyType(
    {
        Kind.TAKEDOWN: timedelta(hours=24),
        Kind.INFORMATION: timedelta(hours=72),
        Kind.SAMPLE: timedelta(hours=72),
        Kind.LOG_PRESERVATION: timedelta(hours=24),
        Kind.RE_SHARE: timedelta(hours=72),
        Kind.DISPUTE: timedelta(hours=72),
    }
)
"""Within which time an answer is expected where the asker sets none."""

TITLES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.TAKEDOWN: "takedown",
        Kind.INFORMATION: "information",
        Kind.SAMPLE: "a sample",
        Kind.LOG_PRESERVATION: "preservation of logs",
        Kind.RE_SHARE: "permission to re-share",
        Kind.DISPUTE: "correction (a dispute)",
    }
)
"""After the words `Request for`."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a request says. Instants in micros, None where none is set."""

    kind: Kind
    text: str
    about: tuple[str, ...] = ()
    """STIX ids of what it is about"""
    answer_expected: bool = True
    due: int | None = None
    asked: str | None = None
    """the identity whose desk is asked; None: whoever reads it"""
    ticket: str = ""
    recipients: tuple[str, ...] = ()
    """for whom permission is asked: an identity's id, country:XX or any"""
    until: int | None = None
    """until when permission is asked for"""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one side says to requests."""

    state: State
    text: str
    refs: tuple[str, ...]
    """the requests, and what is given with the answer"""
    ticket: str = ""
    until: int | None = None
    """until when what was asked for is granted; None: as long as it was asked for"""


@dataclass(frozen=True, slots=True)
class Change:
    """What a later version of a request says otherwise. Words as they are written; empty where nothing is said."""

    what: str
    was: str
    is_now: str


OF_PERMISSION: Final = frozenset({"kind", "about", "to be shared with", "until"})
"""Changes of these make another permission of one that was asked for."""


def changes_between(was: Request, is_now: Request) -> tuple[Change, ...]:
    """What a later version of a request asks otherwise than the one before. Its text and ticket are not compared."""
    pairs = zip(_asked_for(was).items(), _asked_for(is_now).values(), strict=True)
    return tuple(Change(what, old, new) for (what, old), new in pairs if old != new)


def _asked_for(said: Request) -> dict[str, str]:
    def instant(micros: int | None) -> str:
        return "" if micros is None else format_micros(micros)

    return {
        "kind": said.kind.value,
        "answer": "expected" if said.answer_expected else "not expected",
        "due": instant(said.due),
        "asked": said.asked or "",
        "about": ", ".join(said.about),
        "to be shared with": ", ".join(said.recipients),
        "until": instant(said.until),
    }


def write_request(
    request: Request, *, stix_id: str, creator: str, marking: str, now: int
) -> dict[str, Any]:
    """The STIX note of a request; about its creator where it is about no object. `now` in micros."""
    declared: dict[str, Any] = {
        "extension_type": "property-extension",
        "what": "request",
        "kind": request.kind.value,
        "expects": "answer" if request.answer_expected else "nothing",
    }
    expects = "for your information"
    if request.answer_expected:
        expects = "an answer is expected"
        if request.due is not None:
            declared["due"] = format_micros(request.due)
            expects += f" by {declared['due']}"
    if request.asked is not None:
        declared["asked"] = _named(request.asked)
    if request.ticket:
        declared["ticket"] = request.ticket
    if request.recipients:
        declared["recipients"] = [_named(one) for one in request.recipients]
    if request.until is not None:
        declared["until"] = format_micros(request.until)
    return _note(
        stix_id, creator, now,
        abstract=f"Request for {TITLES[request.kind]}; {expects}. Answer with a note that refers to this one.",
        content=request.text, refs=request.about or (creator,), declared=declared, marking=marking,
    )  # fmt: skip


def write_statement(
    said: Statement, *, stix_id: str, creator: str, marking: str, now: int
) -> dict[str, Any]:
    """The STIX note of what is said to requests. `now` in micros."""
    declared: dict[str, Any] = {
        "extension_type": "property-extension",
        "what": "state",
        "state": said.state.value,
    }
    if said.ticket:
        declared["ticket"] = said.ticket
    if said.until is not None:
        declared["until"] = format_micros(said.until)
    return _note(
        stix_id, creator, now,
        abstract=f"To a request: {said.state.value}", content=said.text or said.state.value,
        refs=said.refs, declared=declared, marking=marking,
    )  # fmt: skip


def _note(stix_id: str, creator: str, now: int, *, marking: str, **said: Any) -> dict[str, Any]:
    return write_note(stix_id, creator, now, extension=EXTENSION, marking=marking, **said)


def declares(content: Mapping[str, Any]) -> bool:
    """Whether an object bears our extension at all, readable or not."""
    return bears(content, EXTENSION)


def read(content: Mapping[str, Any]) -> Request | Statement | None:
    """What a note of anybody says as a request, or to one; None where it is no note or says nothing.

    A note without our extension is a remark: whoever has no program of ours answers so. That it was revoked is not
    asked here.
    """
    if content.get("type") != "note":
        return None
    text = content.get("content")
    text = text[:TEXT_CHARACTERS] if isinstance(text, str) else ""
    refs = _references(content)
    if not declares(content):
        return Statement(State.REMARK, text, refs)
    declared = content["extensions"][EXTENSION]
    if not isinstance(declared, Mapping):
        return Statement(State.REMARK, text, refs)
    if declared.get("what") != "request":
        state = _word(State, declared.get("state"), State.REMARK)
        text = "" if text == state else text  # a note must say something, and had no more to say
        return Statement(state, text, refs, _ticket(declared), _instant(declared.get("until")))
    expected = declared.get("expects") == "answer"
    creator = content.get("created_by_ref")
    recipients = declared.get("recipients")
    return Request(
        kind=_word(Kind, declared.get("kind"), Kind.INFORMATION),
        text=text,
        about=tuple(one for one in refs if one != creator),
        answer_expected=expected,
        due=_instant(declared.get("due")) if expected else None,
        asked=_meant(declared.get("asked")),
        ticket=_ticket(declared),
        recipients=tuple(
            word
            for one in (recipients[:RECIPIENTS] if isinstance(recipients, list) else ())
            if (word := _meant(one)) is not None
        ),
        until=_instant(declared.get("until")),
    )


def _references(content: Mapping[str, Any]) -> tuple[str, ...]:
    refs = content.get("object_refs")
    if not isinstance(refs, list):
        return ()
    named = (one for one in refs[:REFERENCES] if isinstance(one, str) and is_identifier(one))
    return tuple(dict.fromkeys(named))


def _named(word: str) -> str:
    """A recipient so that it is no reference (rule 3)."""
    return _NAMED + word.removeprefix(_IDENTITY) if word.startswith(_IDENTITY) else word


def _meant(said: object) -> str | None:
    if not isinstance(said, str) or not 0 < len(said) <= TICKET_CHARACTERS:
        return None
    if said.startswith(_NAMED):
        found = _IDENTITY + said.removeprefix(_NAMED)
        return found.lower() if is_identifier(found) else None
    return said


def _ticket(declared: Mapping[str, Any]) -> str:
    said = declared.get("ticket")
    return " ".join(said[:TICKET_CHARACTERS].split()) if isinstance(said, str) else ""


def _word(words: type[Word], said: object, otherwise: Word) -> Word:
    try:
        return words(said) if isinstance(said, str) else otherwise
    except ValueError:
        return otherwise


def _instant(said: object) -> int | None:
    try:
        return parse_micros(said) if isinstance(said, str) else None
    except InstantInvalid:
        return None
