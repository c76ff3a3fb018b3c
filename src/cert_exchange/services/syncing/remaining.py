"""What a remote still has for a source, as far as it shows it: the entries of its manifest beyond our cursor.

1. Asked where a run ended before everything had come, and by who looks at a source with `--ask`. One page by default: an
   order of magnitude is enough to see whether a source falls behind.
2. A manifest that cannot be read takes nothing from a run: then it is not known.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from cert_exchange import errors
from cert_exchange.remote.connection import Answer, Connection, cleaned
from cert_exchange.services.syncing.reporting import Run
from cert_exchange.stix.instants import parse_micros

_LOOK_EVERY: Final = 12
"""Quiet runs between two looks at what the remote holds at all."""
_TELLING_HEADERS: Final = (
    "Date", "Content-Type", "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last",
)  # fmt: skip
Remaining = dict[str, Any]
"""{objects: int or None, more: bool, oldest: instant as the remote wrote it or None, at: micros}; as it stands in the row."""


def nothing(now: int) -> Remaining:
    """Everything came."""
    return {"objects": 0, "more": False, "oldest": None, "at": now}


def unknown(now: int) -> Remaining:
    """There was more when the run broke off."""
    return {"objects": None, "more": True, "oldest": None, "at": now}


def beyond(
    connection: Connection, collection: str, *, cursor: str | None, now: int, pages: int = 1
) -> Remaining:
    """Count what the remote's manifest shows after `cursor`, `pages` pages at most. Never raises errors.Remote*."""
    options = connection.options
    url = f"{connection.root}collections/{quote(collection, safe='')}/manifest/"
    params = {f"match[{name}]": value for name, value in options.match.items()}
    params["limit"] = str(options.limit)
    after = cursor or options.start
    if after:
        params["added_after"] = after
    count, oldest, more = 0, None, False
    for _ in range(pages):
        try:
            document = connection.fetch("GET", url, params=params).document()
        except errors.RemoteError:
            return unknown(now) if not count else _said(count, oldest, now, more=True)
        entries = document.get("objects")
        dates = [
            date
            for one in (entries if isinstance(entries, list) else ())
            if isinstance(one, dict) and _beyond(date := str(one.get("date_added", "")), after)
        ]
        count += len(dates)
        oldest = oldest or (cleaned(min(dates), 40) if dates else None)
        token = document.get("next")
        more = document.get("more") is True
        if not more or not isinstance(token, str) or not token:
            break
        params["next"] = token
    return _said(count, oldest, now, more=more)


def look_around(run: Run, connection: Connection, *, quiet_runs: int) -> str:
    """After some empty runs: what the remote holds at all, so that a wrong cursor, collection or filter shows (U10)."""
    quiet = int(run.memory.get("quiet_runs", 0))
    if quiet < quiet_runs:
        run.memory["seen_there"] = None
        return ""
    said = run.channel.counters.get("seen_there")
    if said is None or quiet % _LOOK_EVERY == 0:
        url = f"{connection.root}collections/{quote(run.channel.remote_collection, safe='')}/manifest/"
        try:
            said = _seen_in(connection.fetch("GET", url, params={"limit": "1000"}))
        except errors.RemoteError as error:
            said = f"Its manifest cannot be read: {error.public}"
        run.memory["seen_there"] = said
    return f" {said}"


def _seen_in(answer: Answer) -> str:
    """What an unfiltered manifest's first page shows; nothing that a stranger sent can raise but RemoteAnswerInvalid."""
    document = answer.document()
    entries = document.get("objects")
    dates = [
        str(one.get("date_added"))
        for one in (entries if isinstance(entries, list) else ())
        if isinstance(one, dict)
    ]
    headers = "; ".join(
        f"{name}: {cleaned(answer.headers[name], 60)}"
        for name in _TELLING_HEADERS
        if name in answer.headers
    )
    if not dates:
        return f"Its manifest, asked without added_after or filter, is empty: is it the right collection? ({headers})"
    more = " and more" if document.get("more") is True else ""
    return (
        f"Its manifest, asked without added_after or filter, shows {len(dates):,} objects{more}, the newest of"
        f" {cleaned(max(dates), 60)} ({headers})"
    )


def _said(count: int, oldest: str | None, now: int, *, more: bool) -> Remaining:
    return {"objects": count, "more": more, "oldest": oldest, "at": now}


def _beyond(date: str, after: str | None) -> bool:
    """Whether an entry lies after our cursor: some servers ignore `added_after` (W03)."""
    if not after:
        return True
    try:
        return parse_micros(date) > parse_micros(after)
    except ValueError:
        return True


def instant(date: str, otherwise: int) -> int:
    """A date of a manifest in micros; `otherwise` where it is none."""
    try:
        return parse_micros(date)
    except ValueError:
        return otherwise


def entries_of(answer: Answer, stix_id: str) -> list[tuple[str, str]]:
    """The (date_added, version) of one id in a manifest's answer. Raises RemoteAnswerInvalid."""
    entries = answer.document().get("objects")
    return [
        (cleaned(str(one.get("date_added", "")), 40), cleaned(str(one.get("version", "")), 40))
        for one in (entries if isinstance(entries, list) else ())
        if isinstance(one, dict) and one.get("id") == stix_id
    ]
