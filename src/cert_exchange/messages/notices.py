"""Notices: what a sender took back, as STIX notes that any TAXII client can carry (docs/notices.md).

1. A notice names ids and says why in one word of a list, what its reader is asked to do, and by when. Nothing of what
   the objects said stands in it, and nothing of who else had them.
2. It asks; it obliges nobody. Who reads one decides what becomes of its own copies (DECISIONS 20).
3. `EXTENSION` and the words of `Reason`, `Action` and `Reply` are permanent: partners store them. What a reader does not
   know of another's words counts as the mildest.
4. An answer is a note too, about the notice. Any other object that refers to a notice is an answer without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

from cert_exchange.messages.notes import bears, write_note
from cert_exchange.stix.instants import InstantInvalid, format_micros, parse_micros
from cert_exchange.stix.references import is_identifier

EXTENSION: Final = "extension-definition--d00ba747-8f91-59f5-94cc-9dbb48fc52f0"
"""Our property extension on notices and answers: UUIDv5 of `cert-exchange:withdrawal-notice` in the OID namespace."""

EXTENSION_DEFINITION: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": "extension-definition",
        "spec_version": "2.1",
        "id": EXTENSION,
        "created_by_ref": "identity--68de1eea-c28e-5193-8bdc-e4df9880a71a",
        "created": "2026-11-25T00:00:00.000Z",
        "modified": "2026-11-25T00:00:00.000Z",
        "name": "Notice of withdrawal",
        "description": "The note tells that its sender took back the objects in object_refs: `what` is withdrawal, "
        "`reason` one of mistake, revoked, withdrawn, no-longer-shared, erased, `action` is delete or stop-using, `due` when it "
        "is asked for. With `what` answer the note answers a notice: `answer` is done, noted or refused.",
        "schema": "docs/notices.md of cert-exchange",
        "version": "1.0.0",
        "extension_types": ["property-extension"],
    }
)
"""What the extension means, as a STIX object; the key in `extensions` refers to it, and nobody has to hold it."""

MARKING: Final = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
"""TLP:AMBER+STRICT: a notice is for its reader's own house."""
ANSWER_MARKING: Final = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
"""TLP:AMBER: an answer goes where policy lets it go, to those who were told."""

SUBJECTS: Final = 500
"""So many ids one notice names; more make more notices."""
_READ: Final = 10_000
Word = TypeVar("Word", bound=StrEnum)


class Reason(StrEnum):
    """The class of reason; the person's own words stay in our ledger."""

    MISTAKE = "mistake"
    """it should never have gone to this reader"""
    REVOKED = "revoked"
    """it is wrong, for everyone"""
    WITHDRAWN = "withdrawn"
    """its owner took it back"""
    NO_LONGER_SHARED = "no-longer-shared"
    """policy or markings changed"""
    ERASED = "erased"
    """by law, by agreement or on request it may be kept no longer"""


class Action(StrEnum):
    """What the reader is asked to do with its copies."""

    DELETE = "delete"
    STOP_USING = "stop-using"


class Reply(StrEnum):
    """What a reader answers."""

    DONE = "done"
    NOTED = "noted"
    REFUSED = "refused"


ASKED: Final[Mapping[Reason, tuple[Action, timedelta]]] = MappingProxyType(
    {
        Reason.MISTAKE: (Action.DELETE, timedelta(hours=24)),
        Reason.REVOKED: (Action.STOP_USING, timedelta(hours=24)),
        Reason.WITHDRAWN: (Action.STOP_USING, timedelta(hours=72)),
        Reason.NO_LONGER_SHARED: (Action.STOP_USING, timedelta(hours=72)),
        Reason.ERASED: (Action.DELETE, timedelta(hours=72)),
    }
)
"""What is asked for each reason, and within which time."""

_TELLS: Final[Mapping[Reason, tuple[str, str]]] = MappingProxyType(
    {
        Reason.MISTAKE: (
            "It should not have been sent to you.",
            "They should not have been sent to you.",
        ),
        Reason.REVOKED: ("It is wrong or no longer valid.", "They are wrong or no longer valid."),
        Reason.WITHDRAWN: ("Its owner took it back.", "Their owner took them back."),
        Reason.NO_LONGER_SHARED: (
            "It is no longer shared with you.",
            "They are no longer shared with you.",
        ),
        Reason.ERASED: (
            "It may be kept no longer, and we erased it.",
            "They may be kept no longer, and we erased them.",
        ),
    }
)
"""Of one object, and of several."""
_ASKS: Final[Mapping[Action, tuple[str, str]]] = MappingProxyType(
    {
        Action.DELETE: (
            "Please delete your copies of it and tell whom you gave it to",
            "Please delete your copies and tell whom you gave them to",
        ),
        Action.STOP_USING: (
            "Please stop using it and passing it on",
            "Please stop using them and passing them on",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a notice says. `due` in micros; None where the sender set no time."""

    subjects: tuple[str, ...]
    reason: Reason
    action: Action
    due: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says: about which notices, and in which word."""

    notices: tuple[str, ...]
    reply: Reply


def notice_of(subjects: Sequence[str], reason: Reason, *, now: int) -> Notice:
    """The notice about these ids (at most SUBJECTS) that a sender owes for this reason. `now` in micros."""
    if not 0 < len(subjects) <= SUBJECTS:
        raise ValueError(f"a notice names 1 to {SUBJECTS} ids, not {len(subjects)}")
    action, within = ASKED[reason]
    return Notice(tuple(subjects), reason, action, now + within // timedelta(microseconds=1))


def write_notice(notice: Notice, *, stix_id: str, creator: str, now: int) -> dict[str, Any]:
    """The STIX note of a notice. `stix_id` is the note's own, `creator` our identity's, `now` in micros."""
    count = len(notice.subjects)
    objects = "1 object" if count == 1 else f"{count} objects"
    declared: dict[str, Any] = {
        "extension_type": "property-extension",
        "what": "withdrawal",
        "reason": notice.reason.value,
        "action": notice.action.value,
    }
    several = count > 1
    asks = _ASKS[notice.action][several]
    if notice.due is not None:
        declared["due"] = format_micros(notice.due)
        asks += f", by {declared['due']}"
    return _note(
        stix_id,
        creator,
        now,
        abstract=f"Notice of withdrawal: {objects}",
        content=f"We took back {objects} that you fetched from us. {_TELLS[notice.reason][several]} {asks}."
        " You can answer with a note about this notice.",
        refs=notice.subjects,
        declared=declared,
    )


def write_answer(
    answer: Answer, *, text: str, stix_id: str, creator: str, now: int
) -> dict[str, Any]:
    """The STIX note that answers notices; `text` is a person's, empty for none. `now` in micros."""
    return _note(
        stix_id,
        creator,
        now,
        abstract=f"Answer to a notice of withdrawal: {answer.reply.value}",
        content=text or answer.reply.value,
        refs=answer.notices,
        declared={
            "extension_type": "property-extension",
            "what": "answer",
            "answer": answer.reply.value,
        },
        marking=ANSWER_MARKING,
    )


def _note(
    stix_id: str, creator: str, now: int, *, marking: str = MARKING, **said: Any
) -> dict[str, Any]:
    return write_note(stix_id, creator, now, extension=EXTENSION, marking=marking, **said)


def declares(content: Mapping[str, Any]) -> bool:
    """Whether an object bears our extension at all, readable or not."""
    return bears(content, EXTENSION)


def read(content: Mapping[str, Any]) -> Notice | Answer | None:
    """What a note of anybody says as a notice or an answer; None where it says neither. Nothing in it can raise."""
    if content.get("type") != "note" or not declares(content) or content.get("revoked") is True:
        return None
    declared = content["extensions"][EXTENSION]
    refs = content.get("object_refs")
    if not isinstance(declared, Mapping) or not isinstance(refs, list):
        return None
    named = tuple(
        dict.fromkeys(one for one in refs[:_READ] if isinstance(one, str) and is_identifier(one))
    )
    if not named:
        return None
    match declared.get("what"):
        case "withdrawal":
            reason = _word(Reason, declared.get("reason"), Reason.NO_LONGER_SHARED)
            action = _word(Action, declared.get("action"), Action.STOP_USING)
            return Notice(named, reason, action, _instant(declared.get("due")))
        case "answer":
            return Answer(named, _word(Reply, declared.get("answer"), Reply.NOTED))
        case _:
            return None


def _word(words: type[Word], said: object, otherwise: Word) -> Word:
    return next((word for word in words if word.value == said), otherwise)


def _instant(said: object) -> int | None:
    try:
        return parse_micros(said) if isinstance(said, str) else None
    except InstantInvalid:
        return None
