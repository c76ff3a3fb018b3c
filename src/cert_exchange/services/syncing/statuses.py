"""The status resource of a push, as a remote sends it (TAXII 2.1, 4.3.1), and what it covers while it is pending."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from cert_exchange.remote.connection import cleaned

_FAILURES_READ: Final = 10_000


@dataclass(frozen=True, slots=True)
class Failure:
    """One object that the remote did not take, with its words."""

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


@dataclass(frozen=True, slots=True)
class Pending:
    """A POST whose status was not complete: kept in the target's row between runs (W21)."""

    status_id: str
    sent: int
    since: int  # micros
    polls: int = 0

    def encode(self) -> str:
        """Return what stands in the row."""
        return json.dumps(asdict(self), sort_keys=True)


def decode_pending(text: str) -> Pending:
    """Read back what `encode` wrote."""
    return Pending(**json.loads(text))


def read_status(document: Mapping[str, Any]) -> PushStatus:
    """Read a status resource from a stranger: nothing in it can raise."""
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
    return 0 < len(text) <= 200 and all(sign.isalnum() or sign in "-_." for sign in text)


def _entries(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return value[:_FAILURES_READ] if isinstance(value, list) else []


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
