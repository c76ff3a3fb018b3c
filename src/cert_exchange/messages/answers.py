"""Answers: what one desk says about another's object, as STIX that any TAXII client can carry (docs/answers.md).

1. A sighting, an opinion and a note are the standard's own and say nothing that only we can read. A question, a reply and a
   proposal are notes that a person can read, and bear our declared extension besides.
2. A sighting says that something was seen. How often, when and where is told only where the caller gives it.
3. `EXTENSION` and the words of `What` are permanent: partners store them. What a reader does not know is a plain note.
4. A proposed version travels as text inside its note: no id in it becomes a reference of the note, and whoever reads it
   decides what becomes of it. It is about one object, which the note names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from cert_exchange.stix.instants import InstantInvalid, format_micros, parse_micros
from cert_exchange.stix.references import is_identifier

EXTENSION: Final = "extension-definition--83488940-c19a-57d9-b696-fc216424aa44"
"""Our property extension on notes that ask, reply or propose: UUIDv5 of `cert-exchange:answer` in the OID namespace."""

EXTENSION_DEFINITION: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": "extension-definition",
        "spec_version": "2.1",
        "id": EXTENSION,
        "created_by_ref": "identity--68de1eea-c28e-5193-8bdc-e4df9880a71a",
        "created": "2026-11-26T00:00:00.000Z",
        "modified": "2026-11-26T00:00:00.000Z",
        "name": "Question, reply or proposal",
        "description": "The note asks about the objects in object_refs (`what` is question, `due` when an answer is "
        "asked for), replies to one (`what` is reply, `question` its id), or proposes a next version of the one object in "
        "object_refs to its owner (`what` is proposal, `base` the version that it was made from, `proposed` the whole "
        "object as JSON text).",
        "schema": "docs/answers.md of cert-exchange",
        "version": "1.0.0",
        "extension_types": ["property-extension"],
    }
)
"""What the extension means, as a STIX object; the key in `extensions` refers to it, and nobody has to hold it."""

LONGEST: Final = 256 * 1024
"""Characters of a proposed object."""
MOST_WORDS: Final = 10_000
"""Characters of what a person says."""
MOST_COUNTED: Final = 999_999_999
"""STIX 2.1 section 5.2: a sighting counts up to this."""
SENTENCE: Final = 300
"""Characters of an answer in a list."""
_LINE_END: Final = re.compile(r"[\r\n]+")
_BLANK: Final = re.compile(r"\s+")


class What(StrEnum):
    """What a note of ours is besides a note."""

    QUESTION = "question"
    REPLY = "reply"
    PROPOSAL = "proposal"


class Opinion(StrEnum):
    """The standard's words (STIX 2.1 section 10.13)."""

    STRONGLY_DISAGREE = "strongly-disagree"
    DISAGREE = "disagree"
    NEUTRAL = "neutral"
    AGREE = "agree"
    STRONGLY_AGREE = "strongly-agree"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a sighting tells beyond that something was seen. Instants in micros, `where` ids of identities and locations."""

    count: int | None = None
    first: int | None = None
    last: int | None = None
    where: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A note that asks. `due` in micros; None where no time was set."""

    about: tuple[str, ...]
    due: int | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A note that answers a question."""

    to: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A note that proposes a version of an object."""

    about: str
    of: str
    """the version that it was made from"""
    proposed: str
    """the whole object as JSON text, not yet looked at"""


def write_sighting(
    about: str, seen: Seen, *, stix_id: str, creator: str, now: int
) -> dict[str, Any]:
    """The sighting of an object. `now` in micros."""
    made = _object("sighting", stix_id, creator, now)
    made["sighting_of_ref"] = about
    if seen.count is not None:
        made["count"] = seen.count
    if seen.first is not None:
        made["first_seen"] = format_micros(seen.first)
    if seen.last is not None:
        made["last_seen"] = format_micros(seen.last)
    if seen.where:
        made["where_sighted_refs"] = list(seen.where)
    if seen.words:
        made["description"] = seen.words
    return made


def write_opinion(
    about: str, opinion: Opinion, words: str, *, stix_id: str, creator: str, now: int
) -> dict[str, Any]:
    """What a desk thinks of an object. `now` in micros."""
    made = _object("opinion", stix_id, creator, now)
    made |= {"opinion": opinion.value, "object_refs": [about]}
    if words:
        made["explanation"] = words
    return made


def write_note(
    refs: Sequence[str], words: str, *, stix_id: str, creator: str, now: int
) -> dict[str, Any]:
    """A note about objects. `now` in micros."""
    made = _object("note", stix_id, creator, now)
    return made | {"content": words, "object_refs": list(refs)}


def write_question(
    about: str, words: str, *, due: int | None, stix_id: str, creator: str, now: int
) -> dict[str, Any]:
    """A note that asks its reader something about an object. `due` and `now` in micros."""
    made = write_note([about], words, stix_id=stix_id, creator=creator, now=now)
    declared = {} if due is None else {"due": format_micros(due)}
    until = "" if due is None else f", answer asked for by {declared['due']}"
    return made | {"abstract": f"Question{until}"} | _declared(What.QUESTION, declared)


def write_reply(
    refs: Sequence[str], to: str, words: str, *, stix_id: str, creator: str, now: int
) -> dict[str, Any]:
    """A note that answers the question `to`, which `refs` name. `now` in micros."""
    made = write_note(refs, words, stix_id=stix_id, creator=creator, now=now)
    return made | {"abstract": "Reply to your question"} | _declared(What.REPLY, {"question": to})


def write_proposal(
    proposal: Proposal, changes: Sequence[str], words: str, *, stix_id: str, creator: str, now: int
) -> dict[str, Any]:
    """A note that proposes a version; `changes` are its differences in words, for a reader without this program."""
    told = "\n".join([words, "", *changes] if words else changes)
    made = write_note([proposal.about], told, stix_id=stix_id, creator=creator, now=now)
    return (
        made
        | {"abstract": f"Proposed change to the version of {proposal.of}"}
        | _declared(What.PROPOSAL, {"base": proposal.of, "proposed": proposal.proposed})
    )


def declares(content: Mapping[str, Any]) -> bool:
    """Whether an object bears our extension at all, readable or not."""
    extensions = content.get("extensions")
    return isinstance(extensions, Mapping) and EXTENSION in extensions


def read(content: Mapping[str, Any]) -> Question | Reply | Proposal | None:
    """What a note of anybody asks, replies or proposes; None where it is a plain note. Nothing in it can raise."""
    if content.get("type") != "note" or not declares(content) or content.get("revoked") is True:
        return None
    declared, named = content["extensions"][EXTENSION], content.get("object_refs")
    if not isinstance(declared, Mapping) or not isinstance(named, list):
        return None
    refs = tuple(one for one in named if isinstance(one, str) and is_identifier(one))
    match declared.get("what"):
        case What.QUESTION.value:
            return Question(refs, _instant(declared.get("due"))) if refs else None
        case What.REPLY.value:
            to = declared.get("question")
            return Reply(to) if isinstance(to, str) and to in refs else None
        case What.PROPOSAL.value:
            of, proposed = declared.get("base"), declared.get("proposed")
            if len(refs) != 1 or not isinstance(of, str) or not isinstance(proposed, str):
                return None
            if len(of) > SENTENCE or len(proposed) > LONGEST:
                return None
            return Proposal(refs[0], of, proposed)
        case _:
            return None


def what_of(content: Mapping[str, Any]) -> str:
    """What an answer is, in one word: sighting, opinion, note, question, reply, proposal, or its type."""
    match read(content):
        case Question():
            return What.QUESTION.value
        case Reply():
            return What.REPLY.value
        case Proposal():
            return What.PROPOSAL.value
        case None:
            return str(content.get("type"))


def told(content: Mapping[str, Any]) -> str:
    """What an answer says, on one line of at most SENTENCE characters. Nothing in it can raise."""
    parts: list[object] = []
    match content.get("type"):
        case "sighting":
            parts = [_seen(content), content.get("description")]
        case "opinion":
            parts = [content.get("opinion"), content.get("explanation")]
        case "relationship":
            parts = [content.get("relationship_type"), content.get("description")]
        case _:
            parts = [content.get("content") or content.get("abstract") or content.get("name")]
    said = ": ".join(_on_one_line(one) for one in parts if isinstance(one, str) and one)
    return said if len(said) <= SENTENCE else said[: SENTENCE - 1] + "…"


def counted(content: Mapping[str, Any]) -> int:
    """How often a sighting says that something was seen, at the least; 0: it was looked for and not seen (STIX 2.1, 5.2).

    Nothing in it can raise.
    """
    count = content.get("count")
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else 1


def last_seen(content: Mapping[str, Any]) -> int | None:
    """When a sighting says that something was seen last, micros. Nothing in it can raise."""
    return _instant(content.get("last_seen") or content.get("first_seen"))


def _on_one_line(text: str) -> str:
    return _BLANK.sub(" ", _LINE_END.sub("; ", text.strip()))


def _seen(content: Mapping[str, Any]) -> str:
    count, first, last = (content.get(name) for name in ("count", "first_seen", "last_seen"))
    never = counted(content) == 0
    times = f"{count:,} times" if isinstance(count, int) and count != 1 else "once" if count else ""
    spans = [f"{word} {at}" for word, at in (("from", first), ("to", last)) if at]
    where = content.get("where_sighted_refs")
    if isinstance(where, list) and where:
        spans.append(f"at {len(where):,} place{'' if len(where) == 1 else 's'}")
    if never:
        return " ".join(["looked for and not seen", *spans])
    return " ".join(["seen", *([times] if times else []), *spans])


def _object(kind: str, stix_id: str, creator: str, now: int) -> dict[str, Any]:
    made = format_micros(now)
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": stix_id,
        "created_by_ref": creator,
        "created": made,
        "modified": made,
    }


def _declared(what: What, more: Mapping[str, str]) -> dict[str, Any]:
    said = {"extension_type": "property-extension", "what": what.value, **more}
    return {"extensions": {EXTENSION: said}}


def _instant(said: object) -> int | None:
    try:
        return parse_micros(said) if isinstance(said, str) else None
    except InstantInvalid:
        return None
