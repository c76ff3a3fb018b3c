"""What a MISP event is here: its own words, and the frames in which exports, feeds and answers wrap events.

1. Nothing is fetched and nothing is guessed: an address in an event is text.
2. Every input has a limit: bytes, events, attributes of an event. Beyond it nothing of the input is taken.
3. A file of attributes or objects without an event is one event without a name, and says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from cert_exchange.errors import InputRefused, NotJson
from cert_exchange.stix.instants import shown
from cert_exchange.stix.markings import Tlp

MOST_BYTES: Final = 64 * 1024 * 1024
MOST_EVENTS: Final = 10_000
MOST_ATTRIBUTES: Final = 200_000
"""of one event"""
LONGEST_TEXT: Final = 100_000
"""characters of an event's own words"""

UNNAMED: Final = "description"
"""What we call an event report that has no name of its own."""

_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999


@dataclass(frozen=True, slots=True)
class Reference:
    """Where the author points to, for the `external_references` of the report."""

    source_name: str
    url: str = ""
    external_id: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """What begins a batch: the findings and losses that follow are of this event, until the next one."""

    name: str
    uuid: str = ""  # empty: the file holds no event around its attributes
    at: str | None = None  # the day of the event, as an instant
    tlp: Tlp | None = None  # None: nothing says who may see it
    markings: tuple[
        str, ...
    ] = ()  # ids of its own marking definitions, which hold for everything in it
    definitions: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """Contents of those among `markings` that nobody else publishes."""
    labels: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    description: str = ""
    source: str = ""  # the organisation that made it; empty where it must not be named
    attributes: int = 0  # how many it holds, for people
    remarks: tuple[str, ...] = ()  # what a person should know before it goes out


def parse(data: bytes) -> Iterator[Mapping[str, Any]]:
    """Each event of a file as it stands there, without its frame.

    Raises NotJson for what is no JSON, InputRefused for JSON that holds no event and for what is over a limit.
    """
    if len(data) > MOST_BYTES:
        raise InputRefused(
            f"The file has {len(data)} bytes; at most {MOST_BYTES} are read at once."
        )
    try:
        content = json.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise NotJson("The file is not valid JSON, so it is no MISP event.") from error
    found = 0
    for event in _unframed(content, depth=0):
        found += 1
        if found > MOST_EVENTS:
            raise InputRefused(f"The file holds more than {MOST_EVENTS} events: split it.")
        yield event
    if not found:
        raise InputRefused(
            "The file is JSON, but no MISP event stands in it: neither `Event` nor attributes."
        )


def read_manifest(data: bytes) -> tuple[str, ...]:
    """The UUIDs of the events that a feed's `manifest.json` names, in its order; each stands in `UUID.json` beside it.

    Raises NotJson, InputRefused: what is no UUID could name another file.
    """
    if len(data) > MOST_BYTES:
        raise InputRefused(f"The manifest has {len(data)} bytes; at most {MOST_BYTES} are read.")
    try:
        content = json.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise NotJson("The manifest is not valid JSON.") from error
    if not isinstance(content, dict) or not content:
        raise InputRefused("This is no manifest of a MISP feed: it names no event.")
    if len(content) > MOST_EVENTS:
        raise InputRefused(
            f"The feed holds more than {MOST_EVENTS} events: publish its files in parts."
        )
    odd = next((key for key in content if not _UUID.fullmatch(key)), None)
    if odd is not None:
        raise InputRefused(
            f"This is no manifest of a MISP feed: {in_short(odd)} is no UUID of an event."
        )
    return tuple(key.lower() for key in content)


def is_misp(content: object) -> bool:
    """Whether parsed JSON looks like MISP's: an event, an answer of its API, attributes or objects alone."""
    return next(_unframed(content, depth=0), None) is not None


def _unframed(content: object, *, depth: int) -> Iterator[Mapping[str, Any]]:
    """`{"Event": ...}`, `{"response": ...}`, lists of both, and what stands without a frame."""
    if depth > 3:
        return
    if isinstance(content, list):
        loose = [one for one in content if isinstance(one, Mapping) and _is_loose(one)]
        if loose:
            yield _around(loose)
        for one in content:
            if isinstance(one, Mapping) and not _is_loose(one):
                yield from _unframed(one, depth=depth + 1)
    elif isinstance(content, Mapping):
        if isinstance(content.get("Event"), Mapping):
            yield content["Event"]
        elif "response" in content:
            yield from _unframed(content["response"], depth=depth + 1)
        elif _is_loose(content):
            yield _around([content])
        elif ("info" in content and "uuid" in content) or _holds_parts(content):
            yield content


def _is_loose(content: Mapping[str, Any]) -> bool:
    """One object or attribute in a frame of its own."""
    return any(isinstance(content.get(key), Mapping) for key in ("Object", "Attribute"))


def _holds_parts(content: Mapping[str, Any]) -> bool:
    return any(
        isinstance(content.get(key), list)
        and any(
            isinstance(one, Mapping) and ("type" in one or "name" in one) for one in content[key]
        )
        for key in ("Attribute", "Object")
    )


def _around(loose: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {
        key: [one[key] for one in loose if isinstance(one.get(key), Mapping)]
        for key in ("Attribute", "Object")
    }


def mappings(content: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """The members of a list that are objects; also of one that stands without its list."""
    value = content.get(key)
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, Mapping):
            yield one


def text_of(content: Mapping[str, Any], key: str, *, limit: int = 4_096) -> str:
    """A text without the spaces around it, cut at the limit; empty where there is none."""
    value = content.get(key)
    return value.strip()[:limit] if isinstance(value, str) else ""


def uuid_of(content: Mapping[str, Any]) -> str:
    """The UUID in small letters, or nothing where it is none."""
    value = text_of(content, "uuid")
    return value.lower() if _UUID.fullmatch(value) else ""


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID as MISP writes it, and nothing else: it will name a file."""
    return _UUID.fullmatch(text) is not None


def is_true(value: object) -> bool:
    """MISP writes a switch as true, 1 or "1"."""
    return (
        value is True or value == 1 or (isinstance(value, str) and value.lower() in {"1", "true"})
    )


def seconds(value: object) -> str | None:
    """An instant in seconds since 1970, as MISP writes its timestamps."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and 0 < int(text[:16]) <= _LAST_SECOND):
        return None
    return datetime.fromtimestamp(int(text), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(value: object) -> str | None:
    """An instant as MISP writes `first_seen`: ISO 8601 with its offset, or seconds since 1970. None: it is none."""
    if not isinstance(value, str):
        return seconds(value) if isinstance(value, int) and not isinstance(value, bool) else None
    if len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            return seconds(value) if value.isdigit() else None
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except (ValueError, OverflowError):
        return seconds(value)


def day_of(event: Mapping[str, Any]) -> str | None:
    """The day that an event is dated, else the second of its last change."""
    date = text_of(event, "date")
    if _DATE.fullmatch(date):
        try:
            datetime.fromisoformat(date)
        except ValueError:
            return seconds(event.get("timestamp"))
        return f"{date}T00:00:00Z"
    return seconds(event.get("timestamp"))


def in_short(value: object) -> str:
    """A value for a line about it: one line, at most 120 characters."""
    return shown(" ".join(str(value)[:400].split()), limit=118)
