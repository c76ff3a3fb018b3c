"""What the client answers with: plain values, read leniently, since a stranger sent them.

1. Nothing that a server leaves out or writes wrongly raises here: it is absent, and a count that lacks is taken from its list.
2. Objects are as they came, each a JSON object; what is none is counted apart, never passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cert_exchange.remote.connection import cleaned

_ENTRIES: Final = 100_000
"""Entries of one list of a status that are read."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as the server describes it to our credential (TAXII 2.1 section 5.2)."""

    id: str
    alias: str
    title: str
    can_read: bool
    can_write: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a poll (TAXII 2.1 section 5.4).

    `cursor` is what to begin at the next time, once `objects` are safely kept: the server's own text of the highest
    date so far. None: the server gave no date yet.
    """

    objects: Sequence[Mapping[str, Any]]
    cursor: str | None
    unreadable: int = 0
    """entries that were no JSON objects"""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a manifest (TAXII 2.1 section 5.3.1)."""

    id: str
    version: str
    date_added: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Refused:
    """An object that a server did not take; `message` says why, in its words. `id` is empty where it does not say."""

    id: str
    version: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push: of all its parts together.

    `status_ids` name the server's status resources; `pending` objects were not yet done when waiting ended, ask
    `Client.status` again.
    """

    sent: int
    accepted: int
    refused: tuple[Refused, ...]
    pending: int
    status_ids: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that was sent has its outcome."""
        return self.pending == 0

    def __add__(self, other: Pushed) -> Pushed:
        """Both together."""
        return Pushed(
            self.sent + other.sent,
            self.accepted + other.accepted,
            self.refused + other.refused,
            self.pending + other.pending,
            self.status_ids + other.status_ids,
        )


NOTHING_PUSHED: Final = Pushed(0, 0, (), 0)


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed of a node: its bytes with their tag. `body` is None where they are those of the tag that was given."""

    body: bytes | None = field(repr=False)
    tag: str
    media_type: str


def read_collection(found: Mapping[str, Any]) -> Collection:
    """Read one collection resource."""
    return Collection(
        _text(found, "id"),
        _text(found, "alias"),
        _text(found, "title"),
        found.get("can_read") is True,
        found.get("can_write") is True,
    )


def read_record(found: Mapping[str, Any]) -> Record:
    """Read one manifest record."""
    return Record(
        _text(found, "id"),
        _text(found, "version"),
        _text(found, "date_added"),
        _text(found, "media_type"),
    )


def read_status(found: Mapping[str, Any], sent: int) -> Pushed:
    """Read a status resource (TAXII 2.1 section 4.3.1) of a POST of so many objects."""
    refused = tuple(_refused(entry) for entry in _entries(found, "failures"))
    # Some servers count what they do not list, and some list what they do not count.
    failed = max(_count(found, "failure_count", 0), len(refused))
    accepted = _count(found, "success_count", len(_entries(found, "successes")))
    unnamed = failed - len(refused)
    refused += (Refused("", None, "the server does not say which, or why"),) * min(unnamed, sent)
    pending = 0 if found.get("status") == "complete" else max(sent - accepted - failed, 1)
    named = found.get("id")
    ids = (named,) if isinstance(named, str) and _is_plain(named) else ()
    return Pushed(sent, accepted, refused, pending, ids)


def objects_of(found: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], int]:
    """The objects of an envelope, and how many entries were none."""
    every = found.get("objects")
    entries = every if isinstance(every, list) else []
    objects: list[Mapping[str, Any]] = [entry for entry in entries if isinstance(entry, dict)]
    return objects, len(entries) - len(objects)


def _refused(entry: Any) -> Refused:
    if not isinstance(entry, dict):
        return Refused("", None, cleaned(str(entry), 200))
    version = entry.get("version")
    return Refused(
        cleaned(str(entry.get("id", "")), 300),
        cleaned(version, 60) if isinstance(version, str) else None,
        cleaned(str(entry.get("message", "")), 500) or "the server gave no reason",
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return cleaned(value, 300) if isinstance(value, str) else ""


def _entries(found: Mapping[str, Any], name: str) -> list[Any]:
    value = found.get(name)
    return value[:_ENTRIES] if isinstance(value, list) else []


def _count(found: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return otherwise
    return value


def _is_plain(value: str) -> bool:
    """Whether it may stand in a path."""
    plain = all(sign.isalnum() or sign in "-_." for sign in value)
    return 0 < len(value) <= 200 and plain and value.strip(".") != ""
