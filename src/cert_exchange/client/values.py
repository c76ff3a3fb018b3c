"""What the client answers with: plain values, read leniently, since a stranger sent them.

1. Nothing that a server leaves out or writes wrongly raises here: it is absent, and a count that lacks is taken from its list.
2. Objects are as they came, each a JSON object; what is none is counted apart, never passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cert_exchange.remote.connection import cleaned
from cert_exchange.remote.statuses import read_status


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


def outcome_of(found: Mapping[str, Any], sent: int) -> Pushed:
    """What a status resource says of a POST of so many objects."""
    said = read_status(found)
    refused = tuple(Refused(one.stix_id, one.version, one.message) for one in said.failures)
    unnamed = said.failure - len(refused)
    refused += (Refused("", None, "the server does not say which, or why"),) * min(unnamed, sent)
    pending = 0 if said.complete else max(sent - said.success - said.failure, 1)
    return Pushed(sent, said.success, refused, pending, () if said.id is None else (said.id,))


def objects_of(found: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], int]:
    """The objects of an envelope, and how many entries were none."""
    every = found.get("objects")
    entries = every if isinstance(every, list) else []
    objects: list[Mapping[str, Any]] = [entry for entry in entries if isinstance(entry, dict)]
    return objects, len(entries) - len(objects)


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return cleaned(value, 300) if isinstance(value, str) else ""
