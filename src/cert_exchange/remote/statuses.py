"""The status resource of a POST, as a remote sends it (TAXII 2.1, 4.3.1): one reading, for our own pushes and the client's.

1. Nothing in it can raise: a stranger sent it. What a server leaves out or writes wrongly is absent.
2. Some servers count what they do not list, and some list what they do not count: of both the greater number counts.
3. An id stands in a path afterwards: what is more than a plain name, such as `..`, is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.remote.connection import cleaned

MOST_ENTRIES: Final = 100_000
"""of one list that are read"""
LONGEST_ID: Final = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """One object that the remote did not take, with its words. `stix_id` is empty where it does not say."""

    stix_id: str
    version: str | None
    message: str


@dataclass(frozen=True, slots=True)
class PushStatus:
    """What a remote says of one POST. Counts that it left out are taken from its lists."""

    id: str | None
    complete: bool
    success: int
    failures: tuple[Failure, ...]
    failure: int


def read_status(document: Mapping[str, Any]) -> PushStatus:
    """Read a status resource. Never raises."""
    failures = tuple(_failure(one) for one in _entries(document, "failures"))
    status_id = document.get("id")
    return PushStatus(
        id=status_id if isinstance(status_id, str) and _is_plain(status_id) else None,
        complete=document.get("status") == "complete",
        success=_count(document, "success_count", len(_entries(document, "successes"))),
        failures=failures,
        failure=max(_count(document, "failure_count", 0), len(failures)),
    )


def _is_plain(text: str) -> bool:
    """Whether it may stand in a path."""
    plain = all(sign.isalnum() or sign in "-_." for sign in text)
    return 0 < len(text) <= LONGEST_ID and plain and text.strip(".") != ""


def _entries(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return value[:MOST_ENTRIES] if isinstance(value, list) else []


def _count(document: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return otherwise
    return value


def _failure(entry: Any) -> Failure:
    if not isinstance(entry, dict):
        return Failure("", None, cleaned(str(entry), 200))
    version = entry.get("version")
    return Failure(
        cleaned(str(entry.get("id", "")), 300),
        cleaned(version, 60) if isinstance(version, str) else None,
        cleaned(str(entry.get("message", "")), 500) or "the remote gave no reason",
    )
